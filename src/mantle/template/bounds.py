"""How large a template and its nesting may be: what an operator may set otherwise."""

from dataclasses import dataclass

from mantle.template.load import MOST_BYTES


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """Of one template with everything inside it."""

    template_bytes: int = MOST_BYTES
    """Of each text, root and nested alike. Heat allows 512 KiB; 20,000 resources need 2 MiB."""
    nesting: int = 5
    """Levels of stacks below the first, as Heat's default."""
