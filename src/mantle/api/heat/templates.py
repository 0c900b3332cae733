"""The template versions there are, and what functions each has."""

from mantle.api.door import Reply
from mantle.api.heat.ask import Ask
from mantle.model.errors import NotFound
from mantle.template.functions import condition_functions_of, functions_of
from mantle.template.hot.versions import NAMES, known_versions

PREFIX = "heat_template_version."


async def versions(_: Ask) -> Reply:
    """GET /template_versions."""
    rows = [
        {"version": version, "type": kind, "aliases": aliases}
        for version, kind, aliases in known_versions()
    ]
    return Reply(body={"template_versions": rows})


async def functions(ask: Ask) -> Reply:
    """GET /template_versions/{version}/functions."""
    asked = ask.names["version"]
    known = {version.partition(".")[2]: version for version, _, _ in known_versions()}
    short = asked.partition(".")[2] or asked
    date = NAMES.get(short, short)
    if date not in known or asked not in {short, known[date], f"{PREFIX}{short}"}:
        raise NotFound(
            f"Template with version {asked} not found.",
            remedy="`template_versions` lists those there are.",
            fault="NotFound",
        )
    found = functions_of(date)
    if ask.flag("with_condition_func"):
        found = sorted({*found, *condition_functions_of(date)})
    rows = [{"functions": name, "description": text} for name, text in found]
    return Reply(body={"template_functions": rows})
