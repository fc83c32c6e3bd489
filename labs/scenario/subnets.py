"""Which network each subnet of a variant gets."""

from __future__ import annotations

from random import Random

from labs.messages import message
from labs.model.addresses import IPv4, Network
from labs.scenario.scenario import PoolSpec, SiteSpec
from labs.scenario.schema import Report

__all__ = ["draw_subnets"]

MAX_DRAWN_NETWORKS = 4096


def draw_subnets(spec: SiteSpec, seed: str, report: Report) -> dict[str, Network]:
    """The subnets of a variant: fixed ones as they are, pooled ones drawn so that none overlaps another."""
    drawn = {name: subnet for name, subnet in spec.subnets.items() if isinstance(subnet, Network)}
    drawn |= {n: s.network for n, s in spec.subnets.items() if isinstance(s, PoolSpec) and s.network is not None}
    for name, subnet in spec.subnets.items():
        if not isinstance(subnet, PoolSpec) or subnet.network is not None:
            continue
        if subnet.pool is None or not subnet.size:
            report.add(1, f"site.subnets.{name}", message("either network, or both pool and size, must be given"))
            continue
        random = Random(f"{seed}/subnet/{name}")  # noqa: S311 - not a secret
        if subnet.size < subnet.pool.length:
            report.add(
                1,
                f"site.subnets.{name}",
                message("a /{size} network does not fit into {pool}", size=subnet.size, pool=subnet.pool),
            )
            continue
        count = min(1 << (subnet.size - subnet.pool.length), MAX_DRAWN_NETWORKS)
        step = 1 << (32 - subnet.size)
        for _ in range(200):
            # Networks 0 and 1 of a pool are what every home router uses: they hide mistakes, so they are not drawn.
            number = random.randrange(min(2, count - 1), count)
            network = Network(IPv4(int(subnet.pool.address) + number * step), subnet.size)
            if not any(network.overlaps(other) for other in drawn.values()):
                drawn[name] = network
                break
        else:
            report.add(
                1,
                f"site.subnets.{name}",
                message("no free /{size} network is left in {pool}", size=subnet.size, pool=subnet.pool),
            )
    return {name: drawn[name] for name in spec.subnets if name in drawn}
