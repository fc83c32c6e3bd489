"""What the engine's own process does once all is loaded: it builds and serves the site (`__main__` begins).

Whatever ends this process ends the lab: the kernel removes every process, namespace, interface and mount of it.
"""

from __future__ import annotations

import contextlib
import gc
import os
import re
import signal
import socket
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from labs.engines.kernel.capability import lacking, slow
from labs.engines.kernel.channel import Channel, ChannelClosed
from labs.engines.kernel.codec import decode, encode
from labs.engines.kernel.device.files import FilesBelow
from labs.engines.kernel.device.init import TOOLS, Ways, fork_device, has_things
from labs.engines.kernel.lab.cores import Cores
from labs.engines.kernel.lab.exchange import Exchange, Refused, Running
from labs.engines.kernel.lab.eyes import View
from labs.engines.kernel.lab.hurry import catch_up, elapse, forget, let_pass
from labs.engines.kernel.lab.leads import run_batch
from labs.engines.kernel.lab.rest import rest
from labs.engines.kernel.lab.topology import Batch, build_network
from labs.engines.kernel.lab.witness import probe_all
from labs.engines.kernel.sandbox.bubblewrap import SandboxError
from labs.engines.kernel.sandbox.proof import Proof
from labs.engines.kernel.sandbox.rootfs import (
    LAB_DEVICES,
    build_root,
    prepare_tunnels,
    prepare_vlans,
    stored_files,
)
from labs.engines.kernel.serial.buses import Buses
from labs.engines.kernel.tunnels.way import Way as TunnelWay
from labs.engines.kernel.tunnels.way import tunnel_way
from labs.engines.kernel.vlans.way import Way, vlan_way
from labs.engines.kernel.wiring import Lines, TerminalStrip
from labs.hands.workbench import Told
from labs.model.bus import Bus
from labs.model.field import Loop
from labs.model.rings import has_ring
from labs.model.site import Device, Endpoint, Link, Site
from labs.model.world import ARRIVAL_NS
from labs.things.world import LivingWorld, RoomSense, hang

__all__ = ["serve"]

SECOND = 1_000_000_000
BOOT_S = 60.0  # no device takes longer to boot
ANSWER_S = 200.0  # longer than any line may take
SETTLE_NS = SECOND // 2
DHCP = "inet dhcp"
MOVING = re.compile(r"bridge|inet6|ipv6")  # in files of devices that may need some time until they rest
SPANNING = re.compile(r"^\s*bridge[_-]stp\s+(?:on|yes)", re.MULTILINE)


class Lab(Exchange):
    """The site in operation. Also the workbench that `labs.hands` works at."""

    def __init__(self, control: Channel, skeleton: dict[str, bytes], proof: Proof) -> None:
        super().__init__(control)
        self.site = Site({})
        self.roots: dict[str, Path] = {}
        self.stored: dict[str, FilesBelow] = {}
        self.batch = Batch({})
        self.skeleton = skeleton
        self.proof = proof
        self.network: Any = None
        self.cores = Cores(LAB_DEVICES.parent / "sys")
        self.ways = Ways()
        self._living = LivingWorld(self.site.world, self.site.seed)
        self._acts = 0
        self.senses: dict[str, RoomSense] = {}
        self.due: dict[str, int | None] = {}
        """When programs of ours on a device are next due, as far as it told."""
        self.buses = Buses()

    # What the product asks for

    def do_start(self, message: Mapping[str, Any]) -> None:
        """Build, power and boot everything."""
        self.site = decode(message["site"])
        missing = lacking(self.site)
        if missing:
            raise Refused(missing, "unavailable")
        self._begin_world()
        self.ways = Ways(vlan_way(self.site), tunnel_way(self.site))
        preload(self.site, self.ways)
        if self.ways.vlans is Way.OPEN_VSWITCH:
            prepare_vlans()
        if self.ways.tunnels is TunnelWay.CARRIER:
            prepare_tunnels()
        if any(SPANNING.search(d.files.get("/etc/network/interfaces", "")) for d in self.site.devices.values()):
            clients = self.skeleton["etc/dhcp/dhclient.conf"]  # ask until ports that listen and learn forward: 30 s
            self.skeleton["etc/dhcp/dhclient.conf"] = clients.replace(b"timeout 30;", b"timeout 50;")
        for device in self.site.devices.values():
            self.roots[device.name] = LAB_DEVICES / device.name
            build_root(device.name, device.files, self.skeleton)  # here: what one process does often costs it less
            self.stored[device.name] = FilesBelow(self.roots[device.name])
        self.attached = self.buses.lay(self.site, self.clock)
        gc.freeze()  # the inits share what is here now
        gc.enable()
        powered = [device for device in self.site.devices.values() if device.powered]
        self._fork(powered)
        self.panel.links = list(self.site.links)
        self.batch.pids = {name: running.pid for name, running in self.devices.items()}
        for device in powered:
            for port in device.ports:
                self.batch.port(Endpoint(device.name, port.name), str(port.mac))
        self._plug_in([device.name for device in powered])
        if has_ring(self.site):
            self.cores.spare(self.batch.jacks.values())
        later = [device.name for device in powered if DHCP in device.files.get("/etc/network/interfaces", "")]
        self.ask(later, do="light")
        first = [device.name for device in powered if device.name not in later]
        self.boot(first)
        self.network = build_network(self.site, self.batch.pids)  # while they boot
        self.booted(first)
        self.boot(later)
        self.booted(later)
        try:
            self.proof.finish()
        except SandboxError as error:
            raise Refused(str(error), "sandbox") from None
        rest(self, [device.name for device in powered if any(map(MOVING.search, device.files.values()))])
        self.buses.round()  # time begins there: whoever booted first finds everybody at his port
        if any(has_things(device) for device in powered):
            catch_up(self, ARRIVAL_NS)  # who found no broker yet tries again before the trainee is there
        self.clock.arrive(ARRIVAL_NS)
        self.ask(self.devices, do="arrive")
        self.hurried = False
        self.buses.round()

    def _begin_world(self) -> None:
        self._living = LivingWorld(self.site.world, self.site.seed)
        hang(self._living, self.site)
        self._acts = len(self._living.acts)

    def _fork(self, devices: Iterable[Device]) -> None:
        for device in devices:
            world = self.senses[device.name] = RoomSense(self._living, device.room, self.site.seed, device.name)
            name = device.name
            lines = Lines(self.site, self.roots, self._living)
            strip = TerminalStrip(lines, self.buses.ways(name), self.buses.terminals(name))
            pid, channel = fork_device(device, self.roots[device.name], world, strip, self.clock, self.ways)
            for way in strip.ways.values():
                way.close()
            self.devices[device.name] = Running(pid, channel)
        for device in devices:
            try:
                self.devices[device.name].channel.receive()
            except ChannelClosed:
                raise Refused(f"the init of {device.name} did not start", "unavailable") from None

    def _plug_in(self, names: list[str]) -> None:
        """Make the ports of these devices, and join the leads."""
        lit = []
        for link in self.site.links:
            if all(self.site.devices[end.device].powered for end in link.ends):
                lit += [self.batch.jacks[end] for end in link.ends if end in self.batch.jacks and end.device in names]
        run_batch([*self.batch.lines, *(f"link set {jack} up" for jack in lit)])
        self.batch.lines.clear()
        self.panel.jacks = self.batch.jacks
        if self.network is not None and self.hurried:
            self.cores.spare(self.batch.jacks[end] for end in self.batch.jacks if end.device in names)
        self.panel.raised(lit)
        self.panel.join()
        self._slow_down()

    def _slow_down(self) -> None:
        """Delay what comes in at a port by what its lead takes."""
        lines = []
        for link in filter(slow, self.panel.links):
            for end in link.ends:
                if end in self.batch.jacks:
                    jitter = f" {link.jitter_ns // 1000}us" if link.jitter_ns else ""
                    delay = f"netem delay {link.delay_ns // 1000}us{jitter} limit 10000"
                    lines.append(f"qdisc replace dev {self.batch.jacks[end]} root {delay}")
        if lines:
            run_batch(lines, "tc")

    def do_run(self, message: Mapping[str, Any]) -> dict[str, Any]:
        """One line at a device, or at `hands`."""
        place, line = message["place"], message["line"]
        if place == "hands":
            from labs.hands import run_hands

            told, status = run_hands(self, line)  # type: ignore[arg-type]
            self._tell_acts()
            return {"told": encode(told), "status": status}
        if place not in self.devices:
            return {"text": f"{place} does not react: it has no power.\n", "status": 255}
        longest_s = message["longest_ns"] / SECOND
        answer = self.ask([place], ANSWER_S + longest_s, do="run", line=line, longest_s=longest_s).get(place)
        if answer is None:
            return {"text": f"Connection to {place} closed by remote host.\n", "status": 255}
        if self._going_down(place):
            answer = {"text": f"{answer['text']}Connection to {place} closed by remote host.\n", "status": 255}
        return {"text": answer["text"], "status": answer["status"]}

    def _tell_acts(self, device: str = "", origin: int = 0) -> None:
        """What was done to the world since the last time, by a program of a device or by hands."""
        news = [encode(act) for act in self._living.acts[self._acts :]]
        self._acts = len(self._living.acts)
        for name, running in self.devices.items() if news else ():
            acts = [[act, origin if name == device else 0] for act in news]
            running.channel.send({"do": "acts", "acts": acts})  # whoever asks it something later comes later

    def driven(self, name: str, message: Mapping[str, Any]) -> None:
        """A program of a device did something to the world: all others hear of it."""
        what, level, at, stays = message["drive"]
        if name in self.devices:
            acts = self._living.acts
            self.senses[name].drive(what, level, max(at, acts[-1].at_ns) if acts else at, stays=stays)
            self._tell_acts(name, message["origin"])

    def _inform(self, **news: Any) -> None:
        """Hands changed something else; a device that boots hears of it in turn, and nobody waits for it."""
        for name, running in self.devices.items():
            if name not in news.get("power", {}):  # it has just been made with it
                running.channel.send({"do": "news", "news": news})

    def _going_down(self, name: str) -> bool:
        """A device that was told to restart says so right after it answered."""
        if name not in self.leaving:
            return False
        while self.later:
            self.later.pop(0)()
        return True

    def do_login(self, message: Mapping[str, Any]) -> None:
        """From now on lines are typed in other shells."""
        del message
        self.ask(self.devices, do="login")

    def do_wait(self, message: Mapping[str, Any]) -> None:
        """Let real time pass."""
        self.wait(message["duration_ns"])

    def do_settle(self, message: Mapping[str, Any]) -> None:
        """As after some time: neighbours are forgotten, and programs of the site have done what was due since.

        Only judges ask for it: from the first time on, spanning trees of this lab need less time.
        """
        if not self.hurried:
            self.hurried = True
            self.ask(self.devices, do="hasten")
            self.cores.spare(self.batch.jacks.values())
        forget(self, message["duration_ns"])
        with contextlib.suppress(Refused):  # who talks without end is judged as he talks
            catch_up(self, self.now + message["duration_ns"])
        self.wait(SETTLE_NS)
        rest(self, self.devices, leases=True)

    def let_pass(self, duration_ns: int) -> Told:
        """Let time pass for a person: a moment in real time, more by putting the clocks forward. Raises HandsError."""
        return let_pass(self, duration_ns)

    def do_elapse(self, message: Mapping[str, Any]) -> None:
        """Put every clock of the site forward, unless somebody there would have noticed the time by another one."""
        elapse(self, message["duration_ns"], besides=message["besides"])

    def round(self, names: Iterable[str]) -> bool:
        """Let programs of ours on these devices do what is due; whether any of them said something."""
        talked = self.buses.round()
        answers = self.ask(dict.fromkeys([*names, *(name for name in talked if name in self.devices)]), do="round")
        for name, answer in answers.items():
            self.due[name] = answer["due"]
        return any(answer["spoke"] for answer in answers.values())

    def do_moment(self, message: Mapping[str, Any]) -> int:
        """The time of the site when the clock of the machine showed a Unix time."""
        return self.clock.moment(message["unix_ns"])

    def do_observe(self, message: Mapping[str, Any]) -> Any:
        """The site as it now is."""
        del message
        states = {name: decode(answer["state"]) for name, answer in self.ask(self.devices, do="observe").items()}
        devices = {}
        for name, device in self.site.devices.items():
            files = stored_files(self.roots[name], self.skeleton)
            devices[name] = replace(device, files=files, powered=name in self.devices, state=states.get(name))
        return encode(replace(self.site, world=self._living.world, devices=devices, links=tuple(self.panel.links)))

    def do_probe(self, message: Mapping[str, Any]) -> Any:
        """The grader's own traffic."""
        return encode(probe_all(self, decode(message["probes"])))

    def do_read_file(self, message: Mapping[str, Any]) -> Any:
        """A file, byte for byte."""
        name, path = message["device"], message["path"]
        running = self.devices.get(name)
        if running is not None:
            answer = self.ask([name], do="read", path=path)[name]
            if "missing" in answer:
                raise Refused(f"{name}: {path}: {answer['missing']}")
            return answer["content"]
        raise Refused(f"{name}: {path}: it has no power")

    def do_power(self, message: Mapping[str, Any]) -> None:
        """Switch a device."""
        self.power(message["device"], on=message["on"])

    def do_stop(self, message: Mapping[str, Any]) -> None:
        """The end of everything here."""
        del message
        os._exit(0)

    # The workbench of hands

    @property
    def world(self) -> LivingWorld:
        """The world as it goes on; what is done to it is told to every device in time for its next measurement."""
        return self._living

    def node(self, name: str) -> View:
        """A device as hands and eyes know it."""
        return View(self, name)

    def plug(self, link: Link) -> None:
        """Put a lead between two free ports."""
        self.panel.links.append(link)
        self._links_changed(link)

    def unplug(self, end: Endpoint) -> Link | None:
        """Take a lead out."""
        link = next((known for known in self.panel.links if end in known.ends), None)
        if link is not None:
            self.panel.links.remove(link)
            self._links_changed(link)
        return link

    def _links_changed(self, link: Link) -> None:
        self.site = replace(self.site, links=tuple(self.panel.links))
        self.panel.join()
        for end in link.ends:
            self.panel.refresh(end)

    def rewire(self, bus: Bus) -> None:
        """Change the wiring of a bus."""
        self.site = self.site.with_bus(bus)
        self.buses.rewire(bus)

    def rewire_line(self, loop: Loop) -> None:
        """Change an analogue line."""
        self.site = self.site.with_loop(loop)
        self._inform(loops=encode(list(self.site.loops)))

    def move(self, device: str, room: str) -> None:
        """Carry a device into another room."""
        self.site = self.site.with_device(replace(self.site.devices[device], room=room))
        if device in self.senses:
            self.senses[device].room = room
        self._inform(rooms={device: room})

    def alter(self, device: str, path: str, text: str, *, restart: str) -> None:
        """Set a switch on a device: what it says stands in a file, and a service reads it again."""
        if device in self.devices:
            self.ask([device], do="alter", path=path, text=text, restart=restart)
        else:
            self.stored[device].write(path, text)

    def power(self, device: str, *, on: bool) -> None:
        """Switch a device on or off."""
        self.site = self.site.with_device(replace(self.site.devices[device], powered=on))
        running = self.devices.get(device)
        if not on and running is not None:
            del self.devices[device]
            self._booting.pop(device, None)
            os.kill(running.pid, signal.SIGKILL)
            running.channel.close()
            with contextlib.suppress(ChildProcessError):
                os.waitpid(running.pid, 0)
            self.panel.forget(device)
            for port in self.site.devices[device].ports:
                self.batch.jacks.pop(Endpoint(device, port.name), None)
            acts = self._living.acts
            self.senses[device].power_lost(max(self.now, acts[-1].at_ns) if acts else self.now)
            self._tell_acts()
        elif on and running is None:
            self._fork([self.site.devices[device]])
            self.batch.pids[device] = self.devices[device].pid
            for port in self.site.devices[device].ports:
                self._make_port(Endpoint(device, port.name))
            self._plug_in([device])
            self.boot([device])
        if self.site.loops:
            self._inform(power={device: on})

    def _make_port(self, end: Endpoint) -> None:
        """A port whose veth is gone gets a new one; the old jack may take a moment to vanish, so it has a new name."""
        self.batch.renew(end)
        self.batch.port(end, str(self.site.devices[end.device].port(end.port).mac))

    def replace_port(self, end: Endpoint) -> None:
        """Somebody deleted a port with `ip link del`, which no hardware lets happen: it comes back, unconfigured."""
        if end.device in self.devices:
            self.panel.set_port(end, up=False)
            self._make_port(end)
            self._plug_in([end.device])
            self.ask([end.device], do="ports")

    def power_down(self, device: str, *, restart: bool) -> None:
        self.leaving.discard(device)
        self.power(device, on=False)
        if restart:
            self.power(device, on=True)


def _prepare_namespaces() -> None:
    import resource

    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(4096, hard), hard))
    with contextlib.suppress(OSError):
        for name in ("iptables", "arptables", "ip6tables"):
            Path(f"/proc/sys/net/bridge/bridge-nf-call-{name}").write_text("0", encoding="ascii")
    with contextlib.suppress(OSError):  # a jack must not speak by itself
        Path("/proc/sys/net/ipv6/conf/default/disable_ipv6").write_text("1", encoding="ascii")


# What the inits import when they first need it: a device has no file of the host, so it is here before they fork.
PRELOADED = ("device.ageing", "device.answers", "device.inetd", "device.observe", "device.probes", "device.services",
             "device.trace", "things.fork")  # fmt: skip
PRELOADED_SHELL = ("labs.shell.init", "labs.shell.commands.systemctl", "labs.shell.commands.journalctl")


def preload(site: Site, ways: Ways) -> None:
    """Import everything that the devices of this site may need."""
    from importlib import import_module

    own = {"vlans": ways.vlans is Way.OPEN_VSWITCH, "tunnels": ways.tunnels is TunnelWay.CARRIER}
    for package in (name for name, needed in own.items() if needed):
        for name in ("board", "commands"):
            import_module(f"labs.engines.kernel.{package}.{name}")

    for name in (*(f"labs.engines.kernel.{part}" for part in PRELOADED), *PRELOADED_SHELL, "encodings.idna"):
        import_module(name)
    from labs.engines.kernel.device.services import CATALOGUE
    from labs.engines.kernel.things.fork import SHARED, modules_of

    files = {path for device in site.devices.values() for path in device.files}
    needed = [name for kind in SHARED if CATALOGUE[kind].config in files for name in modules_of(kind)]
    needed += [f"labs.shell.commands.{name}" for name, owned in TOOLS.items() if owned & files]
    for name in dict.fromkeys(["hashlib", "concurrent.futures.thread", *needed] if needed else ()):
        import_module(name)


def serve(descriptor: int, skeleton: dict[str, bytes], proof: Proof) -> None:
    """Serve whoever holds the other end of a socket, until the product goes."""
    _prepare_namespaces()
    Lab(Channel(socket.socket(fileno=descriptor)), skeleton, proof).serve()
