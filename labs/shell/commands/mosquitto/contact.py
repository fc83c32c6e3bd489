"""What mosquitto_pub and mosquitto_sub have in common: usage, and getting in touch with a broker."""

from __future__ import annotations

from collections.abc import Generator

from labs.net.certificate import CertificateError
from labs.net.process import Process, Wait
from labs.net.sockets import SocketError
from labs.net.tls_session import TlsFailure
from labs.shell.commands.mosquitto.options import Help, Options, OptionsError, parse
from labs.shell.mqtt_link import MqttLink
from labs.shell.resolver import ResolveError

__all__ = ["connect", "read_options"]

VERSION = "version 2.0.11"
CHECK_OPTIONS = "check the options are valid."


def read_options(process: Process, usage: str) -> Options | None:
    """The options, or None after telling what is wrong (exit status 1)."""
    program = process.argv[0]
    try:
        return parse(program, process.argv[1:])
    except Help:
        process.print(*usage.split("\n"))
    except OptionsError as error:
        process.error(*error.text.split("\n"))
        if error.hint:
            process.error("", f"Use '{program} --help' to see usage.")
    return None


def connect(process: Process, options: Options, link: MqttLink) -> Generator[Wait, None, bool]:
    """Open the connection and say CONNECT. Tells what went wrong; then the exit status is 1."""
    trace = process.print if options.debug else None
    try:
        yield from link.open(
            options.host, options.port or 0, options.hello(process.pid), trace=trace, tls=options.tls()
        )
    except CertificateError as error:
        what = "File not found." if str(error).endswith("No such file or directory") else CHECK_OPTIONS
        complain(process, options, f"Error: Problem setting TLS options: {what}")
    except TlsFailure as failure:
        complain(process, options, "Unable to connect (A TLS error occurred.).")
        if options.debug:  # what the real tools say, and no more: they keep the reason to themselves
            named = "host name" in str(failure)
            process.print(*(["Error: host name verification failed."] if named else []))
            process.print(f"OpenSSL Error[0]: {failure.openssl}")
    except ResolveError:
        complain(process, options, "Unable to connect (Lookup error.).")
    except SocketError as error:
        complain(process, options, f"Error: {error}")
    else:
        return True
    return False


def complain(process: Process, options: Options, text: str) -> None:
    """An error, unless --quiet."""
    if not options.quiet:
        process.error(text)
