"""tracepath (iputils): the way to a destination and its path MTU, found with UDP packets that must not be cut.

Before changing this file compare with the real tool: iputils 20221126.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, field

from labs.model.addresses import Address
from labs.net import icmp
from labs.net.process import Process, Program, Routine, Wait
from labs.net.sockets import IcmpError, UdpSocket
from labs.shell.options import UsageError, parse_options
from labs.shell.resolver import ResolveError, resolve, reverse

__all__ = ["COMMANDS"]

SECOND = 1_000_000_000
PATIENCE_NS = SECOND  # how long each probe is waited for
TRIES = 3  # probes per hop before "no reply"
BASE_PORT = 44444
MAX_HOPS = 30
LARGEST = 65_535
HEADERS_BYTES = 28  # IPv4 and UDP
COLUMN = 52  # the width of a name
SLOTS = 64  # ports that probes take in turn
USAGE = """
Usage
  tracepath [options] <destination>

Options:
  -4             use IPv4
  -6             use IPv6
  -b             print both name and IP
  -l <length>    use packet <length>
  -m <hops>      use maximum <hops>
  -n             no reverse DNS name resolution
  -p <port>      use destination <port>
  -V             print version and exit
  <destination>  DNS name or IP address
"""
MARKS = {
    icmp.HOST_UNREACHABLE: "!H",
    icmp.NET_UNREACHABLE: "!N",
    icmp.PROTOCOL_UNREACHABLE: "!P",
    icmp.ADMIN_PROHIBITED: "!A",
}


class _Refusal(Exception):
    """The program ends before it began."""


@dataclass(slots=True)
class _Options:
    numeric: bool = False
    both: bool = False
    hops: int = MAX_HOPS
    length: int = LARGEST
    port: int = BASE_PORT


def _number(text: str, low: int, high: int) -> int:
    if not text.removeprefix("-").isdecimal():
        raise _Refusal(f"invalid argument: '{text}'")
    if not low <= int(text) <= high:
        raise _Refusal(f"invalid argument: '{text}': out of range: {low} <= value <= {high}")
    return int(text)


def _read(arguments: list[str]) -> tuple[_Options, str]:
    options = _Options()
    words, operands = parse_options(arguments, "46nbhl:m:p:V")
    for option, value in words:
        match option:
            case "-n":
                options.numeric = True
            case "-b":
                options.both = True
            case "-l":
                options.length = _number(value, 28, (1 << 31) - 1)
            case "-m":
                options.hops = _number(value, 0, 255)
            case "-p":
                options.port = _number(value, 1, 65535)
            case "-6":
                raise _Refusal("-6 is not simulated here")
            case "-V":
                raise _Refusal("")
            case "-h":
                raise UsageError("")
    if len(operands) != 1:
        raise UsageError("")
    return options, operands[0]


def tracepath(process: Process) -> Routine:
    """The program."""
    try:
        options, target = _read(process.argv[1:])
    except UsageError as error:
        process.error(*([f"tracepath: {error}"] if str(error) else []), USAGE, "For more details see tracepath(8).")
        return 2
    except _Refusal as refusal:
        if not str(refusal):
            process.print("tracepath from iputils 20221126")
            return 0
        process.error(f"tracepath: {refusal}")
        return 1
    try:
        address = yield from resolve(process, target)
    except ResolveError as error:
        process.error(f"tracepath: {target}: {error}")
        return 1
    run = _Run(process, options, address, min(options.length, LARGEST))
    return (yield from run.loop())


@dataclass(slots=True)
class _Run:
    process: Process
    options: _Options
    target: Address
    mtu: int
    there: int = -1
    back: int = -1
    progress: int = 0
    names: dict[Address, str] = field(default_factory=dict)
    numbered: int = 0
    """Which port the next probe goes to, so that its answer tells which one it was."""
    sent: dict[int, tuple[int, int]] = field(default_factory=dict)
    """By port: the TTL of a probe and when it left."""

    def loop(self) -> Routine:
        """Ask hop after hop until the target answers."""
        node = self.process.node
        socket = node.transport.udp_open(program="tracepath")
        self.process.cleanup.append(lambda: node.transport.udp_close(socket))
        for ttl in (1, *range(1, self.options.hops + 1)):  # the real one asks its first hop twice, too
            ended = yield from self._hop(socket, ttl)
            if ended is not None:
                return self._resume(ended)
        self.process.print(f"     Too many hops: pmtu {self.mtu}")
        return self._resume(0)

    def _hop(self, socket: UdpSocket, ttl: int) -> Generator[Wait, None, int | None]:
        """One hop: None where the next one is to be asked, else the exit status."""
        tries = 0
        while tries < TRIES:
            node = self.process.node
            known = node.transport.path_mtu(self.target)
            if known < self.mtu:
                self.mtu = known
                self.process.print(f"{ttl:2d}?: {'[LOCALHOST]':<32} pmtu {self.mtu}")
            if not self._send(socket, ttl):
                self.process.print(f"{ttl:2d}:  send failed")
                return 1
            deadline = node.now + PATIENCE_NS
            while not socket.errors and node.now < deadline:
                yield Wait((socket.signal,), deadline)
            if not socket.errors:
                tries += 1
                continue
            found = socket.errors.popleft()
            again, status = yield from self._told(found, ttl)
            if status is not None:
                return status
            if not again:
                return None
        self.process.print(f"{ttl:2d}:  no reply")
        return None

    def _send(self, socket: UdpSocket, ttl: int) -> bool:
        node = self.process.node
        port = (self.options.port + self.numbered % SLOTS) & 0xFFFF or 1
        self.numbered += 1
        self.sent[port] = (ttl, node.now)
        size = max(0, self.mtu - HEADERS_BYTES)
        error = node.transport.udp_send(socket, self.target, port, bytes(size), ttl=ttl, discovery="do")
        return error is None

    def _told(self, error: IcmpError, ttl: int) -> Generator[Wait, None, tuple[bool, int | None]]:
        """An ICMP error: whether this hop is to be asked again, and the exit status where it was the last."""
        node = self.process.node
        asked, since = self.sent.get(error.dport, (ttl, node.now))
        name = yield from self._name(error.source)
        elapsed_us = (node.now - since) // 1000
        line = f"{asked:2d}:  {name:<{COLUMN}}{elapsed_us // 1000:3d}.{elapsed_us % 1000:03d}ms "
        if error.type == icmp.DEST_UNREACHABLE and error.code == icmp.FRAGMENTATION_NEEDED:
            self.mtu = min(self.mtu, error.mtu)
            self.process.print(f"{line}pmtu {error.mtu}")
            return True, None
        if error.type == icmp.TIME_EXCEEDED:
            self.process.print(line + self._asymmetry(asked, error.ttl))
            return False, None
        if error.code == icmp.PORT_UNREACHABLE and error.source == self.target:
            self.there, self.back = asked, _hops_back(error.ttl)
            self.process.print(f"{line}reached")
            return False, 0
        self.process.print(line + MARKS.get(error.code, f"!{error.code}"))
        return False, 0

    @staticmethod
    def _asymmetry(asked: int, ttl: int) -> str:
        back = _hops_back(ttl)
        return f"asymm {back:2d} " if back != asked else ""

    def _resume(self, status: int) -> int:
        line = f"     Resume: pmtu {self.mtu} "
        if self.there >= 0:
            line += f"hops {self.there} back {self.back} "
        self.process.print(line)
        return status

    def _name(self, address: Address) -> Generator[Wait, None, str]:
        if self.options.numeric:
            return str(address)
        if address not in self.names:
            name = yield from reverse(self.process, address)
            shown = name or str(address)
            self.names[address] = f"{shown} ({address})" if self.options.both else shown
        return self.names[address]


def _hops_back(ttl: int) -> int:
    """How many hops an answer has come, judged by the TTL it has left (tracepath.c)."""
    for start in (64, 128, 255):
        if ttl <= start:
            return start - ttl + 1
    return 0


COMMANDS: dict[str, Program] = {"tracepath": tracepath}
