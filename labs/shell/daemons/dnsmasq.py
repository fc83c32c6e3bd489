"""dnsmasq: names and addresses for a small network, from /etc/dnsmasq.conf."""

from __future__ import annotations

from collections.abc import Generator

from labs.model.addresses import Address, IPv4
from labs.net.dhcp import SERVER_PORT
from labs.net.dnsmasq_conf import QUIET, DnsmasqConf, DnsmasqError, parse_dnsmasq
from labs.net.filesystem import FileError
from labs.net.ipv4 import ANY
from labs.net.process import SIGHUP, SIGTERM, Interrupt, Process, Routine, Signal, Wait
from labs.net.sockets import SocketError, TcpListener, UdpSocket, listen
from labs.net.tcp import TcpConnection, TcpState
from labs.shell.daemons.dhcp_relay import Relay
from labs.shell.daemons.dnsmasq_dhcp import DhcpServer
from labs.shell.daemons.dnsmasq_dns import Asker, DnsServer

__all__ = ["dnsmasq"]

CONFIG = "/etc/dnsmasq.conf"
COMPILED = (
    "IPv6 GNU-getopt DBus no-UBus i18n IDN2 DHCP DHCPv6 no-Lua TFTP conntrack ipset nftset auth cryptohash DNSSEC"
    " loop-detect inotify dumpfile"
)
MAX_TCP = 20  # MAX_PROCS, config.h


class _Fatal(Exception):
    """A reason to end at once: the message and dnsmasq's exit status (EC_BADCONF 1, EC_BADNET 2, EC_FILE 3)."""

    def __init__(self, text: str, status: int) -> None:
        super().__init__(text)
        self.status = status


def read_configuration(process: Process, path: str = CONFIG) -> DnsmasqConf:
    """Read the configuration. Raises _Fatal with dnsmasq's words."""
    try:
        text = process.node.files.read(path)
    except FileError as error:
        raise _Fatal(f"cannot read {path}: {error}", 3) from None
    try:
        return parse_dnsmasq(text)
    except DnsmasqError as error:
        raise _Fatal(f"{error} of {path}", 1) from None


def dnsmasq(process: Process) -> Routine:
    """The service; `dnsmasq --test` only reads the configuration."""
    path = CONFIG
    words = process.argv[1:]
    if "-C" in words[:-1]:
        path = words[words.index("-C") + 1]
    try:
        conf = read_configuration(process, path)
        if "--test" in words:
            process.error("dnsmasq: syntax check OK.")
            return 0
        daemon = _Daemon(process, conf)
        daemon.open()
    except _Fatal as fatal:
        process.error("", f"dnsmasq: {fatal}")
        return fatal.status
    process.endless = True
    return (yield from daemon.run())


class _Daemon:
    """The sockets and the loop."""

    def __init__(self, process: Process, conf: DnsmasqConf) -> None:
        self._process = process
        self._node = process.node
        self._conf = conf
        self._dhcp_socket: UdpSocket | None = None
        self._dns_sockets: list[UdpSocket] = []
        self._listeners: list[TcpListener] = []
        self._connections: list[TcpConnection] = []
        table_owner = DhcpServer(self._node, conf, self._dhcp_log) if conf.ranges else None
        self._dhcp = table_owner
        self._relay = (
            Relay(self._node, conf.relays, conf.serves_dhcp, self._dhcp_log, verbose=conf.log_dhcp)
            if conf.relays
            else None
        )
        self._dns = DnsServer(self._node, conf, table_owner.table if table_owner else None, self.log)

    def log(self, line: str) -> None:
        """A line of the DNS half."""
        self._process.print(line)

    def _dhcp_log(self, line: str) -> None:
        self._node.units.log("dnsmasq", line, self._process.pid, identifier="dnsmasq-dhcp")

    # Start

    def open(self) -> None:
        """Bind every port. Raises _Fatal."""
        conf, node = self._conf, self._node
        for address in conf.listen_addresses:
            if not node.ip.is_local(address):
                raise _Fatal(f"failed to create listening socket for {address}: Cannot assign requested address", 2)
        for name in conf.interfaces:
            if name not in node.interfaces and conf.bind_interfaces:
                raise _Fatal(f"unknown interface {name}", 2)
        addresses = self._addresses() if conf.bind_interfaces else [ANY]
        if conf.port:
            for address in addresses:
                self._open_dns(address)
            self._dns.upstream = self._udp(0, ANY)
        if self._dhcp is not None or self._relay is not None:
            try:
                self._dhcp_socket = self._udp(SERVER_PORT, ANY)
            except SocketError as error:
                raise _Fatal(f"failed to bind DHCP server socket: {error}", 2) from None
        self._greet()

    def _addresses(self) -> list[IPv4]:
        """What `bind-interfaces` binds."""
        conf = self._conf
        found = []
        for interface in self._node.interfaces.values():
            if not self._serves(interface.name):
                continue
            found += [a.address for a in interface.addresses if isinstance(a.address, IPv4)]
        wanted = conf.listen_addresses
        return [address for address in found if not wanted or address in wanted or conf.interfaces]

    def _open_dns(self, address: IPv4) -> None:
        where = f"for {address}" if address != ANY else f"for port {self._conf.port}"
        try:
            self._dns_sockets.append(self._udp(self._conf.port, address))
            self._listeners.append(listen(self._process, self._conf.port, address))
        except SocketError as error:
            raise _Fatal(f"failed to create listening socket {where}: {error}", 2) from None

    def _udp(self, port: int, address: IPv4) -> UdpSocket:
        transport = self._node.transport
        socket = transport.udp_open(port, address, program="dnsmasq")
        self._process.cleanup.append(lambda: transport.udp_close(socket))
        return socket

    def _greet(self) -> None:
        conf = self._conf
        self.log(
            f"started, version 2.90 cachesize {conf.cache_size}" if conf.port else "started, version 2.90 DNS disabled"
        )
        self.log(f"compile time options: {COMPILED}")
        for name in conf.interfaces:
            if name not in self._node.interfaces:
                self.log(f"warning: interface {name} does not currently exist")
        for line in conf.others:
            word = line.partition("=")[0]
            if word not in QUIET:
                self.log(f'warning: "{line}" is not simulated here')
        resolv = conf.resolv_file or "/etc/resolv.conf"
        if conf.no_resolv and not any(s.address is not None for s in conf.servers) and conf.port:
            self.log("warning: no upstream servers configured")
        if self._dhcp is not None:
            self._dhcp.greet()
        if self._relay is not None:
            self._relay.greet()
        if not conf.port:
            return
        if not conf.no_resolv:
            self.log(f"reading {resolv}")
        for server in conf.servers:
            port = f"#{server.port}"
            for domain in server.domains or ("",):
                only = f" for domain {domain}" if domain else ""
                if server.address is None:
                    self.log(f"using only locally-known addresses for {domain or 'unqualified names'}")
                else:
                    self.log(f"using nameserver {server.address}{port}{only}")
        if not conf.no_resolv:
            for line in self._node.files.get(resolv).splitlines():
                parts = line.split()
                if len(parts) > 1 and parts[0] == "nameserver":
                    self.log(f"using nameserver {parts[1]}#53")
        for path in [*([] if conf.no_hosts else ["/etc/hosts"]), *conf.addn_hosts]:
            names = sum(len(names) for _, names, source in self._dns.names.hosts() if source == path)
            self.log(f"read {path} - {names} names")
        if conf.no_hosts and not conf.addn_hosts and conf.cache_size:
            self.log("cleared cache")

    # The loop

    def run(self) -> Routine:
        """Serve until a signal."""
        try:
            while True:
                try:
                    yield from self._serve()
                except Interrupt as interrupt:
                    if interrupt.signal != SIGHUP:
                        raise
        except Interrupt as interrupt:
            if interrupt.signal != SIGTERM:
                raise
            self.log("exiting on receipt of SIGTERM")
            return 0
        finally:
            if self._dhcp is not None:
                self._dhcp.close()

    def _serve(self) -> Generator[Wait, None, None]:
        while True:
            self._dns_work()
            until = None
            signals: list[Signal] = [socket.signal for socket in self._dns_sockets]
            signals += [listener.signal for listener in self._listeners]
            signals += [connection.signal for connection in self._connections]
            if self._dns.upstream is not None:
                signals.append(self._dns.upstream.signal)
            self._dhcp_work()
            if self._dhcp_socket is not None:
                signals.append(self._dhcp_socket.signal)
            if self._dhcp is not None:
                signals += [socket.signal for socket in self._dhcp.signals()]
                until = self._dhcp.next_wake()
            yield Wait(tuple(signals), until)

    def _dhcp_work(self) -> None:
        while self._dhcp_socket is not None and self._dhcp_socket.queue:
            datagram = self._dhcp_socket.queue.popleft()
            if (self._relay is None or not self._relay.take(datagram)) and self._dhcp is not None:
                self._dhcp.receive(datagram)
        if self._dhcp is not None:
            self._dhcp.wake()

    def _dns_work(self) -> None:
        for socket in self._dns_sockets:
            socket.errors.clear()
            while socket.queue:
                datagram = socket.queue.popleft()
                if self._serves(datagram.interface) and self._listens(datagram.destination):
                    self._dns.receive(datagram.data, self._dns.datagram_asker(datagram))
        upstream = self._dns.upstream
        while upstream is not None and upstream.queue:
            self._dns.answered(upstream.queue.popleft())
        self._dns.unreachable()
        self._tcp_work()

    def _tcp_work(self) -> None:
        """Queries over TCP: two bytes of length before each message (RFC 1035 §4.2.2)."""
        now = self._node.now
        for listener in self._listeners:
            while listener.backlog:
                connection = listener.backlog.popleft()
                if len(self._connections) < MAX_TCP:
                    self._connections.append(connection)
                else:
                    connection.abort(now)
        for connection in list(self._connections):
            while len(connection.inbox) >= 2:
                size = int.from_bytes(connection.inbox[:2], "big")
                if len(connection.inbox) < 2 + size:
                    break
                data = bytes(connection.inbox[2 : 2 + size])
                del connection.inbox[: 2 + size]
                self._dns.receive(data, _connection_asker(connection, self._node.now))
            if connection.peer_done or connection.state is TcpState.CLOSED:
                connection.close(now)
                self._connections.remove(connection)

    def _serves(self, interface: str) -> bool:
        """Which interfaces queries are taken from; with interface= the loopback is always one of them."""
        conf = self._conf
        if interface in conf.except_interfaces:
            return False
        return not conf.interfaces or interface in conf.interfaces or interface == "lo" or bool(conf.listen_addresses)

    def _listens(self, address: Address) -> bool:
        conf = self._conf
        return not conf.listen_addresses or bool(conf.interfaces) or address in conf.listen_addresses


def _connection_asker(connection: TcpConnection, now: int) -> Asker:
    def reply(data: bytes) -> None:
        connection.send(len(data).to_bytes(2, "big") + data, now)

    return Asker(connection.remote[0], "", reply)
