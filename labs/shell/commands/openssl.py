"""openssl: look at a certificate, and make a new self-signed one. Compare with OpenSSL 3.0.

The files are readable text in place of base64: see labs.net.certificate.
"""

from __future__ import annotations

from collections.abc import Sequence

from labs.net.certificate import Certificate, CertificateError, certificate_text, read_certificates
from labs.net.filesystem import FileError
from labs.net.process import Process, Program
from labs.shell.web import certificate_date

__all__ = ["COMMANDS"]

DAY_S = 86_400
SHOWN = ("-dates", "-startdate", "-enddate", "-subject", "-issuer", "-text")
OTHERS = frozenset(
    "asn1parse ca ciphers crl dgst enc genpkey genrsa pkcs12 pkey rand rsa s_client s_server verify".split()
)


def openssl(process: Process) -> int:
    """`openssl x509 …` and `openssl req -x509 …`."""
    if process.argv[1:] == ["--help"]:
        process.print("Usage: openssl x509 -in FILE -noout [-dates] [-subject] [-issuer] | openssl req -x509 ...")
        return 0
    words = process.argv[1:]
    match words:
        case ["x509", *rest]:
            return _x509(process, rest)
        case ["req", *rest] if "-x509" in rest:
            return _request(process, rest)
        case ["version", *_]:
            process.print("OpenSSL 3.0.19 (simulated)")
            return 0
        case [word, *_] if word in OTHERS or word == "req":
            process.error(
                f'openssl: "{word}" is not simulated here; use x509 -in FILE -noout -dates -subject, req -x509, curl -v'
            )
            return 1
        case [word, *_]:
            process.error(f"Invalid command '{word}'; type \"help\" for a list.")
            return 1
    process.error(
        "openssl: a prompt of its own is not simulated here; use: openssl x509 -in FILE -noout -dates -subject"
    )
    return 1


def _subject(name: str) -> str:
    """OpenSSL puts spaces around the equals sign."""
    return name.replace("=", " = ")


def _value(words: Sequence[str], option: str) -> str | None:
    return words[words.index(option) + 1] if option in words[:-1] else None


def _x509(process: Process, words: Sequence[str]) -> int:
    path = _value(words, "-in")
    rest = [word for index, word in enumerate(words) if word not in ("-in", "-ext", "-checkend", "-noout") and index > 0
            and words[index - 1] not in ("-in", "-ext", "-checkend")]  # fmt: skip
    unknown = next((word for word in rest if word not in SHOWN), None)
    if unknown is not None:
        process.error(f"x509: Unknown option or cipher: {unknown.lstrip('-')}", "x509: Use -help for summary.")
        return 1
    if path is None:
        process.error("x509: reading from standard input is not simulated here; use -in FILE")
        return 1
    try:
        certificate = read_certificates(process.node.files.read(process.node.files.resolve(path, process.directory)))[0]
    except FileError as error:
        process.error(
            f"Could not open file or uri for loading certificate from {path}: {error}", "Unable to load certificate"
        )
        return 1
    except CertificateError:
        process.error(f"Could not read certificate from {path}", "Unable to load certificate")
        return 1
    return _show(process, certificate, words)


def _show(process: Process, certificate: Certificate, words: Sequence[str]) -> int:
    start, end = (f"{certificate_date(moment)}" for moment in (certificate.not_before, certificate.not_after))
    for word in words:
        if word in ("-startdate", "-dates"):
            process.print(f"notBefore={start}")
        if word in ("-enddate", "-dates"):
            process.print(f"notAfter={end}")
        if word == "-subject":
            process.print(f"subject={_subject(certificate.subject)}")
        if word == "-issuer":
            process.print(f"issuer={_subject(certificate.issuer)}")
        if word == "-ext" and certificate.names:
            names = ", ".join(f"DNS:{name}" for name in certificate.names)
            process.print("X509v3 Subject Alternative Name: ", f"    {names}")
        if word == "-text":
            process.print("Certificate:", f"    Issuer: {_subject(certificate.issuer)}", "    Validity")
            process.print(f"        Not Before: {start}", f"        Not After : {end}")
            process.print(f"    Subject: {_subject(certificate.subject)}")
    seconds = _value(words, "-checkend")
    if seconds is not None and seconds.isdecimal():
        expires = certificate.not_after < process.node.wall_clock() + int(seconds)
        process.print("Certificate will expire" if expires else "Certificate will not expire")
        return int(expires)
    if "-noout" not in words:
        process.stdout.write(certificate_text(certificate))
    return 0


def _request(process: Process, words: Sequence[str]) -> int:
    """A new key and a certificate that it signs itself; -addext subjectAltName=DNS:… gives it more names."""
    subject, key, out = _value(words, "-subj"), _value(words, "-keyout"), _value(words, "-out")
    days = _value(words, "-days") or "30"
    if subject is None or key is None or out is None or "-nodes" not in words or not days.isdecimal():
        process.error(
            "req: simulated is: openssl req -x509 -newkey rsa:2048 -nodes -keyout FILE -out FILE -subj /CN=NAME -days N"
        )
        return 1
    if not subject.startswith("/"):
        process.error("req: subject name is expected to be in the format /type0=value0/type1=value1/type2=... where "
                      f"characters may be escaped by \\. This name is not in that format: '{subject}'")  # fmt: skip
        return 1
    names = (_value(words, "-addext") or "").removeprefix("subjectAltName").lstrip(" =").split(",")
    name = ", ".join(subject.strip("/").split("/"))
    now = int(process.node.wall_clock())
    number = str(process.node.now // 1_000_000 % 1_000_000 + process.pid)
    certificate = Certificate(
        name,
        name,
        now,
        now + int(days) * DAY_S,
        tuple(n.strip().removeprefix("DNS:") for n in names if n.strip()),
        number,
    )
    files = process.node.files
    try:
        files.write(
            files.resolve(key, process.directory),
            f"-----BEGIN PRIVATE KEY-----\nKey: {number}\n-----END PRIVATE KEY-----\n",
        )
        files.write(files.resolve(out, process.directory), certificate_text(certificate))
    except FileError as error:
        process.error(f'req: Can\'t open "{key}" or "{out}" for writing, {error}')
        return 1
    process.error("-----")
    return 0


COMMANDS: dict[str, Program] = {"openssl": openssl}
