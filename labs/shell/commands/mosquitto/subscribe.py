"""mosquitto_sub(1)."""

from __future__ import annotations

from collections.abc import Generator

from labs.net.certificate import CertificateError
from labs.net.process import Interrupt, Process, Routine, Wait
from labs.net.sockets import SocketError
from labs.net.tls_session import TlsFailure
from labs.shell.commands.mosquitto.contact import VERSION, complain, connect, read_options
from labs.shell.commands.mosquitto.options import Options
from labs.shell.commands.mosquitto.output import FormatError, check_format, formatted, payload_text
from labs.shell.mqtt_link import MqttLink
from labs.shell.resolver import ResolveError
from labs.things.mqtt.client import Connected, Event, Lost, Received, Refused, Subscribed, refusal
from labs.things.mqtt.codec import SUBSCRIPTION_FAILED, Publish
from labs.things.mqtt.topics import matches

__all__ = ["mosquitto_sub"]

EXIT_TIMEOUT = 27  # MOSQ_ERR_TIMEOUT
SECOND = 1_000_000_000
RECONNECT_NS = SECOND
SILENCE_NS = 300 * SECOND  # with -C: how long somebody waits for the next message
USAGE = f"""mosquitto_sub is a simple mqtt client that will subscribe to topics and print all messages it receives.
mosquitto_sub {VERSION} (simulated)

Usage: mosquitto_sub {{[-h host] [-p port] [-u username] [-P password] -t topic | -L URL [-t topic]}}
                     [-c] [-k keepalive] [-q qos] [-V mqttv31|mqttv311|mqttv5]
                     [-C msg_count] [-E] [-R] [--retained-only] [--remove-retained] [-T filter_out] [-U topic ...]
                     [-F format] [-W timeout_secs]
                     [-i id] [-I id_prefix]
                     [-d] [-N] [--quiet] [-v]
                     [--cafile file [--cert file --key file] [--tls-version version] [--insecure]]
                     [-D command identifier value] [-x session-expiry-interval]
                     [--will-topic [--will-payload payload] [--will-qos qos] [--will-retain]]
       mosquitto_sub --help

See https://mosquitto.org/ for more information."""


class _Done(Exception):
    """Enough was seen."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


class _Subscriber:
    def __init__(self, process: Process, options: Options) -> None:
        self.process = process
        self.options = options
        self.link = MqttLink(process)
        self.left = options.count
        self.deadline: int | None = None
        self.heard_ns = process.node.now

    def run(self) -> Generator[Wait, None, None]:
        """Until enough was seen. Raises _Done."""
        options, node = self.options, self.process.node
        self.deadline = node.now + options.timeout_s * SECOND if options.timeout_s else None
        self.heard_ns = node.now
        while True:
            until = self.deadline
            if until is None and self.left:
                until = self.heard_ns + SILENCE_NS
            self.process.endless = self.deadline is None and (not self.left or node.now >= self.heard_ns + SILENCE_NS)
            events = yield from self.link.step(None if self.process.endless else until)
            for event in events:
                yield from self.take(event)
            if self.deadline is not None and node.now >= self.deadline:
                complain(self.process, options, "Timed out")
                raise _Done(EXIT_TIMEOUT)

    def take(self, event: Event) -> Generator[Wait, None, None]:
        """Raises _Done."""
        options, process = self.options, self.process
        now = process.node.now
        match event:
            case Connected():
                self.link.client.subscribe([(topic, options.qos) for topic in options.topics], now)
                if options.unsubscribe:
                    self.link.client.unsubscribe(options.unsubscribe, now)
            case Refused(code):
                complain(process, options, f"Connection error: {refusal(code)}")
                if options.debug:
                    process.print(f"Client {options.client_id or '(null)'} sending DISCONNECT")
                raise _Done(code)
            case Subscribed(number, codes):
                if options.debug:
                    process.print(f"Subscribed (mid: {number}): {', '.join(map(str, codes))}")
                if all(code == SUBSCRIPTION_FAILED for code in codes):
                    complain(process, options, "All subscription requests were denied.")
                    raise _Done(0)
                if options.exit_after:
                    raise _Done(0)
            case Received(message):
                self.show(message)
            case Lost(reason) if reason.startswith("TLS: "):
                complain(process, options, "Error: Protocol error")
                raise _Done(1)
            case Lost():
                yield from self.again()

    def show(self, message: Publish) -> None:
        """Print one message. Raises _Done after the last."""
        options, process = self.options, self.process
        if options.retained_only and not message.retain:
            raise _Done(0)
        if message.retain and options.no_retained:
            return
        if any(matches(pattern, message.topic) for pattern in options.filter_out):
            return
        if options.remove_retained and message.retain:
            self.link.client.publish(message.topic, b"", process.node.now, qos=1, retain=True)
            self.link.flush()
        self.heard_ns = process.node.now
        end = "" if options.no_newline else "\n"
        if options.format is not None:
            unix_ns = int(process.node.wall_clock() * 1e6) * 1000
            process.stdout.write(formatted(options.format, message, unix_ns) + end)
        elif options.verbose:
            text = payload_text(message) or "(null)"
            process.stdout.write(f"{message.topic} {text}{end}")
        elif message.payload:
            process.stdout.write(payload_text(message) + end)
        if self.left:
            self.left -= 1
            if not self.left:
                raise _Done(0)

    def again(self) -> Generator[Wait, None, None]:
        """The broker has gone: try every second, in silence, as the library does."""
        options, node = self.options, self.process.node
        trace = self.process.print if options.debug else None
        while True:
            until = node.now + RECONNECT_NS
            if self.deadline is not None:
                until = min(until, self.deadline)
            self.process.endless = self.deadline is None
            while node.now < until:
                yield Wait((), until)
            if self.deadline is not None and node.now >= self.deadline:
                return
            try:
                yield from self.link.open(
                    options.host, options.port or 0, options.hello(self.process.pid), trace=trace, tls=options.tls()
                )
            except (ResolveError, SocketError, CertificateError, TlsFailure):
                continue
            return

    def leave(self) -> None:
        """Say goodbye, where there is a connection."""
        try:
            self.link.client.disconnect(self.process.node.now)
            self.link.flush()
        except RuntimeError:  # interrupted between two connections
            return
        self.link.close()


def mosquitto_sub(process: Process) -> Routine:
    """Subscribe and print. Without -C, -W or -E only Ctrl-C ends it."""
    options = read_options(process, USAGE)
    if options is None:
        return 1
    if options.format is not None:
        try:
            check_format(options.format)
        except FormatError as error:
            process.error(str(error), "", "Use 'mosquitto_sub --help' to see usage.")
            return 1
    subscriber = _Subscriber(process, options)
    if not (yield from connect(process, options, subscriber.link)):
        return 1
    status = 0
    try:
        yield from subscriber.run()
    except _Done as done:
        status = done.status
    except Interrupt:
        status = 0
    subscriber.leave()
    return status
