"""The report of nmap: one paragraph per host, then how many there were."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from math import floor, log10
from typing import TYPE_CHECKING

from labs.shell.commands.nmap.services import service_name

if TYPE_CHECKING:
    from labs.net.process import Process
    from labs.shell.commands.nmap.options import Options
    from labs.shell.commands.nmap.ports import Found
    from labs.shell.commands.nmap.wire import Host

__all__ = ["done_text", "print_grepable", "print_host", "start_text"]

SECOND = 1_000_000_000
MANY = 25  # ports in one state: more are counted, not listed


def start_text(clock: float) -> str:
    """The first line."""
    return f"Starting Nmap 7.93 ( https://nmap.org ) at {datetime.fromtimestamp(clock, UTC):%Y-%m-%d %H:%M} UTC"


def done_text(count: int, up: int, duration_ns: int) -> str:
    """The last line, without "Nmap done"."""
    addresses = f"{count} IP address{'' if count == 1 else 'es'}"
    return f"{addresses} ({up} host{'' if up == 1 else 's'} up) scanned in {duration_ns / SECOND:.2f} seconds"


def _latency(rtt_ns: int) -> str:
    """Two significant digits, never an exponent."""
    seconds = max(rtt_ns, 1000) / SECOND
    digits = max(0, 1 - floor(log10(seconds)))
    return f"{seconds:.{digits}f}"


def _title(host: Host) -> str:
    name = host.typed or host.name
    return f"{name} ({host.address})" if name else str(host.address)


def print_host(process: Process, options: Options, host: Host, table: dict[int, Found] | None) -> None:
    """One paragraph; `table` is None where no ports were scanned."""
    listed, ignored = _split(options, table or {})
    if options.only_open and table is not None and not any(what.state == "open" for what in table.values()):
        return
    process.print(f"Nmap scan report for {_title(host)}")
    reason = f", received {host.reason}" if options.reason and host.reason else ""
    quiet = host.silent or host.rtt_ns is None or (host.local and table is None)
    process.print(
        f"Host is up{reason}{'.' if quiet or host.rtt_ns is None else f' ({_latency(host.rtt_ns)}s latency).'}"
    )
    if host.typed and host.name and host.typed != host.name:
        process.print(f"rDNS record for {host.address}: {host.name}")
    if table is not None:
        _print_table(process, options, host, listed, ignored)
    if host.mac is not None:
        process.print(f"MAC Address: {str(host.mac).upper()} (Unknown)")
    if table is not None:
        process.print("")


def _split(options: Options, table: dict[int, Found]) -> tuple[list[tuple[int, Found]], Counter[tuple[str, str]]]:
    """The ports to list, and how many of each state and reason are only counted."""
    states = Counter(what.state for what in table.values())
    many = {state for state, count in states.items() if state != "open" and (count > MANY or options.only_open)}
    listed = sorted((port, what) for port, what in table.items() if what.state not in many)
    return listed, Counter((what.state, what.reason) for what in table.values() if what.state in many)


def _print_table(
    process: Process,
    options: Options,
    host: Host,
    listed: Sequence[tuple[int, Found]],
    ignored: Counter[tuple[str, str]],
) -> None:
    if not listed and ignored:
        process.print(f"All {sum(ignored.values())} scanned ports on {_title(host)} are in ignored states.")
    if ignored:
        totals = Counter({state: 0 for state, _ in ignored})
        for (state, _), count in ignored.items():
            totals[state] += count
        parts = [
            f"{count} {state} tcp port{'' if totals[state] == 1 else 's'} ({reason})"
            for (state, reason), count in ignored.most_common()
        ]
        process.print(f"Not shown: {', '.join(parts)}")
    elif listed:
        process.print("")
    if not listed:
        return
    rows = [["PORT", "STATE", "SERVICE", "REASON"]]
    for port, what in listed:
        reason = what.reason if what.reason in ("no-response", "conn-refused") else f"{what.reason} ttl {what.ttl}"
        rows.append([f"{port}/tcp", what.state, service_name(port), reason])
    if not options.reason:
        rows = [row[:3] for row in rows]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        process.print(" ".join(word.ljust(width) for word, width in zip(row, widths, strict=True)).rstrip())


def print_grepable(process: Process, options: Options, host: Host, table: dict[int, Found] | None) -> None:
    """The lines of -oG."""
    head = f"Host: {host.address} ({host.name})"
    listed, ignored = _split(options, table or {})
    if options.only_open and table is not None and not listed:
        return
    process.print(f"{head}\tStatus: Up")
    if table is None:
        return
    fields = [f"{port}/{what.state}/tcp//{service_name(port)}///" for port, what in listed]
    line = f"{head}\tPorts: {', '.join(fields)}" if fields else head
    states = Counter[str]()
    for (state, _), count in ignored.items():
        states[state] += count
    for state, count in states.most_common(1):
        line += f"\tIgnored State: {state} ({count})"
    process.print(line)
