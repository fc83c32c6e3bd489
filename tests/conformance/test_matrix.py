"""Who reaches whom, over random sites: every sender is told the same by the simulator and by the kernel."""

from __future__ import annotations

import sys
import time

from labs.model.site import Kind, Site
from tests.conformance.comparison import (
    after_first_probes,
    describe,
    everybody,
    known_apart,
    lasting_differences,
    neighbours,
    told_apart,
)
from tests.conformance.pair import Pair
from tests.conformance.strategies import sites
from tests.engines.kernel.kernel_site import needs_kernel
from tests.kernel_lab import judged
from tests.traffic import Flow

pytestmark = [*needs_kernel, judged()]

EXAMPLES = 40
WANTED = 20_000
STRANGERS = ("10.0.1.99", "172.16.0.1", "127.0.0.1")


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


def twice(made: Site) -> set[str]:
    """Addresses that two devices have."""
    seen = [(address, name) for name, own in addresses(made).items() for address in set(own)]
    plain = [address for address, _ in seen]
    return {address for address in plain if plain.count(address) > 1}


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
    asked = everybody(addresses(made), STRANGERS)
    return [flow for flow in asked if flow.target not in doubtful and flow.source not in owners]


def estranged(pair: Pair) -> list[str]:
    """Whom devices know on one engine alone."""
    return [line for name in addresses(pair.site) for line in known_apart(name, *neighbours(pair, name))]


def compare(pair: Pair) -> list[str]:
    """What differs."""
    differences = told_apart(pair.send(certain(pair.site)))
    if not twice(pair.site):
        differences += after_first_probes(pair, lambda: estranged(pair))
    return differences


def judge_site(made: Site) -> list[str]:
    """What differs each time the site is built anew."""
    return lasting_differences(made, compare)


def test_random_sites_any_sender_is_told_the_same(draw_many, request):
    total, seconds = 0, 0.0

    def judge(made: Site) -> None:
        nonlocal total, seconds
        began = time.monotonic()
        differences = judge_site(made)
        seconds += time.monotonic() - began
        total += len(certain(made))
        assert not differences, describe(made, differences)

    draw_many(sites(), EXAMPLES, judge)
    sys.stdout.write(f"\n{total} probes compared, {total / seconds:.0f} a second\n")
    assert total >= WANTED or request.config.getoption("--conformance-examples")
