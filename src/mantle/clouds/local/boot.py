"""What user_data means: a list of programs to run in order, decided purely.

Understood, as cloud-init does: a script that begins with `#!`; `#cloud-config` with `write_files`,
`bootcmd`, `runcmd`, `hostname` and `final_message`; a MIME multipart of those. Anything else is
refused when the server is created, with the reason: nothing a person wrote is silently skipped.
"""

import base64
import email
import email.message
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from mantle.clouds.ports import Refused

SIZE_LIMIT_BYTES = 65_535
"""As Nova's."""
CLOUD_CONFIG_KEYS = ("bootcmd", "final_message", "hostname", "runcmd", "write_files")
SCRIPT_TYPES = ("text/x-shellscript", "text/cloud-boothook")


@dataclass(frozen=True, slots=True)
class Part:
    """One program of a boot, and what to call it in a message."""

    name: str
    content: bytes


def boot_parts(user_data: str) -> tuple[Part, ...]:
    """The programs a boot runs, in order; none for empty user_data."""
    if len(user_data.encode()) > SIZE_LIMIT_BYTES:
        raise Refused(
            f"user_data has {len(user_data.encode())} bytes; the limit is {SIZE_LIMIT_BYTES}.",
            remedy="Let the script fetch what is large.",
        )
    if not user_data.strip():
        return ()
    if user_data.lstrip()[:13].lower() in ("content-type:", "mime-version:"):
        return _multipart(user_data.lstrip())
    return (_part(user_data, "user_data"),)


def _part(text: str, name: str) -> Part:
    if text.startswith("#!"):
        return Part(name, text.encode())
    if text.startswith("#cloud-config"):
        return Part(name, _cloud_config(text, name).encode())
    if text.startswith("#cloud-boothook"):
        return Part(name, b"#!/bin/sh\n" + text.encode())
    first = text.strip().splitlines()[0][:60] if text.strip() else ""
    raise Refused(
        f"{name} is nothing a server can boot from; it begins with {first!r}.",
        remedy="Begin it with `#!/bin/sh` (or another interpreter) or with `#cloud-config`.",
    )


def _multipart(text: str) -> tuple[Part, ...]:
    message = email.message_from_string(text)
    parts = []
    for number, piece in enumerate(_leaves(message), start=1):
        name = piece.get_filename() or f"part {number} of user_data"
        payload = piece.get_payload(decode=True)
        body = payload.decode(errors="replace") if isinstance(payload, bytes) else ""
        kind = piece.get_content_type()
        if not body.strip():
            continue
        if kind in SCRIPT_TYPES and not body.startswith("#!"):
            body = "#!/bin/sh\n" + body
        if kind == "text/cloud-config" and not body.startswith("#cloud-config"):
            body = "#cloud-config\n" + body
        if kind not in (*SCRIPT_TYPES, "text/cloud-config", "text/plain"):
            raise Refused(
                f"{name} has the type {kind}, which the local cloud cannot boot from.",
                remedy="Use text/x-shellscript, text/cloud-config or text/plain.",
            )
        parts.append(_part(body, name))
    return tuple(parts)


def _leaves(message: email.message.Message) -> list[email.message.Message]:
    return [piece for piece in message.walk() if not piece.is_multipart()]


def _cloud_config(text: str, name: str) -> str:
    try:
        config = yaml.safe_load(text) or {}
    except yaml.YAMLError as problem:
        raise Refused(f"The cloud-config in {name} is not YAML: {problem}.") from problem
    if not isinstance(config, dict):
        raise Refused(f"The cloud-config in {name} is not a mapping.")
    unknown = sorted(str(key) for key in config if key not in CLOUD_CONFIG_KEYS)
    if unknown:
        raise Refused(
            f"The local cloud cannot honour these keys of the cloud-config in {name}: "
            + ", ".join(unknown)
            + ("; its servers use this machine's programs and cannot install packages"
               if any(key.startswith("package") for key in unknown) else "") + ".",
            remedy="It understands: " + ", ".join(CLOUD_CONFIG_KEYS) + ".",
        )  # fmt: skip
    lines = ["#!/bin/sh"]
    lines += [_shell(command, name) for command in _list(config, "bootcmd", name)]
    if "hostname" in config:
        lines.append(f"hostname {shlex.quote(str(config['hostname']))} 2>/dev/null || true")
    for item in _list(config, "write_files", name):
        lines += _write_file(item, name)
    lines += [_shell(command, name) for command in _list(config, "runcmd", name)]
    if "final_message" in config:
        lines += ["code=$?", f"printf '%s\\n' {shlex.quote(str(config['final_message']))}"]
        lines.append("exit $code")
    return "\n".join(lines) + "\n"


def _list(config: Mapping[str, Any], key: str, name: str) -> list[Any]:
    value = config.get(key) or []
    if not isinstance(value, list):
        raise Refused(f"{key} in the cloud-config in {name} is not a list.")
    return value


def _shell(command: Any, name: str) -> str:
    if isinstance(command, str):
        return command
    if isinstance(command, list):
        return shlex.join(str(word) for word in command)
    raise Refused(f"A command in the cloud-config in {name} is neither text nor a list.")


def _write_file(item: Any, name: str) -> list[str]:
    if not isinstance(item, dict) or "path" not in item:
        raise Refused(f"An entry of write_files in the cloud-config in {name} has no path.")
    unknown = sorted(set(map(str, item)) - {"path", "content", "permissions", "encoding", "append"})
    if unknown:
        raise Refused(
            f"write_files in the cloud-config in {name} cannot honour: {', '.join(unknown)}.",
            remedy="It understands path, content, permissions, encoding and append.",
        )
    encoding = str(item.get("encoding", "text/plain"))
    content = str(item.get("content", ""))
    if encoding in ("b64", "base64"):
        encoded = "".join(content.split())
    elif encoding == "text/plain":
        encoded = base64.b64encode(content.encode()).decode()
    else:
        raise Refused(f"write_files in the cloud-config in {name} cannot decode {encoding!r}.")
    path = shlex.quote(str(item["path"]))
    mode = item.get("permissions", "0644")
    permissions = shlex.quote(mode if isinstance(mode, str) else f"{mode:o}")
    arrow = ">>" if item.get("append") else ">"
    # cloud-config writes before it runs; a file that cannot be written ends the boot.
    folder = f'"$(dirname -- {path})"'
    return [
        f"mkdir -p -- {folder} || exit 1",
        f"printf %s {encoded} | base64 -d {arrow} {path} || exit 1",
        f"chmod -- {permissions} {path} || exit 1",
    ]
