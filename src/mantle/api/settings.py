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

    @staticmethod
    def around(template_bytes: int) -> "ApiSettings":
        """With bodies that hold a template of this size; quoted as JSON it is a bit longer."""
        usual = ApiSettings()
        if template_bytes <= usual.body_limit_bytes:
            return usual
        return ApiSettings(body_limit_bytes=template_bytes * 5 // 4)
