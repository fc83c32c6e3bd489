"""The grammar of one rule: expressions, statements, verdicts.

Read first: nft(8), section "STATEMENTS". This class reads words only; `semantics` gives them meaning.
"""

from __future__ import annotations

from collections.abc import Callable

from labs.net.nftables.errors import NftError, NotSimulatedError, Span
from labs.net.nftables.expressions import VALUE_KEYWORDS, VERDICTS, ExpressionReader
from labs.net.nftables.syntax import (
    RawExpr,
    RawKey,
    RawMap,
    RawMatch,
    RawNat,
    RawPlain,
    RawReject,
    RawRule,
    RawSetOperation,
    RawStatement,
    RawUpdate,
    RawVmap,
    RawWord,
)
from labs.net.nftables.tree import Counter, Limit, Log, MssClamp, Notrack

__all__ = ["RuleReader"]

_OPERATORS = frozenset({"==", "!=", "<", ">", "<=", ">=", "!"})
_LOG_LEVELS = ("emerg", "alert", "crit", "err", "warn", "notice", "info", "debug", "audit")
_LOG_FLAGS = ("tcp sequence", "tcp options", "ip options", "skuid", "ether", "all")
_SIZES = ("bytes", "kbytes", "mbytes")
_UNITS = {"second", "minute", "hour", "day", "week"}
_REFUSED_STATEMENTS = frozenset({
    "quota", "queue", "dup", "fwd", "tproxy", "synproxy", "flow", "meter", "xt", "objref", "last",
})  # fmt: skip
_NAT = frozenset({"snat", "dnat", "masquerade", "redirect"})


class RuleReader(ExpressionReader):
    """Recursive descent over the statements of a rule."""

    def rule(self) -> RawRule:
        """All statements up to the end of the rule, with its comment."""
        start = self.token
        statements: list[RawStatement] = []
        comment: str | None = None
        while True:
            statements.append(self.statement())
            if self.at("comment"):
                self.take()
                comment = self.string()
                if not self.at("newline", ";", "end", "}"):
                    raise self.unexpected("end of file or newline or semicolon")
                break
            if self.at("newline", ";", "end", "}"):
                break
        return RawRule(tuple(statements), comment, self.span_from(start))

    def statement(self) -> RawStatement:
        """One statement."""
        token = self.token
        word = token.text if token.kind == "word" else token.kind
        if word in VERDICTS:
            return self.verdict()
        if word in _REFUSED_STATEMENTS:
            raise NotSimulatedError.of(word, token.span)
        if word in _NAT:
            return self._nat()
        if word in {"add", "update", "delete"}:
            return self._update()
        if word == "set":
            raise NotSimulatedError.of("set as the first word of a statement (write add @name { ... })", token.span)
        readers: dict[str, Callable[[], RawStatement]] = {
            "counter": self.counter, "limit": self._limit, "log": self._log, "reject": self._reject,
            "notrack": self._notrack,
        }  # fmt: skip
        if word == "tcp" and self.peek().text == "option" and self.peek(2).text == "maxseg":
            return self._maximum_segment()
        return readers.get(word, self._match)()

    def _maximum_segment(self) -> RawPlain:
        """`tcp option maxseg size set rt mtu`, or a number; nothing else of TCP options."""
        start = self.token
        for expected in ("tcp", "option", "maxseg", "size"):
            if not self.at(expected):
                raise self.unexpected(expected)
            self.take()
        if not self.at("set"):
            raise NotSimulatedError.of("tcp option", self.span_from(start))
        self.take()
        if self.accept("rt"):
            if not self.at("mtu"):
                raise NotSimulatedError.of("rt other than mtu", self.token.span)
            self.take()
            return RawPlain(MssClamp(None), self.span_from(start))
        if self.token.kind != "number":
            raise self.unexpected("number")
        size = int(self.take().text, 0)
        if not 0 <= size <= 0xFFFF:
            raise NftError.at("Value exceeds valid range 0-65535", self.span_from(start))
        return RawPlain(MssClamp(size), self.span_from(start))

    def _notrack(self) -> RawStatement:
        return RawPlain(Notrack(), self.take().span)

    def _limit(self) -> RawPlain:
        start = self.take()
        if self.at("name"):
            raise NotSimulatedError.of("limit name", self.peek().span)
        self.expect("rate")
        inverted = self.accept("over") is not None
        rate = self.number()
        unit, per = self._rate_unit()
        burst, burst_unit = (5, None) if unit is None else (0, "bytes")
        if self.accept("burst"):
            burst = self.number()
            if unit is None:
                self.expect("packets", "packets")
            else:
                if not self.at("bytes", "kbytes", "mbytes"):
                    raise self.unexpected("bytes or string")
                burst_unit = self.take().text
        rate, unit = _larger_unit(rate, unit)
        burst, burst_unit = _larger_unit(burst, burst_unit)
        span = self.span_from(start)
        problem = None if rate else ("Could not process rule: Invalid argument", span)
        return RawPlain(Limit(rate, per, burst, inverted, unit, burst_unit), span, problem)

    def _rate_unit(self) -> tuple[str | None, str]:
        unit, slash, per = self.token.text.partition("/")  # kbytes/second is one word
        if self.token.kind == "word" and slash and unit in _SIZES and per in _UNITS:
            self.take()
            return unit, per
        if not self.at("/", *_SIZES):
            raise self.unexpected("/ or string or bytes")
        word = self.accept(*_SIZES)
        self.expect("/", "/")
        if self.token.text not in _UNITS:
            raise self.unexpected()
        return word.text if word else None, self.take().text

    def _log(self) -> RawPlain:
        start = self.take()
        prefix: str | None = None
        level: str | None = None
        numbers: dict[str, int] = {}
        flags: list[str] = []
        problem: tuple[str, Span] | None = None
        while word := self.accept("prefix", "group", "snaplen", "queue-threshold", "level", "flags"):
            if word.text == "prefix":
                prefix = self.string()
            elif word.text == "level":
                token = self.token
                level = self.string("string")
                if level not in _LOG_LEVELS:
                    problem = problem or ("invalid log level", token.span)
            elif word.text == "flags":
                self._log_flags(flags)
            else:
                numbers[word.text] = self.number()
        if level is not None and "group" in numbers:
            problem = problem or ("level and group are mutually exclusive", start.span)
        if prefix is not None and len(prefix) > 127:
            problem = problem or ("Could not process rule: Numerical result out of range", start.span)
        level = None if level == "warn" else level
        if len(set(flags)) == 5:
            flags = ["all"]
        ordered = tuple(flag for flag in _LOG_FLAGS if flag in flags)
        log = Log(prefix, numbers.get("group"), numbers.get("snaplen"), numbers.get("queue-threshold"), level, ordered)
        return RawPlain(log, self.span_from(start), problem)

    def _log_flags(self, flags: list[str]) -> None:
        if group := self.accept("tcp", "ip"):
            while True:
                option = self.take()
                name = f"{group.text} {option.text}"
                if name not in _LOG_FLAGS:
                    self.position -= 1
                    raise self.unexpected()
                flags.append(name)
                if not self.accept(","):
                    return
        if not self.at("skuid", "ether", "all"):
            raise self.unexpected()
        flags.append(self.take().text)

    def _reject(self) -> RawReject:
        start = self.take()
        if not self.accept("with"):
            return RawReject(None, None, start.span, start.span)
        kind = self.token
        if not self.at("icmp", "icmpv6", "icmpx", "tcp"):
            raise self.unexpected("icmp or icmpv6 or tcp or icmpx")
        self.take()
        if kind.text == "tcp":
            reset = self.expect("reset", "reset")
            return RawReject("tcp reset", None, start.span, reset.span)
        self.accept("type")
        code = self.primary()
        if not isinstance(code, RawWord):
            self.position -= 1
            raise self.unexpected()
        return RawReject(kind.text, code, start.span, code.span)

    def _nat(self) -> RawNat:
        start = self.take()
        family = None
        if start.text in {"snat", "dnat"}:
            if self.at("ip", "ip6") and self.peek().text in {"to", "prefix", "addr", "interval"}:
                family = self.take().text
            if self.at("prefix", "interval", "addr"):
                raise NotSimulatedError.of(f"{start.text} {self.token.text}", self.token.span)
            self.accept("to")
        elif not self.accept("to"):
            return RawNat(
                start.text, None, prefix=False, addr=None, port=None, flags=self._nat_flags(), span=start.span
            )
        addr: RawExpr | None = None
        port: RawExpr | None = None
        if start.text in {"snat", "dnat"} and not self.at(":"):
            addr = self._nat_address()
        if self.accept(":") or start.text in {"masquerade", "redirect"}:
            port = self._map_or_rhs()
        flags = self._nat_flags()
        return RawNat(start.text, family, prefix=False, addr=addr, port=port, flags=flags, span=start.span)

    def _nat_address(self) -> RawExpr:
        if self.at("[") and ":" in self.peek().text:
            self.take()
            value = self.concat_value()
            self.expect("]")
            return value
        return self._map_or_rhs()

    def _nat_flags(self) -> tuple[str, ...]:
        flags: list[str] = []
        while word := self.accept("random", "fully-random", "persistent"):
            flags.append(word.text)
            if not self.accept(","):
                break
        return tuple(name for name in ("random", "fully-random", "persistent") if name in flags)

    def _map_or_rhs(self) -> RawExpr:
        if self.starts_expression():
            start = self.token
            key = self.expression()
            if self.accept("map"):
                return RawMap(key, self.map_data(), self.span_from(start))
            return key
        return self.concat_value()

    def _update(self) -> RawUpdate:
        start = self.take()
        if not self.at("@"):
            raise self.unexpected("@")
        reference = self.reference()
        self.expect("{")
        key = self.expression()
        timeout: int | None = None
        stmt: list[Limit | Counter] = []
        while not self.at("}"):
            if self.accept("timeout"):
                timeout = self.time()
            elif self.at("limit", "counter"):
                plain = self._limit() if self.at("limit") else self.counter()
                if isinstance(plain.statement, Limit | Counter):
                    stmt.append(plain.statement)
            elif self.at("ct", "quota", ":"):
                what = {"ct": "ct count", "quota": "quota", ":": "adding to a map from a rule"}[self.token.text]
                raise NotSimulatedError.of(what, self.token.span)
            else:
                raise self.unexpected()
        self.expect("}")
        return RawUpdate(start.text, reference, key, timeout, tuple(stmt), self.span_from(start))

    def _match(self) -> RawStatement:
        start = self.token
        if not self.starts_expression():
            return self._unknown()
        left = self.expression()
        if self.accept("vmap"):
            return RawVmap(left, self.map_data(), self.span_from(start))
        if self.at("set") and isinstance(left, RawKey):
            self.take()
            if left.family == "payload":
                raise NotSimulatedError.of(f"{left.name} {left.key} set", left.span)
            return RawSetOperation(left, self._mangle_value(), self.span_from(start))
        operator = ""
        if self.token.kind in _OPERATORS:
            operator = self.take().kind
        right = self.rhs()
        return RawMatch(left, operator, right, self.span_from(start))

    def _unknown(self) -> RawStatement:
        token = self.token
        if (
            token.kind == "number"
            or (token.kind == "word" and token.name == "string")
            or token.kind in {"quoted", "wild"}
        ):
            self.take()
            after = self.token
            if (
                after.kind in _OPERATORS
                or after.kind in {"number", "quoted", "{", "@", "$", "wild"}
                or (after.name == "string" or after.text in VALUE_KEYWORDS)
            ):
                self.take() if after.kind in _OPERATORS else None
                right = self.rhs()
                return RawMatch(RawWord(token.kind, token.text, token.span), "", right, self.span_from(token))
        raise self.unexpected()

    def _mangle_value(self) -> RawExpr:
        start = self.token
        if not self.starts_expression():
            return self.rhs()
        value = self.expression()
        if self.accept("map"):
            return RawMap(value, self.map_data(), self.span_from(start))
        return value


def _larger_unit(value: int, unit: str | None) -> tuple[int, str | None]:
    while unit in _SIZES[:2] and value and value % 1024 == 0:
        value, unit = value // 1024, _SIZES[_SIZES.index(unit) + 1]
    return value, unit
