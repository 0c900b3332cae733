"""Counts and times the calls to a cloud, by service, verb and outcome; it is the cloud otherwise.

What the labels can be is the port's: collections and their verbs. The outcome is `ok` or the kind
of the refusal.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, cast

from mantle.clouds.ports import Cloud, CloudError, CloudInfo, Personal, Session
from mantle.lib import tracing
from mantle.lib.measures import CLOUD_SECONDS
from mantle.model.ids import ProjectId, UserId
from mantle.model.schema import Limitation


class Metered:
    """A cloud that is measured. Implements `ports.Cloud`."""

    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud

    @property
    def info(self) -> CloudInfo:
        """The cloud's."""
        return self.cloud.info

    @property
    def limitations(self) -> Sequence[Limitation]:
        """The cloud's."""
        return self.cloud.limitations

    def session(self, project_id: ProjectId) -> Session:
        """One project's view, measured."""
        inner = self.cloud.session(project_id)
        return cast("Session", _Part(inner, self.cloud.info.name, ""))

    def session_for(self, project_id: ProjectId, user_id: UserId) -> Session:
        """The view that a user left, where that is a difference; measured."""
        if not isinstance(self.cloud, Personal):
            return self.session(project_id)
        inner = self.cloud.session_for(project_id, user_id)
        return cast("Session", _Part(inner, self.cloud.info.name, ""))

    async def start(self) -> None:
        """The cloud's."""
        await self.cloud.start()

    async def stop(self) -> None:
        """The cloud's."""
        await self.cloud.stop()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.cloud, name)


def metered(clouds: Mapping[str, Cloud]) -> dict[str, Cloud]:
    """All of them."""
    return {name: Metered(cloud) for name, cloud in clouds.items()}


class _Part:
    """A session, or one of its collections."""

    def __init__(self, inner: Any, cloud: str, service: str) -> None:
        self._inner, self._cloud, self._service = inner, cloud, service

    @property  # type: ignore[misc]
    def __class__(self) -> type:
        """What it stands for: whoever asks what a collection can do is told of the collection."""
        return self._inner.__class__  # type: ignore[no-any-return]

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._inner, name)
        if callable(found):
            service = self._service or "project"
            found = _measured(found, self._cloud, service, name)
        elif not self._service and not isinstance(found, str):
            found = _Part(found, self._cloud, name)
        else:
            return found
        # The next time it is found without asking.
        self.__dict__[name] = found
        return found


def _measured(call: Callable[..., Any], cloud: str, service: str, verb: str) -> Callable[..., Any]:
    def begun(*arguments: Any, **more: Any) -> Any:
        answer = call(*arguments, **more)
        if not isinstance(answer, Awaitable):
            return answer
        return _timed(answer, cloud, service, verb)

    return begun


async def _timed(answer: Awaitable[Any], cloud: str, service: str, verb: str) -> Any:
    started, outcome = time.perf_counter(), "ok"
    try:
        with tracing.span("cloud call", cloud=cloud, service=service, verb=verb):
            return await answer
    except CloudError as error:
        outcome = type(error).__name__.lower()
        raise
    except asyncio.CancelledError:
        outcome = "cancelled"
        raise
    except BaseException:
        outcome = "defect"
        raise
    finally:
        CLOUD_SECONDS.labels(cloud, service, verb, outcome).observe(time.perf_counter() - started)
