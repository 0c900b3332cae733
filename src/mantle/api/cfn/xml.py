"""Answers of the Query protocol as XML, or as JSON where a client asks for that. Pure."""

import json
import re
from typing import Any
from xml.sax.saxutils import escape

FORBIDDEN = re.compile(r"[^\t\n\r\x20-\uD7FF\uE000-\uFFFD\U00010000-\U0010FFFF]")
"""Characters that XML 1.0 cannot hold, even escaped."""


def answer(action: str, result: Any, request_id: str) -> str:
    """`<ActionResponse><ActionResult>…`; lists are `<member>` elements."""
    parts = {
        f"{action}Result": result,
        "ResponseMetadata": {"RequestId": request_id},
    }
    return document(f"{action}Response", parts)


def failure(code: str, message: str, request_id: str, *, sender: bool) -> str:
    """The shape that clients look for."""
    error = {"Type": "Sender" if sender else "Receiver", "Code": code, "Message": message}
    return document("ErrorResponse", {"Error": error, "RequestId": request_id})


def document(name: str, content: Any) -> str:
    """One element and all in it."""
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{_element(name, content)}'


def _element(name: str, content: Any) -> str:
    return f"<{name}>{_inside(content)}</{name}>"


def _inside(content: Any) -> str:
    match content:
        case None:
            return ""
        case bool():
            return "true" if content else "false"
        case dict():
            return "".join(_element(name, part) for name, part in content.items())
        case list():
            return "".join(_element("member", part) for part in content)
        case _:
            return escape(FORBIDDEN.sub("\ufffd", str(content)))


def as_text(value: Any) -> str:
    """A value that the protocol has no shape for: JSON text, unless it is a text already."""
    return value if isinstance(value, str) else json.dumps(value)
