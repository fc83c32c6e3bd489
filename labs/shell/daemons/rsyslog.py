"""rsyslogd: the journal of this device into files and to other devices, and theirs into files; from /etc/rsyslog.conf.

Simplified: the journal knows no priorities: a line is kern.info, auth.info, user.notice or daemon.info by its writer.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Generator, Mapping
from typing import TYPE_CHECKING

from labs.model.addresses import IPv4
from labs.net.filesystem import FileError
from labs.net.linux.units import Unit
from labs.net.process import SIGHUP, SIGKILL, SIGTERM, Interrupt, Process, Program, Routine, Signal, Wait
from labs.net.rsyslog_conf import (
    FACILITIES,
    SEVERITIES,
    VERSION,
    Action,
    RsyslogConf,
    message,
    parse_rsyslog,
    read_priority,
)
from labs.net.sockets import SocketError, TcpListener, UdpSocket, connect, listen
from labs.net.strftime import clock_text
from labs.net.tcp import TcpConnection
from labs.shell.resolver import ResolveError, resolve

if TYPE_CHECKING:
    from labs.net.linux.units import JournalLine

__all__ = ["rsyslogd"]

CONFIG = "/etc/rsyslog.conf"
SECOND = 1_000_000_000
RETRY_NS = 30 * SECOND  # action.resumeInterval
QUEUE = 1000
MAX_CLIENTS = 64
MAX_LOG = 400_000  # characters of one log file
AUTH = frozenset("sshd login sudo su passwd".split())
STAMP = re.compile(r"[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d ")


class _Forwarder:
    """The queue towards one other device."""

    def __init__(self, action: Action) -> None:
        self.action = action
        self.queue: deque[bytes] = deque(maxlen=QUEUE)
        self.signal = Signal()

    def put(self, data: bytes) -> None:
        """One message more; the oldest give way when nobody takes them."""
        self.queue.append(data)
        self.signal.fire()


def _forward(forwarder: _Forwarder, say: Process, serial: int) -> Program:
    """A worker: find the address, then send whatever comes."""
    action = forwarder.action

    def worker(process: Process) -> Routine:
        suspended = False
        name = f"action 'action-{serial}-builtin:omfwd'"

        def opened() -> None:
            nonlocal suspended
            if suspended:
                say.print(f"{name} resumed (module 'builtin:omfwd') {VERSION.format(2359)}")
            suspended = False

        while True:
            try:
                address = yield from resolve(process, action.target)
                run = _send_udp if action.kind == "udp" else _send_tcp
                yield from run(process, forwarder, address, opened)
                reason = "connection closed by peer"
            except ResolveError as error:
                reason = f"could not get addrinfo for hostname '{action.target}': {error}"
            except SocketError as error:
                reason = f"cannot connect to {action.target}:{action.port}: {error}"
            if not suspended:
                say.print(
                    f"{reason} {VERSION.format(2027)}",
                    f"{name} suspended (module 'builtin:omfwd'), retry 0. {VERSION.format(2007)}",
                )
            suspended = True
            until = process.node.now + RETRY_NS
            while process.node.now < until:
                yield Wait(until=until)

    return worker


def _send_udp(
    process: Process, forwarder: _Forwarder, address: IPv4, opened: Callable[[], None]
) -> Generator[Wait, None, None]:
    transport = process.node.transport
    socket = transport.udp_open(program="rsyslogd")
    process.cleanup.append(lambda: transport.udp_close(socket))
    opened()
    while True:
        while forwarder.queue:
            transport.udp_send(socket, address, forwarder.action.port, forwarder.queue.popleft())
        socket.errors.clear()
        yield Wait((forwarder.signal,))


def _send_tcp(
    process: Process, forwarder: _Forwarder, address: IPv4, opened: Callable[[], None]
) -> Generator[Wait, None, None]:
    connection = yield from connect(process, address, forwarder.action.port)
    opened()
    while not connection.peer_done:
        while forwarder.queue:
            connection.send(forwarder.queue.popleft() + b"\n", process.node.now)
        yield Wait((forwarder.signal, connection.signal))
    connection.close(process.node.now)


class _Daemon:
    """The inputs, the rules and the loop."""

    def __init__(self, process: Process, conf: RsyslogConf) -> None:
        self._process = process
        self._node = process.node
        self._conf = conf
        self._seen = self._node.units.count
        self._sockets: list[UdpSocket] = []
        self._listeners: list[TcpListener] = []
        self._clients: dict[TcpConnection, bytes] = {}
        self._forwarders: list[_Forwarder] = []

    def open(self) -> None:
        """Bind the inputs and start the workers; a port that is taken is complained about."""
        process, transport = self._process, self._node.transport
        for port in self._conf.udp_ports:
            try:
                socket = transport.udp_open(port, program="rsyslogd")
            except SocketError as error:
                process.print(f"bind: {error}", f"imudp: Could not bind UDP port {port} {VERSION.format(2077)}")
                continue
            self._sockets.append(socket)
            process.cleanup.append(lambda socket=socket: transport.udp_close(socket))  # type: ignore[misc]
        for port in self._conf.tcp_ports:
            try:
                self._listeners.append(listen(process, port))
            except SocketError as error:
                process.print(f"imtcp: error {error} while binding port {port} {VERSION.format(2077)}")
        for serial, action in enumerate(self._conf.actions):
            if action.kind != "file":
                forwarder = _Forwarder(action)
                self._forwarders.append(forwarder)
                worker = self._node.spawn(["rsyslogd"], _forward(forwarder, process, serial), directory="/")
                process.cleanup.append(lambda worker=worker: worker.kill(SIGKILL))  # type: ignore[misc]

    def run(self) -> Routine:
        """Take and pass on until a signal."""
        node = self._node
        while True:
            self._read_journal()
            for socket in self._sockets:
                while socket.queue:
                    datagram = socket.queue.popleft()
                    self._received(datagram.data, str(datagram.source))
            self._read_tcp()
            signals: list[Signal] = [node.units.written]
            signals += [socket.signal for socket in self._sockets]
            signals += [listener.signal for listener in self._listeners]
            signals += [connection.signal for connection in self._clients]
            if self._seen == node.units.count:
                yield Wait(tuple(signals))

    def _read_journal(self) -> None:
        node = self._node
        fresh = min(node.units.count - self._seen, len(node.units.journal))
        self._seen = node.units.count
        for line in list(node.units.journal)[-fresh:] if fresh else []:
            facility, severity = _priority(line, node.units.catalogue)
            stamp = clock_text(node.world.wall_clock(line.at_ns + node.clock_offset_ns), "%b %e %H:%M:%S")
            pid = f"[{line.pid}]" if line.pid else ""
            self._apply(facility, severity, f"{stamp} {node.hostname} {line.identifier or line.unit}{pid}: {line.text}")

    def _read_tcp(self) -> None:
        now = self._node.now
        for listener in self._listeners:
            while listener.backlog:
                connection = listener.backlog.popleft()
                if len(self._clients) < MAX_CLIENTS:
                    self._clients[connection] = b""
                else:
                    connection.abort(now)
        for connection in list(self._clients):
            *lines, rest = (self._clients[connection] + connection.receive()).split(b"\n")
            self._clients[connection] = rest[-8192:]
            for line in lines:
                self._received(line, str(connection.remote[0]))
            if connection.peer_done:
                connection.close(now)
                del self._clients[connection]

    def _received(self, data: bytes, source: str) -> None:
        """A message of another device; one without a time and name gets ours (RFC 3164 §4.3)."""
        if not data:
            return
        facility, severity, line = read_priority(data)
        if not STAMP.match(line):
            line = f"{clock_text(self._node.wall_clock(), '%b %e %H:%M:%S')} {source} {line}"
        self._apply(facility, severity, line, source)

    def _apply(self, facility: int, severity: int, line: str, source: str = "") -> None:
        files = self._node.files
        for action in self._conf.actions:
            if action.kind == "file" and action.takes(facility, severity):
                try:
                    if len(files.get(action.target)) < MAX_LOG:
                        files.append(action.target, f"{line}\n")
                except FileError:
                    continue
        for forwarder in self._forwarders:
            if forwarder.action.takes(facility, severity) and forwarder.action.target != source:
                forwarder.put(message(facility, severity, line))


def _priority(line: JournalLine, catalogue: Mapping[str, Unit]) -> tuple[int, int]:
    identifier = line.identifier or line.unit
    if identifier == "kernel":
        facility = "kern"
    elif identifier in AUTH:
        facility = "auth"
    elif line.unit in catalogue or identifier.startswith("systemd"):
        facility = "daemon"
    else:
        return FACILITIES.index("user"), SEVERITIES.index("notice")
    return FACILITIES.index(facility), SEVERITIES.index("info")


def rsyslogd(process: Process) -> Routine:
    """The daemon."""
    origin = f'[origin software="rsyslogd" swVersion="8.2302.0" x-pid="{process.pid}" x-info="https://www.rsyslog.com"]'
    try:
        conf = parse_rsyslog(process.node.files.read(CONFIG), CONFIG)
    except FileError as error:
        process.print(f"could not open config file '{CONFIG}': {error} {VERSION.format(2104)}")
        return 1
    process.print(*conf.complaints)
    if not conf.actions:
        process.print(
            "run failed with error -2103 "
            "(see rsyslog.h or try https://www.rsyslog.com/e/2103 to learn what that number means)"
        )
        return 1
    daemon = _Daemon(process, conf)
    daemon.open()
    process.print(f"{origin} start")
    while True:
        try:
            return (yield from daemon.run())
        except Interrupt as interrupt:
            if interrupt.signal == SIGTERM:
                process.print(f"{origin} exiting on signal 15.")
                return 0
            if interrupt.signal != SIGHUP:
                raise
            process.print(f"{origin} rsyslogd was HUPed")
