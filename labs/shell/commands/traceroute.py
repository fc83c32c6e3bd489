"""traceroute (Debian's): which routers lie on the way, found by probes with a growing TTL; and tracepath.

Before changing this file read RFC 1393 §1 and compare with the real tool: traceroute 2.1.2.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, field

from labs.model.addresses import Address, IPv6
from labs.net import icmp, icmpv6, tcp
from labs.net.icmp import IcmpMessage
from labs.net.icmpv6 import Icmpv6Message
from labs.net.ipv4 import ANY, PROTO_TCP, Ipv4Packet
from labs.net.ipv6 import ANY6, Ipv6Packet
from labs.net.process import Process, Program, Routine, Signal, Wait
from labs.net.sockets import IcmpError
from labs.net.tcp import TcpSegment
from labs.shell.options import Refusal, UsageError, parse_options
from labs.shell.resolver import ResolveError, lookup, reverse

__all__ = ["COMMANDS"]

SECOND = 1_000_000_000
FIRST_PORT = 33434  # where UDP probes start
SIMULTANEOUS = 16  # probes under way at a time
PACKET_BYTES = 60
HERE, NEAR = 3, 10  # how much longer than an answer of the same hop, or of a later hop, to wait
MARKS = {
    icmp.NET_UNREACHABLE: "!N", 6: "!N", 8: "!N",
    icmp.HOST_UNREACHABLE: "!H", 7: "!H",
    icmp.PROTOCOL_UNREACHABLE: "!P",
    5: "!S",
    icmp.NET_PROHIBITED: "!X", icmp.HOST_PROHIBITED: "!X", icmp.ADMIN_PROHIBITED: "!X",
    14: "!V", 15: "!C",
}  # fmt: skip
MARKS6 = {
    icmpv6.NO_ROUTE: "!N", icmpv6.ADMIN_PROHIBITED6: "!X", 2: "!S", icmpv6.ADDRESS_UNREACHABLE: "!H",
}  # fmt: skip
PACKET_BYTES6 = 80
USAGE = (
    "Usage:",
    "  traceroute [ -46FITn ] [ -f first_ttl ] [ -i device ] [ -m max_ttl ] [ -N squeries ] [ -p port ]",
    "             [ -w MAX,HERE,NEAR ] [ -q nqueries ] host [ packetlen ]",
)


@dataclass(slots=True)
class _Options:
    method: str = "udp"
    numeric: bool = False
    first: int = 1
    hops: int = 30
    queries: int = 3
    wait_ns: int = 5 * SECOND
    port: int = 0
    together: int = SIMULTANEOUS
    size: int = 0
    family: str = ""
    device: str = ""
    dont_fragment: bool = False


@dataclass(slots=True)
class _Probe:
    """One packet on its way. `mark` is the error sign behind the time; `final` means nothing lies beyond."""

    ttl: int
    sent_ns: int = -1
    received_ns: int = -1
    source: Address | None = None
    mark: str = ""
    final: bool = False
    lost: bool = False

    @property
    def done(self) -> bool:
        return self.received_ns >= 0 or self.lost

    @property
    def time_ns(self) -> int:
        return self.received_ns - self.sent_ns


def _number(text: str, option: str, argument: str) -> int:
    if not text.isdecimal():
        raise Refusal(f"Cannot handle `{option}' option with arg `{text}' (argc {argument})")
    return int(text)


def _read(arguments: list[str]) -> tuple[_Options, str]:
    options = _Options()
    try:
        words, operands = parse_options(arguments, "46FITUnf:i:m:N:p:w:q:z:s:t:rAVdeg:l:D", ["help", "version"])
    except UsageError as error:
        raise Refusal(f"Bad option `{str(error).split()[-1].strip(chr(39))}' (argc 1)") from None
    for option, value in words:
        match option:
            case "-n":
                options.numeric = True
            case "-I":
                options.method = "icmp"
            case "-T":
                options.method = "tcp"
            case "-m":
                options.hops = _number(value, option, "1")
                if options.hops > 255:
                    raise Refusal("max hops cannot be more than 255")
            case "-f":
                options.first = _number(value, option, "1")
            case "-q":
                options.queries = _number(value, option, "1")
                if not 0 < options.queries <= 10:
                    raise Refusal("no more than 10 probes per hop")
            case "-N":
                options.together = max(1, _number(value, option, "1"))
            case "-p":
                options.port = _number(value, option, "1")
            case "-i":
                options.device = value
            case "-F":
                options.dont_fragment = True
            case "-w":
                try:
                    options.wait_ns = int(float(value.split(",")[0]) * SECOND)
                except ValueError:
                    raise Refusal(f"Cannot handle `-w' option with arg `{value}' (argc 1)") from None
            case "-4" | "-6":
                options.family = "ip" if option == "-4" else "ip6"
            case "-V" | "--version":
                raise Refusal("Modern traceroute for Linux, version 2.1.2", 0)
            case "--help":
                raise Refusal("", 0)
            case _:
                raise Refusal(f'traceroute: "{option}" is not simulated here')
    if not operands:
        raise Refusal("", 0)
    if not 1 <= options.first <= options.hops:
        raise Refusal("first hop out of range")
    if len(operands) > 1:
        options.size = _number(operands[1], "packetlen", "2")
    return options, operands[0]


def traceroute(process: Process) -> Routine:
    """The program."""
    try:
        options, name = _read(process.argv[1:])
    except Refusal as refusal:
        process.error(*(USAGE if not str(refusal) else (str(refusal),)))
        return refusal.status
    try:
        place = (yield from lookup(process, name, family=options.family))[0]
    except ResolveError as error:
        position = len(process.argv) - 1
        process.error(f"{name}: {error}", f'Cannot handle "host" cmdline arg `{name}\' on position 1 (argc {position})')
        return 2
    if options.device and options.device not in process.node.interfaces:
        process.error(f"setsockopt SO_BINDTODEVICE: No such device: {options.device}")
        return 1
    target = place.address
    usual = PACKET_BYTES6 if isinstance(target, IPv6) else PACKET_BYTES
    options.size = options.size or usual
    options.device = options.device or place.zone
    bytes_ = options.size if options.method != "tcp" else usual
    process.stdout.write(f"traceroute to {name} ({place}), {options.hops} hops max, {bytes_} byte packets")
    if not options.device and process.node.preferred_source(target) is None:
        process.error("", "connect: Network is unreachable")
        return 1
    trace = _Trace(process, options, target)
    failure = yield from trace.run()
    if failure is not None:
        process.error("", f"send: {failure}")
        return 1
    process.print("")
    return 0


@dataclass(slots=True)
class _Trace:
    """All probes of one run, hop by hop."""

    process: Process
    options: _Options
    target: Address
    probes: list[_Probe] = field(default_factory=list)
    printed: int = 0
    names: dict[Address, str] = field(default_factory=dict)

    def run(self) -> Generator[Wait, None, str | None]:
        """Send, listen and print in order; the error of a system call, or None."""
        node, options = self.process.node, self.options
        method = {"udp": _Udp, "icmp": _Echo, "tcp": _Tcp}[options.method](self.process, options, self.target)
        self.probes = [_Probe(ttl) for ttl in range(options.first, options.hops + 1) for _ in range(options.queries)]
        while True:
            method.receive(self.probes)
            self._expire()
            if (yield from self._print_done()):
                return None
            sent = yield from self._send_more(method)
            if isinstance(sent, str):
                return sent
            if sent:
                continue
            deadlines = [self._deadline(probe) for probe in self._pending()]
            if not deadlines:
                continue
            if method.idle():
                yield Wait(method.signals(), max(min(deadlines), node.now))

    def _pending(self) -> list[_Probe]:
        return [probe for probe in self.probes if probe.sent_ns >= 0 and not probe.done]

    def _last(self) -> int:
        """Index behind the last probe that matters: those of the final hop."""
        finals = [probe.ttl for probe in self.probes if probe.final]
        ttl = min(finals, default=self.options.hops)
        return (ttl - self.options.first + 1) * self.options.queries

    def _send_more(self, method: _Method) -> Generator[Wait, None, bool | str]:
        room = self.options.together - len(self._pending())
        sent = False
        for index in range(self._last()):
            probe = self.probes[index]
            if room <= 0:
                break
            if probe.sent_ns < 0:
                probe.sent_ns = self.process.node.now
                error = method.send(index, probe.ttl)
                if error is not None:
                    return error
                room -= 1
                sent = True
        return sent
        yield  # a generator like its siblings

    def _deadline(self, probe: _Probe) -> int:
        """Until when an answer is waited for."""
        wait_ns = self.options.wait_ns
        same = [p.time_ns for p in self.probes if p.ttl == probe.ttl and p.received_ns >= 0]
        later = [p.time_ns for p in self.probes if p.ttl > probe.ttl and p.received_ns >= 0]
        if same:
            wait_ns = min(wait_ns, HERE * min(same))
        elif later:
            wait_ns = min(wait_ns, NEAR * min(later))
        return probe.sent_ns + max(wait_ns, 10_000_000 if same or later else 0)

    def _expire(self) -> None:
        for probe in self._pending():
            if self._deadline(probe) <= self.process.node.now:
                probe.lost = True

    def _print_done(self) -> Generator[Wait, None, bool]:
        """Print what is known in order; True at the end."""
        while self.printed < self._last():
            probe = self.probes[self.printed]
            if not probe.done:
                return False
            place = self.printed % self.options.queries
            text = f"\n{probe.ttl:2d} " if place == 0 else ""
            if probe.received_ns < 0:
                text += " *"
            else:
                assert probe.source is not None
                before = [p.source for p in self.probes[self.printed - place : self.printed] if p.source is not None]
                if not before or before[-1] != probe.source:
                    name = yield from self._name(probe.source)
                    text += f" {name}"
                text += f"  {probe.time_ns // 1000 / 1000:.3f} ms"
                text += f" {probe.mark}" if probe.mark else ""
            self.process.stdout.write(text)
            self.printed += 1
        return True

    def _name(self, address: Address) -> Generator[Wait, None, str]:
        if self.options.numeric:
            return str(address)
        if address not in self.names:
            name = yield from reverse(self.process, address)
            self.names[address] = f"{name or address} ({address})"
        return self.names[address]


class _Method:
    """How probes are sent and their answers recognised."""

    def __init__(self, process: Process, options: _Options, target: Address) -> None:
        self._process = process
        self._node = process.node
        self._options = options
        self._target = target
        self._interface = process.node.interfaces.get(options.device)

    def send(self, index: int, ttl: int) -> str | None:
        """Send the probe of that index; the error of the system call, or None."""
        raise NotImplementedError

    def receive(self, probes: list[_Probe]) -> None:
        """Enter everything that arrived into the probes."""
        raise NotImplementedError

    def signals(self) -> tuple[Signal, ...]:
        """What fires when there is more."""
        raise NotImplementedError

    def idle(self) -> bool:
        """True while nothing waits to be received."""
        raise NotImplementedError

    def _enter(self, probes: list[_Probe], index: int, error: IcmpError) -> None:
        if not 0 <= index < len(probes) or probes[index].done or probes[index].sent_ns < 0:
            return
        probe = probes[index]
        probe.received_ns = self._node.now
        probe.source = error.source
        if isinstance(error.source, IPv6):
            if error.type == icmpv6.DEST_UNREACHABLE6:
                probe.final = True
                if error.code != icmpv6.PORT_UNREACHABLE6 or self._options.method != "udp":
                    probe.mark = MARKS6.get(error.code, f"!<{error.code}>")
        elif error.type == icmp.DEST_UNREACHABLE:
            probe.final = True
            if error.code == icmp.FRAGMENTATION_NEEDED:
                probe.mark = f"!F-{error.mtu}"
            elif error.code != icmp.PORT_UNREACHABLE or self._options.method != "udp":
                probe.mark = MARKS.get(error.code, f"!<{error.code}>")


class _Udp(_Method):
    """UDP datagrams to ports where nobody listens, one port after the other."""

    def __init__(self, process: Process, options: _Options, target: Address) -> None:
        super().__init__(process, options, target)
        node = self._node
        self._socket = node.transport.udp_open(program="traceroute", interface=options.device or None)
        self._first = options.port or FIRST_PORT
        process.cleanup.append(lambda: node.transport.udp_close(self._socket))

    def send(self, index: int, ttl: int) -> str | None:
        head = 48 if isinstance(self._target, IPv6) else 28
        data = bytes(0x40 + i & 0x7F for i in range(max(0, self._options.size - head)))
        return self._node.transport.udp_send(
            self._socket,
            self._target,
            self._first + index,
            data,
            ttl=ttl,
            discovery="do" if self._options.dont_fragment else "dont",
        )

    def receive(self, probes: list[_Probe]) -> None:
        while self._socket.errors:
            error = self._socket.errors.popleft()
            self._enter(probes, error.dport - self._first, error)
        while self._socket.queue:
            datagram = self._socket.queue.popleft()
            index = datagram.sport - self._first
            if 0 <= index < len(probes) and not probes[index].done:
                probes[index].received_ns, probes[index].source = self._node.now, datagram.source
                probes[index].final = True

    def signals(self) -> tuple[Signal, ...]:
        return (self._socket.signal,)

    def idle(self) -> bool:
        return not self._socket.errors and not self._socket.queue


class _Echo(_Method):
    """ICMP echo requests (-I)."""

    def __init__(self, process: Process, options: _Options, target: Address) -> None:
        super().__init__(process, options, target)
        node = self._node
        self._socket = node.transport.echo_open()
        process.cleanup.append(lambda: node.transport.echo_close(self._socket))

    def send(self, index: int, ttl: int) -> str | None:
        size = max(0, self._options.size - (48 if isinstance(self._target, IPv6) else 28))
        return self._node.transport.echo_send(
            self._socket,
            self._target,
            index + 1,
            size=size,
            ttl=ttl,
            discovery="do" if self._options.dont_fragment else "dont",
            interface=self._interface,
        )

    def receive(self, probes: list[_Probe]) -> None:
        while self._socket.errors:
            error, request = self._socket.errors.popleft()
            self._enter(probes, request.sequence - 1, error)
        while self._socket.replies:
            reply = self._socket.replies.popleft()
            index = reply.sequence - 1
            if 0 <= index < len(probes) and not probes[index].done:
                probes[index].received_ns, probes[index].source, probes[index].final = reply.at_ns, reply.source, True

    def signals(self) -> tuple[Signal, ...]:
        return (self._socket.signal,)

    def idle(self) -> bool:
        return not self._socket.errors and not self._socket.replies


class _Tcp(_Method):
    """TCP SYN segments (-T): an answer of any kind from the target ends the way."""

    def __init__(self, process: Process, options: _Options, target: Address) -> None:
        super().__init__(process, options, target)
        node = self._node
        self._socket = node.transport.packet_open(None)
        self._port = options.port or 80
        self._first = node.transport.free_port("tcp")
        process.cleanup.append(lambda: node.transport.packet_close(self._socket))

    def send(self, index: int, ttl: int) -> str | None:
        segment = TcpSegment(self._first + index, self._port, 1_000_000 + index, 0, tcp.SYN)
        if isinstance(self._target, IPv6):
            wide = Ipv6Packet(ANY6, self._target, PROTO_TCP, segment, ttl)
            return self._node.ipv6.output(wide, interface=self._interface)
        packet = Ipv4Packet(ANY, self._target, PROTO_TCP, segment, ttl=ttl, dont_fragment=True)
        return self._node.ip.output(packet, interface=self._interface)

    def receive(self, probes: list[_Probe]) -> None:
        while self._socket.queue:
            at_ns, _, direction, frame = self._socket.queue.popleft()
            packet = frame.payload
            if direction != "in" or not isinstance(packet, Ipv4Packet | Ipv6Packet):
                continue
            payload = packet.payload
            if isinstance(payload, TcpSegment) and packet.src == self._target and payload.sport == self._port:
                index = payload.dport - self._first
                if 0 <= index < len(probes) and not probes[index].done:
                    probes[index].received_ns, probes[index].source, probes[index].final = at_ns, packet.src, True
            elif isinstance(payload, IcmpMessage | Icmpv6Message) and payload.original is not None:
                inner = payload.original.payload
                if isinstance(inner, TcpSegment) and payload.original.dst == self._target:
                    error = IcmpError(packet.src, payload.type, payload.code, packet.ttl, self._target, inner.dport)
                    self._enter(probes, inner.sport - self._first, error)

    def signals(self) -> tuple[Signal, ...]:
        return (self._socket.signal,)

    def idle(self) -> bool:
        return not self._socket.queue


COMMANDS: dict[str, Program] = {"traceroute": traceroute}
