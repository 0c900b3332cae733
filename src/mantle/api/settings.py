"""What the operator can decide about the HTTP side."""

from dataclasses import dataclass

MEBIBYTE = 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiSettings:
    """Defaults suit one machine."""

    body_limit_bytes: int = 4 * MEBIBYTE
    """Heat's default is 1 MiB; a template of 20,000 resources needs more."""
    revision: str = "unknown"
    """What `build_info` tells; packagers set it."""
