"""The configuration file of the router advertisement daemon.

Before changing this file read radvd.conf(5) of radvd 2.19.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from labs.model.addresses import IPv6, Network
from labs.net.ndp import INFINITE, PREFERENCES, Prefix

__all__ = ["PATH", "Advertiser", "RadvdError", "parse_radvd"]

PATH = "/etc/radvd.conf"
MAX_TOKENS = 5000
_TOKEN = re.compile(r"[{};]|[^\s{};#]+")
SWITCHES = {
    "AdvSendAdvert": "send",
    "AdvManagedFlag": "managed",
    "AdvOtherConfigFlag": "other",
    "AdvSourceLLAddress": "link_option",
    "IgnoreIfMissing": "",
    "AdvHomeAgentFlag": "",
    "UnicastOnly": "",
    "AdvRASolicitedUnicast": "",
}
NUMBERS = {
    "MaxRtrAdvInterval": "longest_s",
    "MinRtrAdvInterval": "shortest_s",
    "MinDelayBetweenRAs": "",
    "AdvLinkMTU": "mtu",
    "AdvReachableTime": "reachable_ms",
    "AdvRetransTimer": "retrans_ms",
    "AdvCurHopLimit": "hop_limit",
    "AdvDefaultLifetime": "lifetime_s",
}
ABSENT = ("route", "clients", "abro", "AdvRASrcAddress", "nat64prefix")


class RadvdError(ValueError):
    """A mistake in the file, in radvd's words."""


@dataclass(slots=True)
class Advertiser:
    """One `interface` block."""

    name: str
    send: bool = False
    managed: bool = False
    other: bool = False
    link_option: bool = True
    longest_s: float = 600
    shortest_s: float = 0
    mtu: int = 0
    reachable_ms: int = 0
    retrans_ms: int = 0
    hop_limit: int = 64
    lifetime_s: int = -1
    preference: str = "medium"
    prefixes: list[Prefix] = field(default_factory=list)
    servers: list[IPv6] = field(default_factory=list)
    servers_lifetime_s: int = -1
    domains: list[str] = field(default_factory=list)
    domains_lifetime_s: int = -1


class _Parser:
    def __init__(self, text: str, path: str) -> None:
        self._path = path
        self._tokens: list[tuple[str, int]] = []
        for number, line in enumerate(text.split("\n"), start=1):
            self._tokens += [(word, number) for word in _TOKEN.findall(line.partition("#")[0])]
        self._last = text.count("\n")
        self._at = 0
        if len(self._tokens) > MAX_TOKENS:
            message = f"{path}: more than {MAX_TOKENS} words are not simulated here"
            raise RadvdError(message)

    def _line(self) -> int:
        return self._tokens[self._at][1] if self._at < len(self._tokens) else self._last + 1

    def _syntax(self) -> RadvdError:
        return RadvdError(f"{self._path}:{self._line()} error: syntax error")

    def _peek(self) -> str:
        return self._tokens[self._at][0] if self._at < len(self._tokens) else ""

    def _take(self, wanted: str = "") -> str:
        word = self._peek()
        if not word or (wanted and word != wanted) or (not wanted and word in "{};"):
            raise self._syntax()
        self._at += 1
        return word

    def file(self) -> list[Advertiser]:
        """Every block."""
        found = []
        if not self._peek():
            raise self._syntax()
        while self._peek():
            self._take("interface")
            found.append(self._interface(Advertiser(self._take())))
        return found

    def _interface(self, made: Advertiser) -> Advertiser:
        self._take("{")
        while self._peek() != "}":
            word = self._take()
            if word in SWITCHES:
                self._set(made, SWITCHES[word], self._switch())
            elif word in NUMBERS:
                self._set(made, NUMBERS[word], self._number(word))
            elif word == "AdvDefaultPreference":
                made.preference = self._take()
                if made.preference not in PREFERENCES:
                    self._at -= 1
                    raise self._syntax()
                self._take(";")
            elif word == "prefix":
                made.prefixes.append(self._prefix())
            elif word == "RDNSS":
                made.servers += [self._address(text) for text in self._names()]
                made.servers_lifetime_s = self._lifetime_block("AdvRDNSSLifetime", made.servers_lifetime_s)
            elif word == "DNSSL":
                made.domains += self._names()
                made.domains_lifetime_s = self._lifetime_block("AdvDNSSLLifetime", made.domains_lifetime_s)
            elif word in ABSENT:
                message = f'"{word}" in {self._path} is not simulated here'
                raise RadvdError(message)
            else:
                self._at -= 1
                raise self._syntax()
        self._take("}")
        self._take(";")
        return made

    @staticmethod
    def _set(made: Advertiser, name: str, value: object) -> None:
        if name:
            setattr(made, name, value)

    def _switch(self) -> bool:
        word = self._take()
        if word not in ("on", "off"):
            self._at -= 1
            raise self._syntax()
        self._take(";")
        return word == "on"

    def _number(self, name: str) -> float | int:
        word = self._take()
        decimal = name.endswith("Interval") or name == "MinDelayBetweenRAs"
        if not re.fullmatch(r"[0-9]+(\.[0-9]+)?" if decimal else r"[0-9]+", word):
            self._at -= 1
            raise self._syntax()
        self._take(";")
        return float(word) if decimal else int(word)

    def _seconds(self) -> int:
        word = self._take()
        if word != "infinity" and not word.isdecimal():
            self._at -= 1
            raise self._syntax()
        self._take(";")
        return INFINITE if word == "infinity" else int(word)

    def _address(self, text: str) -> IPv6:
        try:
            return IPv6.parse(text)
        except ValueError:
            raise self._syntax() from None

    def _names(self) -> Iterator[str]:
        while self._peek() not in ("{", ""):
            yield self._take()

    def _lifetime_block(self, name: str, lifetime: int) -> int:
        self._take("{")
        while self._peek() != "}":
            word = self._take()
            if word == name:
                lifetime = self._seconds()
            elif word.startswith(("Flush", "AdvRDNSS")):
                self._take()
                self._take(";")
            else:
                self._at -= 1
                raise self._syntax()
        self._take("}")
        self._take(";")
        return lifetime

    def _prefix(self) -> Prefix:
        head, slash, tail = self._take().partition("/")
        if not slash or not tail.isdecimal():
            self._at -= 1
            raise self._syntax()
        if int(tail) > 128:
            message = f"invalid prefix length in {self._path}, line {self._line()}"
            raise RadvdError(message)
        made = Prefix(Network.of(self._address(head), int(tail)))
        self._take("{")
        while self._peek() != "}":
            word = self._take()
            if word == "AdvOnLink":
                made = replace(made, on_link=self._switch())
            elif word == "AdvAutonomous":
                made = replace(made, autonomous=self._switch())
            elif word in ("AdvRouterAddr", "DecrementLifetimes", "DeprecatePrefix"):
                self._switch()
            elif word == "AdvValidLifetime":
                made = replace(made, valid_s=self._seconds())
            elif word == "AdvPreferredLifetime":
                made = replace(made, preferred_s=self._seconds())
            else:
                self._at -= 1
                raise self._syntax()
        line = self._line()
        self._take("}")
        self._take(";")
        if made.preferred_s > made.valid_s:
            message = f"AdvValidLifeTime must be greater than AdvPreferredLifetime in {self._path}, line {line}"
            raise RadvdError(message)
        return made


def parse_radvd(text: str, path: str = PATH) -> list[Advertiser]:
    """Read a whole file. Raises RadvdError at the first mistake, as radvd does."""
    return _Parser(text, path).file()
