"""Tunnels between two routers over a provider: what goes in comes out, and who is told what does not fit."""

from __future__ import annotations

import re

import pytest

from labs.engines.sim import SimEngine
from tests.sites import machine, site

GRE = "ip tunnel add t0 mode gre local {} remote {} ttl 64"
LEADS = ["a:eth0 r:lan", "r:wan p:one", "p:two s:wan", "s:lan d:eth0"]


def ends(command: str, *more: str) -> list[list[str]]:
    """What both routers run at start."""
    addresses = [("198.51.100.2", "203.0.113.2"), ("203.0.113.2", "198.51.100.2")]
    return [
        [
            command.format(*pair),
            f"ip addr add 172.30.0.{number}/30 dev t0",
            "ip link set t0 up",
            f"ip route add 10.0.{3 - number}.0/24 dev t0",
            *more,
        ]
        for number, pair in enumerate(addresses, 1)
    ]


def start(command: str = GRE, *more: str, provider: str = "", narrow: int = 0, rules: str = "") -> SimEngine:
    left, right = ends(command, *more)
    small = [f"ip link set two mtu {narrow}"] if narrow else []
    made = site(
        [
            machine("a", {"eth0": "10.0.1.10/24"}, gateway="10.0.1.1"),
            machine(
                "r", {"wan": "198.51.100.2/24", "lan": "10.0.1.1/24"}, gateway="198.51.100.1", up=left, forward=True,
                rules=rules,
            ),
            machine("p", {"one": "198.51.100.1/24", "two": "203.0.113.1/24"}, up=small, forward=True, rules=provider),
            machine("s", {"wan": "203.0.113.2/24", "lan": "10.0.2.1/24"}, gateway="203.0.113.1", up=right,
                    forward=True),
            machine("d", {"eth0": "10.0.2.20/24"}, gateway="10.0.2.1"),
        ],
        LEADS,
    )  # fmt: skip
    engine = SimEngine()
    engine.start(made)
    return engine


@pytest.mark.parametrize(
    ("command", "mtu"),
    [
        (GRE, 1476),
        (GRE + " key 42", 1472),
        ("ip tunnel add t0 mode ipip local {} remote {} ttl 64", 1480),
        ("ip link add t0 type gre local {} remote {} ttl 64", 1476),
        ("ip link add t0 type ipip local {} remote {} ttl 64", 1480),
    ],
)
def test_tunnel_joins_two_sites_and_leaves_room_for_its_headers(command, mtu):
    engine = start(command)
    assert "1 received" in engine.run("a", "ping -c 1 10.0.2.20").text
    assert f"mtu {mtu} qdisc noqueue state UNKNOWN" in engine.run("r", "ip link show t0").text
    assert f"Frag needed and DF set (mtu = {mtu})" in engine.run("a", "ping -c 1 -M do -s 1472 10.0.2.20").text
    assert "1 received" in engine.run("a", f"ping -c 1 -M do -s {mtu - 28} 10.0.2.20").text
    assert "1 received" in engine.run("a", "ping -c 1 -M dont -s 3000 10.0.2.20").text


def test_keys_that_differ_nothing_comes_out():
    engine = start(GRE + " key 42")
    engine.run("s", "ip tunnel change t0 key 43")
    assert "0 received" in engine.run("a", "ping -c 1 -W 1 10.0.2.20").text


def test_checksum_that_is_asked_for_is_shown_and_both_ends_have_to_agree():
    engine = start(GRE + " key 42 csum")
    assert "mtu 1468 " in engine.run("r", "ip link show t0").text
    engine.run("p", "tcpdump -vnn -c 1 -i one proto gre > /tmp/seen 2>/dev/null &")
    assert "1 received" in engine.run("a", "ping -c 1 10.0.2.20").text
    text = engine.run("p", "cat /tmp/seen").text
    assert re.search(r"Flags \[checksum present, key present\], sum 0x\w+, off 0x0, key=0x2a, length 96", text), text
    engine.run("s", "ip tunnel change t0 noicsum")
    assert "0 received" in engine.run("a", "ping -c 1 -W 1 10.0.2.20").text
    assert engine.node("s").interfaces["t0"].rx.damaged == 1


def test_ipip_without_its_other_end_the_sender_is_told_of_gre_not():
    for mode, told in (("ipip", True), ("gre", False)):
        engine = start(GRE.replace("gre", mode))
        engine.run("s", "ip tunnel change t0 remote 203.0.113.77")
        said = engine.run("r", "ping -c 3 -i 0.3 -W 1 172.30.0.2").text
        assert ("Destination Host Unreachable" in said) is told


def test_tunnel_bound_to_an_interface_leaves_by_it_whatever_the_routes_say():
    engine = start(GRE + " dev wan", "ip route add 198.51.100.2 dev t0", "ip route add 203.0.113.2 dev t0")
    assert "1 received" in engine.run("a", "ping -c 1 10.0.2.20").text


def test_local_address_of_nobody_sends_and_counts_nothing():
    engine = start()
    engine.run("r", "ip tunnel change t0 local 198.51.100.77")
    assert "0 received" in engine.run("a", "ping -c 1 -W 1 10.0.2.20").text
    sent = engine.node("r").interfaces["t0"].tx
    assert (sent.packets, sent.errors) == (0, 1)


def test_packet_without_df_that_is_too_large_for_a_known_way_is_dropped_not_sent():
    engine = start(narrow=1400)
    for _ in (1, 2):
        engine.run("a", "ping -c 1 -W 1 -M dont -s 1430 10.0.2.20")
    sent = engine.node("r").interfaces["t0"].tx
    assert (sent.packets, sent.errors, sent.dropped) == (1, 0, 1)


def test_other_end_missing_the_sender_is_told_on_the_next_try():
    engine = start()
    engine.run("s", "ip link del t0")
    said = engine.run("r", "ping -c 3 -i 0.3 -W 1 172.30.0.2").text
    assert "Destination Host Unreachable" in said
    assert "0 received" in said


def test_narrow_provider_the_end_of_the_tunnel_learns_and_tells_who_sends():
    engine = start(narrow=1400)
    first = engine.run("a", "ping -c 1 -W 1 -M do -s 1448 10.0.2.20").text
    assert "0 received" in first
    assert "Frag needed and DF set (mtu = 1376)" in engine.run("a", "ping -c 1 -W 1 -M do -s 1448 10.0.2.20").text
    assert "1 received" in engine.run("a", "ping -c 1 -M do -s 1348 10.0.2.20").text


SILENT = (
    "table ip f {\n chain o {\n type filter hook output priority 0; icmp type destination-unreachable drop\n }\n}\n"
)


def test_silent_narrow_provider_small_packets_pass_and_big_ones_disappear():
    engine = start(narrow=1400, provider=SILENT)
    assert "1 received" in engine.run("a", "ping -c 1 -s 1000 10.0.2.20").text
    assert "0 received" in engine.run("a", "ping -c 1 -W 1 -s 1448 10.0.2.20").text
    for router in "rs":
        engine.run(router, "ip link set t0 mtu 1376")
    assert "Frag needed and DF set (mtu = 1376)" in engine.run("a", "ping -c 1 -W 1 -s 1448 10.0.2.20").text
    assert "1 received" in engine.run("a", "ping -c 1 -W 1 -s 1448 10.0.2.20").text


def test_route_to_the_other_end_through_the_tunnel_itself_goes_nowhere():
    engine = start()
    engine.run("r", "ip route add 203.0.113.2 dev t0")
    assert "0 received" in engine.run("a", "ping -c 1 -W 1 10.0.2.20").text
    assert engine.node("r").interfaces["t0"].tx.collisions == 1


def test_tunnel_is_shown_as_iproute2_shows_it():
    engine = start(GRE + " key 42")
    assert engine.run("r", "ip tunnel").text == "t0: gre/ip remote 203.0.113.2 local 198.51.100.2 ttl 64 key 42\n"
    shown = engine.run("r", "ip -d link show t0").text.splitlines()
    assert "t0@NONE: <POINTOPOINT,NOARP,UP,LOWER_UP> mtu 1472 " in shown[0]
    assert shown[1].startswith("    link/gre 198.51.100.2 peer 203.0.113.2 promiscuity 0 ")
    assert shown[2].startswith("    gre remote 203.0.113.2 local 198.51.100.2 ttl 64 ikey 0.0.0.42 okey 0.0.0.42 ")
    assert "inet 172.30.0.1/30 scope global t0" in engine.run("r", "ip addr show t0").text


@pytest.mark.parametrize(
    ("line", "said", "status"),
    [
        ("ip tunnel add x remote 1.2.3.4", "cannot determine tunnel mode (ipip, gre, vti or sit)", 1),
        ("ip tunnel add x mode foo", 'Unknown tunnel mode "foo"', 255),
        ("ip tunnel add x mode sit remote 1.2.3.4", 'ip: "tunnel mode sit" is not simulated here', 255),
        ("ip tunnel add x mode gre ttl 300", 'Error: argument "300" is wrong: invalid TTL', 255),
        ("ip tunnel add x mode gre remote 1.2.3.4 dev nope", 'Cannot find device "nope"', 1),
        ("ip tunnel del nosuch", 'delete tunnel "nosuch" failed: No such device', 1),
        ("ip tunnel show nosuch", 'get tunnel "nosuch" failed: No such device', 1),
        ("ip tunnel add t0 mode gre remote 1.2.3.4", 'add tunnel "gre0" failed: File exists', 1),
        ("ip link add x type gre remote blah", 'Error: inet address is expected rather than "blah".', 1),
        ("ip link add x type gre remote 1.2.3.4 dev nope", 'Cannot find device "nope"', 255),
        ("ip link add x type gre remote 1.2.3.4 ttl 9 nopmtudisc", "ttl != 0 and nopmtudisc are incompatible", 255),
    ],
)
def test_mistyped_tunnel_is_answered_as_iproute2_answers(line, said, status):
    engine = start()
    output = engine.run("r", line)
    assert (output.text.splitlines()[0], output.status) == (said, status)


def test_capture_shows_the_packet_in_the_packet():
    engine = start()
    engine.run("p", "tcpdump -lni two -c 1 -w /tmp/x.pcap proto gre > /dev/null 2>&1 &")
    engine.run("a", "ping -c 1 10.0.2.20")
    said = engine.run("p", "tcpdump -nr /tmp/x.pcap").text
    assert "IP 198.51.100.2 > 203.0.113.2: GREv0, length 88: IP 10.0.1.10 > 10.0.2.20: ICMP echo request" in said


def test_masquerade_of_the_provider_lets_a_tunnel_through():
    engine = start()
    out = engine.run("p", "nft add table ip n; nft 'add chain ip n c { type nat hook postrouting priority 100; }'; "
                     "nft add rule ip n c oifname two masquerade").text  # fmt: skip
    assert out == ""
    engine.run("s", "ip tunnel change t0 remote 203.0.113.1")
    engine.run("r", "ip tunnel change t0 remote 203.0.113.2")
    assert "1 received" in engine.run("a", "ping -c 1 10.0.2.20").text
    assert "gre" in engine.run("p", "conntrack -L").text
