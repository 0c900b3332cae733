"""Credentials: where they are looked for, and what is kept."""

import json
import stat

import pytest

from mantle.cli.credentials import Credentials, find_credentials
from mantle.cli.exits import Exit, Stop

CLOUDS = """
clouds:
  mantle:
    auth: {auth_url: "http://a/identity/v3", username: u, password: p, project_name: demo}
  broken: {auth: {}}
"""


def test_the_environment_comes_before_what_mantle_up_wrote(home):
    """The order is that of the module's docstring."""
    own = home / ".local/share/mantle/clouds.yaml"
    own.parent.mkdir(parents=True)
    own.write_text(CLOUDS)
    variables = {"OS_AUTH_URL": "http://b/v3", "OS_TOKEN": "t"}
    assert find_credentials(variables, home, None).auth_url == "http://b/v3"
    assert find_credentials({}, home, None).auth_url == "http://a/identity/v3"
    assert find_credentials(variables, home, "mantle").auth_url == "http://a/identity/v3"


def test_an_unknown_cloud_tells_where_it_looked(home):
    """So that the file can be put there."""
    with pytest.raises(Stop) as refused:
        find_credentials({}, home, "nowhere")
    assert refused.value.code is Exit.REFUSED
    assert str(home / ".config/openstack/clouds.yaml") in refused.value.remedy


def test_credentials_show_no_secret():
    """Not even in a traceback."""
    who = Credentials(auth_url="http://a", username="u", password="hunter2", source="a test")
    assert repr(who) == "<u at http://a, from a test>"


def test_login_keeps_a_token_but_no_password(shelf, mantle, home):
    """In a file only its owner can read."""
    assert mantle("login")[0] == 0
    place = home / ".config/mantle/login.json"
    assert json.loads(place.read_text()) == {
        "auth_url": f"{shelf.url}/identity/v3",
        "token": "a-token",
        "endpoint": f"{shelf.url}/v2",
    }
    assert stat.S_IMODE(place.stat().st_mode) == 0o600


def test_the_kept_token_is_used_without_another_login(shelf, mantle, home, monkeypatch):
    """Later commands log in no more."""
    mantle("login")
    for name in ("OS_AUTH_URL", "OS_USERNAME", "OS_PASSWORD", "OS_PROJECT_NAME"):
        monkeypatch.delenv(name)
    shelf.requests.clear()
    shelf.put("GET", "/v2/stacks", {"stacks": []})
    assert mantle("stack", "list")[0] == 0
    assert [path for _, path, _ in shelf.requests] == ["/v2/stacks"]


def test_a_wrong_password_is_refused_in_words(shelf, mantle, monkeypatch):
    """With who tried, and from where it was read."""
    monkeypatch.setenv("OS_PASSWORD", "wrong")
    code, _, err = mantle("stack", "list")
    assert code == 5
    assert "refused the login of 'demo' (the OS_* variables)" in err
