"""Who reaches whom, over random sites: every sender is told the same by the simulator and by the kernel.

What a sender is told is a reply with its TTL, the address that the target saw, an ICMP error with type, code and
source, an error of its own machine, or nothing.
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any

from labs.model.site import Kind, Site
from tests.conformance.pair import Pair, both
from tests.conformance.strategies import sites
from tests.engines.kernel.kernel_site import needs_kernel
from tests.kernel_lab import judged, lasting
from tests.traffic import SECOND, Flow

pytestmark = [*needs_kernel, judged()]

EXAMPLES = 40
WANTED = 20_000
FIRST_PROBE_S = 8  # more than delay_first_probe_time (5 s, arp(7)) and a look at everybody
STRANGERS = ("10.0.1.99", "172.16.0.1", "127.0.0.1")
KINDS = [
    *(("ping", 0, ttl) for ttl in (64, 1, 2, 3)),
    *((protocol, port, 64) for protocol in ("tcp", "udp") for port in (7, 8, 443)),
    ("udp", 8, 2),
]
SHOWN = ("/etc/network/interfaces", "/etc/sysctl.conf", "/etc/nftables.conf")
KNOWN = {"REACHABLE", "STALE", "DELAY", "PROBE", "PERMANENT", "NOARP"}


def addresses(made: Site) -> dict[str, list[str]]:
    """The addresses of each device that is no switch, by its file."""
    found: dict[str, list[str]] = {}
    for device in made.devices.values():
        if device.kind is not Kind.SWITCH:
            words = [line.split() for line in device.files["/etc/network/interfaces"].splitlines()]
            found[device.name] = [
                word.partition("/")[0] for line in words for word in line if "/" in word and word[0].isdigit()
                if line[0] == "address" or "address" in line[:4]
            ]  # fmt: skip
    return found


def everything(made: Site) -> list[Flow]:
    """Everybody tries everybody, over every protocol."""
    known = addresses(made)
    targets = dict.fromkeys([address for one in known.values() for address in one] + list(STRANGERS))
    return [
        Flow(source, target, protocol, port or 7, ttl)
        for source in known
        for target in targets
        for protocol, port, ttl in KINDS
    ]


def twice(made: Site) -> set[str]:
    """Addresses that two devices have."""
    seen = [(address, name) for name, own in addresses(made).items() for address in set(own)]
    plain = [address for address, _ in seen]
    return {address for address in plain if plain.count(address) > 1}


def neighbours(pair: Pair, device: str) -> tuple[set[Any], set[Any]]:
    """Address, interface, and MAC where it is known."""
    node = pair.sim.node(device)
    simulated = {
        (str(entry.address), entry.interface.name, str(entry.mac) if entry.state.name in KNOWN else "")
        for entry in node.link.neighbours.entries(pair.sim.now)
    }
    listing = json.loads(pair.kernel.run(device, "ip -4 -j neigh").text or "[]")
    real = {
        (entry["dst"], entry["dev"], entry.get("lladdr", "") if KNOWN & set(entry["state"]) else "")
        for entry in listing
    }
    return simulated, real


def compare(pair: Pair) -> tuple[list[str], int]:
    """What differs, one line each, and how many probes were compared."""
    flows = certain(pair.site)
    told = pair.send(flows)
    differences = [f"{flow}: sim {sim!r}, kernel {real!r}" for flow, (sim, real) in told.items() if sim != real]
    if not twice(pair.site):
        strange = estranged(pair)
        for _ in range(FIRST_PROBE_S):  # the simulator looked later: who was told of a neighbour has asked it by then
            if not strange:
                break
            pair.kernel.wait(SECOND)
            strange = estranged(pair)
        differences += strange
    return differences, len(flows)


def judge_site(made: Site) -> tuple[list[str], int]:
    """What differs each time the site is built anew, and how many probes were compared."""
    count = 0

    def look(patience: int) -> dict[str, bool]:
        nonlocal count
        with both(made, patience) as pair:
            pair.serve()
            found, count = compare(pair)
        return dict.fromkeys(found, True)

    return list(lasting(look)), count


def estranged(pair: Pair) -> list[str]:
    """Whom a device knows on one engine alone."""
    found = []
    for device in addresses(pair.site):
        simulated, real = neighbours(pair, device)
        found += [f"neighbours of {device}: sim {one}" for one in sorted(simulated - real)]
        found += [f"neighbours of {device}: kernel {one}" for one in sorted(real - simulated)]
    return found


def races(made: Site, address: str) -> bool:
    """Whether more than flows to it and from its owners depend on who wins an address that two devices have."""
    owners = [name for name, own in addresses(made).items() if address in own]
    texts = [text for name, device in made.devices.items() if name not in owners for text in device.files.values()]
    routers = any(made.devices[name].kind is Kind.ROUTER for name in owners)
    return routers or any(f"{address}\n" in f"{text}\n".replace(" ", "\n").replace(":", "\n") for text in texts)


def certain(made: Site) -> list[Flow]:
    """Every flow that does not depend on who of two owners of an address is faster."""
    doubtful = twice(made)
    if any(races(made, address) for address in doubtful):
        return []
    owners = {name for name, own in addresses(made).items() if doubtful & set(own)}
    return [flow for flow in everything(made) if flow.target not in doubtful and flow.source not in owners]


def test_random_sites_any_sender_is_told_the_same(draw_many, request):
    total, seconds = 0, 0.0

    def judge(made: Site) -> None:
        nonlocal total, seconds

        began = time.monotonic()
        differences, count = judge_site(made)
        seconds += time.monotonic() - began
        total += count
        assert not differences, describe(made, differences)

    draw_many(sites(), EXAMPLES, judge)
    sys.stdout.write(f"\n{total} probes compared, {total / seconds:.0f} a second\n")
    assert total >= WANTED or request.config.getoption("--conformance-examples")


def describe(made: Site, differences: list[str]) -> str:
    """The site in short, and what differs."""
    lines = [f"{len(differences)} differences", *differences[:12], "leads: " + ", ".join(map(str, made.links))]
    for device in made.devices.values():
        paths = [path for path in SHOWN if device.files.get(path) and device.kind is not Kind.SWITCH]
        lines += [f"--- {device.name} {path}\n{device.files[path].strip()}" for path in paths]
    return "\n".join(lines)
