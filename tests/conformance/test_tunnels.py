"""Random tunnels: what a ping is told, what the ends count and how they show themselves, on both engines."""

from __future__ import annotations

import re

from hypothesis import strategies as st

from labs.model.site import Site
from tests.conformance.pair import both
from tests.conformance.tunnel_strategies import pings, tunnel_sites
from tests.engines.kernel.kernel_site import needs_kernel
from tests.engines.kernel.test_tunnels import plain, shown
from tests.kernel_lab import judged, lasting

pytestmark = [*needs_kernel, judged()]

EXAMPLES = 3
UNANSWERED_NS = 4_000_000_000  # more than three ARP requests; the kernel of a pair takes less than MOMENT_NS
MOMENT_NS = 60_000_000
LISTS = ("ip tunnel", "ip -d link show t0", "ip -s link show t0")
SETTLED = re.compile(r"(\d+)(?: packets transmitted,)? received|(?:From|ping: ).*", re.MULTILINE)


def told(text: str) -> str:
    """Who answered, or what the sender was told."""
    return " / ".join(found[0] for found in SETTLED.finditer(text))


def differences(made: Site, lines: list[tuple[str, str]], patience: int) -> dict[str, bool]:
    """What differs, one line each."""
    found = []
    with both(made, patience) as pair:
        pair.wait(100_000_000)
        for place, line in lines:
            one, other = (told(engine.run(place, line).text) for engine in (pair.sim, pair.kernel))
            pair.sim.wait(UNANSWERED_NS)  # whoever asked for a neighbour in vain has told the sender by then
            pair.kernel.wait(MOMENT_NS)
            if one != other:
                found.append(f"{place}$ {line}\n  sim    {one}\n  kernel {other}")
        for place in "rs":
            for line in LISTS:
                one, other = (plain(engine.run(place, line).text) for engine in (pair.sim, pair.kernel))
                if one != other:
                    found.append(f"{place}$ {line}\n  sim    {one}\n  kernel {other}")
        states = [engine.observe().devices for engine in (pair.sim, pair.kernel)]
        found += [f"{name} is read back differently" for name in "rs"
                  if shown(states[0][name].state) != shown(states[1][name].state)]  # fmt: skip
    return dict.fromkeys(found, True)


def test_random_tunnels_carry_tell_and_count_the_same(draw_many):
    def judge(drawn: tuple[Site, list[tuple[str, str]]]) -> None:
        made, lines = drawn
        found = list(lasting(lambda patience: differences(made, lines, patience)))
        files = "\n".join(f"--- {name}\n{made.devices[name].files['/etc/network/interfaces']}" for name in "rps")
        assert not found, "\n".join([f"{len(found)} differences", *found, files])

    draw_many(st.tuples(tunnel_sites(), pings()), EXAMPLES, judge)
