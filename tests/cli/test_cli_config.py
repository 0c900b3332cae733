"""Where each value of the server's configuration is from, and what is told when one is wrong."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mantle.__main__ import build
from mantle.cli.app import run
from mantle.config import ServerOptions, WrongConfiguration, configure, masked, options_of


@pytest.fixture
def file(tmp_path) -> Path:
    path = tmp_path / "mantle.toml"
    path.write_text(
        'listen = "127.0.0.1:9000"\ncloud = "simulated"\nmax_nested_depth = 7\n'
        "[limits]\nlease_seconds = 6\n"
    )
    return path


def test_an_option_wins_over_a_variable_and_a_variable_over_the_file(file):
    """Each value says where it is from."""
    found = configure(
        ServerOptions(config=file, listen="127.0.0.1:9999"),
        {"MANTLE_LISTEN": "127.0.0.1:8888", "MANTLE_CLOUD": "local"},
    )
    assert {name: (found[name], found.known[name].source) for name in ("listen", "cloud")} == {
        "listen": ("127.0.0.1:9999", "option"),
        "cloud": ("local", "MANTLE_CLOUD"),
    }
    assert found.known["max_nested_depth"].source == str(file)
    assert found.known["destinations"].source == "default"


def test_limits_come_to_the_engine(file):
    """From the file's table and from variables."""
    options = options_of(configure(ServerOptions(config=file), {"MANTLE_LIMIT_ROUNDS": "3"}))
    assert (options.settings.lease_seconds, options.settings.rounds) == (6.0, 3)


def test_all_that_is_wrong_is_told_at_once(tmp_path):
    """With what was meant, where that can be guessed."""
    path = tmp_path / "m.toml"
    path.write_text('lissten = "x"\nmax_nested_depth = "deep"\n[limits]\nrouns = 1\n')
    with pytest.raises(WrongConfiguration) as told:
        configure(ServerOptions(config=path), {"MANTLE_MAX_TEMPLATE_SIZE": "big"})
    for part in ("did you mean listen", "max_nested_depth", "did you mean rounds", "SIZE"):
        assert part in str(told.value)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"listen": "nowhere"}, "--listen takes HOST:PORT"),
        ({"database": "mysql://x"}, "postgresql://"),
        ({"destinations": "10.0.0.0/99"}, "--destinations"),
        ({"openstack": "=demo"}, "--openstack takes"),
        ({"config": Path("/no/such.toml")}, "there is no file /no/such.toml"),
    ],
)
def test_what_cannot_be_is_refused_by_name(options, said):
    with pytest.raises(WrongConfiguration, match=said):
        options_of(configure(ServerOptions(**options), {}))


def test_a_broken_file_is_told_with_its_line(tmp_path):
    path = tmp_path / "m.toml"
    path.write_text("listen = \n")
    with pytest.raises(WrongConfiguration, match="line 1"):
        configure(ServerOptions(config=path), {})


@given(st.text("abc:/@%1", max_size=12), st.text("xyz:/@%2", min_size=1, max_size=12))
def test_a_password_is_never_shown(user, password):
    """Whatever characters it has."""
    shown = masked(f"postgresql://{user.replace(':', '')}:{password}@db.internal/mantle")
    assert shown == f"postgresql://{user.replace(':', '')}:***@db.internal/mantle"


def test_the_command_prints_every_value(file, capsys):
    """And masks the password."""
    url = "postgresql://mantle:secret@127.0.0.1/mantle"
    words = ["config", "show", "--json", "--config", str(file), "--database", url]
    assert run(build(), words) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["database"] == {
        "value": "postgresql://mantle:***@127.0.0.1/mantle",
        "source": "option",
    }
    assert shown["listen"] == {"value": "127.0.0.1:9000", "source": str(file)}


@pytest.mark.parametrize("command", ["api", "engine"])
def test_one_of_several_needs_a_shared_database(command, capsys, monkeypatch):
    monkeypatch.delenv("MANTLE_DATABASE", raising=False)
    assert run(build(), [command]) == 2
    assert "mantle up" in capsys.readouterr().err


def test_a_wrong_option_is_wrong_usage_and_no_traceback(capsys):
    assert run(build(), ["up", "--listen", "nowhere"]) == 2
    assert "--listen takes HOST:PORT" in capsys.readouterr().err
