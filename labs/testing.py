"""The public test kit: a device without an engine, leads between devices, and a line typed at one of them.

laptop = device(files={"/etc/hostname": "laptop"})
text, status = run(laptop, "echo $HOSTNAME")
"""

from __future__ import annotations

import heapq
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import NamedTuple
from weakref import WeakKeyDictionary

from labs.model.addresses import Mac
from labs.model.site import Port
from labs.net.actions import Action, Note, PowerDown, SetLink, Transmit
from labs.net.linux.node import LinuxNode
from labs.net.linux.units import Unit
from labs.net.phy import agreed_modes
from labs.net.process import SIGINT, Process, Program, Terminal
from labs.shell.bash import Session
from labs.things.nowhere import Nowhere

__all__ = ["Answer", "connect", "device", "pass_time", "run"]

SECOND = 1_000_000_000
PATIENCE_NS = 10 * SECOND
LONGEST_LINE_NS = 3600 * SECOND
LEAD_DELAY_NS = 5_000
EPOCH_S = 1_767_225_600  # 2026-01-01 00:00:00 UTC
MAX_EVENTS = 200_000


class Answer(NamedTuple):
    """What a line printed and its exit status."""

    text: str
    status: int


class Quiet(Nowhere):
    """A world with a clock and nothing to measure."""

    def wall_clock(self, now: int) -> float:
        """Unix time in seconds; the year 2026 begins at 0."""
        return EPOCH_S + now / 1e9


@dataclass
class _Bench:
    """Devices joined by leads, and what travels between them."""

    leads: dict[tuple[LinuxNode, str], tuple[LinuxNode, str]] = field(default_factory=dict)
    travelling: list[tuple[int, int, LinuxNode, str, object]] = field(default_factory=list)
    nodes: list[LinuxNode] = field(default_factory=list)
    serial: count[int] = field(default_factory=count)
    now: int = 0


_benches: WeakKeyDictionary[LinuxNode, _Bench] = WeakKeyDictionary()
_sessions: WeakKeyDictionary[LinuxNode, Session] = WeakKeyDictionary()


def device(
    name: str = "box",
    *,
    files: Mapping[str, str] | None = None,
    ports: Sequence[str] = ("eth0",),
    units: Mapping[str, Unit] | None = None,
    boot: Program | None = None,
    on: bool = True,
) -> LinuxNode:
    """A device with power. Without `boot` nothing is configured: every interface is down."""
    seed = sum(name.encode()) % 256
    made = [Port(port, Mac(0x024E_0000_0000 + (seed << 8) + index)) for index, port in enumerate(ports)]
    node = LinuxNode(name, made, files or {}, world=Quiet(), units=units or {}, boot=boot or (lambda _: 0))
    _benches[node] = _Bench(nodes=[node])
    if on:
        _perform(node, node.power_on(0))
    return node


def connect(node: LinuxNode, port: str, other: LinuxNode, other_port: str) -> None:
    """Put a lead between two ports."""
    bench, second = _benches[node], _benches[other]
    if bench is not second:
        for moved in second.nodes:
            _benches[moved] = bench
        bench.nodes.extend(second.nodes)
        bench.leads.update(second.leads)
        bench.now = max(bench.now, second.now)
    bench.leads[node, port] = (other, other_port)
    bench.leads[other, other_port] = (node, port)
    _refresh(bench, node, port)


def _refresh(bench: _Bench, node: LinuxNode, port: str) -> None:
    far = bench.leads.get((node, port))
    if far is None:
        return
    ends = ((node, port), far)
    modes = None
    if all(end.powered and end.interfaces[name].up for end, name in ends):
        modes = agreed_modes(*(end.interfaces[name].phy for end, name in ends))
    for (end, name), mode in zip(ends, modes or (None, None), strict=True):
        interface = end.interfaces[name]
        if interface.carrier and mode != (interface.speed_bps, interface.full_duplex):
            _perform(end, end.link_changed(name, up=False, now=bench.now))
        if mode is not None and not interface.carrier:
            _perform(end, end.link_changed(name, up=True, now=bench.now, mode=mode))


def _perform(node: LinuxNode, items: Sequence[Action | Note]) -> None:
    bench = _benches[node]
    for item in items:
        if isinstance(item, Transmit) and (node, item.port) in bench.leads:
            far, port = bench.leads[node, item.port]
            heapq.heappush(bench.travelling, (bench.now + LEAD_DELAY_NS, next(bench.serial), far, port, item.frame))
        elif isinstance(item, SetLink):
            _refresh(bench, node, item.port)
        elif isinstance(item, PowerDown):
            _perform(node, node.power_off(bench.now))
            _sessions.pop(node, None)
            if item.restart:
                _perform(node, node.power_on(bench.now))


def _step(bench: _Bench, until: int) -> bool:
    """Do the next thing; False when nothing is due up to `until`."""
    wakes = [(when, index) for index, node in enumerate(bench.nodes) if (when := node.next_wake()) is not None]
    wake = min(wakes, default=None)
    arrival = bench.travelling[0][0] if bench.travelling else None
    if arrival is not None and arrival <= until and (wake is None or arrival <= wake[0]):
        bench.now, _, node, port, frame = heapq.heappop(bench.travelling)
        _perform(node, node.receive(port, frame, bench.now))  # type: ignore[arg-type]
        return True
    if wake is None or wake[0] > until:
        bench.now = max(bench.now, until)
        return False
    bench.now = max(bench.now, wake[0])
    node = bench.nodes[wake[1]]
    _perform(node, node.wake(bench.now))
    return True


def pass_time(node: LinuxNode, duration_ns: int) -> None:
    """Let time pass for a device and everything connected to it."""
    bench = _benches[node]
    until = bench.now + duration_ns
    for _ in range(MAX_EVENTS):
        if not _step(bench, until):
            break
    for each in bench.nodes:
        _perform(each, each.drain(bench.now))


def run(node: LinuxNode, line: str, *, patience_ns: int = PATIENCE_NS) -> Answer:
    """Type a line at a device and wait for its end; a line that never ends gets Ctrl-C after `patience_ns`."""
    bench = _benches[node]
    session = _sessions.setdefault(node, Session(node))
    terminal = Terminal()
    node.now = bench.now
    process = session.start(line, terminal)
    _perform(node, node.drain(bench.now))
    _wait_for(bench, node, session, process, terminal, patience_ns)
    return Answer(terminal.take(), 130 if process.status is None else process.status)


def _wait_for(
    bench: _Bench, node: LinuxNode, session: Session, process: Process, terminal: Terminal, patience_ns: int
) -> None:
    started = bench.now
    endless_since: int | None = None
    for _ in range(MAX_EVENTS):
        if not process.running:
            return
        until = bench.now + SECOND
        while process.running and _step(bench, until):
            pass
        endless = session.endless(process)
        endless_since = (endless_since if endless_since is not None else bench.now - SECOND) if endless else None
        waited = bench.now - endless_since if endless_since is not None else 0
        if process.running and (waited >= patience_ns or bench.now - started > LONGEST_LINE_NS):
            terminal.interrupt()
            node.now = bench.now
            session.interrupt(SIGINT)
            _perform(node, node.drain(bench.now))
            return
