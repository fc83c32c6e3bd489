"""Off, on again, and what is written down about it: reboot, poweroff, shutdown, logger, dmesg."""

from __future__ import annotations

from labs.net.actions import PowerDown
from labs.net.process import Process, Program, Routine, Wait
from labs.net.strftime import clock_text
from labs.shell.commandline import begin, fail

__all__ = ["COMMANDS"]

SECOND = 1_000_000_000


SHUTDOWN = """shutdown (-h | -P | -r) now
  -h, -P  off    -r  restart"""


def _power(*, restart: bool) -> Program:
    def run(process: Process) -> Routine:
        name = process.name.rpartition("/")[2]
        parsed = begin(process, "fpw", ["force"], usage=name)
        if isinstance(parsed, int):
            return parsed
        process.node.emit(PowerDown(restart))
        yield Wait((), process.node.now + SECOND)
        return 0

    return run


def shutdown(process: Process) -> Routine:
    """Off or restart, now."""
    parsed = begin(process, "hHPrck", ["reboot", "poweroff", "halt"], usage=SHUTDOWN)
    if isinstance(parsed, int):
        return parsed
    options, operands = parsed
    flags = {option for option, _ in options}
    if operands[:1] not in (["now"], ["+0"]) or flags & {"-c", "-k"}:
        return fail(process, 'only "now" is simulated here')
    process.node.emit(PowerDown(restart=bool(flags & {"-r", "--reboot"})))
    yield Wait((), process.node.now + SECOND)
    return 0


def logger(process: Process) -> Routine:
    """A line in the journal."""
    parsed = begin(
        process,
        "t:p:is",
        ["tag=", "priority=", "stderr"],
        usage="logger [-t TAG] [TEXT]...\n  -t  who says it (root)\n  without TEXT every line of standard input",
    )
    if isinstance(parsed, int):
        return parsed
    options, words = parsed
    values = dict(options)
    tag = values.get("-t", values.get("--tag", "root"))
    lines = [" ".join(words)] if words else (yield from process.stdin.read_all()).splitlines()
    for line in lines:
        process.node.units.log(tag, line, process.pid if "-i" in values else 0)
    return 0


def dmesg(process: Process) -> int:
    """What the kernel has to say."""
    parsed = begin(process, "THkw", usage="dmesg [-T]\n  -T  with the time of day")
    if isinstance(parsed, int):
        return parsed
    node = process.node
    human = any(option in ("-T", "-H") for option, _ in parsed[0])
    for line in node.units.journal:
        if line.unit == "kernel" and line.at_ns >= node.booted_ns:
            since = (line.at_ns - node.booted_ns) / SECOND
            stamp = clock_text(node.world.wall_clock(line.at_ns), "%a %b %e %H:%M:%S %Y") if human else f"{since:12.6f}"
            process.print(f"[{stamp}] {line.text}")
    return 0


COMMANDS: dict[str, Program] = {
    "dmesg": dmesg,
    "halt": _power(restart=False),
    "logger": logger,
    "poweroff": _power(restart=False),
    "reboot": _power(restart=True),
    "shutdown": shutdown,
}
