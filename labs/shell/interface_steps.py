"""Bringing one interface up or down: the steps of `ifup` and `ifdown`, each of them a line of shell."""

from __future__ import annotations

import re
from collections.abc import Generator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from labs.net.ifupdown import InterfacesFile, Stanza
from labs.net.process import Process, Wait, Writer
from labs.net.vlan import VlanTable
from labs.shell.bash import run_script
from labs.shell.bash.programs import run_argv
from labs.shell.interface_bridge import bridge_lines, own_vlan_lines, vlan_lines, wants_vlans
from labs.shell.interface_plan import address_plan, down_lines, up_lines
from labs.shell.interface_plan6 import METHODS6, down_lines6, up_lines6

if TYPE_CHECKING:
    from labs.net.linux.node import LinuxNode

__all__ = ["Run", "bring_up", "configured_names", "stanzas_of", "take_down"]

PATH = "/etc/network/interfaces"
STATE = "/run/network/ifstate"
LEASE_PATIENCE_NS = 15_000_000_000
LOOPBACK = Stanza("lo", "inet", "loopback")
Steps = Generator[Wait, None, bool]


@dataclass(slots=True)
class Run:
    """One call of the program: its options and what is configured already."""

    process: Process
    command: str
    file: InterfacesFile = field(default_factory=InterfacesFile)
    everything: bool = False
    group: str = "auto"
    path: str = PATH
    excluded: list[str] = field(default_factory=list)
    dry: bool = False
    verbose: bool = False
    force: bool = False
    ignore_errors: bool = False
    listing: bool = False
    stating: bool = False

    @property
    def node(self) -> LinuxNode:
        """The device."""
        return self.process.node

    def complain(self, text: str) -> None:
        """Say something on standard error."""
        self.process.error(f"{self.command}: {text}")


PLAIN = re.compile(r"[ \t]*(?:/\S+/)?(?:ip|sysctl)(?:[ \t]+[\w./:@%+,-]+)+[ \t]*")
"""Lines that mean the same with and without a shell: most of a start consists of them."""


def _shell(run: Run, line: str, *, phase: str, ignore: bool = False) -> Steps:
    """One line of shell; False where it failed and that matters."""
    if run.verbose:
        run.process.error(line)
    if run.dry:
        return True
    run.process.environment["PHASE"] = phase
    if PLAIN.fullmatch(line):
        status = yield from run_argv(run.process, line.split())
    else:
        status = yield from run_script(run.process, line)
    return status == 0 or ignore or run.ignore_errors or run.force


def _environment(run: Run, stanza: Stanza) -> None:
    """What scripts are told (interfaces(5), IFACE OPTIONS)."""
    environment = run.process.environment
    for name in [name for name in environment if name.startswith("IF_")]:
        del environment[name]
    environment |= {
        "IFACE": stanza.name,
        "LOGICAL": stanza.name,
        "ADDRFAM": stanza.family,
        "METHOD": stanza.method,
        "MODE": "start" if run.command == "ifup" else "stop",
        "VERBOSITY": "1" if run.verbose else "0",
    }
    for option, value in stanza.options:
        environment["IF_" + re.sub(r"[^A-Z0-9_]", "_", option.upper())] = value
    if stanza.method == "static" and stanza.family == "inet":
        plan = address_plan(stanza)
        environment |= {"IF_ADDRESS": plan.address, "IF_NETMASK": plan.netmask, "IF_BROADCAST": plan.broadcast}


def _announce(run: Run, stanza: Stanza) -> None:
    if run.verbose:
        blank = [""] if run.command == "ifup" else []
        run.process.error(*blank, f"{run.command}: configuring interface {stanza.name}={stanza.name} ({stanza.family})")


def _scripts(run: Run, folder: str) -> None:
    """Where the real program runs the scripts of /etc/network/if-*.d."""
    if run.verbose:
        strict = "--exit-on-error " if run.command == "ifup" else ""
        run.process.error(f"run-parts {strict}--verbose /etc/network/{folder}")


def stanzas_of(run: Run, name: str) -> list[Stanza]:
    """The paragraphs of an interface; the loopback needs none."""
    found = run.file.of(name)
    return found or ([LOOPBACK] if name == "lo" else [])


def bring_up(run: Run, name: str) -> Steps:
    """`ifup NAME`: False where it failed."""
    stanzas = stanzas_of(run, name)
    if not stanzas:
        run.complain(f"unknown interface {name}")
        return False
    if name in configured_names(run.node) and not run.force:
        if not run.everything:
            run.complain(f"interface {name} already configured")
        return True
    if not (yield from _make_vlan(run, name)):
        return True
    for stanza in stanzas:
        if not (yield from _up_stanza(run, stanza)):
            run.complain(f"failed to bring up {name}")
            return False
    if not run.dry:
        _remember(run.node, name, configured=True)
    return True


def _make_vlan(run: Run, name: str) -> Steps:
    """An interface named PARENT.ID is made when it is missing; False where that is impossible."""
    parent, dot, number = name.rpartition(".")
    if not dot or not number.isdecimal() or name in run.node.interfaces:
        return True
    if parent not in run.node.interfaces:
        run.complain(f"ignoring unknown interface {name}={name}")
        return False
    line = f"ip link set up dev {parent}; ip link add link {parent} name {name} type vlan id {int(number)}"
    yield from _shell(run, line, phase="pre-up", ignore=True)
    bridge = run.node.interfaces[parent].bridge
    if bridge is not None and bridge.vlan_filtering:
        for line in own_vlan_lines(parent, int(number)):
            yield from _shell(run, line, phase="pre-up", ignore=True)
    if name not in run.node.interfaces and not run.dry:
        run.complain(f"ignoring unknown interface {name}={name}")
        return False
    return True


def _up_stanza(run: Run, stanza: Stanza) -> Steps:
    _announce(run, stanza)
    if stanza.method == "static" and stanza.get("address") is None:
        run.complain("missing required variable: address")
        run.complain(f"missing required configuration variables for interface {stanza.name}/{stanza.family}")
        return False
    if stanza.method not in (METHODS6 if stanza.family == "inet6" else ("loopback", "static", "manual", "dhcp")):
        run.complain(f'method "{stanza.method}" is not simulated here')
        return False
    _environment(run, stanza)
    for line in stanza.values("pre-up"):
        if not (yield from _shell(run, line, phase="pre-up")):
            return False
    _scripts(run, "if-pre-up.d")
    if not ((yield from _make_bridge(run, stanza)) and (yield from _raw_vlan(run, stanza))):
        return False
    if not (yield from _port_vlans(run, stanza)):
        return False
    for line in up_lines6(stanza) if stanza.family == "inet6" else up_lines(stanza):
        if not (yield from _shell(run, line, phase="post-up")):
            return False
    if stanza.method == "dhcp" and not (yield from _lease(run, stanza)):
        return False
    for line in stanza.values("up"):
        if not (yield from _shell(run, line, phase="post-up")):
            return False
    _scripts(run, "if-up.d")
    yield from _port_mode(run, stanza)
    return True


class _Forwarder(Writer):
    """What the DHCP client prints while ifup waits for it; afterwards nobody listens."""

    def __init__(self, target: Writer) -> None:
        self.target: Writer | None = target

    def write(self, text: str) -> None:
        """Pass on."""
        if self.target is not None:
            self.target.write(text)


def _lease(run: Run, stanza: Stanza) -> Steps:
    """Start the DHCP client; after some seconds it goes on alone in the background."""
    name = stanza.name
    line = (
        f"dhclient -4 -v -i -pf /run/dhclient.{name}.pid -lf /var/lib/dhcp/dhclient.{name}.leases"
        f" -I -df /var/lib/dhcp/dhclient6.{name}.leases {name}"
    )
    if run.verbose:
        run.process.error(line)
    if run.dry:
        return True
    from labs.shell.commands.dhclient import run_client
    from labs.shell.daemons.dhcp_client import pid_file

    forwarder = _Forwarder(run.process.stderr)
    client = run.node.spawn(
        line.split(),
        lambda process: run_client(process, name, foreground=False, verbose=True),
        stdout=forwarder,
        stderr=forwarder,
        directory="/",
    )
    if client.running:
        run.node.files.write(pid_file(name), f"{client.pid}\n")
    until = run.node.now + LEASE_PATIENCE_NS
    while client.running and run.node.now < until:
        yield Wait((client.exited,), until)
    forwarder.target = None
    return client.running or client.status == 0


def _make_bridge(run: Run, stanza: Stanza) -> Steps:
    """`bridge_ports` (bridge-utils): make the bridge and put its ports in; a missing port is passed over."""
    ports = stanza.get("bridge_ports")
    if ports is None or run.dry:
        return True
    node, name = run.node, stanza.name
    aware = stanza.get("bridge_vlan_aware") == "yes"
    missing = name not in node.interfaces
    if missing:
        line = f"ip link add name {name} type bridge vlan_filtering {int(aware)}"
        if (yield from run_script(run.process, line)) != 0:
            return False
    for port in bridge_ports(node, ports):
        if port not in node.interfaces:
            yield from _make_port(run, port)
        interface = node.interfaces.get(port)
        if interface is not None and interface.master is not node.interfaces[name]:
            mtu = f"ip link set dev {port} mtu {stanza.get('mtu')}; " if stanza.get("mtu") else ""
            yield from run_script(
                run.process, f"{mtu}ip link set dev {port} master {name} && ip link set dev {port} up"
            )
            for line in vlan_lines(port, run.file.stanza(port), stanza) if aware else ():
                if (yield from run_script(run.process, line)) != 0:
                    return False
    for line in bridge_lines(stanza):
        yield from run_script(run.process, line)
    return True


def _port_vlans(run: Run, stanza: Stanza) -> Steps:
    """The VLANs of a port that is in its bridge already."""
    interface = run.node.interfaces.get(stanza.name)
    if interface is not None and interface.bridge_port is not None and wants_vlans(stanza) and not run.dry:
        interface.bridge_port.vlans = VlanTable()
        for line in vlan_lines(stanza.name, stanza, None):
            if (yield from run_script(run.process, line)) != 0:
                return False
    return True


def _port_mode(run: Run, stanza: Stanza) -> Steps:
    """Speed and duplex of a port, as /etc/network/if-up.d/ethtool sets them."""
    words = [
        f"{word} {value}"
        for option, word in (("link-speed", "speed"), ("link-duplex", "duplex"), ("ethernet-autoneg", "autoneg"))
        if (value := stanza.get(option))
    ]
    if words and stanza.name != "lo" and not run.dry:
        yield from run_script(run.process, f"ethtool --change {stanza.name} {' '.join(words)}")
    return True


def _make_port(run: Run, port: str) -> Steps:
    parent, dot, number = port.rpartition(".")
    if dot and number.isdecimal() and parent in run.node.interfaces:
        line = f"ip link set dev {parent} up; ip link add link {parent} name {port} type vlan id {int(number)}"
        yield from run_script(run.process, line)
    return True


def bridge_ports(node: LinuxNode, text: str) -> list[str]:
    """The ports a `bridge_ports` line names: `none`, `all`, or names."""
    names = []
    for word in text.split():
        if word == "all":
            names += [interface.name for interface in node.interfaces.values() if interface.kind == "ether"]
        elif word not in ("none", "regex"):
            names.append(word)
    return names


def _raw_vlan(run: Run, stanza: Stanza) -> Steps:
    """`vlan-raw-device` (package vlan): vlan20 on eth0."""
    parent = stanza.get("vlan-raw-device")
    name = stanza.name
    if parent is None or name in run.node.interfaces or run.dry:
        return True
    number = stanza.get("vlan-id") or (re.search(r"([0-9]+)$", name) or ["", ""])[1]
    if parent not in run.node.interfaces or not number:
        run.process.error(f"{parent} does not exist, unable to create {name}")
        return False
    line = f"ip link set dev {parent} up; ip link add link {parent} name {name} type vlan id {int(number)}"
    yield from run_script(run.process, line)
    return True


def take_down(run: Run, name: str) -> Steps:
    """`ifdown NAME`: False where there is no such interface."""
    stanzas = stanzas_of(run, name)
    if not stanzas:
        run.complain(f"unknown interface {name}")
        return False
    if name not in configured_names(run.node) and not run.force:
        if not run.everything:
            run.complain(f"interface {name} not configured")
        return True
    for stanza in reversed(stanzas):
        yield from _down_stanza(run, stanza)
    if not run.dry:
        _remember(run.node, name, configured=False)
        parent, dot, number = name.rpartition(".")
        if dot and number.isdecimal() and parent and name in run.node.interfaces:
            yield from run_script(run.process, f"ip link del {name}")
    return True


def _down_stanza(run: Run, stanza: Stanza) -> Steps:
    _announce(run, stanza)
    _environment(run, stanza)
    _scripts(run, "if-down.d")
    for line in stanza.values("down"):
        yield from _shell(run, line, phase="pre-down", ignore=True)
    missing = stanza.method == "static" and stanza.get("address") is None
    for _ in range(2 if missing else 0):  # it looks for the variable twice
        run.complain("missing required variable: address")
    for line in down_lines6(stanza) if stanza.family == "inet6" else down_lines(stanza):
        if not (missing and line.startswith("ip addr del")):
            yield from _shell(run, line, phase="post-down", ignore=True)
    if stanza.get("bridge_ports") is not None and not run.dry:
        yield from _unmake_bridge(run, stanza)
    _scripts(run, "if-post-down.d")
    for line in stanza.values("post-down"):
        yield from _shell(run, line, phase="post-down", ignore=True)
    return True


def _unmake_bridge(run: Run, stanza: Stanza) -> Steps:
    """Take the ports out and the bridge away."""
    bridge = run.node.interfaces.get(stanza.name)
    if bridge is None or bridge.bridge is None:
        return True
    for port in list(bridge.bridge.ports):
        yield from run_script(run.process, f"ip link set dev {port.name} down && ip link set dev {port.name} nomaster")
    yield from run_script(run.process, f"ip link set dev {stanza.name} down && ip link del {stanza.name}")
    return True


def configured_names(node: LinuxNode) -> list[str]:
    """The interfaces that `ifup` configured, oldest first."""
    return [line.partition("=")[0] for line in node.files.get(STATE).splitlines() if line]


def _remember(node: LinuxNode, name: str, *, configured: bool) -> None:
    names = [old for old in configured_names(node) if old != name] + ([name] if configured else [])
    if not node.files.is_directory("/run/network"):
        node.files.make_directory("/run/network")
    node.files.write(STATE, "".join(f"{name}={name}\n" for name in names))
