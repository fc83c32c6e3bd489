"""IPv6 over random sites: who is told what, whom a device knows, and what is read back, on both engines."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

from labs.engines.kernel import KernelEngine
from labs.model.addresses import IPv6
from labs.model.site import Kind, Site
from labs.model.state import DeviceState
from tests.conformance.comparison import (
    after_first_probes,
    describe,
    everybody,
    known_apart,
    lasting_differences,
    neighbours,
    read_apart,
    told_apart,
)
from tests.conformance.pair import Pair, started
from tests.conformance.wide_strategies import wide_sites
from tests.engines.kernel.kernel_site import needs_kernel
from tests.kernel_lab import judged

pytestmark = [*needs_kernel, judged()]

EXAMPLES = 6
AT_ONCE = 3  # sites that start side by side; they are compared one after the other
STRANGERS = ("2001:db8:1::99", "2001:db8:77::1", "2001:db8:ab::1", "::1")


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


def estranged(pair: Pair) -> list[str]:
    """Whom devices know on one engine alone."""
    return [line for name in addresses(pair.site) for line in known_apart(name, *neighbours(pair, name, version=6))]


def state(seen: DeviceState) -> dict[str, Any]:
    """What both engines must observe alike: of what expires, that it does."""
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


def by_device(told: str, owners: dict[str, str]) -> str:
    """An error with the device that speaks instead of one of its addresses (error-source)."""
    text, word, address = told.partition(" from ")
    return f"{text}{word}{owners.get(address, address)}"


def compare(pair: Pair) -> list[str]:
    """What differs."""
    differences = [f"at the start {line}" for line in read_apart(pair, state)]
    seen = pair.sim.observe()
    owners = {
        str(found.address): name
        for name, device in seen.devices.items()
        for found in (device.state.addresses() if device.state is not None else ())
    }
    told = pair.send(everybody(addresses(seen), STRANGERS))
    differences += told_apart(told, lambda text: by_device(text, owners))
    return differences + after_first_probes(pair, lambda: estranged(pair))


def test_random_sites_of_both_versions_any_sender_is_told_the_same(draw_many, request):
    drawn: list[Site] = []

    def judge(made: Site, kernel: KernelEngine | None = None) -> None:
        differences = lasting_differences(made, compare, kernel)
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
