"""/proc/net, /sys/class/net and the like: what the kernel tells as text. Compare with proc(5) and sysfs-class-net."""

from __future__ import annotations

from typing import TYPE_CHECKING

from labs.model.addresses import IPv4
from labs.net.filesystem import FileError
from labs.net.neighbour import NeighbourState

if TYPE_CHECKING:
    from collections.abc import Callable

    from labs.net.interface import Interface
    from labs.net.linux.node import LinuxNode

__all__ = ["ClassNet", "ProcFiles"]

DEV_HEAD = (
    "Inter-|   Receive                                                |  Transmit\n"
    " face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier"
    " compressed\n"
)
ARP_HEAD = "IP address       HW type     Flags       HW address            Mask     Device\n"
ROUTE_HEAD = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT"
ROUTE_LINE = 127  # net/ipv4/fib_trie.c: every line is padded to this and its newline
COMPLETE, PERMANENT = 0x2, 0x4  # ATF_COM, ATF_PERM
UP, GATEWAY, HOST, REJECT = 0x1, 0x2, 0x4, 0x200  # RTF_*
MEBIBIT = 1_000_000


class ProcFiles:
    """/proc/net/arp, dev and route, /proc/uptime, /proc/version."""

    def __init__(self, node: LinuxNode) -> None:
        self._node = node
        self._readers: dict[str, Callable[[], str]] = {
            "/proc/net/arp": self._arp,
            "/proc/net/dev": self._dev,
            "/proc/net/route": self._route,
            "/proc/uptime": self._uptime,
            "/proc/version": lambda: "Linux version 6.1.0-netwerf (simulated)\n",
        }

    def read(self, path: str) -> str | None:
        """The content, made now."""
        reader = self._readers.get(path)
        return None if reader is None else reader()

    def write(self, path: str, text: str) -> bool:
        """Nothing here can be written. Raises FileError."""
        del text
        if path in self._readers:
            raise FileError("Permission denied")
        return False

    def names(self) -> list[str]:
        """Every path."""
        return list(self._readers)

    def _uptime(self) -> str:
        up = (self._node.now - self._node.booted_ns) / 1_000_000_000
        return f"{up:.2f} {up:.2f}\n"

    def _arp(self) -> str:
        rows = [ARP_HEAD]
        for entry in self._node.link.neighbours.entries(self._node.now):
            if not isinstance(entry.address, IPv4):
                continue
            flags = COMPLETE if entry.mac is not None else 0
            flags |= PERMANENT if entry.state is NeighbourState.PERMANENT else 0
            mac = str(entry.mac) if entry.mac is not None else "00:00:00:00:00:00"
            rows.append(
                f"{entry.address!s:<16} {'0x1':<10}  0x{flags:<10x}{mac:<17}     *        {entry.interface.name}\n"
            )
        return "".join(rows)

    def _dev(self) -> str:
        rows = [DEV_HEAD]
        for interface in self._node.interfaces.values():
            rx, tx = interface.rx, interface.tx
            rows.append(
                f"{interface.name:>6}: {rx.bytes:7d} {rx.packets:7d} {rx.errors:4d} {rx.dropped:4d} {0:4d}"
                f" {rx.too_long + rx.damaged:5d} {0:10d} {0:9d}"
                f" {tx.bytes:8d} {tx.packets:7d} {tx.errors:4d} {tx.dropped:4d} {0:4d} {tx.collisions:5d} {0:7d}"
                f" {0:10d}\n"
            )
        return "".join(rows)

    def _route(self) -> str:
        rows = [ROUTE_HEAD]
        for route in sorted(self._node.ip.routes, key=lambda route: (int(route.prefix.address), route.metric)):
            if route.kind not in ("unicast", "unreachable", "prohibit", "blackhole"):
                continue
            via = route.via if isinstance(route.via, IPv4) else IPv4(0)
            flags = UP | (GATEWAY if via else 0) | (HOST if route.prefix.length == 32 else 0)
            flags |= 0 if route.kind == "unicast" else REJECT
            name = (route.device or "*") if route.kind == "unicast" else "*"
            mask = IPv4(((1 << 32) - 1) ^ ((1 << (32 - route.prefix.length)) - 1))
            rows.append(
                f"{name}\t{_swapped(route.prefix.address)}\t{_swapped(via)}\t{flags:04X}\t0\t0\t{route.metric}\t"
                f"{_swapped(mask)}\t{route.mtu}\t0\t0"
            )
        return "".join(f"{row:<{ROUTE_LINE}}\n" for row in rows)


def _swapped(address: object) -> str:
    """An address as a little-endian machine prints it."""
    return int(address).to_bytes(4, "little").hex().upper()  # type: ignore[call-overload, no-any-return]


class ClassNet:
    """/sys/class/net: one directory per interface."""

    PREFIX = "/sys/class/net/"
    LEAVES = (
        "address", "carrier", "carrier_changes", "duplex", "ifalias", "ifindex", "mtu", "operstate", "speed",
        "tx_queue_len",
    )  # fmt: skip
    STATISTICS = ("bytes", "packets", "errors", "dropped")

    def __init__(self, node: LinuxNode) -> None:
        self._node = node

    def read(self, path: str) -> str | None:
        """One value. Raises FileError where the interface has none now."""
        name, _, leaf = path.removeprefix(self.PREFIX).partition("/")
        interface = self._node.interfaces.get(name)
        if interface is None:
            return None
        if leaf.startswith("statistics/"):
            way, _, what = leaf.removeprefix("statistics/").partition("_")
            if way not in ("rx", "tx") or what not in self.STATISTICS:
                return None
            return f"{getattr(interface.rx if way == 'rx' else interface.tx, what)}\n"
        return self._leaf(interface, leaf) if leaf in self.LEAVES else None

    @staticmethod
    def _leaf(interface: Interface, leaf: str) -> str:
        if leaf == "carrier" and not interface.up:
            raise FileError("Invalid argument")
        if leaf in ("speed", "duplex") and interface.kind != "ether":
            raise FileError("Invalid argument")
        if leaf == "ifalias":
            return f"{interface.alias}\n" if interface.alias else ""
        state = "up" if interface.running else "down"
        if interface.kind == "loopback" or interface.tunnel is not None:
            state = "unknown" if interface.up else "down"
        speed = interface.speed_bps // MEBIBIT if interface.running else -1
        duplex = ("full" if interface.full_duplex else "half") if interface.running else "unknown"
        values: dict[str, object] = {
            "address": interface.mac, "carrier": int(interface.has_carrier),
            "carrier_changes": interface.carrier_changes, "duplex": duplex, "ifindex": interface.index,
            "mtu": interface.mtu, "operstate": state, "speed": speed, "tx_queue_len": interface.queue_length,
        }  # fmt: skip
        return f"{values[leaf]}\n"

    def write(self, path: str, text: str) -> bool:
        """Settings are changed with `ip`. Raises FileError."""
        del text
        if path.removeprefix(self.PREFIX).partition("/")[0] in self._node.interfaces:
            raise FileError("Permission denied")
        return False

    def names(self) -> list[str]:
        """Every path."""
        leaves = [*self.LEAVES, *(f"statistics/{way}_{what}" for way in ("rx", "tx") for what in self.STATISTICS)]
        return [f"{self.PREFIX}{name}/{leaf}" for name in self._node.interfaces for leaf in leaves]
