"""dhclient (ISC): get an address for an interface, give it back, or stop looking after it."""

from __future__ import annotations

from contextlib import suppress

from labs.net.dhclient_leases import read_lease, with_released
from labs.net.filesystem import FileError
from labs.net.process import SIGTERM, Process, Program, Routine, Writer
from labs.shell.daemons.dhcp_client import (
    LEASE_FILE,
    DhcpClient,
    begin_lease_file,
    pid_file,
    remove_lease_address,
    running_client,
)

__all__ = ["COMMANDS", "run_client"]

BANNER = (
    "Internet Systems Consortium DHCP Client 4.4.3-P1",
    "Copyright 2004-2022 Internet Systems Consortium.",
    "All rights reserved.",
    "For info, please visit https://www.isc.org/software/dhcp/",
    "",
)
USAGE = (
    "Usage: dhclient [-4|-6] [-SNTPRI1dvrxi] [-nw] [-p <port>] [-D LL|LLT]",
    "                [-cf config-file] [-df duid-file] [-lf lease-file]",
    "                [-pf pid-file] [--no-pid] [-e VAR=val]",
    "                [-sf script-file] [interface]*",
    "       dhclient {--version|--help|-h}",
    "",
    "exiting.",
)
WITH_VALUE = frozenset({"-cf", "-df", "-lf", "-pf", "-sf", "-e", "-D"})
IGNORED = frozenset({"-4", "-i", "-I", "-q", "-w", "-N", "--no-pid", "-P"})
ABSENT = frozenset({"-6", "-p", "-s", "-g", "-S", "-T", "-R", "-n"})


def dhclient(process: Process) -> Routine:
    """The program."""
    flags, names, refusal = _read(process.argv[1:])
    if refusal is not None:
        process.error(refusal, *(USAGE if refusal.startswith("Unknown") else ()))
        return 1
    if "--version" in flags:
        process.error("isc-dhclient-4.4.3-P1")
        return 0
    if "-h" in flags or "--help" in flags:
        process.print(*USAGE[:-1])
        return 0
    node = process.node
    names = names or [i.name for i in node.interfaces.values() if i.kind != "loopback" and i.master is None]
    verbose = "-v" in flags or "-d" in flags
    status = 0
    for name in names:
        if "-r" in flags or "-x" in flags:
            status = _stop(process, name, release="-r" in flags, verbose=verbose)
        else:
            status = yield from run_client(
                process, name, foreground="-d" in flags, verbose=verbose, once="-1" in flags, wait="-nw" not in flags
            )
        if status:
            return status
    return status


def _read(arguments: list[str]) -> tuple[set[str], list[str], str | None]:
    """Flags, interfaces, and what is wrong with them."""
    flags: set[str] = set()
    names: list[str] = []
    rest = list(arguments)
    while rest:
        word = rest.pop(0)
        if not word.startswith("-"):
            names.append(word)
        elif word in WITH_VALUE:
            if not rest:
                return flags, names, f"Unknown command: {word}"
            rest.pop(0)
        elif word in ABSENT:
            return flags, names, f'dhclient: "{word}" is not simulated here'
        elif word in ("-v", "-r", "-x", "-1", "-d", "-nw", "-h", "--help", "--version"):
            flags.add(word)
        elif word not in IGNORED:
            return flags, names, f"Unknown command: {word}"
    return flags, names, None


def run_client(
    process: Process,
    interface_name: str,
    *,
    foreground: bool = False,
    verbose: bool = False,
    once: bool = False,
    wait: bool = True,
) -> Routine:
    """Get a lease for an interface, then renew it from a background process (or here, in the foreground).

    Returns 0 with a lease; without one 0 too, because the real client goes on trying in the background every five
    minutes, or 2 with `once` (-1). 1 where there is no such interface.
    """
    node = process.node
    interface = node.interfaces.get(interface_name)
    if interface is None:
        process.error(*(BANNER if verbose else ()), f'Cannot find device "{interface_name}"')
        if verbose:
            process.error("Failed to get interface index: No such device", "", "exiting.")
        return 1
    _end_other(process, interface_name)
    node.set_up(interface, up=True)
    if verbose:
        process.error(*BANNER, *_listening(interface_name, str(interface.mac)))
    client = DhcpClient(process, interface, verbose=verbose)
    if foreground:
        process.endless = True
        _write_pid(process, interface_name)
        return (yield from client.keep())
    bound = wait and (yield from client.acquire())
    if not bound and wait:
        if once:
            client.say("Unable to obtain a lease on first try.  Exiting.")
            return 2
        client.say("No working leases in persistent database - sleeping.")
    _background(process, client, sleep=wait and not bound)
    return 0


def _background(process: Process, client: DhcpClient, *, sleep: bool) -> None:
    """What is left after the parent has exited."""
    node, name = process.node, client.interface.name

    def program(child: Process) -> Routine:
        client.adopt(child)
        client.silence()
        _write_pid(child, name)
        if sleep:
            yield from client.pause()
        return (yield from client.keep())

    node.spawn(
        [*process.argv] if process.name == "dhclient" else ["dhclient", name], program, stdout=Writer(), directory="/"
    )


def _write_pid(process: Process, name: str) -> None:
    with suppress(FileError):
        process.node.files.write(pid_file(name), f"{process.pid}\n")


def _end_other(process: Process, name: str) -> bool:
    """End the client that looks after the interface, if there is one."""
    other = running_client(process.node, name)
    if other is None or other is process:
        return False
    other.kill(SIGTERM)
    return True


def _listening(name: str, mac: str) -> tuple[str, ...]:
    return (f"Listening on LPF/{name}/{mac}", f"Sending on   LPF/{name}/{mac}", "Sending on   Socket/fallback")


def _stop(process: Process, name: str, *, release: bool, verbose: bool) -> int:
    """-r and -x."""
    node = process.node
    if _end_other(process, name):
        process.error("Killed old client process")
    interface = node.interfaces.get(name)
    if interface is None:
        process.error(f'Cannot find device "{name}"')
        return 1
    if verbose:
        process.error(*BANNER, *_listening(name, str(interface.mac)))
    begin_lease_file(node.files)
    lease = read_lease(node.files.get(LEASE_FILE), name, node.wall_clock(), node.now)
    if lease is None:
        return 0
    if release:
        DhcpClient(process, interface, verbose=verbose).release(lease)
    remove_lease_address(node, interface, lease)
    if release:
        with suppress(FileError):
            node.files.write(LEASE_FILE, with_released(node.files.get(LEASE_FILE), name, node.wall_clock()))
    return 0


COMMANDS: dict[str, Program] = {"dhclient": dhclient}
