"""All resource types, by name."""

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType

from mantle.model.errors import NotFound
from mantle.model.schema import TypeFacts
from mantle.resources.heat import delay, none, random_string, test_resource, value
from mantle.resources.kit import ResourceType

DEFAULT: tuple[ResourceType, ...] = (
    delay.TYPE,
    none.TYPE,
    random_string.TYPE,
    test_resource.TYPE,
    value.TYPE,
)


@dataclass(frozen=True)
class Registry:
    """The types of one installation."""

    types: Mapping[str, ResourceType]

    @cached_property
    def facts(self) -> Mapping[str, TypeFacts]:
        """What the pure layers may know of them."""
        return MappingProxyType({name: each.facts for name, each in self.types.items()})

    def get(self, name: str) -> ResourceType:
        """The type with this name; `NotFound` names the nearest one."""
        found = self.types.get(name)
        if found is None:
            raise NotFound(
                f"The Resource Type ({name}) could not be found.", remedy=self._near(name)
            )
        return found

    def _near(self, name: str) -> str:
        near = difflib.get_close_matches(name, self.types, n=1)
        return f"Did you mean {near[0]}?" if near else "`resource_types` lists what there is."


def registry_of(types: Iterable[ResourceType]) -> Registry:
    """A registry of these types."""
    return Registry(MappingProxyType({each.schema.type: each for each in types}))


def default_registry() -> Registry:
    """Every type that comes with Mantle."""
    return registry_of(DEFAULT)
