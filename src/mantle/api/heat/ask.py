"""What a handler of the Heat API is given: one checked request, and how to read it."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from mantle.access.caller import Caller
from mantle.api.door import Call, Reply
from mantle.api.settings import ApiSettings
from mantle.model.errors import MantleError, NotFound
from mantle.model.records import StackRecord
from mantle.stacks.control import Control
from mantle.stacks.queries import find_stack
from mantle.stacks.users import reached

TRUE = frozenset({"true", "1", "t", "y", "yes", "on"})
FALSE = frozenset({"false", "0", "f", "n", "no", "off"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """One request to Heat's API by a known caller who may make it."""

    control: Control
    settings: ApiSettings
    call: Call
    caller: Caller
    names: Mapping[str, str]
    """Segments of the path, by their names in the route."""

    @property
    def root(self) -> str:
        """The absolute address of the project's API, without a slash at its end."""
        return f"{self.call.base_url}/heat/v1/{self.caller.project_id}"

    async def stack(self, *, deleted: bool = False) -> StackRecord:
        """The stack of the path; its name and its id must belong together."""
        name, stack_id = self.names["name"], self.names["id"]
        stack = await find_stack(self.control, self.caller.project_id, stack_id, deleted=deleted)
        if stack.name != name or stack.id != stack_id:
            raise NotFound(
                f"The Stack ({name}/{stack_id}) could not be found.",
                remedy="Name and id must belong to the same stack.",
            )
        return stack

    async def resource_stack(self, *, deleted: bool = False) -> StackRecord:
        """The stack of a path to a resource, as far as the caller may reach that.

        A resource's own user has no stacks in the project of its token: its resource is elsewhere.
        """
        if not self.caller.is_stack_user:
            return await self.stack(deleted=deleted)
        names = self.names
        return await reached(
            self.control, self.caller, names["name"], names["id"], names["resource"]
        )

    def flag(self, name: str, *, default: bool = False) -> bool:
        """A query parameter that is true or false."""
        text = self.call.first(name)
        return default if text is None else as_bool(text, name)

    def number(self, name: str) -> int | None:
        """A query parameter that is a count; None when it was not sent."""
        text = self.call.first(name)
        return None if text in {None, "None"} else as_count(text, name)

    def texts(self, *names: str) -> tuple[str, ...]:
        """Every value of these query parameters."""
        return tuple(value for name in names for value in self.call.query.get(name, ()))

    def listed(self, name: str) -> tuple[str, ...]:
        """The items of a query parameter that holds a comma-separated list."""
        text = self.call.first(name) or ""
        return tuple(item.strip() for item in text.split(",") if item.strip())


Handler = Callable[[Ask], Awaitable[Reply]]


def as_bool(value: object, name: str) -> bool:
    """What clients send for true and false."""
    if isinstance(value, bool):
        return value
    text = str(value).strip().lower()
    if text in TRUE:
        return True
    if text in FALSE:
        return False
    raise MantleError(f"{name!r} is {value!r}, which is neither true nor false.")


def as_count(value: object, name: str) -> int:
    """A whole number that is not negative."""
    try:
        number = int(str(value))
    except ValueError:
        number = -1
    if isinstance(value, bool) or number < 0:
        raise MantleError(
            f"Only integer is allowed by {name!r}, not {value!r}.",
            remedy="Give a whole number, 0 or greater.",
        )
    return number


def as_object(value: object, name: str) -> dict[str, Any]:
    """A JSON object; null is an empty one."""
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise MantleError(f"{name!r} is not an object.", remedy="Send a JSON object.")
    return value


def as_objects(value: object, name: str) -> tuple[dict[str, Any], ...]:
    """A list of JSON objects; null is an empty one."""
    if value is None:
        return ()
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise MantleError(f"{name!r} is not a list of objects.", remedy="Send a JSON list.")
    return tuple(value)


def as_text(value: object, name: str, default: str = "") -> str:
    """A string; null is the default."""
    if value is None:
        return default
    if not isinstance(value, str):
        raise MantleError(f"{name!r} is {value!r}, not a string.")
    return value
