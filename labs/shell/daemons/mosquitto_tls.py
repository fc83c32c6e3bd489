"""The certificates of a listener of mosquitto: read at the start and at SIGHUP, with OpenSSL's words for mistakes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from labs.net.certificate import Certificate, CertificateError
from labs.net.tls_session import TlsServer, Trust
from labs.shell.tls_options import certificates_in, own_certificate
from labs.things.mosquitto_conf import ConfigError

if TYPE_CHECKING:
    from labs.net.process import Process
    from labs.things.mosquitto_conf import ListenerConfig

__all__ = ["TlsFiles", "load_tls"]

VERSIONS = ("", "tlsv1.1", "tlsv1.2", "tlsv1.3")
NO_FILE = "error:80000002:system library::No such file or directory"
# What OpenSSL 3.0 prints below mosquitto's line: for a file that is not there, and for one with something else in it.
MISSING = {
    "cafile": (
        NO_FILE,
        "error:10000080:BIO routines::no such file",
        "error:05880002:x509 certificate routines::system lib",
    ),
    "certfile": (NO_FILE, "error:10080002:BIO routines::system lib", "error:0A080002:SSL routines::system lib"),
}
NOT_PEM = ("error:0480006C:PEM routines::no start line", "error:0A080009:SSL routines::PEM lib")
MISMATCH = ("error:05800074:x509 certificate routines::key values mismatch",)


class TlsFiles(NamedTuple):
    """What a listener shows, and whom it believes where it asks for certificates."""

    chain: Sequence[Certificate]
    authorities: Sequence[Certificate] | None

    def session(self, unix_s: float) -> TlsServer:
        """The server side of a new connection."""
        return TlsServer(self.chain, None if self.authorities is None else Trust(self.authorities, unix_s))


def load_tls(process: Process, listener: ListenerConfig) -> TlsFiles | None:
    """The files of a listener, or None for one without TLS. Raises ConfigError with mosquitto's own lines."""
    if not listener.tls:
        return None
    if listener.tls_version not in VERSIONS:
        message = f'Error: Unsupported tls_version "{listener.tls_version}".'
        raise ConfigError(message)
    authorities: Sequence[Certificate] = ()
    if listener.cafile:
        try:
            authorities = certificates_in(process, listener.cafile)
        except CertificateError as error:
            raise _refused(
                "cafile", f'Unable to load CA certificates. Check cafile "{listener.cafile}".', error
            ) from None
    try:
        chain = certificates_in(process, listener.certfile)
    except CertificateError as error:
        text = f'Unable to load server certificate "{listener.certfile}". Check certfile.'
        raise _refused("certfile", text, error) from None
    try:
        own_certificate(process, listener.certfile, listener.keyfile)
    except CertificateError as error:
        missing = not process.node.files.is_file(listener.keyfile)
        text = f'Unable to load server key file "{listener.keyfile}". Check keyfile.'
        raise _refused("keyfile", text, CertificateError("No such file") if missing else error) from None
    return TlsFiles(chain, authorities if listener.require_certificate else None)


def _refused(option: str, text: str, error: CertificateError) -> ConfigError:
    causes: tuple[str, ...]
    if "No such file" in str(error):
        causes = MISSING.get(option, MISSING["certfile"])
    elif "mismatch" in str(error):
        causes = MISMATCH
    else:
        causes = NOT_PEM
    lines = [f"OpenSSL Error[{number}]: {cause}" for number, cause in enumerate(causes)]
    return ConfigError(f"Error: {text}", *lines, status=1)
