"""Which protocols a rule has settled on, from left to right.

Read first: nft(8), section "PAYLOAD EXPRESSIONS". `tcp dport 22` implies `meta l4proto tcp`; a rule that says so itself
says nothing new, and nft leaves it out when it lists the rule.
"""

from __future__ import annotations

from labs.net.nftables.errors import NO_SPAN, NftError, Span
from labs.net.nftables.fields import LAYER
from labs.net.nftables.tree import Element, Match, Meta, Payload, Reject, SetLiteral, Statement, Value

__all__ = ["ProtocolContext"]

_NETWORK_OF_TYPE = {"ip": "ip", "ip6": "ip6", "arp": "arp", "8021q": "vlan"}


class ProtocolContext:
    """The protocols known so far in one rule; `None` is not yet known."""

    def __init__(self, family: str) -> None:
        self.family = family
        self.network: str | None = family if family in {"ip", "ip6", "arp"} else None
        self.network_span = NO_SPAN
        self.transport: str | None = None
        self.transport_span = NO_SPAN
        self._transports: list[str] = []  # all that the rule has named
        self.has_ports = False
        self._explicit: dict[int, Match] = {}  # layer -> the test that a later field makes superfluous
        self._drop: list[Match] = []
        self._tcp_reset = False

    def require(self, payload: Payload, span: Span) -> None:
        """A field of this protocol is read. Raises NftError when it contradicts."""
        protocol = payload.protocol
        layer = LAYER[protocol]
        if layer == 3:
            if self.network is not None and self.network not in {protocol, "vlan"}:
                raise NftError.at(f"conflicting protocols specified: {self.network} vs. {protocol}", span)
            self._superfluous(3)
            if self.network != protocol:
                self.network, self.network_span = protocol, span
        elif layer == 4:
            if self.network == "arp":
                raise NftError.at(f"conflicting protocols specified: arp vs. {protocol}", span)
            if protocol == "th":
                self.has_ports = True
                return
            for known in self._transports:
                if known != protocol:
                    raise NftError.at(f"conflicting protocols specified: {known} vs. {protocol}", span)
            self._superfluous(4)
            if protocol in {"icmp", "icmpv6"} and self.network is None:
                self.network, self.network_span = ("ip" if protocol == "icmp" else "ip6"), span
            self.transport, self.transport_span = protocol, span
            self._transports.append(protocol)
            self.has_ports |= protocol in {"tcp", "udp"}
        elif protocol == "vlan":
            self._superfluous(2)

    def _superfluous(self, layer: int) -> None:
        found = self._explicit.pop(layer, None)
        if found is not None:
            self._drop.append(found)

    def learn(self, match: Match) -> None:
        """Take note of a test that settles a protocol."""
        left, right = match.left, match.right
        if left in _TRANSPORT_KEYS:
            self.has_ports = True
        if match.op != "==":
            return
        if isinstance(right, SetLiteral):
            if left in _TRANSPORT_KEYS:
                self._transports += [_transport_name(element.key) for element in right.elements]
            return
        if left in _TRANSPORT_KEYS:
            self.transport = _transport_name(right)
            self._transports.append(self.transport)
            if left == Meta("l4proto") or self.family in {"ip", "ip6"}:
                self._explicit[4] = match
        elif left == Meta("nfproto"):
            self.network = {"ipv4": "ip", "ipv6": "ip6"}.get(str(right))
            if self.family == "inet":
                self._explicit[3] = match
        elif left == Meta("protocol"):
            if self.family in {"ip", "ip6"} and right == self.family:
                self._drop.append(match)
            else:
                self.network = self.network or _NETWORK_OF_TYPE.get(str(right))
                if self.family == "bridge":
                    self._explicit[3] = match
        elif left == Payload("ether", "type"):
            self.network = _NETWORK_OF_TYPE.get(str(right), self.network)
            if right == "8021q":
                self._explicit[2] = match
            elif self.family in {"bridge", "inet"}:
                self._explicit[3] = match

    def imply_tcp(self) -> None:
        """`reject with tcp reset` without a word about tcp."""
        self._tcp_reset = self.transport is None and self.family in {"inet", "bridge"}
        if self.family in {"ip", "ip6"}:
            self._superfluous(4)

    def use_network(self) -> None:
        """An address of the connection is read: a test of the family says nothing new."""
        self._superfluous(3)

    def settle(self, result: list[Statement], built: Statement) -> None:
        """Add the statement to the rule, and what it implies before it."""
        if isinstance(built, Reject) and self._tcp_reset:
            result.append(Match("==", Meta("l4proto"), "tcp"))
        if isinstance(built, Match):
            _imply(built, result, self)
        result.append(built)
        if not isinstance(built, Match):
            self._explicit.clear()  # nft does not look across a statement for the test that is superfluous

    def finish(self, statements: list[Statement]) -> list[Statement]:
        """The rule without the tests that say nothing new."""
        return [
            statement for statement in statements if not any(statement is gone for gone in self._drop)
        ] or statements


_TRANSPORT_KEYS = frozenset({Meta("l4proto"), Payload("ip", "protocol"), Payload("ip6", "nexthdr")})


def _transport_name(value: Value) -> str:
    return "icmpv6" if value == "ipv6-icmp" else str(value)


def _imply(match: Match, result: list[Statement], context: ProtocolContext) -> None:
    """Tests that nft adds and lists: echo fields need an echo message, an inner type needs a tag."""
    left = match.left
    if isinstance(left, Payload) and left.protocol in {"icmp", "icmpv6"} and left.field in {"id", "sequence"}:
        key = Payload(left.protocol, "type")
        if not any(isinstance(entry, Match) and entry.left == key for entry in result):
            names = ("echo-reply", "echo-request") if left.protocol == "icmp" else ("echo-request", "echo-reply")
            result.append(Match("==", key, SetLiteral(tuple(Element(name) for name in names))))
    elif left == Payload("vlan", "type") and context.family == "bridge":
        tests = [entry.left for entry in result if isinstance(entry, Match)]
        if not any(isinstance(test, Payload) and test.protocol == "vlan" for test in tests):
            result.append(Match("==", Payload("ether", "type"), "8021q"))
