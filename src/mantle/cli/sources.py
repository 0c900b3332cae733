"""What a stack is made from, gathered on this side of the wire.

The server opens no file and follows no path. The client sends the template as text, so that the
server's findings carry lines and columns, and beside it every file the template names: `get_file`,
resource types that are template files, and the same inside those and inside environments. A file's
key is the name *as written*, relative to the file that names it, because that is what the server
will look for.

Two files that write the same name and mean different files would collide under one key; that is
refused rather than guessed. Only names a template really uses are read, with the person's own
rights; a name that leaves the template's folder is followed, as a shell would follow it.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from mantle.cli.exits import Exit, Stop

TEMPLATE_SUFFIXES = (".yaml", ".yml", ".template")
REMOTE = ("http://", "https://")
LIMIT_BYTES = 10 * 1024 * 1024
"""One file; a larger one is surely a slip, and the server would refuse it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gathered:
    """Everything to send. `places` tells where on this machine each file key was read."""

    template: str | None
    """None keeps the stack's present one."""
    template_name: str = "template"
    files: Mapping[str, str] = field(default_factory=dict)
    environment_files: tuple[str, ...] = ()
    places: Mapping[str, Path] = field(default_factory=dict)

    def body(self) -> dict[str, Any]:
        """As the API takes it."""
        body: dict[str, Any] = {"files": dict(self.files)}
        if self.template is not None:
            body["template"] = self.template
            body["template_name"] = self.template_name
        if self.environment_files:
            body["environment_files"] = list(self.environment_files)
        return body


def gather(template: Path | None, environments: tuple[Path, ...] = ()) -> Gathered:
    """Read the template, the environments, and all they name."""
    gatherer = _Gatherer()
    text = None
    if template is not None:
        text = gatherer.read(template, "the template")
        gatherer.places[str(template)] = template
        gatherer.follow(text, template)
    keys = []
    for environment in environments:
        key = str(environment)
        content = gatherer.read(environment, "the environment")
        gatherer.put(key, content, environment)
        gatherer.follow_registry(content, environment)
        keys.append(key)
    return Gathered(
        template=text,
        template_name=str(template or "template"),
        files=gatherer.files,
        environment_files=tuple(keys),
        places=gatherer.places,
    )


class _Gatherer:
    """Collects files by key, each read once."""

    def __init__(self) -> None:
        self.files: dict[str, str] = {}
        self.places: dict[str, Path] = {}

    def read(self, place: Path, what: str) -> str:
        """A file's text, or a refusal that names it."""
        try:
            if place.stat().st_size > LIMIT_BYTES:
                raise Stop(Exit.INVALID, f"{place} is larger than {LIMIT_BYTES // 2**20} MiB.")
            return place.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            raise Stop(
                Exit.INVALID,
                f"{place} is not text in UTF-8.",
                remedy="Templates carry text only; fetch binary files in the boot script.",
            ) from None
        except OSError as error:
            reason = error.strerror or str(error)
            raise Stop(
                Exit.INVALID,
                f"Cannot read {what} {str(place)!r}: {reason}.",
                remedy="Names are relative to the file that mentions them.",
            ) from None

    def put(self, key: str, text: str, place: Path) -> bool:
        """Store under its key; False when that very file is there already."""
        known = self.places.get(key)
        if known is not None and key in self.files:
            if known.resolve() == place.resolve():
                return False
            raise Stop(
                Exit.INVALID,
                f"The name {key!r} means {known} in one file and {place} in another.",
                remedy="Rename one of them: the server knows a file only by the name as written.",
            )
        self.files[key] = text
        self.places[key] = place
        return True

    def follow(self, text: str, place: Path) -> None:
        """Gather what a template names, and what that names."""
        for key in sorted(set(_names(_parsed(text)))):
            self._follow_one(key, place)

    def follow_registry(self, text: str, place: Path) -> None:
        """Gather the template files an environment's resource_registry maps to."""
        data = _parsed(text)
        registry = data.get("resource_registry") if isinstance(data, dict) else None
        for key in sorted(set(_registered(registry))):
            self._follow_one(key, place)

    def _follow_one(self, key: str, place: Path) -> None:
        if key.startswith(REMOTE):
            raise Stop(
                Exit.INVALID,
                f"{place} names {key!r}; files from elsewhere are not fetched.",
                remedy="Download it beside the template and name it by its path.",
            )
        target = place.parent / key.removeprefix("file://")
        content = self.read(target, "a file named in a template:")
        if self.put(key, content, target) and key.endswith(TEMPLATE_SUFFIXES):
            self.follow(content, target)


def _parsed(text: str) -> Any:
    """The YAML data, or nothing when it is broken: the server says what is wrong, and where."""
    try:
        return yaml.load(text, Loader=_LOADER)  # noqa: S506 - it is the safe loader, in C or not
    except (yaml.YAMLError, RecursionError, ValueError):
        return None


_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def _names(data: Any) -> Iterator[str]:
    """File names a template mentions, in any order. YAML aliases are walked once."""
    pending, seen = [data], set()
    while pending:
        part = pending.pop()
        if isinstance(part, dict | list):
            if id(part) in seen:
                continue
            seen.add(id(part))
        if isinstance(part, dict):
            yield from _named_here(part)
            pending.extend(part.values())
        elif isinstance(part, list):
            pending.extend(part)


def _named_here(part: dict[Any, Any]) -> Iterator[str]:
    for key, value in part.items():
        if not isinstance(value, str):
            continue
        if key == "get_file" or (key == "type" and value.endswith(TEMPLATE_SUFFIXES)):
            yield value


def _registered(registry: Any) -> Iterator[str]:
    """Template files in a registry: `Type: file.yaml`, also below `resources: name:`."""
    if not isinstance(registry, dict):
        return
    for key, value in registry.items():
        if isinstance(value, dict):
            yield from _registered(value)
        elif isinstance(value, str) and key != "base_url" and value.endswith(TEMPLATE_SUFFIXES):
            yield value
