"""The init of one device: process 1 of the device's own network, mount, process, host-name and IPC namespaces.

It boots the device from its files, keeps its services, runs what is typed there, answers the commands of `commands.py`,
sends probes, and tells the engine which ports are on. It ends with the engine: their socket is its life line.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import signal
import socket
import stat
import struct
import subprocess
import sys
import time
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from labs.engines.kernel.channel import Channel, ChannelClosed
from labs.engines.kernel.clock import LabClock
from labs.engines.kernel.codec import decode, encode
from labs.engines.kernel.device.haste import Questions, hasten, unhasten
from labs.engines.kernel.device.machine import Machine, View
from labs.engines.kernel.device.readiness import LISTENING, LOOK_NS, READY_NS, Readiness
from labs.engines.kernel.device.rest import unready_addresses, unready_bridges, unready_leases, unready_spanning
from labs.engines.kernel.device.session import Session
from labs.engines.kernel.device.settings import Settings, write_defaults
from labs.engines.kernel.device.sockets import Unread
from labs.engines.kernel.sandbox import syscalls
from labs.engines.kernel.sandbox.bubblewrap import seccomp_file
from labs.engines.kernel.sandbox.commands import ASK
from labs.engines.kernel.sandbox.rootfs import enter_root
from labs.engines.kernel.tunnels.way import TUN
from labs.engines.kernel.tunnels.way import Way as TunnelWay
from labs.engines.kernel.vlans.way import Way, has_vlans
from labs.engines.kernel.wiring import TRANSMITTER, TerminalStrip
from labs.model.site import Device
from labs.net.linux.units import enabled_path
from labs.net.process import Process
from labs.things.world import RoomSense

__all__ = ["TOOLS", "Ways", "fork_device", "has_things"]

LOOK_S = 0.05  # how soon a command ends whose reader has gone
READ_S, SHORT_S = 1.0, 0.001  # how long a client of others may take to read what has come
THINGS = frozenset({"/etc/sensor.toml", "/etc/display.toml", "/etc/inputs.toml", "/etc/actuator.toml", TRANSMITTER})
TOOLS = {
    "sensorctl": THINGS,
    "gatewayctl": frozenset({"/etc/gateway.toml"}),
    "rulesctl": frozenset({"/etc/rules.toml"}),
    "dashboard": frozenset({"/etc/dashboard.toml"}),
}
"""Commands of ours that a device has which has one of these files."""
SIOCGIFFLAGS, SIOCSIFFLAGS = 0x8913, 0x8914
MAX_READ = 16 << 20
RTM_NEWLINK, RTM_DELLINK, RTMGRP_LINK, IFF_UP = 16, 17, 1, 1


def has_things(device: Device) -> bool:
    """True for a device with a program of ours that lives by the clock of the lab."""
    from labs.engines.kernel.device.services import CATALOGUE
    from labs.engines.kernel.things.fork import SHARED

    return any(enabled_path(name) in device.files and CATALOGUE[name].config in device.files for name in SHARED)


class Ways(NamedTuple):
    """How what a kernel may lack is done in this site."""

    vlans: Way | None = None
    tunnels: TunnelWay | None = None


NO_WAYS = Ways()


def fork_device(
    device: Device, root: Path, world: RoomSense, strip: TerminalStrip, clock: LabClock, ways: Ways = NO_WAYS
) -> tuple[int, Channel]:
    """Fork the init of a device. Returns its number and the channel to it; its first message is `ready`."""
    own_pid_namespace = os.open("/proc/self/ns/pid", os.O_RDONLY | os.O_CLOEXEC)
    here, there = socket.socketpair()
    try:
        syscalls.unshare(syscalls.CLONE_NEWPID)
        pid = os.fork()
        if pid == 0:
            status = 1
            try:
                syscalls.die_with_parent()
                here.close()
                _become(device, root, Channel(there), world, strip, clock=clock, ways=ways)
                status = 0
            except BaseException:  # noqa: BLE001 - a forked child must never return into its parent's code
                traceback.print_exc(file=sys.stderr)
            finally:
                os._exit(status)
        syscalls.setns(own_pid_namespace, syscalls.CLONE_NEWPID)
    finally:
        os.close(own_pid_namespace)
    there.close()
    return pid, Channel(here)


def _become(
    device: Device,
    root: Path,
    channel: Channel,
    world: RoomSense,
    strip: TerminalStrip,
    *,
    clock: LabClock,
    ways: Ways,
) -> None:
    keep = {0, 1, 2, channel.fileno()} | strip.descriptors()
    for name in os.listdir("/proc/self/fd"):
        if int(name) not in keep:
            with contextlib.suppress(OSError):
                os.close(int(name))
    strip.take_along()
    syscalls.unshare(syscalls.CLONE_NEWNET | syscalls.CLONE_NEWNS | syscalls.CLONE_NEWUTS | syscalls.CLONE_NEWIPC)
    write_defaults()
    channel.send({"ready": True})
    tun = os.open(TUN, os.O_RDWR | os.O_CLOEXEC) if ways.tunnels is TunnelWay.CARRIER else -1
    enter_root(root, strip.terminals)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    init = Init(device, channel, world, clock)
    init.machine.wire(strip)
    if ways.vlans is Way.OPEN_VSWITCH:
        from labs.engines.kernel.vlans.board import Switchboard

        init.machine.vlans = Switchboard(init.machine)
        if has_vlans(device):
            init.machine.vlans.begin()
    if tun >= 0:
        from labs.engines.kernel.tunnels.board import TunnelBoard

        init.machine.tunnels = TunnelBoard(init.machine, tun)
    init.run()


class Init:
    """The device in operation."""

    def __init__(self, device: Device, channel: Channel, world: RoomSense, clock: LabClock) -> None:
        from labs.engines.kernel.device.services import CATALOGUE

        self.device = device
        self.channel = channel
        self.machine = Machine(device.name, world, dict(CATALOGUE), clock)
        self.loop = self.machine.loop
        self.machine.crew.outward = self._driven
        self.ports: dict[int, str] = {}
        self.tools = {name for name, files in TOOLS.items() if files & set(device.files)}
        self.seccomp = seccomp_file()
        self.session = Session(self.machine, self.seccomp)
        self.sessions = [self.session]
        """Those of a trainee in which something still runs, too."""
        self._tasks: set[asyncio.Task[None]] = set()
        self._following = False
        self._questions = Questions()
        self._unread = Unread()
        self._deaf: frozenset[int] = frozenset()

    def run(self) -> None:
        """For ever; returns never."""
        asyncio.set_event_loop(self.loop)
        self.loop.add_reader(self.channel.fileno(), self._message)
        self._listen_for_requests()
        self.loop.run_forever()

    # The engine

    def _message(self) -> None:
        try:
            messages = self.channel.arrived()
        except ChannelClosed:
            os._exit(0)
        for message in messages:
            task = self.loop.create_task(self._answer(message))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _answer(self, message: Mapping[str, Any]) -> None:
        try:
            answer = await getattr(self, f"do_{message['do']}")(message)
        except Exception as error:  # noqa: BLE001 - told to the engine, which tells the product
            answer = {"error": f"{type(error).__name__}: {error}", "trace": traceback.format_exc()}
        try:
            self.channel.send({"to": message.get("n"), **(answer or {})})
        except ChannelClosed:
            os._exit(0)

    async def do_boot(self, message: Mapping[str, Any]) -> dict[str, Any]:
        """Ports are in: start everything that starts at boot."""
        from labs.shell.init import boot

        self.machine.hurried = message.get("hurried", False)
        if not self.ports:
            self._watch_ports()
        self.machine.set_up = self._set_up  # type: ignore[attr-defined]
        self.machine.sysctl = Settings()  # type: ignore[attr-defined]
        process = self.machine.spawn(["init"], boot)
        await self.machine.end_of(process)
        await self._listening()
        return {"ports": self._port_states()}

    async def do_light(self, message: Mapping[str, Any]) -> None:
        """Ports go on before the boot: whoever will ask for an address finds its switch awake."""
        del message
        self._watch_ports()
        for view in self.machine.interfaces.values():
            self._set_up(view, up=True)

    def _driven(self, message: dict[str, Any]) -> None:
        """A program of ours did something to the world."""
        with contextlib.suppress(ChannelClosed):
            self.channel.send({"event": "drive", **message})

    async def do_acts(self, message: Mapping[str, Any]) -> None:
        """Something was done to the world."""
        self.machine.tell([(decode(act), origin) for act, origin in message["acts"]])

    async def do_round(self, message: Mapping[str, Any]) -> dict[str, Any]:
        """Programs of ours do what is due."""
        del message
        done = await self.machine.crew.round()
        unread = self._unread.now()
        self._deaf &= unread
        until = time.monotonic() + READ_S
        while unread - self._deaf and time.monotonic() < until:
            await asyncio.sleep(SHORT_S)
            unread = self._unread.now()
        self._deaf |= unread  # who does not read is not waited for again before it has
        return {"spoke": done.spoke, "due": done.due}

    async def do_news(self, message: Mapping[str, Any]) -> None:
        """Hands changed a wiring, or switched or carried a device."""
        self.machine.inform(message["news"])

    async def do_alter(self, message: Mapping[str, Any]) -> None:
        """Hands set a switch: it stands in a file, and a service reads it again."""
        self.machine.files.write(message["path"], message["text"])
        self.machine.units.stop(message["restart"])
        self.machine.units.start(message["restart"])
        self.machine.pump()

    async def do_arrive(self, message: Mapping[str, Any]) -> None:
        """The trainee arrives."""
        del message
        if self.machine.hurried:
            self.machine.hurried = False
            unhasten()
        self.machine.crew.jumped()

    async def do_run(self, message: Mapping[str, Any]) -> dict[str, Any]:
        """One line of the person at the device."""
        text, status = await self.session.run(message["line"], message["longest_s"])
        return {"text": text, "status": status}

    async def do_login(self, message: Mapping[str, Any]) -> None:
        """From now on lines are typed in another shell."""
        del message
        self.session = Session(self.machine, self.seccomp)
        self.sessions.append(self.session)

    async def do_watch(self, message: Mapping[str, Any]) -> None:
        """Watch the packets of probes from now on."""
        del message
        from labs.engines.kernel.device.trace import Tracer

        self.tracer = Tracer(self.machine)
        await self.tracer.start()

    async def do_watched(self, message: Mapping[str, Any]) -> dict[str, Any]:
        """What was seen of them."""
        del message
        seen = await self.tracer.stop()
        return {
            "lost": self.tracer.lost,
            "seen": [[sight.number, sight.reply, sight.order, encode(sight.note)] for sight in seen],
        }

    async def do_way(self, message: Mapping[str, Any]) -> dict[str, Any]:
        """Why a packet that left through an interface got no further: no carrier, or nobody answered ARP."""
        name, target = message["interface"], message["target"]
        try:
            with open(f"/sys/class/net/{name}/carrier", encoding="ascii") as file:
                dark = file.read().strip() != "1"
        except OSError:
            dark = True
        route = (await self.machine.capture("/usr/sbin/ip", "route", "get", target)).split()
        hop = route[route.index("via") + 1] if "via" in route else target
        known = await self.machine.capture("/usr/sbin/ip", "neigh", "show", hop, "dev", name)
        return {"dark": dark, "unanswered": "" if "lladdr" in known else hop}

    async def do_probe(self, message: Mapping[str, Any]) -> dict[str, Any]:
        """Send probes, all at once."""
        from labs.engines.kernel.device.probes import send_probes

        endings = await send_probes(self.machine, [(number, decode(probe)) for number, probe in message["probes"]])
        return {"endings": [[number, encode(how), address, encode(detail)] for number, how, address, detail in endings]}

    async def do_observe(self, message: Mapping[str, Any]) -> dict[str, Any]:
        """The running configuration."""
        del message
        from labs.engines.kernel.device.observe import device_state

        return {"state": encode(await device_state(self.machine))}

    async def do_read(self, message: Mapping[str, Any]) -> dict[str, Any]:
        """A file, byte for byte."""
        try:
            descriptor = os.open(message["path"], os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError as error:
            return {"missing": error.strerror}
        with os.fdopen(descriptor, "rb") as file:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                return {"missing": "Is a directory"}
            return {"content": encode(file.read(MAX_READ))}

    async def do_forget(self, message: Mapping[str, Any]) -> None:
        """Neighbours that were learned are forgotten, as after a minute of silence."""
        del message
        subprocess.run(["/usr/sbin/ip", "neigh", "flush", "all"], check=False, capture_output=True)

    async def do_hasten(self, message: Mapping[str, Any]) -> None:
        """Spanning trees need less time from now on."""
        del message
        self.machine.hurried = True
        hasten()

    async def do_pace(self, message: Mapping[str, Any]) -> None:
        """The clocks are put forward from now on, or no longer."""
        if message["quick"]:
            self._questions.quicken()
        else:
            self._questions.restore()

    async def do_ageing(self, message: Mapping[str, Any]) -> dict[str, Any]:
        """Tell what here would notice that so much time passed although the clocks were only put forward."""
        from labs.engines.kernel.device.ageing import ageing, strangers

        started = any(session.busy(message["besides"]) for session in self.sessions)
        busy = "something that was started in its shell still runs" if started else ""
        left = [] if busy else strangers(self.machine.children)
        busy = f"{left[0]}, which nobody looks after, still runs" if left else busy
        return {"ageing": busy or await ageing(self.machine, message["duration_ns"])}

    async def do_ports(self, message: Mapping[str, Any]) -> None:
        """A port was put in anew."""
        del message
        known = set(self.ports.values())
        names = {port.name for port in self.device.ports} - known
        self.ports |= {index: name for index, name in socket.if_nameindex() if name in names}

    async def do_quiet(self, message: Mapping[str, Any]) -> dict[str, Any]:
        """Tell how many bridge ports and addresses are still on their way."""
        del message
        return {
            "busy": unready_bridges(),
            "wide": unready_addresses(),
            "spanning": unready_spanning(),
            "leases": unready_leases(),
        }

    # Ports

    @staticmethod
    def _set_up(interface: View, *, up: bool) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as handle:
            request = struct.pack("16sh14x", interface.name.encode(), IFF_UP if up else 0)
            fcntl.ioctl(handle, SIOCSIFFLAGS, request)

    def _watch_ports(self) -> None:
        names = {port.name for port in self.device.ports}
        self.ports = {index: name for index, name in socket.if_nameindex() if name in names}
        self._netlink = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_NONBLOCK, socket.NETLINK_ROUTE)
        self._netlink.bind((0, RTMGRP_LINK))
        self._known: dict[str, bool] = {}
        self.loop.add_reader(self._netlink.fileno(), self._link_news)

    def _port_states(self) -> dict[str, bool]:
        states = {}
        for index, name in self.ports.items():
            with contextlib.suppress(OSError):
                now_called = socket.if_indextoname(index)
                with open(f"/sys/class/net/{now_called}/flags", encoding="ascii") as file:
                    states[name] = bool(int(file.read(), 16) & IFF_UP)
        self._known |= states
        return states

    def _link_news(self) -> None:
        try:
            data = self._netlink.recv(1 << 16)
        except OSError:  # overrun: ask anew
            self.channel.send({"event": "ports", "ports": self._port_states()})
            return
        position = 0
        while position + 32 <= len(data):
            length, kind = struct.unpack_from("=IH", data, position)
            family = data[position + 16]
            if kind in (RTM_NEWLINK, RTM_DELLINK) and family == socket.AF_UNSPEC:
                index = struct.unpack_from("=i", data, position + 20)[0]
                name = self.ports.get(index)
                # What is in the message may be old: after an overrun, older ones still wait in the queue.
                up = kind == RTM_NEWLINK and name is not None and _is_up(index)
                if name is not None and self._known.get(name) != up:
                    self._known[name] = up
                    self.channel.send({"event": "ports", "ports": {name: up}})
                if name is not None and kind == RTM_DELLINK:
                    del self.ports[index]
                    self.channel.send({"event": "lost", "port": name})
            position += (length + 3) & ~3
        if self.machine.vlans is not None and self.machine.vlans.active and not self._following:
            self._following = True
            self.loop.call_soon(self._follow_links)

    def _follow_links(self) -> None:
        """Carriers of bridges and VLAN interfaces that are none of the kernel's follow those of the ports."""
        self._following = False
        if self.machine.vlans is not None:
            self.machine.vlans.changed()

    # Services

    async def _listening(self) -> None:
        """Wait until the daemons that were started listen and rest, or end, or take too long."""
        until = time.monotonic() + READY_NS / 1e9
        units = self.machine.units
        readiness = Readiness(units, [name for name in units.installed() if name in LISTENING])
        while readiness.missing() and time.monotonic() < until:
            await asyncio.sleep(LOOK_NS / 1e9)

    # The commands that the init answers

    def _listen_for_requests(self) -> None:
        os.makedirs(os.path.dirname(ASK), exist_ok=True)
        os.mkfifo(ASK, 0o622)
        os.chmod(ASK, 0o622)
        self._ask = os.open(ASK, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        self._asked = b""
        self.loop.add_reader(self._ask, self._request)

    def _request(self) -> None:
        with contextlib.suppress(BlockingIOError):
            self._asked += os.read(self._ask, 1 << 16)
        *lines, self._asked = self._asked.split(b"\n")
        self._asked = self._asked[-(1 << 16) :]
        for line in lines:
            reply, _, rest = line.decode("utf-8", "replace").partition("\t")
            if reply.startswith("reply.") and reply.replace(".", "").isalnum():
                task = self.loop.create_task(self._serve(f"/run/netwerf/{reply}", rest.split("\t")))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)

    async def _serve(self, reply: str, argv: list[str]) -> None:
        from labs.engines.kernel.device.answers import Reply, program_for

        with contextlib.suppress(OSError):
            writer = Reply(reply)
            program = program_for(argv[0], self)
            process = Process(self.machine, argv, stdout=writer.stream("1"), stderr=writer.stream("2"))  # type: ignore[arg-type]
            self.machine.processes.start(process, program)
            self.machine.pump()
            while process.running and not writer.broken:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self.machine.end_of(process), LOOK_S)
            if process.running:
                process.kill(signal.SIGINT)
            if argv[0] == "ifup":
                await self._listening()
            writer.finish(process.status or 0)


def _is_up(index: int) -> bool:
    """True where an interface is switched on now."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as handle:
        try:
            request = struct.pack("16s24x", socket.if_indextoname(index).encode())
            return bool(struct.unpack_from("=H", fcntl.ioctl(handle, SIOCGIFFLAGS, request), 16)[0] & IFF_UP)
        except OSError:
            return False
