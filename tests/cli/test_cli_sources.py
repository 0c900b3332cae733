"""Gathering: every file a template names is sent under the name as written."""

import pytest

from mantle.cli.exits import Exit, Stop
from mantle.cli.sources import gather


def write(folder, **files):
    for name, text in files.items():
        place = folder / name.replace("__", "/").replace("_yaml", ".yaml")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)


def test_files_are_followed_through_templates_and_environments(tmp_path):
    """Each name is relative to the file that writes it."""
    write(
        tmp_path,
        web_yaml="resources: {a: {type: lib/one.yaml}, b: {type: 'My::Own'}}",
        lib__one_yaml="resources: {s: {properties: {user_data: {get_file: boot}}}}",
        lib__boot="#!/bin/sh",
        env_yaml="resource_registry: {'My::Own': own.yaml}",
        own_yaml="resources: {}",
    )
    gathered = gather(tmp_path / "web.yaml", (tmp_path / "env.yaml",))
    environment = str(tmp_path / "env.yaml")
    assert set(gathered.files) == {"lib/one.yaml", "boot", "own.yaml", environment}
    assert gathered.places["boot"] == tmp_path / "lib/boot"
    assert gathered.environment_files == (environment,)


def test_one_name_for_two_files_is_refused(tmp_path):
    """The server knows a file only by its name, so a guess would be wrong half the time."""
    write(
        tmp_path,
        web_yaml="a: {get_file: boot}\nb: {type: lib/one.yaml}",
        lib__one_yaml="a: {get_file: boot}",
        boot="here",
        lib__boot="there",
    )
    with pytest.raises(Stop, match=r"The name 'boot' means .*boot in one file and .*lib/boot"):
        gather(tmp_path / "web.yaml")


def test_templates_that_name_each_other_end(tmp_path):
    """Each file is read once; the server refuses the cycle, with its place."""
    write(tmp_path, a_yaml="r: {type: b.yaml}", b_yaml="r: {type: a.yaml}")
    assert set(gather(tmp_path / "a.yaml").files) == {"a.yaml", "b.yaml"}


def test_a_missing_file_is_named(tmp_path):
    """With the folder it was looked for in."""
    write(tmp_path, web_yaml="a: {get_file: absent.sh}")
    with pytest.raises(Stop, match=r"absent\.sh.*No such file") as refused:
        gather(tmp_path / "web.yaml")
    assert refused.value.code is Exit.INVALID


def test_broken_yaml_is_left_to_the_server(tmp_path):
    """It reports all problems with their places; the client would report one."""
    write(tmp_path, web_yaml="resources: {a: [")
    assert gather(tmp_path / "web.yaml").template == "resources: {a: ["


@pytest.mark.parametrize("name", ["http://elsewhere/x.yaml", "https://elsewhere/x.yaml"])
def test_nothing_is_fetched(tmp_path, name):
    """A template must not make this machine talk to another."""
    write(tmp_path, web_yaml=f"a: {{get_file: '{name}'}}")
    with pytest.raises(Stop, match="files from elsewhere are not fetched"):
        gather(tmp_path / "web.yaml")


def test_aliases_that_multiply_are_walked_once(tmp_path):
    """A YAML bomb costs the client what its text costs."""
    levels = [f"l{n}: &l{n} [{', '.join([f'*l{n - 1}'] * 9)}]" for n in range(1, 60)]
    write(tmp_path, web_yaml="\n".join(["l0: &l0 {get_file: f}", *levels]), f="x")
    assert set(gather(tmp_path / "web.yaml").files) == {"f"}
