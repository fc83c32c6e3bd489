"""`ifup`, `ifdown` and `ifquery`, after ifupdown 0.8: they turn paragraphs of /etc/network/interfaces into commands.

As with the real programs every step is a line of shell; the words of an error are those of the command that failed.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Generator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from labs.model.addresses import IPv4, Network
from labs.net.filesystem import FileError
from labs.net.ifupdown import InterfacesError, InterfacesFile, Stanza, canonical, parse_interfaces
from labs.net.linux.units import Unit
from labs.net.process import Process, Program, Routine, Wait, Writer
from labs.shell.bash import run_script
from labs.shell.options import UsageError, parse_options

if TYPE_CHECKING:
    from labs.net.linux.node import LinuxNode

__all__ = ["COMMANDS", "NETWORKING", "ifdown", "ifquery", "ifup"]

PATH = "/etc/network/interfaces"
STATE = "/run/network/ifstate"
LEASE_PATIENCE_NS = 15_000_000_000
MAX_SOURCES = 64
LOOPBACK = Stanza("lo", "inet", "loopback")
SHORT = "hVavnfi:X:o:"
LONG = [
    "help", "version", "all", "allow=", "interfaces=", "state-dir=", "exclude=", "no-act", "verbose", "option=",
    "no-mappings", "no-scripts", "no-loopback", "force", "ignore-errors", "read-environment", "list", "state",
]  # fmt: skip
VERSION = "ifup version 0.8.41"
USAGE = (
    "Usage: {} <options> <ifaces...>",
    "",
    "Options:",
    "	-h, --help             this help",
    '	-a, --all              process all interfaces marked "auto"',
    '	--allow CLASS          ignore non-"allow-CLASS" interfaces',
    "	-i, --interfaces FILE  use FILE for interface definitions",
    "	-X, --exclude PATTERN  exclude interfaces from the list of",
    "	                       interfaces to operate on by a PATTERN",
    "	-n, --no-act           print out what would happen, but don't do it",
    "	-v, --verbose          print out what would happen before doing it",
    "	-f, --force            force de/configuration",
    "	--ignore-errors        ignore errors",
)
QUIET_FAILURE = "2>/dev/null || true"
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


class Usage(Exception):
    """A wrong command line: lines to print and the status."""

    def __init__(self, *lines: str, status: int = 1) -> None:
        super().__init__(*lines)
        self.lines = lines
        self.status = status


def ifup(process: Process) -> Routine:
    """Bring interfaces up."""
    return (yield from _main(process, "ifup"))


def ifdown(process: Process) -> Routine:
    """Take interfaces down."""
    return (yield from _main(process, "ifdown"))


def ifquery(process: Process) -> Routine:
    """Show what the file says, or what is configured."""
    return (yield from _main(process, "ifquery"))


def _main(process: Process, command: str) -> Routine:
    try:
        run, names = _arguments(process, command)
    except Usage as mistake:
        for line in mistake.lines:
            (process.print if mistake.status == 0 else process.error)(line)
        return mistake.status
    if command == "ifquery" and run.stating:
        return _print_state(run, names)
    try:
        run.file = read_interfaces(process, run.path)
    except (InterfacesError, FileError) as error:
        if isinstance(error, FileError):
            run.complain(f'couldn\'t open interfaces file "{run.path}": {error}')
        else:
            run.complain(str(error))
            run.complain(f'couldn\'t read interfaces file "{run.path}"')
        return 1
    if command == "ifquery":
        return _query(run, names)
    if run.everything:
        names = _all_names(run)
    failed = False
    for name in names:
        works = (yield from _up(run, name)) if command == "ifup" else (yield from _down(run, name))
        failed = failed or not works
    return 1 if failed else 0


def _arguments(process: Process, command: str) -> tuple[Run, list[str]]:
    run = Run(process, command)
    try:
        options, names = parse_options(process.argv[1:], SHORT, LONG)
    except UsageError as error:
        raise Usage(f"{command}: {error}", f"{command}: Use --help for help") from None
    for option, value in options:
        if option in ("-h", "--help"):
            raise Usage(*(line.format(command) for line in USAGE), status=0)
        if option in ("-V", "--version"):
            raise Usage(VERSION, status=0)
        if option in ("-a", "--all"):
            run.everything = True
        elif option == "--allow":
            run.group = value
        elif option in ("-i", "--interfaces"):
            run.path = value
        elif option in ("-X", "--exclude"):
            run.excluded.append(value)
        elif option in ("-n", "--no-act"):
            run.dry = True
        elif option in ("-v", "--verbose"):
            run.verbose = True
        elif option in ("-f", "--force"):
            run.force = True
        elif option == "--ignore-errors":
            run.ignore_errors = True
        elif option == "--list":
            run.listing = True
        elif option == "--state":
            run.stating = True
        elif option in ("-o", "--option", "--state-dir"):
            raise Usage(f'{command}: "{option}" is not simulated here')
    if command == "ifquery":
        if not (run.listing or run.stating or names):
            raise Usage("ifquery: Use --help for help")
        return run, names
    if run.everything and names:
        text = f"{command}: either use the --all option, or specify interface(s), but not both"
        raise Usage(text, f"{command}: Use --help for help")
    if not run.everything and not names:
        raise Usage(f"{command}: no interface(s) specified", f"{command}: Use --help for help")
    run.verbose = run.verbose or run.dry
    return run, [name for name in names if not _excluded(run, name)]


def _excluded(run: Run, name: str) -> bool:
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in run.excluded)


def read_interfaces(process: Process, path: str = PATH) -> InterfacesFile:
    """The file with everything its `source` lines bring in. Raises InterfacesError, FileError."""
    node = process.node
    absolute = node.files.resolve(path, process.directory)
    found = parse_interfaces(node.files.read(absolute), file=path)
    for pattern in found.sources[:MAX_SOURCES]:
        folder, _, name = node.files.resolve(pattern, "/etc/network").rpartition("/")
        if node.files.is_directory(folder or "/"):
            for entry in node.files.list(folder or "/"):
                source = f"{folder}/{entry}"
                if fnmatch.fnmatchcase(entry, name) and node.files.is_file(source):
                    found = found.merged(parse_interfaces(node.files.read(source), file=source))
    return found


def _all_names(run: Run) -> list[str]:
    names = [name for name in run.file.names(run.group) if not _excluded(run, name)]
    if run.group == "auto" and "lo" not in names and not _excluded(run, "lo"):
        names.insert(0, "lo")
    if run.command == "ifdown":
        configured = configured_names(run.node)
        names = [name for name in reversed(configured) if not _excluded(run, name)]
    return names


def _stanzas(run: Run, name: str) -> list[Stanza]:
    found = run.file.of(name)
    return found or ([LOOPBACK] if name == "lo" else [])


# What is configured


def configured_names(node: LinuxNode) -> list[str]:
    """The interfaces that `ifup` configured, oldest first."""
    return [line.partition("=")[0] for line in node.files.get(STATE).splitlines() if line]


def _remember(node: LinuxNode, name: str, *, configured: bool) -> None:
    names = [old for old in configured_names(node) if old != name] + ([name] if configured else [])
    if not node.files.is_directory("/run/network"):
        node.files.make_directory("/run/network")
    node.files.write(STATE, "".join(f"{name}={name}\n" for name in names))


def _print_state(run: Run, names: Sequence[str]) -> int:
    configured = configured_names(run.node)
    if not names:
        run.process.print(*[f"{name}={name}" for name in reversed(configured)])
        return 0
    for name in names:
        if name in configured:
            run.process.print(f"{name}={name}")
    return 0 if all(name in configured for name in names) else 1


def _query(run: Run, names: Sequence[str]) -> int:
    status = 0
    if run.listing:
        listed = _all_names(run)
        if run.group == "auto" and run.file.auto and "lo" not in run.file.auto:
            listed = ["lo", *[name for name in listed if name != "lo"]]
        for name in listed:
            if name != "lo" and not run.file.of(name):
                run.complain(f"unknown interface {name}")
                status = 1
        run.process.print(*[name for name in listed if name == "lo" or run.file.of(name)])
        return status
    for name in names:
        stanzas = _stanzas(run, name)
        if not stanzas:
            run.complain(f"unknown interface {name}")
            status = 1
        for stanza in stanzas:
            values = [(canonical(option), value) for option, value in stanza.options]
            run.process.print(*[f"{option}: {value}" for option, value in _with_defaults(stanza, values)])
    return status


def _with_defaults(stanza: Stanza, values: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """The options as ifquery shows them: a prefix is split into address and netmask."""
    if stanza.method != "static":
        return values
    plan = address_plan(stanza)
    shown = [
        (name, value.partition("/")[0] if name == "address" else value) for name, value in values if name != "netmask"
    ]
    known = {name for name, _ in shown}
    if plan.broadcast and "broadcast" not in known:
        shown.append(("broadcast", plan.broadcast))
    if plan.netmask:
        shown.append(("netmask", plan.netmask))
    return shown


# The plan of a static address


@dataclass(frozen=True, slots=True)
class AddressPlan:
    """What goes into `ip addr add`, worked out as ifupdown does it (inet.defn)."""

    address: str
    netmask: str
    broadcast: str


def _dotted(length: int) -> str:
    """A netmask; a length beyond 32 becomes an empty mask, as in the real program."""
    return str(Network(IPv4(0), 0).address if length > 32 else IPv4(0xFFFFFFFF << 32 - length & 0xFFFFFFFF))


def _quad(text: str) -> IPv4 | None:
    try:
        return IPv4.parse(text)
    except ValueError:
        return None


def address_plan(stanza: Stanza) -> AddressPlan:
    """Address, netmask and broadcast of a `static` paragraph; mistakes go through to `ip`, which complains."""
    address, slash, tail = (stanza.get("address") or "").partition("/")
    netmask = stanza.get("netmask")
    number = _quad(address)
    if netmask is None and number is None:
        netmask = f"{address}{slash}{tail}"
    elif netmask is None and slash:
        digits = re.match(r"[0-9]*", tail)
        netmask = tail if _quad(tail) is not None else _dotted(int((digits.group() if digits else "") or 0))
    elif netmask is None and number is not None:
        first = int(number) >> 24
        netmask = _dotted(8 if first < 128 else 16 if first < 192 else 24)
    assert netmask is not None
    broadcast = stanza.get("broadcast")
    mask = _quad(netmask)
    if broadcast is None:
        broadcast = "+" if mask is None or number is None else _broadcast(number, mask)
    return AddressPlan(address, netmask, broadcast)


def _broadcast(address: IPv4, mask: IPv4) -> str:
    """The highest address; a /31 has none (RFC 3021)."""
    if int(mask) == 0xFFFFFFFE:
        return "255.255.255.255"
    return str(IPv4(int(address) | ~int(mask) & 0xFFFFFFFF))


# Steps


def _shell(run: Run, line: str, *, phase: str, ignore: bool = False) -> Steps:
    """One line of shell; False where it failed and that matters."""
    if run.verbose:
        run.process.error(line)
    if run.dry:
        return True
    run.process.environment["PHASE"] = phase
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
    if stanza.method == "static":
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


def _up(run: Run, name: str) -> Steps:
    stanzas = _stanzas(run, name)
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
        if stanza.family != "inet":
            run.complain(f'"{stanza.family}" is not simulated here: {name} {stanza.family} {stanza.method} is skipped')
            continue
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
    if stanza.method not in ("loopback", "static", "manual", "dhcp"):
        run.complain(f'method "{stanza.method}" is not simulated here')
        return False
    _environment(run, stanza)
    for line in stanza.values("pre-up"):
        if not (yield from _shell(run, line, phase="pre-up")):
            return False
    _scripts(run, "if-pre-up.d")
    if not ((yield from _make_bridge(run, stanza)) and (yield from _raw_vlan(run, stanza))):
        return False
    for line in _up_lines(stanza):
        if not (yield from _shell(run, line, phase="post-up")):
            return False
    if stanza.method == "dhcp" and not (yield from _lease(run, stanza)):
        return False
    for line in stanza.values("up"):
        if not (yield from _shell(run, line, phase="post-up")):
            return False
    _scripts(run, "if-up.d")
    return True


def _address_words(stanza: Stanza) -> str:
    plan = address_plan(stanza)
    peer = f"peer {stanza.get('pointopoint')} " if stanza.get("pointopoint") else " "
    scope = f"scope {stanza.get('scope')} " if stanza.get("scope") else " "
    return (
        f"{plan.address}/{plan.netmask} broadcast {plan.broadcast} \t{peer}{scope}".rstrip(" ")
        + f" dev {stanza.name} label {stanza.name}"
    )


def _up_lines(stanza: Stanza) -> list[str]:
    """The commands of a method (inet.defn, section `up`)."""
    name, mtu, mac = stanza.name, stanza.get("mtu"), stanza.get("hwaddress")
    mac = mac.removeprefix("ether ").strip() if mac is not None else None
    if stanza.method == "loopback":
        return ["ip link set dev lo up"]
    if stanza.method == "static":
        words = "".join([f" mtu {mtu}" if mtu else " ", f" address {mac}" if mac else " "])
        lines = [f"ip addr add {_address_words(stanza)}", f"ip link set dev {name}{words} up"]
        if stanza.get("gateway"):
            metric = f"metric {stanza.get('metric')}" if stanza.get("metric") else ""
            lines.append(f" ip route add default via {stanza.get('gateway')} {metric} dev {name} onlink ")
        return lines
    lines = [f"ip link set dev {name} mtu {mtu}"] if mtu and stanza.method == "manual" else []
    lines += [f"ip link set dev {name} address {mac}"] if mac else []
    return [*lines, f"ip link set dev {name} up {QUIET_FAILURE}"] if stanza.method == "manual" else lines


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

    forwarder = _Forwarder(run.process.stderr)
    client = run.node.spawn(
        line.split(),
        lambda process: run_client(process, name, foreground=False, verbose=True),
        stdout=forwarder,
        stderr=forwarder,
        directory="/",
    )
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
    for option in ("bridge_stp", "bridge_vlan_aware"):
        if stanza.get(option) in ("on", "yes"):
            run.complain(f'"{option} {stanza.get(option)}" is not simulated here')
    missing = name not in node.interfaces
    if missing and (yield from run_script(run.process, f"ip link add name {name} type bridge")) != 0:
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


def _down(run: Run, name: str) -> Steps:
    stanzas = _stanzas(run, name)
    if not stanzas:
        run.complain(f"unknown interface {name}")
        return False
    if name not in configured_names(run.node) and not run.force:
        if not run.everything:
            run.complain(f"interface {name} not configured")
        return True
    for stanza in reversed(stanzas):
        if stanza.family == "inet":
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
    for line in _down_lines(stanza):
        yield from _shell(run, line, phase="post-down", ignore=True)
    if stanza.get("bridge_ports") is not None and not run.dry:
        yield from _unmake_bridge(run, stanza)
    _scripts(run, "if-post-down.d")
    for line in stanza.values("post-down"):
        yield from _shell(run, line, phase="post-down", ignore=True)
    return True


def _down_lines(stanza: Stanza) -> list[str]:
    """The commands of a method (inet.defn, section `down`). An alias such as eth0:1 takes only its address away."""
    name = stanza.name
    if stanza.method == "loopback":
        return ["ip link set dev lo down"]
    if stanza.method == "dhcp":
        return [f"dhclient -r {name}", f"ip link set dev {name} down"]
    if stanza.method == "manual":
        return [f"ip -4 addr flush dev {name} {QUIET_FAILURE}", f"ip link set dev {name} down {QUIET_FAILURE}"]
    lines = []
    if stanza.get("gateway"):
        metric = f"metric {stanza.get('metric')}" if stanza.get("metric") else ""
        lines.append(f" ip route del default via {stanza.get('gateway')} {metric} dev {name} 2>&1 1>/dev/null || true ")
    lines.append(f"ip addr del {_address_words(stanza)}")
    return lines if ":" in name else [*lines, f"ip -4 addr flush dev {name}", f"ip link set dev {name} down"]


def _unmake_bridge(run: Run, stanza: Stanza) -> Steps:
    """Take the ports out and the bridge away."""
    bridge = run.node.interfaces.get(stanza.name)
    if bridge is None or bridge.bridge is None:
        return True
    for port in list(bridge.bridge.ports):
        yield from run_script(run.process, f"ip link set dev {port.name} down && ip link set dev {port.name} nomaster")
    yield from run_script(run.process, f"ip link set dev {stanza.name} down && ip link del {stanza.name}")
    return True


def _start_networking(process: Process) -> Routine:
    process.argv = ["/sbin/ifup", "-a", "--read-environment"]
    return (yield from _main(process, "ifup"))


def _stop_networking(process: Process) -> Routine:
    process.argv = ["/sbin/ifdown", "-a", "--read-environment", "--exclude=lo"]
    return (yield from _main(process, "ifdown"))


NETWORKING = Unit(
    "networking",
    "Raise network interfaces",
    _start_networking,
    "/sbin/ifup -a --read-environment",
    config=PATH,
    oneshot=True,
    stop=_stop_networking,
)
COMMANDS: dict[str, Program] = {"ifup": ifup, "ifdown": ifdown, "ifquery": ifquery}
