"""Addresses: what is read is what is printed, and nothing illegal gets in."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labs.model.addresses import InterfaceAddress, IPv4, IPv6, Mac, Network, parse_address

v4 = st.integers(0, 2**32 - 1).map(IPv4)
v6 = st.integers(0, 2**128 - 1).map(IPv6)


@given(st.integers(0, 2**48 - 1))
def test_mac_printed_and_read_is_the_same(value):
    assert Mac.parse(str(Mac(value))) == value


@given(st.one_of(v4, v6))
def test_address_printed_and_read_is_the_same_and_prints_as_python_does(address):
    assert parse_address(str(address)) == address
    assert str(address) == str(ipaddress.ip_address(str(address)))


@given(v4, st.integers(0, 32))
def test_network_agrees_with_the_standard_library(address, length):
    ours, theirs = Network.of(address, length), ipaddress.ip_network((int(address), length), strict=False)
    assert str(ours) == str(theirs)
    assert Network.parse(str(ours)) == ours
    assert str(ours.broadcast) == str(theirs.broadcast_address)
    assert str(ours.netmask) == str(theirs.netmask)
    assert str(ours.hostmask) == str(theirs.hostmask)
    assert address in ours


@given(v4, st.integers(0, 32), v4)
def test_membership_agrees_with_the_standard_library(network, length, address):
    ours = Network.of(network, length)
    assert (address in ours) == (ipaddress.ip_address(str(address)) in ipaddress.ip_network(str(ours)))


@given(v4, st.integers(0, 32), v4, st.integers(0, 32))
def test_overlap_is_mutual_and_agrees_with_the_standard_library(a, n, b, m):
    one, two = Network.of(a, n), Network.of(b, m)
    assert one.overlaps(two) == two.overlaps(one)
    assert one.overlaps(two) == ipaddress.ip_network(str(one)).overlaps(ipaddress.ip_network(str(two)))


@pytest.mark.parametrize(
    "text",
    ["", "1.2.3", "1.2.3.4.5", "1.2.3.256", "01.2.3.4", "1.2.3.4 ", "a.b.c.d", "1..2.3", "-1.2.3.4", "\u0661.2.3.4"],
)
def test_wrong_ipv4_is_refused_with_an_example(text):
    with pytest.raises(ValueError, match="is not an IPv4 address"):
        IPv4.parse(text)


@pytest.mark.parametrize(
    "text", ["", "02:4e:00:00:00", "02:4e:00:00:00:05:06", "02-4e-00-00-00-05", "02:4e:00:00:00:0g"]
)
def test_wrong_mac_is_refused_with_an_example(text):
    with pytest.raises(ValueError, match="is not a MAC address"):
        Mac.parse(text)


@pytest.mark.parametrize("text", ["10.0.0.0/33", "10.0.0.0/", "10.0.0.0/x", "10.0.0.0/-1"])
def test_wrong_prefix_length_is_refused(text):
    with pytest.raises(ValueError, match="is not a prefix"):
        Network.parse(text)


def test_network_with_host_bits_is_refused_and_the_network_named():
    with pytest.raises(ValueError, match=r"the network is 192\.168\.1\.0/24"):
        Network.parse("192.168.1.7/24")


def test_interface_address_keeps_its_host_bits():
    address = InterfaceAddress.parse("192.168.1.7/24")
    assert str(address) == "192.168.1.7/24"
    assert str(address.network) == "192.168.1.0/24"


def test_families_never_mix():
    assert IPv6(1) not in Network.parse("0.0.0.0/0")


@pytest.mark.parametrize(
    ("text", "group"), [("ff:ff:ff:ff:ff:ff", True), ("01:00:5e:00:00:01", True), ("02:4e:00:00:00:05", False)]
)
def test_group_bit(text, group):
    assert Mac.parse(text).is_group is group
