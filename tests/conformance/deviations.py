"""Where the engines differ and may: each by name, with its reason. Nothing else is left out of a comparison."""

from __future__ import annotations

DEVIATIONS = {
    "class-broadcast": "a range behind a relay, with the mask of its class: dnsmasq tells that of any interface",
    "duplicate-race": "two devices with one address: the faster one wins, which is chance on a kernel",
    "error-limits": "limits on ICMP errors count what was sent before; in a burst it is chance who gets the last one",
    "first-router": "which of two routers a host hears first, and how long it believes both, is chance on a kernel",
    "infinite-lease-timer": "dhclient complains about the timer of an endless lease where the time it drew is long",
    "modbus-malformed": "pymodbus answers a request that it cannot read with exception 1 of function 0, or guesses",
    "error-source": "whose address an ICMPv6 error has differs from kernel to kernel where the way back is another one",
    "redirect-in-a-burst": "a redirect that comes while packets are under way changes the way of some of them",
    "redirect-tokens": "Linux pays for redirects and errors to a sender from one budget; the simulator from two",
    "round-robin": "dnsmasq lets the addresses of a name take turns; they are compared without their order",
    "switching-loop": "bridges without a spanning tree in a ring would flood the machine that runs the tests",
}

EXCUSED_LINES: dict[str, str] = {
    # Linux keeps one neighbour for all of lo: entering one there gives every packet to itself a wrong MAC address.
    "neighbour-on-loopback": r"^ip neigh .* dev lo$",
}
"""Name to a pattern of lines that are not compared."""

EXCUSED_TEXT: dict[str, tuple[str, str]] = {
    # The ports of the kernel engine are one end of a veth pair, and `ip` shows the other one.
    "veth-name": (r"@if\d+", ""),
    # nft shows the dependency of `reject with icmp` where it cannot see it in another match; the simulator never does.
    "reject-dependency": (r"meta nfproto ipv4 (?=.*reject)", ""),
    # Rules that were typed are numbered among all of the kernel's objects.
    "handles": (r"# handle \d+", "# handle N"),
}
"""Name to a pattern in an answer, and what stands for it in the comparison."""

EXCUSED_MATCHES = [  # reject-dependency, in JSON
    {"match": {"op": "==", "left": {"meta": {"key": "nfproto"}}, "right": "ipv4"}}
]

UNGRADED = {
    # Two devices have one address (duplicate-race): who of them answers `till`, and whether it prints, is chance.
    ("bakery-address-clash", "broken", "labels-print"): "duplicate-race",
}
"""Scenario, state of its site and check whose verdicts may differ, to the reason."""

UNGRADED_FAULTS = {
    # A wrong router beside the right one: out-over-six asks for a way out, and passes while the right one is believed.
    ("rogue-ra", "out-over-six"): "first-router",
}
"""Fault of tests/faults/workshop6.yaml and check whose verdicts may differ, to the reason."""

LACKING = {
    "batteries-that-die": "LoRa",
    "thermostat-wrong-time": "TLS",
}
"""Scenarios that the kernel engine refuses on every machine, to what it says it has not."""

LACKING_HERE = {
    "three-floors-one-trunk": "VLAN",
}
"""Scenarios that it refuses where the kernel of the machine lacks something, to the word it says then."""
