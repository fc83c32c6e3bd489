"""Whatever is killed, nothing of a lab stays: no process, no namespace, no interface, no mount, no file."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path

import pytest

from labs.engines.base import EngineUnavailable
from labs.engines.kernel import KernelEngine
from labs.engines.kernel.vlans.way import Way, vlan_way
from tests.engines.kernel.kernel_site import device, needs_kernel, site
from tests.engines.kernel.test_vlans import FIRST, SECOND, TRUNK, interfaces, switch

pytestmark = needs_kernel

HOSTS = 50
LONGEST_S = 30.0  # it takes a tenth of a second on a machine with nothing else to do
HOLDER = """
import sys, time
from labs.engines.kernel import KernelEngine
from tests.engines.kernel.test_nothing_stays import fifty
engine = KernelEngine()
engine.start(fifty())
engine.run("h1", "sleep 1000 & dhclient -nw eth0 & sleep 0.1")
print(engine.pid, flush=True)
time.sleep(1000)
"""


def fifty():
    """Fifty hosts on one bridge; one of them runs a broker and a web-like service."""
    services = {"/etc/inetd.conf": "http stream tcp nowait root /bin/true true\n"}
    broker = {"/etc/mosquitto/mosquitto.conf": "listener 1883\nallow_anonymous true\n"}
    hosts = [device(f"h{n}", "host", {"eth0": f"10.0.0.{n}/24"}) for n in range(3, HOSTS + 1)]
    hosts.append(device("h1", "server", {"eth0": "10.0.0.1/24"}, services, units=("inetd",)))
    hosts.append(device("h2", "server", {"eth0": "10.0.0.2/24"}, broker, units=("mosquitto",)))
    switch = device("sw", "switch", {f"p{n}": "" for n in range(1, HOSTS + 1)})
    return site([*hosts, switch], [f"h{n}:eth0 sw:p{n}" for n in range(1, HOSTS + 1)])


def fifty_in_vlans():
    """Fifty hosts in two VLANs on one switch, and a router on one lead."""
    hosts = [
        device(f"h{n}", "host", {"eth0": f"10.0.{10 + 10 * (n % 2)}.{n + 1}/24"}, gateway=f"10.0.{10 + 10 * (n % 2)}.1")
        for n in range(1, HOSTS + 1)
    ]
    router = interfaces(
        "auto lan\niface lan inet manual",
        *(f"auto lan.{vlan}\niface lan.{vlan} inet static\n    address 10.0.{vlan}.1/24" for vlan in (10, 20)),
    )
    gw = device("gw", "router", {"lan": ""}, router | {"/etc/sysctl.conf": "net.ipv4.ip_forward=1\n"})
    ports = {"p0": TRUNK, **{f"p{n}": (FIRST, SECOND)[n % 2] for n in range(1, HOSTS + 1)}}
    floor = switch("s1", ports, "10.0.10.254/24")
    return site([*hosts, gw, floor], ["gw:lan s1:p0", *(f"h{n}:eth0 s1:p{n}" for n in range(1, HOSTS + 1))])


def parents() -> dict[int, int]:
    """Every process of the machine and its parent."""
    found = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            found[int(path.parent.name)] = int(path.read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue
    return found


def below(pid: int) -> set[int]:
    tree, found = parents(), {pid}
    while True:
        more = {child for child, parent in tree.items() if parent in found} - found
        if not more:
            return found
        found |= more


def namespaces(pids: set[int]) -> set[str]:
    found = set()
    for pid in pids:
        for kind in ("net", "pid", "mnt", "uts", "ipc"):
            try:
                found.add(str(Path(f"/proc/{pid}/ns/{kind}").readlink()))
            except OSError:
                continue
    return found


def surroundings() -> tuple[object, ...]:
    """What of the host could be left dirty: mounts, interfaces, files where programs leave them."""
    shown = subprocess.run(["ip", "-br", "link"], capture_output=True, text=True, check=True).stdout
    every = Path("/proc/self/mounts").read_text(encoding="utf-8").splitlines()
    # Other tests on this machine name their namespaces and ports (tests/kernel_lab.py); the engine names none.
    links = [line for line in shown.splitlines() if not re.match(r"nw\d+", line)]
    mounts = [line for line in every if not re.fullmatch(r"/run/netns(/nw\d+.*)?", line.split()[1])]
    files = {path for folder in ("/run", "/tmp", "/var/run", "/dev/shm") for path in Path(folder).glob("*netwerf*")}
    return links, mounts, {path for path in files if path.name != "netwerf-kernel-lab.lock"}


def born(pid: int) -> str:
    """When a living process began: its number may be another's later on. Empty for one that is dead."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if fields[0] == "Z" else fields[19]


def births_of(pids: Iterable[int]) -> dict[int, str]:
    return {pid: born(pid) for pid in pids}


def gone(births: dict[int, str], spaces: set[str], everybody: dict[int, str]) -> bool:
    """Nobody of `births` lives, and nobody who lived then is in one of the spaces, whose numbers are given out anew."""
    living = {pid for pid, birth in everybody.items() if birth and born(pid) == birth}
    return not living & set(births) and not spaces & namespaces(living)


def called(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    except OSError:
        return ""


def victim(kind: str, engine: KernelEngine, everything: set[int]) -> int:
    """A process of that kind in a running lab."""
    holder = engine.pid
    first = next(child for child, parent in parents().items() if parent == holder)
    if kind == "unshare":
        return holder
    if kind == "engine":
        return first
    if kind == "init":
        return next(child for child, parent in parents().items() if parent == first)
    return next(pid for pid in everything if kind in called(pid))


@pytest.mark.parametrize("kind", ["unshare", "engine", "init", "others"])
def test_killed_process_leaves_nothing(kind):
    before = surroundings()
    engine = KernelEngine()
    engine.start(fifty())
    engine.run("h1", "sleep 1000 &")
    everything = below(engine.pid)
    births, everybody = births_of(everything), births_of(parents())
    spaces = namespaces(everything) - namespaces({os.getpid()})
    assert len(everything) > HOSTS
    assert len(spaces) > HOSTS
    if kind == "others":
        for name in ("mosquitto -c", "bwrap", "sleep 1000"):
            os.kill(victim(name, engine, everything), signal.SIGKILL)
        assert engine.run("h3", "echo on").text == "on\n"
        engine.stop()
    else:
        os.kill(victim(kind, engine, everything), signal.SIGKILL)
        assert wait_for(lambda: refuses(engine))
    assert wait_for(lambda: gone(births, spaces, everybody))
    assert surroundings() == before


@pytest.mark.parametrize("kind", ["unshare", "engine", "switch", "ovs-vswitchd", "ovsdb-server"])
def test_killed_process_of_a_lab_with_fifty_hosts_in_vlans_leaves_nothing(kind):
    """Where Open vSwitch does them: its daemons and their devices end as well, those of devices that restarted too."""
    before = surroundings()
    made = fifty_in_vlans()
    engine = KernelEngine()
    engine.start(made)
    daemons = [pid for pid in below(engine.pid) if "ovs-vswitchd" in called(pid)]
    for place in ("s1", "gw"):
        engine.run(place, "reboot")
    engine.run("s1", "true")
    everything = below(engine.pid)
    births, everybody = births_of(everything), births_of(parents())
    spaces = namespaces(everything) - namespaces({os.getpid()})
    now = [pid for pid in everything if "ovs-vswitchd" in called(pid)]
    assert len(now) == len(daemons) == (2 if vlan_way(made) is Way.OPEN_VSWITCH else 0)
    assert len(everything) > HOSTS
    assert "ovs" not in surroundings()[0]
    if kind.startswith("ovs"):
        for pid in [pid for pid in everything if kind in called(pid)]:
            os.kill(pid, signal.SIGKILL)
        assert engine.run("h1", "echo on").text == "on\n"
        assert wait_for(lambda: "1 received" in engine.run("h1", "ping -c 1 -W 1 10.0.20.4").text)
        births |= births_of(below(engine.pid))
        engine.stop()
    elif kind == "switch" and now:
        os.kill(parents()[now[0]], signal.SIGKILL)
        assert wait_for(lambda: refuses(engine))
    else:
        os.kill(victim("engine" if kind == "switch" else kind, engine, everything), signal.SIGKILL)
        assert wait_for(lambda: refuses(engine))
    assert wait_for(lambda: gone(births, spaces, everybody))
    assert surroundings() == before


def refuses(engine) -> bool:
    try:
        engine.run("hands", "look")
    except EngineUnavailable:
        return True
    return False


def test_killed_product_leaves_nothing():
    before = surroundings()
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER], stdout=subprocess.PIPE, text=True, env=environment
    ) as product:
        assert product.stdout is not None
        pid = int(product.stdout.readline())
        births, everybody = births_of(below(pid)), births_of(parents())
        spaces = namespaces(set(births)) - namespaces({os.getpid()})
        product.kill()
    assert wait_for(lambda: gone(births, spaces, everybody))
    assert surroundings() == before


def test_settings_of_the_host_stay_as_they_are():
    names = ("net.ipv4.ip_forward", "net.ipv4.neigh.default.gc_thresh3", "kernel.hostname", "kernel.pid_max")
    settings = ["sysctl", "-n", *names]
    before = subprocess.run(settings, capture_output=True, text=True, check=True).stdout
    engine = KernelEngine()
    engine.start(
        site([device("pc", "router", {"eth0": "10.0.0.2/24"}, {"/etc/sysctl.conf": "net.ipv4.ip_forward=1\n"})], [])
    )
    engine.run("pc", "sysctl -w net.ipv4.neigh.default.gc_thresh3=7 kernel.pid_max=400; hostname other")
    engine.stop()
    assert subprocess.run(settings, capture_output=True, text=True, check=True).stdout == before


def wait_for(condition) -> bool:
    until = time.monotonic() + LONGEST_S
    while time.monotonic() < until:
        if condition():
            return True
        time.sleep(0.02)
    return False
