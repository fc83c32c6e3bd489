"""How a client wants its TLS: which authorities, whether the name counts, a certificate of its own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from labs.net.certificate import Certificate, CertificateError, read_certificates, read_key
from labs.net.tls_session import TlsClient, Trust

if TYPE_CHECKING:
    from labs.net.process import Process

__all__ = ["TlsOptions", "certificates_in", "client_session", "own_certificate", "system_certificates"]

CERTIFICATES = "/etc/ssl/certs"


@dataclass(frozen=True, slots=True)
class TlsOptions:
    """Paths of PEM files; without `cafile` the authorities of the system count (/etc/ssl/certs)."""

    cafile: str = ""
    certfile: str = ""
    keyfile: str = ""
    insecure: bool = False
    """The name in the certificate does not count."""


def certificates_in(process: Process, path: str) -> list[Certificate]:
    """Every certificate of a file. Raises CertificateError where there is no such file or nothing in it."""
    files = process.node.files
    full = files.resolve(path, process.directory)
    if not files.is_file(full):
        message = "No such file or directory"
        raise CertificateError(message)
    return read_certificates(files.read(full))


def system_certificates(process: Process) -> list[Certificate]:
    """Every certificate in /etc/ssl/certs."""
    files = process.node.files
    found: list[Certificate] = []
    for name in files.list(CERTIFICATES) if files.is_directory(CERTIFICATES) else ():
        try:
            found += read_certificates(files.get(f"{CERTIFICATES}/{name}"))
        except CertificateError:
            continue
    return found


def own_certificate(process: Process, certfile: str, keyfile: str) -> list[Certificate]:
    """A certificate chain whose key is in the other file. Raises CertificateError with the path that is wrong."""
    try:
        chain = certificates_in(process, certfile)
    except CertificateError as error:
        message = f"{certfile}: {error}"
        raise CertificateError(message) from None
    files = process.node.files
    full = files.resolve(keyfile, process.directory)
    try:
        key = read_key(files.read(full) if files.is_file(full) else "")
    except CertificateError as error:
        message = f"{keyfile}: {error}"
        raise CertificateError(message) from None
    if key != chain[0].key:
        message = f"{keyfile}: key values mismatch"
        raise CertificateError(message)
    return chain


def client_session(process: Process, options: TlsOptions, host: str) -> TlsClient:
    """The client side of a connection to `host`. Raises CertificateError for a file that cannot be used."""
    if options.cafile:
        try:
            authorities = certificates_in(process, options.cafile)
        except CertificateError as error:
            message = f"{options.cafile}: {error}"
            raise CertificateError(message) from None
    else:
        authorities = system_certificates(process)
    own = own_certificate(process, options.certfile, options.keyfile) if options.certfile else ()
    trust = Trust(authorities, process.node.wall_clock(), "" if options.insecure else host)
    return TlsClient(trust, host, own)
