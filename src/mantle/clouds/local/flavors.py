"""What a server can be: sizes, and the one image, this machine.

The memory of a flavor is enforced by watching (see `supervisor.py`), because an address-space
limit breaks runtimes that reserve far more than they use. A flavor's disk is not enforced.
"""

from mantle.clouds.ports import Flavor, Image, Refused

FLAVORS: tuple[Flavor, ...] = (
    Flavor(id="1", name="m1.tiny", vcpus=1, ram_mib=512, disk_gib=1),
    Flavor(id="2", name="m1.small", vcpus=1, ram_mib=2048, disk_gib=20),
    Flavor(id="3", name="m1.medium", vcpus=2, ram_mib=4096, disk_gib=40),
    Flavor(id="4", name="m1.large", vcpus=4, ram_mib=8192, disk_gib=80),
    Flavor(id="5", name="m1.xlarge", vcpus=8, ram_mib=16384, disk_gib=160),
    Flavor(id="l1", name="local.tiny", vcpus=1, ram_mib=128, disk_gib=1),
    Flavor(id="l2", name="local.small", vcpus=1, ram_mib=256, disk_gib=1),
    Flavor(id="l3", name="local.medium", vcpus=1, ram_mib=1024, disk_gib=5),
    Flavor(id="l4", name="local.large", vcpus=2, ram_mib=4096, disk_gib=20),
)

IMAGES: tuple[Image, ...] = (
    Image(id="local", name="local", description="This machine's own programs, read-only."),
    Image(id="host", name="host", description="The same as `local`."),
)


def find_flavor(name_or_id: str) -> Flavor:
    """By name or id; `Refused` lists what there is."""
    for flavor in FLAVORS:
        if name_or_id in (flavor.name, flavor.id):
            return flavor
    names = ", ".join(flavor.name for flavor in FLAVORS)
    raise Refused(
        f"The local cloud has no flavor {name_or_id!r}.", remedy=f"Choose one of: {names}."
    )


def check_image(name_or_id: str | None) -> None:
    """A server without an image boots `local` too; any other name is refused."""
    if name_or_id is not None and all(name_or_id not in (image.name, image.id) for image in IMAGES):
        raise Refused(
            f"The local cloud has no image {name_or_id!r}: its servers run this machine's own "
            "programs.",
            remedy="Choose one of: " + ", ".join(image.name for image in IMAGES) + ".",
        )
