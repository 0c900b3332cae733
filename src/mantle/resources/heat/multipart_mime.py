"""OS::Heat::MultipartMime: several configs as one multi-part message for cloud-init."""

import email
from collections.abc import Mapping
from email.message import Message
from email.mime.multipart import MIMEMultipart
from email.mime.text import MIMEText
from typing import Any

from mantle.resources.heat.stored_config import (
    CONFIG_ATTRIBUTE,
    GROUP_DEFAULT,
    stored_config,
    text_of,
)
from mantle.resources.kit import Context
from mantle.resources.schemas import maps, schema, string

SCHEMA = schema(
    "OS::Heat::MultipartMime",
    "Stores several configs as one multi-part message.",
    {
        "group": string("Which tool runs it.", default=GROUP_DEFAULT),
        "parts": maps(
            "The parts, in order.",
            {
                "config": string("A text, or the id of a stored config.", required=True),
                "filename": string("The part's file name."),
                "type": string(
                    "multipart when the text is itself a multi-part message.",
                    default="text",
                    allowed=("text", "multipart"),
                ),
                "subtype": string("The MIME subtype, such as x-shellscript."),
            },
            default=[],
        ),
    },
    CONFIG_ATTRIBUTE,
    since="2014.1",
)


async def render(ctx: Context) -> str:
    """One message; its boundary comes from the row, so rendering twice gives the same text."""
    whole = MIMEMultipart(boundary=f"==={ctx.ref.id}===")
    for part in ctx.properties.get("parts") or []:
        for message in await _messages(ctx, part):
            whole.attach(message)
    return whole.as_string()


async def _messages(ctx: Context, part: Mapping[str, Any]) -> list[Message]:
    text = await text_of(ctx, part["config"])
    if part.get("type") == "multipart":
        nested = email.message_from_string(text)
        return [each for each in nested.walk() if not each.is_multipart()]
    message = MIMEText(text, part.get("subtype") or "plain", _charset(text))
    if part.get("filename"):
        message.add_header("Content-Disposition", "attachment", filename=part["filename"])
    return [message]


def _charset(text: str) -> str:
    return "us-ascii" if text.isascii() else "utf-8"


TYPE = stored_config(SCHEMA, render)
