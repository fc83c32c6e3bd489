"""Cost per device from ten hosts to ten thousand: time to build and switch on, memory, and a ping across the site.

Hosts hang on switches of twenty ports, each switch under another one, all in one broadcast domain: the first ping asks
every host of the site who has the address. Every size is measured in a fresh process, in seconds of processor time.
"""

from __future__ import annotations

import gc
import json
import resource
import subprocess
import sys
from collections.abc import Callable
from time import process_time

from benchmarks.common import heading, table
from labs.engines.sim import SimEngine
from labs.model.addresses import IPv4, Mac
from labs.model.site import Device, Endpoint, Kind, Link, Port, Site
from labs.net.linux.units import enabled_path

SIZES = (10, 100, 1_000, 10_000)
PER_SWITCH = 20
ROUNDS = 3


def address(number: int) -> IPv4:
    """Of one host, in 10.0.0.0/16."""
    return IPv4(0x0A000000 + (number // 200 << 8) + number % 200 + 1)


def flat_site(hosts: int) -> Site:
    """A tree of switches with twenty hosts and up to twenty switches at each."""
    switches = -(-hosts // PER_SWITCH)
    devices: dict[str, Device] = {}
    links: list[Link] = []
    macs = iter(range(0x024E_0000_0001, 0x024F_0000_0000))

    def add(name: str, kind: Kind, ports: list[str], interfaces: str) -> None:
        made = tuple(Port(port, Mac(next(macs))) for port in ports)
        files = {
            "/etc/network/interfaces": f"auto lo\niface lo inet loopback\n\n{interfaces}",
            enabled_path("networking"): "",
        }
        devices[name] = Device(name, kind, made, files)

    for switch in range(switches):
        below = range(PER_SWITCH * switch + 1, min(PER_SWITCH * (switch + 1) + 1, switches))
        here = range(PER_SWITCH * switch, min(PER_SWITCH * (switch + 1), hosts))
        ports = [*(f"h{number}" for number in here), *(f"s{number}" for number in below), *(["up"] if switch else [])]
        bridge = f"auto br0\niface br0 inet manual\n    bridge_ports {' '.join(ports)}\n    up ip link set dev br0 up\n"
        add(f"s{switch}", Kind.SWITCH, ports, bridge)
        for number in here:
            static = f"auto eth0\niface eth0 inet static\n    address {address(number)}/16\n"
            add(f"h{number}", Kind.HOST, ["eth0"], static)
            links.append(Link(Endpoint(f"h{number}", "eth0"), Endpoint(f"s{switch}", f"h{number}")))
        links += [Link(Endpoint(f"s{number}", "up"), Endpoint(f"s{switch}", f"s{number}")) for number in below]
    return Site(devices, tuple(links))


def seconds(work: Callable[[], object]) -> float:
    """Processor time of a call, with the garbage collector out of the way."""
    gc.collect()
    gc.disable()
    begin = process_time()
    work()
    taken = process_time() - begin
    gc.enable()
    return taken


def one(hosts: int) -> dict[str, float]:
    """Measure one size in this process."""
    pings_through(started(10), f"ping -c 1 {address(9)}")  # imports
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    site = flat_site(hosts)
    engine = SimEngine()
    build = seconds(lambda: engine.start(site))
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    line = f"ping -c 1 {address(hosts - 1)}"
    pings = [seconds(lambda: pings_through(engine, line)) for _ in range(2)]
    return {"devices": len(site.devices), "build": build, "kib": grown, "first": pings[0], "second": pings[1]}


def started(hosts: int) -> SimEngine:
    """A site in operation."""
    engine = SimEngine()
    engine.start(flat_site(hosts))
    return engine


def pings_through(engine: SimEngine, line: str) -> None:
    """One ping, which must be answered."""
    answer = engine.run("h0", line)
    assert answer.status == 0, answer.text


def main() -> None:
    """Measure every size and print."""
    if len(sys.argv) > 1:
        print(json.dumps(one(int(sys.argv[1]))))
        return
    heading("Cost per device", "one broadcast domain; every round in a fresh process")
    rows = []
    for hosts in SIZES:
        results = []
        for _ in range(ROUNDS if hosts < max(SIZES) else 1):
            command = [sys.executable, "-m", "benchmarks.scale", str(hosts)]
            results.append(json.loads(subprocess.run(command, check=True, capture_output=True).stdout))  # noqa: S603
        result = sorted(results, key=lambda found: found["build"])[len(results) // 2]
        devices = result["devices"]
        rows.append(
            [
                f"{hosts:,}",
                f"{devices - hosts:,.0f}",
                f"{result['build']:.2f}",
                f"{1e3 * result['build'] / devices:.2f}",
                f"{result['kib'] / devices:.0f}",
                f"{1e3 * result['first']:.1f}",
                f"{1e6 * result['first'] / devices:.0f}",
                f"{1e3 * result['second']:.1f}",
            ]
        )
    table(
        [
            "hosts",
            "switches",
            "build s",
            "ms/device",
            "KiB/device",
            "first ping ms",
            "us/device",
            "second ping ms",
        ],
        rows,
    )


if __name__ == "__main__":
    main()
