"""ssh and sshpass: run one command on another device. Compare with OpenSSH 9.2 and sshpass 1.09."""

from __future__ import annotations

import json
from collections.abc import Generator
from dataclasses import dataclass, field

from labs.net.filesystem import FileError
from labs.net.process import Process, Program, Routine, Wait
from labs.net.sockets import SocketError
from labs.net.tcp import TcpConnection
from labs.net.tls import Record, Records, TlsError, record
from labs.shell.bash.programs import run_argv
from labs.shell.daemons.sshd import BANNER, PIECE
from labs.shell.options import UsageError, parse_options
from labs.shell.resolver import ResolveError, connect_first, lookup

__all__ = ["COMMANDS"]

SECOND = 1_000_000_000
FAILED = 255
KNOWN_HOSTS = "/root/.ssh/known_hosts"
USAGE = "usage: ssh [-p port] [-l user] [-o option] [user@]host command"
OPTIONS = frozenset("connecttimeout stricthostkeychecking batchmode userknownhostsfile port user loglevel".split())
CHANGED = (
    "@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@",
    "@    WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!     @",
    "@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@",
    "IT IS POSSIBLE THAT SOMEONE IS DOING SOMETHING NASTY!",
)


class _End(Exception):
    """The connection is over: lines for standard error and the exit status."""

    def __init__(self, *lines: str, status: int = FAILED) -> None:
        super().__init__("\n".join(lines))
        self.lines = lines
        self.status = status


@dataclass(slots=True, eq=False)
class _Link:
    """Messages over one connection."""

    process: Process
    connection: TcpConnection
    shown: str
    records: Records = field(default_factory=Records)
    waiting: list[dict[str, object]] = field(default_factory=list)
    greeting: bytes = b""
    greeted: bool = False

    def send(self, message: dict[str, object]) -> None:
        """One message to the server."""
        self.connection.send(record(Record.APPLICATION, json.dumps(message).encode() + b"\n"), self.process.node.now)

    def poll(self) -> None:
        """Take what has arrived. Raises _End for a server that speaks something else."""
        data = self.connection.receive()
        if data and not self.greeted:
            self.greeting += data
            line, newline, data = self.greeting.partition(b"\n")
            if not newline:
                return
            if not line.startswith(b"SSH-2.0-"):
                raise _End(
                    "kex_exchange_identification: read: Connection reset by peer", f"Connection reset by {self.shown}"
                )
            self.greeted = True
        try:
            self.waiting += [json.loads(piece) for _, piece in self.records.feed(data)] if data else []
        except (TlsError, ValueError):
            raise _End(f"Bad packet length from {self.shown}") from None

    def receive(self, until: int | None = None) -> Generator[Wait, None, dict[str, object]]:
        """The next message. Raises _End at the end of the connection."""
        while True:
            self.poll()
            if self.waiting:
                return self.waiting.pop(0)
            if self.connection.peer_done:
                if not self.greeted and self.connection.error:
                    raise _End(
                        f"kex_exchange_identification: read: {self.connection.error}",
                        f"Connection reset by {self.shown}",
                    )
                if not self.greeted:
                    raise _End(
                        "kex_exchange_identification: Connection closed by remote host",
                        f"Connection closed by {self.shown}",
                    )
                raise _End(f"Connection to {self.shown.split()[0]} closed by remote host.")
            if until is not None and self.process.node.now >= until:
                raise _End("Connection timed out during banner exchange", f"Connection to {self.shown} timed out")
            yield Wait((self.connection.signal,), until)


@dataclass(slots=True)
class _Target:
    user: str
    host: str
    port: int = 22
    timeout_ns: int | None = None
    checking: str = "accept-new"
    family: str = ""
    command: str = ""


def _read(process: Process) -> _Target:
    words, operands = parse_options(
        process.argv[1:], "46aAfgkKMnNqsStTvVxXyYCp:l:o:i:F:J:L:R:D:b:c:e:m:w:W:", intermixed=False
    )
    if not operands:
        raise UsageError("")
    user, at, host = operands[0].rpartition("@")
    target = _Target(user if at else process.environment.get("USER", "root"), host, command=" ".join(operands[1:]))
    for option, value in words:
        name, _, setting = value.partition("=") if option == "-o" else ("", "", "")
        key = name.strip().lower()
        if option in ("-4", "-6"):
            target.family = "ip" if option == "-4" else "ip6"
        elif option == "-p" or key == "port":
            port = value if option == "-p" else setting
            if not port.isdecimal() or not 0 < int(port) < 65536:
                raise _End(f"Bad port '{port}'")
            target.port = int(port)
        elif option == "-l" or key == "user":
            target.user = (value if option == "-l" else setting) if not at else target.user
        elif key == "connecttimeout":
            if not setting.isdecimal():
                raise _End("command-line line 0: invalid time value.")
            target.timeout_ns = int(setting) * SECOND or None
        elif key == "stricthostkeychecking":
            target.checking = setting.lower()
        elif option == "-o" and key not in OPTIONS:
            raise _End(f"command-line: line 0: Bad configuration option: {key}")
        elif option in ("-i", "-F", "-J", "-L", "-R", "-D", "-N", "-W", "-A"):
            raise _End(f'ssh: "{option}" is not simulated here')
    return target


def ssh(process: Process) -> Routine:
    """`ssh [-p PORT] [-o ConnectTimeout=S] [USER@]HOST COMMAND`."""
    if process.argv[1:] == ["--help"]:
        process.print("Usage: ssh [-p PORT] [-l USER] [-o ConnectTimeout=SECONDS] [USER@]HOST COMMAND")
        return 0
    try:
        target = _read(process)
        return (yield from _session(process, target))
    except UsageError as error:
        process.error(*([f"unknown option -- {str(error)[-2:-1]}"] if str(error) else []), USAGE)
        return FAILED
    except _End as end:
        process.error(*end.lines)
        return end.status


def _session(process: Process, target: _Target) -> Routine:
    if not target.command:
        raise _End(
            "ssh: an interactive login is not simulated here; use: on DEVICE, or "
            f"ssh {target.user}@{target.host} COMMAND"
        )
    node = process.node
    try:
        places = yield from lookup(process, target.host, family=target.family)
    except ResolveError as error:
        raise _End(f"ssh: Could not resolve hostname {target.host}: {error}") from None
    deadline = node.now + target.timeout_ns if target.timeout_ns else None
    try:
        place, connection = yield from connect_first(process, places, target.port, timeout_ns=target.timeout_ns)
    except SocketError as error:
        raise _End(f"ssh: connect to host {target.host} port {target.port}: {error}") from None
    connection.send(BANNER, node.now)
    link = _Link(process, connection, f"{place} port {target.port}")
    hello = yield from link.receive(deadline)
    _check_host(process, target, str(hello.get("key", "")))
    yield from _log_in(process, target, link)
    link.send({"exec": target.command})
    return (yield from _relay(process, link))


def _check_host(process: Process, target: _Target, key: str) -> None:
    """Remember the key of a host at the first visit, and refuse another one later."""
    files = process.node.files
    name = target.host if target.port == 22 else f"[{target.host}]:{target.port}"
    for number, line in enumerate(files.get(KNOWN_HOSTS).splitlines(), start=1):
        words = line.split()
        if len(words) == 3 and name in words[0].split(","):
            if words[2] == key:
                return
            if target.checking == "no":
                process.error(*CHANGED)
                return
            offending = f"Offending ED25519 key in {KNOWN_HOSTS}:{number}"
            raise _End(*CHANGED, offending, f"Host key for {name} has changed and you have requested strict checking.",
                       "Host key verification failed.")  # fmt: skip
    if target.checking == "yes":
        raise _End(
            f"No ED25519 host key is known for {name} and you have requested strict checking.",
            "Host key verification failed.",
        )
    try:
        if not files.is_directory("/root/.ssh"):
            files.make_directory("/root/.ssh")
        files.append(KNOWN_HOSTS, f"{name} ssh-ed25519 {key}\n")
    except FileError as error:
        raise _End(f"hostfile: {error}") from None
    process.error(f"Warning: Permanently added '{name}' (ED25519) to the list of known hosts.")


def _log_in(process: Process, target: _Target, link: _Link) -> Generator[Wait, None, None]:
    link.send({"user": target.user})
    methods = str((yield from link.receive()).get("methods", ""))
    denied = f"{target.user}@{target.host}: Permission denied ({methods})."
    password = process.environment.get("SSHPASS")
    if "password" not in methods:
        raise _End(denied)
    if password is None:
        raise _End(denied, "ssh: a password is not asked for here; use: sshpass -p PASSWORD ssh ...")
    link.send({"user": target.user, "password": password})
    answer = yield from link.receive()
    if "welcome" not in answer:
        # sshpass ends at the second prompt, with its own status
        raise _End("Permission denied, please try again.", status=5)


def _relay(process: Process, link: _Link) -> Routine:
    """Pass standard input there and what is printed back, until the command ends."""
    sending = True
    while True:
        if sending:
            text = process.stdin.poll()
            for start in range(0, len(text), PIECE):
                link.send({"in": text[start : start + PIECE]})
            if process.stdin.closed:
                link.send({"eof": True})
                sending = False
        link.poll()
        while link.waiting:
            message = link.waiting.pop(0)
            if "out" in message:
                process.stdout.write(str(message["out"]))
            elif "err" in message:
                process.stderr.write(str(message["err"]))
            elif "endless" in message:
                process.endless = bool(message["endless"])
            elif isinstance(message.get("exit"), int):
                link.connection.close(process.node.now)
                return int(str(message["exit"]))
        if link.connection.peer_done:
            raise _End(f"Connection to {link.shown.split()[0]} closed by remote host.")
        yield Wait((link.connection.signal, process.stdin.changed) if sending else (link.connection.signal,))


def sshpass(process: Process) -> Routine:
    """`sshpass -p PASSWORD ssh …`, or -e with the variable SSHPASS."""
    if process.argv[1:] == ["--help"]:
        process.print("Usage: sshpass [-p PASSWORD | -f FILE | -e] COMMAND PARAMETERS")
        return 0
    try:
        words, command = parse_options(process.argv[1:], "p:ef:", intermixed=False)
    except UsageError as error:
        process.error(f"sshpass: {error}")
        return 1
    if not command:
        process.error("Usage: sshpass [-p PASSWORD | -f FILE | -e] COMMAND PARAMETERS")
        return 1
    for option, value in words:
        if option == "-p":
            process.environment["SSHPASS"] = value
        elif option == "-f":
            text = process.node.files.get(process.node.files.resolve(value, process.directory))
            process.environment["SSHPASS"] = text.partition("\n")[0]
        elif "SSHPASS" not in process.environment:
            process.error("SSHPASS: -e option given but SSHPASS environment variable not set")
            return 1
    return (yield from run_argv(process, command))


COMMANDS: dict[str, Program] = {"ssh": ssh, "sshpass": sshpass}
