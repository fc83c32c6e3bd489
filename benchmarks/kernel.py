"""Starting, pinging and stopping a star of hosts on the engine kernel, beside plain Mininet, each in its own process.

Plain Mininet runs as it comes, in the same kind of namespaces, with one Linux bridge. The engine does more in a start:
every device gets files, a process and a mount namespace of its own, boots from them, and the sandbox is proved.

Needs root, and for the rival the tools that Mininet itself wants (mnexec, ifconfig, brctl, ping): without them only the
engine is measured.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

from benchmarks.common import heading, table
from labs.engines.base import EngineUnavailable, Probe
from labs.engines.kernel import KernelEngine
from labs.engines.kernel.engine import check_machine
from labs.model.addresses import Mac
from labs.model.site import Device, Endpoint, Kind, Link, Port, Site
from labs.net.linux.units import enabled_path

SIZES = (10, 50, 200)
ROUNDS = 3
MOST_PAIRS = 900  # the neighbour table is shared by the whole kernel (gc_thresh3 = 1024)
PLAIN = """
import json, sys, time
begun = time.perf_counter()
from mininet.net import Mininet
from mininet.topo import SingleSwitchTopo
from mininet.nodelib import LinuxBridge
from mininet.log import setLogLevel
setLogLevel("error")
Mininet.inited = True
count = int(sys.argv[1])
imported = time.perf_counter()
net = Mininet(topo=SingleSwitchTopo(count), switch=LinuxBridge, controller=None)
net.start()
started = time.perf_counter()
def available():
    return int([line for line in open("/proc/meminfo") if line.startswith("MemAvailable")][0].split()[1])
left = available()
pairs = 0
ping = 0.0
if count * (count - 1) <= int(sys.argv[2]):
    begin = time.perf_counter()
    net.pingAll()
    ping = time.perf_counter() - begin
begin = time.perf_counter()
net.stop()
print(json.dumps({"import": imported - begun, "start": started - imported, "left": left, "ping": ping,
                  "stop": time.perf_counter() - begin}))
"""


def star(count: int) -> Site:
    """Hosts on one bridge."""
    devices = []
    for number in range(1, count + 1):
        files = {
            "/etc/hostname": f"h{number}\n",
            "/etc/network/interfaces": "auto lo\niface lo inet loopback\n\nauto eth0\niface eth0 inet static\n"
            f"    address 10.0.{number // 250}.{number % 250 + 1}/16\n",
            enabled_path("networking"): "[Unit]\n",
        }
        devices.append(Device(f"h{number}", Kind.HOST, (Port("eth0", Mac(0x0200_0000_0000 + number)),), files))
    ports = tuple(Port(f"p{n}", Mac(0x0200_0001_0000 + n)) for n in range(1, count + 1))
    bridge = "auto br0\niface br0 inet manual\n    bridge_ports " + " ".join(port.name for port in ports) + "\n"
    files = {"/etc/network/interfaces": bridge, enabled_path("networking"): "[Unit]\n"}
    devices.append(Device("sw", Kind.SWITCH, ports, files))
    links = tuple(Link(Endpoint(f"h{n}", "eth0"), Endpoint("sw", f"p{n}")) for n in range(1, count + 1))
    return Site({device.name: device for device in devices}, links)


def available_kb() -> int:
    """Memory that programs could still have."""
    lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("MemAvailable"))


def engine(count: int) -> dict[str, float]:
    """The engine, from nothing: its process included."""
    site, before = star(count), available_kb()
    begun = time.perf_counter()
    lab = KernelEngine()
    lab.start(site)
    started = time.perf_counter()
    left = available_kb()
    ping = 0.0
    if count * (count - 1) <= MOST_PAIRS:
        names = [name for name in site.devices if name != "sw"]
        address = {name: f"10.0.{int(name[1:]) // 250}.{int(name[1:]) % 250 + 1}" for name in names}
        probes = [Probe(a, address[b]) for a in names for b in names if a != b]
        begin = time.perf_counter()
        answers = lab.probe(probes)
        ping = time.perf_counter() - begin
        lost = sum(not answer.delivered for answer in answers)
        if lost:
            print(f"  {lost} of {len(probes)} pings of the engine were lost")
    begin = time.perf_counter()
    lab.stop()
    stop = time.perf_counter() - begin
    return {"start": started - begun, "ping": ping, "stop": stop, "memory": (before - left) / 1024}


def plain(count: int) -> dict[str, float]:
    """Plain Mininet in a process and namespaces of its own; its start is taken with its import."""
    before = available_kb()
    command = ["unshare", "--net", "--pid", "--mount", "--fork", "--kill-child", "--mount-proc"]
    inner = 'ulimit -n 4096; mount -t sysfs sysfs /sys; ip link set lo up; exec "$@"'
    done = subprocess.run(  # noqa: S603 - our own interpreter
        [*command, "sh", "-c", inner, "sh", sys.executable, "-c", PLAIN, str(count), str(MOST_PAIRS)],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    found = json.loads(done.stdout.strip().splitlines()[-1])
    memory = (before - found["left"]) / 1024
    return {"start": found["import"] + found["start"], "ping": found["ping"], "stop": found["stop"], "memory": memory}


def main() -> None:
    """A row per size and rival."""
    if not sys.platform.startswith("linux") or os.geteuid() != 0:
        print("benchmarks/kernel.py needs Linux and root")
        return
    try:
        check_machine()
    except EngineUnavailable as error:
        print(error)
        return
    heading(
        "engine kernel, a star of hosts", "from an empty process to the first line; ping is every host to every other"
    )
    rivals: dict[str, Callable[[int], dict[str, float]]] = {"engine kernel": engine}
    if all(shutil.which(tool) for tool in ("mnexec", "ifconfig", "brctl", "ping")):
        rivals["plain Mininet"] = plain
    else:
        print("  plain Mininet is left out: apt-get install mininet net-tools bridge-utils\n")
    rows = []
    for count in SIZES:
        for name, work in rivals.items():
            rounds = [work(count) for _ in range(ROUNDS)]
            middle = {key: median(one[key] for one in rounds) for key in rounds[0]}
            ping = f"{middle['ping']:.2f}" if middle["ping"] else "-"
            rows.append([f"{count} hosts, {name}", f"{middle['start']:.2f}", ping, f"{middle['stop']:.2f}",
                         f"{middle['memory']:.0f}"])  # fmt: skip
    table(["what", "start s", "ping all s", "stop s", "memory MB"], rows)


if __name__ == "__main__":
    main()
