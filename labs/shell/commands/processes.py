"""Processes of the device (procps, psmisc): ps, kill and their relatives."""

from __future__ import annotations

import re
from collections.abc import Callable

from labs.net.process import Process, Program
from labs.net.strftime import clock_text
from labs.shell.commandline import begin, fail
from labs.shell.regex import RegexError, compile_regex

__all__ = ["COMMANDS", "signal_number"]

SIGNALS = {"HUP": 1, "INT": 2, "QUIT": 3, "KILL": 9, "USR1": 10, "USR2": 12, "PIPE": 13, "ALRM": 14, "TERM": 15}
NOT_SIMULATED = {"STOP": 19, "CONT": 18, "TSTP": 20}
SECOND = 1_000_000_000
WIDTH = 80
PS = """ps [aux | -ef | -e | -A | -o FIELDS | -p PID]
  FIELDS are pid, ppid, user, tty, stat, time, comm, args, joined by commas"""
PKILL = """pkill [-SIGNAL] [-f] [-x] [-n] PATTERN
  -f  look at the whole command line    -x  the whole name must match"""
PGREP = """pgrep [-f] [-x] [-l] [-a] [-c] PATTERN
  -f  look at the whole command line    -x  the whole name must match
  -l  with the name    -a  with the command line    -c  count"""


def signal_number(text: str) -> int | None:
    """`9`, `KILL`, `SIGKILL`; None where there is none."""
    if text.isdecimal():
        return int(text) if int(text) <= 64 else None
    name = text.upper().removeprefix("SIG")
    return SIGNALS.get(name, NOT_SIMULATED.get(name))


def _name(process: Process) -> str:
    name = process.argv[0] if process.argv else "?"
    return name.rpartition("/")[2][:15] if name != "-bash" else "bash"


def _line(process: Process) -> str:
    return " ".join(process.argv)


def _state(process: Process) -> str:
    return ("R" if not process.foreground and process.terminal != "?" and process.name == "ps" else "S") + (
        "s" if process.name == "-bash" else "+" if process.terminal != "?" else ""
    )


class _Init(Process):
    """Process 1, which is not a program of ours."""

    def __init__(self, like: Process) -> None:
        super().__init__(like.node, ["/sbin/init"])
        self.pid = 1
        self.parent_pid = 0
        self.started_ns = like.node.booted_ns


COLUMNS: dict[str, tuple[str, int, Callable[[Process], str]]] = {
    "user": ("USER", -8, lambda p: "root"),
    "pid": ("PID", 7, lambda p: str(p.pid)),
    "ppid": ("PPID", 7, lambda p: str(p.parent_pid)),
    "tty": ("TT", -8, lambda p: p.terminal),
    "tt": ("TT", -8, lambda p: p.terminal),
    "stat": ("STAT", -4, _state),
    "time": ("TIME", 8, lambda p: "00:00:00"),
    "comm": ("COMMAND", -15, _name),
    "cmd": ("CMD", -27, _line),
    "args": ("COMMAND", -27, _line),
    "command": ("COMMAND", -27, _line),
}


def _all(process: Process) -> list[Process]:
    return [_Init(process), *sorted(process.node.processes, key=lambda p: p.pid)]


# ps


def ps(process: Process) -> int:
    """List processes."""
    words = process.argv[1:]
    if words == ["--help"]:
        process.print(f"Usage: {PS}")
        return 0
    style, every, fields, pids = "plain", False, "", None
    while words:
        word = words.pop(0)
        if word in ("-o", "o", "-p", "p", "--format"):
            if not words:
                process.error(
                    "error: list of process IDs must follow -p"
                    if "p" in word
                    else "error: format specification must follow -o"
                )
                return 1
            value = words.pop(0)
            if "p" in word:
                pids = {int(pid) for pid in value.split(",") if pid.isdecimal()}
                every = True
            else:
                fields = value
        elif re.fullmatch(r"[auxfw]+", word):
            style = "bsd" if "u" in word else "bsd-plain" if style == "plain" else style
            every = every or "x" in word or "a" in word
        elif re.fullmatch(r"-[efAwaux]+", word):
            style = "bsd" if "u" in word else "full" if "f" in word else style
            every = every or bool(set(word) & set("eAax"))
        else:
            process.error(f"netwerf: ps {word} is not simulated here")
            return 1
    chosen = [p for p in _all(process) if pids is None or p.pid in pids]
    if not every:
        chosen = [p for p in chosen if p.terminal == process.terminal]
    if fields:
        return _custom(process, chosen, fields)
    _TABLES[style](process, chosen)
    return 0 if pids is None or chosen else 1


def _started(process: Process) -> str:
    return clock_text(process.node.world.wall_clock(process.started_ns), "%H:%M")


def _plain(process: Process, chosen: list[Process]) -> None:
    process.print("    PID TTY          TIME CMD")
    process.print(*[f"{p.pid:7d} {p.terminal:<8} 00:00:00 {_name(p)}" for p in chosen])


def _bsd_plain(process: Process, chosen: list[Process]) -> None:
    process.print("    PID TTY      STAT   TIME COMMAND")
    process.print(*[f"{p.pid:7d} {p.terminal:<8} {_state(p):<6} 0:00 {_line(p)}" for p in chosen])


def _bsd(process: Process, chosen: list[Process]) -> None:
    process.print("USER         PID %CPU %MEM    VSZ   RSS TTY      STAT START   TIME COMMAND")
    for p in chosen:
        process.print(
            f"root     {p.pid:7d}  0.0  0.0      0     0 {p.terminal:<8} {_state(p):<4} {_started(p)}   0:00 {_line(p)}"
        )


def _full(process: Process, chosen: list[Process]) -> None:
    process.print("UID          PID    PPID  C STIME TTY          TIME CMD")
    for p in chosen:
        process.print(f"root     {p.pid:7d} {p.parent_pid:7d}  0 {_started(p)} {p.terminal:<8} 00:00:00 {_line(p)}")


_TABLES = {"plain": _plain, "bsd-plain": _bsd_plain, "bsd": _bsd, "full": _full}


def _custom(process: Process, chosen: list[Process], fields: str) -> int:
    columns = []
    for field in re.split(r"[,\s]+", fields):
        name, equals, title = field.partition("=")
        if name not in COLUMNS:
            process.error(f'error: unknown user-defined format specifier "{name}"')
            return 1
        head, width, value = COLUMNS[name]
        columns.append((title if equals else head, width, value))

    def row(cells: list[str]) -> str:
        shown = [c.ljust(-w) if w < 0 else c.rjust(w) for c, (_, w, _) in zip(cells, columns, strict=True)]
        if columns[-1][1] < 0:
            shown[-1] = cells[-1]
        return " ".join(shown)

    if any(head for head, _, _ in columns):
        process.print(row([head for head, _, _ in columns]))
    process.print(*[row([value(p) for _, _, value in columns]) for p in chosen])
    return 0


# kill


def kill(process: Process) -> int:
    """Send a signal by number."""
    name = process.argv[0] if process.argv[0].endswith("kill") else "kill"
    builtin = name != "kill" and ": " in name
    words = process.argv[1:]
    if words == ["--help"]:
        process.print(
            "Usage: kill [-SIGNAL | -s SIGNAL] PID...",
            "  SIGNAL is TERM (15), KILL (9), INT (2), HUP (1); 0 only asks whether it runs",
        )
        return 0
    if words[:1] in (["-l"], ["-L"]):
        process.print(" ".join(SIGNALS))
        return 0
    signal: int | None = SIGNALS["TERM"]
    if words and re.fullmatch(r"-s|-n", words[0]) and len(words) > 1:
        text, words = words[1], words[2:]
        signal = signal_number(text)
    elif words and re.fullmatch(r"-[A-Za-z0-9]+", words[0]):
        text, words = words[0][1:], words[1:]
        signal = signal_number(text)
    elif words and words[0] == "--":
        words = words[1:]
    if signal is None:
        process.error(
            f"{name}: {text}: invalid signal specification" if builtin else f'kill: unknown signal name "{text}"'
        )
        return 1
    if not words:
        process.error("kill: usage: kill [-s sigspec | -n signum | -sigspec] pid | jobspec ... or kill -l [sigspec]")
        return 2 if builtin else 1
    if signal in NOT_SIMULATED.values():
        process.error("netwerf: stopping and continuing processes is not simulated here")
        return 1
    status = 0
    for word in words:
        if not word.lstrip("-").isdecimal():
            process.error(
                f"{name}: {word}: arguments must be process or job IDs"
                if builtin
                else f"kill: failed to parse argument: '{word}'"
            )
            status = 1
            continue
        target = process.node.processes.get(int(word))
        if target is None and word != "1":
            process.error(
                f"{name}: ({word}) - No such process"
                if builtin
                else f"kill: sending signal to {word} failed: No such process"
            )
            status = 1
        elif target is not None and signal:
            target.kill(signal)
    return status


Found = tuple[int | None, set[str], list[Process]]


def _pattern(process: Process, words: list[str], short: str, usage: str) -> Found | int:
    """Signal, flags and matching processes; or the exit status."""
    signal: int | None = SIGNALS["TERM"]
    for word in list(words):
        if re.fullmatch(r"-(\d+|SIG[A-Z0-9]+|HUP|INT|KILL|TERM|USR1|USR2|QUIT)", word):
            words.remove(word)
            signal = signal_number(word[1:])
    process.argv = [process.argv[0], *words]
    parsed = begin(
        process,
        short,
        ["signal=", "full", "exact", "list-name", "list-full", "count", "newest", "oldest"],
        usage=usage,
        status=2,
    )
    if isinstance(parsed, int):
        return parsed
    options, operands = parsed
    flags = {option for option, _ in options}
    name = process.name.rpartition("/")[2]
    if len(operands) != 1:
        process.error(
            f"{name}: {'no matching criteria specified' if not operands else 'only one pattern can be provided'}",
            f"Try `{name} --help' for more information.",
        )
        return 2
    try:
        expression = compile_regex(operands[0], extended=True, ignore_case="-i" in flags)
    except RegexError as error:
        return fail(process, str(error), 2)
    find = expression.fullmatch if flags & {"-x", "--exact"} else expression.search
    whole = bool(flags & {"-f", "--full"})
    own = {process.pid, process.parent_pid}
    found = [p for p in _all(process) if p.pid not in own and find(_line(p) if whole else _name(p))]
    if flags & {"-n", "--newest", "-o", "--oldest"} and found:
        found = [found[-1 if flags & {"-n", "--newest"} else 0]]
    return signal, flags, found


def pgrep(process: Process) -> int:
    """Numbers of processes by name."""
    result = _pattern(process, process.argv[1:], "fxlaicno", PGREP)
    if isinstance(result, int):
        return result
    _, flags, found = result
    if flags & {"-c", "--count"}:
        process.print(str(len(found)))
    for p in found if not flags & {"-c", "--count"} else []:
        full = flags & {"-a", "--list-full"}
        process.print(
            f"{p.pid} {_line(p)}" if full else f"{p.pid} {_name(p)}" if flags & {"-l", "--list-name"} else str(p.pid)
        )
    return int(not found)


def pkill(process: Process) -> int:
    """Send a signal by name."""
    result = _pattern(process, process.argv[1:], "fxiceno", PKILL)
    if isinstance(result, int):
        return result
    signal, _, found = result
    if signal is None:
        return fail(process, "unknown signal", 2)
    for p in found:
        if signal and p.pid != 1:
            p.kill(signal)
    return int(not found)


def killall(process: Process) -> int:
    """Send a signal to every process of that name."""
    words = process.argv[1:]
    signal: int | None = SIGNALS["TERM"]
    if words == ["--help"]:
        process.print("Usage: killall [-SIGNAL] [-q] NAME...\n  -q  no complaints")
        return 0
    quiet = "-q" in words
    words = [word for word in words if word not in ("-q", "-v", "-w")]
    if words and words[0].startswith("-"):
        text = words.pop(0).removeprefix("-")
        if text == "s" and words:
            text = words.pop(0)
        signal = signal_number(text)
        if signal is None:
            return fail(process, f"{text}: unknown signal; killall -l lists signals.")
    if not words:
        process.error("Usage: killall [-SIGNAL] [-q] NAME...")
        return 1
    status = 0
    for name in words:
        found = [p for p in process.node.processes if _name(p) == name and p is not process]
        for p in found:
            if signal:
                p.kill(signal)
        if not found:
            status = 1
            if not quiet:
                process.error(f"{name}: no process found")
    return status


def pidof(process: Process) -> int:
    """Numbers of the processes of that name, the newest first."""
    parsed = begin(process, "sx", usage="pidof [-s] NAME...\n  -s  one only")
    if isinstance(parsed, int):
        return parsed
    options, names = parsed
    found = [str(p.pid) for p in reversed(_all(process)) if _name(p) in names and p is not process]
    if not found:
        return 1
    process.print(" ".join(found[:1] if any(option == "-s" for option, _ in options) else found))
    return 0


COMMANDS: dict[str, Program] = {
    "kill": kill,
    "killall": killall,
    "pgrep": pgrep,
    "pidof": pidof,
    "pkill": pkill,
    "ps": ps,
}
