"""mosquitto(8): the broker machine on the sockets and files of a device."""

from __future__ import annotations

import posixpath
from collections import deque
from collections.abc import Generator
from dataclasses import dataclass, field, replace

from labs.model.addresses import IPv4
from labs.net.filesystem import FileError, FileSystem
from labs.net.ipv4 import ANY
from labs.net.process import SIGHUP, Interrupt, Process, Routine, Signal, Wait
from labs.net.sockets import SocketError, TcpListener, listen
from labs.net.strftime import clock_text
from labs.net.tcp import TcpConnection, TcpState
from labs.net.tls_session import TlsFailure, TlsServer
from labs.shell.daemons.mosquitto_tls import TlsFiles, load_tls
from labs.shell.resolver import ResolveError, resolve
from labs.things.mosquitto_access import AccessList, Passwords, parse_acl, parse_passwords
from labs.things.mosquitto_conf import (
    EXIT_UNKNOWN,
    LOG_TYPES,
    BrokerConfig,
    ConfigError,
    ListenerConfig,
    parse_mosquitto_conf,
    parse_retained,
    retained_line,
)
from labs.things.mqtt.broker import VERSION, Broker, Close, Effect, Log, Send

__all__ = ["mosquitto"]

CLOSED = TcpState.CLOSED  # a global is found ten times faster
LOOPBACK = IPv4.parse("127.0.0.1")
SECOND = 1_000_000_000
SAVE_WITHIN_NS = 10 * SECOND  # mosquitto saves every 30 minutes; see docs/what-is-simulated.md
LOG_LIMIT = 64 * 1024  # characters kept of a log file
MADE_BY_THE_PACKAGE = ("/var/log/mosquitto", "/var/lib/mosquitto")
USAGE = f"""{VERSION}

mosquitto is an MQTT v5.0/v3.1.1/v3.1 broker (simulated).

Usage: mosquitto [-c config_file] [-d] [-h] [-p port]

 -c : specify the broker config file.
 -d : put the broker into the background after starting.
 -h : display this help.
 -p : start the broker listening on the specified port.
      Not recommended in conjunction with the -c option.
 -v : verbose mode - enable all logging types. This overrides
      any logging options given in the config file."""


class _Fatal(Exception):
    """The broker does not start; everything was said."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


class _Knock(Signal):
    """The signal of one connection: it remembers who knocked and wakes the broker, who waits at one door only."""

    __slots__ = ("_door", "_number", "_queue")

    def __init__(self, number: int, queue: deque[int], door: Signal) -> None:
        super().__init__()
        self._number = number
        self._queue = queue
        self._door = door

    def fire(self) -> None:
        """Somebody is there."""
        self._queue.append(self._number)
        self._door.fire()


@dataclass(slots=True, eq=False)
class _Door:
    """A listening socket with its configuration, its certificates, and the numbers of those who came in there."""

    config: ListenerConfig
    socket: TcpListener
    tls: TlsFiles | None
    inside: set[int] = field(default_factory=set)


class _Server:
    """Carries out what the broker machine asks for."""

    def __init__(self, process: Process) -> None:
        self.process = process
        self.node = process.node
        self.config = BrokerConfig()
        self.broker = Broker(self.config)
        self._connections: dict[int, TcpConnection] = {}
        self._knocks: deque[int] = deque()
        self.door = Signal()
        self._number = 0
        self._listeners: list[_Door] = []
        self._sessions: dict[int, TlsServer] = {}
        self._timer: int | None = None
        self._save_at: int | None = None

    # Starting

    def log(self, *lines: str) -> None:
        """Write to the destinations of the configuration."""
        config = self.config
        if config.log_timestamp:
            seconds = int(self.node.wall_clock())
            stamp = str(seconds)
            if config.log_timestamp_format:
                stamp = clock_text(seconds, config.log_timestamp_format)
            lines = tuple(f"{stamp}: {line}" for line in lines)
        if config.log_journal:
            self.process.error(*lines)
        for path in config.log_files:
            text = self.node.files.get(path) + "".join(f"{line}\n" for line in lines)
            self._write(path, text[-LOG_LIMIT:])

    def _write(self, path: str, text: str) -> str | None:
        """Write a file; the error in words where that does not work."""
        folder = posixpath.dirname(path)
        try:
            if folder in MADE_BY_THE_PACKAGE and not self.node.files.is_directory(folder):
                self.node.files.make_directory(folder)
            self.node.files.write(path, text)
        except FileError as error:
            return str(error)
        return None

    def start(self, path: str | None, port: int | None, *, verbose: bool) -> Generator[Wait, None, None]:
        """Read everything and listen. Raises _Fatal."""
        try:
            config = self._load(path)
        except ConfigError as error:
            self.log(*error.lines)
            raise _Fatal(error.status) from None
        if port is not None:
            config = _with_port(config, port)
        if verbose:
            config = _verbose(config)
        self.config = config
        self.log(*config.warnings, f"{VERSION} starting")
        self.log(f"Config loaded from {path}." if path else "Using default config.")
        passwords, access = self._access()
        stored = self.node.files.get(config.database) if config.persistence else ""
        self.broker = Broker(
            config, passwords=passwords, access=access, retained=parse_retained(stored), now=self.node.now
        )
        yield from self._listen()
        self.log(f"{VERSION} running")

    def _load(self, path: str | None) -> BrokerConfig:
        if path is None:
            return BrokerConfig()
        files = self.node.files
        try:
            text = files.read(files.resolve(path, self.process.directory))
        except FileError:
            message = f"Error: Unable to open config file {path}."
            raise ConfigError(message) from None
        return parse_mosquitto_conf(text, path, lambda folder: _files_in(files, folder))

    def _access(self) -> tuple[Passwords | None, AccessList | None]:
        """The password file and the access list. Raises _Fatal."""
        passwords = access = None
        files, config = self.node.files, self.config
        if config.password_file:
            if not files.is_file(config.password_file):
                self.log(
                    f'Error: Unable to open pwfile "{config.password_file}".',
                    f'Error opening password file "{config.password_file}".',
                )
                raise _Fatal(EXIT_UNKNOWN)
            passwords = parse_passwords(files.read(config.password_file), config.password_file)
            self.log(*passwords.warnings)
        if config.acl_file:
            failed = f'Error opening acl file "{config.acl_file}".'
            if not files.is_file(config.acl_file):
                self.log(f'Error: Unable to open acl_file "{config.acl_file}".', failed)
                raise _Fatal(EXIT_UNKNOWN)
            try:
                access = parse_acl(files.read(config.acl_file), config.acl_file)
            except ConfigError as error:
                self.log(*error.lines, failed)
                raise _Fatal(error.status) from None
            self.log(*access.warnings)
        return passwords, access

    def _listen(self) -> Generator[Wait, None, None]:
        listeners = self.config.listeners
        if self.config.local_only:
            self.log(
                "Starting in local only mode. Connections will only be possible from clients running on this machine.",
                "Create a configuration file which defines a listener to allow remote access.",
                "For more details see https://mosquitto.org/documentation/authentication-methods/",
            )
            listeners = (ListenerConfig(1883, str(LOOPBACK)),)
        for listener in listeners:
            address = ANY
            if listener.address is not None:
                try:
                    address = yield from resolve(self.process, listener.address)
                except ResolveError as error:
                    self.log(f"Error creating listener: {error}.")
                    raise _Fatal(1) from None
            self.log(f"Opening ipv4 listen socket on port {listener.port}.")
            if listener.interface:
                address = self._address_on(listener.interface)
            try:
                socket = listen(self.process, listener.port, address)
                self._listeners.append(_Door(listener, socket, load_tls(self.process, listener)))
            except SocketError as error:
                self.log(f"Error: {error}")
                raise _Fatal(1) from None
            except ConfigError as error:
                self.log(*error.lines)
                raise _Fatal(1) from None

    def _address_on(self, name: str) -> IPv4:
        """The address of an interface. Raises _Fatal."""
        interface = self.node.interfaces.get(name)
        for known in interface.addresses if interface is not None else ():
            if isinstance(known.address, IPv4):
                return known.address
        self.log(f"Warning: Interface {name} does not support IPv4 configuration.")
        raise _Fatal(1)

    # Serving

    def serve(self) -> Generator[Wait, None, None]:
        """Until a signal ends it."""
        waiting = Wait((self.door, *(door.socket.signal for door in self._listeners)))
        while True:
            self._accept()
            while self._knocks:
                self._read(self._knocks.popleft())
            now = self.node.now
            when = self.broker.next_wake()
            if when is not None and when <= now:
                self.perform(self.broker.wake(now))
                when = self.broker.next_wake()
            if self.broker.changed and self._save_at is None and self.config.persistence:
                self._save_at = now + SAVE_WITHIN_NS
            if self._save_at is not None and self._save_at <= now:
                self.save()
            self._set_timer(when)
            yield waiting

    def _set_timer(self, when: int | None) -> None:
        """At most one timer under way, so that a busy broker does not leave one behind per packet."""
        if self._save_at is not None and (when is None or self._save_at < when):
            when = self._save_at
        if when is not None and (self._timer is None or self._timer <= self.node.now or when < self._timer):
            self._timer = when
            self.node.call_at(when, self.door.fire)

    def _accept(self) -> None:
        for door in self._listeners:
            backlog = door.socket.backlog
            while backlog:
                connection = door.socket.backlog.popleft()
                address, port = connection.remote
                if door.config.max_connections == len(door.inside):
                    self.log(f"Client connection from {address} denied: max_connections exceeded.")
                    connection.release(self.node.now)
                    continue
                self._number += 1
                door.inside.add(self._number)
                self._connections[self._number] = connection
                if door.tls is not None:
                    self._sessions[self._number] = door.tls.session(self.node.wall_clock())
                connection.wakes_when_acknowledged = False
                connection.signal = _Knock(self._number, self._knocks, self.door)
                self.perform(self.broker.opened(self._number, str(address), port, door.config.port, self.node.now))
                self._knocks.append(self._number)

    def _read(self, number: int) -> None:
        connection = self._connections.get(number)
        if connection is None:
            return
        data = connection.receive()
        session = self._sessions.get(number)
        if data and session is not None:
            data = self._decrypt(number, connection, session, data)
        if data:
            effects = self.broker.received(number, data, self.node.now)
            if effects:
                self.perform(effects)
        if (connection.peer_done or connection.state is CLOSED) and number in self._connections:
            self.perform(self.broker.closed(number, self.node.now))

    def _decrypt(self, number: int, connection: TcpConnection, session: TlsServer, data: bytes) -> bytes:
        """What the client says inside TLS. One that cannot be spoken with is sent away."""
        try:
            plain = session.receive(data)
        except TlsFailure as failure:
            connection.send(session.outgoing(), self.node.now)
            if self.config.connection_messages:
                self.log(f"OpenSSL Error[0]: {failure.openssl}")
            self.perform(self.broker.closed(number, self.node.now, "disconnected: Protocol error."))
            return b""
        connection.send(session.outgoing(), self.node.now)
        if session.peer is not None:
            self.broker.identified(number, session.peer.common_name)
        return plain

    def perform(self, effects: list[Effect]) -> None:
        """Send, close and log."""
        for effect in effects:
            match effect:
                case Send(number, data):
                    session = self._sessions.get(number)
                    if session is not None:
                        session.send(data)
                        data = session.outgoing()
                    self._connections[number].send(data, self.node.now)
                case Close(number):
                    connection = self._connections.pop(number)
                    self._sessions.pop(number, None)
                    for door in self._listeners:
                        door.inside.discard(number)
                    connection.signal = Signal()
                    connection.release(self.node.now)
                case Log(_, text):
                    self.log(text)

    def reload(self) -> None:
        """SIGHUP: passwords and access list anew; a mistake in them leaves the old ones."""
        self.log("Reloading config.")
        try:
            self.broker.reload(*self._access())
            for door in self._listeners:
                door.tls = load_tls(self.process, door.config)
        except _Fatal:
            return
        except ConfigError as error:
            self.log(*error.lines)

    def save(self) -> str | None:
        """Write the retained messages; the error in words where that does not work."""
        self._save_at = None
        self.broker.changed = False
        if not self.config.persistence:
            return None
        text = "".join(map(retained_line, self.broker.retained.values()))
        return self._write(self.config.database, text)

    def stop(self) -> None:
        """Leave in order."""
        self.log(f"{VERSION} terminating")
        if self.config.persistence:
            self.log(f"Saving in-memory database to {self.config.database}.")
            error = self.save()
            if error is not None:
                self.log(
                    f"Error saving in-memory database, unable to open {self.config.database}.new for writing.",
                    f"Error: {error}.",
                )
        for connection in self._connections.values():
            connection.release(self.node.now)
        self._connections.clear()


def _files_in(files: FileSystem, folder: str) -> list[tuple[str, str]] | None:
    if not files.is_directory(folder):
        return None
    paths = [posixpath.join(folder, name) for name in files.list(folder)]
    return [(path, files.read(path)) for path in paths if files.is_file(path)]


def _with_port(config: BrokerConfig, port: int) -> BrokerConfig:
    return replace(config, listeners=(*config.listeners, ListenerConfig(port)))


def _verbose(config: BrokerConfig) -> BrokerConfig:
    return replace(config, log_types=LOG_TYPES - {"none"})


def mosquitto(process: Process) -> Routine:
    """The broker. Without -c it uses no file, as the real one does."""
    path: str | None = None
    port: int | None = None
    verbose = False
    words = iter(process.argv[1:])
    for word in words:
        if word in ("-c", "-p"):
            value = next(words, None)
            if value is None:
                what = "config file" if word == "-c" else "port"
                process.error(
                    f"Error: {word} argument given, but no {what} {'given' if word == '-c' else 'specified'}."
                )
                return 3
            if word == "-c":
                path = value
            elif not value.isdecimal() or not 0 < int(value) < 65536:
                process.error(f"Error: Invalid port specified ({value}).")
                return 3
            else:
                port = int(value)
        elif word == "-v":
            verbose = True
        elif word == "-h":
            process.print(*USAGE.split("\n"))
            return 3
        elif word == "-d":
            process.error('mosquitto: "-d" (background) is not simulated here; use systemctl start mosquitto')
            return 3
        else:
            process.error(f"Error: Unknown option '{word}'.")
            process.print(*USAGE.split("\n"))
            return 3
    return (yield from _run(process, path, port, verbose=verbose))


def _run(process: Process, path: str | None, port: int | None, *, verbose: bool) -> Routine:
    server = _Server(process)
    try:
        yield from server.start(path, port, verbose=verbose)
    except _Fatal as fatal:
        return fatal.status
    process.endless = True
    while True:
        try:
            yield from server.serve()
        except Interrupt as interrupt:
            if interrupt.signal == SIGHUP:
                server.reload()
                continue
            server.stop()
            return 0
