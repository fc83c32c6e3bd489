"""Proofs over all packets: how long a lab takes cold, again after one edit, one proof, a comparison, 1,000 hosts.

What others make of the same questions is in `oracles`.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from random import Random
from statistics import median
from time import process_time

from benchmarks.common import heading, processor_seconds, table
from benchmarks.row.instance import Rule, device, filter_of, interface, single_hosts, whole_subnets
from grader.reach import Packet, Reach
from labs.model.addresses import IPv4, Mac, Network
from labs.model.site import Device, Endpoint, Kind, Link, Port, Site
from labs.model.state import BridgePortState, BridgeState, DeviceState, InterfaceState, Route
from labs.net.linux.sysctl import DEFAULTS
from labs.net.nftables import to_json
from labs.net.nftables.apply import load

PACKET_HOSTS, ROUNDS = 12, 5
GOAL_COLD_S, GOAL_AGAIN_S, GOAL_ONE_S = 0.25, 0.02, 0.001
ROW = single_hosts()


LAB = """
import time
from benchmarks.proofs import lab_of_50, prove_lab
site = lab_of_50()
ready = time.process_time()
prove_lab(site)
print(time.process_time() - ready)
"""


def lab_of_50() -> Site:
    """Five routers, nine hosts each, a filter of some twenty rules at each router."""
    whole = ROW.site()
    names = {f"h{router}x{number}" for router in range(ROW.routers) for number in range(9)}
    devices = {name: whole.devices[name] for name in sorted(names)}
    for router in range(ROW.routers):
        devices[f"r{router}"] = with_rules(whole.devices[f"r{router}"], ROW.rules[router][:20])
    links = tuple(link for link in whole.links if all(end.device in devices for end in link.ends))
    return Site(devices, links)


def with_rules(router: Device, rules: tuple[Rule, ...]) -> Device:
    """The same router with another filter."""
    assert router.state is not None
    return replace(router, state=replace(router.state, ruleset=to_json(load(filter_of(rules)))))


def prove_lab(site: Site, like: Reach | None = None) -> Reach:
    """Every pair of its hosts."""
    reach = Reach(site, like=like)
    list(reach.matrix([name for name in site.devices if name.startswith("h")]))
    return reach


def lab() -> None:
    """A lab of 50 devices: cold, and again after one edit."""
    heading("A lab of 50 devices: build the analysis and prove all 1,980 pairs", "processor time")
    command = [sys.executable, "-c", LAB]
    cold = [subprocess.run(command, capture_output=True, text=True, check=True) for _ in range(ROUNDS)]  # noqa: S603
    site = lab_of_50()
    reach, again = prove_lab(site), []
    for extra in ROW.rules[2][30:39]:
        changed = site.with_device(with_rules(site.devices["r2"], (*ROW.rules[2][:20], extra)))
        again.append(processor_seconds(lambda changed=changed: prove_lab(changed, reach)))  # type: ignore[misc]
    table(
        ["", "time", "goal"],
        [
            [
                "in a cold process, imports and the site left out",
                f"{median(float(run.stdout) for run in cold) * 1e3:.0f} ms",
                f"{GOAL_COLD_S * 1e3:.0f} ms",
            ],
            ["again after one edit at a router", f"{median(again) * 1e3:.1f} ms", f"{GOAL_AGAIN_S * 1e3:.0f} ms"],
        ],
    )
    print()


def single() -> None:
    """One proof with its witness, and two configurations compared."""
    heading("Five routers with 200 rules, 100 subnets: one question, and student beside reference", "processor time")
    row = whole_subnets()
    site = row.site()
    reach = Reach(site)
    random = Random("questions")
    asked = [tuple(random.sample(row.names, 2)) for _ in range(300)]
    reach.packet_through(*asked[0])  # the first question finds out who may send what
    spent = sorted(processor_seconds(lambda pair=pair: reach.packet_through(*pair)) for pair in asked)  # type: ignore[misc]

    def proof() -> Reach:
        made = Reach(site)
        list(made.matrix(row.names))
        return made

    rules = row.rules[2]  # the 24th lets a whole /8 in, and no rule before it decides about all of that
    student = site.with_device(with_rules(site.devices["r2"], (*rules[:23], *rules[24:])))
    same = site.with_device(with_rules(site.devices["r2"], (*rules, rules[0])))
    proofs, differing, equal = [], [], []
    for _ in range(ROUNDS):
        proofs.append(processor_seconds(proof))
        differing.append(processor_seconds(lambda: Reach(site).difference(student, row.names)))
        equal.append(processor_seconds(lambda: Reach(site).difference(same, row.names)))
    if Reach(site).difference(same, row.names) or not Reach(site).difference(student, row.names):
        message = "a rule that repeats the first one changes nothing, and one that is missing does"
        raise RuntimeError(message)
    base = median(proofs)
    table(
        ["", "time", "goal"],
        [
            ["one proof with witness, median of 300", f"{spent[150] * 1e3:.2f} ms", f"{GOAL_ONE_S * 1e3:.0f} ms"],
            ["the slowest of them", f"{spent[-1] * 1e3:.2f} ms", ""],
            ["all pairs, build included", f"{base:.2f} s", ""],
            ["two sites that are equal, to every address", f"{median(equal):.2f} s, {median(equal) / base:.1f}x", "2x"],
            [
                "two that differ, a packet for each way",
                f"{median(differing):.2f} s, {median(differing) / base:.1f}x",
                "",
            ],
        ],
    )
    print()


def thousand() -> Site:
    """One router, ten subnets, a switch and a hundred hosts in each."""
    devices, links, interfaces = [], [], []
    for subnet in range(10):
        base = ROW.base(subnet)
        interfaces.append(interface(subnet + 2, f"s{subnet}", 0x020000000000 + base, [f"{IPv4(base + 1)}/24"]))
        ports = [InterfaceState("br0", 1, "bridge", Mac(0x020500000000 + base), up=True, carrier=True)]
        for number in range(101):
            mac = Mac(0x020300000000 + base + number)
            ports.append(InterfaceState(f"p{number}", number + 2, "ether", mac, up=True, carrier=True, master="br0"))
        devices.append(switch(f"sw{subnet}", ports))
        links.append(Link(Endpoint("r", f"s{subnet}"), Endpoint(f"sw{subnet}", "p0")))
        for number in range(100):
            host = IPv4(base + 10 + number)
            far = interface(2, "eth0", 0x020400000000 + int(host), [f"{host}/24"])
            default = Route(Network(IPv4(0), 0), "eth0", IPv4(base + 1))
            devices.append(device(f"h{subnet}x{number}", [far], [default], forward=False))
            links.append(Link(Endpoint(f"sw{subnet}", f"p{number + 1}"), Endpoint(f"h{subnet}x{number}", "eth0")))
    rules = [str(rule) for rule in ROW.rules[0][:50]] + ["ip saddr 10.0.0.0/22 icmp type echo-request accept"]
    text = "table inet f { chain forward { type filter hook forward priority 0; policy drop;\n"
    rules.insert(0, "ct state established accept")
    devices.append(device("r", interfaces, [], text + "\n".join(rules) + "\n}\n}\n", forward=True))
    return Site({found.name: found for found in devices}, tuple(links))


def switch(name: str, shown: list[InterfaceState]) -> Device:
    """A bridge of all its ports."""
    parts = [
        replace(i, bridge=BridgeState()) if i.kind == "bridge" else replace(i, bridge_port=BridgePortState())
        for i in shown
    ]
    ports = tuple(Port(i.name, i.mac) for i in parts if i.kind == "ether")
    state = DeviceState(tuple(parts), (), {}, dict(DEFAULTS))
    return Device(name, Kind.SWITCH, ports, {}, state=state)


def classes() -> None:
    """Who can ping whom, among a thousand hosts."""
    heading("Who can ping whom among 1,000 hosts: classes beside packets, on the same machines", "processor time")
    site = thousand()
    names = [name for name in site.devices if name.startswith("h")]
    start = process_time()
    reach = Reach(site)
    rows = [[services & reach.analysis.services.icmp for services in row] for row in reach.matrix(names)]
    ours = process_time() - start
    random = Random("hosts")
    some = random.sample(range(len(names)), PACKET_HOSTS)
    start = process_time()
    for a in some:
        for b in random.sample(range(len(names)), 100):
            if a != b:
                talk = reach.tracer.converse(Packet(names[a], reach.addresses_of(names[b])[0]))
                if talk.arrived_at(names[b]) != bool(rows[a][b]):
                    message = f"{names[a]} -> {names[b]}: the packet says otherwise"
                    raise RuntimeError(message)
    theirs = (process_time() - start) / (PACKET_HOSTS * 100) * len(names) ** 2
    table(
        ["", "time", "times ours"],
        [
            ["classes, build included", f"{ours:.2f} s", "1"],
            [f"packets ({PACKET_HOSTS * 100} of a million, extrapolated)", f"{theirs:.0f} s", f"{theirs / ours:.0f}"],
        ],
    )


def main() -> None:
    """Every table."""
    parts: list[Callable[[], None]] = [lab, single, classes]
    for part in parts:
        part()


if __name__ == "__main__":
    main()
