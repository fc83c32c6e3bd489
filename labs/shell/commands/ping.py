"""ping (iputils): echo requests, what came back, and a summary.

Before changing this file read RFC 1122 §3.2.2.6 and compare with the real tool: iputils 20221126.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Generator
from dataclasses import dataclass, field

from labs.model.addresses import Address, IPv4, IPv6
from labs.net.icmp import IcmpMessage
from labs.net.icmpv6 import Icmpv6Message
from labs.net.interface import Interface
from labs.net.ipv4 import ANY
from labs.net.ipv6 import ANY6, LOOPBACK6
from labs.net.process import SIGINT, Interrupt, Process, Program, Routine, Wait
from labs.net.sockets import EchoReply, EchoSocket, IcmpError
from labs.shell.commands.ping_options import USAGE, Options, read_options
from labs.shell.icmp_words import REDIRECTS, icmp_text, icmpv6_text
from labs.shell.options import Refusal, UsageError
from labs.shell.resolver import Place, ResolveError, canonical_names, literal_place, lookup, reverse

__all__ = ["COMMANDS"]

AT_ONCE_NS = 20_000  # twice what an error of the device itself takes (labs.net.linux.loopback)
TIMESTAMP_BYTES = 16  # struct timeval: with less data there is no room for a time stamp
LARGEST = 65_507  # 65535 - 20 (IPv4) - 8 (ICMP)
LARGEST_MESSAGE = 65_527  # 65535 - 8 (ICMP): beyond, sendto(2) fails without a word in the error queue
BROADCAST_HINT = "Do you want to ping broadcast? Then -b. If not, check your local firewall rules"


def ping(process: Process) -> Routine:
    """The program."""
    try:
        options, target = read_options(process.argv[1:])
        run = yield from _prepare(process, options, target)
    except UsageError as error:
        process.error(*([f"ping: {error}"] if str(error) else []), USAGE, "", "For more details see ping(8).")
        return 2
    except Refusal as refusal:
        if refusal.status == 0:
            process.print("ping from iputils 20221126")
            return 0
        process.error(f"ping: {refusal}")
        return refusal.status
    process.endless = not options.count and not options.deadline_ns
    try:
        yield from run.loop()
    except Interrupt as interrupt:
        if interrupt.signal != SIGINT:
            raise
    process.endless = False
    if options.flood:  # a dot for each request, and a backspace for each answer
        process.stdout.write("." * (run.transmitted - run.received))
    run.summary()
    if not run.received or (options.deadline_ns and options.count and run.received < options.count):
        return 1
    return 0


def _prepare(process: Process, options: Options, target: str) -> Generator[Wait, None, _Run]:
    """Resolve, bind and connect as ping does before it prints its first line."""
    node = process.node
    try:
        place = (yield from lookup(process, target, family=options.family))[0]
    except ResolveError as error:
        raise Refusal(f"{target}: {error}", 2) from None
    address = place.address
    if isinstance(address, IPv6):
        return _prepare6(process, options, target, place, address)
    numeric = target.replace(".", "").isdecimal()
    target = canonical_names(node.files, target)[0]
    if options.ttl == 0:
        raise Refusal("cannot set unicast time-to-live: Invalid argument", 2)
    if address == ANY:
        address = IPv4(0x7F000001)
    interface, source = _bind(process, options.device)
    local = source if source != ANY else _local(process, address, interface)
    if node.ip.is_broadcast(address) and not options.broadcast:
        raise Refusal(BROADCAST_HINT, 2)
    if local is None:
        route = node.ip.routes.lookup(address)
        kind = route.kind if route else ""
        if kind == "prohibit" and not options.broadcast:  # EACCES is what a broadcast address gives, too
            raise Refusal(BROADCAST_HINT, 2)
        words = {"unreachable": "No route to host", "prohibit": "Permission denied", "blackhole": "Invalid argument"}
        raise Refusal("connect: " + words.get(kind, "Network is unreachable"), 2)
    if node.ip.is_broadcast(address):
        process.error("WARNING: pinging broadcast address")
    origin = f" from {local} {options.device if interface else ''}:" if options.device else ""
    process.print(f"PING {target} ({address}){origin} {options.size}({options.size + 28}) bytes of data.")
    return _Run(process, options, target, address, numeric or options.numeric, interface, source)


def _prepare6(process: Process, options: Options, target: str, place: Place, address: IPv6) -> _Run:
    node = process.node
    if address == ANY6:
        address, place = LOOPBACK6, Place(LOOPBACK6)
    source: Address = ANY6
    name = place.zone
    if options.device:
        own = literal_place(options.device)
        if own is not None:
            source = own.address
            if not node.is_local(source):
                raise Refusal("bind icmp socket: Cannot assign requested address", 2)
        else:
            name = options.device
    if name and name not in node.interfaces:
        raise Refusal(f"unknown iface: {name}" if options.device else f"{target}: Name or service not known", 2)
    interface = node.interfaces.get(name)
    if not node.ipv6.on:
        raise Refusal("socket: Address family not supported by protocol", 2)
    local = source or _local6(process, address, interface)
    if local is None:
        route = node.ipv6.routes.lookup(address) if interface is None else None
        words = {"unreachable": "No route to host", "prohibit": "Permission denied", "blackhole": "Invalid argument"}
        silent = "Cannot assign requested address" if route is not None else "Network is unreachable"
        raise Refusal("connect: " + words.get(route.kind if route else "", silent), 2)
    origin = f" from {local} {options.device}:" if options.device else ""
    process.print(f"PING {target}({_shown6(target, place)}){origin} {options.size} data bytes")
    numeric = literal_place(target) is not None
    return _Run(process, options, target, address, numeric or options.numeric, interface, source)


def _shown6(target: str, place: Place) -> str:
    """What stands in brackets: the address, and before it the name where one was typed."""
    return str(place) if literal_place(target) is not None else f"{target} ({place})"


def _local6(process: Process, address: IPv6, interface: Interface | None) -> IPv6 | None:
    ipv6 = process.node.ipv6
    if interface is None or ipv6.is_local(address):
        return ipv6.preferred_source(address)
    return ipv6.source_for(interface, address) if interface.up else None


def _bind(process: Process, device: str) -> tuple[Interface | None, IPv4]:
    """What -I says: an interface, or a source address."""
    if not device:
        return None, ANY
    try:
        source = IPv4.parse(device)
    except ValueError:
        interface = process.node.interfaces.get(device)
        if interface is None:
            raise Refusal(f"SO_BINDTODEVICE {device}: No such device", 2) from None
        return interface, ANY
    if not process.node.ip.is_local(source):
        raise Refusal("bind: Cannot assign requested address", 2)
    return None, source


def _local(process: Process, address: IPv4, interface: Interface | None) -> IPv4 | None:
    """The source address that connect(2) finds, or None."""
    ip = process.node.ip
    if interface is None:
        return ip.preferred_source(address)
    return ip.source_for(interface, address) if interface.up else None


@dataclass(slots=True)
class _Run:
    """One ping in progress: the counters of its summary."""

    process: Process
    options: Options
    target: str
    address: Address
    numeric: bool
    interface: Interface | None
    source: Address
    transmitted: int = 0
    received: int = 0
    repeats: int = 0
    errors: int = 0
    pipe: int = 0
    times_us: list[int] = field(default_factory=list)
    seen: set[int] = field(default_factory=set)
    sent_ns: dict[int, int] = field(default_factory=dict)
    started_ns: int = 0
    last_ns: int = 0
    names: dict[Address, str] = field(default_factory=dict)

    def loop(self) -> Routine:
        """Send and listen until there is a reason to stop."""
        node, options = self.process.node, self.options
        socket = node.transport.echo_open()
        socket.broadcast = self.options.broadcast
        self.process.cleanup.append(lambda: node.transport.echo_close(socket))
        self.started_ns = self.last_ns = next_ns = node.now
        end_ns = node.now + options.deadline_ns if options.deadline_ns else None
        linger_ns: int | None = None
        while True:
            yield from self._listen(socket)
            if options.count and self.received + self.errors >= options.count:
                return 0
            if end_ns is not None and (self.errors or node.now >= end_ns):
                yield Wait((), node.now)  # errors about several packets come at the same moment
                yield from self._listen(socket)
                return 0
            if linger_ns is not None and node.now >= linger_ns:
                return 0
            sent_all = bool(options.count) and self.transmitted >= options.count and not options.deadline_ns
            if not sent_all and node.now >= next_ns:
                next_ns = node.now + options.interval_ns
                yield from self._send(socket)
                continue
            if sent_all and linger_ns is None:
                linger_ns = node.now + self._patience()
            times = (None if sent_all else next_ns, linger_ns, end_ns)
            until = min((time for time in times if time is not None), default=None)
            if not socket.replies and not socket.errors and not socket.redirects:
                yield Wait((socket.signal,), until)

    def _patience(self) -> int:
        """How long to wait after the last request: twice the slowest answer, or what -W says while none came."""
        if not self.received:
            return self.options.linger_ns
        return max(2 * max(self.times_us, default=0) * 1000, self.options.interval_ns)

    def _send(self, socket: EchoSocket) -> Generator[Wait, None, None]:
        node, options = self.process.node, self.options
        if options.outstanding and self.transmitted and self.transmitted not in self.seen:
            self.process.print(f"no answer yet for icmp_seq={self.transmitted}")
        self.transmitted += 1
        self.sent_ns[self.transmitted] = self.last_ns = node.now
        error = "Message too long" if options.size <= LARGEST_MESSAGE else None
        if options.size <= LARGEST:
            error = node.transport.echo_send(
                socket,
                self.address,
                self.transmitted & 0xFFFF,
                size=options.size,
                ttl=options.ttl,
                discovery=options.discovery,
                source=self.source,
                interface=self.interface,
            )
        if error == "Message too long":
            self.errors += 1
            sign = ": " if isinstance(self.address, IPv6) else "="
            self.process.error(f"ping: local error: message too long, mtu{sign}{self._mtu()}")
        elif error == "Operation not permitted":
            yield Wait((socket.signal,), node.now + AT_ONCE_NS)  # a rule that rejects has told it already
            if socket.errors:
                yield from self._listen(socket)
                self.process.error(*([] if options.quiet else [f"ping: sendmsg: {error}"]))
        # Any other error of sendto(2) is a lost packet, without a word: so does this version of the real one.

    def _mtu(self) -> int:
        if self.interface is not None:
            return self.interface.mtu
        return self.process.node.transport.path_mtu(self.address)

    def _listen(self, socket: EchoSocket) -> Generator[Wait, None, None]:
        while socket.redirects or socket.replies or socket.errors:
            if socket.redirects:
                yield from self._redirect(*socket.redirects.popleft())
            elif socket.replies:
                yield from self._reply(socket.replies.popleft())
            else:
                yield from self._error(*socket.errors.popleft())

    def _sequence(self, sequence: int) -> int:
        """The full number of a request, from the 16 bits on the wire; widens the pipe."""
        back = (self.transmitted - sequence) & 0xFFFF
        if back <= 0x7FFF:
            self.pipe = max(self.pipe, back + 1)
        return self.transmitted - back

    def _reply(self, reply: EchoReply) -> Generator[Wait, None, None]:
        number = self._sequence(reply.sequence)
        duplicate = number in self.seen
        self.seen.add(number)
        if duplicate:
            self.repeats += 1
        else:
            self.received += 1
        timed = self.options.size >= TIMESTAMP_BYTES and number in self.sent_ns
        elapsed_us = (reply.at_ns - self.sent_ns[number]) // 1000 if timed else 0
        if timed:
            self.times_us.append(elapsed_us)
        if self.options.quiet:
            return
        name = yield from self._name(reply.source, reply.interface)
        ident = f" ident={self.process.pid}" if self.options.verbose else ""
        line = f"{self._stamp()}{reply.length} bytes from {name}: icmp_seq={reply.sequence}{ident} ttl={reply.ttl}"
        if timed:
            line += f" time={_milliseconds(elapsed_us)} ms"
        self.process.print(line + (" (DUP!)" if duplicate else ""))

    def _error(self, error: IcmpError, request: IcmpMessage | Icmpv6Message) -> Generator[Wait, None, None]:
        self._sequence(request.sequence)
        self.errors += 1
        if self.options.quiet:
            return
        name = yield from self._name(error.source)
        say = icmpv6_text if isinstance(error.source, IPv6) else icmp_text
        text = say(error.type, error.code, error.mtu)
        self.process.print(f"{self._stamp()}From {name} icmp_seq={request.sequence} {text}")

    def _redirect(self, advice: IcmpError, request: IcmpMessage) -> Generator[Wait, None, None]:
        self._sequence(request.sequence)
        if self.options.quiet:
            return
        name = yield from self._name(advice.source)
        gateway = yield from self._name(advice.gateway)
        words = REDIRECTS.get(advice.code, f"Redirect, Bad Code: {advice.code}")
        self.process.print(f"{self._stamp()}From {name}: icmp_seq={request.sequence} {words}(New nexthop: {gateway})")

    def _stamp(self) -> str:
        return f"[{self.process.node.wall_clock():.6f}] " if self.options.stamps else ""

    def _name(self, address: Address, interface: str = "") -> Generator[Wait, None, str]:
        if isinstance(address, IPv6) and address.is_link_local:
            return f"{address}%{interface if interface not in ('', 'lo') else self._zone()}"
        if self.numeric:
            return str(address)
        if address not in self.names:
            name = yield from reverse(self.process, address)
            self.names[address] = f"{name} ({address})" if name else str(address)
        return self.names[address]

    def _zone(self) -> str:
        if self.interface is not None:
            return self.interface.name
        route = self.process.node.ipv6.routes.lookup(self.address)
        return route.device if route is not None and route.device is not None else "lo"

    def summary(self) -> None:
        """The last lines."""
        say: Callable[..., None] = self.process.print
        parts = [f"{self.transmitted} packets transmitted, {self.received} received"]
        if self.repeats:
            parts.append(f"+{self.repeats} duplicates")
        if self.errors:
            parts.append(f"+{self.errors} errors")
        if self.transmitted:
            loss = (self.transmitted - self.received) * 100 / self.transmitted
            elapsed_ms = (self.last_ns - self.started_ns) // 1_000_000
            parts.append(f"{loss:g}% packet loss, time {elapsed_ms}ms")
        say("", f"--- {self.target} ping statistics ---", ", ".join(parts))
        last = []
        if self.times_us and self.received:
            last.append(f"rtt min/avg/max/mdev = {_statistics(self.times_us)} ms")
        if self.pipe > 1:
            last.append(f"pipe {self.pipe}")
        say(", ".join(last))


def _statistics(times_us: list[int]) -> str:
    mean = sum(times_us) // len(times_us)
    square = sum(time * time for time in times_us) / len(times_us)
    deviation = math.isqrt(max(0, int(square - mean * mean)))
    return "/".join(f"{t // 1000}.{t % 1000:03d}" for t in (min(times_us), mean, max(times_us), deviation))


def _milliseconds(time_us: int) -> str:
    """Three digits that matter, as ping prints a round-trip time."""
    if time_us >= 100_000 - 50:
        return str((time_us + 500) // 1000)
    if time_us >= 10_000 - 5:
        return f"{(time_us + 50) // 1000}.{(time_us + 50) % 1000 // 100}"
    if time_us >= 1000:
        return f"{(time_us + 5) // 1000}.{(time_us + 5) % 1000 // 10:02d}"
    return f"{time_us // 1000}.{time_us % 1000:03d}"


COMMANDS: dict[str, Program] = {"ping": ping}
