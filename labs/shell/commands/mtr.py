"""mtr in report mode: each router on the way, how many of its answers are missing, and how long they take.

Before changing this file compare with the real tool: mtr 0.95.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from math import sqrt

from labs.model.addresses import Address, IPv6
from labs.net import icmp
from labs.net.icmpv6 import DEST_UNREACHABLE6
from labs.net.process import Process, Program, Routine, Wait
from labs.net.sockets import EchoSocket, IcmpError
from labs.shell.options import UsageError, parse_options
from labs.shell.resolver import ResolveError, lookup, reverse

__all__ = ["COMMANDS"]

SECOND = 1_000_000_000
GRACE_NS = 5 * SECOND  # how long the last answers may take
SPACING_NS = SECOND // 10
MAX_HOPS = 30
MAX_UNKNOWN = 5
MAX_CYCLES = 10_000
NAME_WIDTH = 25
LONG = ("report", "report-wide", "report-cycles=", "no-dns", "interval=", "max-ttl=", "help", "version")
USAGE = """
Usage:
 mtr [options] hostname

 -r, --report               output using report mode
 -w, --report-wide          output wide report
 -c, --report-cycles COUNT  set the number of pings sent
 -n, --no-dns               do not resolve host names
 -i, --interval SECONDS     ICMP echo request interval
 -m, --max-ttl NUMBER       maximum number of hops"""


@dataclass(slots=True)
class _Hop:
    """What is known of one distance."""

    sent: int = 0
    times_ns: list[int] = field(default_factory=list)
    source: Address | None = None
    name: str = ""


def is_final(error: IcmpError) -> bool:
    """True where nothing lies beyond whoever sent this error."""
    return error.type == (DEST_UNREACHABLE6 if isinstance(error.source, IPv6) else icmp.DEST_UNREACHABLE)


class _Trace:
    """One run."""

    def __init__(self, process: Process, target: Address, most: int) -> None:
        self.process = process
        self.target = target
        self.most = most
        self.hops: list[_Hop] = []
        self.end: int | None = None
        """The distance of the target, or of who says that it cannot be reached."""
        self._flying: dict[int, tuple[int, int]] = {}
        self._sequence = 0

    def run(self, socket: EchoSocket, cycles: int, interval_ns: int) -> Generator[Wait, None, str | None]:
        """Send the probes and collect the answers; returns the error of the system call where nothing can be sent."""
        node = self.process.node
        for _ in range(cycles):
            next_ns = node.now + interval_ns
            ttl = 1
            while ttl <= min(self.end or self.most, self.most) and self._unknown_behind(ttl) < MAX_UNKNOWN:
                error = self._send(socket, ttl)
                if error is not None:
                    return error
                yield from self._collect(socket, node.now + SPACING_NS, hurry=True)
                ttl += 1
            yield from self._collect(socket, next_ns, hurry=False)
        yield from self._collect(socket, node.now + GRACE_NS, hurry=True)
        return None

    def _unknown_behind(self, ttl: int) -> int:
        known = max((i + 1 for i, hop in enumerate(self.hops) if hop.source is not None), default=0)
        return ttl - 1 - known

    def _send(self, socket: EchoSocket, ttl: int) -> str | None:
        node = self.process.node
        while len(self.hops) < ttl:
            self.hops.append(_Hop())
        self._sequence += 1
        self._flying[self._sequence & 0xFFFF] = (ttl, node.now)
        self.hops[ttl - 1].sent += 1
        return node.transport.echo_send(
            socket, self.target, self._sequence & 0xFFFF, size=36, ttl=ttl, discovery="dont"
        )

    def _collect(self, socket: EchoSocket, until: int, *, hurry: bool) -> Generator[Wait, None, None]:
        """Take answers until a time; with `hurry` no longer than something is missing."""
        node = self.process.node
        while True:
            while socket.replies:
                reply = socket.replies.popleft()
                self._heard(reply.sequence, reply.source, final=True)
            while socket.errors:
                error, sent = socket.errors.popleft()
                self._heard(sent.sequence, error.source, final=is_final(error))
            if node.now >= until or (hurry and not self._flying):
                return
            yield Wait((socket.signal,), until)

    def _heard(self, sequence: int, source: Address, *, final: bool) -> None:
        flight = self._flying.pop(sequence, None)
        if flight is None:
            return
        ttl, sent_ns = flight
        hop = self.hops[ttl - 1]
        hop.source = source
        hop.times_ns.append(self.process.node.now - sent_ns)
        if final:
            self.end = ttl if self.end is None else min(self.end, ttl)

    def shown(self) -> list[_Hop]:
        """The hops of the report: behind the last that is known, one unknown stands for the rest."""
        if self.end is not None:
            return self.hops[: self.end]
        known = max((i + 1 for i, hop in enumerate(self.hops) if hop.source is not None), default=0)
        return self.hops[: known + 1]


def mtr(process: Process) -> Routine:
    """The program."""
    try:
        words, operands = parse_options(process.argv[1:], "rwc:ni:m:hv", LONG)
        options = {
            option.lstrip("-")[:1] if not option.startswith("--") else option[2:]: value for option, value in words
        }
        report, wide, numeric, cycles, interval_ns, most = _numbers(options)
    except UsageError as error:
        process.error(f"mtr: {error}", *USAGE.split("\n"))
        return 1
    if "h" in options or "help" in options:
        process.print(*USAGE.split("\n"))
        return 0
    if "v" in options or "version" in options:
        process.print("mtr 0.95")
        return 0
    if not report:
        process.error("mtr: the full-screen display is not simulated here; use mtr -r")
        return 1
    node = process.node
    name = operands[0] if operands else "localhost"
    try:
        target = (yield from lookup(process, name))[0].address
    except ResolveError as error:
        process.error(f"mtr: Failed to resolve host: {name}: {error}")
        return 0
    started = datetime.fromtimestamp(node.wall_clock(), UTC)
    trace = _Trace(process, target, most)
    socket = node.transport.echo_open()
    process.cleanup.append(lambda: node.transport.echo_close(socket))
    failure = yield from trace.run(socket, cycles, interval_ns)
    hops = trace.shown()
    for hop in hops:
        if hop.source is not None:
            found = None if numeric else (yield from reverse(process, hop.source))
            hop.name = found or str(hop.source)
    process.print(f"Start: {started:%Y-%m-%dT%H:%M:%S}+0000")
    _print(process, hops if failure is None else hops[:1], wide=wide)
    return 0


def _numbers(options: dict[str, str]) -> tuple[bool, bool, bool, int, int, int]:
    wide = "w" in options or "report-wide" in options
    report = wide or "r" in options or "report" in options
    count = options.get("c", options.get("report-cycles", "10"))
    interval = options.get("i", options.get("interval", "1"))
    most = options.get("m", options.get("max-ttl", str(MAX_HOPS)))
    if not count.isdecimal() or not 0 < int(count) <= MAX_CYCLES:
        message = f"invalid argument: '{count}'"
        raise UsageError(message)
    try:
        interval_ns = int(float(interval) * SECOND)
    except ValueError:
        interval_ns = 0
    if interval_ns <= 0 or not most.isdecimal():
        message = f"invalid argument: '{most if interval_ns > 0 else interval}'"
        raise UsageError(message)
    numeric = "n" in options or "no-dns" in options
    return report, wide, numeric, int(count), interval_ns, max(1, min(int(most), MAX_HOPS))


def _print(process: Process, hops: list[_Hop], *, wide: bool) -> None:
    width = max((len(hop.name or "???") for hop in hops), default=0) if wide else NAME_WIDTH
    width = max(width, 12) if wide else width
    head = f"HOST: {process.node.hostname:<{width + 2}}{'Loss%':>6}"
    process.print(head + "   Snt   Last   Avg  Best  Wrst StDev")
    for number, hop in enumerate(hops, start=1):
        times = [time_ns / 1_000_000 for time_ns in hop.times_ns]
        loss = f"{100 * (hop.sent - len(times)) / max(1, hop.sent):.1f}%"[:5]
        mean = sum(times) / len(times) if times else 0.0
        spread = sqrt(sum((t - mean) ** 2 for t in times) / (len(times) - 1)) if len(times) > 1 else 0.0
        last, low, high = (times[-1], min(times), max(times)) if times else (0.0, 0.0, 0.0)
        row = f"{number:3}.|-- {hop.name or '???':<{width}}{loss:>6}{hop.sent:6}"
        row += f"{f'{last:.1f}'[:5]:>7}" + "".join(f"{f'{value:.1f}'[:5]:>6}" for value in (mean, low, high))
        process.print(row + f"{spread:6.1f}")


COMMANDS: dict[str, Program] = {"mtr": mtr}
