"""Where the engines differ and may: each by name, with its reason. Nothing else is left out of a comparison."""

from __future__ import annotations

DEVIATIONS = {
    "duplicate-race": "two devices with one address: the faster one wins, which is chance on a kernel",
    "error-limits": "limits on ICMP errors count what was sent before; in a burst it is chance who gets the last one",
    "redirect-in-a-burst": "a redirect that comes while packets are under way changes the way of some of them",
    "redirect-tokens": "Linux pays for redirects and errors to a sender from one budget; the simulator from two",
    "switching-loop": "bridges without a spanning tree in a ring would flood the machine that runs the tests",
}
