"""mosquitto_pub(1)."""

from __future__ import annotations

from collections.abc import Generator

from labs.net.filesystem import FileError
from labs.net.process import Interrupt, Process, Routine, Wait
from labs.shell.commands.mosquitto.contact import VERSION, complain, connect, read_options
from labs.shell.commands.mosquitto.options import Options
from labs.shell.mqtt_link import MqttLink
from labs.things.mqtt.client import Connected, Event, Lost, Published, Refused, refusal

__all__ = ["mosquitto_pub"]

EXIT_LOST = 7  # MOSQ_ERR_CONN_LOST
SECOND = 1_000_000_000
USAGE = f"""mosquitto_pub is a simple mqtt client that will publish a message on a single topic and exit.
mosquitto_pub {VERSION} (simulated)

Usage: mosquitto_pub {{[-h host] [-p port] [-u username] [-P password] -t topic | -L URL}}
                     {{-f file | -l | -n | -m message | -s}}
                     [-c] [-k keepalive] [-q qos] [-r] [--repeat N] [--repeat-delay time]
                     [-i id] [-I id_prefix] [-V mqttv31|mqttv311|mqttv5]
                     [-d] [--quiet]
                     [--cafile file [--cert file --key file] [--tls-version version] [--insecure]]
                     [-D command identifier value] [-x session-expiry-interval]
                     [--will-topic [--will-payload payload] [--will-qos qos] [--will-retain]]
       mosquitto_pub --help

See https://mosquitto.org/ for more information."""


class _Ended(Exception):
    """The connection has gone; everything was said."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


class _Publisher:
    def __init__(self, process: Process, options: Options) -> None:
        self.process = process
        self.options = options
        self.link = MqttLink(process)
        self.waiting: set[int] = set()

    def take(self, events: list[Event]) -> None:
        """Raises _Ended."""
        for event in events:
            match event:
                case Refused(code):
                    complain(self.process, self.options, f"Connection error: {refusal(code)}")
                    complain(self.process, self.options, "Error: The connection was refused.")
                    raise _Ended(code)
                case Lost(reason) if reason.startswith("TLS: "):
                    complain(self.process, self.options, "Error: Protocol error")
                    raise _Ended(1)
                case Lost():
                    complain(self.process, self.options, "Error: The connection was lost.")
                    raise _Ended(EXIT_LOST)
                case Published(number, reason):
                    self.waiting.discard(number)
                    if reason >= 128:
                        complain(self.process, self.options, f"Warning: Publish {number} failed: {refusal(reason)}.")
                case _:
                    pass

    def welcome(self) -> Generator[Wait, None, None]:
        while True:
            events = yield from self.link.step()
            self.take(events)
            if any(isinstance(event, Connected) for event in events):
                return

    def publish(self, payload: bytes) -> Generator[Wait, None, None]:
        options, client = self.options, self.link.client
        now = self.process.node.now
        properties = options.given("publish")
        number = client.publish(
            options.topics[0], payload, now, qos=options.qos, retain=options.retain, properties=properties
        )
        if options.qos:
            self.waiting.add(number)
        self.link.flush()
        while len(self.waiting) >= 20:  # max_inflight_messages of the library
            self.take((yield from self.link.step()))

    def everything(self, payload: bytes | None) -> Generator[Wait, None, None]:
        """Publish what was asked for and wait until it has landed."""
        options, node = self.options, self.process.node
        if payload is None:
            while line := (yield from self.process.stdin.read_line()):
                yield from self.publish(line.removesuffix("\n").encode())
        else:
            for number in range(options.repeat):
                if number and options.repeat_delay_s:
                    until = node.now + int(options.repeat_delay_s * SECOND)
                    while node.now < until:
                        self.take((yield from self.link.step(until)))
                yield from self.publish(payload)
        while self.waiting:
            self.take((yield from self.link.step()))


def mosquitto_pub(process: Process) -> Routine:
    """Publish one message, or one per line."""
    options = read_options(process, USAGE)
    if options is None:
        return 1
    payload: bytes | None = (options.message or "").encode()
    if options.by_line:
        payload = None
    elif options.from_stdin or options.file is not None:
        payload = yield from _load(process, options)
        if payload is None:
            return 1
    publisher = _Publisher(process, options)
    if not (yield from connect(process, options, publisher.link)):
        return 1
    try:
        yield from publisher.welcome()
        yield from publisher.everything(payload)
    except _Ended as ended:
        return ended.status
    except Interrupt:
        return 1
    yield from publisher.link.finish()
    return 0


def _load(process: Process, options: Options) -> Generator[Wait, None, bytes | None]:
    """The content of a file or of standard input; None after telling why not."""
    if options.from_stdin:
        data = (yield from process.stdin.read_all()).encode()
        if not data:
            process.error("Error: Zero length input.", "Error loading input from stdin.")
            return None
        return data
    files = process.node.files
    try:
        data = files.read(files.resolve(options.file or "", process.directory)).encode()
    except FileError:
        process.error(f'Error: Unable to open file "{options.file}".', f'Error loading input file "{options.file}".')
        return None
    return data
