"""`ifup` and `ifdown` on the real kernel: our reader of /etc/network/interfaces, and `ip` in batches.

The lines of a paragraph are those of `labs.shell.interface_plan`, so both engines do the same. Lines that are
nothing but `ip …` go together through one `ip -batch`; whatever needs a shell gets one.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Generator, Iterator
from dataclasses import dataclass

from labs.engines.kernel.device.haste import QUICK_DELAY
from labs.engines.kernel.device.machine import Machine, run_child
from labs.engines.kernel.vlans.way import HIDDEN
from labs.net.ifupdown import InterfacesError, InterfacesFile, Stanza, parse_interfaces
from labs.net.process import Process, Routine, Wait
from labs.shell.interface_bridge import bridge_lines, own_vlan_lines, vlan_lines, wants_vlans
from labs.shell.interface_plan import QUIET_FAILURE, down_lines, up_lines
from labs.shell.interface_plan6 import METHODS6, down_lines6, up_lines6

__all__ = ["configured", "ifdown", "ifup", "networking", "networking_stop"]

FILE = "/etc/network/interfaces"
STATE = "/run/network/ifstate"
LOOPBACK = Stanza("lo", "inet", "loopback")
# Words that can do nothing but set up a network: no `ip netns exec`, no file.
PLAIN = re.compile(r"\s*(?:/\S+/)?ip\s+(?:a|addr|address|l|link|r|ro|route|rule|n|neigh)(?:\s+[\w./:@%+,-]+)+\s*")
WIDE = re.compile(r"^(\s*ip) -6(?= (?:addr add|route add|route replace) )")
DHCLIENT = "dhclient -4 -v -i -pf /run/dhclient.{0}.pid -lf /var/lib/dhcp/dhclient.{0}.leases -I {0}"
# What Open vSwitch may have to bring about, and what never gets in its way.
LINK_WORDS = re.compile(r"\s*(?:ip|bridge|brctl)(?:\s+[\w./:@%+,-]+)+\s*")
SWITCHED_ON = re.compile(r"ip link set (?:dev (\S+) up|up dev (\S+))")
NEW_VLAN = re.compile(r"ip link add link (\S+) name \S+ type vlan id \d+")
NO_VLAN = "bridge vlan del dev {} vid 1-4094"
FAILED = re.compile(r"Command failed -:(\d+)")

Step = Generator[Wait, None, bool]


@dataclass(frozen=True, slots=True)
class Line:
    """One step of an interface; `ignored` steps may fail, `silent` ones say nothing then."""

    text: str
    interface: str
    ignored: bool = False
    silent: bool = False


def read_file(process: Process, path: str = FILE) -> InterfacesFile | None:
    """The file, or None with a complaint."""
    try:
        return parse_interfaces(process.node.files.get(path), file=path)
    except InterfacesError as error:
        name = process.name.rpartition("/")[2]
        process.error(f"{name}: {error}", f'{name}: couldn\'t read interfaces file "{path}"')
        return None


def configured(machine: Machine) -> list[str]:
    """The interfaces that `ifup` configured, oldest first."""
    return [line.partition("=")[0] for line in machine.files.get(STATE).splitlines() if line]


def _remember(machine: Machine, name: str, *, up: bool) -> None:
    names = [old for old in configured(machine) if old != name] + ([name] if up else [])
    machine.files.write(STATE, "".join(f"{name}={name}\n" for name in names))


def _missing(stanza: Stanza) -> bool:
    return stanza.method == "static" and stanza.get("address") is None


def _aware(file: InterfacesFile, name: str) -> bool:
    """True for a bridge that filters VLANs."""
    stanza = file.stanza(name)
    return stanza is not None and stanza.get("bridge_vlan_aware") == "yes"


def _vlan(file: InterfacesFile, name: str, existing: set[str]) -> Iterator[Line]:
    """Make eth0.10, or what `vlan-raw-device` names."""
    parent, _, number = name.rpartition(".")
    stanza = file.stanza(name)
    if stanza is not None and stanza.get("vlan-raw-device") is not None:
        found = re.search(r"[0-9]+$", name)
        parent, number = stanza.get("vlan-raw-device") or "", stanza.get("vlan-id") or (found[0] if found else "")
    if parent in existing and number.isdecimal() and name not in existing:
        yield Line(f"ip link set up dev {parent}", name, ignored=True, silent=True)
        yield Line(f"ip link add link {parent} name {name} type vlan id {int(number)}", name)
        for text in own_vlan_lines(parent, int(number)) if _aware(file, parent) else ():
            yield Line(text, name, ignored=True, silent=True)
        existing.add(name)


def _lines_up(
    file: InterfacesFile, name: str, existing: set[str], enslaved: set[str], *, hurried: bool
) -> Iterator[Line]:
    """Every step that brings an interface up; `dhcp` leaves a step of its own."""
    yield from _vlan(file, name, existing)
    for stanza in file.of(name) or ([LOOPBACK] if name == "lo" else []):
        if stanza.family == "inet6" and stanza.method not in METHODS6:
            continue
        for text in stanza.values("pre-up"):
            yield Line(text, name)
        yield from _bridge(file, stanza, existing, enslaved, hurried=hurried)
        if name in enslaved and wants_vlans(stanza):
            yield Line(NO_VLAN.format(name), name, ignored=True, silent=True)
            for text in vlan_lines(name, stanza, None):
                yield Line(text, name)
        for text in up_lines6(stanza) if stanza.family == "inet6" else up_lines(stanza):
            quiet = text.endswith(QUIET_FAILURE)
            yield Line(_plain(text).removesuffix(QUIET_FAILURE), name, ignored=quiet, silent=quiet)
        if stanza.method == "dhcp":
            yield Line(DHCLIENT.format(name), name)
        for text in stanza.values("up"):
            yield Line(_plain(text), name)


def _plain(text: str) -> str:
    """`ip -6 addr add` as `ip addr add`: the address tells the family, and a batch takes no options."""
    return WIDE.sub(r"\1", text)


def _bridge(
    file: InterfacesFile, stanza: Stanza, existing: set[str], enslaved: set[str], *, hurried: bool
) -> Iterator[Line]:
    ports = stanza.get("bridge_ports")
    if ports is None:
        return
    name = stanza.name
    aware = stanza.get("bridge_vlan_aware") == "yes"
    if name not in existing:
        spans = stanza.get("bridge_stp") in ("on", "yes")
        option = " vlan_filtering 1" if aware else " stp_state 0" if spans else ""
        yield Line(f"ip link add name {name} type bridge{option}", name)
        if hurried and spans:
            yield Line(f"ip link set {name} type bridge forward_delay {QUICK_DELAY}", name, ignored=True, silent=True)
        existing.add(name)
    for port in ports.split():
        yield from _vlan(file, port, existing)
        if port in existing and port not in enslaved:
            enslaved.add(port)
            yield Line(f"ip link set dev {port} master {name}", name)
            yield Line(f"ip link set dev {port} up", name)
            for text in vlan_lines(port, file.stanza(port), stanza) if aware else ():
                yield Line(text, name)
    for text in bridge_lines(stanza):
        yield Line(text, name)


def ifup(process: Process, names: list[str], *, everything: bool = False, force: bool = False) -> Routine:
    """Bring interfaces up; the exit status is 1 where one failed."""
    import socket

    machine: Machine = process.node  # type: ignore[assignment]
    file = read_file(process)
    if file is None:
        return 1
    existing = {name for _, name in socket.if_nameindex()} - HIDDEN
    enslaved = {name for name in existing if os.path.exists(f"/sys/class/net/{name}/brport")}
    status = 0
    steps: list[Line] = []
    wanted: list[str] = []
    for name in dict.fromkeys([*file.auto, *(["lo"] if everything else [])] if everything else names):
        stanzas = file.of(name) or ([LOOPBACK] if name == "lo" else [])
        if not stanzas:
            process.error(f"ifup: unknown interface {name}")
            status = 1
        elif name in configured(machine) and not force:
            if not everything:
                process.error(f"ifup: interface {name} already configured")
        elif any(_missing(stanza) for stanza in stanzas):
            family = next(stanza.family for stanza in stanzas if _missing(stanza))
            process.error("ifup: missing required variable: address")
            process.error(f"ifup: missing required configuration variables for interface {name}/{family}")
            process.error(f"ifup: failed to bring up {name}")
            status = 1
        else:
            steps += _lines_up(file, name, existing, enslaved, hurried=machine.hurried)
            wanted.append(name)
    failed = yield from _perform(process, steps)
    for name in wanted:
        if name in failed:
            process.error(f"ifup: failed to bring up {name}")
            status = 1
        else:
            _remember(machine, name, up=True)
    return status


def ifdown(process: Process, names: list[str], *, everything: bool = False, force: bool = False) -> Routine:
    """Take interfaces down."""
    machine: Machine = process.node  # type: ignore[assignment]
    file = read_file(process)
    if file is None:
        return 1
    status = 0
    known = configured(machine)
    for name in list(reversed([n for n in known if n != "lo"])) if everything else names:
        stanzas = file.of(name) or ([LOOPBACK] if name == "lo" else [])
        if not stanzas and not everything:
            process.error(f"ifdown: unknown interface {name}")
            status = 1
            continue
        if name not in known and not force:
            process.error(f"ifdown: interface {name} not configured")
            continue
        steps: list[Line] = []
        for stanza in reversed(stanzas):
            steps += [Line(text, name, ignored=True) for text in stanza.values("down")]
            if _missing(stanza):
                process.error(*["ifdown: missing required variable: address"] * 2)
            for text in down_lines6(stanza) if stanza.family == "inet6" else down_lines(stanza):
                if _missing(stanza) and text.startswith("ip addr del"):
                    continue
                bare = text.removesuffix(QUIET_FAILURE).replace("2>&1 1>/dev/null || true", "")
                steps.append(Line(bare, name, ignored=True, silent=text.endswith(QUIET_FAILURE)))
            if stanza.get("bridge_ports") is not None:
                steps.append(Line(f"ip link del {name}", name, ignored=True, silent=True))
            steps += [Line(text, name, ignored=True) for text in stanza.values("post-down")]
        parent, dot, number = name.rpartition(".")
        if parent and dot and number.isdecimal():
            steps.append(Line(f"ip link del {name}", name, ignored=True, silent=True))
        yield from _perform(process, steps)
        _remember(machine, name, up=False)
    return status


def _perform(process: Process, steps: list[Line]) -> Generator[Wait, None, set[str]]:
    """Do the steps in order, `ip` lines in batches; returns the interfaces of which one failed."""
    failed: set[str] = set()
    position = 0
    vlans, tunnels = _Vlans(process), _Tunnels(process)
    done: set[int] = set()
    while position < len(steps):
        line = steps[position]
        if line.interface in failed or position in done:
            position += 1
            continue
        if tunnels.concern(line.text) or vlans.concern(line.text):
            said = tunnels.do(line.text) if tunnels.concern(line.text) else vlans.do(line.text)
            if said is not None and not line.ignored:
                failed.add(line.interface)
                process.error(*said)
            position += 1
            continue
        end = position
        while (
            end < len(steps)
            and PLAIN.fullmatch(steps[end].text)
            and steps[end].interface not in failed
            and not vlans.concern(steps[end].text)
            and not tunnels.concern(steps[end].text)
        ):
            end += 1
        done |= vlans.settle(steps, position, max(end, position + 1))
        if end == position:
            if (yield from _shell(process, line)) != 0 and not line.ignored:
                failed.add(line.interface)
            position += 1
            continue
        bad, said = _batch([line.text for line in steps[position:end]])
        if bad is None:
            position = end
            continue
        line = steps[position + bad]
        if not line.ignored:
            failed.add(line.interface)
        if not line.silent:
            process.error(*said)
        position += bad + 1
    vlans.finish()
    return failed


class _Tunnels:
    """The steps that are about tunnels which the kernel has no part in."""

    def __init__(self, process: Process) -> None:
        self._machine: Machine = process.node  # type: ignore[assignment]

    def concern(self, text: str) -> bool:
        """True for a step that is none of the kernel's."""
        board = self._machine.tunnels
        if board is None or not LINK_WORDS.fullmatch(text):
            return False
        from labs.engines.kernel.tunnels.commands import is_ours

        return is_ours(board, text.split())

    def do(self, text: str) -> list[str] | None:
        """Do it; what was said where it failed."""
        from labs.engines.kernel.tunnels.commands import change

        assert self._machine.tunnels is not None
        return change(self._machine, self._machine.tunnels, text.split())


class _Vlans:
    """The steps that Open vSwitch has to bring about; some are done together."""

    def __init__(self, process: Process) -> None:
        machine: Machine = process.node  # type: ignore[assignment]
        self._process = process
        self._board = machine.vlans
        self._looked = self._waiting = False

    def concern(self, text: str) -> bool:
        """True for a step that is none of the kernel's."""
        if self._board is None or not LINK_WORDS.fullmatch(text):
            return False
        from labs.engines.kernel.vlans.commands import is_ours

        return is_ours(self._board, text.split())

    def do(self, text: str) -> list[str] | None:
        """Do it; what was said where it failed."""
        assert self._board is not None
        if not self._looked:
            self._board.look()
            self._looked = True
        from labs.engines.kernel.vlans.commands import change

        self._waiting = True
        return change(self._process.node, self._board, text.split())

    def settle(self, steps: list[Line], start: int, end: int) -> set[int]:
        """Before these steps of the kernel's, bring about what was said, unless they do not see it.

        VLAN interfaces that later steps make are made at once; returns the numbers of these steps.
        """
        done: set[int] = set()
        if self._board is None or not self._waiting:
            self._looked = False
            return done
        known = [SWITCHED_ON.fullmatch(step.text.strip()) for step in steps[start:end]]
        if all(found and not self._board.owns(found[1] or found[2]) for found in known):
            return done
        for number in range(end, len(steps)):
            found = NEW_VLAN.fullmatch(steps[number].text)
            if found and found[1] in self._board.interfaces and self.do(steps[number].text) is None:
                done.add(number)
        self._apply(flows=not all(PLAIN.fullmatch(step.text) for step in steps[start:]))
        self._looked = False
        return done

    def finish(self) -> None:
        """At the end, also for what the kernel's steps changed about ports."""
        if self._board is not None and (self._waiting or self._board.active):
            self._apply(look=True)

    def _apply(self, *, look: bool = False, flows: bool = True) -> None:
        from labs.engines.kernel.vlans.openvswitch import SwitchError

        assert self._board is not None
        try:
            if self._waiting:
                self._board.apply(flows=flows and not look)
            if look:
                self._board.look()
                self._board.apply()
        except SwitchError as error:
            self._process.error(f"{self._process.name}: {error}")
        self._waiting = False


def _batch(lines: list[str]) -> tuple[int | None, list[str]]:
    """Run `ip -batch`; the index of the line that failed, and what was said."""
    from labs.engines.kernel.device.machine import ENVIRONMENT

    text = "".join(line.strip().split("ip", 1)[1] + "\n" for line in lines)
    done = subprocess.run(
        ["/usr/sbin/ip", "-batch", "-"], input=text.encode(), capture_output=True, check=False, env=ENVIRONMENT
    )
    if done.returncode == 0:
        return None, []
    said = done.stderr.decode("utf-8", "replace").splitlines()
    found = next((int(match[1]) for line in said if (match := FAILED.search(line))), 1)
    return found - 1, [line for line in said if not FAILED.search(line)]


def _shell(process: Process, line: Line) -> Routine:
    client = line.text.startswith("dhclient ")
    argv = line.text.split() if client else ["/bin/sh", "-c", line.text]
    environment = {"IFACE": line.interface, "LOGICAL": line.interface}
    out = process.stderr if client else process.stdout  # what dhclient says is no result
    return (yield from run_child(process, argv, environment=environment, out=out))


def networking(process: Process) -> Routine:
    """The unit: `ifup -a`."""
    return (yield from ifup(process, [], everything=True))


def networking_stop(process: Process) -> Routine:
    """Stopping the unit: `ifdown -a`."""
    return (yield from ifdown(process, [], everything=True))
