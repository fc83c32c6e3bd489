"""Packets through chains: verdicts, counters, limits, sets that grow, NAT."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

import pytest

from labs.model.addresses import IPv4, Mac
from labs.net.arp import REPLY, ArpPacket
from labs.net.ethernet import ETHERTYPE_ARP, ETHERTYPE_IPV4, Frame
from labs.net.icmp import ECHO_REQUEST, IcmpMessage
from labs.net.ipv4 import PROTO_ICMP, PROTO_TCP, PROTO_UDP, Ipv4Packet
from labs.net.nftables.apply import apply, load
from labs.net.nftables.evaluate import Context, EvaluationState, Outcome, VerdictCode, base_chains, icmp_code, run_chain
from labs.net.nftables.json_schema import to_json
from labs.net.nftables.parser import parse
from labs.net.nftables.render import render_ruleset
from labs.net.nftables.tree import Ruleset
from labs.net.tcp import ACK, SYN, TcpSegment
from labs.net.udp import UdpDatagram

SECOND = 1_000_000_000


class Tuple(NamedTuple):
    saddr: int
    daddr: int
    sport: int
    dport: int
    proto: int


THERE = Tuple(int(IPv4.parse("10.0.0.1")), int(IPv4.parse("10.0.0.2")), 1000, 22, 6)
BACK = Tuple(int(IPv4.parse("10.0.0.2")), int(IPv4.parse("10.0.0.1")), 22, 1000, 6)


@dataclass
class Tracked:
    state: str = "new"
    status: frozenset[str] = field(default_factory=frozenset)
    direction: str = "original"
    mark: int = 0
    original: Tuple = THERE
    reply: Tuple = BACK


def tcp(dport=22, *, sport=40000, src="10.0.0.1", dst="10.0.0.2", flags=SYN, tos=0, ttl=64) -> Ipv4Packet:
    segment = TcpSegment(sport, dport, 1, 0, flags)
    return Ipv4Packet(IPv4.parse(src), IPv4.parse(dst), PROTO_TCP, segment, ttl=ttl, tos=tos)


def udp(dport=53, *, src="10.0.0.1", dst="10.0.0.2", data=b"") -> Ipv4Packet:
    return Ipv4Packet(IPv4.parse(src), IPv4.parse(dst), PROTO_UDP, UdpDatagram(40000, dport, data))


def ping() -> Ipv4Packet:
    return Ipv4Packet(IPv4.parse("10.0.0.1"), IPv4.parse("10.0.0.2"), PROTO_ICMP, IcmpMessage(ECHO_REQUEST))


def filtering(*rules: str, policy: str = "drop", more: str = "", hook: str = "input") -> Ruleset:
    body = "\n".join(rules)
    chain = f"type filter hook {hook} priority 0; policy {policy};"
    return load(f"table inet t {{\n{more}\nchain c {{\n{chain}\n{body}\n}}\n}}\n")


def run(ruleset: Ruleset, packet: Ipv4Packet | None, state: EvaluationState | None = None, **facts) -> Outcome:
    facts = {"family": "ip", "hook": "input", "iifname": "eth0", "packet": packet, **facts}
    context = Context(**facts)
    (chain,) = base_chains(ruleset, context.family, context.hook)
    return run_chain(ruleset, chain, context, state or EvaluationState())


MATCHES = [
    ("tcp dport 22", tcp(22), True),
    ("tcp dport 22", tcp(23), False),
    ("tcp dport 22", udp(22), False),
    ("tcp dport != 22", udp(53), False),  # a tcp field of a udp packet ends the rule, whatever the operator
    ("th dport 53", udp(53), True),
    ("th dport 53", tcp(53), True),
    ("th dport 53", ping(), False),
    ("tcp dport 20-25", tcp(22), True),
    ("tcp dport { 80, 20-25 }", tcp(22), True),
    ("tcp dport != { 80, 20-25 }", tcp(22), False),
    ("tcp dport > 1023", tcp(1024), True),
    ("tcp dport <= 21", tcp(22), False),
    ("ip saddr 10.0.0.0/8", tcp(), True),
    ("ip saddr != 10.0.0.0/8", tcp(), False),
    ("ip saddr 10.0.0.1-10.0.0.3", tcp(), True),
    ("ip saddr { 192.168.0.0/16, 10.0.0.1 }", tcp(), True),
    ("ip saddr & 0.0.0.255 == 0.0.0.1", tcp(), True),
    ("ip saddr . tcp dport { 10.0.0.1 . 22 }", tcp(), True),
    ("ip saddr . tcp dport { 10.0.0.0/8 . 20-30 }", tcp(), True),
    ("ip saddr . tcp dport { 10.0.0.0/8 . 20-30 }", tcp(31), False),
    ("ip6 saddr ::1", tcp(), False),
    ("ip protocol udp", udp(), True),
    ("meta l4proto { tcp, udp }", ping(), False),
    ("meta nfproto ipv4", tcp(), True),
    ("meta nfproto ipv6", tcp(), False),
    ("meta protocol ip", tcp(), True),
    ("icmp type echo-request", ping(), True),
    ("icmp type { echo-reply, echo-request }", tcp(), False),
    ("iifname eth0", tcp(), True),
    ('iifname "et*"', tcp(), True),
    ("iifname != eth0", tcp(), False),
    ("iifname { lo, eth0 }", tcp(), True),
    ('iifname { lo, "et*" }', tcp(), True),
    ("oifname eth0", tcp(), False),
    ("tcp flags syn", tcp(flags=SYN | ACK), True),
    ("tcp flags == syn", tcp(flags=SYN | ACK), False),
    ("tcp flags & (syn|ack) == syn", tcp(flags=SYN), True),
    ("tcp flags & (syn|ack) == syn", tcp(flags=SYN | ACK), False),
    ("tcp flags ! ack", tcp(flags=SYN), True),
    ("tcp flags { syn, syn|ack }", tcp(flags=SYN | ACK), True),
    ("ip dscp ef", tcp(tos=0x2E << 2), True),
    ("ip ecn ce", tcp(tos=3), True),
    ("ip ttl < 5", tcp(ttl=4), True),
    ("ip length > 20", tcp(), True),
    ("meta length 60", tcp(), True),
    ("meta pkttype broadcast", udp(dst="255.255.255.255"), True),
    ("meta mark 7", tcp(), False),
    ("ct state invalid", tcp(), True),  # no connection at all counts as invalid
    ("ct mark 0", tcp(), False),
    ("meta skuid 0", tcp(), False),
]


@pytest.mark.parametrize(("rule", "packet", "expected"), MATCHES)
def test_packet_matched_or_not_as_the_kernel_does(rule: str, packet: Ipv4Packet, expected: bool) -> None:
    outcome = run(filtering(f"{rule} accept"), packet)
    assert (outcome.verdict is VerdictCode.ACCEPT) is expected
    assert outcome.policy is not expected


@pytest.mark.parametrize(
    ("rule", "tracked", "expected"),
    [
        ("ct state established,related", Tracked("established"), True),
        ("ct state established,related", Tracked("new"), False),
        ("ct state != new", Tracked("new"), False),
        ("ct state { new, invalid }", Tracked("new"), True),
        ("ct state vmap { new : accept }", Tracked("new"), True),
        ("ct status dnat", Tracked(status=frozenset({"dnat", "confirmed"})), True),
        ("ct status dnat", Tracked(), False),
        ("ct direction original", Tracked(), True),
        ("ct original ip saddr 10.0.0.1", Tracked(), True),
        ("ct reply ip saddr 10.0.0.2", Tracked(), True),
        ("ip protocol tcp ct original proto-dst 22", Tracked(), True),
        ("ct protocol tcp", Tracked(), True),
        ("ct mark 5", Tracked(mark=5), True),
    ],
)
def test_connection_matched_or_not(rule: str, tracked: Tracked, expected: bool) -> None:
    end = "" if "vmap" in rule else " accept"
    assert (run(filtering(f"{rule}{end}"), tcp(), ct=tracked).verdict is VerdictCode.ACCEPT) is expected


def test_rule_that_decides_is_named_with_the_way_to_it() -> None:
    ruleset = filtering(
        "tcp dport 23 drop", "ip saddr 10.0.0.1", "jump two", more="chain two {\ntcp dport 22 accept\n}"
    )
    outcome = run(ruleset, tcp())
    assert (outcome.chain, outcome.rule_handle, outcome.policy) == ("two", 3, False)
    assert [(step.chain, step.handle) for step in outcome.path] == [("c", 5), ("c", 6), ("two", 3)]


@pytest.mark.parametrize(
    ("rules", "verdict"),
    [
        (["jump two", "accept"], VerdictCode.ACCEPT),  # the jumped-to chain ends: go on here
        (["goto two", "accept"], VerdictCode.DROP),  # after goto there is no way back
        (["return", "accept"], VerdictCode.DROP),  # return from a base chain asks the policy
        (["continue", "accept"], VerdictCode.ACCEPT),
    ],
)
def test_ways_through_chains(rules: list[str], verdict: VerdictCode) -> None:
    assert run(filtering(*rules, more="chain two {\ntcp dport 23 accept\nreturn\naccept\n}"), tcp()).verdict is verdict


def test_counter_counts_and_is_listed_while_the_rules_stay() -> None:
    ruleset, state = filtering("tcp dport 22 counter packets 5 bytes 100 accept"), EvaluationState()
    for _ in range(3):
        run(ruleset, tcp(), state)
    run(ruleset, tcp(23), state)
    assert "counter packets 8 bytes 280 accept" in render_ruleset(ruleset, state)
    assert "counter packets 5 bytes 100 accept" in render_ruleset(ruleset)
    assert {"counter": {"packets": 8, "bytes": 280}} in to_json(ruleset, state)["nftables"][-1]["rule"]["expr"]
    state.keep(ruleset)
    assert state.counters
    state.keep(Ruleset())
    assert not state.counters


def test_limit_lets_a_burst_pass_and_then_the_rate() -> None:
    ruleset, state = filtering("limit rate 1/second burst 3 packets accept"), EvaluationState()
    passed = [run(ruleset, tcp(), state, now_ns=at * SECOND // 2).verdict is VerdictCode.ACCEPT for at in range(12)]
    assert passed == [True] * 5 + [False, True, False, True, False, True, False]


def test_limit_over_matches_what_is_too_much() -> None:
    ruleset = filtering("limit rate over 2/minute burst 1 packets drop", policy="accept")
    state = EvaluationState()
    verdicts = [run(ruleset, tcp(), state, now_ns=at * SECOND).verdict for at in (0, 1, 31, 32)]
    assert verdicts == [VerdictCode.ACCEPT, VerdictCode.DROP, VerdictCode.ACCEPT, VerdictCode.DROP]


def test_limit_of_bytes_counts_bytes() -> None:
    ruleset, state = filtering("limit rate 100 bytes/second accept"), EvaluationState()
    verdicts = [run(ruleset, tcp(), state, now_ns=at).verdict for at in (0, 0, SECOND)]
    assert verdicts == [VerdictCode.ACCEPT, VerdictCode.DROP, VerdictCode.ACCEPT]


def test_set_grown_by_a_rule_matches_until_its_time_is_up() -> None:
    more = "set seen { type ipv4_addr; flags dynamic, timeout; timeout 10s; size 10; }"
    ruleset = filtering("tcp dport 1 add @seen { ip saddr }", "ip saddr @seen accept", more=more)
    state = EvaluationState()
    assert run(ruleset, tcp(22), state, now_ns=0).verdict is VerdictCode.DROP
    assert run(ruleset, tcp(1), state, now_ns=0).verdict is VerdictCode.ACCEPT
    assert run(ruleset, tcp(22), state, now_ns=9 * SECOND).verdict is VerdictCode.ACCEPT
    assert "elements = { 10.0.0.1 expires 1s }" in render_ruleset(ruleset, state)
    assert run(ruleset, tcp(22), state, now_ns=10 * SECOND).verdict is VerdictCode.DROP
    assert "elements" not in render_ruleset(ruleset, state)


def test_set_with_a_limit_for_each_element_stops_one_sender_alone() -> None:
    more = "set flood { type ipv4_addr; flags dynamic; size 10; }"
    rule = "add @flood { ip saddr limit rate over 1/minute burst 2 packets } drop"
    ruleset, state = filtering(rule, policy="accept", more=more), EvaluationState()
    verdicts = [run(ruleset, tcp(src=src), state).verdict.value for src in ("10.0.0.1",) * 3 + ("10.0.0.9",)]
    assert verdicts == ["accept", "accept", "drop", "accept"]


def test_verdict_map_and_named_map_decide() -> None:
    more = "map ways { type inet_service : verdict; elements = { 22 : accept, 23 : drop } }"
    ruleset = filtering("tcp dport vmap @ways", "iifname . tcp dport vmap { eth0 . 80 : accept }", more=more)
    verdicts = [run(ruleset, tcp(port)).verdict.value for port in (22, 23, 80, 81)]
    assert verdicts == ["accept", "drop", "accept", "drop"]


def test_marks_are_set_and_copied() -> None:
    tracked = Tracked(mark=0x10)
    ruleset = filtering("meta mark set ct mark or 1", "ct mark set tcp dport map { 22 : 7 }", "meta mark 0x11 accept")
    outcome = run(ruleset, tcp(), ct=tracked)
    assert (outcome.verdict, tracked.mark) == (VerdictCode.ACCEPT, 7)


def test_reject_tells_type_and_code() -> None:
    outcome = run(filtering("udp dport 53 reject", "reject with icmp type host-prohibited"), udp())
    assert (outcome.verdict, outcome.reject.type, icmp_code(outcome.reject)) == (VerdictCode.REJECT, "icmpx", 3)
    outcome = run(filtering("reject with icmp type host-prohibited"), udp())
    assert icmp_code(outcome.reject) == 10
    outcome = run(filtering("reject with tcp reset"), tcp())
    assert outcome.reject.type == "tcp reset"
    assert run(filtering("reject with tcp reset"), udp()).policy  # a reset is for tcp alone
    assert run(filtering("reject with icmpv6 type no-route"), udp()).policy  # and this for IPv6


def test_log_says_where_it_stands() -> None:
    outcome = run(filtering('log prefix "x: " level info drop'), tcp())
    (entry,) = outcome.log
    assert (entry.prefix, entry.level, entry.group, entry.chain, entry.handle) == ("x: ", "info", None, "c", 2)


def nat(rules: str, hook: str, packet: Ipv4Packet, **facts) -> Outcome:
    priority = "dstnat" if hook == "prerouting" else "srcnat"
    text = f"table ip n {{\nchain c {{\ntype nat hook {hook} priority {priority}\n{rules}\n}}\n}}\n"
    return run(load(text), packet, hook=hook, **facts)


def test_nat_decides_addresses_and_ports() -> None:
    wanted = nat("tcp dport 80 dnat to 192.168.1.10-192.168.1.12:8080 random", "prerouting", tcp(80)).nat
    low, high = int(IPv4.parse("192.168.1.10")), int(IPv4.parse("192.168.1.12"))
    assert (wanted.kind, wanted.addr_min, wanted.addr_max, wanted.port_min, wanted.port_max, wanted.flags) == (
        "dnat", low, high, 8080, 8080, ("random",),
    )  # fmt: skip
    wanted = nat("dnat to tcp dport map { 80 : 10.9.9.9 }", "prerouting", tcp(80)).nat
    assert wanted.addr_min == int(IPv4.parse("10.9.9.9"))
    wanted = nat("dnat to ip daddr . tcp dport map { 10.0.0.2 . 80 : 10.9.9.9 . 8 }", "prerouting", tcp(80)).nat
    assert (wanted.addr_min, wanted.port_min) == (int(IPv4.parse("10.9.9.9")), 8)
    wanted = nat("udp dport 53 redirect to :5353", "prerouting", udp()).nat
    assert (wanted.kind, wanted.addr_min, wanted.port_min) == ("redirect", None, 5353)
    wanted = nat("oifname wan masquerade", "postrouting", udp(), oifname="wan").nat
    assert wanted.kind == "masquerade"


def test_nat_chain_that_says_nothing_continues() -> None:
    outcome = nat("tcp dport 80 dnat to 192.168.1.10", "prerouting", tcp(81))
    assert (outcome.verdict, outcome.policy, outcome.nat) == (VerdictCode.CONTINUE, True, None)


def test_notrack_marks_the_packet() -> None:
    ruleset = filtering("udp dport 53 notrack", policy="accept", hook="prerouting")
    context = Context("ip", "prerouting", packet=udp())
    run_chain(ruleset, base_chains(ruleset, "ip", "prerouting")[0], context, EvaluationState())
    assert context.notrack


def test_base_chains_come_by_priority_inet_and_ip_together_dormant_never() -> None:
    ruleset = load(
        "table ip a {\nchain late {\ntype filter hook input priority 10\n}\n"
        "chain mid {\ntype filter hook input priority 0\n}\n}\n"
        "table inet b {\nchain early {\ntype filter hook input priority raw\n}\n}\n"
        "table ip d {\nflags dormant\nchain no {\ntype filter hook input priority 0\n}\n}\n"
        "table ip6 e {\nchain six {\ntype filter hook input priority 0\n}\n}\n"
    )
    assert [chain.name for chain in base_chains(ruleset, "ip", "input")] == ["early", "mid", "late"]
    assert [chain.name for chain in base_chains(ruleset, "ip6", "input")] == ["early", "six"]
    assert base_chains(ruleset, "bridge", "input") == []


def test_bridge_and_arp_see_frames() -> None:
    one, two = Mac.parse("02:4e:00:00:00:01"), Mac.parse("02:4e:00:00:00:02")
    arp = ArpPacket(REPLY, one, IPv4.parse("192.168.1.1"), two, IPv4.parse("192.168.1.2"))
    spoof = load(
        "table bridge f {\nchain c {\ntype filter hook forward priority 0\n"
        'arp operation reply arp saddr ip 192.168.1.1 iifname != "p1" drop\nvlan id 20 drop\nether type ip drop\n}\n}\n'
    )
    frame = Frame(two, one, ETHERTYPE_ARP, arp)
    facts = {"family": "bridge", "hook": "forward", "frame": frame}
    assert run(spoof, arp, iifname="p2", **facts).verdict is VerdictCode.DROP
    assert run(spoof, arp, iifname="p1", **facts).verdict is VerdictCode.ACCEPT
    tagged = frame._replace(vlan=20)
    assert run(spoof, arp, iifname="p1", **{**facts, "frame": tagged}).verdict is VerdictCode.DROP
    packet = udp()
    inner = Frame(two, one, ETHERTYPE_IPV4, packet)
    assert run(spoof, packet, iifname="p1", **{**facts, "frame": inner}).verdict is VerdictCode.DROP
    guard = load(
        "table arp g {\nchain c {\ntype filter hook input priority 0\n"
        "arp saddr ip 192.168.1.1 arp saddr ether != 02:4e:00:00:00:01 drop\n}\n}\n"
    )
    assert run(guard, arp, family="arp").verdict is VerdictCode.ACCEPT
    assert run(guard, arp._replace(sender_mac=two), family="arp").verdict is VerdictCode.DROP


def test_ruleset_changed_is_followed_at_once() -> None:
    ruleset = filtering("tcp dport 22 accept")
    assert run(ruleset, tcp()).verdict is VerdictCode.ACCEPT
    changed = apply(ruleset, parse("flush chain inet t c\n"))
    assert run(changed, tcp()).verdict is VerdictCode.DROP
    assert run(ruleset, tcp()).verdict is VerdictCode.ACCEPT
