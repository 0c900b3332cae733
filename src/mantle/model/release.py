"""What engines of two releases, side by side during an upgrade, have to know of each other.

Every operation has the *format* of the release that accepted it, or of the newest engine that has
begun with it. An engine leaves operations of a newer format to newer engines; what an older release
has begun, a newer one finishes.

The format grows when a release accepts what the one before cannot perform: another action, another
resource type, another meaning of a stored field. `tests/upgrade` holds it against the release
before, and says when it has to grow.
"""

FIRST_FORMAT = 1
"""Of operations that carry none: they were accepted before there were formats."""

OPERATION_FORMAT = 3
"""Of this release."""
