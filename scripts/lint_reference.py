"""Write docs/reference/lint.md from the table of rules. `make docs` runs it."""

import sys
from pathlib import Path

from mantle.template.lint.rules import RULES

PLACE = Path(__file__).resolve().parents[1] / "docs" / "reference" / "lint.md"
HEADING = """# What `mantle template lint` warns of

Made from the rules by `make docs`. Errors and warnings end the command with 1, notes do not. A
finding that is meant is silenced on its line, or on the line above, with `# mantle: ignore MTL004`;
in the whole file with `# mantle: ignore-file MTL004`; for a run with `--ignore MTL004` (a beginning
such as `MTL04` covers all that begin so). `MTL000` is what cannot be read at all, and keys that
stand twice.
"""


def text() -> str:
    return HEADING + "".join(
        f"\n## {rule.id} {rule.name}\n\n**{rule.title}** · {rule.severity}"
        f"{' · `--fix` repairs it' if rule.fixable else ''}\n\n{rule.why}\n\n*{rule.fix}*\n"
        for rule in RULES
    )


def main() -> int:
    PLACE.write_text(text(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
