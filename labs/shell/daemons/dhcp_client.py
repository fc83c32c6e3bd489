"""The DHCP client: asks through a packet socket, configures the interface, renews, gives up.

Before changing this file read RFC 2131 §4.4 and dhclient-script as Debian 12 ships it (isc-dhcp-client 4.4.3).
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import suppress
from typing import TYPE_CHECKING

from labs.model.addresses import InterfaceAddress, IPv4, Network
from labs.model.state import Route
from labs.net import dhcp
from labs.net.dhclient_leases import Lease, lease_of, lease_text, read_lease, spread, without_leases
from labs.net.dhcp import DhcpMessage, MessageType, Option
from labs.net.dhcp_options import unpack_routes
from labs.net.ethernet import BROADCAST, ETHERTYPE_IPV4, Frame
from labs.net.filesystem import FileError, FileSystem
from labs.net.ipv4 import ANY, LIMITED_BROADCAST, PROTO_UDP, Ipv4Packet
from labs.net.process import Process, Routine, Wait
from labs.net.sockets import PacketSocket, SocketError
from labs.net.udp import UdpDatagram

if TYPE_CHECKING:
    from labs.net.interface import Interface
    from labs.net.linux.node import LinuxNode

__all__ = [
    "LEASE_FILE",
    "DhcpClient",
    "begin_lease_file",
    "ensure_directory",
    "pid_file",
    "running_client",
    "set_lifetime",
]

SECOND = 1_000_000_000
TIMEOUT_S = 60  # dhclient.conf(5): timeout
REBOOT_TIMEOUT_S = 10  # reboot
RETRY_S = 300  # retry
CUTOFF_S = 15  # backoff-cutoff
SHORTEST_RETRY_NS = 60 * SECOND  # RFC 2131 §4.4.5
LEASE_FILE = "/var/lib/dhcp/dhclient.leases"
MAX_LEASE_FILE = 20_000
REQUESTED = bytes((1, 28, 2, 3, 15, 6, 119, 12, 44, 47, 26, 121, 42))  # the request of Debian's dhclient.conf


def pid_file(interface: str) -> str:
    """Where the client of an interface leaves its process number."""
    return f"/run/dhclient.{interface}.pid"


def running_client(node: LinuxNode, interface: str) -> Process | None:
    """The client that looks after an interface."""
    text = node.files.get(pid_file(interface)).strip()
    process = node.processes.get(int(text)) if text.isdecimal() else None
    return process if process is not None and process.name == "dhclient" else None


def set_lifetime(node: LinuxNode, interface: Interface, address: InterfaceAddress, until_ns: int | None) -> None:
    """What `valid_lft` does: mark the address as dynamic and let the kernel remove it at that time."""
    label = interface.labels.setdefault(address, {})
    if until_ns is None:
        label.pop("dynamic", None)
        label.pop("valid_until_ns", None)
        return
    label["dynamic"] = "1"
    label["valid_until_ns"] = str(until_ns)

    def expire() -> None:
        current = interface.labels.get(address, {}).get("valid_until_ns")
        if current is not None and int(current) <= node.now and address in interface.addresses:
            node.remove_address(interface, address)

    node.call_at(until_ns, expire)


class DhcpClient:
    """The client of one interface. It runs in one process at a time: first the caller's, then one in the background."""

    def __init__(self, process: Process, interface: Interface, *, verbose: bool = False) -> None:
        self.node = process.node
        self.interface = interface
        self.lease: Lease | None = None
        self._verbose = verbose
        self._speaker = ANY
        """Who sent the last answer: the server, or a relay."""
        self._xid = spread(int(interface.mac) + self.node.now // SECOND, 65_521) << 16 | (int(interface.mac) & 0xFFFF)
        self.adopt(process)

    def adopt(self, process: Process) -> None:
        """Go on in this process: open its sockets."""
        node, name = self.node, self.interface.name
        self.process = process
        self._socket: PacketSocket = node.transport.packet_open(name)
        self._socket.accepts = _for_clients
        socket = self._socket
        process.cleanup.append(lambda: node.transport.packet_close(socket))
        with suppress(SocketError):  # a second client on the same interface shares the port in real life
            holder = node.transport.udp_open(dhcp.CLIENT_PORT, interface=name, program="dhclient")
            process.cleanup.append(lambda: node.transport.udp_close(holder))

    def say(self, line: str) -> None:
        """A line for syslog, and for the terminal with -v."""
        self.node.units.log("dhclient", line, self.process.pid)
        if self._verbose:
            self.process.error(line)

    def silence(self) -> None:
        """In the background only syslog hears it."""
        self._verbose = False

    # Getting a lease

    def acquire(self) -> Generator[Wait, None, bool]:
        """INIT-REBOOT with a remembered lease, else INIT: True when bound. Gives up after a minute."""
        node = self.node
        begin_lease_file(node.files)
        known = read_lease(node.files.get(LEASE_FILE), self.interface.name, node.wall_clock(), node.now)
        if known is not None:
            answer = yield from self._request(known.address, None, self.node.now + REBOOT_TIMEOUT_S * SECOND)
            if answer is not None and answer.type is MessageType.ACK:
                self._bind(answer, "REBOOT")
                return True
        return (yield from self._discover(known.address if known is not None else None))

    def _discover(self, wish: IPv4 | None) -> Generator[Wait, None, bool]:
        node = self.node
        started = node.now
        elapsed_s = interval_s = round_ = 0
        self._xid = self._xid + 0x01000193 & 0xFFFFFFFF
        while elapsed_s <= TIMEOUT_S:
            interval_s = self._interval(interval_s, round_)
            interval_s = min(interval_s, TIMEOUT_S + 1 - elapsed_s)
            round_ += 1
            self.say(f"DHCPDISCOVER on {self.interface.name} to 255.255.255.255 port 67 interval {interval_s}")
            self._broadcast(MessageType.DISCOVER, elapsed_s, requested=wish)
            deadline = node.now + interval_s * SECOND
            offer = yield from self._answer(deadline, MessageType.OFFER)
            if offer is not None:
                server = offer.address(Option.SERVER_IDENTIFIER) or offer.siaddr
                self.say(f"DHCPOFFER of {offer.yiaddr} from {self._speaker}")
                answer = yield from self._request(offer.yiaddr, server, node.now + REBOOT_TIMEOUT_S * SECOND)
                if answer is not None and answer.type is MessageType.ACK:
                    self._bind(answer, "BOUND")
                    return True
            elapsed_s = (node.now - started) // SECOND
            if elapsed_s >= TIMEOUT_S + 1:
                break
        self.say("No DHCPOFFERS received.")
        return False

    def _interval(self, last_s: int, round_: int) -> int:
        """Seconds until the next try: random exponential backoff, drawn from the hardware address."""
        draw = int(self.interface.mac) + self._xid + 7919 * round_
        if not last_s:
            return 4 + spread(draw, 5)
        interval = last_s + spread(draw, 2 * last_s)
        return interval if interval <= CUTOFF_S else CUTOFF_S // 2 + spread(draw, CUTOFF_S)

    def _request(self, address: IPv4, server: IPv4 | None, deadline: int) -> Generator[Wait, None, DhcpMessage | None]:
        """Ask for one address by broadcast, again every few seconds; the ACK or NAK, or None."""
        node = self.node
        round_ = 0
        while node.now < deadline:
            self.say(f"DHCPREQUEST for {address} on {self.interface.name} to 255.255.255.255 port 67")
            self._broadcast(MessageType.REQUEST, 0, requested=address, server=server)
            until = min(deadline, node.now + self._interval(0, round_) * SECOND)
            round_ += 1
            answer = yield from self._answer(until, MessageType.ACK, MessageType.NAK)
            if answer is not None:
                self._heard(answer)
                return answer
        return None

    def _heard(self, answer: DhcpMessage) -> None:
        if answer.type is MessageType.ACK:
            self.say(f"DHCPACK of {answer.yiaddr} from {self._speaker}")
        else:
            self.say(f"DHCPNAK from {self._speaker} (xid=0x{int.from_bytes(self._xid.to_bytes(4, 'big'), 'little'):x})")

    # Keeping it

    def keep(self) -> Routine:
        """Renew at T1, rebind at T2, lose the address at the end, start again: for ever."""
        while True:
            if self.lease is None:
                if not (yield from self.acquire()):
                    self.say("No working leases in persistent database - sleeping.")
                    yield from self.pause()
                continue
            if self.lease.until_ns is None:
                yield Wait()
                continue
            yield from self._sleep(self.lease.renew_ns)
            yield from self._renew(self.lease.rebind_ns, self.lease.server)
            if self.lease is not None and self.lease.rebind_ns <= self.node.now:
                assert self.lease.until_ns is not None
                yield from self._renew(self.lease.until_ns, None)
            if self.lease is not None and self.lease.until_ns is not None and self.lease.until_ns <= self.node.now:
                self._give_up()

    def pause(self) -> Generator[Wait, None, None]:
        """Sleep until the next attempt after a failed one."""
        yield from self._sleep(self.node.now + RETRY_S * SECOND)

    def _sleep(self, until: int) -> Generator[Wait, None, None]:
        while self.node.now < until:
            self._socket.queue.clear()
            yield Wait((), until)

    def _renew(self, end_ns: int, server: IPv4 | None) -> Generator[Wait, None, None]:
        """RENEWING towards the server that granted, REBINDING towards everybody."""
        node, lease = self.node, self.lease
        assert lease is not None
        self._xid = self._xid + 0x01000193 & 0xFFFFFFFF
        while node.now < end_ns:
            to = server or LIMITED_BROADCAST
            self.say(f"DHCPREQUEST for {lease.address} on {self.interface.name} to {to} port 67")
            if server is None:
                self._broadcast(MessageType.REQUEST, 0, current=lease.address)
            else:
                self._unicast(MessageType.REQUEST, lease.address, server)
            pause = max((end_ns - node.now) // 2, SHORTEST_RETRY_NS)
            answer = yield from self._answer(min(end_ns, node.now + pause), MessageType.ACK, MessageType.NAK)
            if answer is None:
                continue
            self._heard(answer)
            if answer.type is MessageType.ACK:
                self._bind(answer, "RENEW" if server is not None else "REBIND")
            else:
                self._give_up()
            return

    def _give_up(self) -> None:
        """EXPIRE: the address goes."""
        if self.lease is not None:
            remove_lease_address(self.node, self.interface, self.lease)
        self.lease = None
        forget_lease(self.node, self.interface.name)

    def release(self, lease: Lease) -> None:
        """Hand the lease back."""
        self.say(f"DHCPRELEASE of {lease.address} on {self.interface.name} to {lease.server} port 67")
        error = self._unicast(MessageType.RELEASE, lease.address, lease.server)
        if error is not None:
            self.say(f"send_packet: {error}")
            self.say("send_packet: please consult README file regarding broadcast address.")
            self.say("dhclient.c:3124: Failed to send 300 byte long packet over fallback interface.")

    # Messages

    def _message(self, kind: MessageType, seconds: int, current: IPv4, options: list[tuple[int, bytes]]) -> bytes:
        name = self.node.hostname.encode()
        every = [(int(Option.MESSAGE_TYPE), bytes([kind])), *options]
        if kind is not MessageType.RELEASE:
            every += [(int(Option.HOSTNAME), name), (int(Option.PARAMETER_LIST), REQUESTED)]
        message = DhcpMessage(dhcp.BOOTREQUEST, self._xid, self.interface.mac, tuple(every), current, seconds=seconds)
        return dhcp.encode(message)

    def _broadcast(
        self,
        kind: MessageType,
        seconds: int,
        *,
        requested: IPv4 | None = None,
        server: IPv4 | None = None,
        current: IPv4 = ANY,
    ) -> None:
        """Through the packet socket: past netfilter, without an address of our own."""
        options = []
        if server is not None:
            options.append((int(Option.SERVER_IDENTIFIER), dhcp.pack_addresses(server)))
        if requested is not None:
            options.append((int(Option.REQUESTED_ADDRESS), dhcp.pack_addresses(requested)))
        data = self._message(kind, seconds, current, options)
        datagram = UdpDatagram(dhcp.CLIENT_PORT, dhcp.SERVER_PORT, data)
        packet = Ipv4Packet(current, LIMITED_BROADCAST, PROTO_UDP, datagram, ttl=128, tos=0x10)  # dhclient's packet.c
        if not self.interface.up:
            self.say("send_packet: Network is down")
            return
        self.node.link.transmit(self.interface, Frame(BROADCAST, self.interface.mac, ETHERTYPE_IPV4, packet))

    def _unicast(self, kind: MessageType, current: IPv4, server: IPv4) -> str | None:
        """Through the UDP socket, as every other program sends."""
        options = [(int(Option.SERVER_IDENTIFIER), dhcp.pack_addresses(server))] if kind is MessageType.RELEASE else []
        datagram = UdpDatagram(dhcp.CLIENT_PORT, dhcp.SERVER_PORT, self._message(kind, 0, current, options))
        source = current if self.node.ip.is_local(current) else ANY
        return self.node.ip.output(Ipv4Packet(source, server, PROTO_UDP, datagram))

    def _answer(self, deadline: int, *kinds: MessageType) -> Generator[Wait, None, DhcpMessage | None]:
        while True:
            while self._socket.queue:
                frame = self._socket.queue.popleft()[3]
                assert isinstance(frame.payload, Ipv4Packet)
                assert isinstance(frame.payload.payload, UdpDatagram)
                with suppress(ValueError):
                    message = dhcp.decode(frame.payload.payload.data)
                    mine = message.xid == self._xid and message.chaddr == self.interface.mac
                    if mine and message.operation == dhcp.BOOTREPLY and message.type in kinds:
                        self._speaker = frame.payload.src
                        return message
            if self.node.now >= deadline:
                return None
            yield Wait((self._socket.signal,), deadline)

    # What dhclient-script does

    def _bind(self, answer: DhcpMessage, reason: str) -> None:
        node, interface = self.node, self.interface
        old, lease = self.lease, lease_of(answer, node.now)
        self.lease = lease
        if old is not None and old.address != lease.address:
            remove_lease_address(node, interface, old)
        address = lease.interface_address
        if reason in ("BOUND", "REBOOT") or old is None or old.address != lease.address:
            if node.add_address(interface, address):
                self._label(address, lease)
            else:
                self.process.error("Error: ipv4: Address already assigned.")
            if lease.mtu > 576:
                interface.mtu = lease.mtu
            self._routes(lease)
        elif address in interface.addresses or node.add_address(interface, address):
            self._label(address, lease)
        if (lease.domain or lease.search) and not lease.name_servers and not node.files.exists("/etc/resolv.conf"):
            self.process.error("sed: can't read /etc/resolv.conf: No such file or directory")  # it keeps old servers
        write_resolv_conf(node.files, lease)
        _remember(node, interface.name, lease)
        if lease.until_ns is None:
            self.say("Timeout too large reducing to: 2147483646 (TIME_MAX - 1)")
        self.say(f"bound to {lease.address} -- renewal in {(lease.renew_ns - node.now) // SECOND} seconds.")

    def _label(self, address: InterfaceAddress, lease: Lease) -> None:
        label = self.interface.labels.setdefault(address, {})
        if lease.broadcast is not None:
            label["brd"] = str(lease.broadcast)
        set_lifetime(self.node, self.interface, address, lease.until_ns)

    def _routes(self, lease: Lease) -> None:
        """`ip route add default via … dev …`: silent where it fails, as in the script; or the routes of RFC 3442."""
        table, name = self.node.ip.routes, self.interface.name
        told = lease.option(Option.CLASSLESS_ROUTES)
        for number, router in enumerate(() if told else lease.routers):
            if lease.netmask == LIMITED_BROADCAST:
                table.add(Route(Network(router, 32), name, scope="link"))
            self._way(Network(IPv4(0), 0), router, number + 1 if len(lease.routers) > 1 else 0)
        for prefix, router in unpack_routes(told):
            if router == ANY:
                table.add(Route(prefix, name, scope="link"))
            else:
                self._way(prefix, router, 0)

    def _way(self, prefix: Network, router: IPv4, metric: int) -> None:
        table = self.node.ip.routes
        if table.connected(router) is not None:
            table.add(Route(prefix, self.interface.name, via=router, metric=metric))


def _for_clients(frame: Frame) -> bool:
    packet = frame.payload
    return (
        isinstance(packet, Ipv4Packet)
        and isinstance(packet.payload, UdpDatagram)
        and packet.payload.dport == dhcp.CLIENT_PORT
        and packet.payload.sport == dhcp.SERVER_PORT
    )


def remove_lease_address(node: LinuxNode, interface: Interface, lease: Lease) -> None:
    """`ip -4 addr flush dev IF label IF`: what EXPIRE, RELEASE and STOP do."""
    if lease.interface_address in interface.addresses:
        for address in list(interface.addresses):
            node.remove_address(interface, address)


def write_resolv_conf(files: FileSystem, lease: Lease) -> None:
    """make_resolv_conf of dhclient-script."""
    if not lease.domain and not lease.name_servers and not lease.search:
        return
    lines = [f"domain {lease.domain.split()[0]}"] if lease.domain else []
    search = lease.search
    if lease.domain and lease.domain not in (name.rstrip(".") for name in search):
        search = (lease.domain, *search)
    if search:
        lines.append(f"search {' '.join(search)}")
    if lease.name_servers:
        lines += [f"nameserver {server}" for server in lease.name_servers]
    else:
        lines += [line for line in files.get("/etc/resolv.conf").splitlines() if line.strip().startswith("nameserver")]
    with suppress(FileError):
        files.write("/etc/resolv.conf", "".join(f"{line}\n" for line in lines))


def _remember(node: LinuxNode, interface: str, lease: Lease) -> None:
    files = node.files
    text = files.get(LEASE_FILE)
    if len(text) > MAX_LEASE_FILE:
        text = ""
    with suppress(FileError):
        files.write(LEASE_FILE, text + lease_text(interface, lease, node.wall_clock(), node.now))


def begin_lease_file(files: FileSystem) -> None:
    """Every dhclient writes the file that it reads, even where there is nothing in it."""
    ensure_directory(files, LEASE_FILE.rpartition("/")[0])
    if not files.exists(LEASE_FILE):
        with suppress(FileError):
            files.write(LEASE_FILE, "")


def forget_lease(node: LinuxNode, interface: str) -> None:
    """Take the leases of an interface out of the lease file."""
    if node.files.is_file(LEASE_FILE):
        node.files.write(LEASE_FILE, without_leases(node.files.get(LEASE_FILE), interface))


def ensure_directory(files: FileSystem, path: str) -> None:
    """`mkdir -p`."""
    parent = path.rpartition("/")[0]
    if parent and not files.is_directory(parent):
        ensure_directory(files, parent)
    if not files.is_directory(path):
        with suppress(FileError):
            files.make_directory(path)
