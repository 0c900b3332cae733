"""Every example runs for real: `mantle up`, the command line, processes, HTTP."""

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import httpx
import pytest

from mantle.cli.control_plane import ensure_plane, left_behind, stop_plane

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
ASKS = 40
"""More than enough for a round robin over three members to reach two."""


@pytest.fixture(scope="module")
def environment():
    """One control plane for the module, and addresses that no other test of this machine uses."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("OS_")}
    return kept | {"MANTLE_LOOPBACK_BLOCK": "127.12.0.0/16", "COLUMNS": "200"}


@pytest.fixture(scope="module")
def mantle(tmp_path_factory, environment):
    """Run one command against a control plane of this module's own."""
    data = tmp_path_factory.mktemp("examples")
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            patch.setenv(name, value)
        plane, _ = ensure_plane(data)

    def call(*arguments):
        return run(environment | {"MANTLE_DATA_DIR": str(data)}, *arguments)

    try:
        yield call
        for stack in json.loads(call("stack", "list", "--json").stdout)["stacks"]:
            call("stack", "delete", stack["name"], "--yes")
    finally:
        stop_plane(plane, data)
    assert left_behind(data) == []


def run(environment, *arguments):
    return subprocess.run(
        [sys.executable, "-m", "mantle", *arguments],
        env=environment,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )


def create(mantle, name, template, *more):
    done = mantle("stack", "create", name, "-t", str(EXAMPLES / template), "--json", *more)
    assert done.returncode == 0, done.stdout + done.stderr
    outputs = json.loads(done.stdout)["stack"]["outputs"]
    return {output["name"]: output["value"] for output in outputs}


def get(url):
    """The text behind a URL; a server whose boot script still starts is asked again."""
    transport = httpx.HTTPTransport(retries=8)  # pauses grow: about a minute in all
    with httpx.Client(transport=transport, timeout=10.0) as client:
        return client.get(url).raise_for_status().text


def test_hello_server_says_what_it_was_told(mantle):
    """A parameter reaches the boot script of a real process, which answers HTTP."""
    outputs = create(mantle, "hello", "01-hello-server/hello.yaml", "-p", "greeting=Good morning")
    assert get(outputs["url"]) == "Good morning\n"


def test_members_take_turns_behind_the_load_balancer(mantle):
    """At least two of the members answer through the one address."""
    outputs = create(mantle, "web", "02-load-balanced-web/web.yaml", "-p", "members=2")
    answers = Counter(get(outputs["url"]).split("\n")[0] for _ in range(ASKS))
    assert set(answers) == {"web-web-0", "web-web-1"}


def test_a_group_grows_by_an_update(mantle):
    """The plan names one change; the new member answers too."""
    planned = mantle("stack", "plan", "web", "-t", str(EXAMPLES / "02-load-balanced-web/web.yaml"))
    assert "count: 2 -> 3" in planned.stdout
    done = mantle("stack", "update", "web", "--existing", "-p", "members=3")
    assert done.returncode == 0, done.stdout + done.stderr
    url = mantle("stack", "outputs", "web", "url").stdout.strip()
    answers = Counter(get(url).split("\n")[0] for _ in range(ASKS))
    assert set(answers) == {"web-web-0", "web-web-1", "web-web-2"}


def test_an_environment_maps_a_type_and_gives_defaults(mantle):
    """`My::Site` is lib/page.yaml; nested templates see parameter_defaults."""
    folder = "03-nested-with-environment"
    environment = str(EXAMPLES / folder / "testing.yaml")
    outputs = create(mantle, "site", f"{folder}/site.yaml", "-e", environment)
    assert get(outputs["shop_url"]) == "This is the shop.\n"
    assert get(outputs["blog_url"]) == "This is the list of articles.\n"
    assert outputs["color"] == "green"


@pytest.mark.proves("life cycle: software deployments")
def test_a_script_is_run_by_the_servers_agent_and_again_when_its_input_changes(mantle):
    """A real process polls the signed URL it was told at its boot, runs the script and answers."""
    template = "04-software-deployment/deploy.yaml"
    outputs = create(mantle, "words", template, "-p", "word=hello")
    assert outputs == {"said": "hello from deployment, at CREATE", "status": 0}
    done = mantle("stack", "update", "words", "--existing", "-p", "word=bye")
    assert done.returncode == 0, done.stdout + done.stderr
    said = mantle("stack", "outputs", "words", "said").stdout.strip()
    assert said == "bye from deployment, at UPDATE"


def test_a_mistake_is_shown_with_its_place(mantle, tmp_path):
    """The real server's finding, beside the real line."""
    template = tmp_path / "wrong.yaml"
    template.write_text(
        "heat_template_version: 2021-04-16\nresources:\n  a:\n    type: OS::Nova::Servr\n"
    )
    refused = mantle("stack", "create", "wrong", "-t", str(template))
    assert refused.returncode == 3
    assert refused.stdout == ""
    assert f"{template}:4:5: error: " in refused.stderr
    assert "  4 |     type: OS::Nova::Servr\n    |     ^\n" in refused.stderr
    assert "OS::Nova::Server" in refused.stderr


def test_the_demo_comes_and_goes(environment, tmp_path):
    """Twice up, twice down; then no process names its folder."""
    data = str(tmp_path / "demo")
    surroundings = environment | {"MANTLE_LOOPBACK_BLOCK": "127.13.0.0/16"}
    first = run(surroundings, "demo", "--data-dir", data)
    assert first.returncode == 0, first.stdout + first.stderr
    assert "7 to create" in first.stdout
    second = run(surroundings, "demo", "--data-dir", data)
    assert second.returncode == 0, second.stdout + second.stderr
    assert "Stack demo stands already." in second.stdout
    down = run(surroundings, "demo", "--down", "--data-dir", data)
    assert (down.returncode, left_behind(Path(data))) == (0, []), down.stdout + down.stderr
    again = run(surroundings, "demo", "--down", "--data-dir", data)
    assert again.returncode == 0, again.stdout + again.stderr
