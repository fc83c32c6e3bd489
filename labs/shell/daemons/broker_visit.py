"""How a thing stays in touch with its broker: connect, tell the journal, wait longer after each failure."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import TYPE_CHECKING

from labs.net.certificate import CertificateError
from labs.net.process import Process, Wait
from labs.net.sockets import SocketError
from labs.net.tls_session import TlsFailure
from labs.shell.mqtt_link import BrokerLink, broker_link
from labs.shell.resolver import ResolveError
from labs.shell.tls_options import TlsOptions
from labs.things.mqtt.client import Connected, Event, Lost, Refused, refusal
from labs.things.mqtt.codec import Connect

if TYPE_CHECKING:
    from labs.things.thing_config import MqttConfig

__all__ = ["BrokerVisit"]

SECOND = 1_000_000_000
CONNECT_TIMEOUT_NS = 10 * SECOND
FIRST_DELAY_S = 1
LONGEST_DELAY_S = 60
STEADY_NS = 30 * SECOND  # a connection that held for so long was a good one: begin with the shortest delay again


class BrokerVisit:
    """The connection of a sensor or screen, with its history."""

    def __init__(self, process: Process, config: MqttConfig) -> None:
        self.process = process
        self.config = config
        self.link: BrokerLink = broker_link(process)
        self.connected = False
        self._state = "connecting"
        self._detail = ""
        self._since_ns = process.node.now
        self._errors = 0
        self._delay_s = FIRST_DELAY_S
        self._status: dict[str, object] | None = None

    @property
    def broker(self) -> str:
        """Host and port."""
        return f"{self.config.host}:{self.config.port}"

    def status(self) -> dict[str, object]:
        """For the status file: state is connecting, connected, refused or failed. The same object until it changes."""
        if self._status is None:
            self._status = {
                "broker": self.broker,
                "state": self._state,
                "detail": self._detail,
                "since_ns": self._since_ns,
                "errors": self._errors,
            }
        return self._status

    def problem(self, text: str) -> None:
        """Count and log a mistake."""
        self._errors += 1
        self._status = None
        self.process.error(text)

    def _become(self, state: str, detail: str = "") -> None:
        if (state, detail) != (self._state, self._detail):
            self._since_ns = self.process.node.now
        self._state, self._detail = state, detail
        self._status = None
        self.connected = state == "connected"

    def connect(self, changed: Callable[[], None]) -> Generator[Wait, None, bool]:
        """Try once. After a failure wait: 1, 2, 4 … 60 s. True where the broker accepted."""
        config = self.config
        hello = Connect(
            config.client_id,
            keepalive_s=config.keepalive_s,
            username=config.username or None,
            password=config.password.encode() if config.username and config.password else None,
        )
        try:
            tls = TlsOptions(config.cafile, insecure=config.insecure) if config.tls else None
            yield from self.link.open(config.host, config.port, hello, timeout_ns=CONNECT_TIMEOUT_NS, tls=tls)
            yield from self._welcome()
        except ResolveError as error:
            self._fail("failed", f"cannot resolve {config.host}: {error}")
        except SocketError as error:
            self._fail("failed", f"cannot connect to {self.broker}: {error}")
        except CertificateError as error:
            self._fail("failed", f"cannot use TLS: {error}")
        except TlsFailure as failure:
            self._fail("failed", f"{self.broker}: TLS: {failure}")
        changed()
        if self.connected:
            return True
        yield from self._pause()
        return False

    def _welcome(self) -> Generator[Wait, None, None]:
        until = self.process.node.now + CONNECT_TIMEOUT_NS
        events = yield from self.link.step(until)
        first = events[0] if events else Lost("no answer")
        match first:
            case Connected():
                self._become("connected")
                self.process.print(f"connected to {self.broker} as {self.config.client_id}")
            case Refused(code):
                self._fail("refused", f"{self.broker}: {refusal(code)}")
            case Lost(reason):
                self._fail("failed", f"{self.broker}: {reason}")
            case _:
                self._fail("failed", f"{self.broker}: protocol error")

    def _fail(self, state: str, detail: str) -> None:
        self.link.close()
        if self.connected and self.process.node.now - self._since_ns >= STEADY_NS:
            self._delay_s = FIRST_DELAY_S
        self._become(state, detail)
        self.problem(detail)

    def _pause(self) -> Generator[Wait, None, None]:
        until = self.process.node.now + self._delay_s * SECOND
        self._delay_s = min(2 * self._delay_s, LONGEST_DELAY_S)
        while self.process.node.now < until:
            yield Wait((), until)

    def events(self, until: int | None) -> Generator[Wait, None, list[Event]]:
        """What happens on the connection, at the latest until a time. After a loss `connected` is false."""
        events = yield from self.link.step(until)
        for event in events:
            if isinstance(event, Lost):
                self._fail("failed", f"connection to {self.broker} lost: {event.reason}")
                yield from self._pause()
        return events

    def leave(self) -> None:
        """Say goodbye, where there is somebody to say it to."""
        if self.connected:
            self.link.client.disconnect(self.process.node.now)
            self.link.flush()
        self.link.close()
