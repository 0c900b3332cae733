"""CFN's functions as HOT's: values of a template, carried over one by one."""

from collections.abc import Callable, Mapping
from typing import Any

from mantle.model.errors import Findings, Path
from mantle.template.functions.cfn import REGION
from mantle.template.load import Document

PSEUDO = {"AWS::StackName": "OS::stack_name", "AWS::StackId": "OS::stack_id"}
"""AWS::StackId is an ARN in CFN and the plain id in HOT; that difference is told."""


class Values:
    """Carries values over, collecting what has no equal."""

    def __init__(
        self, document: Document, resources: Mapping[str, Any], mappings: Mapping[str, Any]
    ) -> None:
        self.document = document
        self.resources = resources
        self.mappings = mappings
        self.used_mappings: set[str] = set()
        self.findings = Findings()
        self.forms: dict[str, Callable[[Any, Path], Any]] = {
            "Ref": self._ref,
            "Fn::GetAtt": self._get_att,
            "Fn::Join": lambda body, path: {"list_join": self.value(body, path)},
            "Fn::Split": self._split,
            "Fn::Select": self._select,
            "Fn::Replace": self._replace,
            "Fn::Base64": self.value,
            "Fn::FindInMap": self._find,
            "Fn::GetAZs": self._zones,
            "Fn::If": lambda body, path: {"if": self.value(body, path)},
            "Fn::Equals": lambda body, path: {"equals": self.value(body, path)},
            "Fn::And": lambda body, path: {"and": self._conditions(body, path)},
            "Fn::Or": lambda body, path: {"or": self._conditions(body, path)},
            "Fn::Not": self._not,
            "Condition": lambda body, _: body,
            "Fn::ResourceFacade": self._facade,
            "Fn::MemberListToMap": self._members,
        }

    def told(self, message: str, path: Path, remedy: str) -> None:
        """Something has no equal."""
        self.findings.add(
            "not-converted", message, path, mark=self.document.mark(path), remedy=remedy
        )

    def value(self, data: Any, path: Path) -> Any:
        """A value with HOT's functions."""
        if isinstance(data, dict):
            if len(data) == 1:
                name, body = next(iter(data.items()))
                form = self.forms.get(name)
                if form is not None and (name != "Condition" or isinstance(body, str)):
                    return form(body, (*path, name))
            return {key: self.value(part, (*path, key)) for key, part in data.items()}
        if isinstance(data, list):
            return [self.value(part, (*path, position)) for position, part in enumerate(data)]
        return data

    def _ref(self, name: Any, path: Path) -> Any:
        if isinstance(name, str) and name in self.resources:
            return {"get_resource": name}
        if name == "AWS::Region":
            self.told("AWS::Region has no equal in HOT; its constant value was written.", path,
                      "Make it a parameter.")  # fmt: skip
            return REGION
        if name == "AWS::StackId":
            self.told("AWS::StackId is an ARN in CFN and the plain id in HOT.", path,
                      "Look at what reads it.")  # fmt: skip
        return {"get_param": PSEUDO.get(name, name) if isinstance(name, str) else name}

    def _get_att(self, body: Any, path: Path) -> Any:
        if isinstance(body, str) and "." in body:
            return {"get_attr": body.split(".", 1)}
        return {"get_attr": self.value(body, path)}

    def _not(self, body: Any, path: Path) -> Any:
        inner = self._conditions(body, path)
        return {"not": inner[0] if isinstance(inner, list) and len(inner) == 1 else inner}

    def _conditions(self, body: Any, path: Path) -> Any:
        return self.value(body, path)

    def _split(self, body: Any, path: Path) -> Any:
        return {"str_split": self.value(body, path)}

    def _select(self, body: Any, path: Path) -> Any:
        if isinstance(body, list) and len(body) == 2:
            index, source = body
            name = next(iter(source)) if isinstance(source, dict) and len(source) == 1 else None
            if name == "Fn::Split" and isinstance(source[name], list):
                split = self.value(source[name], (*path, 1, name))
                return {"str_split": [*split, self.value(index, (*path, 0))]}
            if (
                name == "Ref"
                and isinstance(source[name], str)
                and source[name] not in self.resources
            ):
                return {"get_param": [source[name], self.value(index, (*path, 0))]}
            if name == "Fn::GetAtt" and isinstance(source[name], list):
                inner = self.value(source[name], (*path, 1, name))
                return {"get_attr": [*inner, self.value(index, (*path, 0))]}
            if isinstance(index, int | str) and isinstance(source, list | dict):
                chosen = self._literal(index, source, path)
                if chosen is not None:
                    return chosen[0]
        data = self.value(body, path)
        if isinstance(data, list) and len(data) == 2:
            return {
                "yaql": {
                    "expression": "$.data.of[$.data.at]",
                    "data": {"at": _number(data[0]), "of": data[1]},
                }
            }
        self.told("Fn::Select needs [index, list].", path, "Write it as a yaql call.")
        return {"Fn::Select": data}

    def _literal(self, index: int | str, source: Any, path: Path) -> tuple[Any] | None:
        if isinstance(source, list):
            position = _number(index)
            if isinstance(position, int) and 0 <= position < len(source):
                return (self.value(source[position], (*path, 1, position)),)
        elif isinstance(index, str) and len(source) != 1 and index in source:
            return (self.value(source[index], (*path, 1, index)),)
        return None

    def _replace(self, body: Any, path: Path) -> Any:
        data = self.value(body, path)
        if isinstance(data, list) and len(data) == 2:
            return {"str_replace": {"template": data[1], "params": data[0]}}
        self.told("Fn::Replace needs [params, text].", path, "Write it as str_replace.")
        return {"Fn::Replace": data}

    def _find(self, body: Any, path: Path) -> Any:
        data = self.value(body, path)
        name = data[0] if isinstance(data, list) and len(data) == 3 else None
        if isinstance(name, str) and name in self.mappings:
            self.used_mappings.add(name)
            return {"get_param": data}
        self.told("Fn::FindInMap needs the literal name of a mapping.", path,
                  "Write get_param: [mapping, key, name].")  # fmt: skip
        return {"get_param": data}

    def _zones(self, _: Any, path: Path) -> Any:
        self.told(
            'Fn::GetAZs has no equal in HOT; ["nova"] was written.', path,
            "Make the zones a parameter.",
        )  # fmt: skip
        return ["nova"]

    def _facade(self, body: Any, path: Path) -> Any:
        names = {
            "Metadata": "metadata",
            "DeletionPolicy": "deletion_policy",
            "UpdatePolicy": "update_policy",
        }
        if isinstance(body, str) and body in names:
            return {"resource_facade": names[body]}
        self.told("Fn::ResourceFacade of this has no equal.", path, "Remove it.")
        return {"resource_facade": body}

    def _members(self, body: Any, path: Path) -> Any:
        self.told("Fn::MemberListToMap has no equal in HOT.", path, "Give a map instead.")
        return {"Fn::MemberListToMap": self.value(body, path)}


def _number(index: Any) -> Any:
    if isinstance(index, str) and index.isdigit():
        return int(index)
    return index
