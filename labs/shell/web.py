"""One HTTP or HTTPS exchange, for curl and wget: resolve, connect, see the certificate, ask, read the answer."""

from __future__ import annotations

import re
from collections.abc import Callable, Generator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import NamedTuple

from labs.model.addresses import Address, IPv6
from labs.net import http, tls
from labs.net.certificate import Certificate, CertificateError, chain_problem, name_problem, read_certificates
from labs.net.http import HttpError, Request, Response
from labs.net.process import Process, Wait
from labs.net.sockets import SocketError, connect
from labs.net.tcp import TcpConnection
from labs.net.tls import Record, Records, TlsError
from labs.shell.resolver import Place, ResolveError, lookup
from labs.shell.tls_options import system_certificates

__all__ = ["Exchange", "Url", "WebError", "read_url", "trusted_certificates"]

MAX_BODY = 1 << 20
ALERTS = {9: "bad certificate (554)", 10: "certificate expired (557)", 18: "unknown CA (560)", 19: "unknown CA (560)"}


class WebError(Exception):
    """How an exchange failed: curl's exit status and its words."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


class Url(NamedTuple):
    """The parts of an address."""

    scheme: str
    host: str
    port: int
    target: str

    @property
    def authority(self) -> str:
        """The value of the Host field; an IPv6 address stands in brackets."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == {"http": 80, "https": 443}[self.scheme] else f"{host}:{self.port}"

    def __str__(self) -> str:
        return f"{self.scheme}://{self.authority}{self.target}"


def read_url(text: str) -> Url:
    """Read an address; without a scheme it is http. Raises WebError."""
    scheme, separator, rest = text.partition("://")
    if not separator:
        scheme, rest = "http", text
    if scheme.lower() not in ("http", "https"):
        raise WebError(1, f'Protocol "{scheme}" not supported or disabled in libcurl')
    match = re.fullmatch(
        r"(\[[0-9A-Fa-f:.]+(?:%[\w.-]+)?\]|[^/?#:@\s\[\]]+)(?::(\d{1,6}))?([/?][^#\s]*)?(?:#.*)?", rest
    )
    port = int(match[2]) if match is not None and match[2] else {"http": 80, "https": 443}[scheme.lower()]
    if match is None or not 0 < port < 65536:
        raise WebError(3, "URL using bad/illegal format or missing URL")
    target = match[3] or "/"
    return Url(scheme.lower(), match[1].strip("[]"), port, target if target.startswith("/") else f"/{target}")


def trusted_certificates(process: Process, extra: str = "") -> list[Certificate]:
    """Every certificate in /etc/ssl/certs, and those of one more file."""
    found = system_certificates(process)
    with suppress(CertificateError):
        found += read_certificates(process.node.files.get(extra)) if extra else []
    return found


@dataclass(slots=True, eq=False)
class Exchange:
    """One request and its answer. `say` gets the lines that `curl -v` shows, without the star."""

    process: Process
    url: Url
    deadline_ns: int | None = None
    connect_timeout_ns: int | None = None
    insecure: bool = False
    authorities: str = ""
    address: Address | None = None
    say: Callable[[str, str], None] = lambda sign, text: None
    family: str = ""
    verify_result: int = 0
    unresolved: str = ""
    """Why the name of the host has no address, in the words of the C library."""
    places: list[Place] = field(default_factory=list)
    """The addresses of the host, when they are known."""
    _records: Records = field(default_factory=Records)
    _began_ns: int = 0
    _certificates: list[Certificate] = field(default_factory=list)

    def run(self, request: Request) -> Generator[Wait, None, Response]:
        """Do it all. Raises WebError."""
        self._began_ns = self.process.node.now
        self.places = [Place(self.address)] if self.address is not None else (yield from self._resolve())
        connection = yield from self._connect_any(self.places)
        try:
            if self.url.scheme == "https":
                yield from self._shake_hands(connection)
            self._send(connection, request)
            return (yield from self._read(connection, head_only=request.method == "HEAD"))
        finally:
            connection.close(self.process.node.now)

    def elapsed_ms(self) -> int:
        """Since the start."""
        return (self.process.node.now - self._began_ns) // 1_000_000

    def _first_deadline(self) -> int | None:
        limits = [self.deadline_ns] if self.deadline_ns is not None else []
        if self.connect_timeout_ns is not None:
            limits.append(self._began_ns + self.connect_timeout_ns)
        return min(limits, default=None)

    def _resolve(self) -> Generator[Wait, None, list[Place]]:
        deadline = self._first_deadline()
        looking = lookup(self.process, self.url.host, family=self.family)
        try:
            wait = next(looking)
            while True:
                until = wait.until if deadline is None else min(deadline, wait.until or deadline)
                yield Wait(wait.signals, until)
                if deadline is not None and self.process.node.now >= deadline:
                    looking.close()
                    raise WebError(28, f"Resolving timed out after {self.elapsed_ms()} milliseconds")
                wait = next(looking)
        except StopIteration as end:
            found: list[Place] = end.value
            return found
        except ResolveError as error:
            self.unresolved = str(error)
            self.say("*", f"Could not resolve host: {self.url.host}")
            raise WebError(6, f"Could not resolve host: {self.url.host}") from None

    def _connect_any(self, places: list[Place]) -> Generator[Wait, None, TcpConnection]:
        """The first address that answers; the last one says how it failed."""
        for place in places[:-1]:
            try:
                return (yield from self._connect(place, last=False))
            except SocketError:
                continue
        return (yield from self._connect(places[-1], last=True))

    def _connect(self, place: Place, *, last: bool) -> Generator[Wait, None, TcpConnection]:
        shown = f"[{place}]" if isinstance(place.address, IPv6) else str(place)
        address = place.address
        self.say("*", f"  Trying {shown}:{self.url.port}...")
        deadline = self._first_deadline()
        timeout = None if deadline is None else max(0, deadline - self.process.node.now)
        try:
            self.address = address
            over = self.process.node.interfaces.get(place.zone)
            connection = yield from connect(self.process, address, self.url.port, timeout_ns=timeout, interface=over)
        except SocketError as error:
            where = f"{self.url.host} port {self.url.port}"
            if deadline is not None and self.process.node.now >= deadline:
                late = f"Failed to connect to {where} after {self.elapsed_ms()} ms: Timeout was reached"
                if deadline == self.deadline_ns:
                    late = f"Connection timed out after {self.elapsed_ms()} milliseconds"
                raise WebError(28, late) from None
            self.say("*", f"connect to {address} port {self.url.port} failed: {error}")
            if not last:
                raise
            text = f"Failed to connect to {where} after {self.elapsed_ms()} ms: Couldn't connect to server"
            self.say("*", text)
            raise WebError(7, text) from None
        self.say("*", f"Connected to {self.url.host} ({address}) port {self.url.port} (#0)")
        return connection

    def _more(self, connection: TcpConnection) -> Generator[Wait, None, bytes]:
        """What arrives next; empty at the end. Raises WebError when the time is up."""
        node = self.process.node
        while not connection.inbox and not connection.peer_done:
            if self.deadline_ns is not None and node.now >= self.deadline_ns:
                raise WebError(28, f"Operation timed out after {self.elapsed_ms()} milliseconds with 0 bytes received")
            yield Wait((connection.signal,), self.deadline_ns)
        return connection.receive()

    # TLS

    def _shake_hands(self, connection: TcpConnection) -> Generator[Wait, None, None]:
        self.say("*", "ALPN: offers h2,http/1.1")
        self.say("*", "TLSv1.3 (OUT), TLS handshake, Client hello (1):")
        connection.send(tls.hello(self.url.host), self.process.node.now)
        records: list[tuple[Record, bytes]] = []
        while not records:
            data = yield from self._more(connection)
            if not data:
                if connection.error:
                    raise WebError(
                        35, f"OpenSSL SSL_connect: {connection.error} in connection to {self.url.host}:{self.url.port} "
                    )
                raise WebError(35, "OpenSSL/3.0.19: error:0A000126:SSL routines::unexpected eof while reading")
            try:
                records = self._records.feed(data)
            except TlsError:
                raise WebError(35, "OpenSSL/3.0.19: error:0A00010B:SSL routines::wrong version number") from None
        self.say("*", "TLSv1.3 (IN), TLS handshake, Server hello (2):")
        self.say("*", "TLSv1.3 (IN), TLS handshake, Certificate (11):")
        try:
            self._certificates = read_certificates(records[0][1][1:].decode("utf-8", "replace"))
        except CertificateError:
            raise WebError(35, "OpenSSL/3.0.19: error:0A000410:SSL routines::sslv3 alert handshake failure") from None
        self._judge()

    def _judge(self) -> None:
        """Whether this chain is to be believed, now, for this name. Raises WebError."""
        own = self._certificates[0]
        trusted = trusted_certificates(self.process, self.authorities)
        problem = chain_problem(self._certificates, trusted, self.process.node.wall_clock())
        self.verify_result = problem[0] if problem else 0
        if problem and not self.insecure:
            alert = ALERTS.get(problem[0], "unknown CA (560)")
            self.say("*", f"TLSv1.3 (OUT), TLS alert, {alert}:")
            self.say("*", f"SSL certificate problem: {problem[1]}")
            raise WebError(60, f"SSL certificate problem: {problem[1]}")
        self.say("*", "SSL connection using TLSv1.3 / TLS_AES_256_GCM_SHA384")
        self.say("*", "Server certificate:")
        self.say("*", f" subject: {own.subject}")
        for word, moment in (("start", own.not_before), ("expire", own.not_after)):
            self.say("*", f" {word} date: {certificate_date(moment)}")
        wrong = name_problem(own, self.url.host)
        if wrong is not None and not self.insecure:
            self.say("*", f"SSL: {wrong}")
            raise WebError(60, f"SSL: {wrong}")
        self.say("*", f" issuer: {own.issuer}")
        if problem:
            self.say("*", f" SSL certificate verify result: {problem[1]} ({problem[0]}), continuing anyway.")
        else:
            self.say("*", " SSL certificate verify ok.")

    # HTTP

    def _send(self, connection: TcpConnection, request: Request) -> None:
        data = http.request_bytes(request)
        self.say("*", "using HTTP/1.x")
        for line in (
            f"{request.method} {request.target} {request.version}",
            *(f"{k}: {v}" for k, v in request.headers),
            "",
        ):
            self.say(">", line)
        connection.send(
            tls.record(Record.APPLICATION, data) if self.url.scheme == "https" else data, self.process.node.now
        )

    def _read(self, connection: TcpConnection, *, head_only: bool) -> Generator[Wait, None, Response]:
        buffer = b""
        while True:
            data = yield from self._more(connection)
            ended = not data
            if self.url.scheme == "https":
                try:
                    data = b"".join(piece for _, piece in self._records.feed(data))
                except TlsError:
                    raise WebError(56, "OpenSSL SSL_read: wrong version number") from None
            buffer += data
            try:
                response = http.read_response(buffer, ended=ended, head_only=head_only)
            except HttpError:
                raise WebError(1, "Received HTTP/0.9 when not allowed") from None
            if ended and connection.error:
                self.say("*", f"Recv failure: {connection.error}")
                raise WebError(56, f"Recv failure: {connection.error}")
            if response is not None:
                return self._whole(response, head_only=head_only)
            if ended:
                raise (
                    WebError(52, "Empty reply from server")
                    if not buffer
                    else WebError(1, "Received HTTP/0.9 when not allowed")
                )
            if len(buffer) > MAX_BODY + 20_000:
                raise WebError(63, "Maximum file size exceeded")

    def _whole(self, response: Response, *, head_only: bool) -> Response:
        self.say("<", f"{response.version} {response.status} {response.reason}")
        for name, value in response.headers:
            self.say("<", f"{name}: {value}")
        self.say("<", "")
        missing = (response.length or 0) - len(response.body)
        if missing > 0 and not head_only and response.status not in (204, 304):
            raise WebError(18, f"transfer closed with {missing} bytes remaining to read")
        return response


def certificate_date(moment: int) -> str:
    """A time as OpenSSL prints it: `Nov  2 07:57:02 2026 GMT`."""
    from labs.net.strftime import clock_text

    return clock_text(moment, "%b %e %H:%M:%S %Y GMT")
