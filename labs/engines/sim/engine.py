"""The simulator: carries frames between devices, wakes them, and keeps the trace.

The engine performs what devices ask for and records what they report. All decisions about packets are the devices'.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from labs.engines.base import (
    CUT,
    HANDS,
    MAX_OUTPUT,
    CommandRejected,
    Disposition,
    HandsOutput,
    Hop,
    Observation,
    Output,
    Probe,
)
from labs.engines.sim.clock import SimClock, Stopped
from labs.engines.sim.express import Express
from labs.engines.sim.leads import Leads
from labs.engines.sim.media import MEDIA_ACTIONS, Media
from labs.engines.sim.probes import Ending, probe_program
from labs.engines.sim.wakes import NEVER, Wakes
from labs.hands import Told, run_hands
from labs.model.site import Endpoint, Link, Site
from labs.model.world import ARRIVAL_NS
from labs.net.actions import Action, Dropped, DropReason, Note, PowerDown, SetLink, Storm, Transmit
from labs.net.filesystem import FileError
from labs.net.foresight import Answer
from labs.net.ipv4 import Ipv4Packet
from labs.net.linux.node import LinuxNode
from labs.net.pcap import file_bytes
from labs.net.process import SIGINT, SIGKILL, Process, Terminal
from labs.net.said import said
from labs.shell.bash import Session
from labs.shell.init import boot
from labs.shell.services import UNITS
from labs.things.wiring import Source, Wiring
from labs.things.world import LivingWorld, RoomSense, hang

if TYPE_CHECKING:
    from labs.model.bus import Bus
    from labs.model.field import Loop
    from labs.net.ethernet import Frame
    from labs.net.foresight import Foresight, Question

__all__ = ["SimEngine"]

SECOND = 1_000_000_000
PATIENCE_NS = 10 * SECOND + SECOND // 2  # how long a person watches before pressing Ctrl-C, not at the tick of a ping
RESTART_NS = 20 * SECOND  # from `reboot` to the kernel's first line
WATCH_NS = SECOND // 2  # how often a person looks whether a command has become endless
LINE_LIMIT_NS = 25 * 3600 * SECOND  # no line takes longer than this
EVENTS_PER_LINE = 3_000_000
MAX_LINE = 16_384
MAX_HOPS = 200_000
FEW = 3  # with more than so many things to do, a device may be flooding its ports
RESOLVE_NS = 30 * SECOND  # a dead name server keeps a program this long
TRANSMITTER = "/etc/transmitter.toml"
NO_ANSWER: Ending = (Disposition.TIMED_OUT, "", said(Answer.SILENCE))


class SimEngine:
    """Engine `sim`: pure Python, virtual time, any operating system. Without `express` every hop takes the layers."""

    name = "sim"
    repeats = True

    def __init__(self, *, express: bool = True) -> None:
        self._clock = SimClock()
        self._nodes: dict[str, LinuxNode] = {}
        self._wakes = Wakes(self._clock, self._perform)
        self._express = Express(self._clock, self._perform, self._wakes, enabled=express)
        self._leads = Leads(self._clock, self._nodes, self._express, self._perform)
        self._media = Media(self, self._clock, self._nodes, self._perform)
        self._sessions: dict[str, Session] = {}
        self._site: Site | None = None
        self._trace: list[Hop] | None = None
        self._tags = 0
        self._restarting: set[str] = set()
        self._living: LivingWorld | None = None
        self.foreseen: Foresight | None = None  # what `why` answered last, for who draws it

    # The contract

    @property
    def now(self) -> int:
        """Nanoseconds since the site was switched on."""
        return self._clock._now  # type: ignore[return-value]  # noqa: SLF001 - SimPy's property costs a call per frame

    @property
    def site(self) -> Site:
        """The site as started, with links, power and world as they are now."""
        if self._site is None:
            message = "the engine has not been started"
            raise RuntimeError(message)
        if self._living is not None and len(self._living.acts) != len(self._site.world.acts):
            self._site = replace(self._site, world=self._living.world)
        return self._site

    @property
    def world(self) -> LivingWorld:
        """The world as it goes on, with everything done to it."""
        if self._living is None:
            message = "the engine has not been started"
            raise RuntimeError(message)
        return self._living

    def start(self, site: Site) -> None:
        """Build every device, plug every lead, switch on, and let the site settle."""
        self._site = site
        self._living = LivingWorld(site.world, site.seed)
        hang(self._living, site)
        wiring = Wiring(self._loop_at, self._source)
        for device in site.devices.values():
            sense = RoomSense(self._living, device.room, site.seed, device.name)
            sense.wiring = wiring
            self._nodes[device.name] = LinuxNode(
                device.name,
                device.ports,
                device.files,
                world=sense,
                units=UNITS,
                boot=boot,
                serial=[drop.port for bus in site.buses for drop in bus.drops if drop.device == device.name],
            )
            self._nodes[device.name].oracle = self
            self._express.lanes[device.name] = {}
            self._nodes[device.name].outlet = self._express.outlet(device.name) if self._express.enabled else None
            self._sessions[device.name] = Session(self._nodes[device.name])
        for link in site.links:
            self._leads.plug(link, self.site)
        self._media.start(site)
        for device in site.devices.values():
            if device.powered:
                self._power(device.name, on=True)
        self._clock.advance(ARRIVAL_NS)

    def run(self, place: str, line: str, *, most: int = MAX_OUTPUT, longest_ns: int = 0) -> Output:
        """Run one line at a device, or at `hands`. Whatever ends by itself is never interrupted here."""
        del longest_ns
        if len(line) > MAX_LINE:
            message = f"the line has {len(line)} characters; at most {MAX_LINE} are allowed"
            raise CommandRejected(message)
        if place == HANDS:
            return HandsOutput(*run_hands(self, line))
        node = self._nodes.get(place)
        if node is None:
            message = f'there is no place "{place}"; places are: {", ".join([*self._nodes, HANDS])}'
            raise CommandRejected(message)
        if not node.powered:
            return Output(f"{place} does not react: it has no power.\n", 255)
        return self._run_line(node, self._sessions[place], line, most)

    def login(self) -> None:
        """A new shell at every device; jobs of the one before go on."""
        self._sessions = {name: Session(node) for name, node in self._nodes.items()}

    def _run_line(self, node: LinuxNode, session: Session, line: str, most: int) -> Output:
        place = node.name
        terminal = Terminal(most)
        node.now = self.now
        process = session.start(line, terminal)
        self._perform(node, node.drain(self.now))
        deadline = self.now + LINE_LIMIT_NS
        endless_since: int | None = None
        budget = EVENTS_PER_LINE
        while process.running:
            why = self._clock.advance(
                self.now + WATCH_NS, done=lambda: not process.running or not node.powered, budget=budget
            )
            budget -= self._clock.spent
            if why is Stopped.BUDGET:
                terminal.write(
                    "\nnetwerf: stopped: too much is happening on the network (is there a switching loop?)\n"
                )
                self._interrupt(node, session)
                return Output(terminal.take(), 124)
            if not node.powered:
                terminal.write(f"Connection to {place} closed by remote host.\n")
                self._clock.advance(self.now + RESTART_NS, done=lambda: place not in self._restarting)
                return Output(terminal.take(), 255)
            if not session.endless(process):
                endless_since = None
            elif endless_since is None:
                endless_since = self.now - WATCH_NS
            tired = endless_since is not None and self.now - endless_since >= PATIENCE_NS
            if process.running and (tired or self.now >= deadline):
                terminal.interrupt()
                self._interrupt(node, session)
                if process.running:
                    break
        text = terminal.take()
        if terminal.truncated:
            text += f"\n{CUT}{most} characters\n"
        return Output(text, process.status if process.status is not None else 130)

    def _interrupt(self, node: LinuxNode, session: Session) -> None:
        node.now = self.now
        session.interrupt(SIGINT)
        self._perform(node, node.drain(self.now))

    def wait(self, duration_ns: int) -> None:
        """Let time pass."""
        if self._clock.advance(self.now + duration_ns, budget=50_000_000) is Stopped.BUDGET:
            message = "too much happened on the network while waiting; is there a switching loop?"
            raise CommandRejected(message)

    def let_pass(self, duration_ns: int) -> Told:
        """Let time pass."""
        self.wait(duration_ns)
        return []

    def settle(self, duration_ns: int) -> None:
        """Let the site come to rest: here time costs nothing."""
        self.wait(duration_ns)

    def elapse(self, duration_ns: int, *, besides: str = "") -> None:
        """Let time pass."""
        del besides
        self.wait(duration_ns)

    def moment(self, device: str, unix_ns: int) -> int:
        """When the clock of a device showed this Unix time, as it is set now."""
        return unix_ns - self.site.world.epoch_s * SECOND + ARRIVAL_NS - self._nodes[device].clock_offset_ns

    def observe(self) -> Site:
        """The site as it now is."""
        site = self.site
        devices = {}
        for name, node in self._nodes.items():
            node.now = self.now
            devices[name] = replace(
                site.devices[name],
                files=node.files.stored(),
                powered=node.powered,
                state=node.snapshot() if node.powered else None,
            )
        return replace(site, devices=devices)

    def probe(self, probes: Sequence[Probe]) -> list[Observation]:
        """Send probes from their devices, all at once, and follow their packets."""
        for node in self._nodes.values():
            node.tracing = True
            node.changed()
        self._trace = []
        running: list[tuple[Probe, int, Process | None, list[Ending]]] = []
        for probe in probes:
            self._tags += 1
            node = self._nodes[probe.source]
            ending: list[Ending] = []
            process = None
            if node.powered:
                node.now = self.now
                process = node.spawn(["probe"], probe_program(probe, self._tags, ending))
                self._perform(node, node.drain(self.now))
            else:
                ending.append((Disposition.NO_SENDER, "", ""))
            running.append((probe, self._tags, process, ending))
        waiting = [process for _, _, process, _ in running if process is not None]

        def done() -> bool:
            while waiting and not waiting[-1].running:
                waiting.pop()
            return not waiting

        patience = max((probe.timeout_ns for probe in probes), default=0) + RESOLVE_NS
        self._clock.advance(self.now + patience, done=done, budget=EVENTS_PER_LINE)
        for process in waiting:
            process.kill(SIGKILL)
        for node in self._nodes.values():
            node.tracing = False
            node.changed()
        hops: dict[int, list[Hop]] = {}
        for hop in self._trace:
            hops.setdefault(_tag_of(hop.note), []).append(hop)
        self._trace = None
        return [
            Observation(probe, *(ending[0] if ending else NO_ANSWER), hops=tuple(hops.get(tag, ())))
            for probe, tag, _, ending in running
        ]

    def read_file(self, device: str, path: str) -> bytes:
        """A file of a device as it is now, byte for byte. Raises CommandRejected."""
        node = self._nodes.get(device)
        if node is None:
            message = f'there is no device "{device}"'
            raise CommandRejected(message)
        try:
            return file_bytes(node.files.read(path))
        except FileError as error:
            message = f"{device}: {path}: {error}"
            raise CommandRejected(message) from None

    def foresee(self, device: str, question: Question) -> Foresight | None:
        """What would become of a packet that `device` sends; None where the lab does without. Raises KeyError."""
        from labs.engines.sim.foresight import foresee

        if not self.site.explained:
            return None
        self.foreseen = foresee(self._nodes, self._leads.wires, self.now, device, question)
        return self.foreseen

    def stop(self) -> None:
        """Forget everything."""
        self._nodes.clear()
        self._leads.wires.clear()
        self._express.lanes.clear()

    # For hands, checks and the map

    def node(self, name: str) -> LinuxNode:
        """A device in operation. Raises KeyError."""
        return self._nodes[name]

    def session(self, place: str) -> Session:
        """The shell session at a device. Raises KeyError."""
        return self._sessions[place]

    def plug(self, link: Link) -> None:
        """Put a lead between two free ports."""
        self._site = replace(self.site, links=(*self.site.links, link))
        self._leads.plug(link, self.site)

    def unplug(self, end: Endpoint) -> Link | None:
        """Take the lead out of a port; both ends come loose."""
        link = self.site.link_at(end)
        if link is None:
            return None
        self._site = replace(self.site, links=tuple(other for other in self.site.links if other != link))
        self._leads.pull(link)
        return link

    def rewire(self, bus: Bus) -> None:
        """Change the wiring of a bus: terminators, wires, drops."""
        self._site = self.site.with_bus(bus)
        self._media.rewire(bus)

    def move(self, device: str, room: str) -> None:
        """Carry a device into another room."""
        self._site = self.site.with_device(replace(self.site.devices[device], room=room))
        sense = RoomSense(self.world, room, self.site.seed, device)
        sense.wiring = Wiring(self._loop_at, self._source)
        self._nodes[device].world = sense
        self._media.wifi.moved(device)

    def alter(self, device: str, path: str, text: str, *, restart: str) -> None:
        """Set a switch on a device: what it says stands in a file, and a service reads it again."""
        node = self._nodes[device]
        node.now = self.now
        node.files.write(path, text)
        if node.powered:
            node.units.stop(restart)
            node.units.start(restart)
        self._perform(node, node.drain(self.now))

    def rewire_line(self, loop: Loop) -> None:
        """Change an analogue line."""
        self._site = self.site.with_loop(loop)

    def power(self, device: str, *, on: bool) -> None:
        """Switch a device on or off."""
        self._site = self.site.with_device(replace(self.site.devices[device], powered=on))
        self._power(device, on=on)

    # Inside

    def _loop_at(self, module: str, number: int) -> Loop | None:
        return self.site.loop_at(module, number)

    def _source(self, name: str) -> Source | None:
        node = self._nodes.get(name)
        return None if node is None else Source(node.files.get(TRANSMITTER), node.powered, node.world)

    # For the media

    def attach(self, link: Link) -> None:
        """Put a lead that nobody sees between two ports: an association."""
        self._leads.plug(link, self.site)

    def detach(self, end: Endpoint) -> None:
        """Take such a lead out."""
        self._leads.pull(self._leads.wires[end].link)

    def _power(self, device: str, *, on: bool) -> None:
        node = self._nodes[device]
        self._perform(node, node.power_on(self.now) if on else node.power_off(self.now))
        if not on:
            node.world.power_lost(self.now)
            self._media.wifi.forget(device)
        self._sessions[device] = Session(node)
        self._leads.refresh_all(device)

    def _power_down(self, argument: tuple[str, PowerDown]) -> None:
        """A device switches itself off (`poweroff`) or restarts (`reboot`)."""
        device, item = argument
        if not self._nodes[device].powered:
            return
        self.power(device, on=False)
        if item.restart:
            self._restarting.add(device)
            self._clock.call_at(self.now + RESTART_NS, self._restarted, device)

    def _restarted(self, device: str) -> None:
        self._restarting.discard(device)
        if not self._nodes[device].powered:
            self.power(device, on=True)

    def _perform(self, node: LinuxNode, items: list[Action | Note]) -> None:
        if len(items) > FEW and self._trace is None and self._express.flood(node.name, items):
            items = []
        for item in items:
            if type(item) is Transmit:
                reason = self._express.transmit(node.name, *item)
                if reason is not None and self._trace is not None:
                    self._lost(node, item, reason)
                continue
            if type(item) is SetLink:
                self._leads.refresh_at(Endpoint(node.name, item.port))
            elif isinstance(item, MEDIA_ACTIONS):
                self._media.take(node, item)
            elif type(item) is Storm:
                self._leads.storm(node.name, item)
            elif type(item) is PowerDown:
                self._clock.call_at(self.now, self._power_down, (node.name, item))
            elif self._trace is not None:
                self._record(node.name, item)  # type: ignore[arg-type]
        timers = node._timers  # noqa: SLF001 - node.next_wake(): a call for every event
        if timers and timers[0][0] < self._wakes.at.get(node.name, NEVER):
            self._wakes.plan(node, timers[0][0])

    def _record(self, device: str, note: Note) -> None:
        if self._trace is not None and len(self._trace) < MAX_HOPS:
            self._trace.append(Hop(device, self.now, note))

    def _lost(self, node: LinuxNode, item: Transmit, reason: DropReason) -> None:
        """A frame did not get into its lead."""
        port, frame = item.port, item.frame
        self._record(node.name, Dropped(reason, port, frame, _packet_of(frame), str(Endpoint(node.name, port))))


def _packet_of(frame: Frame) -> Ipv4Packet | None:
    return frame.payload if isinstance(frame.payload, Ipv4Packet) else None


def _tag_of(note: Note) -> int:
    packet = note.packet
    return packet.tag if packet is not None else 0
