"""What every verb of the stacks domain works with."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from mantle.clouds.ports import Cloud, Session
from mantle.engine.machine import Machine
from mantle.engine.runtime import Runtime
from mantle.engine.settings import Settings
from mantle.lib.clock import Clock
from mantle.model.errors import NotFound
from mantle.model.ids import ProjectId, UserId
from mantle.resources.registry import Registry
from mantle.store.database import Database


@dataclass(frozen=True, slots=True, kw_only=True)
class Control:
    """The control plane, as its verbs see it; built once by `wiring.py`."""

    machine: Machine
    runtime: Runtime
    default_cloud: str

    @property
    def database(self) -> Database:
        """Where everything is stored."""
        return self.machine.database

    @property
    def registry(self) -> Registry:
        """The resource types."""
        return self.machine.registry

    @property
    def clouds(self) -> Mapping[str, Cloud]:
        """The configured clouds by name."""
        return self.machine.clouds

    @property
    def cloud(self) -> Cloud:
        """The one a stack goes to unless it says otherwise."""
        return self.machine.clouds[self.default_cloud]

    @property
    def clock(self) -> Clock:
        """The time."""
        return self.machine.clock

    @property
    def new_id(self) -> Callable[[], str]:
        """Makes ids."""
        return self.machine.new_id

    @property
    def random(self) -> Callable[[int], bytes]:
        """Makes random bytes."""
        return self.machine.random

    @property
    def settings(self) -> Settings:
        """The limits."""
        return self.machine.settings

    def cloud_named(self, name: str) -> Cloud:
        """A configured cloud; `NotFound` lists those there are."""
        if name not in self.clouds:
            raise NotFound(
                f"There is no cloud {name!r}.",
                remedy=f"Configured are: {', '.join(sorted(self.clouds))}.",
            )
        return self.clouds[name]

    def view(self, name: str, project_id: ProjectId, user_id: UserId | None = None) -> Session:
        """A project's view of a configured cloud, by what this user left where that matters."""
        self.cloud_named(name)
        return self.machine.view(name, project_id, user_id)
