"""chronyd: keeps the clock of a device right by asking time servers, and answers clients; from /etc/chrony/chrony.conf.

Before changing this file read RFC 5905 §8 and §14 and compare with chronyd 4.3. Simplified: a clock that may not be
stepped is moved in small steps of at most one twelfth of the time that passes, as `maxslewrate` allows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from labs.model.addresses import IPv4
from labs.net import ntp
from labs.net.chrony_conf import ChronyConf, ChronyError, SourceLine, parse_chrony
from labs.net.filesystem import FileError
from labs.net.ntp import Leap, Mode, NtpPacket, timestamp
from labs.net.process import SIGHUP, SIGTERM, Interrupt, Process, Program, Routine, Wait
from labs.net.sockets import Datagram, SocketError, UdpSocket
from labs.shell.daemons.chrony_source import Source, select
from labs.shell.resolver import ResolveError, resolve

if TYPE_CHECKING:
    from labs.net.linux.node import LinuxNode

__all__ = ["Chronyd", "chronyd", "clock_ns", "running_chronyd"]

CONFIG = "/etc/chrony/chrony.conf"
SECOND = 1_000_000_000
GREETING = (
    "chronyd version 4.3 starting (+CMDMON +NTP +REFCLOCK +RTC +PRIVDROP +SCFILTER +SIGND +ASYNCDNS +NTS +SECHASH "
    "+IPV6 -DEBUG)"
)
SLEW_PART = 12  # maxslewrate 83333.333 ppm
SLEW_TICK_NS = SECOND
LONG_SLEW_NS = 60 * SECOND  # beyond this the tick is ten times as long
SLEW_AT_ONCE_NS = 1000
RESOLVE_FIRST_NS = 7 * SECOND  # RESOLVE_INTERVAL_UNIT
LOG_CHANGE_NS = SECOND  # logchange
PRECISION = -25


def clock_ns(node: LinuxNode) -> int:
    """What a device believes the time is, in whole nanoseconds since 1970."""
    return round(node.world.wall_clock(0) * 1e9) + node.now + node.clock_offset_ns


class Chronyd:
    """The state that chronyc shows."""

    def __init__(self, process: Process, conf: ChronyConf) -> None:
        self.process = process
        self.node = process.node
        self.conf = conf
        self.sources: list[Source] = []
        self.unresolved: list[SourceLine] = []
        self.selected: Source | None = None
        self.reference: Source | None = None
        """The source the clock was last corrected by; it stays when nothing can be selected."""
        self.reference_clock_ns = 0
        self.remaining_ns = 0
        """What is still to be added to the clock."""
        self.last_offset_ns = 0
        self.rms_offset_ns = 0
        self.updates = 0
        self.updated_ns: int | None = None
        self.interval_ns = 0
        self._slewed_ns = self.node.now
        self._complaint = ""
        self._server: UdpSocket | None = None
        self._client = self._open(0)

    def _open(self, port: int) -> UdpSocket:
        transport = self.node.transport
        socket = transport.udp_open(port, program="chronyd")
        self.process.cleanup.append(lambda: transport.udp_close(socket))
        return socket

    def open(self) -> None:
        """Bind the server port, where anybody is allowed, and start looking names up. Raises SocketError."""
        if self.conf.serves:
            self._server = self._open(ntp.PORT)
        for line in self.conf.sources:
            try:
                self._add(line, IPv4.parse(line.name))
            except ValueError:
                self.unresolved.append(line)
                self._look_up(line)

    def _add(self, line: SourceLine, address: IPv4) -> None:
        if any(source.address == address for source in self.sources):
            return
        source = Source(line, address)
        source.begin(self.node.now)
        self.sources.append(source)

    def _look_up(self, line: SourceLine) -> None:
        """A process of its own waits for the name server, as chronyd's helper does."""
        helper = self.node.spawn(["chronyd"], _lookup(self, line), directory="/")
        self.process.cleanup.append(lambda: helper.kill(9))

    def found(self, line: SourceLine, address: IPv4) -> None:
        """A name has its address."""
        if line in self.unresolved:
            self.unresolved.remove(line)
            self._add(line, address)
            self._client.signal.fire()

    # The loop

    def run(self) -> Routine:
        """Serve and ask until a signal."""
        while True:
            self._slew()
            while self._client.queue:
                self._answer_arrived(self._client.queue.popleft())
            self._client.errors.clear()
            if self._server is not None:
                self._server.errors.clear()
                while self._server.queue:
                    self._serve(self._server.queue.popleft())
            for source in self.sources:
                if source.next_ns <= self.node.now:
                    self._ask(source)
            signals = (self._client.signal, *([self._server.signal] if self._server else []))
            yield Wait(signals, self._next())

    def _next(self) -> int | None:
        times = [source.next_ns for source in self.sources]
        if self.remaining_ns:
            times.append(self._slewed_ns + SLEW_TICK_NS * (10 if abs(self.remaining_ns) > LONG_SLEW_NS else 1))
        return min(times, default=None)

    def _ask(self, source: Source) -> None:
        clock = clock_ns(self.node)
        packet = NtpPacket(Mode.CLIENT, poll=source.poll, transmit=timestamp(clock))
        unreached = source.reach
        source.asked(packet.transmit, clock, self.node.now)
        self.node.transport.udp_send(self._client, source.address, source.line.port, ntp.encode(packet))
        if unreached and not source.reach:
            self._choose()

    def _answer_arrived(self, datagram: Datagram) -> None:
        try:
            packet = ntp.decode(datagram.data)
        except ValueError:
            return
        for source in self.sources:
            if source.address == datagram.source and source.pending and packet.origin == source.pending:
                if packet.mode != Mode.SERVER:
                    return
                good = source.answered(packet, clock_ns(self.node), self.node.now)
                self._choose()
                if good and source is self.selected:
                    self._correct(source)
                return

    def _choose(self) -> None:
        before = self.selected
        self.selected, complaint = select(self.sources, before, self.node.now)
        if self.selected is not None and self.selected is not before:
            name = self.selected.line.name
            shown = str(self.selected.address)
            self.process.print(f"Selected source {shown}" + (f" ({name})" if name != shown else ""))
        elif self.selected is None and complaint != self._complaint and (before is not None or "majority" in complaint):
            self.process.print(complaint)
        self._complaint = complaint if self.selected is None else ""

    # The clock

    def _correct(self, source: Source) -> None:
        """The clock is off by the newest sample: step it where that is allowed, else slew it."""
        node = self.node
        offset = source.offset_ns
        self.interval_ns = node.now - self.updated_ns if self.updated_ns is not None else 0
        self.updated_ns = node.now
        self.updates += 1
        self.last_offset_ns = offset
        square = self.rms_offset_ns**2
        self.rms_offset_ns = round((square + 0.1 * (offset**2 - square)) ** 0.5) if self.updates > 1 else abs(offset)
        self.reference = source
        self.remaining_ns = -offset
        self._slewed_ns = node.now
        if abs(offset) > LOG_CHANGE_NS:
            self.process.print(f"System clock wrong by {-offset / 1e9:.6f} seconds")
        limit = self.conf.step_limit
        may_step = limit < 0 or self.updates <= limit
        if may_step and abs(offset) > self.conf.step_threshold_ns:
            self.step()
        elif abs(offset) <= SLEW_AT_ONCE_NS:
            self._move(self.remaining_ns)
        self.reference_clock_ns = clock_ns(node)

    def step(self) -> None:
        """Add what is missing at once."""
        amount = self.remaining_ns
        if amount:
            self._move(amount)
            self.process.print(f"System clock was stepped by {amount / 1e9:.6f} seconds")

    def _slew(self) -> None:
        """Move the clock by what may have been made up for since the last time."""
        now = self.node.now
        if self.remaining_ns:
            most = (now - self._slewed_ns) // SLEW_PART
            self._move(max(-most, min(most, self.remaining_ns)))
        self._slewed_ns = now

    def _move(self, amount_ns: int) -> None:
        if not amount_ns:
            return
        self.node.clock_offset_ns += amount_ns
        self.remaining_ns -= amount_ns
        self.reference_clock_ns += amount_ns
        for source in self.sources:
            source.moved(amount_ns)

    # The server

    @property
    def stratum(self) -> int:
        """The stratum of this device: 0 where it does not know the time."""
        if self.reference is not None and self.selected is not None:
            return self.reference.stratum + 1
        return self.conf.local_stratum or (self.reference.stratum + 1 if self.reference is not None else 0)

    @property
    def local(self) -> bool:
        """True where the device serves its own clock as it is."""
        return self.selected is None and self.conf.local_stratum is not None

    @property
    def leap(self) -> Leap:
        """UNKNOWN until a source was followed, unless `local` is set."""
        known = self.local or self.reference is not None
        return Leap.NONE if known else Leap.UNKNOWN

    def root(self) -> tuple[int, int]:
        """Root delay and root dispersion, in nanoseconds."""
        if self.local:
            return 0, 0
        if self.reference is None:
            return SECOND, SECOND
        return self.reference.root_delay_ns(), self.reference.dispersion_ns(self.node.now)

    def reference_id(self) -> IPv4:
        """The address of the source, or what stands for it."""
        if self.local:
            return ntp.LOCAL_REFERENCE
        return self.reference.address if self.reference is not None else IPv4(0)

    def _serve(self, datagram: Datagram) -> None:
        try:
            question = ntp.decode(datagram.data)
        except ValueError:
            return
        if question.mode != Mode.CLIENT or not self.conf.allows(datagram.source) or self._server is None:
            return
        delay, dispersion = self.root()
        clock = timestamp(clock_ns(self.node))
        answer = NtpPacket(
            Mode.SERVER,
            self.leap,
            self.stratum,
            question.poll,
            PRECISION,
            delay,
            dispersion,
            int(self.reference_id()),
            clock if self.local else timestamp(self.reference_clock_ns) if self.reference else 0,
            question.transmit,
            clock,
            clock,
            question.version,
        )
        self.node.transport.udp_send(self._server, datagram.source, datagram.sport, ntp.encode(answer))


def _lookup(daemon: Chronyd, line: SourceLine) -> Program:
    def helper(process: Process) -> Routine:
        pause = RESOLVE_FIRST_NS
        while True:
            try:
                address = yield from resolve(process, line.name)
            except ResolveError:
                until = process.node.now + pause
            else:
                daemon.found(line, address)
                return 0
            while process.node.now < until:
                yield Wait(until=until)
            pause = min(2 * pause, 512 * RESOLVE_FIRST_NS)

    return helper


_running: WeakKeyDictionary[Process, Chronyd] = WeakKeyDictionary()


def running_chronyd(node: LinuxNode) -> Chronyd | None:
    """What chronyc talks to."""
    return next((_running[process] for process in node.processes if process in _running), None)


def chronyd(process: Process) -> Routine:
    """The daemon."""
    process.print(GREETING)
    try:
        conf = parse_chrony(process.node.files.read(CONFIG), CONFIG)
        daemon = Chronyd(process, conf)
        daemon.open()
    except FileError as error:
        process.print(f"Fatal error : Could not open {CONFIG} : {error}")
        return 1
    except ChronyError as error:
        process.print(f"Fatal error : {error}")
        return 1
    except SocketError as error:
        process.print(f"Could not bind socket to port {ntp.PORT} : {error}", "Fatal error : Could not open NTP sockets")
        return 1
    for line in conf.others:
        process.print(f'"{line}" is not simulated here')
    _running[process] = daemon
    try:
        return (yield from daemon.run())
    except Interrupt as interrupt:
        if interrupt.signal not in (SIGTERM, SIGHUP):
            raise
        process.print("chronyd exiting")
        return 0
