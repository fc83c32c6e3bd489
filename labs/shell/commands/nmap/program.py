"""The program: read, discover, scan, report."""

from __future__ import annotations

from collections.abc import Generator

from labs.model.addresses import IPv4
from labs.net.process import Process, Program, Routine, Wait
from labs.net.strftime import clock_text
from labs.shell.commands.nmap.discovery import discover, resolve_next_hops
from labs.shell.commands.nmap.options import Options, Refusal, read_options, targets
from labs.shell.commands.nmap.ports import Table, connect_scan, syn_scan
from labs.shell.commands.nmap.report import done_text, print_grepable, print_host, start_text
from labs.shell.commands.nmap.wire import Host, RawWire
from labs.shell.resolver import ResolveError, resolve, reverse

__all__ = ["COMMANDS"]

SECOND = 1_000_000_000
LOCAL_RTT_NS = 30_000  # what a small machine needs to answer itself
REVERSE_LIMIT_NS = 5 * SECOND  # a name server that makes us wait this long is not asked again
MAX_PROBES = 300_000
USAGE = """Nmap 7.93 ( https://nmap.org )
Usage: nmap [Scan Type(s)] [Options] {target specification}
Here: -sn -sS -sT -Pn -p PORTS -F --top-ports N --open --reason -n -oG - --exclude HOSTS
Targets: names, addresses, networks; 192.168.0.1; 192.168.0.0/24; 10.0.0-3.1-254"""


def nmap(process: Process) -> Routine:
    """The program."""
    if len(process.argv) == 1 or process.argv[1] in ("-h", "--help"):
        process.print(*USAGE.split("\n"))
        return 255 if len(process.argv) == 1 else 0
    if process.argv[1] in ("-V", "--version"):
        process.print("Nmap version 7.93 ( https://nmap.org )")
        return 0
    try:
        options = read_options(process.argv[1:])
        yield from _run(process, options)
    except Refusal as refusal:
        if refusal.started:
            process.print(start_text(process.node.wall_clock()))
        process.error(*refusal.lines)
        return refusal.status
    return 0


def _run(process: Process, options: Options) -> Generator[Wait, None, None]:
    node = process.node
    began = node.now
    typed = " ".join(process.argv)
    excluded = set(targets(options.exclude) or []) if options.exclude else set()
    spread = [(word, targets(word)) for word in options.targets]
    if options.grepable:
        process.print(f"# Nmap 7.93 scan initiated {clock_text(node.wall_clock(), '%c')} as: {typed}")
    else:
        process.print(start_text(node.wall_clock()))
    process.error(*options.warnings)
    hosts: list[Host] = []
    for word, addresses in spread:
        hosts += yield from _hosts(process, word, addresses, excluded)
    if not hosts:
        process.error("WARNING: No targets were specified, so 0 hosts scanned.")
    if options.scan_ports and len(hosts) * len(options.ports) > MAX_PROBES:
        process.error(f"nmap: more than {MAX_PROBES} probes in one scan is not simulated here")
        return
    wire = RawWire(process)
    blind = options.connect and not options.discover  # only the kernel asks for neighbours then
    if not blind:
        yield from resolve_next_hops(process, wire, hosts)
    if options.discover:
        yield from discover(process, wire, hosts)
    for host in hosts:
        if host.local:
            host.up, host.rtt_ns, host.reason = True, LOCAL_RTT_NS, "localhost-response"
        elif not options.discover and (blind or host.next_mac is not None) and not host.up:
            host.up, host.silent, host.reason = True, True, "user-set"
    up = [host for host in hosts if host.up]
    if options.resolve:
        yield from _names(process, up)
    tables: Table = {}
    if options.scan_ports:
        tables = yield from _scan(process, options, wire, up)
    _report(process, options, hosts, up, tables, began)


def _hosts(
    process: Process, word: str, addresses: list[IPv4] | None, excluded: set[IPv4]
) -> Generator[Wait, None, list[Host]]:
    """The targets of one word that a route leads to."""
    ip = process.node.ip
    name = ""
    if addresses is None:
        try:
            addresses, name = [(yield from resolve(process, word))], word
        except ResolveError:
            process.error(f'Failed to resolve "{word}".')
            return []
    hosts = []
    for address in addresses:
        if address in excluded:
            continue
        route = ip.routes.lookup(address)
        if ip.is_local(address):
            hosts.append(Host(address, None, address, local=True, typed=name))
        elif route is None or route.device is None or route.kind != "unicast":
            process.error(f"setup_target: failed to determine route to {address}")
        else:
            hop = route.via if isinstance(route.via, IPv4) else address
            hosts.append(Host(address, process.node.interfaces[route.device], hop, typed=name))
    return hosts


def _names(process: Process, hosts: list[Host]) -> Generator[Wait, None, None]:
    """The names of the addresses; a dead name server is noticed once."""
    node = process.node
    for host in hosts:
        before = node.now
        host.name = (yield from reverse(process, host.address)) or ""
        if node.now - before >= REVERSE_LIMIT_NS:
            return


def _scan(process: Process, options: Options, wire: RawWire, hosts: list[Host]) -> Generator[Wait, None, Table]:
    tables: Table = {}
    near = [host for host in hosts if host.local]
    far = [host for host in hosts if not host.local]
    tables |= yield from connect_scan(
        process, near, options.ports, closed="conn-refused" if options.connect else "reset"
    )
    if options.connect:
        tables |= yield from connect_scan(process, far, options.ports)
    else:
        tables |= yield from syn_scan(process, wire, far, options.ports)
    return tables


def _report(process: Process, options: Options, hosts: list[Host], up: list[Host], tables: Table, began: int) -> None:
    node = process.node
    shown = up if options.scan_ports else sorted(up, key=lambda host: host.local)  # the own machine is pinged last
    for host in shown:
        table = tables.get(host) if options.scan_ports else None
        (print_grepable if options.grepable else print_host)(process, options, host, table)
    done = done_text(len(hosts), len(up), node.now - began)
    if options.grepable:
        process.print(f"# Nmap done at {clock_text(node.wall_clock(), '%c')} -- {done}")
        return
    if len(hosts) == 1 and not up and options.discover:
        process.print("Note: Host seems down. If it is really up, but blocking our ping probes, try -Pn")
    process.print(f"Nmap done: {done}")


COMMANDS: dict[str, Program] = {"nmap": nmap}
