"""Real time until a site rests: what its bridges, its clients of DHCP and its addresses of IPv6 take by themselves."""

from __future__ import annotations

import time
from collections.abc import Collection
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from labs.engines.kernel.lab.process import Lab

__all__ = ["rest"]

SECOND = 1_000_000_000
BRIDGE_S = 3.0
SPANNING_S = 32.0  # twice the forward delay of 15 s (IEEE 802.1D-2004 table 17-1)
LEASE_S = 16.0  # dhclient sleeps for 10 s at most (`retry`) and asks every 4 s, and dnsmasq pings for 3 s
WIDE_S = 9.0  # duplicate detection, a router that is asked, duplicate detection (RFC 4862, RFC 4861)
SECOND_ROUTER_S = 0.6  # every router answers a question within half a second (RFC 4861, MAX_RA_DELAY_TIME)
LOOK_NS, LOOK_WIDE_NS = SECOND // 200, SECOND // 20


def rest(lab: Lab, names: Collection[str], *, leases: bool = False) -> None:
    """Wait until every bridge port that can forward does, and every device has the addresses that it can get.

    With `leases` those of DHCP as well, for which a boot waits by itself.
    """
    begun = bridged = moved = time.monotonic()
    while True:
        answers = lab.ask(names, do="quiet").values()
        unready = {what for answer in answers for what, count in answer.items() if count}
        now = time.monotonic()
        passed = now - begun
        if "busy" in unready and passed < BRIDGE_S:
            lab.wait(LOOK_NS)
            bridged = now
        elif "spanning" in unready and passed < SPANNING_S:
            lab.wait(LOOK_WIDE_NS)
            bridged = now
        elif leases and "leases" in unready and now - bridged < LEASE_S:
            lab.wait(LOOK_WIDE_NS)
        elif "wide" in unready and passed < WIDE_S:
            lab.wait(LOOK_WIDE_NS)
            moved = time.monotonic()
        elif moved > begun and now - moved < SECOND_ROUTER_S and passed < WIDE_S:
            lab.wait(LOOK_WIDE_NS)
        else:
            return
