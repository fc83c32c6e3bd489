"""Both sides of a TLS connection without I/O: bytes of the wire in, bytes of the application out.

Read first: RFC 8446 §4 and §6. As in `labs.net.tls` nothing is encrypted; what is judged is what OpenSSL judges:
the chain, its dates by the clock of whoever judges, the name, and a certificate of the client where one is asked for.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from labs.net.certificate import (
    Certificate,
    CertificateError,
    certificate_text,
    chain_problem,
    name_problem,
    read_certificates,
)
from labs.net.tls import Record, Records, TlsError, hello, hello_name, record

__all__ = ["TlsClient", "TlsFailure", "TlsServer", "Trust"]

SERVER_HELLO, CERTIFICATE, CERTIFICATE_REQUEST = b"\x02", b"\x0b", b"\x0d"  # RFC 8446 §4
FATAL = 2
# RFC 8446 §6: alerts, and what OpenSSL 3.0 calls the one that it got.
BAD_CERTIFICATE, CERTIFICATE_EXPIRED, UNKNOWN_CA, INTERNAL_ERROR = 42, 45, 48, 80
ALERTS = {
    BAD_CERTIFICATE: "error:0A000412:SSL routines::sslv3 alert bad certificate",
    CERTIFICATE_EXPIRED: "error:0A000415:SSL routines::sslv3 alert certificate expired",
    UNKNOWN_CA: "error:0A000418:SSL routines::tlsv1 alert unknown ca",
    INTERNAL_ERROR: "error:0A000438:SSL routines::tlsv1 alert internal error",
}
VERIFY_FAILED = "error:0A000086:SSL routines::certificate verify failed"
WRONG_VERSION = "error:0A00010B:SSL routines::wrong version number"
NO_CERTIFICATE = "error:0A0000C7:SSL routines::peer did not return a certificate"
# X509_V_ERR_… to the alert that tells it (ssl_x509err2alert of OpenSSL)
ALERT_FOR = {9: BAD_CERTIFICATE, 10: CERTIFICATE_EXPIRED, 18: UNKNOWN_CA, 19: UNKNOWN_CA, 20: UNKNOWN_CA}


class TlsFailure(TlsError):
    """The connection is of no use: what went wrong in plain words, and OpenSSL's line about it."""

    def __init__(self, text: str, openssl: str) -> None:
        super().__init__(text)
        self.openssl = openssl


@dataclass(frozen=True, slots=True)
class Trust:
    """Which certificates are believed, at what time (Unix seconds), and for which name; "" believes any name."""

    authorities: Sequence[Certificate]
    unix_s: float
    host: str = ""

    def problem(self, chain: Sequence[Certificate]) -> tuple[int, str] | None:
        """The alert to send and the words for it, or None."""
        wrong = chain_problem(chain, self.authorities, self.unix_s)
        if wrong is not None:
            return ALERT_FOR[wrong[0]], wrong[1]
        if self.host and name_problem(chain[0], self.host) is not None:
            return INTERNAL_ERROR, "host name verification failed"
        return None


def _alert(number: int) -> bytes:
    return record(Record.ALERT, bytes((FATAL, number)))


def _chain(piece: bytes) -> list[Certificate]:
    try:
        return read_certificates(piece.decode("utf-8", "replace"))
    except CertificateError:
        return []


@dataclass(slots=True, eq=False)
class _Side:
    """What both sides do with records."""

    established: bool = field(default=False, init=False)
    _records: Records = field(default_factory=Records, init=False)
    _out: bytearray = field(default_factory=bytearray, init=False)

    def outgoing(self) -> bytes:
        """The bytes to send now."""
        data = bytes(self._out)
        self._out.clear()
        return data

    def send(self, data: bytes) -> None:
        """Queue data of the application."""
        if data:
            self._out += record(Record.APPLICATION, data)

    def receive(self, data: bytes) -> bytes:
        """Bytes of the wire; returns data of the application. Raises TlsFailure, after which `outgoing` goes out."""
        try:
            pieces = self._records.feed(data)
        except TlsError as error:
            raise TlsFailure(str(error), WRONG_VERSION) from None
        plain = b""
        for kind, piece in pieces:
            if kind is Record.ALERT:
                number = piece[-1] if piece else 0
                known = ALERTS.get(number, f"error:0A000{400 + number % 100}:SSL routines::alert number {number}")
                raise TlsFailure(known.rpartition("::")[2], known)
            if kind is Record.APPLICATION:
                plain += piece
            else:
                self._handshake(piece)
        return plain

    def _handshake(self, piece: bytes) -> None:
        raise NotImplementedError


@dataclass(slots=True, eq=False)
class TlsClient(_Side):
    """The side that begins. `own` is its certificate, shown where the server asks for one."""

    trust: Trust
    name: str
    own: Sequence[Certificate] = ()

    def __post_init__(self) -> None:
        self._out += hello(self.name)

    def _handshake(self, piece: bytes) -> None:
        if piece[:1] == SERVER_HELLO:
            chain = _chain(piece[1:])
            if not chain:
                raise TlsFailure("the server shows no certificate", VERIFY_FAILED)
            problem = self.trust.problem(chain)
            if problem is not None:
                self._out += _alert(problem[0])
                raise TlsFailure(problem[1], VERIFY_FAILED)
            self.established = True
        elif piece[:1] == CERTIFICATE_REQUEST:
            self._out += record(Record.HANDSHAKE, CERTIFICATE + "".join(map(certificate_text, self.own)).encode())


@dataclass(slots=True, eq=False)
class TlsServer(_Side):
    """The side that is called. With `trust` every client has to show a certificate."""

    chain: Sequence[Certificate]
    trust: Trust | None = None
    peer: Certificate | None = field(default=None, init=False)
    """What the client showed."""

    def _handshake(self, piece: bytes) -> None:
        if piece[:1] == CERTIFICATE:
            self._judge(_chain(piece[1:]))
            return
        try:
            hello_name(piece)
        except TlsError as error:
            raise TlsFailure(str(error), WRONG_VERSION) from None
        self._out += record(Record.HANDSHAKE, SERVER_HELLO + "".join(map(certificate_text, self.chain)).encode())
        if self.trust is not None:
            self._out += record(Record.HANDSHAKE, CERTIFICATE_REQUEST)
        else:
            self.established = True

    def _judge(self, chain: list[Certificate]) -> None:
        assert self.trust is not None
        if not chain:
            self._out += _alert(INTERNAL_ERROR)
            raise TlsFailure("peer did not return a certificate", NO_CERTIFICATE)
        problem = self.trust.problem(chain)
        if problem is not None:
            self._out += _alert(problem[0])
            raise TlsFailure(problem[1], VERIFY_FAILED)
        self.peer = chain[0]
        self.established = True
