"""IPv6 over random sites: who is told what, whom a device knows, and what is read back, on both engines."""

from __future__ import annotations

import json
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from labs.engines.kernel import KernelEngine
from labs.model.addresses import IPv6
from labs.model.site import Kind, Site
from labs.model.state import DeviceState
from tests.conformance.pair import Pair, both, started
from tests.conformance.test_matrix import FIRST_PROBE_S, KNOWN, describe
from tests.conformance.wide_strategies import wide_sites
from tests.engines.kernel.kernel_site import needs_kernel
from tests.kernel_lab import judged, lasting
from tests.traffic import SECOND, Flow

pytestmark = [*needs_kernel, judged()]

EXAMPLES = 6
AT_ONCE = 3  # sites that start side by side; they are compared one after the other
STRANGERS = ("2001:db8:1::99", "2001:db8:77::1", "2001:db8:ab::1", "::1")
KINDS = [
    *(("ping", 0, ttl) for ttl in (64, 1, 2, 3)),
    *((protocol, port, 64) for protocol in ("tcp", "udp") for port in (7, 8, 443)),
    ("udp", 8, 2),
]


def addresses(made: Site) -> dict[str, list[str]]:
    """The IPv6 addresses of each device that is no switch, as the simulator observes them; link-local ones apart."""
    return {
        device.name: [
            str(found.address)
            for found in (device.state.addresses() if device.state is not None else ())
            if isinstance(found.address, IPv6) and not found.address.is_link_local
        ]
        for device in made.devices.values()
        if device.kind is not Kind.SWITCH
    }


def everything(made: Site) -> list[Flow]:
    """Everybody tries everybody, over every protocol."""
    known = addresses(made)
    targets = dict.fromkeys([address for own in known.values() for address in own] + list(STRANGERS))
    return [
        Flow(source, target, protocol, port or 7, ttl)
        for source in known
        for target in targets
        for protocol, port, ttl in KINDS
    ]


def neighbours(pair: Pair, device: str) -> tuple[set[Any], set[Any]]:
    """Global address, interface, and MAC where it is known. Link-local ones come with a router's own timers."""
    node = pair.sim.node(device)
    simulated = {
        (str(entry.address), entry.interface.name, str(entry.mac) if entry.state.name in KNOWN else "")
        for entry in node.link.neighbours.entries(pair.sim.now)
        if isinstance(entry.address, IPv6) and not entry.address.is_link_local
    }
    listing = json.loads(pair.kernel.run(device, "ip -6 -j neigh").text or "[]")
    real = {
        (entry["dst"], entry["dev"], entry.get("lladdr", "") if KNOWN & set(entry["state"]) else "")
        for entry in listing
        if not entry["dst"].startswith("fe80:")
    }
    return simulated, real


def estranged(pair: Pair) -> list[str]:
    """Whom a device knows on one engine alone."""
    found = []
    for device in addresses(pair.site):
        simulated, real = neighbours(pair, device)
        found += [f"neighbours of {device}: sim {one}" for one in sorted(simulated - real)]
        found += [f"neighbours of {device}: kernel {one}" for one in sorted(real - simulated)]
    return found


def state(seen: DeviceState | None) -> dict[str, Any]:
    """What both engines must observe alike: of what expires, that it does."""
    assert seen is not None
    return {
        "interfaces": sorted((i.name, i.up, i.mtu, tuple(sorted(map(str, i.addresses)))) for i in seen.interfaces),
        "routes": sorted(
            (
                str(r.prefix),
                str(r.device),
                str(r.via),
                str(r.source),
                r.metric,
                r.protocol,
                r.kind,
                r.expires_ns is None,
            )
            for r in seen.routes
            if ":" in str(r.prefix)
        ),
        "settings": sorted((name, value) for name, value in seen.sysctls.items() if "ipv6" in name),
        "units": {name: word for name, word in seen.units.items() if name in ("networking", "nftables", "radvd")},
    }


def observed(pair: Pair) -> list[str]:
    """What `observe()` reads back differently."""
    simulated, real = pair.sim.observe(), pair.kernel.observe()
    found = []
    for name, device in pair.site.devices.items():
        if device.kind is Kind.SWITCH:
            continue
        one, other = state(simulated.devices[name].state), state(real.devices[name].state)
        found += [
            f"{name} {part}:\n  sim    {one[part]}\n  kernel {other[part]}" for part in one if one[part] != other[part]
        ]
    return found


def by_device(told: str, owners: dict[str, str]) -> str:
    """An error with the device that speaks instead of one of its addresses (error-source)."""
    text, word, address = told.partition(" from ")
    return f"{text}{word}{owners.get(address, address)}"


def compare(pair: Pair) -> tuple[list[str], int]:
    """What differs, one line each, and how many probes were compared."""
    differences = [f"at the start {line}" for line in observed(pair)]
    flows = everything(pair.sim.observe())
    told = pair.send(flows)
    owners = {
        str(found.address): name
        for name, device in pair.sim.observe().devices.items()
        for found in (device.state.addresses() if device.state is not None else ())
    }
    differences += [
        f"{flow}: sim {sim!r}, kernel {real!r}"
        for flow, (sim, real) in told.items()
        if by_device(sim, owners) != by_device(real, owners)
    ]
    strange = estranged(pair)
    for _ in range(FIRST_PROBE_S):
        if not strange:
            break
        pair.kernel.wait(SECOND)
        strange = estranged(pair)
    return differences + strange, len(flows)


def judge_wide(made: Site, kernel: KernelEngine | None = None) -> tuple[list[str], int]:
    """What differs each time the site is built anew, the first time on an engine that runs, and how many probes."""
    count = 0

    def look(patience: int) -> dict[str, bool]:
        nonlocal count
        with both(made, patience, kernel if patience == 1 else None) as pair:
            pair.serve()
            found, count = compare(pair)
        return dict.fromkeys(found, True)

    return list(lasting(look)), count


def test_random_sites_of_both_versions_any_sender_is_told_the_same(draw_many, request):
    drawn: list[Site] = []
    total = 0

    def judge(made: Site, kernel: KernelEngine | None = None) -> None:
        nonlocal total
        differences, count = judge_wide(made, kernel)
        total += count
        assert not differences, describe(made, differences)

    shrinking = request.config.getoption("--conformance-shrink")
    draw_many(wide_sites(), EXAMPLES, lambda wide: judge(wide.site) if shrinking else drawn.append(wide.site))
    with ThreadPoolExecutor(AT_ONCE) as pool:
        for first in range(0, len(drawn), AT_ONCE):
            some = drawn[first : first + AT_ONCE]
            engines = [future.result() for future in [pool.submit(started, made) for made in some]]
            try:
                for made, engine in zip(some, engines, strict=True):
                    judge(made, engine)
            finally:
                for engine in engines:
                    engine.stop()
    sys.stdout.write(f"\n{total} probes over IPv6 compared\n")
