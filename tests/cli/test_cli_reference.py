"""What is written about the command line, and how quickly it starts."""

import runpy
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_the_reference_is_what_help_says(monkeypatch):
    """Run `make docs` when this fails."""
    monkeypatch.setenv("COLUMNS", "92")
    script = runpy.run_path(str(ROOT / "scripts" / "cli_reference.py"))
    assert script["text"]() == (ROOT / "docs" / "reference" / "cli.md").read_text()


def test_help_loads_neither_http_nor_the_server():
    """A command line is started often; it loads what the command needs."""
    program = "import mantle.__main__, sys; print([m for m in sys.argv if m in sys.modules])"
    heavy = ["httpx", "rich.live", "litestar", "sqlalchemy", "dbos", "mantle.wiring"]
    ran = subprocess.run(
        [sys.executable, "-c", program, *heavy], capture_output=True, text=True, check=True
    )
    assert ran.stdout == "[]\n"
