"""arping (iputils): who answers for an address on this network, and whether anybody else uses mine.

Before changing this file read RFC 826, RFC 5227 §2 and compare with the real tool: iputils 20221126.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass

from labs.model.addresses import IPv4, Mac
from labs.net.arp import REPLY, REQUEST, ArpPacket
from labs.net.ethernet import BROADCAST, ETHERTYPE_ARP, Frame
from labs.net.interface import Interface
from labs.net.ipv4 import ANY
from labs.net.process import SIGINT, Interrupt, Process, Program, Routine, Wait
from labs.net.sockets import PacketSocket
from labs.shell.options import Refusal, UsageError, parse_options
from labs.shell.resolver import UNKNOWN, ResolveError, resolve

__all__ = ["COMMANDS"]

SECOND = 1_000_000_000
USAGE = """
Usage:
  arping [options] <destination>

Options:
  -f            quit on first reply
  -q            be quiet
  -b            keep on broadcasting, do not unicast
  -D            duplicate address detection mode
  -U            unsolicited ARP mode, update your neighbours
  -A            ARP answer mode, update your neighbours
  -V            print version and exit
  -c <count>    how many packets to send
  -w <timeout>  how long to wait for a reply
  -i <interval> set interval between packets (default: 1 second)
  -I <device>   which ethernet device to use
  -s <source>   source ip address
  <destination> dns name or ip address

For more details see arping(8)."""


@dataclass(slots=True)
class _Options:
    count: int = 0
    timeout_ns: int = 0
    interval_ns: int = SECOND
    device: str = ""
    source: str = ""
    first: bool = False
    quiet: bool = False
    broadcast_only: bool = False
    detect: bool = False
    unsolicited: bool = False
    answer: bool = False


def _number(text: str) -> int:
    if not text.isdecimal():
        raise Refusal(f"invalid argument: '{text}'", 1)
    return int(text)


def _read(arguments: list[str]) -> tuple[_Options, str]:
    options = _Options()
    words, operands = parse_options(arguments, "h?bfDUAqc:w:i:s:I:V")
    for option, value in words:
        match option:
            case "-c":
                options.count = _number(value)
            case "-w":
                options.timeout_ns = _number(value) * SECOND
            case "-i":
                options.interval_ns = _number(value) * SECOND
            case "-I":
                options.device = value
            case "-s":
                options.source = value
            case "-f":
                options.first = True
            case "-q":
                options.quiet = True
            case "-b":
                options.broadcast_only = True
            case "-D":
                options.detect = options.first = True
            case "-U":
                options.unsolicited = True
            case "-A":
                options.answer = options.unsolicited = True
            case "-V":
                raise Refusal("", 0)
            case _:
                raise UsageError("")
    if len(operands) != 1:
        raise UsageError("")
    return options, operands[0]


def arping(process: Process) -> Routine:
    """The program."""
    try:
        options, name = _read(process.argv[1:])
        run = yield from _prepare(process, options, name)
    except UsageError as error:
        process.error(*([f"arping: {error}"] if str(error) else []), *USAGE.split("\n"))
        return 2
    except Refusal as refusal:
        if refusal.status == 0:
            process.print("arping from iputils 20221126")
        elif str(refusal).startswith("Interface "):
            process.print(str(refusal))
        else:
            process.error(f"arping: {refusal}")
        return refusal.status
    process.endless = not options.count and not options.timeout_ns
    try:
        yield from run.loop()
    except Interrupt as interrupt:
        if interrupt.signal != SIGINT:
            raise
    return run.finish()


def _prepare(process: Process, options: _Options, name: str) -> Generator[Wait, None, _Run]:
    node = process.node
    if options.device and options.device not in node.interfaces:
        raise Refusal(f"Device {options.device} not available.")
    try:
        target = yield from resolve(process, name)
    except ResolveError as error:
        numeric = name.replace(".", "").isdecimal()  # seen with iputils 20221126: no server is asked for such a name
        raise Refusal(f"{name}: {UNKNOWN if numeric else error}") from None
    interface = node.interfaces.get(options.device)
    if interface is None:
        route = node.ip.routes.lookup(target)
        interface = node.interfaces.get(route.device) if route is not None and route.device else None
        if interface is None or route is None or route.via is not None:
            raise Refusal("Suitable device could not be determined. Please, use option -I.")
    if not interface.up:
        raise Refusal(f'Interface "{interface.name}" is down')
    if interface.kind == "loopback":
        raise Refusal(f'Interface "{interface.name}" is not ARPable')
    source = _source(process, options, interface, target)
    if not options.quiet:
        process.print(f"ARPING {target} from {source} {interface.name}")
    return _Run(process, options, interface, target, source)


def _source(process: Process, options: _Options, interface: Interface, target: IPv4) -> IPv4:
    """The sender address in the requests: none for duplicate detection, the target itself when it is announced."""
    ip = process.node.ip
    if options.detect:
        return ANY
    source = target if options.unsolicited else ip.source_for(interface, target)
    if options.source:
        try:
            source = IPv4.parse(options.source)
        except ValueError:
            raise Refusal(f"invalid source {options.source}") from None
    if source is None:
        return ANY
    if (options.source or options.unsolicited) and not ip.is_local(source):
        raise Refusal("bind: Cannot assign requested address")
    return source


@dataclass(slots=True)
class _Run:
    """One arping in progress."""

    process: Process
    options: _Options
    interface: Interface
    target: IPv4
    source: IPv4
    sent: int = 0
    broadcasts: int = 0
    received: int = 0
    received_broadcasts: int = 0
    requests: int = 0
    neighbour: Mac = BROADCAST
    last_ns: int = 0

    def loop(self) -> Routine:
        """Send once an interval and listen."""
        node, options = self.process.node, self.options
        socket: PacketSocket = node.transport.packet_open(self.interface.name)
        socket.accepts = lambda frame: isinstance(frame.payload, ArpPacket)
        self.process.cleanup.append(lambda: node.transport.packet_close(socket))
        next_ns = node.now
        end_ns = node.now + options.timeout_ns if options.timeout_ns else None
        while True:
            while socket.queue:
                _, _, direction, frame = socket.queue.popleft()
                if direction == "in" and isinstance(frame.payload, ArpPacket) and self._heard(frame, frame.payload):
                    return 0
            if end_ns is not None and node.now >= end_ns:
                return 0
            if node.now >= next_ns:
                if options.count and self.sent >= options.count:
                    return 0
                self._send()
                next_ns = node.now + options.interval_ns
                continue
            yield Wait((socket.signal,), next_ns if end_ns is None else min(next_ns, end_ns))

    def _send(self) -> None:
        operation = REPLY if self.options.answer else REQUEST
        target_mac = self.interface.mac if self.options.answer else self.neighbour  # as the real one fills it
        packet = ArpPacket(operation, self.interface.mac, self.source, target_mac, self.target)
        frame = Frame(self.neighbour, self.interface.mac, ETHERTYPE_ARP, packet)
        self.process.node.link.transmit(self.interface, frame)
        self.last_ns = self.process.node.now
        self.sent += 1
        if self.neighbour == BROADCAST:
            self.broadcasts += 1

    def _heard(self, frame: Frame, packet: ArpPacket) -> bool:
        """Judge one ARP packet; True where it is the last one to wait for."""
        if packet.sender != self.target or packet.sender_mac == self.interface.mac:
            return False
        if packet.operation not in (REQUEST, REPLY):
            return False
        if not self.options.detect and packet.target != self.source:
            return False
        if self.options.detect and packet.operation == REQUEST and packet.target not in {self.target, ANY}:
            return False
        mine = frame.dst == self.interface.mac
        self.received += 1
        self.received_broadcasts += not mine
        self.requests += packet.operation == REQUEST
        if not self.options.quiet:
            self._print(packet, unicast=mine)
        if not self.options.broadcast_only:
            self.neighbour = packet.sender_mac
        full = bool(self.options.timeout_ns) and bool(self.options.count) and self.received >= self.options.count
        return self.options.first or full

    def _print(self, packet: ArpPacket, *, unicast: bool) -> None:
        how = "Unicast" if unicast else "Broadcast"
        what = "reply" if packet.operation == REPLY else "request"
        extra = ""
        if packet.target != self.source:
            extra = f"for {packet.target} "
        if packet.target_mac != self.interface.mac:
            extra = (extra or "for ") + f"[{str(packet.target_mac).upper()}] "
        elapsed_us = (self.process.node.now - self.last_ns) // 1000
        mac = str(packet.sender_mac).upper()
        self.process.print(
            f"{how} {what} from {packet.sender} [{mac}] {extra} {elapsed_us // 1000}.{elapsed_us % 1000:03d}ms"
        )

    def finish(self) -> int:
        """The last lines and the exit status."""
        if not self.options.quiet:
            self.process.print(f"Sent {self.sent} probes ({self.broadcasts} broadcast(s))")
            line = f"Received {self.received} response(s)"
            parts = [f"{self.requests} request(s)"] if self.requests else []
            parts += [f"{self.received_broadcasts} broadcast(s)"] if self.received_broadcasts else []
            self.process.print(line + (f" ({', '.join(parts)})" if parts else ""))
        if self.options.detect:
            return int(self.received > 0)
        return 0 if self.options.unsolicited else int(self.received != self.sent)


COMMANDS: dict[str, Program] = {"arping": arping}
