"""The grader's own traffic on the real kernel: how it ends, and the way that it took."""

from __future__ import annotations

import pytest

from labs.engines.base import Disposition, Probe
from labs.net.actions import Accepted, DropReason
from tests.engines.kernel.kernel_site import needs_kernel, running, two_networks

pytestmark = needs_kernel

RULES = """flush ruleset
table inet filter {
    chain forward {
        type filter hook forward priority filter; policy drop;
        ct state established,related accept
        icmp type echo-request accept
        tcp dport { 80, 443 } accept
        tcp dport 22 reject with tcp reset
        tcp dport 8080 reject
        udp dport 7 reject with icmp type admin-prohibited
    }
}
"""
QUICK = 1_000_000_000


@pytest.fixture(scope="module")
def lab():
    made = two_networks()
    gateway = made.devices["gw"].with_file("/etc/nftables.conf", RULES)
    gateway = gateway.with_file("/etc/systemd/system/multi-user.target.wants/nftables.service", "")
    with running(made.with_device(gateway)) as engine:
        engine.run("srv", "(while :; do nc -l -p 80 </dev/null; done) >/dev/null 2>&1 &")
        engine.run("srv", "while ! ss -ltn | grep -q :80; do sleep 0.02; done")
        yield engine


def one(lab, *probe):
    return lab.probe([Probe(*probe[:2], *(probe[2:] or ("ping", 0)), QUICK)])[0]


def test_allowed_flow_is_delivered_and_seen_at_every_device(lab):
    seen = one(lab, "pc", "10.9.0.2")
    assert seen.disposition is Disposition.DELIVERED
    assert [hop.device for hop in seen.hops] == ["pc", "gw", "srv", "srv", "gw", "pc"]
    assert seen.arrived_at("srv")


def test_open_port_is_delivered(lab):
    assert one(lab, "pc", "10.9.0.2", "tcp", 80).disposition is Disposition.DELIVERED


def test_closed_port_arrived_and_nobody_listens(lab):
    seen = one(lab, "pc", "10.9.0.2", "tcp", 443)
    assert (seen.disposition, seen.arrived_at("srv")) == (Disposition.REFUSED, True)
    assert (seen.death.device, seen.death.note.reason) == ("srv", DropReason.NO_LISTENER)


@pytest.mark.parametrize(
    ("protocol", "port", "disposition", "rule"),
    [
        ("udp", 53, Disposition.TIMED_OUT, "inet filter forward: policy drop"),
        ("tcp", 22, Disposition.REFUSED, "inet filter forward: tcp dport 22 reject with tcp reset"),
        ("tcp", 8080, Disposition.REFUSED, "inet filter forward: tcp dport 8080 reject"),
        ("udp", 7, Disposition.REJECTED, "inet filter forward: udp dport 7 reject with icmp admin-prohibited"),
    ],
)
def test_refused_flow_is_seen_at_the_rule_that_stopped_it(lab, protocol, port, disposition, rule):
    seen = one(lab, "pc", "10.9.0.2", protocol, port)
    assert seen.disposition is disposition
    assert isinstance(seen.hops[0].note, Accepted)
    assert not seen.arrived_at("srv")
    assert (seen.death.device, seen.death.note.reason) == ("gw", DropReason.POLICY)
    assert seen.death.note.by == rule


def test_no_route_on_the_way_is_told(lab):
    seen = one(lab, "pc", "192.0.2.1")
    assert (seen.disposition, seen.death.device) == (Disposition.NO_ROUTE, "gw")
    assert seen.death.note.reason is DropReason.NO_ROUTE


def test_nobody_at_the_address_is_told(lab):
    seen = lab.probe([Probe("pc", "10.0.0.99")])[0]
    assert (seen.disposition, seen.death.device) == (Disposition.UNREACHABLE, "pc")
    assert (seen.death.note.reason, seen.death.note.by) == (DropReason.NEIGHBOUR_FAILED, "10.0.0.99")


def test_unknown_name_and_dark_sender_are_told(lab):
    assert one(lab, "pc", "nowhere").disposition is Disposition.NAME_UNKNOWN
    lab.run("hands", "power off tv")
    assert one(lab, "tv", "10.0.0.2").disposition is Disposition.NO_SENDER
    lab.run("hands", "power on tv")


def test_hundreds_of_probes_go_at_once_in_order(lab):
    asked = [
        Probe(s, t, "tcp", port) for s in ("pc", "tv") for t in ("10.9.0.2", "10.0.0.1") for port in range(1000, 1060)
    ]
    seen = lab.probe([Probe(p.source, p.target, p.protocol, p.port, QUICK) for p in asked])
    assert [(o.probe.source, o.probe.target, o.probe.port) for o in seen] == [
        (p.source, p.target, p.port) for p in asked
    ]
    assert {o.disposition for o in seen if o.probe.target == "10.9.0.2"} == {Disposition.TIMED_OUT}
    assert {o.disposition for o in seen if o.probe.target == "10.0.0.1"} == {Disposition.REFUSED}


def test_probing_leaves_no_rule_behind(lab):
    one(lab, "pc", "10.9.0.2")
    assert "netwerf" not in lab.run("gw", "nft list ruleset").text


@pytest.mark.parametrize(("protocol", "port"), [("tcp", 80), ("ping", 0)])
def test_load_arrives_whole_or_the_probe_says_how_much_is_missing(lab, protocol, port):
    probe = Probe("pc", "10.9.0.2", protocol, port, QUICK, load=20_000)
    assert lab.probe([probe])[0].disposition is Disposition.DELIVERED
    lab.run("gw", "nft insert rule inet filter forward ip length '>' 1000 drop")
    try:
        (seen,) = lab.probe([probe])
        assert seen.disposition is Disposition.TIMED_OUT
    finally:
        lab.run("gw", "nft -f /etc/nftables.conf")
