"""What became of the grader's packets in one device: nftables' own trace of them, hook by hook.

While probes are under way, a table of ours marks their packets for tracing at the first hook and sees them again behind
the last rule of each hook. The kernel reports every rule and policy that decides about a marked packet (the events of
`nft monitor trace`). So a refusal is seen at the rule that made it, and an arrival behind the last rule of input.
"""

from __future__ import annotations

import re
import socket
import struct
from collections.abc import Iterator
from typing import Any, NamedTuple

from labs.engines.kernel.device.machine import Machine
from labs.engines.kernel.device.observe import speaks_six
from labs.engines.kernel.device.probes import MAGIC, SEQUENCE
from labs.model.addresses import IPv4, IPv6
from labs.net.actions import Accepted, Delivered, Dropped, DropReason, Forwarded, Note
from labs.net.icmp import IcmpMessage
from labs.net.icmpv6 import Icmpv6Message
from labs.net.ipv4 import PROTO_ICMP, PROTO_TCP, PROTO_UDP, Ipv4Packet
from labs.net.ipv6 import PROTO_ICMPV6, Ipv6Packet
from labs.net.udp import UdpDatagram

__all__ = ["Sighting", "Tracer"]

TABLE = "netwerf_probe"
FIRST, LAST = -450, 2147483646  # before connection tracking and raw; behind everything that people write
MARKED = (
    f"meta l4proto tcp @th,32,16 {SEQUENCE >> 16:#x} meta nftrace set 1; "
    f"meta l4proto tcp @th,64,16 {SEQUENCE >> 16:#x} meta nftrace set 1; "
    f"meta l4proto {{ icmp, ipv6-icmp, udp }} @th,64,32 0x{MAGIC.hex()} meta nftrace set 1;"
)
SETUP = f"""add table FAMILY {TABLE}
delete table FAMILY {TABLE}
table FAMILY {TABLE} {{
    chain enter {{ type filter hook prerouting priority {FIRST}; {MARKED} }}
    chain begin {{ type filter hook output priority {FIRST}; {MARKED} }}
    chain sent {{ type filter hook output priority {LAST}; }}
    chain passed {{ type filter hook forward priority {LAST}; }}
    chain taken {{ type filter hook input priority {LAST}; }}
}}
"""
NETLINK_NETFILTER, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, NFNLGRP_NFTRACE = 12, 270, 1, 9  # linux/netlink.h
NFT_MSG_TRACE = 10 << 8 | 17  # NFNL_SUBSYS_NFTABLES, linux/netfilter/nf_tables.h
A_TABLE, A_CHAIN, A_HANDLE, A_TYPE, A_VERDICT, A_ID, A_NETWORK, A_TRANSPORT, A_IIF, A_OIF, A_FAMILY = (
    1, 2, 3, 4, 5, 6, 8, 9, 10, 12, 15,
)  # fmt: skip
TYPE_POLICY, TYPE_RULE = 1, 3
BUFFER = 32 << 20
SO_RCVBUFFORCE = 33
FAMILIES = {1: "inet", 2: "ip", 3: "arp", 5: "netdev", 7: "bridge", 10: "ip6"}
HANDLE = re.compile(r"\s*(.*?)\s*# handle (\d+)$")


class Sighting(NamedTuple):
    """A packet of a probe at one point of a device. `reply` is for what comes back; `order` sorts points of one way."""

    number: int
    reply: bool
    order: int
    note: Note


class Tracer:
    """Watches the packets of probes in one device, from `start` to `stop`."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self._socket: socket.socket | None = None
        self._seen: dict[int, dict[str, Any]] = {}
        self._events: list[dict[str, Any]] = []
        self.lost = False
        """True where the kernel had more to say than there was room for: then nothing can be concluded from silence."""

    async def start(self) -> None:
        """Begin. Raises OSError where nftables does not take the table."""
        end = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_NONBLOCK, NETLINK_NETFILTER)
        end.bind((0, 0))
        try:
            end.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, BUFFER)
        except OSError:
            end.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER)
        end.setsockopt(SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, NFNLGRP_NFTRACE)
        self._socket = end
        self._machine.loop.add_reader(end.fileno(), self._read)
        self._families = ("ip", "ip6") if speaks_six() else ("ip",)
        text = "".join(SETUP.replace("FAMILY", family) for family in self._families)
        said = await self._machine.feed(text, "/usr/sbin/nft", "-f", "-")
        if said:
            raise OSError(said.strip().splitlines()[0])

    def _read(self) -> None:
        assert self._socket is not None
        while True:
            try:
                data = self._socket.recv(1 << 16)
            except BlockingIOError:
                return
            except OSError:
                self.lost = True
                continue
            for event in _events(data):
                self._take(event)

    def _take(self, event: dict[str, Any]) -> None:
        known = self._seen.setdefault(event["id"], {})
        if "packet" in event:
            known.clear()
            known |= {name: event[name] for name in ("packet", "iif", "oif", "number", "reply") if name in event}
        if "number" in known:
            self._events.append({**known, **{k: v for k, v in event.items() if v is not None}})

    async def stop(self) -> list[Sighting]:
        """End, and tell what was seen, each thing once."""
        self._read()
        assert self._socket is not None
        self._machine.loop.remove_reader(self._socket.fileno())
        self._socket.close()
        drops = [event for event in self._events if event["verdict"] == 0 and event["table"] != TABLE]
        listing = await self._machine.capture("/usr/sbin/nft", "-a", "list", "ruleset") if drops else ""
        text = "".join(f"delete table {family} {TABLE}\n" for family in self._families)
        await self._machine.feed(text, "/usr/sbin/nft", "-f", "-")
        rules = _rules(listing)
        names = dict(socket.if_nameindex())
        sightings: list[Sighting] = []
        for event in self._events:
            note = _note(event, names, rules)
            if note is not None:
                ttl_order = (255 - _hops_left(event["packet"])) * 8
                place = 0 if isinstance(note, (Accepted, Forwarded)) else 2 if isinstance(note, Delivered) else 1
                sightings.append(Sighting(event["number"], event["reply"], ttl_order + place, note))
        return [*dict.fromkeys(sightings), *self._unaccounted(names)]

    def _unaccounted(self, names: dict[int, str]) -> Iterator[Sighting]:
        """Packets that came in and neither went on nor up, although no rule stopped them: the routing dropped them."""
        entered: dict[tuple[int, bool], dict[str, Any]] = {}
        accounted: set[tuple[int, bool]] = set()
        for event in self._events:
            key = (event["number"], event["reply"])
            if event["table"] == TABLE and event["chain"] == "enter":
                entered.setdefault(key, event)
            elif event["chain"] in ("passed", "taken") or event["verdict"] == 0:
                accounted.add(key)
        for key, event in entered.items():
            if key not in accounted:
                packet = event["packet"]
                reason, by = self._why(packet)
                note = Dropped(reason, names.get(event.get("iif", 0), ""), None, packet, by)
                yield Sighting(*key, (255 - _hops_left(packet)) * 8 + 1, note)

    def _why(self, packet: Ipv4Packet | Ipv6Packet) -> tuple[DropReason, str]:
        wide = isinstance(packet, Ipv6Packet)
        setting = "net.ipv6.conf.all.forwarding" if wide else "net.ipv4.ip_forward"
        if self._machine.files.get("/proc/sys/" + setting.replace(".", "/")).strip() == "0":
            return DropReason.NOT_FORWARDING, f"{setting} = 0"
        if _hops_left(packet) <= 1:
            return DropReason.TTL_EXCEEDED, ""
        with socket.socket(socket.AF_INET6 if wide else socket.AF_INET, socket.SOCK_DGRAM) as asker:
            try:
                asker.connect((str(packet.dst), 9))
            except OSError:
                return DropReason.NO_ROUTE, ""
        return DropReason.INVALID_SOURCE, ""


def _hops_left(packet: Ipv4Packet | Ipv6Packet) -> int:
    return packet.hop_limit if isinstance(packet, Ipv6Packet) else packet.ttl


def _events(data: bytes) -> Iterator[dict[str, Any]]:
    position = 0
    while position + 20 <= len(data):
        length, kind = struct.unpack_from("=IH", data, position)
        if length < 20:
            return
        if kind == NFT_MSG_TRACE:
            yield _event(_attributes(data, position + 20, position + length))
        position += (length + 3) & ~3


def _attributes(data: bytes, position: int, end: int) -> dict[int, bytes]:
    found = {}
    while position + 4 <= end:
        length, kind = struct.unpack_from("=HH", data, position)
        if length < 4:
            break
        found[kind & 0x3FFF] = data[position + 4 : position + length]
        position += (length + 3) & ~3
    return found


def _event(raw: dict[int, bytes]) -> dict[str, Any]:
    kind = int.from_bytes(raw.get(A_TYPE, b""))
    code = int.from_bytes(raw[A_VERDICT][4:8], signed=True) if A_VERDICT in raw else None
    event: dict[str, Any] = {
        "id": int.from_bytes(raw.get(A_ID, b"")),
        "table": raw.get(A_TABLE, b"").rstrip(b"\0").decode(),
        "chain": raw.get(A_CHAIN, b"").rstrip(b"\0").decode(),
        "family": FAMILIES.get(int.from_bytes(raw.get(A_FAMILY, b"")), "ip"),
        "handle": int.from_bytes(raw[A_HANDLE]) if kind == TYPE_RULE and A_HANDLE in raw else 0,
        "kind": kind,
        "verdict": int.from_bytes(raw[16]) if kind == TYPE_POLICY and 16 in raw else code,
    }
    for name, attribute in (("iif", A_IIF), ("oif", A_OIF)):
        if attribute in raw:
            event[name] = int.from_bytes(raw[attribute])
    if A_NETWORK in raw and A_TRANSPORT in raw:
        event |= _packet(raw[A_NETWORK], raw[A_TRANSPORT])
    return event


def _packet(network: bytes, transport: bytes) -> dict[str, Any]:
    """The packet of a probe; nothing for one that only looked like it."""
    wide = network[:1] >= b"\x60"
    if len(network) < (40 if wide else 20) or len(transport) < 8:
        return {"packet": None}
    ttl, protocol = (network[7], network[6]) if wide else (network[8], network[9])
    number, reply, payload = None, False, UdpDatagram(*ports(transport))
    if protocol == PROTO_TCP and len(transport) >= 14:
        sequence, acknowledged = struct.unpack_from("!II", transport, 4)
        opening = bool(transport[13] & 0x06)  # SYN or RST: the first packet each way
        if opening and sequence >> 16 == SEQUENCE >> 16:
            number = sequence & 0xFFFF
        elif opening and acknowledged - 1 >> 16 == SEQUENCE >> 16:
            number, reply = acknowledged - 1 & 0xFFFF, True
    elif protocol in (PROTO_UDP, PROTO_ICMP, PROTO_ICMPV6) and transport[8:12] == MAGIC and len(transport) >= 16:
        number = int.from_bytes(transport[12:16])
        reply = (protocol, transport[0]) in ((PROTO_ICMP, 0), (PROTO_ICMPV6, 129))
    if number is None:
        return {"packet": None}
    if wide:
        here, there = (IPv6(int.from_bytes(network[start : start + 16])) for start in (8, 24))
        message: Any = Icmpv6Message(transport[0], transport[1]) if protocol == PROTO_ICMPV6 else payload
        return {"packet": Ipv6Packet(here, there, protocol, message, ttl), "number": number, "reply": reply}
    inner: Any = IcmpMessage(transport[0], transport[1]) if protocol == PROTO_ICMP else payload
    source, target = (IPv4(int.from_bytes(network[start : start + 4])) for start in (12, 16))
    return {"packet": Ipv4Packet(source, target, protocol, inner, ttl), "number": number, "reply": reply}


def ports(transport: bytes) -> tuple[int, int]:
    """Source and target port."""
    return int.from_bytes(transport[:2]), int.from_bytes(transport[2:4])


def _note(event: dict[str, Any], names: dict[int, str], rules: dict[tuple[str, str, str, int], str]) -> Note | None:
    packet = event["packet"]
    inside, outside = names.get(event.get("iif", 0), ""), names.get(event.get("oif", 0), "")
    if event["table"] == TABLE:
        if event["kind"] != TYPE_POLICY:
            return None
        if event["chain"] == "sent":
            return Accepted(packet, outside, "")
        if event["chain"] == "passed":
            return Forwarded(packet, inside, outside, packet.dst, "")
        return Delivered(packet, inside) if event["chain"] == "taken" else None
    if event["verdict"] != 0:
        return None
    found = next(
        (text for (_, table, chain, handle), text in rules.items()
         if (table, chain, handle) == (event["table"], event["chain"], event["handle"])),
        f"{event['table']} {event['chain']}",
    )  # fmt: skip
    return Dropped(DropReason.POLICY, inside or outside, None, packet, found)


def _rules(listing: str) -> dict[tuple[str, str, str, int], str]:
    """Family, table, chain and handle (0 is the policy) to how the rule reads, with where it stands."""
    found: dict[tuple[str, str, str, int], str] = {}
    family = table = chain = ""
    for line in listing.splitlines():
        words = line.split()
        if words[:1] == ["table"]:
            family, table = words[1:3]
        elif words[:1] == ["chain"]:
            chain = words[1]
        elif words[:1] == ["type"] and "policy" in words:
            policy = words[words.index("policy") + 1].rstrip(";")
            found[family, table, chain, 0] = f"{family} {table} {chain}: policy {policy}"
        elif match := HANDLE.match(line):
            found[family, table, chain, int(match[2])] = f"{family} {table} {chain}: {match[1]}"
    return found
