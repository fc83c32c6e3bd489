"""`why` says what a real packet would meet, and the site does not notice."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import labs
from labs.engines.base import Disposition, Probe
from labs.engines.sim import SimEngine
from labs.model.addresses import IPv4
from labs.model.site import Site
from labs.net.foresight import Foresight, Question
from labs.net.nftables import render_ruleset
from labs.scenario.library import find_scenario
from labs.scenario.variant import draw
from tests.sites import machine, site, switch
from tests.small import small

SCENARIOS = ("bakery-address-clash", "first-sensor-online", "tasting-room-guests")
SECOND = 1_000_000_000


def started(which: Site) -> SimEngine:
    engine = SimEngine()
    engine.start(which)
    return engine


def addresses(engine: SimEngine) -> list[IPv4]:
    found = {a.address for d in engine.observe().devices.values() if d.state for a in d.state.addresses()}
    return sorted(address for address in found if isinstance(address, IPv4))


def questions(engine: SimEngine) -> Iterator[tuple[str, Question]]:
    targets = addresses(engine)
    for device, node in engine.observe().devices.items():
        if node.powered:
            for address in targets:
                yield device, Question(address)
                yield device, Question(address, "tcp", 1883)
                yield device, Question(address, "tcp", 443)
                yield device, Question(address, "udp", 9)


def counters(engine: SimEngine) -> list[object]:
    """Everything a packet leaves behind."""
    left: list[object] = []
    for name in engine.site.devices:
        node = engine.node(name)
        left.append([(i.name, str(i.rx), str(i.tx)) for i in node.interfaces.values()])
        left.append(render_ruleset(node.netfilter.ruleset, node.netfilter.state))
        left.append([str(c) for c in node.netfilter.conntrack.connections(engine.now)])
        left.append([(str(n.address), n.state, n.mac) for n in node.link.neighbours.entries(engine.now)])
        left.append([sorted(map(str, i.bridge.stations)) for i in node.interfaces.values() if i.bridge])
        left.append(
            (node.transport._next_port, node.transport._next_identifier, node.next_wake(), len(node.processes.queue))
        )
        left.append(sorted(process.pid for process in node.processes))
    return left


def clashing(observed: Site) -> set[str]:
    """Devices that share an address: who gets their answers depends on who spoke last."""
    owners: dict[object, set[str]] = {}
    for name, device in observed.devices.items():
        for address in device.state.addresses() if device.state else ():
            owners.setdefault(address.address, set()).add(name)
    return set().union(*(names for names in owners.values() if len(names) > 1))


def probe_of(device: str, question: Question) -> Probe:
    return Probe(device, str(question.destination), question.protocol, question.port)


@pytest.mark.parametrize("name", SCENARIOS)
@pytest.mark.parametrize("state", ["healthy", "broken"])
def test_foresight_of_every_pair_changes_nothing_and_agrees_with_a_probe(name: str, state: str) -> None:
    variant = draw(find_scenario(name), "7")
    engine = started(getattr(variant, state))
    before, at = counters(engine), engine.observe()
    foreseen = [(device, question, engine.foresee(device, question)) for device, question in questions(engine)]
    assert counters(engine) == before
    assert engine.observe() == at
    racing = clashing(at)
    wrong = []
    for device, question, _ in foreseen:
        now = engine.foresee(device, question)
        real = engine.probe([probe_of(device, question)])[0]
        if now.ending != real.disposition and device not in racing:
            wrong.append(
                (device, str(question.destination), question.protocol, question.port, now.ending, real.disposition)
            )
    assert not wrong


def texts(answer: Foresight) -> list[str]:
    return [f"{step.device}: {step.what} | {step.by} | {step.where}" for step in answer.steps]


def test_packet_refused_by_a_rule_names_the_rule_and_its_line() -> None:
    lab = labs.open(small(), seed=3)
    output = lab.run("tv", "why 203.0.113.1 tcp 22")
    assert (
        "  forward: drop (ct state new)\n      by inet filter forward: policy drop   [/etc/nftables.conf:"
        in output.text
    )
    assert output.text.endswith("= timed out: no answer\n")
    assert output.status == 1


def test_packet_without_a_route_dies_at_the_sender() -> None:
    engine = started(site([machine("a", {"eth0": "10.0.0.1/24"})], []))
    answer = engine.foresee("a", Question(IPv4.parse("10.9.9.9")))
    assert texts(answer)[-1] == "a: dies: no route to the destination | no route covers 10.9.9.9 | "
    assert answer.ending == Disposition.NO_ROUTE


def test_router_that_does_not_forward_is_named_with_its_setting() -> None:
    a = machine("a", {"eth0": "10.0.0.2/24"}, gateway="10.0.0.1")
    r = machine("r", {"eth0": "10.0.0.1/24", "eth1": "10.0.1.1/24"})
    b = machine("b", {"eth0": "10.0.1.2/24"}, gateway="10.0.1.1")
    engine = started(site([a, r, b], ["a:eth0 r:eth0", "r:eth1 b:eth0"]))
    answer = engine.foresee("a", Question(IPv4.parse("10.0.1.2")))
    assert "r: dies: ip_forward is off | net.ipv4.ip_forward = 0 | /etc/sysctl.conf:1" in texts(answer)


def test_switches_on_the_way_are_named() -> None:
    a, b = machine("a", {"eth0": "10.0.0.1/24"}), machine("b", {"eth0": "10.0.0.2/24"})
    engine = started(site([a, b, switch("s", 3)], ["a:eth0 s:p1", "b:eth0 s:p3"]))
    answer = engine.foresee("a", Question(IPv4.parse("10.0.0.2")))
    assert "s: bridge: p1 -> p3 |  | " in texts(answer)
    assert answer.answered


def test_address_that_nobody_has_is_not_answered_by_arp() -> None:
    a, b = machine("a", {"eth0": "10.0.0.1/24"}), machine("b", {"eth0": "10.0.0.2/24"})
    engine = started(site([a, b], ["a:eth0 b:eth0"]))
    answer = engine.foresee("a", Question(IPv4.parse("10.0.0.9")))
    assert texts(answer)[-1] == "a: dies: nobody answers ARP for 10.0.0.9 on eth0 |  | "
    assert answer.ending == Disposition.UNREACHABLE


def test_translated_packet_shows_what_it_becomes_and_the_rule() -> None:
    output = started(draw(small(), "3").healthy).run("pc", "why 203.0.113.1 tcp 443")
    assert "postrouting: becomes tcp 203.0.113.2:" in output.text
    assert 'by ip nat postrouting: oifname "eth0" masquerade   [/etc/nftables.conf:' in output.text


def test_loop_of_switches_ends_with_a_finding() -> None:
    a = machine("a", {"eth0": "10.0.0.1/24"})
    s, t = switch("s", 3), switch("t", 3)
    engine = started(site([a, s, t], ["a:eth0 s:p1", "s:p2 t:p2", "s:p3 t:p3"]))
    answer = engine.foresee("a", Question(IPv4.parse("10.0.0.9")))
    assert not answer.answered


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("why", "Usage: why"),
        ("why 10.0.0.1 tcp", "why: tcp needs one port"),
        ("why 10.0.0.1 tcp nonsense", 'why: "nonsense" is no tcp port'),
        ("why 9.9.9.9 10.0.0.1", "why: 9.9.9.9 is no address of this device"),
        ("why 10.0.0.1 ping 4", 'why: "4" is not understood'),
    ],
)
def test_wrong_question_is_refused(line: str, complaint: str) -> None:
    output = labs.open(small(), seed=3).run("pc", line)
    assert output.text.startswith(complaint)
    assert output.status == 2
