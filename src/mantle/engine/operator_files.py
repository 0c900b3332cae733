"""Reads the operator's folder of environment files, once, when a control plane starts.

Files are taken in the order of their names. A template file that a registry names is read too: by
its path from the folder, or as `file://` with an absolute path; what such a template names itself
(types and `get_file`) is written as `file://`. Only here are paths of the server followed; users'
environments name what they send, or URLs.
"""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from mantle.model.errors import Findings, Invalid, MantleError, Mark
from mantle.template.environment import SUFFIXES
from mantle.template.load import MOST_BYTES, Document, parse
from mantle.template.operator import Operator, operator_of, with_files

SCHEME = "file://"


def read_operator(folder: Path) -> Operator:
    """The operator's environment; raises `MantleError` with every problem of every file."""
    if not folder.is_dir():
        raise MantleError(
            f"There is no folder {folder} with environments.",
            remedy="Make it, or leave --environment-dir out.",
        )
    findings = Findings()
    files: dict[str, str] = {}
    documents: list[Document] = []
    for path in sorted(folder.iterdir()):
        if path.suffix not in {".yaml", ".yml", ".json"} or path.name.startswith("."):
            continue
        mark = Mark(str(path), 1, 1)
        text = _read(path, mark, findings)
        if text is None:
            continue
        try:
            document = parse(text, file=str(path))
        except Invalid as error:
            findings.problems += error.problems
            continue

        def key_of(name: str, mark: Mark = mark) -> str:
            target = folder / name.removeprefix(SCHEME)
            _follow(target, mark, files, findings)
            return f"{SCHEME}{target}"

        data = document.data
        if isinstance(data, dict) and "resource_registry" in data:
            data = {**data, "resource_registry": with_files(data["resource_registry"], key_of)}
        documents.append(replace(document, data=data))
    return operator_of(documents, files, findings)


def _follow(path: Path, mark: Mark, files: dict[str, str], findings: Findings) -> None:
    key = f"{SCHEME}{path}"
    if key in files:
        return
    text = _read(path, mark, findings)
    if text is None:
        return
    files[key] = text
    if key.endswith(SUFFIXES):
        for name in _named(text):
            _follow(Path(name.removeprefix(SCHEME)), Mark(str(path), 1, 1), files, findings)


def _named(text: str) -> Iterator[str]:
    """What a template names with `file://`, as a type or to be read."""
    try:
        pending: list[Any] = [parse(text).data]
    except Invalid:
        return
    while pending:
        part = pending.pop()
        if isinstance(part, dict):
            for key, value in part.items():
                named = isinstance(value, str) and value.startswith(SCHEME)
                if key in {"type", "get_file"} and named:
                    yield value
            pending += part.values()
        elif isinstance(part, list):
            pending += part


def _read(path: Path, mark: Mark, findings: Findings) -> str | None:
    try:
        if path.stat().st_size > MOST_BYTES:
            why = f"it is larger than {MOST_BYTES:,} bytes"
        else:
            return path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        why = "it is not text in UTF-8"
    except OSError as error:
        why = error.strerror or str(error)
    findings.add(
        "environment-file",
        f"{path} cannot be read: {why}.",
        mark=mark,
        remedy="Correct the path, or its rights.",
    )
    return None
