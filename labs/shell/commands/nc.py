"""nc (OpenBSD netcat): open a connection or wait for one, and pass text both ways.

Before changing this file compare with the real tool: netcat-openbsd 1.219.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass

from labs.model.addresses import Address, IPv6, parse_address
from labs.net.interface import Interface
from labs.net.ipv4 import ANY
from labs.net.ipv6 import ANY6
from labs.net.process import Process, Program, Routine, Signal, Wait
from labs.net.service_names import port_name, port_number
from labs.net.sockets import SocketError, UdpSocket, connect, listen
from labs.net.tcp import TcpConnection, TcpState
from labs.shell.options import UsageError, parse_options
from labs.shell.resolver import Place, ResolveError, is_hard, literal_place, lookup, reverse

__all__ = ["COMMANDS", "relay"]

SECOND = 1_000_000_000
MAX_PORTS = 4096
USAGE = (
    "usage: nc [-46CDdFhklNnrStUuvZz] [-I length] [-i interval] [-M ttl]",
    "\t  [-m minttl] [-O length] [-P proxy_username] [-p source_port]",
    "\t  [-q seconds] [-s sourceaddr] [-T keyword] [-V rtable] [-W recvlimit]",
    "\t  [-w timeout] [-X proxy_protocol] [-x proxy_address[:port]]",
    "\t  [destination] [port]",
)


class _Refusal(Exception):
    """A line for stderr, and the end."""


@dataclass(slots=True)
class _Options:
    listen: bool = False
    udp: bool = False
    scan: bool = False
    verbose: bool = False
    numeric: bool = False
    keep: bool = False
    shut: bool = False
    deaf: bool = False
    timeout_ns: int = 0
    quit_ns: int | None = None
    port: str = ""
    source: str = ""
    family: str = ""

    @property
    def protocol(self) -> str:
        """The word for messages."""
        return "udp" if self.udp else "tcp"


def _read(arguments: list[str]) -> tuple[_Options, list[str]]:
    options = _Options()
    words, operands = parse_options(arguments, "46CDdFhklNnrStUuvZzI:i:M:m:O:P:p:q:s:T:V:W:w:X:x:b")
    flags = {
        "-l": "listen",
        "-u": "udp",
        "-z": "scan",
        "-v": "verbose",
        "-n": "numeric",
        "-k": "keep",
        "-N": "shut",
        "-d": "deaf",
    }
    for option, value in words:
        if option in flags:
            setattr(options, flags[option], True)
        elif option == "-w":
            if not value.isdecimal():
                raise _Refusal(f"timeout invalid: {value}")
            options.timeout_ns = int(value) * SECOND
        elif option == "-q":
            if not value.removeprefix("-").isdecimal():
                raise _Refusal(f"quit timer invalid: {value}")
            options.quit_ns = int(value) * SECOND if not value.startswith("-") else None
        elif option == "-p":
            options.port = value
        elif option == "-s":
            options.source = value
        elif option == "-h":
            raise UsageError("")
        elif option in ("-4", "-6"):
            options.family = "ip" if option == "-4" else "ip6"
        elif option != "-r":
            raise _Refusal(f'"{option}" is not simulated here')
    return options, operands


def _ports(text: str, protocol: str) -> list[int]:
    low, dash, high = text.partition("-")
    if dash and low.isdecimal() and high.isdecimal():
        first, last = _port(low, protocol), _port(high, protocol)
        ports = list(range(min(first, last), max(first, last) + 1))
        if len(ports) > MAX_PORTS:
            raise _Refusal(f"more than {MAX_PORTS} ports at once are not simulated here")
        return ports
    return [_port(text, protocol)]


def _port(text: str, protocol: str) -> int:
    number = port_number(protocol, text)
    if number:
        return number
    if text.isdecimal():
        raise _Refusal(f"port number too {'small' if int(text) < 1 else 'large'}: {text}")
    raise _Refusal(f"port number invalid: {text}")


def nc(process: Process) -> Routine:
    """The program."""
    try:
        options, operands = _read(process.argv[1:])
        run = _listen if options.listen else _connect
        return (yield from run(process, options, operands))
    except UsageError as error:
        process.error(*([f"nc: {error}"] if str(error) else []), *USAGE)
        return 1
    except _Refusal as refusal:
        process.error(f"nc: {refusal}")
        return 1


def _connect(process: Process, options: _Options, operands: list[str]) -> Routine:
    if not operands or options.keep:
        raise UsageError("")
    if len(operands) == 1:
        raise _Refusal("missing port number")
    host, *texts = operands
    ports = [port for text in texts for port in _ports(text, options.protocol)]
    if options.source and not process.node.is_local(parse_address(options.source)):
        raise _Refusal("bind failed: Cannot assign requested address")
    literal = literal_place(host)
    failure = f'getaddrinfo for host "{host}" port {ports[0]}: '
    if options.numeric and literal is None:
        raise _Refusal(failure + "Name or service not known")
    try:
        places = yield from lookup(process, host, family=options.family)
    except ResolveError as error:
        raise _Refusal(failure + str(error)) from None
    status = 1
    for port in ports:
        attempt = _try_udp if options.udp else _try_tcp
        for place in places:  # one after the other, until one answers
            shown = host if literal is not None else f"{host} ({place})"
            outcome = yield from attempt(process, options, place, port, shown)
            status = min(status, outcome)
            if outcome == 0:
                break
    return status


def _service(options: _Options, port: int) -> str:
    name = None if options.numeric else port_name(options.protocol, port)
    return f"[{options.protocol}/{name or '*'}]"


def _failed(process: Process, options: _Options, shown: str, port: int, why: str) -> int:
    if options.verbose:
        process.error(f"nc: connect to {shown} port {port} ({options.protocol}) {why}")
    return 1


def _try_tcp(process: Process, options: _Options, place: Place, port: int, shown: str) -> Routine:
    over = process.node.interfaces.get(place.zone)
    try:
        connection = yield from connect(
            process, place.address, port, timeout_ns=options.timeout_ns or None, interface=over
        )
    except SocketError as error:
        late = options.timeout_ns and str(error) == "Connection timed out"
        why = "timed out: Operation now in progress" if late else f"failed: {error}"
        return _failed(process, options, shown, port, why)
    if options.verbose:
        process.error(f"Connection to {shown} {port} port {_service(options, port)} succeeded!")
    if options.scan:
        connection.close(process.node.now)
        return 0
    yield from relay(
        process,
        connection,
        shut=options.shut,
        quit_ns=options.quit_ns,
        timeout_ns=options.timeout_ns,
        deaf=options.deaf,
    )
    return 0


def relay(
    process: Process,
    connection: TcpConnection,
    *,
    shut: bool = False,
    quit_ns: int | None = None,
    timeout_ns: int = 0,
    deaf: bool = False,
) -> Routine:
    """Pass standard input to the peer and what comes back to standard output, until the peer is done."""
    node = process.node
    process.endless = quit_ns is None and not timeout_ns
    quit_at: int | None = None
    sending = not deaf
    active_ns = node.now
    while True:
        data = connection.receive()
        if data:
            process.stdout.write(data.decode("utf-8", "replace"))
            active_ns = node.now
        if sending:
            text = process.stdin.poll()
            if text:
                connection.send(text.encode(), node.now)
                active_ns = node.now
            if process.stdin.closed:
                sending = False
                quit_at = node.now + quit_ns if quit_ns is not None else None
                if shut or quit_ns is not None:
                    connection.close(node.now)
        if connection.peer_done and not connection.inbox:
            connection.close(node.now)
            return 0
        deadlines = [active_ns + timeout_ns] if timeout_ns else []
        deadlines += [quit_at] if quit_at is not None else []
        if deadlines and node.now >= min(deadlines):
            connection.close(node.now)
            return 0
        signals: tuple[Signal, ...] = (connection.signal, process.stdin.changed) if sending else (connection.signal,)
        yield Wait(signals, min(deadlines, default=None))


def _try_udp(process: Process, options: _Options, place: Place, port: int, shown: str) -> Routine:
    node = process.node
    address, over = place.address, node.interfaces.get(place.zone)
    if over is None and node.preferred_source(address) is None:
        return _failed(process, options, shown, port, "failed: Network is unreachable")
    source = parse_address(options.source) if options.source else ANY
    socket = node.transport.udp_open(_port(options.port, "udp") if options.port else 0, source, program="nc")
    process.cleanup.append(lambda: node.transport.udp_close(socket))
    if options.verbose and not (yield from _udp_test(process, socket, address, port, over)):
        return 1
    if options.verbose:
        process.error(f"Connection to {shown} {port} port {_service(options, port)} succeeded!")
    if options.scan:
        return 0
    yield from _udp_relay(process, options, socket, (address, port), over)
    return 0


def _udp_test(
    process: Process, socket: UdpSocket, address: Address, port: int, over: Interface | None
) -> Generator[Wait, None, bool]:
    """Send a few bytes: a port where nobody listens answers with an ICMP error."""
    node = process.node
    for _ in range(3):
        if _refused(socket) or node.transport.udp_send(socket, address, port, b"X", interface=over) is not None:
            return False
        deadline = node.now + SECOND
        while node.now < deadline and not _refused(socket):
            yield Wait((socket.signal,), deadline)
    return not _refused(socket)


def _refused(socket: UdpSocket) -> bool:
    """True where an ICMP error came that a connected socket hears."""
    return any(is_hard(error) for error in socket.errors)


def _udp_relay(
    process: Process,
    options: _Options,
    socket: UdpSocket,
    peer: tuple[Address, int] | None,
    over: Interface | None = None,
) -> Routine:
    """Datagrams both ways; the first sender becomes the peer of a listener."""
    node = process.node
    process.endless = not options.timeout_ns and options.quit_ns is None
    active_ns = node.now
    sending = not options.deaf
    quit_at: int | None = None
    while True:
        while socket.queue:
            datagram = socket.queue.popleft()
            if peer is None:
                peer = (datagram.source, datagram.sport)
                if isinstance(datagram.source, IPv6) and datagram.source.is_link_local:
                    over = node.interfaces.get(datagram.interface)
                if options.verbose:
                    name = yield from _peer_name(process, options, datagram.source)
                    process.error(f"Connection received on {name} {datagram.sport}")
            if (datagram.source, datagram.sport) == peer or options.keep:
                process.stdout.write(datagram.data.decode("utf-8", "replace"))
                active_ns = node.now
        if peer is not None and not options.listen and _refused(socket):
            return 1
        if sending and peer is not None:
            text = process.stdin.poll()
            if text:
                node.transport.udp_send(socket, *peer, text.encode(), interface=over)
                active_ns = node.now
            if process.stdin.closed:
                sending = False
                quit_at = node.now + options.quit_ns if options.quit_ns is not None else None
        deadlines = [active_ns + options.timeout_ns] if options.timeout_ns and peer is not None else []
        deadlines += [quit_at] if quit_at is not None else []
        if deadlines and node.now >= min(deadlines):
            return 0
        signals: tuple[Signal, ...] = (socket.signal, process.stdin.changed) if sending else (socket.signal,)
        yield Wait(signals, min(deadlines, default=None))


def _listen(process: Process, options: _Options, operands: list[str]) -> Routine:
    words = [*operands, options.port] if options.port else operands
    if not words or len(words) > 2:
        raise UsageError("")
    port = _port(words[-1], options.protocol)
    address: Address = ANY6 if options.family == "ip6" else ANY
    if len(words) == 2:
        try:
            address = parse_address(words[0])
        except ValueError:
            raise _Refusal("getaddrinfo: Name or service not known") from None
    process.endless = True
    node = process.node
    try:
        if options.udp:
            socket = node.transport.udp_open(port, address, program="nc", v6only=True)
            process.cleanup.append(lambda: node.transport.udp_close(socket))
        else:
            listener = listen(process, port, address, v6only=True)
    except SocketError as error:
        raise _Refusal(str(error)) from None
    if options.verbose:
        process.error(f"{'Bound' if options.udp else 'Listening'} on {address} {port}")
    if options.udp:
        return (yield from _udp_relay(process, options, socket, None))
    while True:
        while not listener.backlog:
            yield Wait((listener.signal,))
        connection = listener.backlog.popleft()
        process.cleanup.append(lambda c=connection: c.close(node.now))  # type: ignore[misc]
        if options.verbose:
            name = yield from _peer_name(process, options, connection.remote[0])
            process.error(f"Connection received on {name} {connection.remote[1]}")
        yield from relay(
            process,
            connection,
            shut=options.shut,
            quit_ns=options.quit_ns,
            timeout_ns=options.timeout_ns,
            deaf=options.deaf,
        )
        if connection.state is not TcpState.CLOSED:
            connection.close(node.now)
        if not options.keep:
            return 0
        process.endless = True


def _peer_name(process: Process, options: _Options, address: Address) -> Generator[Wait, None, str]:
    if options.numeric:
        return str(address)
    name = yield from reverse(process, address)
    return name or str(address)


COMMANDS: dict[str, Program] = {"nc": nc, "netcat": nc}
