"""The functions of templates, one file each, and which version has which.

A function that is newer than a template's version is not recognised there and stays a plain map;
one that was removed is recognised and refused. Source: the Heat template guide.
"""

from collections.abc import Mapping
from functools import cache

from mantle.template.cfn.shape import AWS, HEAT
from mantle.template.functions import (
    cfn,
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
    yaql,
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
            yaql.FUNCTION,
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
            yaql.CONDITION,
        ),
    ),
)

FOREIGN = (cfn.REF, cfn.SELECT, *cfn.OTHERS)
"""CFN's functions that HOT 2013-05-23 had; later versions recognise and refuse them."""

UNTIL = {cfn.SELECT.name: "2015-10-15"}
"""When HOT lost them, where that was not 2014-10-16."""

MAPPED = (get_param.FUNCTION, get_resource.FUNCTION, get_attr.FUNCTION)
"""What `Ref` and `Fn::GetAtt` become; CFN itself does not know these names."""


@cache
def functions_in(version: str) -> Mapping[str, Function]:
    """What the values of a version's templates are resolved with."""
    if version in {HEAT, AWS}:
        return {each.name: each for each in (*MAPPED, *callable_in(version).values())}
    return callable_in(version)


@cache
def callable_in(version: str) -> Mapping[str, Function]:
    """What a version's templates may call, by the name written."""
    if version in {HEAT, AWS}:
        found = [*FOREIGN, cfn.FIND, cfn.GET_ATT]
        return {
            each.name: each
            for each in (found if version == HEAT else [*found, cfn.IF, *cfn.CONDITIONS])
        }
    kept = [each for each in FOREIGN if version < UNTIL.get(each.name, "2014-10-16")]
    new = [each for since, added in SINCE for each in added if since <= version]
    return {each.name: each for each in (*kept, *new)}


@cache
def removed_in(version: str) -> frozenset[str]:
    """What a version's templates may no longer call, and are told so."""
    if version in {HEAT, AWS}:
        return frozenset()
    return frozenset(each.name for each in FOREIGN) - callable_in(version).keys()


def functions_of(version: str) -> list[tuple[str, str]]:
    """Names and descriptions, for the API; those only for conditions are left out."""
    return sorted(
        (each.name, each.description)
        for each in callable_in(version).values()
        if not each.only_condition
    )


def condition_functions_of(version: str) -> list[tuple[str, str]]:
    """Those usable in conditions."""
    if version < "2016-10-14" and version != AWS:
        return []
    return sorted(
        (each.name, each.description) for each in callable_in(version).values() if each.is_condition
    )
