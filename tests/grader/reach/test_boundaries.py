"""Every comparison of a rule at its boundary: the packets beside it go where the machines send them."""

from __future__ import annotations

import pytest

from grader.reach import Packet, Reach
from labs.model.addresses import parse_address
from tests.grader.reach.small_site import V4, V6, VERSIONS, Version, engine_of

FORWARD = """table inet f {{
  chain forward {{
    type filter hook forward priority 0; policy drop;
    ct state established accept
    {} accept
  }}
}}
"""
PORTS = {
    "< 1024": {1022, 1023},
    "<= 1024": {1022, 1023, 1024},
    "> 1024": {1025, 1026},
    ">= 1024": {1024, 1025, 1026},
    "1023-1025": {1023, 1024, 1025},
    "!= 1024": {1022, 1023, 1025, 1026},
    "!= 1023-1025": {1022, 1026},
    "{ 1022, 1024-1025 }": {1022, 1024, 1025},
    "!= { 1022, 1024-1025 }": {1023, 1026},
}
SOURCES = {  # the last part of an address of a's network
    "< {16}": {0x14, 0x15},
    "<= {16}": {0x14, 0x15, 0x16},
    "> {16}": {0x17, 0x18},
    ">= {16}": {0x16, 0x17, 0x18},
    "{15}-{17}": {0x15, 0x16, 0x17},
    "!= {16}": {0x14, 0x15, 0x17, 0x18},
}
NETWORK = {V4: "10.0.1.", V6: "2001:db8:1::"}


def address(version: Version, number: int) -> str:
    return f"{NETWORK[version]}{number:x}" if version is V6 else f"{NETWORK[version]}{number}"


def judged(version: Version, rule: str, packets: list[Packet]) -> tuple[list[bool], list[bool]]:
    """What the proof says, and what the machines do."""
    reach = Reach(engine_of(version.site(FORWARD.format(rule))).observe())
    told = [reach.arrives(packet, "d") for packet in packets]
    return told, [reach.converse_packet(packet).arrived_at("d") for packet in packets]


@pytest.mark.parametrize("version", VERSIONS, ids=str)
@pytest.mark.parametrize("asked", PORTS)
@pytest.mark.parametrize("field", ["sport", "dport"])
def test_port_beside_a_boundary_passes_where_the_rule_says(version: Version, asked: str, field: str) -> None:
    target, near = parse_address(version.hosts["d"]), range(1022, 1027)
    ports = [(n, 443) if field == "sport" else (40_000, n) for n in near]
    packets = [Packet("a", target, "tcp", there, None, here) for here, there in ports]
    wanted = [n in PORTS[asked] for n in near]
    assert judged(version, f"tcp {field} {asked}", packets) == (wanted, wanted)


@pytest.mark.parametrize("version", VERSIONS, ids=str)
@pytest.mark.parametrize("asked", SOURCES)
def test_address_beside_a_boundary_passes_where_the_rule_says(version: Version, asked: str) -> None:
    target, near = parse_address(version.hosts["d"]), range(0x14, 0x19)
    words = asked
    for n in near:
        words = words.replace(f"{{{n:x}}}", address(version, n))
    packets = [Packet("a", target, "tcp", 22, parse_address(address(version, n))) for n in near]
    wanted = [n in SOURCES[asked] for n in near]
    family = "ip6" if version is V6 else "ip"
    assert judged(version, f"{family} saddr {words}", packets) == (wanted, wanted)
