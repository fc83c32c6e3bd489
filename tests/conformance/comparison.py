"""One site on both engines, compared: what senders are told, whom devices know, what lines answer, what is read back.

What a sender is told is a reply with its TTL, the address that the target saw, an ICMP error with type, code and
source, an error of its own machine, or nothing. Differences are lines of text.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from labs.engines.kernel import KernelEngine
from labs.model.site import Kind, Site
from labs.model.state import DeviceState
from tests.conformance.pair import Pair, both
from tests.kernel_lab import lasting
from tests.traffic import SECOND, Flow

FIRST_PROBE_S = 8  # more than delay_first_probe_time (5 s, arp(7)) and a look at everybody
ASKED = (
    *(("ping", 0, ttl) for ttl in (64, 1, 2, 3)),
    *((protocol, port, 64) for protocol in ("tcp", "udp") for port in (7, 8, 443)),
    ("udp", 8, 2),
)
"""Protocol, port and TTL of the questions."""
KNOWN = {"REACHABLE", "STALE", "DELAY", "PROBE", "PERMANENT", "NOARP"}
SHOWN = ("/etc/network/interfaces", "/etc/sysctl.conf", "/etc/nftables.conf")
DESCRIBED = 12


def everybody(
    known: Mapping[str, Sequence[str]],
    strangers: Iterable[str] = (),
    asked: Iterable[tuple[str, int, int]] = ASKED,
) -> list[Flow]:
    """Every device asks every address that a device has, its own ones as well, and those that nobody has."""
    targets = dict.fromkeys([address for own in known.values() for address in own] + list(strangers))
    return [
        Flow(source, target, protocol, port or 7, ttl)
        for source in known
        for target in targets
        for protocol, port, ttl in asked
    ]


def told_apart(told: Mapping[Flow, tuple[str, str]], plain: Callable[[str], str] = str) -> list[str]:
    """Who is told different things; `plain` takes out what may differ."""
    return [f"{flow}: sim {sim!r}, kernel {real!r}" for flow, (sim, real) in told.items() if plain(sim) != plain(real)]


def neighbours(pair: Pair, device: str, version: int = 4) -> tuple[set[Any], set[Any]]:
    """Address, interface, and MAC where it is known. Link-local ones are left out: they live by a router's timers."""
    simulated = {
        (str(entry.address), entry.interface.name, str(entry.mac) if entry.state.name in KNOWN else "")
        for entry in pair.sim.node(device).link.neighbours.entries(pair.sim.now)
        if entry.address.version == version and not str(entry.address).startswith("fe80:")
    }
    real = {
        (entry["dst"], entry["dev"], entry.get("lladdr", "") if KNOWN & set(entry["state"]) else "")
        for entry in json.loads(pair.kernel.run(device, f"ip -{version} -j neigh").text or "[]")
        if not entry["dst"].startswith("fe80:")
    }
    return simulated, real


def known_apart(name: str, simulated: set[Any], real: set[Any]) -> list[str]:
    """Whom a device knows on one engine alone."""
    found = [f"{name} knows in sim alone {one}" for one in sorted(simulated - real)]
    return found + [f"{name} knows in kernel alone {one}" for one in sorted(real - simulated)]


def after_first_probes(pair: Pair, look: Callable[[], list[str]]) -> list[str]:
    """What still differs when whoever was told of a neighbour has asked it: the simulator looked later."""
    found = look()
    for _ in range(FIRST_PROBE_S):
        if not found:
            break
        pair.kernel.wait(SECOND)
        found = look()
    return found


def answered_apart(pair: Pair, typed: Iterable[tuple[str, str]], plain: Callable[[str], str]) -> list[str]:
    """Lines with their places that are answered differently; `plain` takes out what may differ."""
    found = []
    for number, (place, line) in enumerate(typed):
        one, other = pair.sim.run(place, line), pair.kernel.run(place, line)
        if (plain(one.text), one.status) != (plain(other.text), other.status):
            found.append(f"{number} {place}$ {line}\n  sim    {one}\n  kernel {other}")
    return found


def read_apart(pair: Pair, shape: Callable[[DeviceState], Mapping[str, Any]], *, switches: bool = False) -> list[str]:
    """What `observe()` reads back differently, in the shape in which it is compared."""
    simulated, real = pair.sim.observe(), pair.kernel.observe()
    found = []
    for name, device in pair.site.devices.items():
        if device.kind is Kind.SWITCH and not switches:
            continue
        one, other = simulated.devices[name].state, real.devices[name].state
        assert one is not None
        assert other is not None
        found += _parts_apart(name, shape(one), shape(other))
    return found


def _parts_apart(name: str, one: Mapping[str, Any], other: Mapping[str, Any]) -> list[str]:
    return [
        f"{name} {part}:\n  sim    {one.get(part)}\n  kernel {other.get(part)}"
        for part in dict.fromkeys((*one, *other))
        if one.get(part) != other.get(part)
    ]


def lasting_differences(
    made: Site, compare: Callable[[Pair], list[str]], kernel: KernelEngine | None = None
) -> list[str]:
    """What differs each time the site is built anew, the first time on an engine that runs."""

    def look(patience: int) -> dict[str, bool]:
        with both(made, patience, kernel if patience == 1 else None) as pair:
            pair.serve()
            return dict.fromkeys(compare(pair), True)

    return list(lasting(look))


def describe(made: Site, differences: list[str]) -> str:
    """The site in short, and what differs."""
    lines = [f"{len(differences)} differences", *differences[:DESCRIBED], "leads: " + ", ".join(map(str, made.links))]
    for device in made.devices.values():
        lines += [f"--- {device.name} {path}\n{text}" for path in SHOWN if (text := device.files.get(path, "").strip())]
    return "\n".join(lines)
