"""Check a template without creating anything."""

from dataclasses import dataclass

from mantle.access.caller import Caller
from mantle.engine.operation import computed, size_of
from mantle.model.graph import TemplateSource
from mantle.stacks.control import Control
from mantle.template.lint.rule import Warned
from mantle.template.lint.run import lint
from mantle.template.validate import Loaded, load_template


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
    loaded = await computed(
        size_of(source),
        load_template,
        source,
        types=control.registry.facts,
        stack_name="None",
        stack_id="None",
        project_id=caller.project_id,
        limitations=control.cloud.limitations,
        require_values=False,
        strict=strict,
    )
    if not strict:
        return ValidationReport(loaded=loaded)
    texts = {source.template_name: source.template} if isinstance(source.template, str) else {}
    for name in loaded.nested:
        texts[name] = source.files[name]
    warnings = [
        found
        for name, text in texts.items()
        for found in await computed(len(text), lint, text, name)
    ]
    return ValidationReport(loaded=loaded, warnings=tuple(warnings))
