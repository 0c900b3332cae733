"""The functions of HOT, one file each, and which version has which.

A function that is newer than a template's version is not recognised there and stays a plain map;
one that was removed is recognised and refused. Source: the Heat template guide.
"""

from collections.abc import Mapping
from functools import cache

from mantle.template.functions import (
    choose,
    contains,
    digest,
    filter,  # noqa: A004 - the function's name
    get_attr,
    get_file,
    get_param,
    get_resource,
    list_concat,
    list_join,
    logic,
    make_url,
    map_merge,
    map_replace,
    repeat,
    resource_facade,
    str_replace,
    str_split,
)
from mantle.template.functions.base import Function

SINCE: tuple[tuple[str, tuple[Function, ...]], ...] = (
    (
        "2013-05-23",
        (
            get_param.FUNCTION,
            get_resource.FUNCTION,
            get_attr.FUNCTION,
            get_file.FUNCTION,
            list_join.FUNCTION,
            str_replace.FUNCTION,
            resource_facade.FUNCTION,
        ),
    ),
    ("2015-04-30", (repeat.FUNCTION, digest.FUNCTION)),
    ("2015-10-15", (str_split.FUNCTION,)),
    ("2016-04-08", (map_merge.FUNCTION,)),
    (
        "2016-10-14",
        (
            map_replace.FUNCTION,
            choose.FUNCTION,
            logic.EQUALS,
            logic.NOT,
            logic.AND,
            logic.OR,
        ),
    ),
    ("2017-02-24", (filter.FUNCTION, str_replace.STRICT)),
    (
        "2017-09-01",
        (
            make_url.FUNCTION,
            list_concat.FUNCTION,
            list_concat.UNIQUE,
            str_replace.VERY_STRICT,
            contains.FUNCTION,
        ),
    ),
)

FOREIGN = (
    "Fn::GetAZs",
    "Fn::Select",
    "Fn::Join",
    "Fn::Split",
    "Fn::Replace",
    "Fn::Base64",
    "Fn::MemberListToMap",
    "Fn::ResourceFacade",
    "Ref",
)
"""CFN's functions: HOT 2013-05-23 had them, later versions refuse them."""

LATER = {"yaql": "2016-10-14"}
"""Functions Heat has that this release does not, and since when templates may hold them."""


@cache
def functions_in(version: str) -> Mapping[str, Function]:
    """What a version's templates may call."""
    return {each.name: each for since, new in SINCE for each in new if since <= version}


def functions_of(version: str) -> list[tuple[str, str]]:
    """Names and descriptions, for the API; those only for conditions are left out."""
    return sorted(
        (each.name, each.description)
        for each in functions_in(version).values()
        if not each.only_condition
    )


def condition_functions_of(version: str) -> list[tuple[str, str]]:
    """Those usable in conditions."""
    if version < "2016-10-14":
        return []
    return sorted(
        (each.name, each.description)
        for each in functions_in(version).values()
        if each.is_condition
    )
