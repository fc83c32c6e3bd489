"""`ss`, after iproute2: the sockets of the device in its columns."""

from __future__ import annotations

import posixpath
from typing import TYPE_CHECKING, NamedTuple

from labs.model.addresses import Address, IPv6
from labs.net.tcp import TcpState
from labs.shell.commands.ss_filter import FilterMistake, Wish, read_filter
from labs.shell.options import UsageError, parse_options

if TYPE_CHECKING:
    from labs.net.process import Process, Program
    from labs.net.sockets import TcpListener, UdpSocket
    from labs.net.tcp import TcpConnection

__all__ = ["COMMANDS", "ss"]

BACKLOG = 128  # what listen(2) was given
SHORT = "hVnralometupiHsTESwxdMOKZzN:f:A:460b"
LONG = ["help", "version", "numeric", "resolve", "all", "listening", "tcp", "udp", "processes", "no-header", "summary",
        "ipv4", "ipv6", "oneline", "options", "extended", "memory", "info", "raw", "unix", "packet", "kill", "events",
        "family=", "query=", "socket=", "net=", "threads"]  # fmt: skip
NOT_SIMULATED = frozenset(
    "-e --extended -m --memory -i --info -K --kill -E --events -N --net -f --family -A --query --socket"
    " -r --resolve -T --threads -b -S -d -M".split()
)
USAGE = (
    "Usage: ss [ OPTIONS ]",
    "       ss [ OPTIONS ] [ FILTER ]",
    "   -h, --help          this message",
    "   -V, --version       output version information",
    "   -n, --numeric       don't resolve service names",
    "   -a, --all           display all sockets",
    "   -l, --listening     display listening sockets",
    "   -p, --processes     show process using socket",
    "   -s, --summary       show socket usage summary",
    "   -4, --ipv4          display only IP version 4 sockets",
    "   -6, --ipv6          display only IP version 6 sockets",
    "   -t, --tcp           display only TCP sockets",
    "   -u, --udp           display only UDP sockets",
    "   -H, --no-header     Suppress header line",
    "       FILTER := [ state STATE-FILTER ] [ EXPRESSION ]",
    "       EXPRESSION := sport = :PORT, dport = :PORT, src PREFIX, dst PREFIX with and, or, not, ( )",
)
SERVICES = {
    22: "ssh", 23: "telnet", 25: "smtp", 53: "domain", 67: "bootps", 68: "bootpc", 69: "tftp", 80: "http", 123: "ntp",
    161: "snmp", 443: "https", 514: "syslog", 587: "submission", 993: "imaps", 5060: "sip", 5353: "mdns",
    8080: "http-alt", 8883: "secure-mqtt",
}  # fmt: skip
# /etc/services knows some of them for one protocol only
TCP_ONLY = frozenset({22, 23, 25, 80, 443, 587, 993, 8080, 8883})
UDP_ONLY = frozenset({67, 68, 69, 123, 514, 5353})


class Row(NamedTuple):
    """One socket."""

    netid: str
    state: str
    received: int
    sent: int
    address: Address
    device: str | None
    port: int
    peer: Address | None
    peer_port: int | None
    program: str
    v6only: bool = False

    @property
    def wide(self) -> bool:
        """An IPv6 socket."""
        return isinstance(self.address, IPv6)

    @property
    def local(self) -> str:
        """The address as ss writes it: * is a socket on :: that takes IPv4 too."""
        if self.address == 0 and self.wide and not self.v6only:
            return "*"
        zone = f"%{self.device}" if self.device else ""
        return f"[{self.address}]{zone}" if self.wide else f"{self.address}{zone}"

    @property
    def far(self) -> str:
        """The other end; without one as wide as this end."""
        if self.peer is None:
            return ("[::]" if self.v6only or self.address else "*") if self.wide else "0.0.0.0"  # noqa: S104
        return f"[{self.peer}]" if self.wide else str(self.peer)


# What is left out where neither -a nor a state asks for it (SS_CONN, misc/ss.c).
UNSEEN = frozenset({TcpState.CLOSED, TcpState.TIME_WAIT, TcpState.SYN_RECEIVED})


def _listener_row(socket: TcpListener) -> Row:
    return Row(
        "tcp", "LISTEN", len(socket.backlog), BACKLOG, socket.address, None, socket.port, None, None, socket.program,
        socket.v6only,
    )  # fmt: skip


def _udp_row(socket: UdpSocket) -> Row:
    return Row(
        "udp", "UNCONN", 0, 0, socket.address, socket.interface, socket.port, None, None, socket.program, socket.v6only
    )


def _connection_row(connection: TcpConnection) -> Row:
    (address, port), (peer, peer_port) = connection.local, connection.remote
    waiting = 0 if connection.state is TcpState.TIME_WAIT else len(connection.inbox)
    unsent = connection.unsent_bytes
    sent = unsent() if callable(unsent) else unsent
    return Row("tcp", str(connection.state), waiting, sent, address, None, port, peer, peer_port, connection.program)


def ss(process: Process) -> int:
    """Show sockets."""
    try:
        options, words = parse_options(process.argv[1:], SHORT, LONG)
    except UsageError as error:
        process.error(f"ss: {error}", *USAGE)
        return 255
    flags = {option for option, _ in options}
    if flags & {"-h", "--help"}:
        process.print(*USAGE)
        return 0
    if flags & {"-V", "--version"}:
        process.print("ss utility, iproute2-6.1.0")
        return 0
    for option in sorted(flags & NOT_SIMULATED):
        process.error(f'ss: "{option}" is not simulated here')
        return 255
    if flags & {"-s", "--summary"}:
        return _summary(process)
    try:
        wish = read_filter(words, SERVICES)
    except FilterMistake as mistake:
        process.error(*mistake.lines)
        return mistake.status
    _print(process, flags, wish)
    return 0


def _rows(process: Process, flags: set[str], wish: Wish) -> list[Row]:
    """The sockets asked for: UDP first, then listeners, then connections."""
    transport = process.node.transport
    tcp = bool(flags & {"-t", "--tcp"})
    udp = bool(flags & {"-u", "--udp"})
    both = not (tcp or udp) and not flags & {"-x", "--unix", "-w", "--raw", "-0", "--packet"}
    everything = bool(flags & {"-a", "--all"}) or wish.states is not None
    listening = bool(flags & {"-l", "--listening"}) or everything
    connected = everything or not flags & {"-l", "--listening"}
    rows: list[Row] = []
    if (udp or both) and listening:
        rows += sorted(map(_udp_row, transport.udp_sockets()), key=lambda row: (row.port, row.wide, row.address))
    if tcp or both:
        if listening:
            rows += sorted(map(_listener_row, transport.listeners()), key=lambda row: (row.port, row.wide, row.address))
        if connected:
            hidden = {TcpState.CLOSED} if everything else UNSEEN
            rows += [_connection_row(c) for c in transport.connections() if c.state not in hidden]
    narrow, wide = bool(flags & {"-4", "--ipv4"}), bool(flags & {"-6", "--ipv6"})
    if narrow != wide:
        rows = [row for row in rows if row.wide == wide]
    return [row for row in rows if wish.fits(row)]


def _print(process: Process, flags: set[str], wish: Wish) -> None:
    rows = _rows(process, flags, wish)
    numeric = bool(flags & {"-n", "--numeric"})
    kinds = len(flags & {"-t", "-u", "-x", "-w", "--tcp", "--udp", "--unix", "--raw"})
    with_netid = kinds != 1
    only_udp = kinds == 1 and bool(flags & {"-u", "--udp"})
    one_state = wish.states is not None and len(wish.states) == 1
    with_state = not one_state and not (only_udp and not flags & {"-a", "--all", "-l", "--listening"})
    head = (["Netid"] if with_netid else []) + (["State"] if with_state else [])
    head += ["Recv-Q", "Send-Q", "Local Address", "Port", "Peer Address", "Port", "Process"]
    shows = bool(flags & {"-p", "--processes"})
    cells = []
    for row in rows:
        line = ([row.netid] if with_netid else []) + ([row.state] if with_state else [])
        line += [
            f"{row.received:<6}",
            f"{row.sent:<6}",
            row.local,
            service(row.port, row.netid, numeric=numeric),
            row.far,
        ]
        line += ["*" if row.peer_port is None else service(row.peer_port, row.netid, numeric=numeric)]
        cells.append([*line, _users(process, row) if shows else ""])
    table = cells if flags & {"-H", "--no-header"} else [head, *cells]
    if not table:
        return
    widths = [max(len(line[i]) for line in table) for i in range(len(head))]
    for line in table:
        process.print(_line(line, widths))


def _line(cells: list[str], widths: list[int]) -> str:
    """Addresses stand right, everything else left; a colon joins address and port."""
    padded = [f"{cell:<{width}}" for cell, width in zip(cells, widths, strict=True)]
    local, peer = len(cells) - 5, len(cells) - 3
    for index in (local, peer):
        padded[index] = f"{cells[index]:>{widths[index]}}"
    front = " ".join(padded[:local])
    return f"{front} {padded[local]}:{padded[local + 1]} {padded[peer]}:{padded[peer + 1]}{padded[-1]}"


def service(port: int, netid: str, *, numeric: bool) -> str:
    """A port by its name in /etc/services, or its number."""
    if numeric or port not in SERVICES or port in (UDP_ONLY if netid == "tcp" else TCP_ONLY):
        return str(port)
    return SERVICES[port]


def _users(process: Process, row: Row) -> str:
    """Which process holds the socket; descriptors 0 to 2 are taken, so it is 3."""
    for other in process.node.processes:
        if row.program and posixpath.basename(other.name) == posixpath.basename(row.program):
            return f' users:(("{posixpath.basename(row.program)}",pid={other.pid},fd=3))'
    return ""


def _summary(process: Process) -> int:
    transport = process.node.transport
    connections = transport.connections()
    waiting = sum(1 for c in connections if c.state is TcpState.TIME_WAIT)
    established = sum(1 for c in connections if c.state is TcpState.ESTABLISHED)
    udp = len(transport.udp_sockets())
    tcp = len(transport.listeners()) + len(connections) - waiting
    process.print(
        f"Total: {tcp + udp}",
        f"TCP:   {tcp + waiting} (estab {established}, closed {waiting}, orphaned 0, timewait {waiting})",
        "",
        "Transport Total     IP        IPv6",
    )
    for name, count in (("RAW", 0), ("UDP", udp), ("TCP", tcp), ("INET", udp + tcp), ("FRAG", 0)):
        process.print(f"{name}\t  {count:<9} {count:<9} {0:<9}")
    process.print("")
    return 0


COMMANDS: dict[str, Program] = {"ss": ss}
