"""Commands that run another command: env, timeout, nohup, sudo, xargs, watch."""

from __future__ import annotations

import re

from labs.net.process import SIGKILL, Interrupt, Pipe, Process, Program, Routine, Wait
from labs.shell.bash.programs import launch, locate, run_argv
from labs.shell.bash.streams import FileWriter, is_terminal
from labs.shell.commandline import begin, fail
from labs.shell.commands.processes import signal_number
from labs.shell.commands.system import duration_ns

__all__ = ["COMMANDS"]

ENV = """env [-i] [NAME=VALUE]... [COMMAND [ARGUMENT]...]
  -i  with an empty environment"""
TIMEOUT = """timeout [-s SIGNAL] [-k TIME] TIME COMMAND [ARGUMENT]...
  -s  the signal to send (TERM)    -k  send KILL as well, so much later
  the status is 124 where the time was up"""
XARGS = """xargs [-r] [-n N] [-I TEXT] [COMMAND [ARGUMENT]...]
  -r  run nothing without input    -n  at most N words each time    -I  put each line in the place of TEXT"""
MAX_RUNS = 1000


def env(process: Process) -> Routine:
    """Run with other variables, or show them."""
    parsed = begin(process, "iu:", ["ignore-environment", "unset="], usage=ENV, status=125, intermixed=False)
    if isinstance(parsed, int):
        return parsed
    options, words = parsed
    for option, value in options:
        if option in ("-i", "--ignore-environment"):
            process.environment.clear()
        else:
            process.environment.pop(value, None)
    while words and re.match(r"[A-Za-z_]\w*=", words[0]):
        name, _, value = words.pop(0).partition("=")
        process.environment[name] = value
    if words:
        if locate(process.node, words[0], process.directory)[0] is None:
            return fail(process, f"‘{words[0]}’: No such file or directory", 127)
        return (yield from run_argv(process, words))
    process.print(*[f"{name}={value}" for name, value in process.environment.items()])
    return 0


def timeout(process: Process) -> Routine:
    """Run for a limited time."""
    parsed = begin(
        process,
        "s:k:v",
        ["signal=", "kill-after=", "preserve-status", "foreground"],
        usage=TIMEOUT,
        status=125,
        intermixed=False,
    )
    if isinstance(parsed, int):
        return parsed
    options, words = parsed
    if len(words) < 2:
        fail(process, "missing operand")
        process.error("Try 'timeout --help' for more information.")
        return 125
    values = dict(options)
    limit, grace = duration_ns(words[0]), duration_ns(values.get("-k", values.get("--kill-after", "0")))
    if limit is None or grace is None:
        fail(process, f"invalid time interval ‘{words[0]}’")
        process.error("Try 'timeout --help' for more information.")
        return 125
    signal = signal_number(values.get("-s", values.get("--signal", "TERM")))
    if signal is None:
        return fail(process, f"{values.get('-s', values.get('--signal'))}: invalid signal", 125)
    program, reason = locate(process.node, words[1], process.directory)
    if program is None:
        reason = "No such file or directory" if reason == "command not found" else reason
        return fail(process, f"failed to run command ‘{words[1]}’: {reason}", 127)
    child = launch(process, program, words[1:])
    deadline = process.node.now + limit if limit else None
    expired = False
    while child.running:
        try:
            yield Wait((child.exited,), deadline)
        except Interrupt as interrupt:
            child.kill(interrupt.signal)
            continue
        if child.running and deadline is not None and process.node.now >= deadline:
            child.kill(SIGKILL if expired else signal)
            deadline = process.node.now + grace if grace and not expired else None
            expired = True
    if expired and "--preserve-status" not in values:
        return 137 if child.status == 128 + SIGKILL else 124
    return child.status or 0


def nohup(process: Process) -> Routine:
    """Run on when the terminal closes; what is printed goes to nohup.out."""
    if process.argv[1:] in ([], ["--help"]):
        process.error("Usage: nohup COMMAND [ARGUMENT]...")
        return 125 if len(process.argv) == 1 else 0
    words = process.argv[1:]
    if is_terminal(process.stdout):
        process.error("nohup: ignoring input and appending output to 'nohup.out'")
        path = process.node.files.resolve("nohup.out", process.directory)
        process.stdout = process.stderr = FileWriter(process.node.files, path, append=True)
    return (yield from run_argv(process, words))


def sudo(process: Process) -> Routine:
    """You are root already."""
    words = process.argv[1:]
    while words and words[0] in ("-n", "-E", "-H", "--"):
        words.pop(0)
    if not words or words == ["--help"] or words[0].startswith("-"):
        process.error("usage: sudo COMMAND [ARGUMENT]...")
        return 0 if words == ["--help"] else 1
    if locate(process.node, words[0], process.directory)[0] is None:
        return fail(process, f"{words[0]}: command not found")
    return (yield from run_argv(process, words))


def xargs(process: Process) -> Routine:
    """Words of standard input as arguments."""
    parsed = begin(process, "rn:I:L:d:0tP:", ["no-run-if-empty", "max-args="], usage=XARGS, intermixed=False)
    if isinstance(parsed, int):
        return parsed
    options, words = parsed
    values = dict(options)
    if set(values) & {"-L", "-d", "-0", "-P", "-t"}:
        return fail(process, "only -r, -n and -I are simulated here")
    text = yield from process.stdin.read_all()
    words = words or ["echo"]
    size = values.get("-n", values.get("--max-args", "5000"))
    if not size.isdecimal() or size == "0":
        return fail(process, f'invalid number "{size}" for -n option')
    if "-I" in values:
        lines = [line.strip() for line in text.splitlines() if line.strip()]
        runs = [[word.replace(values["-I"], line) for word in words] for line in lines]
    else:
        found = [a or b or c for a, b, c in re.findall(r"\"([^\"]*)\"|'([^']*)'|(\S+)", text)]
        runs = [[*words, *found[i : i + int(size)]] for i in range(0, len(found), int(size))]
        if not runs and not set(values) & {"-r", "--no-run-if-empty"}:
            runs = [words]
    status = 0
    for count, argv in enumerate(runs):
        if count >= MAX_RUNS:
            return fail(process, f"stopped after {MAX_RUNS} commands")
        if locate(process.node, argv[0], process.directory)[0] is None:
            return fail(process, f"{argv[0]}: No such file or directory", 127)
        one = yield from run_argv(process, argv, stdin=Pipe(closed=True))
        if process.interrupted:
            return 130
        status = 123 if one else status
    return status


def watch(process: Process) -> int:
    """Refused: it needs a screen."""
    return fail(
        process, "a screen that is drawn again is not simulated here; use: for i in 1 2 3; do COMMAND; sleep 2; done"
    )


COMMANDS: dict[str, Program] = {
    "env": env,
    "nohup": nohup,
    "sudo": sudo,
    "timeout": timeout,
    "watch": watch,
    "xargs": xargs,
}
