"""Every subnet has a block of its own, and every address keeps its place."""

from ipaddress import IPv4Address, IPv4Network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mantle.clouds.local import addresses
from mantle.clouds.ports import Exhausted, Refused

WHOLE = IPv4Network("127.64.0.0/10")
prefixes = st.lists(st.integers(min_value=10, max_value=30), max_size=40)


@given(prefixes)
def test_blocks_never_overlap_and_lie_in_the_range(lengths):
    """Whatever sizes are asked for, no two subnets share an address."""
    taken = []
    for length in lengths:
        try:
            block = addresses.choose_block(IPv4Network((0x0A000000, length)), WHOLE, taken)
        except Exhausted:
            assert (
                sum(one.num_addresses for one in taken) + 2 ** (32 - length)
                > WHOLE.num_addresses // 8
            )
            continue
        assert block.subnet_of(WHOLE)
        assert block.prefixlen == length
        assert not any(block.overlaps(other) for other in taken)
        taken.append(block)


@given(st.integers(min_value=0, max_value=255))
def test_the_host_part_is_kept(host):
    """10.0.0.h is reached at 127.64.3.h."""
    there = addresses.place(
        f"10.0.0.{host}", IPv4Network("10.0.0.0/24"), IPv4Network("127.64.3.0/24")
    )
    assert there == IPv4Address(f"127.64.3.{host}")


def test_a_loopback_subnet_is_used_as_it_is():
    """Who writes 127.80.1.0/24 gets it."""
    asked = IPv4Network("127.80.1.0/24")
    assert addresses.choose_block(asked, WHOLE, []) == asked


@pytest.mark.parametrize(
    ("cidr", "words"),
    [
        ("127.0.0.0/24", "127.0.0.1"),
        ("127.80.0.0/24", "overlaps"),
        ("10.0.0.0/8", "whole range"),
    ],
)
def test_what_cannot_be_is_refused_with_the_reason(cidr, words):
    """The machine's own address, a taken block, and more than there is."""
    taken = [IPv4Network("127.80.0.0/16")]
    with pytest.raises(Refused, match=words):
        addresses.choose_block(IPv4Network(cidr), WHOLE, taken)


def test_a_full_range_is_exhausted():
    """The last block can be taken once."""
    whole = IPv4Network("127.90.0.0/23")
    first = addresses.choose_block(IPv4Network("10.0.0.0/24"), whole, [])
    second = addresses.choose_block(IPv4Network("10.0.1.0/24"), whole, [first])
    assert [first, second] == list(whole.subnets())
    with pytest.raises(Exhausted):
        addresses.choose_block(IPv4Network("10.0.2.0/24"), whole, [first, second])


def test_the_gateway_is_not_in_the_pool():
    """As Neutron: the first host is the gateway, the rest can be given out."""
    cidr = IPv4Network("10.0.0.0/24")
    assert addresses.gateway_of(cidr, None) == "10.0.0.1"
    assert addresses.pools_of(cidr, "10.0.0.1", ()) == (("10.0.0.2", "10.0.0.254"),)
    assert addresses.pools_of(cidr, "", ()) == (("10.0.0.1", "10.0.0.254"),)
    assert addresses.pools_of(cidr, "10.0.0.254", ()) == (("10.0.0.1", "10.0.0.253"),)


def test_an_empty_pool_is_exhausted():
    """All taken: the error names the subnet."""
    one = IPv4Address("127.64.0.1")
    with pytest.raises(Exhausted, match="small"):
        addresses.first_free([(one, one)], [one], "small")


@pytest.mark.parametrize("text", ["", "10.0.0", "10.0.0.256", "::1", "web"])
def test_what_is_no_address_is_refused(text):
    """Never a traceback."""
    with pytest.raises(Refused):
        addresses.read_address(text)
