"""VLANs over random sites: who reaches whom, what switches have learned, and what is read back, on both engines."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from hypothesis import strategies as st

from labs.model.site import Kind, Site
from labs.model.state import DeviceState, InterfaceState
from tests.conformance.pair import Pair, both
from tests.conformance.test_matrix import FIRST_PROBE_S, SECOND, SHOWN, neighbours
from tests.conformance.vlan_strategies import Drawn, vlan_lines, vlan_sites
from tests.engines.kernel.kernel_site import needs_kernel
from tests.engines.kernel.test_vlans import plain
from tests.kernel_lab import judged, lasting
from tests.traffic import Flow

pytestmark = [*needs_kernel, judged()]

EXAMPLES = 6
SESSIONS = 3
KINDS = (("ping", 0, 64), ("ping", 0, 1), ("tcp", 7, 64), ("udp", 7, 64), ("udp", 8, 64))


def addresses(made: Site) -> dict[str, list[str]]:
    """The addresses of each device, by its file."""
    found = {}
    for device in made.devices.values():
        words = [line.split() for line in device.files["/etc/network/interfaces"].splitlines()]
        found[device.name] = [line[1].partition("/")[0] for line in words if line[:1] == ["address"]]
    return found


def everything(made: Site) -> list[Flow]:
    """Everybody who has an address tries every other."""
    known = addresses(made)
    targets = [address for own in known.values() for address in own]
    return [
        Flow(source, target, protocol, port or 7, ttl)
        for source, own in known.items()
        for target in targets
        if own and target not in own
        for protocol, port, ttl in KINDS
    ]


def learned(pair: Pair, switch: str) -> tuple[set[Any], set[Any]]:
    """Stations that nobody entered, with port and VLAN."""
    found = []
    for engine in (pair.sim, pair.kernel):
        entries = json.loads(engine.run(switch, "bridge -j fdb show br br0").text or "[]")
        stations = [entry for entry in entries if entry.get("master") == "br0" and not entry.get("state")]
        found.append({(entry["mac"], entry["ifname"], entry.get("vlan", 0)) for entry in stations})
    return found[0], found[1]


def shown(state: DeviceState | None) -> dict[str, InterfaceState]:
    """Interfaces, but for their numbers, and for what a kernel does not tell of a port that is dark or off."""
    assert state is not None
    found = {}
    for one in state.interfaces:
        port = one.bridge_port
        if port is not None and not one.carrier:
            port = replace(port, state="disabled")
        found[one.name] = replace(one, index=0, bridge_port=port, carrier=one.carrier and one.up)
    return found


def answered(text: str) -> str:
    """What a sender is told, but for how it is told that nobody answered."""
    return text if text.startswith(("reply", "seen")) else "no answer"


def estranged(pair: Pair, *, one_way: bool) -> list[str]:
    """Whom a device knows on one engine alone."""
    found = []
    for name, device in pair.site.devices.items():
        if one_way and device.kind is not Kind.SWITCH:
            continue
        one, other = learned(pair, name) if device.kind is Kind.SWITCH else neighbours(pair, name)
        found += [f"{name} knows in sim alone {entry}" for entry in sorted(one - other)]
        found += [f"{name} knows in kernel alone {entry}" for entry in sorted(other - one)]
    return found


def compare(pair: Pair, *, one_way: bool) -> list[str]:
    """What differs, one line each."""
    told = pair.send(everything(pair.site))
    if one_way:
        told = {flow: (answered(sim), answered(real)) for flow, (sim, real) in told.items()}
    found = [f"{flow}: sim {sim!r}, kernel {real!r}" for flow, (sim, real) in told.items() if sim != real]
    strange = estranged(pair, one_way=one_way)
    for _ in range(FIRST_PROBE_S):  # the simulator looked later: who was told of a neighbour has asked it by then
        if not strange:
            break
        pair.kernel.wait(SECOND)
        strange = estranged(pair, one_way=one_way)
    found += strange
    return found + differing(pair)


def differing(pair: Pair) -> list[str]:
    """Interfaces that are read back differently."""
    found = []
    simulated, real = pair.sim.observe(), pair.kernel.observe()
    for name in pair.site.devices:
        one, other = shown(simulated.devices[name].state), shown(real.devices[name].state)
        found += [
            f"{name} {port}:\n  sim    {one.get(port)}\n  kernel {other.get(port)}"
            for port in sorted(one.keys() | other.keys())
            if one.get(port) != other.get(port)
        ]
    return found


def describe(made: Site, differences: list[str]) -> str:
    """The site in short, and what differs."""
    lines = [f"{len(differences)} differences", *differences[:12], "leads: " + ", ".join(map(str, made.links))]
    for device in made.devices.values():
        lines += [f"--- {device.name}\n{device.files[SHOWN[0]].strip()}"]
    return "\n".join(lines)


def test_random_sites_with_vlans_are_the_same_on_both_engines(draw_many):
    def judge(drawn: Drawn) -> None:
        def look(patience: int) -> dict[str, bool]:
            with both(drawn.site, patience) as pair:
                pair.serve()
                return dict.fromkeys(compare(pair, one_way=drawn.one_way), True)

        differences = list(lasting(look))
        assert not differences, describe(drawn.site, differences)

    draw_many(vlan_sites(), EXAMPLES, judge)


@st.composite
def sessions(draw: st.DrawFn) -> tuple[Site, list[tuple[str, str]]]:
    """A site, and lines with their places."""
    made = draw(vlan_sites()).site
    return made, draw(vlan_lines(made))


def judge_session(session: tuple[Site, list[tuple[str, str]]]) -> list[str]:
    """What differs in a session."""
    made, typed = session
    found = []
    with both(made) as pair:
        for number, (place, line) in enumerate(typed):
            one, other = pair.sim.run(place, line), pair.kernel.run(place, line)
            if (plain(one.text), one.status) != (plain(other.text), other.status):
                found.append(f"{number} {place}$ {line}\n  sim    {one}\n  kernel {other}")
        pair.wait(SECOND // 2)
        return found + differing(pair)


def test_random_lines_about_vlans_are_answered_the_same_and_leave_the_same_state(draw_many):
    def judge(session: tuple[Site, list[tuple[str, str]]]) -> None:
        found = judge_session(session)
        typed = "\n".join(f"{place}$ {line}" for place, line in session[1])
        assert not found, typed + "\n" + describe(session[0], found)

    draw_many(sessions(), SESSIONS, judge)
