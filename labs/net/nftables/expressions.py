"""The grammar of expressions: keys on the left, values, sets and verdicts on the right.

Read first: nft(8), section "EXPRESSIONS". This class reads words only; `semantics` gives them meaning.
"""

from __future__ import annotations

from labs.net.nftables.errors import NftError, NotSimulatedError
from labs.net.nftables.fields import (
    CT,
    CT_DIRECTED,
    CT_ONLY_DIRECTED,
    META,
    META_KEYS,
    META_UNQUALIFIED,
    PROTOCOLS,
    REFUSED_CT,
    REFUSED_FIELDS,
    REFUSED_META,
)
from labs.net.nftables.lexer import Token
from labs.net.nftables.syntax import (
    RawBinary,
    RawConcat,
    RawElement,
    RawExpr,
    RawKey,
    RawList,
    RawMask,
    RawPlain,
    RawPrefix,
    RawRange,
    RawRef,
    RawSet,
    RawVerdict,
    RawWord,
)
from labs.net.nftables.tokens import TokenReader
from labs.net.nftables.tree import Counter

__all__ = ["VALUE_KEYWORDS", "VERDICTS", "ExpressionReader"]

VERDICTS = frozenset({"accept", "drop", "continue", "return", "jump", "goto"})
_REFUSED_EXPRESSIONS = frozenset({
    "fib", "rt", "socket", "osf", "numgen", "jhash", "symhash", "ipsec", "exthdr", "hbh", "frag", "dst", "mh", "rt0",
    "rt2",
    "rt4", "srh", "sctp", "dccp", "udplite", "esp", "ah", "comp", "igmp",
})  # fmt: skip
_EXPECTED_FIELDS = {
    "ether": "saddr or daddr or type",
    "udp": "length or checksum or sport or dport",
    "th": "sport or dport",
}
# Keywords that may also be a value: protocol names, flags, types.
VALUE_KEYWORDS = frozenset({
    "tcp", "udp", "icmp", "icmpv6", "igmp", "esp", "ah", "comp", "sctp", "dccp", "udplite", "ether", "vlan", "arp",
    "ip", "ip6",
    "dnat", "snat", "redirect", "original", "reply", "ecn", "reset", "mark", "host", "exists", "missing", "element",
    "timeout",
})  # fmt: skip


class ExpressionReader(TokenReader):
    """Recursive descent over the expressions of a rule."""

    def starts_expression(self) -> bool:
        """True when a key begins here."""
        token = self.token
        if token.kind == "@":
            return self.peek().text in {"th", "nh", "ll"} and self.peek(2).kind == ","
        if token.kind == "(":
            return True
        known = token.text in PROTOCOLS or token.text in META_UNQUALIFIED or token.text in _REFUSED_EXPRESSIONS
        return token.kind == "word" and (known or token.text in {"meta", "ct"})

    def map_data(self) -> RawSet | RawRef:
        """What follows map and vmap."""
        if self.at("@"):
            return self.reference()
        if self.at("$"):
            token = self.token
            value = self.variable()
            if isinstance(value, RawSet):
                return value
            raise NftError.at("syntax error, unexpected '$'", token.span)
        return self.set_literal()

    def expression(self) -> RawExpr:
        """A left side: keys with masks, joined by dots."""
        start = self.token
        parts = [self._masked()]
        while self.accept("."):
            parts.append(self._masked())
        return parts[0] if len(parts) == 1 else RawConcat(tuple(parts), self.span_from(start))

    def _masked(self) -> RawExpr:
        start = self.token
        if self.accept("("):
            value = self._masked()
            self.expect(")")
        else:
            value = self.key()
        while self.token.kind in {"&", "|", "^", "<<", ">>"}:
            operator = self.take().kind
            value = RawBinary(operator, value, self.primary(), self.span_from(start))
        return value

    def key(self) -> RawKey:
        """One key: a header field, meta, ct."""
        token = self.token
        if token.kind == "@":
            raise NotSimulatedError.of("raw payload expression", token.span)
        self.take()
        word = token.text
        if word in _REFUSED_EXPRESSIONS:
            raise NotSimulatedError.of(word, token.span)
        if word == "meta":
            return self._meta(token)
        if word == "ct":
            return self._ct(token)
        if word in PROTOCOLS:
            return self._field(token)
        if word in META_UNQUALIFIED:
            if word in REFUSED_META:
                raise NotSimulatedError.of(f"meta {word}", token.span)
            return RawKey("meta", None, word, token.span)
        self.position -= 1
        raise self.unexpected()

    def _meta(self, start: Token) -> RawKey:
        key = self.token
        span = start.span.to(key.span)
        if key.text in REFUSED_META:
            raise NotSimulatedError.of(f"meta {key.text}", span)
        if key.text not in META:
            if key.kind == "word" and key.name == "string":
                known = ", ".join(META_KEYS)
                raise NftError.at(f"syntax error, unexpected {key.text}, known keys are {known}", span)
            raise self.unexpected()
        self.take()
        return RawKey("meta", None, key.text, span)

    def _ct(self, start: Token) -> RawKey:
        direction = self.token.text if self.at("original", "reply") else None
        if direction:
            self.take()
        key = self.token
        name = key.text
        if direction and key.text in {"ip", "ip6"} and self.peek().text in {"saddr", "daddr"}:
            self.take()
            name = f"{key.text} {self.token.text}"
        span = self.span_from(start).to(self.token.span)
        if name in REFUSED_CT and not direction:
            raise NotSimulatedError.of(f"ct {name}", span)
        if name not in CT or (direction and name not in CT_DIRECTED) or (not direction and name in CT_ONLY_DIRECTED):
            raise self.unexpected()
        self.take()
        return RawKey("ct", direction, name, span)

    def _field(self, start: Token) -> RawKey:
        protocol = start.text
        key = self.token
        name = key.text
        if protocol == "arp" and name in {"saddr", "daddr"}:
            self.take()
            name = f"{name} {self.token.text}"
        span = self.span_from(start).to(self.token.span)
        if name in REFUSED_FIELDS.get(protocol, ()) or (protocol == "ip" and name == "option"):
            raise NotSimulatedError.of(f"{protocol} {name}", span)
        if name not in PROTOCOLS[protocol] or key.kind != "word":
            raise self.unexpected(_EXPECTED_FIELDS.get(protocol, ""))
        self.take()
        return RawKey("payload", protocol, name, span)

    # -- right sides ----------------------------------------------------------------------------------------------

    def rhs(self) -> RawExpr:
        """The right side of a match: a value, a set, a reference, flags."""
        start = self.token
        if self.at("{"):
            return self.set_literal()
        if self.at("@"):
            return self.reference()
        value = self._flag_list()
        if self.at("/"):
            self.take()
            mask = self._flag_list()
            if not isinstance(mask, RawList):
                raise self.unexpected("comma")
            return RawMask(value, mask, self.span_from(start))
        return value

    def _flag_list(self) -> RawExpr:
        start = self.token
        items = [self.concat_value()]
        while self.accept(","):
            items.append(self.concat_value())
        return items[0] if len(items) == 1 else RawList(tuple(items), self.span_from(start))

    def concat_value(self) -> RawExpr:
        """Values joined by dots."""
        start = self.token
        parts = [self._value()]
        while self.accept("."):
            parts.append(self._value())
        return parts[0] if len(parts) == 1 else RawConcat(tuple(parts), self.span_from(start))

    def _value(self) -> RawExpr:
        start = self.token
        value = self.primary()
        if self.at("/") and self.peek().kind == "number":
            self.take()
            length = self.number()
            value = RawPrefix(value, length, self.span_from(start))
        elif self.accept("-"):
            value = RawRange(value, self.primary(), self.span_from(start))
        while self.token.kind in {"|", "&", "^", "<<", ">>"}:
            operator = self.take().kind
            value = RawBinary(operator, value, self.primary(), self.span_from(start))
        return value

    def primary(self) -> RawExpr:
        """One word, number, variable, or a value in parentheses."""
        token = self.token
        if token.kind in {"number", "quoted", "wild"}:
            self.take()
            return RawWord(token.kind, token.text, token.span)
        if token.kind == "(":
            self.take()
            value = self._flag_list()
            self.expect(")")
            return value
        if token.kind == "$":
            return self.variable()
        if token.kind == "word" and (token.name == "string" or token.text in VALUE_KEYWORDS):
            self.take()
            return RawWord("word", token.text, token.span)
        raise self.unexpected()

    def reference(self) -> RawRef:
        """`@name`."""
        start = self.expect("@")
        if self.token.kind != "word" or self.token.name != "string":
            raise self.unexpected("string")
        name = self.take()
        return RawRef(name.text, self.span_from(start))

    def set_literal(self) -> RawSet:
        """`{ ... }`, a trailing comma allowed."""
        start = self.expect("{")
        items: list[RawElement] = []
        self._blank()
        while not self.at("}"):
            items.append(self._element())
            self._blank()
            if not self.at("}"):
                self.expect(",", "comma or '}'")
                self._blank()
                while self.accept(","):  # nft lets an element be empty
                    self._blank()
                if self.token.kind == "word" and self.token.name != "string" and self.token.text not in VALUE_KEYWORDS:
                    raise self.unexpected("comma or '}'")
        if not items:
            raise self.unexpected()
        self.take()
        return RawSet(tuple(items), self.span_from(start))

    def _blank(self) -> None:
        while self.accept("newline"):
            pass

    def _element(self) -> RawElement:
        start = self.token
        key = self.set_literal() if self.at("{") else self._element_key()
        timeout: int | None = None
        comment: str | None = None
        counter: Counter | None = None
        while word := self.accept("timeout", "expires", "comment", "counter"):
            if word.text == "comment":
                comment = self.string()
            elif word.text == "counter":
                self.position -= 1
                plain = self.counter().statement
                counter = plain if isinstance(plain, Counter) else None
            elif word.text == "timeout":
                timeout = self.time()
            else:
                self.time()
        data: RawExpr | None = None
        self._blank()
        if self.accept(":"):
            self._blank()
            data = self.verdict() if self.token.kind == "word" and self.token.text in VERDICTS else self.concat_value()
        return RawElement(key, data, timeout, comment, counter, self.span_from(start))

    def _element_key(self) -> RawExpr:
        if self.at("*"):
            raise NotSimulatedError.of("the catch-all element *", self.token.span)
        return self.concat_value()

    def verdict(self) -> RawVerdict:
        """A verdict, in a rule or in a map."""
        word = self.take()
        if word.text not in {"jump", "goto"}:
            return RawVerdict(word.text, None, word.span)
        if self.at("{"):
            raise NotSimulatedError.of(f"{word.text} to a chain without a name", self.token.span)
        target = self.token
        if self.at("$"):
            value = self.variable()
            name = value.text if isinstance(value, RawWord) else ""
        elif target.kind == "word" and target.name == "string":
            name = self.take().text
        else:
            raise self.unexpected("'{'" if target.kind == "quoted" else "")
        return RawVerdict(word.text, name, self.span_from(word), self.span_from(target))

    def counter(self) -> RawPlain:
        """`counter [packets n] [bytes n]`, for a rule or an element."""
        start = self.take()
        if self.at("name"):
            raise NotSimulatedError.of("counter name", self.peek().span)
        packets, size = 0, 0
        while word := self.accept("packets", "bytes"):
            if word.text == "packets":
                packets = self.number()
            else:
                size = self.number()
        return RawPlain(Counter(packets, size), self.span_from(start))
