"""The filter of ss: states, then conditions on ports and addresses, with and, or, not and parentheses (ss(8))."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping
from typing import NamedTuple, Protocol

from labs.model.addresses import Address, Network

__all__ = ["FilterMistake", "Socket", "Wish", "read_filter"]

STATE_WORDS = {
    "established": "ESTAB", "syn-sent": "SYN-SENT", "syn-recv": "SYN-RECV", "fin-wait-1": "FIN-WAIT-1",
    "fin-wait-2": "FIN-WAIT-2", "time-wait": "TIME-WAIT", "close-wait": "CLOSE-WAIT", "last-ack": "LAST-ACK",
    "closing": "CLOSING", "listening": "LISTEN", "listen": "LISTEN", "closed": "UNCONN", "close": "UNCONN",
}  # fmt: skip
GROUPS = {
    "all": frozenset(STATE_WORDS.values()),
    "connected": frozenset(STATE_WORDS.values()) - {"LISTEN", "UNCONN"},
    "synchronized": frozenset(STATE_WORDS.values()) - {"LISTEN", "UNCONN", "SYN-SENT"},
    "bucket": frozenset({"SYN-RECV", "TIME-WAIT"}),
    "big": frozenset(STATE_WORDS.values()) - {"SYN-RECV", "TIME-WAIT"},
}
RELATIONS: dict[str, Callable[[int, int], bool]] = {
    "=": operator.eq, "==": operator.eq, "eq": operator.eq, "!=": operator.ne, "ne": operator.ne, "neq": operator.ne,
    "<": operator.lt, "lt": operator.lt, ">": operator.gt, "gt": operator.gt, "<=": operator.le, "le": operator.le,
    "leq": operator.le, ">=": operator.ge, "ge": operator.ge, "geq": operator.ge,
}  # fmt: skip
_TOKEN = re.compile(r"\s*(&&|\|\||[()&|]|[<>=!]=|[<>=!]|[^\s()&|<>=!]+)")
CANNOT = "Cannot parse dst/src address."


class Socket(Protocol):
    """What a condition looks at."""

    @property
    def state(self) -> str:
        """ESTAB, LISTEN …."""

    @property
    def address(self) -> Address:
        """The address at hand."""

    @property
    def port(self) -> int:
        """Its port."""

    @property
    def peer(self) -> Address | None:
        """The other end."""

    @property
    def peer_port(self) -> int | None:
        """Its port."""


Test = Callable[[Socket], bool]


class Wish(NamedTuple):
    """What the filter after the options says; `states` is None where it names none."""

    states: frozenset[str] | None
    test: Test

    def fits(self, socket: Socket) -> bool:
        """True for a socket that is to be shown."""
        return (self.states is None or socket.state in self.states) and self.test(socket)


class FilterMistake(Exception):
    """A filter that cannot be read."""

    def __init__(self, *lines: str, status: int = 255) -> None:
        super().__init__(*lines)
        self.lines = lines
        self.status = status


def read_filter(words: list[str], services: Mapping[int, str]) -> Wish:
    """The filter of a command line. Raises FilterMistake."""
    return _Reader(_TOKEN.findall(" ".join(words)), services).wish()


class _Reader:
    def __init__(self, tokens: list[str], services: Mapping[int, str]) -> None:
        self.tokens = tokens
        self.services = services
        self.at = 0

    def peek(self) -> str:
        return self.tokens[self.at] if self.at < len(self.tokens) else ""

    def take(self) -> str:
        token = self.peek()
        self.at += 1
        return token

    def wish(self) -> Wish:
        states: frozenset[str] | None = None
        while self.peek() in ("state", "exclude"):
            word = self.take()
            named = self._state(self.take().lower())
            if word == "state":
                states = (states or frozenset()) | named
            else:
                states = (GROUPS["all"] if states is None else states) - named
        if not self.peek():
            return Wish(states, lambda _: True)
        test = self._either()
        if self.peek():
            raise self._wrong(self.peek())
        return Wish(states, test)

    @staticmethod
    def _state(name: str) -> frozenset[str]:
        if name in GROUPS:
            return GROUPS[name]
        if name not in STATE_WORDS:
            raise FilterMistake(f"ss: wrong state name: {name}")
        return frozenset({STATE_WORDS[name]})

    @staticmethod
    def _wrong(word: str) -> FilterMistake:
        return FilterMistake(f'Error: an inet prefix is expected rather than "{word}".', CANNOT, status=1)

    def _either(self) -> Test:
        left = self._both()
        while self.peek() in ("or", "||", "|"):
            self.take()
            left = _or(left, self._both())
        return left

    def _both(self) -> Test:
        left = self._term()
        while self.peek() not in ("", ")", "or", "||", "|"):
            if self.peek() in ("and", "&&", "&"):
                self.take()
            left = _and(left, self._term())
        return left

    def _term(self) -> Test:
        word = self.take()
        if word in ("not", "!"):
            inner = self._term()
            return lambda socket: not inner(socket)
        if word == "(":
            inner = self._either()
            if self.take() != ")":
                raise self._wrong("(")
            return inner
        if word in ("sport", "dport"):
            return self._port(word)
        if word in ("src", "dst"):
            return self._prefix(word)
        raise self._wrong(word)

    def _relation(self) -> Callable[[int, int], bool]:
        return RELATIONS[self.take()] if self.peek() in RELATIONS else operator.eq

    def _port(self, word: str) -> Test:
        relation = self._relation()
        name = self.take().removeprefix(":")
        number = int(name) if name.isdecimal() and int(name) < 65536 else None
        if number is None:
            number = next((port for port, service in self.services.items() if service == name), None)
        if number is None:
            raise FilterMistake(f'Error: "{name}" does not look like a port.', CANNOT, status=1)
        wanted = number
        if word == "sport":
            return lambda socket: relation(socket.port, wanted)
        return lambda socket: socket.peer_port is not None and relation(socket.peer_port, wanted)

    def _prefix(self, word: str) -> Test:
        negated = self._relation() is operator.ne
        text = self.take()
        head, colon, port = text.rpartition(":") if text.count(":") == 1 else (text, "", "")
        try:
            network = Network.parse(head) if head not in ("", "*") else None
        except ValueError:
            raise self._wrong(text) from None
        if colon and not port.isdecimal():
            raise FilterMistake(f'Error: "{port}" does not look like a port.', CANNOT, status=1)

        def test(socket: Socket) -> bool:
            address, number = (socket.address, socket.port) if word == "src" else (socket.peer, socket.peer_port)
            inside = network is None or (address is not None and address in network)
            return (inside and (not colon or number == int(port))) != negated

        return test


def _and(left: Test, right: Test) -> Test:
    return lambda socket: left(socket) and right(socket)


def _or(left: Test, right: Test) -> Test:
    return lambda socket: left(socket) or right(socket)
