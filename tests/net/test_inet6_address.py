"""Which source and which destination: the examples of RFC 6724 §10, where Linux decides the same."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labs.model.addresses import IPv6, parse_address
from labs.net.inet6_address import Inet6Address, best_source, ordered


def known(text: str, interface: str = "eth0", **more: object) -> Inet6Address:
    return Inet6Address(IPv6.parse(text), 64, interface, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("destination", "own", "wanted"),
    [
        ("2001:db8:1::1", ["2001:db8:3::1", "fe80::1"], "2001:db8:3::1"),  # scope
        ("ff02::1", ["2001:db8:3::2", "fe80::2"], "fe80::2"),  # the narrower scope
        ("2001:db8:1::1", ["2001:db8:1::1", "2001:db8:3::2"], "2001:db8:1::1"),  # the very address
        ("fe80::1", ["fe80::2", "2001:db8:1::1"], "fe80::2"),
        ("2001:db8:1::1", ["2001:db8:1::2", "2001:db8:3::2"], "2001:db8:1::2"),  # longest prefix
        (
            "2002:c633:6401::1",
            ["2002:c633:6401::d5e3:7953:13eb:22e8", "2001:db8:1::2"],
            "2002:c633:6401::d5e3:7953:13eb:22e8",
        ),
        ("fd00:1::5", ["2001:db8:1::2", "fd00:2::2"], "fd00:2::2"),  # label
    ],
)
def test_source_is_chosen_as_rfc_6724_shows(destination: str, own: list[str], wanted: str) -> None:
    """§10.1, in both orders of the table."""
    for texts in (own, own[::-1]):
        best = best_source([known(text) for text in texts], IPv6.parse(destination), "eth0", 0)
        assert best is not None
        assert best.address == IPv6.parse(wanted)


def test_deprecated_and_tentative_addresses_stand_back() -> None:
    """One that is running out is used only alone; one that is being tested never."""
    old, new = known("2001:db8:1::2", preferred_until_ns=5), known("2001:db8:9::2")
    target = IPv6.parse("2001:db8:1::1")
    assert best_source([old, new], target, "eth0", 0) is old
    assert best_source([old, new], target, "eth0", 10) is new
    assert best_source([old], target, "eth0", 10) is old
    assert best_source([known("2001:db8:1::2", tentative=True)], target, "eth0", 0) is None


def test_link_local_address_of_another_interface_is_never_taken() -> None:
    """It means something else there."""
    assert best_source([known("fe80::1", "eth1")], IPv6.parse("fe80::2"), "eth0", 0) is None


@pytest.mark.parametrize(
    ("pairs", "first"),
    [
        ([("2001:db8:1::1", "2001:db8:1::2"), ("198.51.100.121", "169.254.13.78")], "2001:db8:1::1"),  # scope
        ([("2001:db8:1::1", "fe80::1"), ("198.51.100.121", "198.51.100.117")], "198.51.100.121"),
        ([("2001:db8:1::1", "2001:db8:1::2"), ("10.1.2.3", "10.1.2.4")], "2001:db8:1::1"),  # precedence
        ([("2001:db8:1::1", None), ("10.1.2.3", "10.1.2.4")], "10.1.2.3"),  # unreachable
    ],
)
def test_destinations_are_ordered_as_rfc_6724_shows(pairs: list[tuple[str, str | None]], first: str) -> None:
    """§10.2."""
    made = [(parse_address(a), parse_address(b) if b else None) for a, b in pairs]
    assert str(ordered(made)[0]) == first
    assert str(ordered(made[::-1])[0]) == first


@given(st.integers(0, 2**128 - 1))
def test_text_of_an_address_is_read_back(number: int) -> None:
    """RFC 5952: one text for each address."""
    assert IPv6.parse(str(IPv6(number))) == number


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("2001:0DB8:0:0:1:0:0:1", "2001:db8::1:0:0:1"),
        ("2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"),
        ("::ffff:192.0.2.1", "::ffff:192.0.2.1"),
        ("0:0:0:0:0:0:0:0", "::"),
    ],
)
def test_text_is_the_recommended_one(written: str, shown: str) -> None:
    """RFC 5952 §4 and §5."""
    assert str(IPv6.parse(written)) == shown


@pytest.mark.parametrize("text", ["fe80::1%eth0", "1::2::3", "12345::", "::1/64", "1:2:3:4:5:6:7", ""])
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not an IPv6 address"):
        IPv6.parse(text)
