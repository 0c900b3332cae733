"""Check a template without creating anything."""

from dataclasses import dataclass

from mantle.access.caller import Caller
from mantle.engine.operation import computed, size_of
from mantle.model.errors import Mark, Problem
from mantle.model.graph import TemplateSource
from mantle.stacks.asking import catalogue_of, with_cloud
from mantle.stacks.control import Control
from mantle.template.asked import Asked
from mantle.template.lint.rule import Severity, Warned
from mantle.template.lint.rules import ASKED_OF_THE_CLOUD
from mantle.template.lint.run import lint
from mantle.template.loaded import Loaded
from mantle.template.validate import load_template


@dataclass(frozen=True, slots=True, kw_only=True)
class ValidationReport:
    """A template that has no problems."""

    loaded: Loaded
    warnings: tuple[Warned, ...] = ()
    """What is allowed and hardly meant; see `mantle template lint`."""


async def validate_template(
    control: Control, caller: Caller, source: TemplateSource, *, strict: bool = True
) -> ValidationReport:
    """Everything that can be checked without parameter values; raises `Invalid` with all of it.

    Not strict is Heat's way: properties inside nested templates are left to the create.
    """

    async def work(asked: list[Asked]) -> Loaded:
        return await computed(
            size_of(source),
            load_template,
            source,
            types=control.registry.facts,
            stack_name="None",
            stack_id="None",
            project_id=caller.project_id,
            limitations=control.machine.limitations(control.default_cloud),
            require_values=False,
            strict=strict,
            asked=asked,
            operator=control.settings.operator,
            bounds=control.settings.bounds,
        )

    catalogue = catalogue_of(control, caller.project_id, caller.user_id)
    loaded, unchecked = await with_cloud(catalogue, control.default_cloud, work)
    if not strict:
        return ValidationReport(loaded=loaded)
    texts = {source.template_name: source.template} if isinstance(source.template, str) else {}
    for name in loaded.nested:
        texts[name] = source.files[name]
    warnings = [
        found
        for name, text in texts.items()
        for found in await computed(len(text), lint, text, name, ignore=[ASKED_OF_THE_CLOUD])
    ]
    told = [_warned(each, source.template_name) for each in unchecked]
    return ValidationReport(loaded=loaded, warnings=(*warnings, *told))


def _warned(problem: Problem, file: str) -> Warned:
    """What the cloud could not be asked, beside what lint found."""
    mark = problem.mark or Mark(file, 1, 1)
    return Warned(
        rule=ASKED_OF_THE_CLOUD,
        name=problem.code,
        severity=Severity.WARNING,
        message=problem.message,
        fix=problem.remedy,
        path=problem.path,
        file=mark.file,
        line=mark.line,
        column=mark.column,
    )
