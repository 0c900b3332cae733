"""Tokens of Mantle's own account: for asking Keystone about others' tokens and signatures.

Any entry of clouds.yaml will do that openstacksdk can log in with. A token is renewed by itself
before it ends; one that Keystone takes no more is given up when somebody says so.
"""

import functools
import importlib
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from mantle.clouds.openstack.caller import Caller, Workshop
from mantle.clouds.openstack.door import Entry, open_door

SECRETS = ("password", "secret", "token", "passcode")
MASK = "***"


class AccountTokens:
    """Tokens of one entry."""

    def __init__(self, entry: Entry) -> None:
        self.name = entry.name
        self._threads = ThreadPoolExecutor(2, thread_name_prefix="service-account")
        self._workshop = Workshop(threads=self._threads, pace={})
        self._caller = Caller(self._workshop, functools.partial(open_door, entry, None))

    async def token(self) -> str:
        """One that is good for a while; raises `CloudError`."""
        door = await self._caller.door()
        text: str = await self._workshop.run(door.token)
        return text

    async def renew(self) -> None:
        """The last one was refused: log in anew."""
        door = await self._caller.door()
        await self._workshop.run(door.forget_token)

    async def close(self) -> None:
        """Let the threads go."""
        self._threads.shutdown(wait=False, cancel_futures=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """What an entry of clouds.yaml says of itself, for showing."""

    auth_url: str
    told: Mapping[str, str]
    """Its log-in, secrets masked."""

    def __str__(self) -> str:
        said = ", ".join(f"{name} {value}" for name, value in self.told.items())
        return f"at {self.auth_url}: {said}"


def login_of(entry: Entry) -> Login | None:
    """Without asking Keystone; None when there is no such entry, or no clouds.yaml can be read."""
    config = importlib.import_module("openstack.config")
    exceptions = importlib.import_module("openstack.exceptions")
    files = {"config_files": [str(entry.file)]} if entry.file is not None else {}
    try:
        known = config.OpenStackConfig(load_envvars=False, **files)
    except (exceptions.ConfigException, OSError):
        return None
    cloud = (known.cloud_config.get("clouds") or {}).get(entry.name)
    auth: Mapping[str, Any] = (cloud or {}).get("auth") or {}
    if not auth:
        return None
    hidden = {name: any(word in name for word in SECRETS) for name in auth}
    return Login(
        auth_url=str(auth.get("auth_url", "")),
        told={
            name: MASK if hidden[name] else str(value)
            for name, value in sorted(auth.items())
            if name != "auth_url"
        },
    )
