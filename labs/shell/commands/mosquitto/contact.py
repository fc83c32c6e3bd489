"""What mosquitto_pub and mosquitto_sub have in common: usage, and getting in touch with a broker."""

from __future__ import annotations

from collections.abc import Generator

from labs.net.process import Process, Wait
from labs.net.sockets import SocketError
from labs.shell.commands.mosquitto.options import Help, Options, OptionsError, parse
from labs.shell.mqtt_link import MqttLink
from labs.shell.resolver import ResolveError

__all__ = ["connect", "read_options"]

VERSION = "version 2.0.11"


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
        yield from link.open(options.host, options.port, options.hello(process.pid), trace=trace)
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
