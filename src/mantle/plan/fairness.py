"""Who is next: a project with a thousand operations waits no shorter than one with a single one.

Pure. Operations of nested stacks are always taken: the operation they belong to waits for them and
holds its place meanwhile, so to make them wait for a place could stop all.
"""

from collections.abc import Mapping, Sequence
from typing import Protocol, TypeVar

from mantle.model.ids import ProjectId


class Queued(Protocol):
    """What is asked of an operation in the queue."""

    @property
    def created_at(self) -> float: ...
    @property
    def project_id(self) -> ProjectId: ...
    @property
    def nested(self) -> bool: ...


QueuedT = TypeVar("QueuedT", bound=Queued)


def room_under(strain_seconds: float, most_seconds: float, room: int) -> int:
    """How much of its room an engine uses while the database is slow.

    All of it up to a fifth of what is bearable, nothing beyond that, and in proportion between.
    """
    easy = most_seconds / 5
    if strain_seconds <= easy or most_seconds <= 0:
        return room
    left = max(0.0, (most_seconds - strain_seconds) / (most_seconds - easy))
    return int(room * left)


def next_ones(
    front: Sequence[QueuedT],
    under_way: Mapping[ProjectId, int],
    *,
    room: int,
    per_project: int,
    share: int,
    fresh_since: float,
) -> list[QueuedT]:
    """The operations to take now, of a queue's front in the order they came.

    `under_way` counts what each project has running everywhere; `room` is how many more this
    engine takes on, `per_project` how many a project may have running at once. Of what came after
    `fresh_since` no more than `share` are taken: the rest is left for engines that have less to do,
    and taken all the same once it has waited.
    """
    left = share
    offered = []
    for each in front:
        if each.created_at >= fresh_since:
            if left <= 0:
                continue
            left -= 1
        offered.append(each)
    chosen = [each for each in offered if each.nested]
    lines: dict[ProjectId, list[QueuedT]] = {}
    for each in offered:
        if not each.nested:
            lines.setdefault(each.project_id, []).append(each)
    running = {project: under_way.get(project, 0) for project in lines}
    while room > 0 and lines:
        # Fewest running first; among equals whoever came first, which is the order of `lines`.
        project = min(lines, key=lambda one: running[one])
        if running[project] >= per_project:
            break
        chosen.append(lines[project].pop(0))
        running[project] += 1
        room -= 1
        if not lines[project]:
            del lines[project]
    return chosen
