"""How often Python looks for objects that hold each other and nothing else does."""

import gc

YOUNG_OBJECTS = 50_000
"""Allocations between two looks; Python's default is 700."""


def collect_rarely() -> None:
    """Once in each process that serves, before it does anything.

    A template of ten thousand resources, and the walk of its plan, make objects by the hundred
    thousand that live as long as they do, and would be looked through again and again. What is
    there already stays as long as the process, and is not looked through at all.
    """
    gc.freeze()
    gc.set_threshold(YOUNG_OBJECTS, 20, 20)
