"""`ip` where tunnels are none of the kernel's: what is about them is done here, the rest by whoever did it before.

A command that changes a tunnel, and `ip tunnel show`, are the simulator's, at the board of the device. Lists of
interfaces are what the real tool says, put right.
"""

from __future__ import annotations

import json
from collections.abc import Generator, Sequence
from typing import TYPE_CHECKING, Any

from labs.engines.kernel.sandbox.commands import PASS
from labs.engines.kernel.tunnels.process import TunnelError
from labs.engines.kernel.tunnels.view import as_json, as_text, is_kind
from labs.engines.kernel.vlans.commands import PLAIN, SHOW_OPTIONS, Line
from labs.net.process import Process, Program, Routine, Wait, Writer
from labs.net.tunnel import MODES
from labs.shell.commands.ip.link import link_command
from labs.shell.commands.ip.output import Style, print_json
from labs.shell.commands.ip.tunnel import tunnel_command
from labs.shell.commands.ip.words import IpError, Words

if TYPE_CHECKING:
    from labs.engines.kernel.device.machine import Machine
    from labs.engines.kernel.tunnels.board import TunnelBoard

__all__ = ["answer", "change", "is_ours"]

NAMES = frozenset({"t", "tu", "tun", "tunn", "tunne", "tunnel", "tunl"})  # iproute2 looks for tunnel first
CHANGES = frozenset({"mtu", "type"})


def _object(argv: Sequence[str]) -> str:
    return next((word for word in argv[1:] if not word.startswith("-")), "")


def is_ours(board: TunnelBoard, argv: Sequence[str]) -> bool:
    """True for a command that the board has to answer."""
    if _object(argv) in NAMES:
        return True
    line = Line(argv)
    if line.object != "link":
        return False
    if line.names("add"):
        return line.after("type") in MODES
    if line.names("delete"):
        return board.owns(line.device)
    return line.names("set", "change") and bool(CHANGES & set(line.rest)) and board.owns(line.device)


def _style(options: Sequence[str]) -> Style:
    def given(*names: str) -> int:
        return sum(option.lstrip("-") in names for option in options)

    return Style(
        json=bool(given("j", "json")),
        pretty=bool(given("p", "pretty")),
        brief=bool(given("br", "brief")),
        oneline=bool(given("o", "oneline")),
        details=given("d", "detail", "details"),
        statistics=given("s", "stat", "stats", "statistics"),
        family="inet6" if given("6") else "",
    )


def _at_board(process: Process, board: TunnelBoard) -> int:
    """Run a command of the simulator at the board, and bring about what it changed."""
    words = process.argv[1:]
    place = next((number for number, word in enumerate(words) if not word.startswith("-")), 0)
    program = tunnel_command if words[place] in NAMES else link_command
    machine = process.node
    process.node = board  # type: ignore[assignment]
    try:
        status = program(process, _style(words[:place]), Words(words[place + 1 :]))
        board.apply()
    except IpError as error:
        process.error(*error.lines)
        return error.status
    except TunnelError as error:
        process.error(f"RTNETLINK answers: {error}")
        return 2
    finally:
        process.node = machine
    return status


class _Kept(Writer):
    """Keeps what a command says."""

    def __init__(self) -> None:
        self.text = ""

    def write(self, text: str) -> None:
        """Keep."""
        self.text += text


def change(machine: Machine, board: TunnelBoard, argv: list[str]) -> list[str] | None:
    """Run a command at the board; what it said where it failed."""
    said = _Kept()
    board.look()
    status = _at_board(Process(machine, argv, stdout=said), board)  # type: ignore[arg-type]
    return said.text.splitlines() if status else None


def answer(board: TunnelBoard, below: Program) -> Program:
    """The program that answers when `ip` is typed; what is about no tunnel is for `below`."""

    def answer_ip(process: Process) -> Routine | int:
        board.look()
        if is_ours(board, process.argv):
            return _at_board(process, board)
        line = Line(process.argv)
        shows = line.object and (line.names("show", "list", "lst") or line.command in board.interfaces)
        if not (board.active and shows and all(map(SHOW_OPTIONS.fullmatch, line.options))):
            return below(process)
        return _show(process, board, line, below) if all(map(PLAIN.fullmatch, line.rest)) else below(process)

    return answer_ip


def _show(process: Process, board: TunnelBoard, line: Line, below: Program) -> Routine:
    """The list of the real tool, put right."""
    kind = line.after("type")
    if kind in (*MODES, "tun"):  # to the kernel, a tunnel is a TUN device
        place = process.argv.index("type")
        process.argv = process.argv[:place] + process.argv[place + 2 :]
    kept, shown = _Kept(), process.stdout
    process.stdout = kept
    try:
        status = yield from _run(process, below)
    finally:
        process.stdout = shown
    style = _style(line.options)
    wanted = (lambda name: is_kind(board, name, kind)) if kind in (*MODES, "tun") else (lambda _: True)
    if style.json:
        links: list[dict[str, Any]] = json.loads(kept.text or "[]")
        kept_links = [link for link in links if wanted(link.get("ifname", ""))]
        print_json(process, style, as_json(kept_links, board))
    else:
        process.stdout.write(as_text(kept.text, board, style, wanted))
    return status


def _run(process: Process, below: Program) -> Generator[Wait, None, int]:
    """Whoever answered before, or the real tool."""
    result = below(process)
    status = result if isinstance(result, int) else (yield from result)
    if status != PASS:
        return status
    machine: Machine = process.node  # type: ignore[assignment]
    parts: list[str] = []
    argv = [word for word in process.argv[1:] if word not in ("-c", "-color")]
    child = machine.start_child(["/usr/sbin/ip", *argv], parts.append)
    while child.status is None:
        yield Wait((child.exited,))
    text = "".join(parts)
    if child.status:
        process.error(*text.splitlines())
    else:
        process.stdout.write(text)
    return child.status
