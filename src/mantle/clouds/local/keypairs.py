"""Key pairs. Their public keys reach servers through the metadata service."""

import base64
import binascii
import hashlib
import shutil
import subprocess
import tempfile
from dataclasses import replace
from pathlib import Path

from mantle.clouds.local.collection import LocalCollection
from mantle.clouds.local.shelf import Entry, Nothing
from mantle.clouds.ports import Clash, KeyPair, KeyPairSpec, Refused
from mantle.model.ids import Token

KeyPairEntry = Entry[KeyPair, Nothing]
KEYGEN_TIMEOUT_SECONDS = 30


class KeyPairs(LocalCollection[KeyPairSpec, KeyPair, Nothing]):
    """Key pairs of one project, known by name. A made private key is answered once and not kept."""

    kind = "key pair"

    def create_now(self, spec: KeyPairSpec, token: Token) -> KeyPair:
        """Make it; only the call that made the key can answer the private part."""
        with self._state.lock:
            known = self._shelf.find(token)
            if known is not None:
                return known.object
            if self._shelf.get(spec.name) is not None:
                raise Clash(f"There is a key pair named {spec.name!r} already.")
            if spec.type != "ssh":
                raise Refused(f"The local cloud has no key pairs of type {spec.type!r}, only ssh.")
            public, private = (spec.public_key, "") if spec.public_key else _generate(spec.name)
            key = KeyPair(
                id=spec.name,
                name=spec.name,
                token=token,
                created_at=self._state.settings.clock.now(),
                public_key=public,
                fingerprint=_fingerprint(public),
                type=spec.type,
            )
            self._shelf.put(Entry(key, Nothing()))
        return replace(key, private_key=private)

    def _change(self, entry: KeyPairEntry, spec: KeyPairSpec) -> KeyPairEntry:
        same_key = spec.public_key in (None, entry.object.public_key)
        if spec.name != entry.object.name or not same_key or spec.type != entry.object.type:
            raise Refused("A key pair cannot change in place.")
        return entry


def _fingerprint(public_key: str) -> str:
    """MD5 in colon form, as Nova prints it; it names a key, it does not protect one."""
    try:
        blob = base64.b64decode(public_key.split()[1], validate=True)
    except (IndexError, binascii.Error, ValueError) as problem:
        raise Refused(
            "The public key is not in OpenSSH form.", remedy="It looks like `ssh-ed25519 AAAA…`."
        ) from problem
    digest = hashlib.md5(blob, usedforsecurity=False).hexdigest()
    return ":".join(digest[index : index + 2] for index in range(0, 32, 2))


def _generate(name: str) -> tuple[str, str]:
    program = shutil.which("ssh-keygen")
    if program is None:
        raise Refused(
            "This machine has no ssh-keygen, so the local cloud cannot make a key.",
            remedy="Give a public_key, or install the OpenSSH client.",
        )
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "key"
        subprocess.run(  # noqa: S603 - the name is one argument and cannot be an option
            [program, "-q", "-t", "ed25519", "-N", "", "-C", f"mantle:{name}", "-f", str(path)],
            check=True,
            timeout=KEYGEN_TIMEOUT_SECONDS,
            stdin=subprocess.DEVNULL,
        )
        return path.with_suffix(".pub").read_text().strip(), path.read_text()
