"""sshd: runs one command for a user of another device, from /etc/ssh/sshd_config. Compare with OpenSSH 9.2.

After the real banners both sides talk in JSON inside scrambled records (labs.net.tls): nothing is encrypted. Left out:
keys of users, interactive sessions, forwarding. Files have no owners: every user may touch everything.
"""

from __future__ import annotations

import json
from functools import partial
from hashlib import sha256

from labs.net.accounts import Account, accounts, check_password
from labs.net.filesystem import FileError
from labs.net.process import SIGHUP, SIGTERM, Interrupt, Pipe, Process, Program, Routine, Signal, Wait, Writer
from labs.net.sockets import SocketError, TcpListener, listen
from labs.net.sshd_conf import SshdConf, SshdError, parse_sshd
from labs.net.tcp import TcpConnection
from labs.net.tls import Record, Records, TlsError, record
from labs.shell.bash import run_script
from labs.shell.daemons.clients import Clients

__all__ = ["BANNER", "PIECE", "host_key", "login_shell", "sshd"]

CONFIG = "/etc/ssh/sshd_config"
HOST_KEY = "/etc/ssh/ssh_host_ed25519_key.pub"
BANNER = b"SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u7\r\n"
SECOND = 1_000_000_000
GRACE_NS = 120 * SECOND  # LoginGraceTime
LOOK_NS = SECOND
PIECE = 2500  # characters: escaped by JSON they are at most six times as many bytes
MAX_SESSIONS = 32
NO_LOGIN = ("/usr/sbin/nologin", "/sbin/nologin", "/bin/false", "/usr/bin/false")


def host_key(process: Process) -> str:
    """What clients remember a device by: its key file, or a stand-in made of its name and hardware."""
    text = process.node.files.get(HOST_KEY).split()
    if len(text) > 1:
        return text[1]
    macs = "".join(str(interface.mac) for interface in process.node.interfaces.values())
    return "AAAAC3NzaC1lZDI1NTE5AAAAI" + sha256(f"{process.node.name}{macs}".encode()).hexdigest()[:43]


def login_shell(account: Account, command: str) -> Program:
    """A command as a user's shell runs it, in the user's home."""

    def shell(process: Process) -> Routine:
        if account.shell in NO_LOGIN:
            process.print("This account is currently not available.")
            return 1
        process.environment |= {
            "USER": account.name,
            "LOGNAME": account.name,
            "HOME": account.home,
            "SHELL": account.shell,
        }
        directory = account.home if process.node.files.is_directory(account.home) else "/"
        return (yield from run_script(process, command, name="bash", shell="bash", directory=directory))  # noqa: S604 - simulated

    return shell


class _Remote(Writer):
    """A stream of the served command: what it prints goes to the client."""

    def __init__(self, session: _Session, key: str) -> None:
        self._session = session
        self._key = key

    def write(self, text: str) -> None:
        """Send, in pieces that fit one record each."""
        for start in range(0, len(text), PIECE):
            self._session.send({self._key: text[start : start + PIECE]})


class _Session:
    """One client."""

    def __init__(self, process: Process, connection: TcpConnection, conf: SshdConf) -> None:
        self._process = process
        self._node = process.node
        self._connection = connection
        self._conf = conf
        self._records = Records()
        self._greeting = b""
        self._greeted = False
        self._tries = 0
        self._account: Account | None = None
        self._served: Process | None = None
        self._stdin = Pipe()
        self._until_ns = self._node.now + GRACE_NS
        self._endless = False
        self._over = False

    def send(self, message: dict[str, object]) -> None:
        """One message to the client."""
        self._connection.send(record(Record.APPLICATION, json.dumps(message).encode() + b"\n"), self._node.now)

    def _log(self, text: str) -> None:
        self._node.units.log("ssh", text, self._process.pid, identifier="sshd")

    @property
    def _where(self) -> str:
        address, port = self._connection.remote
        return f"from {address} port {port} ssh2"

    def run(self) -> Routine:
        """Serve until either side is done."""
        connection, node = self._connection, self._node
        connection.send(BANNER, node.now)
        while not self._over:
            data = connection.receive()
            if data:
                self._take(data)
            if connection.peer_done or (self._account is None and node.now >= self._until_ns):
                break
            served = self._served
            signals: tuple[Signal, ...] = (connection.signal,)
            until: int | None = self._until_ns
            if served is not None:
                if _endless(served) != self._endless:
                    self._endless = not self._endless
                    self.send({"endless": self._endless})
                if not served.running:
                    self.send({"exit": served.status or 0})
                    break
                signals, until = (connection.signal, served.exited), node.now + LOOK_NS
            yield Wait(signals, until)
        if self._served is not None and self._served.running:
            self._served.kill(SIGHUP)
        connection.close(node.now)
        return 0

    def _take(self, data: bytes) -> None:
        if not self._greeted:
            self._greeting += data
            line, newline, data = self._greeting.partition(b"\n")
            if not newline:
                self._over = len(self._greeting) > 255
                return
            self._greeted = True
            if not line.startswith(b"SSH-2.0-"):
                address, port = self._connection.remote
                said = line.decode("latin-1").strip()
                self._log(f'error: kex_exchange_identification: client sent invalid protocol identifier "{said}"')
                self._log(f"banner exchange: Connection from {address} port {port}: invalid format")
                self._connection.send(b"Invalid SSH identification string.\r\n", self._node.now)
                self._over = True
                return
            self.send({"key": host_key(self._process)})
        try:
            for _, piece in self._records.feed(data):
                message = json.loads(piece)
                if isinstance(message, dict):
                    self._message(message)
        except (TlsError, ValueError):
            self._over = True

    def _message(self, message: dict[str, object]) -> None:
        if "user" in message and self._account is None:
            self._authenticate(str(message["user"]), message.get("password"))
        elif "exec" in message and self._account is not None and self._served is None:
            self._execute(str(message["exec"]))
        elif "in" in message:
            try:
                self._stdin.write(str(message["in"]))
            except Interrupt:
                self._over = True
        elif "eof" in message:
            self._stdin.close()

    def _authenticate(self, user: str, password: object) -> None:
        conf = self._conf
        methods = "publickey,password" if conf.passwords else "publickey"
        if not isinstance(password, str):
            self.send({"methods": methods})
            return
        self._tries += 1
        account = accounts(self._node.files).get(user)
        address = self._connection.remote[0]
        why = conf.refuses(user, address)
        invalid = "" if account is not None and why is None else "invalid user "
        if account is not None and why is not None and self._tries == 1:
            self._log(f"User {user} from {address} not allowed {why}")
        elif account is None and self._tries == 1:
            self._log(f"Invalid user {user} from {address} port {self._connection.remote[1]}")
        allowed = account is not None and why is None and conf.passwords and check_password(account, password)
        if allowed and account is not None:
            allowed = (password != "" or conf.empty_passwords) and (account.uid != 0 or conf.root_login == "yes")
        if allowed and account is not None:
            self._log(f"Accepted password for {user} {self._where}")
            self._log(f"pam_unix(sshd:session): session opened for user {user}(uid={account.uid}) by (uid=0)")
            self._account = account
            self.send({"welcome": user})
            return
        if conf.passwords:
            self._log(f"Failed password for {invalid}{user} {self._where}")
        self.send({"methods": methods, "failed": True})
        if self._tries >= conf.max_tries:
            self._log(f"error: maximum authentication attempts exceeded for {invalid}{user} {self._where} [preauth]")
            self._over = True

    def _execute(self, command: str) -> None:
        assert self._account is not None
        self._served = self._node.spawn(
            ["bash", "-c", command],
            login_shell(self._account, command),
            stdin=self._stdin,
            stdout=_Remote(self, "out"),
            stderr=_Remote(self, "err"),
            directory="/",
        )
        served = self._served
        self._process.cleanup.append(lambda: served.kill(SIGHUP))


def _endless(process: Process) -> bool:
    """True where the command would run until somebody presses Ctrl-C."""
    return process.running and (process.endless or any(_endless(child) for child in process.foreground))


def sshd(process: Process) -> Routine:
    """The daemon."""
    node = process.node
    try:
        conf = parse_sshd(node.files.read(CONFIG), CONFIG)
    except FileError as error:
        process.error(f"{CONFIG}: {error}")
        return 1
    except SshdError as error:
        process.error(*error.lines)
        return 255
    process.print(*conf.notices)
    listeners: list[TcpListener] = []
    for address, port in conf.sockets(ipv6=process.node.ipv6.on):
        try:
            listeners.append(listen(process, port, address, v6only=True))
            process.print(f"Server listening on {address} port {port}.")
        except SocketError as error:
            process.print(f"error: Bind to port {port} on {address} failed: {error}.")
    if not listeners:
        process.print("fatal: Cannot bind any address.")
        return 255
    sessions = Clients(process, "sshd", MAX_SESSIONS)
    try:
        while True:
            for listener in listeners:
                sessions.admit(listener, partial(_serve, conf=conf))
            yield Wait(tuple(listener.signal for listener in listeners))
    except Interrupt as interrupt:
        if interrupt.signal == SIGTERM:
            process.print("Received signal 15; terminating.")
            return 0
        raise


def _serve(connection: TcpConnection, conf: SshdConf) -> Program:
    def session(process: Process) -> Routine:
        process.cleanup.append(lambda: connection.release(process.node.now))
        return (yield from _Session(process, connection, conf).run())

    return session
