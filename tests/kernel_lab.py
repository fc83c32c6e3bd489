"""A hand-built site in real network namespaces: the judge of the simulator.

Every device becomes a namespace, every lead a veth pair; addresses, routes, rules and settings come from the same files
that the simulated device boots from. Sockets of all namespaces live in this one process (setns(2)).
"""

from __future__ import annotations

import ctypes
import fcntl
import itertools
import json
import os
import re
import selectors
import shutil
import socket
import struct
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any, Self

import pytest

from labs.model.site import Device, Site
from labs.net.ifupdown import Stanza, parse_interfaces
from tests.kernel_flows import SENDERS, answer, servers
from tests.traffic import Flow

SIOCGIFFLAGS = 0x8913  # linux/sockios.h
IFF_UP, IFF_RUNNING = 1, 0x40  # net/if.h
CLONE_NEWNET = 0x40000000  # sched.h
RETRANS_MS = 30  # ARP gives up after three times this, so that nobody waits three seconds
LOOKS = 3
LONGEST_S = 0.9  # less than the first retransmission of a SYN
QUIET_S = 0.2  # twice as long as ARP takes to give up
QUIET_SETTINGS = {
    "net/ipv6/conf/all/disable_ipv6": "1",
    "net/ipv4/icmp_ratemask": "0",
    "net/ipv4/icmp_msgs_per_sec": "1000000",
    "net/ipv4/icmp_msgs_burst": "100000",
}
ZERO_SETTINGS = ("rp_filter", "proxy_arp", "arp_ignore", "arp_announce", "accept_local")
ERROR_COST = Path("/proc/sys/net/ipv4/route/error_cost")
_libc = ctypes.CDLL(None, use_errno=True)
_numbers = itertools.count()


def missing() -> str:
    """Why the kernel cannot judge here, or nothing."""
    if os.name != "posix" or not hasattr(os, "geteuid") or os.geteuid() != 0:
        return "needs root"
    tools = [tool for tool in ("ip", "nft") if shutil.which(tool) is None]
    if tools:
        return f"needs {' and '.join(tools)}"
    name = f"nw{os.getpid()}probe"
    if subprocess.run(["ip", "netns", "add", name], capture_output=True, check=False).returncode:
        return "needs network namespaces"
    subprocess.run(["ip", "netns", "del", name], capture_output=True, check=False)
    return "" if os.access(ERROR_COST, os.W_OK) else f"needs to write {ERROR_COST}"


def judged() -> pytest.MarkDecorator:
    """The reason to skip, asked once."""
    reason = missing()
    return pytest.mark.skipif(bool(reason), reason=reason or "the kernel can judge")


def lasting(look: Callable[[int], Mapping[Any, Any]]) -> dict[Any, Any]:
    """What differs at every look; each is given twice the patience of the one before, and makes a lab of its own.

    A busy machine keeps back an answer, or an ARP reply until the asker has given up; a difference is there each time.
    """
    found = dict(look(1))
    for number in range(1, LOOKS):
        if not found:
            break
        again = look(2**number)
        found = {key: value for key, value in found.items() if again.get(key) == value}
    return found


def announce() -> IO[str]:
    """Labs at the same time share one setting of all namespaces; the file of their lock keeps what it was before."""
    path = Path(tempfile.gettempdir(), "netwerf-kernel-lab.lock")
    handle = path.open("a+", encoding="ascii")
    fcntl.flock(handle, fcntl.LOCK_SH)
    before = ERROR_COST.read_text(encoding="ascii")
    if int(before):  # otherwise another lab is at work, or was killed
        path.write_text(before, encoding="ascii")
    ERROR_COST.write_text("0", encoding="ascii")
    return handle


def withdraw(handle: IO[str]) -> None:
    """The last lab to leave puts the setting back."""
    with handle, suppress(BlockingIOError):
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        handle.seek(0)
        ERROR_COST.write_text(handle.read(), encoding="ascii")


def _remove_leftovers() -> None:
    """The namespaces of labs that were killed."""
    for path in Path("/run/netns").glob("nw*x*"):
        found = re.match(r"nw(\d+)x", path.name)
        if found and not Path("/proc", found[1]).exists():
            subprocess.run(["ip", "netns", "del", path.name], capture_output=True, check=False)


def _begin(command: list[str], lines: list[str]) -> subprocess.Popen[str]:
    """Start a tool that reads its orders from standard input."""
    pipe = subprocess.PIPE
    process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=subprocess.STDOUT, text=True)
    assert process.stdin is not None
    process.stdin.write("\n".join(lines) + "\n")
    process.stdin.flush()
    return process


def _finish(process: subprocess.Popen[str]) -> None:
    said, _ = process.communicate()
    if process.returncode:
        message = f"{process.args}: {said}"
        raise RuntimeError(message)


class KernelLab:
    """A site in operation. Leave nothing behind: use it as a context manager.

    With more patience ARP waits longer for answers, and so does whoever sends.
    """

    def __init__(self, site: Site, patience: int = 1) -> None:
        self.site = site
        self._patience = patience
        self._prefix = f"nw{os.getpid()}x{next(_numbers)}"
        self._here = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
        self._lock = announce()
        self._spaces: dict[str, int] = {}
        self._servers: list[socket.socket] = []

    def __enter__(self) -> Self:
        _remove_leftovers()
        try:
            self._build()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def space(self, device: str) -> str:
        """The name of a device's namespace."""
        return f"{self._prefix}{device}"

    def _build(self) -> None:
        batch = [f"netns add {self.space(device)}" for device in self.site.devices]
        for number, link in enumerate(self.site.links):
            names = [f"{self._prefix}{side}{number}" for side in "ab"]
            batch.append(f"link add {names[0]} type veth peer name {names[1]}")
            for name, where in zip(names, link.ends, strict=True):
                port = self.site.devices[where.device].port(where.port)
                space = self.space(where.device)
                batch.append(f"link set {name} netns {space} name {port.name} address {port.mac}")
        _finish(_begin(["ip", "-batch", "-"], batch))
        for device in self.site.devices:
            self._spaces[device] = os.open(f"/run/netns/{self.space(device)}", os.O_RDONLY)
        devices = self.site.devices.values()
        for device in devices:
            self._prepare(device)
        running = [self._start_interfaces(device) for device in devices]
        for process in running:
            process.communicate()
        running = [process for device in devices if (process := self._start_rules(device)) is not None]
        for device in devices:
            self._settings(device)
        for process in running:
            _finish(process)
        self._await_carrier()
        for device in self.site.devices:
            self._serve(device)

    def _flags(self, device: str, interface: str) -> int:
        """SIOCGIFFLAGS."""
        with self.inside(device), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as handle:
            answer = fcntl.ioctl(handle, SIOCGIFFLAGS, struct.pack("16sH14x", interface.encode(), 0))
        return int(struct.unpack("16xH14x", answer)[0])

    def _await_carrier(self) -> None:
        """Until the kernel has noticed a new link, it drops what is sent over it (noop_qdisc)."""
        until = time.monotonic() + 2
        for link in self.site.links:
            while time.monotonic() < until:
                flags = [self._flags(*where) for where in link.ends]
                if not all(flag & IFF_UP for flag in flags) or all(flag & IFF_RUNNING for flag in flags):
                    break
                time.sleep(0.005)

    def _prepare(self, device: Device) -> None:
        """Defaults of this harness, and the settings of the device that exist before its interfaces do."""
        with self.inside(device.name):
            for name, value in QUIET_SETTINGS.items():
                Path("/proc/sys", name).write_text(value, encoding="ascii")
            for where in Path("/proc/sys/net/ipv4/conf").iterdir():
                for leaf in ZERO_SETTINGS:
                    (where / leaf).write_text("0", encoding="ascii")
            for where in Path("/proc/sys/net/ipv4/neigh").iterdir():
                (where / "retrans_time_ms").write_text(str(RETRANS_MS * self._patience), encoding="ascii")
                (where / "proxy_delay").write_text("0", encoding="ascii")
        self._settings(device)

    def _start_interfaces(self, device: Device) -> subprocess.Popen[str]:
        lines = ["link set lo up"]
        for stanza in parse_interfaces(device.files["/etc/network/interfaces"]).stanzas:
            lines += _lines(stanza)
        return _begin(["ip", "-n", self.space(device.name), "-force", "-batch", "-"], lines)

    def _start_rules(self, device: Device) -> subprocess.Popen[str] | None:
        rules = device.files.get("/etc/nftables.conf")
        if not rules:
            return None
        return _begin(["ip", "netns", "exec", self.space(device.name), "nft", "-f", "-"], [rules])

    def _settings(self, device: Device) -> None:
        with self.inside(device.name):
            for line in device.files.get("/etc/sysctl.conf", "").splitlines():
                name, _, value = line.partition("=")
                path = Path("/proc/sys", name.strip().replace(".", "/"))
                if path.exists():
                    path.write_text(value.strip(), encoding="ascii")

    @contextmanager
    def inside(self, device: str) -> Iterator[None]:
        """Be in the namespace of a device: sockets made here belong to it."""
        self._enter(self._spaces[device])
        try:
            yield
        finally:
            self._enter(self._here)

    @staticmethod
    def _enter(descriptor: int) -> None:
        if _libc.setns(descriptor, CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), "setns")

    def close(self) -> None:
        """Remove everything."""
        for server in self._servers:
            server.close()
        for descriptor in self._spaces.values():
            os.close(descriptor)
        self._spaces.clear()
        _begin(["ip", "-force", "-batch", "-"], [f"netns del {self.space(d)}" for d in self.site.devices]).communicate()
        os.close(self._here)
        withdraw(self._lock)

    def neighbours(self, device: str) -> list[dict[str, object]]:
        """`ip -j neigh`."""
        command = ["ip", "-n", self.space(device), "-j", "neigh"]
        return list(json.loads(subprocess.run(command, capture_output=True, check=True, text=True).stdout or "[]"))

    # Traffic

    def _serve(self, device: str) -> None:
        with self.inside(device):
            self._servers += servers()

    def send(self, flows: list[Flow], quiet_s: float = QUIET_S, longest_s: float = LONGEST_S) -> dict[Flow, str]:
        """What each sender is told, all flows at once; over when nothing has been heard for so long."""
        quiet_s *= self._patience
        told: dict[Flow, str] = {}
        with selectors.DefaultSelector() as selector:
            for server in self._servers:
                selector.register(server, selectors.EVENT_READ, answer)
            made: list[socket.socket] = []
            for number, flow in enumerate(flows, start=1):
                with self.inside(flow.source):
                    made.append(SENDERS[flow.protocol](flow, number, told, selector))
            until = time.monotonic() + max(longest_s, quiet_s)
            quiet_until = time.monotonic() + quiet_s
            while len(told) < len(flows) and time.monotonic() < min(until, quiet_until):
                for key, _ in selector.select(0.02):
                    key.data(key.fileobj)
                    quiet_until = time.monotonic() + quiet_s
            for opened in made:
                opened.close()
        return {flow: told.get(flow, "nothing") for flow in flows}


def _lines(stanza: Stanza) -> list[str]:
    """What ifupdown runs for a paragraph (inet.defn, bridge-utils)."""
    name = stanza.name
    lines = []
    ports = stanza.get("bridge_ports")
    if ports is not None:
        lines += [f"link add {name} type bridge", *(f"link set {port} master {name} up" for port in ports.split())]
    if stanza.method == "static":
        address = stanza.get("address")
        lines += [f"address add {address} broadcast + dev {name}", f"link set {name} up"]
        if stanza.get("gateway"):
            lines.append(f"route add default via {stanza.get('gateway')} dev {name} onlink")
    return lines + [line.replace("$IFACE", name).removeprefix("ip ") for line in stanza.values("up")]
