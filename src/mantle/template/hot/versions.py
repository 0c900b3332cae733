"""The versions of HOT and their names."""

from mantle.model.errors import Findings, Path
from mantle.template.cfn.shape import VERSIONS as CFN
from mantle.template.load import Document

DATES = (
    "2013-05-23",
    "2014-10-16",
    "2015-04-30",
    "2015-10-15",
    "2016-04-08",
    "2016-10-14",
    "2017-02-24",
    "2017-09-01",
    "2018-03-02",
    "2018-08-31",
    "2021-04-16",
)

NAMES = {
    "newton": "2016-10-14",
    "ocata": "2017-02-24",
    "pike": "2017-09-01",
    "queens": "2018-03-02",
    "rocky": "2018-08-31",
    "wallaby": "2021-04-16",
}
"""Releases of OpenStack whose name stands for the version they came with."""


def known_versions() -> list[tuple[str, str, list[str]]]:
    """(version, type, aliases) as the API lists them."""
    return [
        (
            f"heat_template_version.{date}",
            "hot",
            [f"heat_template_version.{name}" for name, of in NAMES.items() if of == date],
        )
        for date in DATES
    ] + [(f"{key}.{date}", "cfn", []) for key, date in CFN.items()]


def version_of(document: Document, findings: Findings) -> str:
    """The template's version as a date; the newest when it names none that is known."""
    path: Path = ("heat_template_version",)
    given = document.data.get("heat_template_version")
    known = ", ".join([*DATES, *NAMES])
    if given is None:
        findings.add(
            "template-version",
            "The template has no heat_template_version.",
            path,
            mark=document.mark(()),
            remedy=f"Begin it with `heat_template_version: {DATES[-1]}`. Known are: {known}.",
            fault="InvalidTemplateVersion",
        )
        return DATES[-1]
    version = NAMES.get(str(given), str(given))
    if version not in DATES:
        findings.add(
            "template-version",
            f'The template version is invalid: "heat_template_version: {given}".',
            path,
            mark=document.mark(path),
            remedy=f"It should be one of: {known}.",
            fault="InvalidTemplateVersion",
        )
        return DATES[-1]
    return version
