"""The engine tries itself: two hosts, a ping, a TCP connection with data, and nothing that stays."""

from __future__ import annotations

import os
import re
import time
from dataclasses import dataclass

from labs.engines.kernel.engine import KernelEngine
from labs.model.addresses import Mac
from labs.model.site import Device, Endpoint, Kind, Link, Port, Site
from labs.net.linux.units import enabled_path

__all__ = ["SelfTest", "self_test"]

GREETING = "netwerf"
VANISH_S = 3.0
ROUND_TRIP = re.compile(r"time=([\d.]+) ms")


@dataclass(frozen=True, slots=True)
class SelfTest:
    """Milliseconds that each step took; `failed` is what went wrong, `left` what stayed."""

    start_ms: float = 0.0
    ping_ms: float = 0.0
    tcp_ms: float = 0.0
    stop_ms: float = 0.0
    failed: str = ""
    left: tuple[str, ...] = ()


def pair() -> Site:
    """Two hosts on one lead; the second greets whoever connects."""
    devices = {}
    for number, name in enumerate(("one", "two"), start=1):
        interfaces = (
            f"auto lo\niface lo inet loopback\n\nauto eth0\niface eth0 inet static\n    address 10.0.0.{number}/24\n"
        )
        files = {
            "/etc/hostname": f"{name}\n",
            "/etc/network/interfaces": interfaces,
            enabled_path("networking"): "[Unit]\n",
        }
        if name == "two":
            files["/etc/inetd.conf"] = f"http stream tcp nowait root /bin/echo echo {GREETING}\n"
            files[enabled_path("inetd")] = "[Unit]\n"
        devices[name] = Device(name, Kind.HOST, (Port("eth0", Mac(0x0200_0000_0000 + number)),), files)
    return Site(devices, (Link(Endpoint("one", "eth0"), Endpoint("two", "eth0")),))


def self_test() -> SelfTest:
    """Start, ping, connect, stop, look. Raises EngineUnavailable and SandboxMissing."""
    begun = time.perf_counter()
    engine = KernelEngine()
    engine.start(pair())
    started = time.perf_counter()
    try:
        processes = _below(engine.pid)
        namespaces = {_namespace(pid) for pid in processes} - {"", _namespace(os.getpid())}
        pinged = engine.run("one", "ping -c 1 -W 2 10.0.0.2")
        before = time.perf_counter()
        answered = engine.run("one", "exec 3<>/dev/tcp/10.0.0.2/80 && cat <&3; exec 3<&-")
        connected = time.perf_counter()
    finally:
        stopping = time.perf_counter()
        engine.stop()
    left = _left(processes, namespaces)
    stopped = time.perf_counter()
    found = ROUND_TRIP.search(pinged.text)
    failed = "" if found and not pinged.status else f"ping: {pinged.text.strip()}"
    if answered.text.strip() != GREETING:
        failed = failed or f"TCP: {answered.text.strip() or 'no answer'}"
    return SelfTest(
        1000 * (started - begun),
        float(found[1]) if found else 0.0,
        1000 * (connected - before),
        1000 * (stopped - stopping),
        failed,
        left,
    )


def _below(pid: int) -> dict[int, str]:
    """A process and all below it, each with the time at which it began."""
    parents: dict[int, tuple[int, str]] = {}
    for name in os.listdir("/proc"):
        if name.isdecimal() and (told := _told(int(name))):
            parents[int(name)] = told
    found = {pid}
    while more := {child for child, (parent, _) in parents.items() if parent in found} - found:
        found |= more
    return {known: parents[known][1] for known in found if known in parents}


def _told(pid: int) -> tuple[int, str] | None:
    """The parent of a process and when it began, in ticks since the machine was switched on (proc(5))."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
            words = file.read().rpartition(")")[2].split()
    except OSError:
        return None
    return int(words[1]), words[19]


def _namespace(pid: int) -> str:
    try:
        return os.readlink(f"/proc/{pid}/ns/net")
    except OSError:
        return ""


def _left(processes: dict[int, str], namespaces: set[str]) -> tuple[str, ...]:
    """Processes, network namespaces (and with them interfaces) and mounts of the lab that are still there."""
    until = time.monotonic() + VANISH_S
    while True:
        alive = [pid for pid, began in processes.items() if (told := _told(pid)) is not None and told[1] == began]
        holders = [name for name in os.listdir("/proc") if name.isdecimal() and _namespace(int(name)) in namespaces]
        with open("/proc/self/mountinfo", encoding="utf-8", errors="replace") as file:
            mounts = [line.split()[4] for line in file if "/run/netwerf" in line]
        if not (alive or holders or mounts) or time.monotonic() > until:
            break
        time.sleep(0.005)
    found = [f"process {pid}" for pid in alive]
    found += [f"a namespace held by process {pid}" for pid in holders]
    return tuple(found + [f"the mount {path}" for path in mounts])
