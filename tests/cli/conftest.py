"""A served `/v2`, a home of its own, and the command run in this process."""

import importlib.util
import sys
from pathlib import Path

import pytest

from mantle.cli.app import build_app, run

# pytest imports by path here (importlib mode), so a helper beside the tests is loaded by path too.
_spec = importlib.util.spec_from_file_location(
    "server_of_v2", Path(__file__).parent / "server_of_v2.py"
)
server_of_v2 = importlib.util.module_from_spec(_spec)
sys.modules.setdefault("server_of_v2", server_of_v2)
_spec.loader.exec_module(server_of_v2)


@pytest.fixture
def home(tmp_path, monkeypatch):
    for name in ("OS_CLOUD", "OS_AUTH_URL", "OS_TOKEN", "MANTLE_DATA_DIR", "XDG_CONFIG_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def shelf(home, monkeypatch):
    with server_of_v2.serving() as shelf:
        monkeypatch.setenv("OS_AUTH_URL", f"{shelf.url}/identity/v3")
        monkeypatch.setenv("OS_USERNAME", "demo")
        monkeypatch.setenv("OS_PASSWORD", "secret")
        monkeypatch.setenv("OS_PROJECT_NAME", "demo")
        yield shelf


@pytest.fixture
def mantle(capsys):
    """Run one command line; answer its exit code, output and errors."""

    def call(*arguments):
        code = run(build_app(), list(arguments))
        captured = capsys.readouterr()
        return int(code), captured.out, captured.err

    return call


@pytest.fixture
def template(home):
    place = home / "web.yaml"
    place.write_text(
        "heat_template_version: 2021-04-16\nresources:\n  server:\n    type: OS::Nova::Servr\n"
    )
    return place
