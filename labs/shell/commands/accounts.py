"""passwd, chpasswd, useradd, userdel: users and their passwords. Compare with shadow 4.13."""

from __future__ import annotations

import re

from labs.net.accounts import accounts, add_account, hashed, remove_account, set_password
from labs.net.process import Process, Program, Routine
from labs.shell.commandline import fail
from labs.shell.options import UsageError, parse_options

__all__ = ["COMMANDS"]

DAY_S = 86_400
TOKEN = 10  # exit status, passwd(1)


def _day(process: Process) -> int:
    return int(process.node.wall_clock()) // DAY_S


def _set(process: Process, name: str, password: str) -> None:
    serial = process.node.now // 1000 + process.pid
    set_password(process.node.files, name, hashed(name, password, serial), _day(process))


def passwd(process: Process) -> Routine:
    """Set a password, read twice from standard input; -l locks, -u unlocks, -d empties, -S shows."""
    if process.argv[1:] == ["--help"]:
        process.print("Usage: passwd [-l | -u | -d | -S] [LOGIN]")
        return 0
    try:
        words, operands = parse_options(process.argv[1:], "ludS", ["lock", "unlock", "delete", "status"])
    except UsageError as error:
        process.error(f"passwd: {error}", "Usage: passwd [-l | -u | -d | -S] [LOGIN]")
        return 2
    files = process.node.files
    name = operands[0] if operands else process.environment.get("USER", "root")
    account = accounts(files).get(name)
    if account is None:
        return fail(process, f"user '{name}' does not exist")
    stored = account.hash
    for option, _ in words:
        if option in ("-S", "--status"):
            state = "L" if account.locked else "NP" if not stored else "P"
            process.print(f"{name} {state} 0 99999 7 -1")
            return 0
        stored = {"l": "!" + stored.lstrip("!"), "u": stored.lstrip("!"), "d": ""}[option.strip("-")[0]]
        set_password(files, name, stored, _day(process))
        process.print("passwd: password changed.")
        return 0
    process.stdout.write("New password: ")
    first = (yield from process.stdin.read_line()).rstrip("\n")
    process.stdout.write("\nRetype new password: ")
    second = (yield from process.stdin.read_line()).rstrip("\n")
    process.print("")
    if not first or first != second:
        reason = "Sorry, passwords do not match." if first else "No password has been supplied."
        process.error(reason, "passwd: Authentication token manipulation error", "passwd: password unchanged")
        return TOKEN
    _set(process, name, first)
    process.error("passwd: password updated successfully")
    return 0


def chpasswd(process: Process) -> Routine:
    """Lines of NAME:PASSWORD."""
    if process.argv[1:] == ["--help"]:
        process.print("Usage: echo 'NAME:PASSWORD' | chpasswd")
        return 0
    if len(process.argv) > 1:
        process.error("chpasswd: options are not simulated here; use: echo 'NAME:PASSWORD' | chpasswd")
        return 1
    status = 0
    text = yield from process.stdin.read_all()
    for number, line in enumerate(text.splitlines(), start=1):
        name, colon, password = line.partition(":")
        if not colon:
            status = fail(process, f"line {number}: missing new password")
        elif name not in accounts(process.node.files):
            process.error(
                f"chpasswd: (user {name}) pam_chauthtok() failed, error:", "Authentication token manipulation error"
            )
            status = fail(process, f"(line {number}, user {name}) password not changed")
        else:
            _set(process, name, password)
    return status


def useradd(process: Process) -> int:
    """Add a user: `useradd [-m] [-d HOME] [-s SHELL] NAME`."""
    if process.argv[1:] == ["--help"]:
        process.print("Usage: useradd [-m] [-d HOME_DIR] [-s SHELL] LOGIN")
        return 0
    try:
        words, operands = parse_options(process.argv[1:], "md:s:c:", ["create-home", "home-dir=", "shell=", "comment="])
    except UsageError as error:
        process.error(f"useradd: {error}", "Usage: useradd [-m] [-d HOME_DIR] [-s SHELL] LOGIN")
        return 2
    if len(operands) != 1:
        process.error("Usage: useradd [-m] [-d HOME_DIR] [-s SHELL] LOGIN")
        return 2
    name, options, files = operands[0], dict(words), process.node.files
    if not re.fullmatch(r"[a-z_][a-z0-9_-]{0,31}", name):
        return fail(process, f"invalid user name '{name}': use --badname to ignore", 3)
    if name in accounts(files):
        return fail(process, f"user '{name}' already exists", 9)
    home = options.get("-d", options.get("--home-dir", f"/home/{name}"))
    add_account(files, name, home=home, shell=options.get("-s", options.get("--shell", "/bin/sh")), day=_day(process))
    if options.keys() & {"-m", "--create-home"} and not files.exists(home):
        files.make_directory(home)
    return 0


def userdel(process: Process) -> int:
    """Remove a user."""
    if process.argv[1:] == ["--help"]:
        process.print("Usage: userdel [-r] LOGIN")
        return 0
    names = [word for word in process.argv[1:] if word not in ("-r", "-f", "-rf")]
    if len(names) != 1:
        process.error("Usage: userdel [-r] LOGIN")
        return 2
    if names[0] not in accounts(process.node.files):
        return fail(process, f"user '{names[0]}' does not exist", 6)
    remove_account(process.node.files, names[0])
    return 0


COMMANDS: dict[str, Program] = {"chpasswd": chpasswd, "passwd": passwd, "useradd": useradd, "userdel": userdel}
