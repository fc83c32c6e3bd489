"""Reading and writing /etc/network/interfaces."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labs.net.ifupdown import Allow, InterfacesError, InterfacesFile, Stanza, parse_interfaces, render_interfaces

NAMES = st.from_regex(r"[a-z]{2,4}[0-9]{1,2}(\.[0-9]{1,2})?", fullmatch=True)
OPTIONS = st.sampled_from(
    ["address", "netmask", "gateway", "up", "post-up", "pre-up", "down", "mtu", "bridge_ports", "x-y"]
)
VALUES = st.from_regex(r"[!-\[\]-~]{1,8}( [!-\[\]-~]{1,8}){0,3}", fullmatch=True)
STANZAS = st.builds(
    Stanza,
    NAMES,
    st.just("inet"),
    st.sampled_from(["static", "dhcp", "manual", "loopback"]),
    st.lists(st.tuples(OPTIONS, VALUES), max_size=5).map(tuple),
)
FILES = st.builds(
    InterfacesFile,
    st.lists(st.builds(Allow, st.sampled_from(["auto", "hotplug"]), NAMES), max_size=4, unique=True).map(tuple),
    st.lists(STANZAS, max_size=4).map(tuple),
    st.lists(st.just("source /etc/network/interfaces.d/*"), max_size=1).map(tuple),
)


@given(FILES)
def test_file_written_and_read_again_is_the_same(file: InterfacesFile) -> None:
    """Rendering loses nothing."""
    assert parse_interfaces(render_interfaces(file)) == file


def test_comments_and_continued_lines_are_understood() -> None:
    """A comment is a whole line; a backslash joins lines."""
    file = parse_interfaces(
        "# the lan\nauto lo eth0\nallow-hotplug eth1\niface eth0 inet static\n  # mine\n"
        "\taddress 10.0.0.2/24\n  up echo a; \\\n echo b\n"
    )
    assert file.auto == ["lo", "eth0"]
    assert file.allow_hotplug == ["eth1"]
    assert file.stanza("eth0") == Stanza("eth0", options=(("address", "10.0.0.2/24"), ("up", "echo a; echo b")))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("foo bar\n", "f:1: misplaced option"),
        ("iface eth0 inet static\n address\n", "f:2: option with empty value"),
        ("iface\n", "f:1: too few parameters for iface line"),
        ("iface eth0 inte static\n", "f:1: unknown or no address type and no inherits keyword specified"),
        ("\niface eth0 inet statc\n", "f:2: unknown or no method and no inherits keyword specified"),
        ("auto eth0\n address 1.2.3.4\n", "f:2: misplaced option"),
    ],
)
def test_mistake_is_reported_in_the_words_of_ifupdown(text: str, words: str) -> None:
    """File, line and sentence are those that `ifup` prints."""
    with pytest.raises(InterfacesError) as caught:
        parse_interfaces(text, file="f")
    assert str(caught.value) == words


def test_option_changed_keeps_its_place_and_the_others() -> None:
    """A fault can turn one knob without touching the rest; `_` and `-` are one."""
    old = Stanza("br0", options=(("bridge_ports", "eth0 eth1"), ("address", "10.0.0.1/24"), ("x", "y")))
    new = old.with_option("bridge-ports", "eth0").with_option("gateway", "10.0.0.254").with_option("x", None)
    assert new.options == (("bridge_ports", "eth0"), ("address", "10.0.0.1/24"), ("gateway", "10.0.0.254"))
    assert new.get("bridge_ports") == "eth0"


def test_post_up_lines_are_up_lines() -> None:
    """ifupdown keeps one list for both spellings."""
    assert Stanza("eth0", options=(("up", "a"), ("post-up", "b"))).values("up") == ["a", "b"]


def test_sources_are_named() -> None:
    """A `source` line is kept and its pattern is known."""
    assert parse_interfaces("source /etc/network/interfaces.d/*\n").sources == ["/etc/network/interfaces.d/*"]
