"""Whom to log in as, and where: read from what OpenStack users already have.

The first of these that is there wins:

1. `--cloud NAME` or `OS_CLOUD`: that entry of clouds.yaml (`OS_CLIENT_CONFIG_FILE`, the current
   folder, ~/.config/openstack, /etc/openstack, then the data directory of `mantle up`);
2. `OS_AUTH_URL` with `OS_USERNAME` and `OS_PASSWORD`, or with `OS_TOKEN`;
3. what `mantle login` stored in ~/.config/mantle/login.json;
4. the entry `mantle` of the clouds.yaml that `mantle up` wrote into its data directory.
"""

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mantle.cli.exits import Exit, Stop

DEFAULT_CLOUD = "mantle"


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """Enough for a Keystone v3 login. `repr` shows no secret."""

    auth_url: str
    username: str = ""
    password: str = ""
    project_name: str = ""
    user_domain: str = "Default"
    project_domain: str = "Default"
    token: str = ""
    endpoint: str = ""
    """The root of `/v2` when a token is at hand already, and no catalog is asked."""
    source: str = ""
    """Where this was read, for messages."""

    def __repr__(self) -> str:
        who = self.username or "a token"
        return f"<{who} at {self.auth_url or self.endpoint}, from {self.source}>"


def find_credentials(environ: Mapping[str, str], home: Path, cloud: str | None) -> Credentials:
    """By the order above; a refusal says how to log in."""
    wanted = cloud or environ.get("OS_CLOUD")
    if wanted:
        return _named(wanted, environ, home)
    if environ.get("OS_AUTH_URL"):
        return _from_environment(environ)
    stored = login_file(environ, home)
    if stored.is_file():
        return _from_login(stored)
    own = data_directory(environ, home) / "clouds.yaml"
    if own.is_file():
        return _from_file(own, DEFAULT_CLOUD)
    raise Stop(
        Exit.REFUSED,
        "Not logged in, and no `mantle up` has run on this machine.",
        remedy="Start one with `mantle up`, or log in to another: mantle login --auth-url URL, "
        "or set OS_CLOUD to an entry of your clouds.yaml.",
    )


def data_directory(environ: Mapping[str, str], home: Path) -> Path:
    """Where `mantle up` keeps its data unless told otherwise."""
    if given := environ.get("MANTLE_DATA_DIR"):
        return Path(given)
    return Path(environ.get("XDG_DATA_HOME") or home / ".local" / "share") / "mantle"


def login_file(environ: Mapping[str, str], home: Path) -> Path:
    """Where `mantle login` keeps its token."""
    return Path(environ.get("XDG_CONFIG_HOME") or home / ".config") / "mantle" / "login.json"


def _named(name: str, environ: Mapping[str, str], home: Path) -> Credentials:
    looked = list(_clouds_files(environ, home))
    for place in looked:
        if place.is_file() and name in _clouds(place):
            return _from_file(place, name)
    raise Stop(
        Exit.REFUSED,
        f"No clouds.yaml has an entry {name!r}.",
        remedy="Looked in: " + ", ".join(str(place) for place in looked),
    )


def _clouds_files(environ: Mapping[str, str], home: Path) -> Iterator[Path]:
    if environ.get("OS_CLIENT_CONFIG_FILE"):
        yield Path(environ["OS_CLIENT_CONFIG_FILE"])
    yield Path("clouds.yaml")
    yield home / ".config" / "openstack" / "clouds.yaml"
    yield Path("/etc/openstack/clouds.yaml")
    yield data_directory(environ, home) / "clouds.yaml"


def _clouds(place: Path) -> Mapping[str, Any]:
    import yaml  # noqa: PLC0415 - commands that need no clouds.yaml start faster

    try:
        data = yaml.safe_load(place.read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError) as error:
        raise Stop(Exit.REFUSED, f"Cannot read {place}: {error}") from None
    clouds = data.get("clouds") if isinstance(data, dict) else None
    return clouds if isinstance(clouds, dict) else {}


def _from_file(place: Path, name: str) -> Credentials:
    entry = _clouds(place).get(name)
    auth = entry.get("auth") if isinstance(entry, dict) else None
    if not isinstance(auth, dict) or not auth.get("auth_url"):
        raise Stop(Exit.REFUSED, f"The entry {name!r} of {place} has no auth.auth_url.")
    return Credentials(
        auth_url=str(auth["auth_url"]),
        username=str(auth.get("username") or ""),
        password=str(auth.get("password") or ""),
        project_name=str(auth.get("project_name") or ""),
        user_domain=str(auth.get("user_domain_name") or "Default"),
        project_domain=str(auth.get("project_domain_name") or "Default"),
        token=str(auth.get("token") or ""),
        source=f"{name!r} in {place}",
    )


def _from_environment(environ: Mapping[str, str]) -> Credentials:
    if not (environ.get("OS_TOKEN") or environ.get("OS_PASSWORD")):
        raise Stop(Exit.REFUSED, "OS_AUTH_URL is set, but neither OS_PASSWORD nor OS_TOKEN is.")
    return Credentials(
        auth_url=environ["OS_AUTH_URL"],
        username=environ.get("OS_USERNAME", ""),
        password=environ.get("OS_PASSWORD", ""),
        project_name=environ.get("OS_PROJECT_NAME", ""),
        user_domain=environ.get("OS_USER_DOMAIN_NAME", "Default"),
        project_domain=environ.get("OS_PROJECT_DOMAIN_NAME", "Default"),
        token=environ.get("OS_TOKEN", ""),
        source="the OS_* variables",
    )


def _from_login(place: Path) -> Credentials:
    try:
        data = json.loads(place.read_text(encoding="utf-8"))
        return Credentials(
            auth_url=data["auth_url"],
            token=data["token"],
            endpoint=data["endpoint"],
            source=str(place),
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise Stop(
            Exit.REFUSED, f"Cannot use {place}: {error!r}.", remedy="Run mantle login again."
        ) from None


def store_login(place: Path, *, auth_url: str, token: str, endpoint: str) -> None:
    """Keep a token for later commands, readable by its owner only. No password is kept."""
    place.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    text = json.dumps({"auth_url": auth_url, "token": token, "endpoint": endpoint})
    fresh = place.with_suffix(".new")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
    fresh.replace(place)
