"""Starting, pinging and stopping a star of hosts on the engine kernel, beside plain Mininet, each in its own process.

Plain Mininet runs as it comes, in the same kind of namespaces, with one Linux bridge. The engine does more in a start:
every device gets files, a process and a mount namespace of its own, boots from them, and the sandbox is proved.

Both are timed from outside, from the first process to the answer that all is up, in turns, and both may use bytecode
that an earlier run compiled. Memory is what the processes of a lab have for themselves, plus their share of what they
have in common (PSS, proc(5)); what the kernel needs for namespaces and interfaces is the same for both and not in it.

Needs root, and for the rival the tools that Mininet itself wants (mnexec, ifconfig, brctl, ping): without them only the
engine is measured.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

from benchmarks.common import ROUNDS, heading, table
from labs.engines.base import EngineUnavailable, Probe
from labs.engines.kernel import KernelEngine
from labs.engines.kernel.engine import check_machine
from labs.model.addresses import Mac
from labs.model.site import Device, Endpoint, Kind, Link, Port, Site
from labs.net.linux.units import enabled_path

SIZES = (10, 50, 200)
MOST_PAIRS = 900  # the neighbour table is shared by the whole kernel (gc_thresh3 = 1024)
PLAIN = """
import sys
from mininet.net import Mininet
from mininet.topo import SingleSwitchTopo
from mininet.nodelib import LinuxBridge
from mininet.log import setLogLevel
setLogLevel("error")
Mininet.inited = True
count = int(sys.argv[1])
net = Mininet(topo=SingleSwitchTopo(count), switch=LinuxBridge, controller=None)
net.start()
for line in iter(sys.stdin.readline, ""):
    if line.startswith("ping"):
        net.pingAll()
    elif line.startswith("stop"):
        net.stop()
    print("done", flush=True)
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


def memory_mb(holder: int) -> float:
    """The proportional set size of a process and all below it."""
    parents = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            parents[int(path.parent.name)] = int(path.read_text(errors="replace").rpartition(")")[2].split()[1])
        except OSError:
            continue
    found = {holder}
    while more := {child for child, parent in parents.items() if parent in found} - found:
        found |= more
    total_kb = 0
    for pid in found:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines()
        total_kb += next(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
    return total_kb / 1024


def engine(count: int) -> dict[str, float]:
    """The engine, from nothing: its process included."""
    site = star(count)
    begun = time.perf_counter()
    lab = KernelEngine()
    lab.start(site)
    started = time.perf_counter()
    memory, ping = memory_mb(lab.pid), 0.0
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
    return {"start": started - begun, "ping": ping, "stop": stop, "memory": memory}


def plain(count: int) -> dict[str, float]:
    """Plain Mininet in a process and namespaces of its own, from nothing."""
    command = ["unshare", "--net", "--pid", "--mount", "--fork", "--kill-child", "--mount-proc"]
    inner = 'ulimit -n 4096; mount -t sysfs sysfs /sys; ip link set lo up; exec "$@"'
    begun = time.perf_counter()
    rival = subprocess.Popen(  # noqa: S603 - our own interpreter
        [*command, "sh", "-c", inner, "sh", sys.executable, "-c", PLAIN, str(count)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    )  # fmt: skip

    def ask(word: str) -> float:
        assert rival.stdin is not None
        assert rival.stdout is not None
        begin = time.perf_counter()
        rival.stdin.write(f"{word}\n")
        rival.stdin.flush()
        rival.stdout.readline()
        return time.perf_counter() - begin

    ask("up")
    started = time.perf_counter()
    found = {"start": started - begun, "memory": memory_mb(rival.pid)}
    found["ping"] = ask("ping") if count * (count - 1) <= MOST_PAIRS else 0.0
    found["stop"] = ask("stop")
    rival.communicate()
    return found


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
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # else the engine compiles itself at each start, and the rival not
    rows = []
    for count in SIZES:
        turns: dict[str, list[dict[str, float]]] = {name: [] for name in rivals}
        for _ in range(ROUNDS):
            for name, work in rivals.items():
                turns[name].append(work(count))
        for name, found in turns.items():
            middle = {key: median(one[key] for one in found) for key in found[0]}
            ping = f"{middle['ping']:.2f}" if middle["ping"] else "-"
            rows.append([f"{count} hosts, {name}", f"{middle['start']:.2f}", ping, f"{middle['stop']:.2f}",
                         f"{middle['memory']:.0f}"])  # fmt: skip
    table(["what", "start s", "ping all s", "stop s", "memory MB"], rows)


if __name__ == "__main__":
    main()
