"""mosquitto_passwd(1)."""

from __future__ import annotations

from collections.abc import Generator

from labs.net.filesystem import FileError
from labs.net.process import Process, Routine, Wait
from labs.things.mosquitto_access import hash_password

__all__ = ["mosquitto_passwd"]

USAGE = """mosquitto_passwd is a tool for managing password files for mosquitto.

Usage: mosquitto_passwd [-c | -D] passwordfile username
       mosquitto_passwd [-c] -b passwordfile username password
       mosquitto_passwd -U passwordfile
 -b : run in batch mode to allow passing passwords on the command line.
 -c : create a new password file. This will overwrite existing files.
 -D : delete the username rather than adding/updating its password.
 -U : update a plain text password file to use hashed passwords.

See https://mosquitto.org/ for more information."""


class _Problem(Exception):
    """What goes to standard error, and the exit status."""

    def __init__(self, text: str, status: int = 1) -> None:
        super().__init__(text)
        self.status = status


def mosquitto_passwd(process: Process) -> Routine:
    """Write password files that the broker reads."""
    arguments = process.argv[1:]
    flags = set()
    while arguments and arguments[0] in ("-b", "-c", "-D", "-U", "-H"):
        flag = arguments.pop(0)
        if flag == "-H":
            process.error('mosquitto_passwd: "-H" is not simulated here; passwords are hashed with sha512-pbkdf2')
            return 1
        flags.add(flag)
    try:
        return (yield from _run(process, flags, arguments))
    except _Problem as problem:
        if str(problem):
            process.error(str(problem))
        else:
            process.print(*USAGE.split("\n"))
        return problem.status


def _run(process: Process, flags: set[str], arguments: list[str]) -> Generator[Wait, None, int]:
    if {"-c", "-D"} <= flags:
        raise _Problem("Error: -c and -D cannot be used together.")
    if {"-b", "-D"} <= flags:
        raise _Problem("Error: -b and -D cannot be used together.")
    wanted = 1 if "-U" in flags else 3 if "-b" in flags else 2
    if len(arguments) != wanted:
        if "-c" in flags:
            missing = "password file, username, or password" if "-b" in flags else "password file or username"
            raise _Problem(f"Error: -c argument given but {missing} missing.")
        raise _Problem("")
    name = arguments[0]
    path = process.node.files.resolve(name, process.directory)
    if "-U" in flags:
        _write(process, path, name, _hashed(process, _read(process, path, name)))
        return 0
    user = arguments[1]
    if ":" in user:
        raise _Problem("Error: Username must not contain the ':' character.")
    if "-D" in flags:
        return _delete(process, path, name, user)
    lines = [] if "-c" in flags else _read(process, path, name)
    password = arguments[2] if "-b" in flags else (yield from _ask(process))
    entry = f"{user}:{_hash(process, user, password)}"
    kept = [entry if line.split(":")[0] == user else line for line in _sound(process, lines)]
    _write(process, path, name, kept if entry in kept else [*kept, entry])
    return 0


def _hash(process: Process, user: str, password: str) -> str:
    return hash_password(password, f"{process.node.name}/{user}/{process.node.now}")


def _read(process: Process, path: str, name: str) -> list[str]:
    try:
        return process.node.files.read(path).splitlines()
    except FileError as error:
        raise _Problem(f"Error: Unable to open password file {name}. {error}.") from None


def _write(process: Process, path: str, name: str, lines: list[str]) -> None:
    try:
        process.node.files.write(path, "".join(f"{line}\n" for line in lines))
    except FileError as error:
        raise _Problem(f"Error: Unable to open file {name} for writing. {error}.") from None


def _sound(process: Process, lines: list[str]) -> list[str]:
    """The lines up to the first that is no entry; the real tool drops the rest as well."""
    for number, line in enumerate(lines, 1):
        if line and not line.startswith("#") and ":" not in line:
            process.error(f"Error: Corrupt password file at line {number}.")
            return lines[: number - 1]
    return lines


def _hashed(process: Process, lines: list[str]) -> list[str]:
    made = []
    for line in _sound(process, lines):
        user, colon, secret = line.partition(":")
        plain = colon and not line.startswith("#") and not secret.startswith("$")
        made.append(f"{user}:{_hash(process, user, secret)}" if plain else line)
    return made


def _delete(process: Process, path: str, name: str, user: str) -> int:
    lines = _sound(process, _read(process, path, name))
    kept = [line for line in lines if line.split(":")[0] != user]
    if len(kept) == len(lines):
        raise _Problem(f"Warning: User {user} not found in password file.")
    _write(process, path, name, kept)
    return 0


def _ask(process: Process) -> Generator[Wait, None, str]:
    """Twice, from standard input."""
    process.stdout.write("Password: ")
    first = (yield from process.stdin.read_line()).rstrip("\n")
    if not first:
        raise _Problem("Error: Empty password.")
    process.stdout.write("\nReenter password: ")
    second = (yield from process.stdin.read_line()).rstrip("\n")
    process.stdout.write("\n")
    if first != second:
        raise _Problem("Error: Passwords do not match.", 2)
    return first
