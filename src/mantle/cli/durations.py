"""Lengths of time as people write them."""

import re

from mantle.cli.exits import Exit, Stop

UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0, "w": 604_800.0}
_PART = re.compile(r"(\d+(?:\.\d+)?)([smhdw])")


def seconds_of(text: str) -> float:
    """`90s`, `30m`, `8h`, `2d`, `1h30m`; a plain number is seconds."""
    tidy = text.strip().lower()
    if re.fullmatch(r"\d+(\.\d+)?", tidy):
        return float(tidy)
    if not re.fullmatch(rf"(?:{_PART.pattern})+", tidy):
        raise Stop(
            Exit.USAGE,
            f"{text!r} is no length of time.",
            remedy="Write 90s, 30m, 8h, 2d, 1w, or several together: 1h30m.",
        )
    return sum(float(number) * UNITS[unit] for number, unit in _PART.findall(tidy))


def spoken(seconds: float) -> str:
    """How long that is, in its largest unit: `40s`, `12m`, `3h`, `5d`."""
    for unit, length in (("d", 86_400.0), ("h", 3600.0), ("m", 60.0)):
        if seconds >= length:
            return f"{seconds / length:.0f}{unit}"
    return f"{max(0.0, seconds):.0f}s"
