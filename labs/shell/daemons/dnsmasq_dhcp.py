"""The DHCP half of dnsmasq: which client gets which address, and what it is told.

Before changing this file read RFC 2131 §4.3 and compare with dnsmasq 2.90 (rfc2131.c), whose decisions, order of checks
and log lines these are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from labs.model.addresses import IPv4, Mac
from labs.net import dhcp
from labs.net import dhcp_plan as plan
from labs.net.dhcp import DhcpMessage, MessageType, Option
from labs.net.dhcp_plan import Context, lease_time_text
from labs.net.dnsmasq_conf import ADDRESS_OPTIONS
from labs.net.dnsmasq_values import DEFAULT_LEASE_S, DhcpHost, DhcpRange, DnsmasqConf
from labs.net.filesystem import FileError
from labs.net.ipv4 import ANY, LIMITED_BROADCAST
from labs.net.leases import LeaseTable, ServerLease, parse_leases, render_leases
from labs.shell.daemons.dhcp_client import ensure_directory
from labs.shell.daemons.dhcp_delivery import deliver, send
from labs.shell.daemons.dnsmasq_names import Names, with_addresses

if TYPE_CHECKING:
    from labs.net.interface import Interface
    from labs.net.linux.node import LinuxNode
    from labs.net.sockets import Datagram, EchoSocket

__all__ = ["DhcpServer"]

SECOND = 1_000_000_000
PING_WAIT_NS = 3 * SECOND  # PING_WAIT, config.h
PING_CACHE_NS = 30 * SECOND  # PING_CACHE_TIME
DECLINE_NS = 600 * SECOND  # DECLINE_BACKOFF
MAX_LEASES = 1000  # MAXLEASES
MAX_PENDING = 64


@dataclass(slots=True)
class _Offer:
    """A client that waits while we ping the address it may get."""

    message: DhcpMessage
    datagram: Datagram
    contexts: list[Context]
    candidates: Iterator[IPv4]
    address: IPv4
    socket: EchoSocket
    deadline_ns: int


class DhcpServer:
    """Answers DHCP messages of the interfaces that the configuration allows."""

    def __init__(self, node: LinuxNode, conf: DnsmasqConf, log: Callable[[str], None]) -> None:
        self._node = node
        self._names = Names(node.files, conf, None)
        self._conf = with_addresses(conf, self._names) if conf.port else conf
        self._log = log
        self._declined: dict[IPv4, int] = {}
        self._pinged: dict[IPv4, int] = {}
        self._offers: list[_Offer] = []
        self._epoch: dict[DhcpRange, int] = {}
        self._routers: dict[DhcpRange, IPv4] = {}
        """The first relay that asked for a range."""
        self.table = LeaseTable(parse_leases(node.files.get(conf.lease_file)))
        if self.table.expire(node.wall_clock()) or not node.files.exists(conf.lease_file):
            self._save()

    def greet(self) -> None:
        """The lines of the start."""
        for pool in reversed(self._conf.ranges):  # dnsmasq puts each line before the others
            span = f"{pool.start} -- {pool.end}" if pool.end is not None else str(pool.start)
            time = lease_time_text(DEFAULT_LEASE_S if pool.lease_s is None else pool.lease_s)
            if pool.end is None:
                self._log(f"DHCP, static leases only on {span}, lease time {time}")
            else:
                self._log(f"DHCP, IP range {span}, lease time {time}")

    # The loop's side

    def signals(self) -> list[EchoSocket]:
        """Sockets of pings in progress."""
        return [offer.socket for offer in self._offers]

    def next_wake(self) -> int | None:
        """When an offer is due."""
        return min((offer.deadline_ns for offer in self._offers), default=None)

    def wake(self) -> None:
        """Send the offers nobody objected to; look for another address where somebody answered the ping."""
        now = self._node.now
        for offer in list(self._offers):
            if offer.socket.replies:
                self._offers.remove(offer)
                self._node.transport.echo_close(offer.socket)
                self._in_use(offer)
            elif offer.deadline_ns <= now:
                self._offers.remove(offer)
                self._node.transport.echo_close(offer.socket)
                self._pinged[offer.address] = now
                self._send_offer(offer.message, offer.datagram, offer.contexts, offer.address)

    def close(self) -> None:
        """Stop pinging."""
        for offer in self._offers:
            self._node.transport.echo_close(offer.socket)
        self._offers.clear()

    def receive(self, datagram: Datagram) -> None:
        """Take one message from port 67."""
        if not self._conf.serves_dhcp(datagram.interface):
            return
        try:
            message = dhcp.decode(datagram.data)
        except ValueError:
            return
        if message.operation != dhcp.BOOTREQUEST or message.type is None:
            return
        if self.table.expire(self._node.wall_clock()):
            self._save()
        interface = self._node.interfaces.get(datagram.interface)
        if interface is None:
            return
        if not any(isinstance(a.address, IPv4) for a in interface.addresses):
            self._log(f"DHCP packet received on {interface.name} which has no address")
            return
        contexts = self._contexts(message, interface)
        if not contexts:
            via = interface.name if message.giaddr == ANY else message.giaddr
            self._log(f"no address range available for DHCP request via {via}")
            return
        host = plan.client_host(self._conf, message, contexts)
        if host is not None and host.ignore:
            self._packet(message, datagram, "", "ignored")
            return
        handler = {
            MessageType.DISCOVER: self._discover,
            MessageType.REQUEST: self._request,
            MessageType.RELEASE: self._release,
            MessageType.DECLINE: self._decline,
            MessageType.INFORM: self._inform,
        }.get(message.type)
        if handler is not None:
            handler(message, datagram, contexts)

    # Choosing

    def _contexts(self, message: DhcpMessage, interface: Interface) -> list[Context]:
        """The ranges for a client: those of the interface, of the relay, or of the address that it renews."""
        near = [c._replace(interface=interface.name) for c in plan.contexts(self._conf, interface.addresses)]
        place = message.giaddr if message.giaddr != ANY else message.ciaddr
        if place == ANY or (message.giaddr == ANY and any(place in context.network for context in near)):
            return near
        local = next(a.address for a in interface.addresses if isinstance(a.address, IPv4))
        networks = [a.network for other in self._node.interfaces.values() for a in other.addresses]
        far = [
            context._replace(interface=interface.name, router=self._routers.setdefault(context.pool, message.giaddr))
            for context in plan.distant_contexts(self._conf, local, place, networks)
        ]
        return far if far or message.giaddr != ANY else near

    def _reserved(self, address: IPv4) -> bool:
        return self._conf.host_at(address) is not None

    def _usable(self, contexts: list[Context], address: IPv4, tags: set[str]) -> bool:
        """In a range and no address of ours (address_available)."""
        inside = plan.available(contexts, address, tags) is not None or any(
            context.pool.end is None and self._reserved(address) for context in contexts
        )
        return inside and not self._node.ip.is_local(address)

    def _free(self, address: IPv4) -> bool:
        blocked = self._declined.get(address, -1) > self._node.now
        return (
            not blocked
            and not self._node.ip.is_local(address)
            and self.table.at(address) is None
            and not self._reserved(address)
            and all(offer.address != address for offer in self._offers)
        )

    def _candidates(self, message: DhcpMessage, contexts: list[Context]) -> Iterator[IPv4]:
        """What a client may get, in the order in which it is tried: ranges that are for it alone come first."""
        tags = plan.tags_of(self._conf, message, contexts)
        wish = message.address(Option.REQUESTED_ADDRESS)
        if wish is not None and self._usable(contexts, wish, tags) and self._free(wish):
            yield wish
        for context in sorted(contexts, key=lambda context: not context.pool.tags):
            pool = context.pool
            if pool.end is None or not context.takes(tags):
                continue
            after = None
            if self._conf.sequential_ip:
                highest = max((x.address for x in self.table.leases if x.address in pool), default=None)
                after = pool.start if highest is None else IPv4(highest + 1)
            epoch = self._epoch.get(pool, 0)
            yield from dhcp.candidates(message.chaddr, pool.start, pool.end, self._free, epoch=epoch, after=after)

    def _context(self, message: DhcpMessage, contexts: list[Context], address: IPv4) -> Context:
        return plan.context_of(contexts, address, plan.tags_of(self._conf, message, contexts))

    def _name(self, message: DhcpMessage, context: Context, address: IPv4) -> str:
        known = self._names.of(address) if self._conf.port else None
        written = known.name if known is not None and known.source not in ("DHCP", "config") else ""
        return plan.client_name(self._conf, message, context, written)

    def _fixed(self, host: DhcpHost | None, mac: Mac, contexts: list[Context]) -> IPv4 | None:
        """The reserved address of a client, unless there is a reason against it."""
        if host is None or host.address is None or not any(host.address in context.network for context in contexts):
            return None
        address, holder = host.address, self.table.at(host.address)
        if holder is not None and holder.mac != mac and holder.mac not in host.macs:
            self._log(f"not using configured address {address} because it is leased to {holder.mac}")
        elif self._node.ip.is_local(address):
            self._log(f"not using configured address {address} because it is in use by the server or relay")
        elif self._declined.get(address, -1) > self._node.now:
            self._log(f"not using configured address {address} because it was previously declined")
        else:
            return address
        return None

    def _objection(
        self,
        message: DhcpMessage,
        contexts: list[Context],
        address: IPv4,
        lease: ServerLease | None,
        *,
        selecting: bool,
    ) -> str:
        """Why a client may not have an address, in dnsmasq's words; empty where it may."""
        host = plan.client_host(self._conf, message, contexts)
        reserved = host.address if host is not None else None
        holder = self.table.at(address)
        owner = self._conf.host_at(address)
        if not any(address in context.network for context in contexts):
            return "wrong network"
        tags = plan.tags_of(self._conf, message, contexts)
        if not self._usable(contexts, address, tags) and reserved != address:
            return "address not available"
        if (
            not selecting
            and reserved is not None
            and reserved != address
            and not self._node.ip.is_local(reserved)
            and self.table.at(reserved) in (None, lease)
        ):
            return "static lease available"
        if owner is not None and owner is not host:
            return "address reserved"
        if lease is None and holder is not None:
            return "address in use"
        if lease is None and len(self.table.leases) >= MAX_LEASES:
            return "no leases left"
        return ""

    # Messages

    def _packet(
        self, message: DhcpMessage, datagram: Datagram, address: object, error: str = "", kind: str = ""
    ) -> None:
        name = kind or f"DHCP{message.type.name if message.type is not None else ''}"
        where = f"{address} " if address else ""
        self._log(f"{name}({datagram.interface}) {where}{message.chaddr} {error}")

    def _discover(self, message: DhcpMessage, datagram: Datagram, contexts: list[Context]) -> None:
        wish = message.address(Option.REQUESTED_ADDRESS)
        host = plan.client_host(self._conf, message, contexts)
        lease = self.table.of(message.chaddr)
        fixed = self._fixed(host, message.chaddr, contexts)
        if fixed is not None:
            self._send_offer(message, datagram, contexts, fixed)
            return
        tags = plan.tags_of(self._conf, message, contexts)
        if lease is not None and self._usable(contexts, lease.address, tags) and not self._reserved(lease.address):
            self._send_offer(message, datagram, contexts, lease.address)
            return
        if any(offer.message.chaddr == message.chaddr for offer in self._offers):
            return
        self._try_next(message, datagram, contexts, self._candidates(message, contexts), wish)

    def _try_next(
        self,
        message: DhcpMessage,
        datagram: Datagram,
        contexts: list[Context],
        candidates: Iterator[IPv4],
        wish: IPv4 | None,
    ) -> None:
        """Offer the next candidate, after a ping that nobody answers."""
        node = self._node
        address = next(candidates, None)
        if address is None:
            self._packet(message, datagram, wish or "", "no address available")
            return
        recent = node.now - self._pinged.get(address, -PING_CACHE_NS) < PING_CACHE_NS
        if self._conf.no_ping or recent or len(self._offers) >= MAX_PENDING:
            self._send_offer(message, datagram, contexts, address)
            return
        socket = node.transport.echo_open()
        node.transport.echo_send(socket, address, 0, size=20)
        self._offers.append(_Offer(message, datagram, contexts, candidates, address, socket, node.now + PING_WAIT_NS))

    def _in_use(self, offer: _Offer) -> None:
        """The address answered a ping: start elsewhere next time."""
        for context in offer.contexts:
            if offer.address in context.pool:
                self._epoch[context.pool] = self._epoch.get(context.pool, 0) + 1
        wish = offer.message.address(Option.REQUESTED_ADDRESS)
        self._try_next(offer.message, offer.datagram, offer.contexts, offer.candidates, wish)

    def _send_offer(self, message: DhcpMessage, datagram: Datagram, contexts: list[Context], address: IPv4) -> None:
        self._packet(message, datagram, message.address(Option.REQUESTED_ADDRESS) or "")
        self._packet(message, datagram, address, kind="DHCPOFFER")
        self._reply(message, datagram, self._context(message, contexts, address), address, MessageType.OFFER)

    def _request(self, message: DhcpMessage, datagram: Datagram, contexts: list[Context]) -> None:
        server = message.address(Option.SERVER_IDENTIFIER)
        wish = message.address(Option.REQUESTED_ADDRESS)
        lease = self.table.of(message.chaddr)
        authoritative = self._conf.authoritative
        complaint = ""
        if wish is not None:
            address = wish
            if server is not None:
                if not self._node.ip.is_local(server):
                    if not authoritative:
                        return
                    complaint = "wrong server-ID"
                if lease is not None and lease.address != address:
                    self._drop(lease)
                    lease = None
            elif lease is None and not authoritative:
                return  # INIT-REBOOT of a stranger: perhaps another server knows it
            elif lease is not None and lease.address != address:
                complaint = "wrong address"
        else:
            address = message.ciaddr
            if address == ANY:
                return
            if (lease is not None and lease.address != address) or (lease is None and not authoritative):
                if datagram.destination == LIMITED_BROADCAST:
                    return
                complaint = "lease not found"
        self._packet(message, datagram, address)
        complaint = complaint or self._objection(message, contexts, address, lease, selecting=server is not None)
        if complaint:
            self._packet(message, datagram, address, complaint, kind="DHCPNAK")
            self._refuse(message, datagram, contexts[0], complaint)
            return
        self._grant(message, datagram, self._context(message, contexts, address), address)

    def _drop(self, lease: ServerLease) -> None:
        self.table.remove(lease)
        self._save()

    def _save(self) -> None:
        path = self._conf.lease_file
        ensure_directory(self._node.files, path.rpartition("/")[0])
        try:
            self._node.files.write(path, render_leases(self.table.leases))
        except FileError as error:
            self._log(f"failed to write {path}: {error} (retry in 60s)")

    def _grant(self, message: DhcpMessage, datagram: Datagram, context: Context, address: IPv4) -> None:
        seconds = plan.lease_seconds(self._conf, message, context)
        expires = 0 if seconds == dhcp.FOREVER else int(self._node.wall_clock()) + seconds
        name = self._name(message, context, address)
        if name:
            other = self.table.named(name)
            if other is not None and other.mac != message.chaddr:
                self.table.put(other._replace(name=""))
        client = message.get(Option.CLIENT_IDENTIFIER)
        client_id = ":".join(f"{byte:02x}" for byte in client) if client else "*"
        self.table.put(ServerLease(expires, message.chaddr, address, name, client_id))
        self._save()
        self._packet(message, datagram, address, name, kind="DHCPACK")
        written = self._names.written(name) if name else []
        if written and all(known.address != address for known in written):
            self._log(
                f"not giving name {name} to the DHCP lease of {address} because the name exists in "
                f"{written[-1].source} with address {written[-1].address}"
            )
        self._reply(message, datagram, context, address, MessageType.ACK)

    def _release(self, message: DhcpMessage, datagram: Datagram, contexts: list[Context]) -> None:
        lease = self.table.of(message.chaddr)
        known = lease is not None and lease.address == message.ciaddr
        self._packet(message, datagram, message.ciaddr, "" if known else "unknown lease")
        if known and lease is not None:
            self._drop(lease)

    def _decline(self, message: DhcpMessage, datagram: Datagram, contexts: list[Context]) -> None:
        wish = message.address(Option.REQUESTED_ADDRESS)
        if wish is None:
            return
        self._packet(message, datagram, wish)
        lease = self.table.of(message.chaddr)
        if lease is not None and lease.address == wish:
            self._drop(lease)
        if self._conf.host_at(wish) is not None:
            self._log(f"disabling DHCP static address {wish} for 10m")
        self._declined[wish] = self._node.now + DECLINE_NS

    def _inform(self, message: DhcpMessage, datagram: Datagram, contexts: list[Context]) -> None:
        self._packet(message, datagram, message.ciaddr)
        self._packet(message, datagram, message.ciaddr, kind="DHCPACK")
        context = self._context(message, contexts, message.ciaddr)
        self._reply(message, datagram, context, message.ciaddr, MessageType.ACK, lease=False)

    # Answers

    def _reply(
        self,
        message: DhcpMessage,
        datagram: Datagram,
        context: Context,
        address: IPv4,
        kind: MessageType,
        *,
        lease: bool = True,
    ) -> None:
        options: list[tuple[int, bytes]] = [
            (Option.MESSAGE_TYPE, bytes([kind])),
            (Option.SERVER_IDENTIFIER, dhcp.pack_addresses(context.local)),
        ]
        if lease:
            seconds = plan.lease_seconds(self._conf, message, context)
            options.append((Option.LEASE_TIME, dhcp.pack_number(seconds)))
            if seconds != dhcp.FOREVER:
                options.append((Option.RENEWAL_TIME, dhcp.pack_number(seconds // 2)))
                options.append((Option.REBINDING_TIME, dhcp.pack_number(seconds * 7 // 8)))
        wanted = message.get(Option.PARAMETER_LIST)
        host = plan.client_host(self._conf, message, [context])
        name = self._name(message, context, address) if kind is MessageType.ACK or (host and host.name) else ""
        told = plan.told(self._conf, message, context, name=name)
        options += [(code, value) for code, value in told.items() if wanted is None or code in wanted]
        if self._conf.log_dhcp:
            self._log_options(message, options)
        answer = DhcpMessage(
            dhcp.BOOTREPLY,
            message.xid,
            message.chaddr,
            tuple((int(code), value) for code, value in options),
            message.ciaddr,
            address if lease else ANY,
            context.local,
            message.giaddr,
            broadcast=message.broadcast,
            hops=message.hops,
        )
        self._send(answer, datagram, context.local)

    def _log_options(self, message: DhcpMessage, options: list[tuple[int, bytes]]) -> None:
        for code, value in options:
            text = ".".join(str(byte) for byte in value) if code in ADDRESS_OPTIONS else value.hex(":")
            self._log(f"{message.xid} sent size:{len(value):3d} option:{int(code):3d} {text}")

    def _refuse(self, message: DhcpMessage, datagram: Datagram, context: Context, complaint: str) -> None:
        options = (
            (int(Option.MESSAGE_TYPE), bytes([MessageType.NAK])),
            (int(Option.SERVER_IDENTIFIER), dhcp.pack_addresses(context.local)),
            (int(Option.MESSAGE), complaint.encode()),
        )
        answer = DhcpMessage(
            dhcp.BOOTREPLY, message.xid, message.chaddr, options, giaddr=message.giaddr, broadcast=True
        )
        self._send(answer, datagram, context.local)

    def _send(self, answer: DhcpMessage, datagram: Datagram, local: IPv4) -> None:
        interface = self._node.interfaces.get(datagram.interface)
        if answer.giaddr != ANY:
            send(self._node, answer, local, (answer.giaddr, dhcp.SERVER_PORT), self._log)
        elif interface is not None:
            deliver(self._node, answer, interface, local, self._log)
