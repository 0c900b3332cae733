"""Rules for what a stack may be called and tagged; Heat's, so that its clients' names fit."""

import re

from mantle.model.errors import MantleError

_NAME = re.compile(r"[a-zA-Z][a-zA-Z0-9_.-]{0,254}")
LONGEST_TAG = 80


def check_name(name: object) -> str:
    """A usable stack name, or why it is none."""
    if isinstance(name, str) and _NAME.fullmatch(name):
        return name
    raise MantleError(
        f"Invalid stack name {str(name)[:300]!r}: must contain only alphanumeric or "
        '"_-." characters and must start with alpha.',
        remedy="Use at most 255 of these characters, a letter first.",
        fault="StackValidationFailed",
    )


def check_tags(tags: tuple[str, ...]) -> tuple[str, ...]:
    """Usable tags, or which is none."""
    for tag in tags:
        if len(tag) > LONGEST_TAG or "," in tag or not tag:
            raise MantleError(
                f"Invalid tag {tag[:100]!r}: a tag has 1 to {LONGEST_TAG} characters and no comma.",
                fault="StackValidationFailed",
            )
    return tags
