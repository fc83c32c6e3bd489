"""tcpdump: the frames of an interface as they pass, one line each."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from labs.model.addresses import Address
from labs.net import pcap
from labs.net.capture.filter import FilterError, compile_filter
from labs.net.capture.lines import LineStyle, Printer, addresses_in
from labs.net.ethernet import BROADCAST, Frame
from labs.net.filesystem import FileError, FileSystem
from labs.net.process import SIGINT, SIGTERM, Interrupt, Process, Program, Routine, Wait
from labs.net.sockets import PacketSocket
from labs.shell.commands.packet_bytes import ascii_lines, hex_lines, packet_of
from labs.shell.options import UsageError, parse_options
from labs.shell.resolver import ResolveError, resolve, reverse

__all__ = ["COMMANDS"]

# map_arphrd_to_dlt, libpcap pcap-linux.c: what it does not know is cooked
LINK_TYPES = {
    "any": "LINUX_SLL2 (Linux cooked v2)",
    "gre": "LINUX_SLL (Linux cooked v1)",
    "ipip": "RAW (Raw IP)",
    "wireguard": "RAW (Raw IP)",
}
SECOND = 1_000_000_000
SILENCE_NS = 60 * SECOND  # with -c: nobody waits longer than this for the next packet
VERSION = ("tcpdump version 4.99.3", "libpcap version 1.10.3 (with TPACKET_V3)")
USAGE = (
    *VERSION,
    "Usage: tcpdump [-AbdDefhHIJKlLnNOpqStuUvxX#] [ -B size ] [ -c count ] [--count]",
    "\t\t[ -i interface ] [ -Q in|out|inout ] [ -s snaplen ] [ --version ] [ expression ]",
)
IGNORED = frozenset({"-l", "-U", "-p", "-K", "-N", "-O", "-s", "-B", "-#", "--immediate-mode", "-S"})
ABSENT = frozenset({"-A", "-x", "-X", "-b", "-C", "-F", "-G", "-W", "-z", "-Z", "-E", "-T", "-y", "-L", "-I", "-J"})


class _Refusal(Exception):
    """A line for stderr and the end, with status 1."""


@dataclass(slots=True)
class _Options:
    interface: str = ""
    count: int = 0
    numeric: int = 0
    link: bool = False
    verbose: int = 0
    quick: bool = False
    stamps: int = 0
    direction: str = "inout"
    only_count: bool = False
    dump: str = ""
    list: bool = False
    save: str = ""
    load: str = ""


def _read(arguments: list[str], directory: str) -> tuple[_Options, str]:
    options = _Options()
    short = "AbB:c:C:dDeE:fF:G:hHi:IJj:KlLM:nNOpqQ:r:s:StT:uUvV:w:W:xXy:z:Z:#"
    words, rest = parse_options(arguments, short, ["count", "version", "help", "immediate-mode", "interface="])
    for option, value in words:
        match option:
            case "-i" | "--interface":
                options.interface = value
            case "-c":
                if not value.isdecimal() or int(value) < 1:
                    raise _Refusal(f"invalid packet count {value}")
                options.count = int(value)
            case "-n":
                options.numeric += 1
            case "-e":
                options.link = True
            case "-v":
                options.verbose += 1
            case "-q":
                options.quick = True
            case "-t":
                options.stamps += 1
            case "-A" | "-x" | "-X":
                options.dump = option
            case "-w" | "-r":
                if value == "-":
                    raise _Refusal(f'"{option} -" is not simulated here')
                path = FileSystem.resolve(value, directory)
                options.save, options.load = (path, options.load) if option == "-w" else (options.save, path)
            case "-Q":
                if value not in ("in", "out", "inout"):
                    raise _Refusal(f"unknown capture direction `{value}'")
                options.direction = value
            case "--count":
                options.only_count = True
            case "-D":
                options.list = True
            case "-h" | "--help" | "--version":
                raise UsageError("")
            case _ if option in IGNORED:
                pass
            case _:
                raise _Refusal(f'"{option}" is not simulated here')
    return options, " ".join(rest)


def tcpdump(process: Process) -> Routine:
    """The program."""
    try:
        options, expression = _read(process.argv[1:], process.directory)
        if options.list:
            return _list_interfaces(process)
        capture = _Capture(process, options)
        yield from capture.compile(expression)
        if options.load:
            yield from capture.replay()
            return 0
        capture.open_file()
    except UsageError as error:
        process.error(*([f"tcpdump: {error}"] if str(error) else []), *(USAGE if str(error) else VERSION))
        return 1 if str(error) else 0
    except _Refusal as refusal:
        process.error(f"tcpdump: {refusal}")
        return 1
    process.endless = not options.count
    try:
        yield from capture.run()
    except Interrupt as interrupt:
        if interrupt.signal not in (SIGINT, SIGTERM):
            raise
        process.stdout.write("\n")
    capture.finish()
    return 0


def _list_interfaces(process: Process) -> int:
    number = 0
    names = [i for i in process.node.interfaces.values() if i.up and i.kind != "loopback"]
    for interface in names:
        number += 1
        state = "Up, Running, Connected" if interface.running else "Up, Disconnected"
        process.print(f"{number}.{interface.name} [{state}]")
    process.print(f"{number + 1}.any (Pseudo-device that captures on all interfaces) [Up, Running]")
    process.print(f"{number + 2}.lo [Up, Running, Loopback]")
    return 0


class _Capture:
    """One capture in progress."""

    def __init__(self, process: Process, options: _Options) -> None:
        node = process.node
        self._process = process
        self._node = node
        self._options = options
        name = options.interface or self._first()
        self._any = name == "any"
        if self._any and options.save:
            raise _Refusal("capturing on any into a file is not simulated here; name one interface")
        if not self._any and not options.load:
            interface = node.interfaces.get(name)
            if interface is None:
                raise _Refusal(f"{name}: No such device exists\n(No such device exists)")
            if not interface.up:
                raise _Refusal(f"{name}: That device is not up")
        self._name = name
        self._names: dict[Address, str] = {}
        style = LineStyle(options.link and not self._any, options.quick, options.verbose, bool(options.numeric))
        self._printer = Printer(style, self._name_of)
        self._captured = 0
        self._last_ns: int | None = None
        self._socket: PacketSocket | None = None
        self._saved: list[str] = []
        self._wall = lambda at_ns: node.world.wall_clock(at_ns + node.clock_offset_ns)

    def _first(self) -> str:
        """The interface that is taken without -i: the first that is up."""
        for interface in self._node.interfaces.values():
            if interface.up and interface.kind != "loopback":
                return interface.name
        return "lo"

    def compile(self, expression: str) -> Generator[Wait, None, None]:
        """Read the filter and look up its names. Raises _Refusal."""
        addresses: dict[str, Address] = {}
        try:
            accepts, names = compile_filter(expression, addresses)
        except FilterError as error:
            raise _Refusal(str(error)) from None
        for name in sorted(names):
            try:
                addresses[name] = yield from resolve(self._process, name)
            except ResolveError:
                raise _Refusal(f"unknown host '{name}'") from None
        self._accepts = accepts

    def replay(self) -> Generator[Wait, None, None]:
        """Print a capture file. Raises _Refusal."""
        options = self._options
        try:
            records = list(pcap.read(self._node.files.read(options.load)))
        except FileError as error:
            raise _Refusal(f"{options.load}: {error}") from None
        except pcap.PcapError as error:
            raise _Refusal(str(error)) from None
        kind = f"link-type EN10MB (Ethernet), snapshot length {pcap.SNAPSHOT_BYTES}"
        self._process.error(f"reading from file {options.load}, {kind}")
        self._wall = lambda at_ns: at_ns / SECOND
        for at_us, frame in records:
            if not self._accepts(frame):
                continue
            self._captured += 1
            if options.save:
                self._saved.append(pcap.record(at_us, frame))
            elif not options.only_count:
                yield from self._look_up(frame)
                self._print(at_us * 1000, "", "in", frame)
            if options.count and self._captured >= options.count:
                break
        if options.only_count:
            self._process.print(f"{self._captured} packet{'' if self._captured == 1 else 's'}")
        self._save()

    def open_file(self) -> None:
        """Begin the file of -w. Raises _Refusal."""
        if self._options.save:
            try:
                self._node.files.write(self._options.save, pcap.header())
            except FileError as error:
                raise _Refusal(f"{self._options.save}: {error}") from None

    def _save(self) -> None:
        if self._options.save:
            try:
                self._node.files.write(self._options.save, pcap.header() + "".join(self._saved))
            except FileError as error:
                self._process.error(f"tcpdump: Unable to write output: {error}")

    def run(self) -> Routine:
        """Print what passes until there was enough."""
        node, options = self._node, self._options
        socket = node.transport.packet_open(None if self._any else self._name)
        socket.accepts = self._accepts
        self._socket = socket
        self._process.cleanup.append(lambda: node.transport.packet_close(socket))
        kind = "any" if self._any else node.interfaces[self._name].kind
        link = LINK_TYPES.get(kind, "EN10MB (Ethernet)")
        listening = f"listening on {self._name}, link-type {link}, snapshot length 262144 bytes"
        if self._any:
            self._process.error("tcpdump: data link type LINUX_SLL2")
        if options.verbose or options.save:
            self._process.error(f"tcpdump: {listening}")
        else:
            self._process.error("tcpdump: verbose output suppressed, use -v[v]... for full protocol decode", listening)
        while True:
            while socket.queue:
                at_ns, interface, direction, frame = socket.queue.popleft()
                if options.direction not in ("inout", direction):
                    continue
                self._captured += 1
                if options.save:
                    self._saved.append(pcap.record(round(self._wall(at_ns) * 1_000_000), frame))
                elif not options.only_count:
                    yield from self._look_up(frame)
                    self._print(at_ns, interface, direction, frame)
                if options.count and self._captured >= options.count:
                    return 0
            asked = node.now
            yield Wait((socket.signal,), None if self._process.endless else asked + SILENCE_NS)
            self._process.endless = not options.count or node.now - asked >= SILENCE_NS

    def _name_of(self, address: Address) -> str:
        return self._names.get(address, str(address))

    def _look_up(self, frame: Frame) -> Generator[Wait, None, None]:
        """Without -n every address is looked up once, with packets of its own."""
        if self._options.numeric:
            return
        for address in addresses_in(frame):
            if address not in self._names:
                self._names[address] = str(address)
                self._names[address] = (yield from reverse(self._process, address)) or str(address)

    def _print(self, at_ns: int, interface: str, direction: str, frame: Frame) -> None:
        where = ""
        if self._any:
            kind = (
                "Out" if direction == "out" else "B" if frame.dst == BROADCAST else "M" if frame.dst.is_group else "In"
            )
            where = f"{interface:<5} {kind:<3} "
        self._process.print(f"{self._stamp(at_ns)}{where}{self._printer.text(frame)}")
        if self._options.dump == "-A":
            self._process.print(*ascii_lines(packet_of(frame)))
        elif self._options.dump:
            self._process.print(*hex_lines(packet_of(frame), readable=self._options.dump == "-X"))

    def _stamp(self, at_ns: int) -> str:
        """The time, in the form that -t, -tt, -ttt, -tttt or -ttttt asks for."""
        previous, self._last_ns = self._last_ns, at_ns
        stamps = self._options.stamps
        if stamps == 1:
            return ""
        wall = self._wall(at_ns)
        if stamps == 2:
            return f"{wall:.6f} "
        if stamps in (3, 5):
            if stamps == 5 and previous is not None:
                self._last_ns = previous
            elapsed = timedelta(microseconds=(at_ns - (previous if previous is not None else at_ns)) // 1000)
            seconds = int(elapsed.total_seconds())
            return f" {seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}.{elapsed.microseconds:06d} "
        moment = datetime.fromtimestamp(round(wall * 1_000_000) / 1_000_000, tz=UTC)
        return f"{moment:%Y-%m-%d %H:%M:%S.%f} " if stamps == 4 else f"{moment:%H:%M:%S.%f} "

    def finish(self) -> None:
        """The counts, on stderr."""
        self._save()
        dropped = self._socket.dropped if self._socket is not None else 0
        waiting = len(self._socket.queue) if self._socket is not None else 0
        received = self._captured + waiting
        if self._options.only_count:
            self._process.print(f"{self._captured} packet{'' if self._captured == 1 else 's'}")
        self._process.error(
            f"{self._captured} packet{'' if self._captured == 1 else 's'} captured",
            f"{received} packet{'' if received == 1 else 's'} received by filter",
            f"{dropped} packet{'' if dropped == 1 else 's'} dropped by kernel",
        )


COMMANDS: dict[str, Program] = {"tcpdump": tcpdump}
