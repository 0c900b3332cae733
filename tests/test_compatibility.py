"""The compatibility page says what the tests prove, and no more."""

import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "scripts"))

import compatibility


def test_the_page_is_what_the_tests_say():
    """Written again it is the same; `MANTLE_ACCEPT=1` writes it."""
    now = compatibility.page(compatibility.collected())
    if os.environ.get("MANTLE_ACCEPT"):
        compatibility.PAGE.write_text(now)
    assert compatibility.PAGE.read_text() == now


def test_every_function_and_route_has_a_test():
    """No row was left out for want of one."""
    ids = compatibility.collected()
    rows = [*compatibility._functions(ids), *compatibility._routes(ids), *compatibility._types(ids)]
    assert [what for what, tests in rows if not tests] == []
