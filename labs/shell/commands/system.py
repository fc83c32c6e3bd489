"""The device itself: its name, its users, its clock; and printing commands that also exist as programs."""

from __future__ import annotations

import re

from labs.net.accounts import accounts
from labs.net.process import Process, Program, Routine, Wait
from labs.net.strftime import clock_text
from labs.shell.bash import conditions, printing
from labs.shell.bash.streams import is_terminal
from labs.shell.commandline import begin, fail

__all__ = ["COMMANDS", "duration_ns"]

SECOND = 1_000_000_000
RELEASE = "6.1.0-18-amd64"
VERSION = "#1 SMP PREEMPT_DYNAMIC Debian 6.1.76-1 (2024-02-01)"
UNAME = """uname [-asnrvmo]
  -s  kernel name (also without options)    -n  device name    -r  release    -v  version    -m  machine
  -o  operating system    -a  all of it"""
SEQ = """seq [-w] [-s TEXT] [-f FORMAT] [FIRST [STEP]] LAST
  -w  equal width    -s  what divides them (newline)    -f  printf format"""
CHUNK = 65_536
MAX_SEQ = 5_000_000  # characters: a row up to 700,000; one without an end would hold up a lab and its grading
MAX_YES = 1 << 20
DAY_S = 86_400


# Who and where


def hostname(process: Process) -> int:
    """Show or set the name."""
    parsed = begin(
        process,
        "sfIidF:",
        ["short", "fqdn", "all-ip-addresses", "ip-address", "domain"],
        usage="hostname [-I] [NAME]\n  -I  every address of this device\n  NAME  the new name, until the next boot",
    )
    if isinstance(parsed, int):
        return parsed
    options, names = parsed
    node = process.node
    flags = {option for option, _ in options}
    if flags & {"-I", "--all-ip-addresses"}:
        addresses = [str(a.address) for i in node.interfaces.values() if i.kind != "loopback" for a in i.addresses]
        process.print("".join(f"{address} " for address in addresses))
    elif flags & {"-i", "--ip-address"}:
        rows = [line.split("#")[0].split() for line in node.files.get("/etc/hosts").splitlines()]
        own = next((row[0] for row in rows if node.hostname in row[1:]), None)
        if own is None:
            return fail(process, "Name or service not known")
        process.print(own)
    elif flags & {"-d", "--domain"}:
        domain = node.hostname.partition(".")[2]
        process.print(*([domain] if domain else []))
    elif "-F" in flags:
        return fail(process, '"-F" is not simulated here; use: hostname NAME, /etc/hostname')
    elif names:
        if not re.fullmatch(r"[A-Za-z0-9]([-A-Za-z0-9.]{0,62}[A-Za-z0-9])?", names[0]):
            return fail(process, "the specified hostname is invalid")
        node.sysctl.set("kernel.hostname", names[0])
    else:
        process.print(node.hostname.partition(".")[0] if flags & {"-s", "--short"} else node.hostname)
    return 0


def uname(process: Process) -> int:
    """What kernel this claims to be."""
    long = ["all", "kernel-name", "nodename", "kernel-release", "kernel-version", "machine", "operating-system"]
    parsed = begin(process, "asnrvmoip", long, usage=UNAME)
    if isinstance(parsed, int):
        return parsed
    options, operands = parsed
    if operands:
        return fail(process, f"extra operand ‘{operands[0]}’")
    short = {
        "--all": "a",
        "--kernel-name": "s",
        "--nodename": "n",
        "--kernel-release": "r",
        "--kernel-version": "v",
        "--machine": "m",
        "--operating-system": "o",
    }
    letters = {short.get(option, option[1:]) for option, _ in options} or {"s"}
    values = {"s": "Linux", "n": process.node.hostname, "r": RELEASE, "v": VERSION, "m": "x86_64", "o": "GNU/Linux"}
    process.print(" ".join(value for letter, value in values.items() if letters & {letter, "a"}))
    return 0


def _up_text(seconds: int) -> str:
    days, rest = divmod(seconds, DAY_S)
    hours, minutes = divmod(rest // 60, 60)
    day = f"{days} day{'s' if days != 1 else ''}, " if days else ""
    return day + (f"{hours:2d}:{minutes:02d}" if hours else f"{minutes} min")


def uptime(process: Process) -> int:
    """How long the device has been on."""
    parsed = begin(process, "ps", ["pretty", "since"], usage="uptime [-p] [-s]\n  -p  in words    -s  since when")
    if isinstance(parsed, int):
        return parsed
    node = process.node
    up = (node.now - node.booted_ns) // SECOND
    flags = {option for option, _ in parsed[0]}
    if flags & {"-s", "--since"}:
        process.print(clock_text(node.wall_clock() - up, "%F %T"))
    elif flags & {"-p", "--pretty"}:
        parts = [("day", up // DAY_S), ("hour", up % DAY_S // 3600), ("minute", up % 3600 // 60)]
        words = [f"{n} {word}{'s' if n != 1 else ''}" for word, n in parts if n]
        process.print("up " + (", ".join(words) or "0 minutes"))
    else:
        now = clock_text(node.wall_clock(), "%H:%M:%S")
        process.print(f" {now} up {_up_text(up)},  1 user,  load average: 0.00, 0.00, 0.00")
    return 0


def _says(text: str, usage: str) -> Program:
    def run(process: Process) -> int:
        parsed = begin(process, "", usage=usage)
        if isinstance(parsed, int):
            return parsed
        process.print(text)
        return 0

    return run


def identity(process: Process) -> int:
    """id: who you are."""
    parsed = begin(process, "ungG", ["user", "name", "group"], usage="id [-u] [-un] [-g]\n  of yourself, or of a user")
    if isinstance(parsed, int):
        return parsed
    flags = {option.lstrip("-")[0] for option, _ in parsed[0]}
    name = parsed[1][0] if parsed[1] else process.environment.get("USER", "root")
    account = accounts(process.node.files).get(name)
    if account is None:
        return fail(process, f"‘{name}’: no such user")
    if flags & {"u", "g", "G"}:
        process.print(name if "n" in flags else str(account.uid if "u" in flags else account.gid))
    else:
        process.print(f"uid={account.uid}({name}) gid={account.gid}({name}) groups={account.gid}({name})")
    return 0


def whoami(process: Process) -> int:
    """The name of the user."""
    parsed = begin(process, "", usage="whoami\n  the name of the user")
    if isinstance(parsed, int):
        return parsed
    process.print(process.environment.get("USER", "root"))
    return 0


def who(process: Process) -> int:
    """Who is logged in."""
    parsed = begin(process, "Hbqm", usage="who")
    if isinstance(parsed, int):
        return parsed
    stamp = clock_text(process.node.world.wall_clock(process.node.booted_ns), "%F %H:%M")
    process.print(f"root     pts/0        {stamp}")
    return 0


def printenv(process: Process) -> int:
    """Exported variables."""
    parsed = begin(process, "0", usage="printenv [NAME]...", intermixed=False)
    if isinstance(parsed, int):
        return parsed
    names = parsed[1]
    if not names:
        process.print(*[f"{name}={value}" for name, value in process.environment.items()])
    missing = [name for name in names if name not in process.environment]
    process.print(*[process.environment[name] for name in names if name in process.environment])
    return int(bool(missing))


def nproc(process: Process) -> int:
    """Processors."""
    process.print("1")
    return 0


# Printing


def echo(process: Process) -> int:
    """/bin/echo."""
    process.stdout.write(printing.echo(process.argv[1:]))
    return 0


def printf(process: Process) -> int:
    """/usr/bin/printf."""
    if len(process.argv) < 2:
        return fail(process, "missing operand")
    text, complaints, status = printing.printf(process.argv[1], process.argv[2:])
    for complaint in complaints:
        fail(process, complaint)
    process.stdout.write(text)
    return status


def test(process: Process) -> int:
    """/usr/bin/test and /usr/bin/[."""
    arguments = process.argv[1:]
    if process.name.rpartition("/")[2] == "[":
        if arguments[-1:] != ["]"]:
            return fail(process, "missing ‘]’", 2)
        arguments.pop()
    try:
        return int(not conditions.test(arguments, process.node.files, process.directory))
    except conditions.ConditionError as error:
        return fail(process, str(error), 2)


def pwd(process: Process) -> int:
    """/bin/pwd."""
    process.print(process.directory)
    return 0


def _decimals(text: str) -> int | None:
    match = re.fullmatch(r"[-+]?\d{0,15}(?:\.(\d{0,10}))?", text)
    return len(match[1] or "") if match and re.search(r"\d", text) else None


def seq(process: Process) -> Routine:
    """Numbers in a row."""
    arguments = process.argv[1:]
    split = next((i for i, word in enumerate(arguments) if re.fullmatch(r"-?\.?\d.*", word)), None)
    if split is not None and "--" not in arguments[:split]:  # a negative number is no option
        process.argv = [process.argv[0], *arguments[:split], "--", *arguments[split:]]
    parsed = begin(process, "ws:f:", ["equal-width", "separator=", "format="], usage=SEQ, intermixed=False)
    if isinstance(parsed, int):
        return parsed
    options, numbers = parsed
    if not 1 <= len(numbers) <= 3:
        fail(process, f"extra operand ‘{numbers[3]}’" if numbers else "missing operand")
        process.error("Try 'seq --help' for more information.")
        return 1
    for text in numbers:
        if _decimals(text) is None:
            fail(process, f"invalid floating point argument: ‘{text}’")
            process.error("Try 'seq --help' for more information.")
            return 1
    places = max(
        _decimals(text) or 0
        for text in ([numbers[0]] if len(numbers) > 1 else []) + ([numbers[1]] if len(numbers) == 3 else []) + ["0"]
    )
    scale = 10 ** max(_decimals(text) or 0 for text in numbers)
    first, step, last = {1: ("1", "1", numbers[-1]), 2: (numbers[0], "1", numbers[-1]), 3: tuple(numbers[:3])}[
        len(numbers)
    ]
    start, by, stop = (round(float(text) * scale) for text in (first, step, last))
    if by == 0:
        fail(process, f"invalid Zero increment value: ‘{step}’")
        process.error("Try 'seq --help' for more information.")
        return 1
    values = dict(options)
    separator = values.get("-s", values.get("--separator", "\n"))
    form = values.get("-f", values.get("--format"))
    width = 0
    if "-w" in values or "--equal-width" in values:
        width = max(len(f"{value / scale:.{places}f}") for value in (start, stop))
    begun, held, printed = False, "", 0
    for value in range(start, stop + (1 if by > 0 else -1), by):
        number = value / scale
        text = printing.printf(form, [str(number)])[0] if form else f"{number:0{width}.{places}f}"
        held += (separator if begun else "") + text
        begun = True
        if len(held) > CHUNK:
            process.stdout.write(held)
            printed += len(held)
            held = ""
            if printed > MAX_SEQ:
                process.error(f"netwerf: seq stopped after {printed} characters")
                return 1
            yield Wait((), process.node.now)
    if begun:
        process.stdout.write(held + "\n")
    return 0


def yes(process: Process) -> Routine:
    """The same line for ever; to a person only a screenful per second."""
    if process.argv[1:] == ["--help"]:
        process.print("Usage: yes [TEXT]...")
        return 0
    line = " ".join(process.argv[1:]) or "y"
    process.endless = True
    slow = is_terminal(process.stdout)
    printed = 0
    while printed < MAX_YES:
        text = (line + "\n") * (20 if slow else 1000)
        process.stdout.write(text)
        printed += len(text)
        yield Wait((), process.node.now + (SECOND if slow else 0))
    process.error(f"netwerf: yes stopped after {MAX_YES} characters")
    return 1


def _status(status: int) -> Program:
    def run(process: Process) -> int:
        if process.argv[1:] == ["--help"]:
            process.print(f"Usage: {process.name}\n  ends with status {status}")
        return status

    return run


# Time


def sleep(process: Process) -> Routine:
    """Wait."""
    parsed = begin(process, "", usage="sleep NUMBER[smhd]...", intermixed=False)
    if isinstance(parsed, int):
        return parsed
    if not parsed[1]:
        fail(process, "missing operand")
        process.error("Try 'sleep --help' for more information.")
        return 1
    total = 0
    for text in parsed[1]:
        duration = duration_ns(text)
        if duration is None:
            fail(process, f"invalid time interval ‘{text}’")
            process.error("Try 'sleep --help' for more information.")
            return 1
        total += duration
    yield Wait((), process.node.now + total)
    return 0


def duration_ns(text: str) -> int | None:
    """`5`, `0.5`, `2m`; None where it is none."""
    if text == "infinity":
        return 366 * DAY_S * SECOND
    match = re.fullmatch(r"(\d{1,9}(?:\.\d{0,9})?|\.\d{1,9})([smhd]?)", text)
    if match is None:
        return None
    return round(float(match[1]) * {"": 1, "s": 1, "m": 60, "h": 3600, "d": DAY_S}[match[2]] * SECOND)


def clear(process: Process) -> int:
    """Clear the screen."""
    process.stdout.write("\x1b[H\x1b[2J\x1b[3J")
    return 0


COMMANDS: dict[str, Program] = {
    "[": test,
    "arch": _says("x86_64", "arch"),
    "clear": clear,
    "echo": echo,
    "false": _status(1),
    "hostname": hostname,
    "id": identity,
    "nproc": nproc,
    "printenv": printenv,
    "printf": printf,
    "pwd": pwd,
    "seq": seq,
    "sleep": sleep,
    "sync": _status(0),
    "test": test,
    "true": _status(0),
    "uname": uname,
    "uptime": uptime,
    "who": who,
    "whoami": whoami,
    "yes": yes,
}
