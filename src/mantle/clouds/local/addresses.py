"""Arithmetic of the loopback range: pure, so that its promises can be tested exhaustively.

A template's subnet such as 10.0.0.0/24 is laid onto a block of the same size inside 127.0.0.0/8,
the host part kept: 10.0.0.5 is reached at 127.64.3.5. Blocks are aligned and never overlap, so
no two ports of this machine's cloud can ever be given one address.
"""

from collections.abc import Iterable, Sequence
from ipaddress import AddressValueError, IPv4Address, IPv4Network, NetmaskValueError

from mantle.clouds.ports import Exhausted, Refused

LOOPBACK = IPv4Network("127.0.0.0/8")
MACHINE = IPv4Address("127.0.0.1")

Pools = Sequence[tuple[IPv4Address, IPv4Address]]


def read_network(text: str) -> IPv4Network:
    """An IPv4 network, or `Refused` saying what is wrong with the text."""
    try:
        return IPv4Network(text, strict=False)
    except (AddressValueError, NetmaskValueError, ValueError) as problem:
        raise Refused(
            f"{text!r} is not an IPv4 network: {problem}.",
            remedy="Write it as 10.0.0.0/24; the local cloud has IPv4 only.",
        ) from problem


def read_address(text: str) -> IPv4Address:
    """An IPv4 address, or `Refused` saying what is wrong with the text."""
    try:
        return IPv4Address(text)
    except AddressValueError as problem:
        raise Refused(f"{text!r} is not an IPv4 address: {problem}.") from problem


def choose_block(
    cidr: IPv4Network, whole: IPv4Network, taken: Iterable[IPv4Network]
) -> IPv4Network:
    """The loopback block for a subnet: itself when it is loopback, else the first free of its size.

    Steps over each obstacle: the cost is the number of blocks taken, not of addresses.
    """
    obstacles = sorted(taken)
    if cidr.subnet_of(LOOPBACK):
        if MACHINE in cidr:
            raise Refused(
                f"{cidr} contains 127.0.0.1, which belongs to the machine itself.",
                remedy=f"Choose a subnet inside {whole}.",
            )
        clash = next((other for other in obstacles if other.overlaps(cidr)), None)
        if clash is not None:
            raise Refused(
                f"{cidr} overlaps {clash}, which another subnet of this machine uses.",
                remedy="Choose another loopback range, or any range outside 127.0.0.0/8.",
            )
        return cidr
    if cidr.prefixlen < whole.prefixlen:
        raise Refused(
            f"{cidr} has {cidr.num_addresses} addresses, and the local cloud's whole range {whole} "
            f"has {whole.num_addresses}.",
            remedy=f"Use a prefix of /{whole.prefixlen + 1} or longer.",
        )
    size = cidr.num_addresses
    start = int(whole.network_address)
    end = int(whole.broadcast_address)
    for other in obstacles:
        if start + size <= int(other.network_address):
            break
        if int(other.broadcast_address) >= start:
            start = -(-(int(other.broadcast_address) + 1) // size) * size
    if start + size - 1 > end:
        raise Exhausted(
            f"No block of {size} addresses is free in {whole}.",
            remedy="Delete a subnet, or ask for a smaller one.",
        )
    return IPv4Network((start, cidr.prefixlen))


def translate(address: IPv4Address, source: IPv4Network, target: IPv4Network) -> IPv4Address:
    """The address at the same place in another network of the same size."""
    return target[int(address) - int(source.network_address)]


def place(text: str, cidr: IPv4Network, block: IPv4Network) -> IPv4Address:
    """An address as a template or a person wrote it, in either space, as loopback address."""
    address = read_address(text)
    if address in block:
        return address
    if address in cidr:
        return translate(address, cidr, block)
    raise Refused(
        f"{address} is outside the subnet {cidr} (reached at {block}).",
        remedy=f"Choose an address inside {cidr}.",
    )


def gateway_of(cidr: IPv4Network, asked: str | None) -> str:
    """The gateway: what was asked for, none for the empty text, else the first host."""
    if asked == "":
        return ""
    if asked is None:
        return str(cidr[1]) if cidr.num_addresses > 2 else ""
    if read_address(asked) not in cidr:
        raise Refused(f"The gateway {asked} is outside the subnet {cidr}.")
    return asked


def pools_of(
    cidr: IPv4Network, gateway: str, asked: Sequence[tuple[str, str]]
) -> tuple[tuple[str, str], ...]:
    """The allocation pools: what was asked for, checked, else every host but the gateway."""
    if asked:
        for low_text, high_text in asked:
            low, high = read_address(low_text), read_address(high_text)
            if low not in cidr or high not in cidr or low > high:
                raise Refused(f"The allocation pool {low}-{high} does not lie inside {cidr}.")
        return tuple(asked)
    hosts = (cidr[0], cidr[-1]) if cidr.num_addresses <= 2 else (cidr[1], cidr[-2])
    if gateway and IPv4Address(gateway) == hosts[0]:
        hosts = (hosts[0] + 1, hosts[1])
    elif gateway and IPv4Address(gateway) == hosts[1]:
        hosts = (hosts[0], hosts[1] - 1)
    return ((str(hosts[0]), str(hosts[1])),) if hosts[0] <= hosts[1] else ()


def first_free(pools: Pools, taken: Iterable[IPv4Address], name: str) -> IPv4Address:
    """The lowest address of the pools that is not taken."""
    used = set(taken)
    for low, high in pools:
        for number in range(int(low), int(high) + 1):
            if IPv4Address(number) not in used:
                return IPv4Address(number)
    raise Exhausted(
        f"Subnet {name!r} has no free address left.",
        remedy="Delete a port of it, or use a larger subnet.",
    )
