"""chronyc: what chronyd thinks of its sources and of the clock. Compare with chronyc 4.3."""

from __future__ import annotations

from collections.abc import Generator, Sequence

from labs.model.addresses import IPv4
from labs.net.ntp import Leap
from labs.net.process import Process, Program, Routine, Wait
from labs.net.strftime import clock_text
from labs.shell.daemons.chrony import Chronyd, running_chronyd
from labs.shell.daemons.chrony_source import Source
from labs.shell.options import UsageError, parse_options
from labs.shell.resolver import reverse

__all__ = ["COMMANDS"]

SECOND = 1_000_000_000
NEVER = "   -"
HEADER = "MS Name/IP address         Stratum Poll Reach LastRx Last sample               "
LEGEND = r"""
  .-- Source mode  '^' = server, '=' = peer, '#' = local clock.
 / .- Source state '*' = current best, '+' = combined, '-' = not combined,
| /             'x' = may be in error, '~' = too variable, '?' = unusable.
||                                                 .- xxxx [ yyyy ] +/- zzzz
||      Reachability register (octal) -.           |  xxxx = adjusted offset,
||      Log2(Polling interval) --.      |          |  yyyy = measured offset,
||                                \     |          |  zzzz = estimated error.
||                                 |    |           \
""".rstrip("\n")
OTHERS = frozenset(
    "accheck add allow authdata burst clients cmdaccheck cmdallow cmddeny cyclelogs delete deny dfreq doffset dns dump "
    "exit help keygen local manual maxdelay maxdelaydevratio maxdelayratio maxpoll maxupdateskew minpoll minstratum "
    "ntpdata offline online onoffline polltarget quit refresh rekey reload reselect reselectdist reset retries "
    "rtcdata selectdata selectopts serverstats settime shutdown smoothing smoothtime sourcename sourcestats timeout "
    "trimrtc writertc".split()
)
WAIT_TRIES_NS = 10 * SECOND


def chronyc(process: Process) -> Routine:
    """The program, one command each time."""
    if process.argv[1:] == ["--help"]:
        process.print("Usage: chronyc [-n] tracking | sources [-v] | makestep | activity | waitsync [TRIES]")
        return 0
    try:
        options, words = parse_options(process.argv[1:], "46nNvah:p:", ["help", "version"], intermixed=False)
    except UsageError as error:
        process.error(f"chronyc: {error}")
        return 1
    chosen = {option for option, _ in options}
    if chosen & {"-v", "--version"}:
        process.print("chronyc (chrony) version 4.3")
        return 0
    if chosen & {"-h", "-p"}:
        process.error("chronyc: asking another device is not simulated here; go there with: on DEVICE")
        return 1
    words = [part for word in words for part in word.split()]
    if not words:
        process.error(
            "chronyc: a prompt of its own is not simulated here; use: chronyc tracking, sources, makestep, activity"
        )
        return 1
    verb, *rest = words
    if verb not in _VERBS:
        if verb in OTHERS:
            process.error(f'chronyc: "{verb}" is not simulated here')
        else:
            process.error("Unrecognized command")
        return 1
    daemon = running_chronyd(process.node)
    if daemon is None:
        process.print("506 Cannot talk to daemon")
        return 1
    return (yield from _VERBS[verb](process, daemon, rest, "-n" not in chosen))


def _named(process: Process, address: IPv4, *, names: bool) -> Generator[Wait, None, str]:
    name = (yield from reverse(process, address)) if names else None
    return name or str(address)


def _tracking(process: Process, daemon: Chronyd, words: Sequence[str], names: bool) -> Routine:  # noqa: FBT001
    identifier = daemon.reference_id()
    name = ""
    if identifier and not daemon.local:
        name = yield from _named(process, identifier, names=names)
    reference = daemon.node.wall_clock() if daemon.local else daemon.reference_clock_ns / 1e9
    delay, dispersion = daemon.root()
    side = "slow" if daemon.remaining_ns > 0 else "fast"
    rows = {
        "Reference ID": f"{int(identifier):08X} ({name})",
        "Stratum": str(daemon.stratum),
        "Ref time (UTC)": clock_text(reference, "%a %b %d %H:%M:%S %Y"),
        "System time": f"{abs(daemon.remaining_ns) / 1e9:.9f} seconds {side} of NTP time",
        "Last offset": f"{daemon.last_offset_ns / 1e9:+.9f} seconds",
        "RMS offset": f"{daemon.rms_offset_ns / 1e9:.9f} seconds",
        "Frequency": "0.000 ppm slow",
        "Residual freq": "+0.000 ppm",
        "Skew": "0.000 ppm",
        "Root delay": f"{delay / 1e9:.9f} seconds",
        "Root dispersion": f"{dispersion / 1e9:.9f} seconds",
        "Update interval": f"{daemon.interval_ns / 1e9:.1f} seconds",
        "Leap status": "Not synchronised" if daemon.leap is Leap.UNKNOWN else "Normal",
    }
    process.print(*[f"{key:<15} : {value}" for key, value in rows.items()])
    return 0


def _ago(duration_ns: int | None) -> str:
    if duration_ns is None:
        return NEVER
    seconds = duration_ns // SECOND
    if seconds < 1200:
        return f"{seconds:4d}"
    for size, letter, limit in ((60, "m", 36_000), (3600, "h", 345_600), (86_400, "d", 86_400_000)):
        if seconds < limit:
            return f"{seconds // size:3d}{letter}"
    return f"{seconds // (365 * 86_400):3d}y"


def _span(duration_ns: int, *, signed: bool) -> str:
    """A duration as chronyc writes it: four digits and a unit."""
    value = duration_ns / 1e9
    plus, wide = ("+", 1) if signed else ("", 0)
    for limit, scale, unit, width, digits in (
        (9999.5e-9, 1e9, "ns", 4, 0),
        (9999.5e-6, 1e6, "us", 4, 0),
        (9999.5e-3, 1e3, "ms", 4, 0),
        (999.5, 1, "s", 5, 1),
        (99_999.5, 1, "s", 5, 0),
        (99_999.5 * 60, 1 / 60, "m", 5, 0),
        (99_999.5 * 3600, 1 / 3600, "h", 5, 0),
        (99_999.5 * 86_400, 1 / 86_400, "d", 5, 0),
    ):
        if abs(value) < limit:
            return f"{value * scale:{plus}{width + wide}.{digits}f}{unit}"
    return f"{value / (365.25 * 86_400):{plus}{5 + wide}.0f}y"


def _sources(process: Process, daemon: Chronyd, words: Sequence[str], names: bool) -> Routine:  # noqa: FBT001
    shown = []
    for source in list(daemon.sources):
        name = yield from _named(process, source.address, names=names)
        shown.append((source, name))
    process.print(*(LEGEND.splitlines() if "-v" in words else []), HEADER, "=" * 79)
    process.print(*[_row(daemon, source, name) for source, name in shown])
    return 0


def _row(daemon: Chronyd, source: Source, name: str) -> str:
    now = daemon.node.now
    since = now - source.received_ns if source.received_ns is not None else None
    if len(name) > 25:
        name = name[:24] + ">"
    sample = f"{_span(source.offset_ns, signed=True)}[{_span(source.measured_ns, signed=True)}]"
    return (
        f"^{source.state} {name:<27}  {source.stratum:2d}  {source.poll:2d}   {source.reach:3o}  {_ago(since)}"
        f"  {sample} +/- {_span(source.distance_ns(now), signed=False)}"
    )


def _makestep(process: Process, daemon: Chronyd, words: Sequence[str], names: bool) -> Routine:  # noqa: FBT001
    if len(words) == 2:
        try:
            daemon.conf.step_threshold_ns, daemon.conf.step_limit = round(float(words[0]) * 1e9), int(words[1])
        except (ValueError, OverflowError):
            process.error("Invalid syntax for makestep command")
            return 1
        daemon.conf.step_limit += daemon.updates if daemon.conf.step_limit > 0 else 0
    else:
        daemon.step()
    process.print("200 OK")
    return 0
    yield  # a routine, as its siblings


def _activity(process: Process, daemon: Chronyd, words: Sequence[str], names: bool) -> Routine:  # noqa: FBT001
    bursting = sum(source.bursting for source in daemon.sources)
    process.print(
        "200 OK",
        f"{len(daemon.sources) - bursting} sources online",
        "0 sources offline",
        f"{bursting} sources doing burst (return to online)",
        "0 sources doing burst (return to offline)",
        f"{len(daemon.unresolved)} sources with unknown address",
    )
    return 0
    yield


def _waitsync(process: Process, daemon: Chronyd, words: Sequence[str], names: bool) -> Routine:  # noqa: FBT001
    tries = int(words[0]) if words and words[0].isdecimal() else 0
    count = 0
    process.endless = not tries
    while True:
        count += 1
        process.print(
            f"try: {count}, refid: {int(daemon.reference_id()):08X}, correction: {abs(daemon.remaining_ns) / 1e9:.9f}, "
            f"skew: 0.000"
        )
        if daemon.leap is not Leap.UNKNOWN:
            return 0
        if tries and count >= tries:
            return 1
        until = process.node.now + WAIT_TRIES_NS
        while process.node.now < until:
            yield Wait(until=until)


_VERBS = {
    "activity": _activity,
    "makestep": _makestep,
    "sources": _sources,
    "tracking": _tracking,
    "waitsync": _waitsync,
}
COMMANDS: dict[str, Program] = {"chronyc": chronyc}
