"""Waiting for a while without holding anything: the deadline is computed from durable facts."""

from mantle.resources.kit import Context, Wait

FOREVER_CHECK_SECONDS = 3600.0


def still_waiting(ctx: Context, seconds: float) -> Wait | None:
    """A wait until `seconds` after the phase began, or None when they have passed.

    Negative seconds never pass; the operation's timeout or a cancel ends the wait.
    """
    if seconds < 0:
        return Wait(reason="waiting for ever", again_after_seconds=FOREVER_CHECK_SECONDS)
    left = ctx.started_at + seconds - ctx.now
    if seconds == 0 or left <= 0:
        return None
    return Wait(reason=f"waiting {seconds:g} s", again_after_seconds=left)
