"""Certificates that people can read, and how they are judged.

Before changing this file read RFC 5280 §6 and RFC 6125 §6.4. A file looks like PEM, with text in place of base64:

    -----BEGIN CERTIFICATE-----
    Subject: CN=shop.example
    Issuer: CN=Shop CA
    Not-Before: 2026-01-01 00:00:00
    Not-After: 2027-01-01 00:00:00
    Names: shop.example, www.shop.example
    Key: 41
    -----END CERTIFICATE-----

A key file has one line `Key: 41` between BEGIN and END PRIVATE KEY. There is no cryptography: an issuer is recognised
by its name, and a key belongs to a certificate with the same `Key:`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import NamedTuple

__all__ = [
    "Certificate",
    "CertificateError",
    "certificate_text",
    "chain_problem",
    "name_problem",
    "read_certificates",
    "read_key",
]

FORM = "%Y-%m-%d %H:%M:%S"
LONGEST_CHAIN = 8
_BLOCK = re.compile(r"-----BEGIN CERTIFICATE-----\n(.*?)-----END CERTIFICATE-----", re.DOTALL)
_KEY = re.compile(r"-----BEGIN (?:RSA |EC )?PRIVATE KEY-----\n(.*?)-----END (?:RSA |EC )?PRIVATE KEY-----", re.DOTALL)


class CertificateError(ValueError):
    """A file without a readable certificate or key."""


class Certificate(NamedTuple):
    """One certificate. Times are Unix seconds."""

    subject: str
    issuer: str
    not_before: int
    not_after: int
    names: tuple[str, ...] = ()
    key: str = ""

    @property
    def common_name(self) -> str:
        """The CN of the subject."""
        return next((part.strip()[3:] for part in self.subject.split(",") if part.strip().startswith("CN=")), "")


def _seconds(text: str) -> int:
    return int(datetime.strptime(text, FORM).replace(tzinfo=UTC).timestamp())


def _fields(block: str) -> dict[str, str]:
    pairs = (line.partition(":") for line in block.splitlines() if line.strip())
    return {name.strip().lower(): value.strip() for name, _, value in pairs}


def read_certificates(text: str) -> list[Certificate]:
    """Every certificate of a file, the server's own first. Raises CertificateError where there is none or a bad one."""
    found = []
    for block in _BLOCK.findall(text):
        fields = _fields(block)
        try:
            names = tuple(
                name.strip().removeprefix("DNS:") for name in fields.get("names", "").split(",") if name.strip()
            )
            found.append(
                Certificate(
                    fields["subject"],
                    fields["issuer"],
                    _seconds(fields["not-before"]),
                    _seconds(fields["not-after"]),
                    names,
                    fields.get("key", ""),
                )
            )
        except (KeyError, ValueError):
            message = "a certificate without Subject, Issuer, Not-Before or Not-After"
            raise CertificateError(message) from None
    if not found:
        message = "no certificate"
        raise CertificateError(message)
    return found


def read_key(text: str) -> str:
    """The key of a key file. Raises CertificateError."""
    match = _KEY.search(text)
    if match is None or "key" not in _fields(match[1]):
        message = "no key"
        raise CertificateError(message)
    return _fields(match[1])["key"]


def certificate_text(certificate: Certificate) -> str:
    """A certificate as a file."""
    lines = [
        "-----BEGIN CERTIFICATE-----",
        f"Subject: {certificate.subject}",
        f"Issuer: {certificate.issuer}",
        f"Not-Before: {datetime.fromtimestamp(certificate.not_before, UTC):{FORM}}",
        f"Not-After: {datetime.fromtimestamp(certificate.not_after, UTC):{FORM}}",
    ]
    lines += [f"Names: {', '.join(certificate.names)}"] if certificate.names else []
    lines += [f"Key: {certificate.key}"] if certificate.key else []
    return "\n".join([*lines, "-----END CERTIFICATE-----", ""])


def chain_problem(chain: Sequence[Certificate], trusted: Sequence[Certificate], now: float) -> tuple[int, str] | None:
    """What is wrong with a chain, as OpenSSL's number and words (X509_V_ERR_…), or None. `now` is Unix seconds."""
    path = [chain[0]]
    roots = {certificate.subject for certificate in trusted}
    while path[-1].subject not in roots:
        last = path[-1]
        if last.issuer == last.subject:
            own = len(path) == 1
            return (18, "self-signed certificate") if own else (19, "self-signed certificate in certificate chain")
        issuer = next((c for c in (*trusted, *chain[1:]) if c.subject == last.issuer), None)
        if issuer is None or len(path) >= LONGEST_CHAIN:
            return 20, "unable to get local issuer certificate"
        path.append(issuer)
    for certificate in reversed(path):
        if now < certificate.not_before:
            return 9, "certificate is not yet valid"
        if now > certificate.not_after:
            return 10, "certificate has expired"
    return None


def name_problem(certificate: Certificate, host: str) -> str | None:
    """Why a certificate is not for this host, in the words of curl with OpenSSL, or None."""
    host = host.rstrip(".").lower()
    if certificate.names:
        if any(_matches(name.lower().removeprefix("ip:"), host) for name in certificate.names):
            return None
        return f"no alternative certificate subject name matches target host name '{host}'"
    if _matches(certificate.common_name.lower(), host):
        return None
    return f"certificate subject name '{certificate.common_name}' does not match target host name '{host}'"


def _matches(pattern: str, host: str) -> bool:
    """RFC 6125 §6.4.3: a star stands for the whole first label."""
    if pattern.startswith("*."):
        label, dot, rest = host.partition(".")
        return bool(label and dot) and rest == pattern[2:]
    return pattern == host
