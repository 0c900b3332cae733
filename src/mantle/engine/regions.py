"""Which cloud a region's name means. Pure.

A region of an OpenStack is one of its clouds here (`mycloud@West`). People who write templates name
regions, as with Heat; whoever set Mantle up has named clouds. Both are understood.
"""

from collections.abc import Mapping

from mantle.access.catalog import REGION
from mantle.clouds.ports import Cloud

ENTRY = "clouds.yaml"


def cloud_of_region(clouds: Mapping[str, Cloud], parent: str, region: str | None) -> str | None:
    """The cloud for a stack inside one on `parent`; None when no cloud, or several, are meant.

    A cloud's own name comes first; then the region: the parent's own, another one of the parent's
    entry of clouds.yaml, the only one that there is.
    """
    if not region:
        return parent
    if region in clouds:
        return region
    there = [name for name, cloud in clouds.items() if cloud.info.facts.get("region") == region]
    if parent in there:
        return parent
    kin = [name for name in there if _entry(clouds, name) == _entry(clouds, parent) != ""]
    for found in (kin, there):
        if len(found) == 1:
            return found[0]
    return parent if region == REGION and not there else None


def _entry(clouds: Mapping[str, Cloud], name: str) -> str:
    return clouds[name].info.facts.get(ENTRY, "") if name in clouds else ""


def regions(clouds: Mapping[str, Cloud]) -> list[str]:
    """Every name that can be said."""
    told = {cloud.info.facts.get("region", "") for cloud in clouds.values()}
    return sorted({REGION, *clouds, *told} - {""})
