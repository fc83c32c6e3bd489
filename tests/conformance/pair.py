"""One site on both engines: the simulator, and the real kernel, into whose devices the tests look."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest.mock import patch

from labs.engines.kernel import KernelEngine
from labs.engines.sim import SimEngine
from labs.model.site import Site
from labs.net.linux import link_layer
from tests.kernel_lab import KernelLab, announce, withdraw
from tests.sites import unlimited
from tests.traffic import Flow, serve, simulate

QUICK_SETTINGS = {"ipv4/icmp_msgs_per_sec": "1000000", "ipv4/icmp_msgs_burst": "100000"}
# An ARP request that nobody answers fails after three times this, on both engines: it is repeated in the name of the
# packet that came last, which on one of them would else be a segment that TCP repeats after a second.
RETRANS_MS = 10
QUIET_S = 0.1  # silence after which no answer is expected; whoever should have got one is asked to try again
SYN_AGAIN_S = 1.6  # the first retransmission of a SYN comes after one second (RFC 6298 §2)
AT_ONCE = 200  # packets under way: fewer than can wait for one ARP answer (unres_qlen_bytes)


class EngineLab(KernelLab):
    """The devices of a running engine `kernel`, as a place to open sockets in."""

    def __init__(self, engine: KernelEngine, site: Site, patience: int) -> None:
        self.site = site
        self._patience = patience
        self._here = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
        self._lock = announce()
        self._servers: list[socket.socket] = []
        self._spaces = {
            name: os.open(f"/proc/{pid}/ns/net", os.O_RDONLY) for name, pid in device_pids(engine, site).items()
        }
        for name in self._spaces:
            with self.inside(name):
                for path in (*Path("/proc/sys/net/ipv4/neigh").iterdir(), *Path("/proc/sys/net/ipv6/neigh").iterdir()):
                    (path / "retrans_time_ms").write_text(str(RETRANS_MS * patience), encoding="ascii")
                for setting, value in QUICK_SETTINGS.items():
                    Path("/proc/sys/net", setting).write_text(value, encoding="ascii")

    def serve(self) -> None:
        """The server of `tests.traffic` on every device."""
        for name in self._spaces:
            self._serve(name)

    def close(self) -> None:
        """Close every socket; the devices are the engine's."""
        for server in self._servers:
            server.close()
        for descriptor in self._spaces.values():
            os.close(descriptor)
        os.close(self._here)
        withdraw(self._lock)


def device_pids(engine: KernelEngine, site: Site) -> dict[str, int]:
    """The init of each device, found by its host name."""
    (lab,) = _children(engine.pid)
    found = {}
    for pid in _children(lab):
        try:
            name = Path(f"/proc/{pid}/root/etc/hostname").read_text(encoding="utf-8").strip()
        except OSError:
            continue
        if name in site.devices:
            found[name] = pid
    assert set(found) == {name for name, device in site.devices.items() if device.powered}
    return found


def _children(pid: int) -> list[int]:
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()]


class Pair:
    """A site in operation twice. `kernel` and `sim` are the engines; `patience` is that of `tests.kernel_lab`.

    A kernel engine that is given is in operation already, with the same site.
    """

    def __init__(self, made: Site, patience: int = 1, kernel: KernelEngine | None = None) -> None:
        self.site = made
        self.sim = SimEngine()
        self.kernel = kernel or KernelEngine()
        self._retrans = patch.object(link_layer, "RETRANS_NS", RETRANS_MS * patience * 1_000_000)
        self.sim.start(made)
        if kernel is None:
            self.kernel.start(made)
        self.lab = EngineLab(self.kernel, made, patience)
        self._retrans.start()

    def serve(self) -> None:
        """Servers that answer with the address they see, on every device of both."""
        serve(self.sim)
        self.lab.serve()

    def send(self, flows: list[Flow]) -> dict[Flow, tuple[str, str]]:
        """What each sender is told, in the simulator and in the kernel."""
        told: dict[Flow, tuple[str, str]] = {}
        for part in portions(flows):
            simulated = simulate(self.sim, part)
            real = self.lab.send(part, QUIET_S)
            late = [flow for flow in part if real[flow] == "nothing" != simulated[flow]]
            real |= self.lab.send(late) if late else {}
            # An error that comes while connect(2) still holds its socket is kept for later, and over a veth, or over
            # lo, it does so.
            owned = [flow for flow in late if flow.protocol == "tcp" and real[flow] == "nothing"]
            real |= self.lab.send(owned, SYN_AGAIN_S) if owned else {}
            told |= {flow: (simulated[flow], real[flow]) for flow in part}
        return told

    def wait(self, duration_ns: int) -> None:
        """Let time pass on both."""
        self.sim.wait(duration_ns)
        self.kernel.wait(duration_ns)

    def stop(self) -> None:
        """Give both back."""
        self._retrans.stop()
        self.lab.close()
        self.kernel.stop()
        self.sim.stop()


def portions(flows: list[Flow]) -> Iterator[list[Flow]]:
    """AT_ONCE at a time."""
    for start in range(0, len(flows), AT_ONCE):
        yield flows[start : start + AT_ONCE]


@contextmanager
def both(made: Site, patience: int = 1, kernel: KernelEngine | None = None) -> Iterator[Pair]:
    """The site in operation on both engines."""
    pair = Pair(unlimited(made, redirects=False), patience, kernel)
    try:
        yield pair
    finally:
        pair.stop()


def started(made: Site) -> KernelEngine:
    """The kernel engine of a pair, ahead of the pair: a start with IPv6 is ten seconds of waiting."""
    engine = KernelEngine()
    engine.start(unlimited(made, redirects=False))
    return engine
