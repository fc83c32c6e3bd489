"""`ip` and `bridge` where Open vSwitch does the VLANs: what is about them is done here, the rest by the real tools.

A command that changes one of our bridges or VLAN interfaces is the simulator's, at the switchboard of the device. A
list is what the real tool says, put right. Everything else is left to the real tool, in the sandbox of whoever asked.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from labs.engines.kernel.sandbox.commands import PASS
from labs.engines.kernel.vlans.ip_view import as_json, as_text
from labs.engines.kernel.vlans.openvswitch import SwitchError
from labs.engines.kernel.vlans.way import HIDDEN
from labs.net.process import Process, Program, Routine, Wait, Writer
from labs.shell.commands.bridge.brctl import brctl
from labs.shell.commands.bridge.program import bridge
from labs.shell.commands.ip.link import link_command
from labs.shell.commands.ip.output import Style, print_json
from labs.shell.commands.ip.words import IpError, Words, matches

if TYPE_CHECKING:
    from labs.engines.kernel.device.machine import Machine
    from labs.engines.kernel.vlans.board import Switchboard
    from labs.net.linux.node import LinuxNode

__all__ = ["answer", "change", "changes", "is_ours"]

SHOW_OPTIONS = re.compile(
    r"-(?:j|json|p|pretty|d|details?|s|stats?|statistics|br|brief|o|oneline|4|6|c|color|h|human(?:-readable)?)"
)
PLAIN = re.compile(r"[\w./:@%+,-]+")
CHANGES = frozenset({"up", "down", "address", "mtu", "master", "nomaster", "type", "name"})
REFUSED = 'ip: "{}" of a bridge or VLAN interface is not implemented here, where Open vSwitch stands in for the kernel'


class Line:
    """The words of an `ip` command: its options, object, command, and what follows."""

    def __init__(self, argv: Sequence[str]) -> None:
        words = list(argv[1:])
        self.options: list[str] = []
        while words and words[0].startswith("-"):
            self.options.append(words.pop(0))
        name = words.pop(0) if words else ""
        self.object = next((known for known in ("address", "link") if name and matches(name, known)), "")
        self.command = words[0] if words else "show"
        self.rest = words[1:]

    def names(self, *known: str) -> bool:
        """True where the command is one of these."""
        return any(matches(self.command, name) for name in known)

    def after(self, word: str) -> str:
        """What follows a word."""
        place = self.rest.index(word) + 1 if word in self.rest else len(self.rest)
        return self.rest[place] if place < len(self.rest) else ""

    @property
    def device(self) -> str:
        """The interface that is meant."""
        return self.after("dev") or (self.rest[0] if self.rest else "")


def is_ours(board: Switchboard, argv: Sequence[str]) -> bool:
    """True for a command that changes something which Open vSwitch has to bring about."""
    if argv[0] in ("bridge", "brctl"):
        return any(board.owns(word) or board.bridge_of(word) for word in argv[1:])
    line = Line(argv)
    if line.object != "link":
        return False
    if line.names("add"):
        plain = line.after("type") == "bridge" and "stp_state" not in argv  # a spanning tree is the kernel's
        return plain or line.after("type") == "vlan"
    if line.names("delete"):
        return board.owns(line.device)
    if line.names("set", "change") and CHANGES & set(line.rest):
        moves = board.owns(line.after("master")) or (
            bool(board.bridge_of(line.device)) and bool({"master", "nomaster", "bridge_slave"} & set(line.rest))
        )
        return moves or board.owns(line.device)
    return False


def changes(process: Process, board: Switchboard, program: Program) -> int:
    """Run a command of the simulator at the board, without bringing about yet what it changed."""
    machine = process.node
    words = process.argv
    if "stp_state" in words and words[words.index("stp_state") + 1 :][:1] not in (["0"], ["off"]):
        process.error(REFUSED.format("stp_state"))
        return 1
    if words[0] == "ip" and Line(words).names("set", "change") and "name" in Line(words).rest:
        process.error(REFUSED.format("name"))
        return 1
    if words[0] == "ip" and _nested(board, Line(words)):
        process.error(REFUSED.format("stacking"))
        return 1
    process.node = board  # type: ignore[assignment]
    try:
        status = program(process)
        assert isinstance(status, int)
        return status
    finally:
        process.node = machine


def ip_link(process: Process) -> int:
    """`ip … link …`, of which only changes come here."""
    words = process.argv[1:]
    try:
        return link_command(process, Style(), Words(words[len(Line(process.argv).options) + 1 :]))
    except IpError as error:
        process.error(*error.lines)
        return error.status


class _Said(Writer):
    """Keeps what a command says."""

    def __init__(self) -> None:
        self.text = ""

    def write(self, text: str) -> None:
        """Keep."""
        self.text += text


def change(node: LinuxNode, board: Switchboard, argv: list[str]) -> list[str] | None:
    """Run a command at the board; what it said where it failed."""
    said = _Said()
    programs = {"ip": ip_link, "bridge": bridge, "brctl": brctl}
    status = changes(Process(node, argv, stdout=said), board, programs[argv[0]])
    return said.text.splitlines() if status else None


def _nested(board: Switchboard, line: Line) -> bool:
    """A VLAN in a VLAN, or a port that is a VLAN interface as well: Open vSwitch would need more than one bridge."""
    below = board.interfaces.get(line.after("link") if line.names("add") else line.device)
    if below is None:
        return False
    if line.names("add") and line.after("type") == "vlan":
        return below.kind == "vlan" or below.master is not None
    carries = any(other.parent is below for other in board.interfaces.values())
    return bool(line.after("master")) and (below.kind == "vlan" or carries)


def answer(name: str, board: Switchboard) -> Program:
    """The program that answers when `ip` or `bridge` is typed."""

    def answer_bridge(process: Process) -> int:
        board.look()
        if not board.active:
            return PASS
        board.load_stations()
        return _settled(process, board, lambda: changes(process, board, bridge))

    def answer_ip(process: Process) -> Routine | int:
        board.look()
        hidden = next((word for word in process.argv if word in HIDDEN), "")
        if hidden:
            process.error(f'Cannot find device "{hidden}"')
            return 1
        if is_ours(board, process.argv):
            board.load_stations()
            return _settled(process, board, lambda: changes(process, board, ip_link))
        line = Line(process.argv)
        shows = line.object and (line.names("show", "list", "lst") or line.command in board.interfaces)
        if not (board.active and shows and all(SHOW_OPTIONS.fullmatch(option) for option in line.options)):
            return PASS
        return _show(process, board, line) if all(map(PLAIN.fullmatch, line.rest)) else PASS

    return answer_bridge if name == "bridge" else answer_ip


def _settled(process: Process, board: Switchboard, act: Callable[[], int]) -> int:
    status = act()
    try:
        board.apply()
    except SwitchError as error:
        process.error(f"{process.argv[0]}: {error}")
        return 2
    return status


def _show(process: Process, board: Switchboard, line: Line) -> Routine:
    """The list of the real tool, put right."""
    options = [option for option in line.options if option not in ("-c", "-color")]
    rest, wanted = _filters(board, line)
    command = ["show"] if line.command in board.interfaces else [line.command]
    rest = [line.command, *rest] if line.command in board.interfaces else rest
    machine: Machine = process.node  # type: ignore[assignment]
    parts: list[str] = []
    child = machine.start_child(["/usr/sbin/ip", *options, line.object, *command, *rest], parts.append)
    while child.status is None:
        yield Wait((child.exited,))
    text = "".join(parts)
    if child.status:
        process.error(*text.splitlines())
    elif any(option in ("-j", "-json") for option in options):
        style = Style(json=True, pretty=any(option in ("-p", "-pretty") for option in options))
        print_json(process, style, as_json(json.loads(text or "[]"), board, wanted))
    else:
        brief = any(option in ("-br", "-brief") for option in options)
        process.stdout.write(as_text(text, board, brief=brief, wanted=wanted))
    return child.status


def _filters(board: Switchboard, line: Line) -> tuple[list[str], Callable[[str], bool]]:
    """Words that the kernel would understand otherwise are taken out; who passes them all the same."""
    rest, tests = list(line.rest), []
    for word, test in (("master", board.bridge_of), ("type", _kind_of(board))):
        if word in rest[:-1]:
            place = rest.index(word)
            value = rest[place + 1]
            if (word == "master" and board.owns(value)) or value in ("bridge", "vlan", "bridge_slave", "tun"):
                del rest[place : place + 2]
                tests.append((test, value))
    return rest, lambda name: all(test(name) == value for test, value in tests)


def _kind_of(board: Switchboard) -> Callable[[str], str]:
    def kind(name: str) -> str:
        interface = board.interfaces.get(name)
        return "" if interface is None else "bridge_slave" if interface.master is not None else interface.kind

    return kind
