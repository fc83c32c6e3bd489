"""telnet, and the login that inetd starts as /usr/sbin/telnetd. Compare with inetutils 2.4.

The protocol's options (RFC 854) are left out: both sides send plain lines, passwords included, for everybody to read.
"""

from __future__ import annotations

from collections.abc import Generator

from labs.net.accounts import accounts, check_password
from labs.net.process import Process, Program, Routine, Wait
from labs.net.service_names import port_number
from labs.net.sockets import SocketError
from labs.shell.bash import run_script
from labs.shell.commands.nc import relay
from labs.shell.resolver import ResolveError, connect_first, lookup

__all__ = ["COMMANDS"]

TRIES = 3
MAX_LINES = 200


def telnet(process: Process) -> Routine:
    """`telnet HOST [PORT]`: what is typed or piped goes there."""
    if process.argv[1:] == ["--help"]:
        process.print("Usage: telnet HOST [PORT]")
        return 0
    words = process.argv[1:]
    if any(word.startswith("-") for word in words) or not 1 <= len(words) <= 2:
        process.error("telnet: simulated is: telnet HOST [PORT]")
        return 1
    port = port_number("tcp", words[1] if words[1:] else "telnet")
    if port is None:
        process.error(f"telnet: could not resolve {words[0]}/{words[1]}: Servname not supported for ai_socktype")
        return 1
    try:
        places = yield from lookup(process, words[0])
    except ResolveError as error:
        process.error(f"telnet: could not resolve {words[0]}/{words[1] if words[1:] else 'telnet'}: {error}")
        return 1
    process.print(f"Trying {places[0]}...")
    try:
        _, connection = yield from connect_first(process, places, port)
    except SocketError as error:
        process.error(f"telnet: Unable to connect to remote host: {error}")
        return 1
    process.print(f"Connected to {words[0]}.", "Escape character is '^]'.")
    yield from relay(process, connection)
    process.error("Connection closed by foreign host.")
    return 1


def telnetd(process: Process) -> Routine:
    """Ask for a name and a password, then run each line."""
    node = process.node
    process.stdout.write(f"Debian GNU/Linux 12\r\n\r\n{node.hostname} login: ")
    for _ in range(TRIES):
        name = yield from _line(process)
        if name is None:
            return 1
        process.stdout.write("Password: ")
        password = yield from _line(process)
        if password is None:
            return 1
        account = accounts(node.files).get(name)
        process.stdout.write("\r\n")
        if account is not None and not account.locked and check_password(account, password):
            node.units.log(
                "login", f"pam_unix(login:session): session opened for user {name}(uid={account.uid})", process.pid
            )
            return (yield from _session(process, account.name, account.home))
        node.units.log("login", f"FAILED LOGIN FOR '{name}', Authentication failure", process.pid)
        process.stdout.write(f"Login incorrect\r\n{node.hostname} login: ")
    return 1


def _line(process: Process) -> Generator[Wait, None, str | None]:
    text = yield from process.stdin.read_line()
    return text.rstrip("\r\n") if text else None


def _session(process: Process, name: str, home: str) -> Routine:
    process.environment |= {"USER": name, "LOGNAME": name, "HOME": home}
    directory = home if process.node.files.is_directory(home) else "/"
    status = 0
    for _ in range(MAX_LINES):
        process.stdout.write(
            f"{name}@{process.node.hostname}:{'~' if directory == home else directory}{'#' if name == 'root' else '$'} "
        )
        line = yield from _line(process)
        if line is None or line.strip() in ("exit", "logout"):
            process.stdout.write("logout\r\n")
            return status
        status = yield from run_script(process, line, name="bash", shell="bash", directory=directory)  # noqa: S604 - simulated
    return status


COMMANDS: dict[str, Program] = {"telnet": telnet, "telnetd": telnetd}
