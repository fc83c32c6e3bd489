"""Packets that are made for a rule go through it, and nothing is found where nothing gets through."""

from __future__ import annotations

import pytest

from grader.reach import Packet, Reach
from grader.reach.side import Side
from labs.model.addresses import parse_address
from tests.grader.reach.small_site import V4, V6, VERSIONS, Version, engine_of

FORWARD = """table inet f {{
  set friends {{ typeof tcp dport; flags dynamic; }}
  set first {{ typeof tcp dport; flags dynamic; }}
  chain forward {{
    type filter hook forward priority 0; policy drop;
    ct state established accept
    {}
  }}
}}
"""
IP = {V4: "ip", V6: "ip6"}
LIFE = {V4: "ip ttl", V6: "ip6 hoplimit"}
MADE = {
    "IP dscp cs1 accept": "tcp A:40000 -> D:22, IP dscp 8",
    "IP ecn ce accept": "tcp A:40000 -> D:22, IP ecn 3",
    "IP dscp vmap { cs1 : accept, cs2 : drop }": "tcp A:40000 -> D:22, IP dscp 8",
    "IP dscp cs2 drop\n IP dscp { cs2, cs3 } tcp window 1-9 accept": "tcp A:40000 -> D:22, IP dscp 24, tcp window 1",
    "LIFE 7 accept": "tcp A:40000 -> D:22, LIFE 8",
    "LIFE < 5 accept": "tcp A:40000 -> D:22, LIFE 5",
    "tcp window & 0xff == 5 accept": "tcp A:40000 -> D:22, tcp window 5",
    "meta length 99 accept": "tcp A:40000 -> D:22, meta length 99",
    "tcp sequence 4711 accept": "tcp A:40000 -> D:22, tcp sequence 4711",
    "tcp dport . tcp window { 22 . 512 } accept": "tcp A:40000 -> D:22, tcp window 512",
    "tcp dport 7000 add @friends { tcp sport }\n tcp sport @friends accept": (
        "(1) tcp A:40000 -> D:7000 (2) tcp A:40000 -> D:22"
    ),
    "tcp sport @first tcp dport 8000 add @friends { tcp sport }\n tcp dport 7000 add @first { tcp sport }\n"
    "tcp sport @friends accept": "(1) tcp A:40000 -> D:7000 (2) tcp A:40000 -> D:8000 (3) tcp A:40000 -> D:22",
}
CLOSED = [
    "drop",
    "IP dscp cs1 drop",
    "IP dscp cs1 IP dscp cs2 accept",
    "IP dscp cs1 udp dport 22 accept",
    "tcp sport @friends accept",
    "iifname dmz tcp dport 7000 add @friends { tcp sport }\n tcp sport @friends accept",
]


def side_with(version: Version, rules: str) -> Side:
    text = FORWARD.format(rules.replace("IP", IP[version]).replace("LIFE", LIFE[version]))
    return version.side_of(Reach(engine_of(version.site(text)).observe()))


def made(version: Version, rules: str, protocol: str = "tcp", port: int = 22) -> Packet | None:
    side = side_with(version, rules)
    ends = [parse_address(version.hosts[name]) for name in ("a", "d")]
    packet = Packet("a", ends[1], protocol, port, ends[0])
    assert not side.tracer.converse(packet).arrived_at("d")
    return side.crafted(packet, "d")


@pytest.mark.parametrize("version", VERSIONS, ids=str)
@pytest.mark.parametrize("rules", MADE)
def test_rule_that_asks_more_than_a_proof_follows_a_packet_is_made_that_gets_through(
    version: Version, rules: str
) -> None:
    names = {"IP": IP[version], "LIFE": LIFE[version], "A:": _end(version, "a") + ":", "D:": _end(version, "d") + ":"}
    wanted = MADE[rules]
    for name, value in names.items():
        wanted = wanted.replace(name, value)
    assert str(made(version, rules)) == wanted


def _end(version: Version, name: str) -> str:
    return version.hosts[name] if version is V4 else f"[{version.hosts[name]}]"


@pytest.mark.parametrize("version", VERSIONS, ids=str)
@pytest.mark.parametrize("rules", CLOSED)
def test_rules_that_let_nothing_through_nothing_is_made_that_gets_through(version: Version, rules: str) -> None:
    assert made(version, rules) is None


@pytest.mark.parametrize(
    ("version", "field", "protocol", "port"),
    [
        (V4, "udp length 44", "udp", 22),
        (V6, "udp length 44", "udp", 22),
        (V4, "icmp id 4711", "ping", 0),
        (V6, "icmpv6 id 4711", "ping", 0),
        (V4, "ip id 9", "tcp", 22),
        (V4, "ip length 100", "ping", 0),
        (V6, "ip6 length 100", "ping", 0),
    ],
)
def test_field_of_another_header_is_filled_in_too(version: Version, field: str, protocol: str, port: int) -> None:
    assert str(made(version, f"{field} accept", protocol, port)).endswith(f", {field}")


@pytest.mark.parametrize("version", VERSIONS, ids=str)
@pytest.mark.parametrize(
    ("rules", "by"),
    [
        ("IP dscp cs1 tcp window 9 drop\n IP dscp cs2 udp dport 1 accept\n IP dscp cs1 accept", "dscp cs1 accept"),
        ("tcp dport 7000 add @friends { tcp sport }\n IP dscp cs2 drop\n tcp sport @friends accept", "@friends accept"),
    ],
)
def test_story_of_a_packet_that_is_made_names_the_rule_that_lets_it_through(
    version: Version, rules: str, by: str
) -> None:
    found = made(version, rules)
    assert found is not None
    told = "\n".join(side_with(version, rules).tell(found).lines())
    assert f"{by}, /etc/nftables.conf:" in told
    assert "d: arrives by eth0" in told
