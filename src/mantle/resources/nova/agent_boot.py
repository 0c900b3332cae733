"""What a server that takes deployments is told at its first boot: where its agent looks.

The file is the one that os-collect-config reads, `/var/lib/heat-cfntools/cfn-init-data`. A server
of the local cloud may write in its own folder only, so there the same path is below `$HOME`.
"""

import email
import json
from email.message import Message
from email.mime.multipart import MIMEMultipart
from email.mime.text import MIMEText

from mantle.resources.agent import collect_config
from mantle.resources.heat.stored_config import text_of
from mantle.resources.kit import Context

FILE = "var/lib/heat-cfntools/cfn-init-data"

WRITE = """#!/bin/sh
umask 077
file="${{MANTLE_METADATA_URL:+$HOME}}/{file}"
mkdir -p "${{file%/*}}"
cat > "$file" <<'{mark}'
{text}
{mark}
"""
SUBTYPES = {
    "#!": "x-shellscript",
    "#cloud-config": "cloud-config",
    "#cloud-boothook": "cloud-boothook",
}


async def user_data_of(ctx: Context) -> str:
    """The boot script, after the part that the agent needs where there is an agent."""
    text = await text_of(ctx, ctx.properties.get("user_data") or "")
    config = collect_config("OS::Nova::Server", ctx.properties, ctx.ref, ctx.callbacks)
    if config is None:
        return text
    whole = MIMEMultipart(boundary=f"==={ctx.ref.id}===")
    mark = f"END-{ctx.ref.id}"
    script = WRITE.format(
        file=FILE, mark=mark, text=json.dumps({"os-collect-config": config}, sort_keys=True)
    )
    whole.attach(_part(script, "cloud-boothook", "cfn-init-data"))
    for message in _messages(text):
        whole.attach(message)
    return whole.as_string()


def _messages(text: str) -> list[Message]:
    """The parts of a text that is a multi-part message itself; else the text as one part."""
    if not text.strip():
        return []
    if text.lstrip()[:13].lower() in {"content-type:", "mime-version:"}:
        nested = email.message_from_string(text.lstrip())
        return [each for each in nested.walk() if not each.is_multipart()]
    subtype = next((kind for start, kind in SUBTYPES.items() if text.startswith(start)), "plain")
    return [_part(text, subtype, "user-data")]


def _part(text: str, subtype: str, name: str) -> Message:
    message = MIMEText(text, subtype, "us-ascii" if text.isascii() else "utf-8")
    message.add_header("Content-Disposition", "attachment", filename=name)
    return message
