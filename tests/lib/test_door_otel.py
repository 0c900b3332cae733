"""OpenTelemetry is an extra: without being asked for, no process loads it."""

import subprocess
import sys
from pathlib import Path

SOURCES = Path(__file__).parents[2] / "src" / "mantle"


def test_one_module_knows_opentelemetry():
    """Everything else speaks to `lib/tracing.py`."""
    knowing = [
        str(path.relative_to(SOURCES))
        for path in SOURCES.rglob("*.py")
        if "opentelemetry" in path.read_text()
    ]
    assert knowing == ["lib/tracing.py"]


def test_a_server_that_does_not_trace_does_not_load_it():
    """Also with all of the server imported."""
    code = "import sys, mantle.wiring, mantle.api.app; print('opentelemetry.sdk' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.strip() == "False"
