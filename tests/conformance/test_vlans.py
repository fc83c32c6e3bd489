"""VLANs over random sites: who reaches whom, what switches have learned, and what is read back, on both engines."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import partial
from typing import Any

from hypothesis import strategies as st

from labs.model.site import Kind, Site
from labs.model.state import DeviceState, InterfaceState
from tests.conformance.comparison import (
    after_first_probes,
    answered_apart,
    describe,
    everybody,
    known_apart,
    lasting_differences,
    neighbours,
    read_apart,
    told_apart,
)
from tests.conformance.pair import Pair, both
from tests.conformance.vlan_strategies import Drawn, vlan_lines, vlan_sites
from tests.engines.kernel.kernel_site import needs_kernel
from tests.engines.kernel.test_vlans import plain
from tests.kernel_lab import judged
from tests.traffic import SECOND, Flow

pytestmark = [*needs_kernel, judged()]

EXAMPLES = 6
SESSIONS = 3
ASKED = (("ping", 0, 64), ("ping", 0, 1), ("tcp", 7, 64), ("udp", 7, 64), ("udp", 8, 64))


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
    return [
        flow for flow in everybody(known, asked=ASKED) if known[flow.source] and flow.target not in known[flow.source]
    ]


def learned(pair: Pair, switch: str) -> tuple[set[Any], set[Any]]:
    """Stations that nobody entered, with port and VLAN."""
    found = []
    for engine in (pair.sim, pair.kernel):
        entries = json.loads(engine.run(switch, "bridge -j fdb show br br0").text or "[]")
        stations = [entry for entry in entries if entry.get("master") == "br0" and not entry.get("state")]
        found.append({(entry["mac"], entry["ifname"], entry.get("vlan", 0)) for entry in stations})
    return found[0], found[1]


def shown(state: DeviceState) -> dict[str, InterfaceState]:
    """Interfaces, but for their numbers, and for what a kernel does not tell of a port that is dark or off."""
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
    """Whom devices know, and what switches have learned, on one engine alone."""
    found = []
    for name, device in pair.site.devices.items():
        if device.kind is Kind.SWITCH:
            found += known_apart(name, *learned(pair, name))
        elif not one_way:
            found += known_apart(name, *neighbours(pair, name))
    return found


def compare(pair: Pair, *, one_way: bool) -> list[str]:
    """What differs."""
    found = told_apart(pair.send(everything(pair.site)), answered if one_way else str)
    found += after_first_probes(pair, lambda: estranged(pair, one_way=one_way))
    return found + read_apart(pair, shown, switches=True)


def test_random_sites_with_vlans_are_the_same_on_both_engines(draw_many):
    def judge(drawn: Drawn) -> None:
        differences = lasting_differences(drawn.site, partial(compare, one_way=drawn.one_way))
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
    with both(made) as pair:
        found = answered_apart(pair, typed, plain)
        pair.wait(SECOND // 2)
        return found + read_apart(pair, shown, switches=True)


def test_random_lines_about_vlans_are_answered_the_same_and_leave_the_same_state(draw_many):
    def judge(session: tuple[Site, list[tuple[str, str]]]) -> None:
        found = judge_session(session)
        typed = "\n".join(f"{place}$ {line}" for place, line in session[1])
        assert not found, typed + "\n" + describe(session[0], found)

    draw_many(sessions(), SESSIONS, judge)
