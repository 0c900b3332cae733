"""Bytes that reach new code: libFuzzer through atheris."""

import sys

import atheris

with atheris.instrument_imports(include=["mantle.template", "mantle.plan"]):
    from fuzz.targets import try_all


def one(data: bytes) -> None:
    """One input; what escapes is the finding."""
    text = data.decode("utf-8", errors="surrogateescape")
    for error in try_all(text, text, text).values():
        raise error


if __name__ == "__main__":
    atheris.Setup(sys.argv, one)
    atheris.Fuzz()
