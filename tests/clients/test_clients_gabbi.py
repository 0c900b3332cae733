"""The API tests of the Heat project itself, from `heat-tempest-plugin`, as they are.

Only their two `fixtures:` lines are removed, which would log in through tempest; the token comes
from the environment instead, which is what gabbi's own runner expects.
"""

import subprocess
import sys
from pathlib import Path

import httpx
import pytest
import yaml

pytestmark = pytest.mark.clients

FILES = {
    "environments": 5,
    "resources": 10,
    "resourcetypes": 3,
    "softwareconfig": 10,
    "stacks": 16,
    "templates": 3,
}
"""Each file and how many tests it has; 47 in all."""


@pytest.fixture(scope="session")
def token(plane):
    """A token, and the endpoint out of the catalog that came with it."""
    auth = yaml.safe_load((plane.folder / "data" / "clouds.yaml").read_text())
    who = auth["clouds"]["mantle"]["auth"]
    domain = {"name": "Default"}
    user = {"name": who["username"], "password": who["password"], "domain": domain}
    project = {"name": who["project_name"], "domain": domain}
    identity = {"methods": ["password"], "password": {"user": user}}
    body = {"auth": {"identity": identity, "scope": {"project": project}}}
    answer = httpx.post(f"{who['auth_url']}/auth/tokens", json=body, timeout=30)
    (endpoint,) = [
        endpoint["url"]
        for service in answer.json()["token"]["catalog"]
        if service["type"] == "orchestration"
        for endpoint in service["endpoints"]
        if endpoint["interface"] == "public"
    ]
    return answer.headers["X-Subject-Token"], endpoint


@pytest.fixture(scope="session")
def files(clients):
    """The YAML files as published."""
    (folder,) = clients.glob("lib/python3*/site-packages/heat_tempest_plugin/tests/api/gabbits")
    found = {path.stem: path for path in sorted(folder.glob("*.yaml"))}
    assert found, f"no gabbi tests in {folder}; run `make test-clients`"
    return found


def test_all_47_are_there(files):
    """A newer plug-in with other tests would be noticed."""
    found = {name: len(yaml.safe_load(path.read_text())["tests"]) for name, path in files.items()}
    assert found == FILES
    assert sum(found.values()) == 47


@pytest.mark.parametrize("name", FILES)
def test_the_heat_projects_own_api_tests_pass(plane, token, files, name, tmp_path):
    """`gabbi-run` against the endpoint, one file after another."""
    source = files[name]
    lines = source.read_text().splitlines(keepends=True)
    assert lines[0] == "fixtures:\n"
    copy = tmp_path / source.name
    copy.write_text("".join(lines[2:]))
    done = subprocess.run(
        [Path(sys.executable).with_name("gabbi-run"), token[1], "--", copy],
        env=plane.environment | {"OS_TOKEN": token[0], "PREFIX": f"gabbi-{name}"},
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"Ran {FILES[name]} tests" in done.stdout + done.stderr
