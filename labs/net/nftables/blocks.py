"""The blocks of an input: definitions, tables, chains, sets.

Read first: nft(8), sections "INPUT FILE FORMATS", "TABLES", "CHAINS", "SETS".
"""

from __future__ import annotations

from labs.net.nftables.errors import NftError, NotSimulatedError, Span
from labs.net.nftables.lexer import Token, tokenize
from labs.net.nftables.statements import RuleReader
from labs.net.nftables.syntax import ChainSpec, Command, RawExpr, RawSet, RawWord, SetSpec, TableSpec

__all__ = ["REFUSED_OBJECTS", "BlockReader"]

REFUSED_OBJECTS = frozenset({
    "counter", "counters", "quota", "quotas", "limit", "limits", "flowtable", "flowtables", "meter", "meters",
    "secmark",
    "secmarks", "synproxy", "synproxys", "ct", "hooks",
})  # fmt: skip
MAX_TOKENS = 1_000_000  # of one input with all that it includes
_HOOKS = ("prerouting", "input", "forward", "output", "postrouting", "ingress", "egress")
_TYPES = ("filter", "nat", "route")


class BlockReader(RuleReader):
    """Recursive descent over blocks."""

    def definition(self) -> bool:
        """True after include, define, redefine or undefine."""
        token = self.token
        if self.accept("include"):
            self._include(token)
            return True
        if self.at("define", "redefine"):
            self.take()
            name = self.take()
            if name.kind != "word":
                self.position -= 1
                raise self.unexpected("string")
            if token.text == "define" and name.text in self.variables:
                raise NftError.at(f"redefinition of symbol '{name.text}'", name.span)
            self.expect("=", "'='")
            self.variables[name.text] = self._initializer()
            self._end_of_line()
            return True
        if self.at("undefine"):
            self.take()
            name = self.take()
            if self.variables.pop(name.text, None) is None:
                raise NftError.at(f"undefined symbol '{name.text}'", name.span)
            self._end_of_line()
            return True
        return False

    def _include(self, start: Token) -> None:
        """Put the tokens of the files in the place of the statement."""
        if self.token.kind != "quoted":
            raise self.unexpected("quoted string")
        pattern = self.take()
        after = self.token
        if after.kind not in ("newline", ";", "end"):
            raise self.unexpected("newline or semicolon")
        # nft counts the separator too
        span = start.span.to(pattern.span if after.kind == "end" else after.span)
        found: list[Token] = []
        for text, before in self.inclusions.open(pattern.text, span):
            *tokens, end = tokenize(text, before)
            found += [*tokens, Token("newline", "\n", end.span)]
        if len(self.tokens) + len(found) > MAX_TOKENS:
            raise NftError.at("Too much is included", span)
        self.tokens[self.position : self.position] = found

    def _initializer(self) -> RawExpr:
        if self.at("{") and self.peek().kind == "}":
            start = self.take()
            self.take()
            return RawSet((), start.span)
        if sign := self.accept("-"):
            number = self.primary()
            text = number.text if isinstance(number, RawWord) else ""
            return RawWord("number", f"-{text}", sign.span)
        return self.rhs()

    def _end_of_line(self) -> None:
        if not self.at("newline", ";", "end"):
            raise self.unexpected("newline or semicolon")
        self.take()

    def name(self) -> Token:
        """Take a name."""
        token = self.token
        if token.kind == "word" and token.name == "string":
            return self.take()
        raise self.unexpected("string")

    def _separators(self) -> None:
        while self.accept("newline", ";"):
            pass

    def _separator(self) -> None:
        if not self.at("newline", ";"):
            raise self.unexpected("newline or semicolon")
        self.take()

    def table_block(self, family: str, table: Token) -> TableSpec:
        """`{ ... }` of a table."""
        self.take()
        flags: list[str] = []
        comment: str | None = None
        chains: list[Command] = []
        sets: list[Command] = []
        while True:
            self._separators()
            if self.accept("}"):
                return TableSpec(tuple(flags), comment, tuple(chains), tuple(sets))
            if self.definition():
                continue
            token = self.token
            if self.accept("flags"):
                flags = [self.name().text]
                if flags != ["dormant"]:
                    raise NotSimulatedError.of(f"table flag {flags[0]}", self.tokens[self.position - 1].span)
            elif self.accept("comment"):
                comment = self.string()
            elif self.accept("chain"):
                name = self.name()
                if not self.at("{"):
                    raise self.unexpected("'{'")
                body = self.chain_block(family, table, name)
                span = token.span.to(self.tokens[self.position - 1].span)
                chains.append(
                    Command(
                        "add",
                        "chain",
                        family,
                        table.text,
                        name.text,
                        body,
                        span=span,
                        table_span=table.span,
                        name_span=name.span,
                    )
                )
            elif self.at("set", "map"):
                kind = self.take().text
                name = self.name()
                if not self.at("{"):
                    raise self.unexpected("'{'")
                spec = self.set_block(kind)
                span = token.span.to(self.tokens[self.position - 1].span)
                sets.append(
                    Command(
                        "add",
                        "set",
                        family,
                        table.text,
                        name.text,
                        spec,
                        span=span,
                        table_span=table.span,
                        name_span=name.span,
                    )
                )
            elif token.kind == "word" and token.text in REFUSED_OBJECTS:
                raise NotSimulatedError.of(token.text, token.span)
            else:
                raise self.unexpected()
            self._separator()

    def chain_block(self, family: str, table: Token, name: Token) -> ChainSpec:
        """`{ ... }` of a chain."""
        self.take()
        found: dict[str, object] = {}
        spans: dict[str, Span] = {}
        rules: list[Command] = []
        while True:
            self._separators()
            if self.accept("}"):
                return ChainSpec(**found, spans=spans, rules=tuple(rules))  # type: ignore[arg-type]
            if self.definition():
                continue
            if self.at("type"):
                self._hook(found, spans)
            elif self.at("policy"):
                self._policy(found, spans)
            elif self.accept("comment"):
                found["comment"] = self.string()
            elif self.at("flags"):
                raise NotSimulatedError.of("chain flags", self.token.span)
            else:
                body = self.rule()
                rules.append(
                    Command(
                        "add",
                        "rule",
                        family,
                        table.text,
                        name.text,
                        body,
                        span=body.span,
                        table_span=table.span,
                        name_span=name.span,
                    )
                )
            self._separator()

    def _hook(self, found: dict[str, object], spans: dict[str, Span]) -> None:
        start = self.take()
        kind = self.token
        if kind.text not in _TYPES:
            raise NftError.at("unknown chain type", kind.span) if kind.name == "string" else self.unexpected("string")
        self.take()
        self.expect("hook", "hook")
        hook = self.token
        if hook.text not in _HOOKS:
            raise NftError.at("unknown chain hook", hook.span) if hook.name == "string" else self.unexpected("string")
        if hook.text in {"ingress", "egress"}:
            raise NotSimulatedError.of(f"hook {hook.text}", hook.span)
        self.take()
        if self.at("device", "devices"):
            raise NotSimulatedError.of("device", self.token.span)
        word = self.expect("priority", "priority")
        found |= {"type": kind.text, "hook": hook.text, "priority": self._priority()}
        spans["hook"] = start.span
        spans["type"] = kind.span
        spans["priority"] = word.span.to(self.tokens[self.position - 1].span)

    def _priority(self) -> tuple[str | int, int]:
        if self.at("$"):
            value = self.variable()
            if isinstance(value, RawWord):
                return (int(value.text), 0) if value.text.lstrip("-").isdigit() else (value.text, 0)
            raise self.unexpected()
        if self.accept("-"):
            return -self.number(), 0
        if self.token.kind == "number":
            return self.number(), 0
        base = self.string("string")
        if sign := self.accept("+", "-"):
            offset = self.number()
            return base, offset if sign.text == "+" else -offset
        return base, 0

    def _policy(self, found: dict[str, object], spans: dict[str, Span]) -> None:
        start = self.take()
        token = self.token
        if self.at("$"):
            value = self.variable()
            policy = value.text if isinstance(value, RawWord) else ""
        elif self.at("accept", "drop"):
            policy = self.take().text
        else:
            raise self.unexpected("accept or drop or '$'")
        if policy not in {"accept", "drop"}:
            raise NftError.at(f"invalid policy expression: {policy}", token.span)
        found["policy"] = policy
        spans["policy"] = start.span.to(self.tokens[self.position - 1].span)

    def set_block(self, kind: str) -> SetSpec:
        """`{ ... }` of a set or map."""
        start = self.take()
        found: dict[str, object] = {"is_map": kind == "map"}
        while True:
            self._separators()
            if self.at("}"):
                span = start.span.to(self.tokens[self.position - 1].span)
                self.take()
                return SetSpec(**found, span=span)  # type: ignore[arg-type]
            if self.definition():
                continue
            expecting = self._set_option(found)
            if expecting is not None:
                if not self.at("newline", ";"):
                    raise self.unexpected(expecting)
                self.take()

    def _set_option(self, found: dict[str, object]) -> str | None:
        """Read one option; the answer is what must follow it, None for nothing."""
        word = self.token
        if self.accept("type"):
            self._key_type(found)
            return "newline or semicolon or ."
        if self.accept("typeof"):
            found["key"] = self.expression()
            if self.accept(":"):
                found["data"] = self._types() if self.at("verdict") else self.expression()
        elif self.accept("flags"):
            flags = [self._flag()]
            while self.accept(","):
                flags.append(self._flag())
            found["flags"] = tuple(flags)
            return "newline or semicolon or comma"
        elif self.accept("timeout"):
            found["timeout_ms"] = self.time()
        elif self.accept("gc-interval"):
            found["gc_interval_ms"] = self.time()
        elif self.accept("size"):
            found["size"] = self.number()
        elif self.accept("policy"):
            if not self.at("memory", "performance"):
                raise self.unexpected("performance or memory")
            found["policy"] = self.take().text
        elif self.accept("auto-merge"):
            found["auto_merge"] = True
            return None
        elif self.accept("counter"):
            found["counter"] = True
        elif self.accept("comment"):
            found["comment"] = self.string()
        elif self.accept("elements"):
            self.expect("=", "'='")
            found["elements"] = self._elements()
            return None
        elif word.kind == "word" and word.text in {"limit", "quota", "last", "ct"}:
            raise NotSimulatedError.of(f"{word.text} for every element of a set", word.span)
        else:
            raise self.unexpected()
        return "newline or semicolon"

    def _key_type(self, found: dict[str, object]) -> None:
        found["key"] = self._types()
        if not found["is_map"]:
            return
        if not self.at(":"):
            raise self.unexpected("colon or .")
        self.take()
        found["data"] = self._types()

    def _elements(self) -> RawSet:
        if not self.at("$"):
            if not self.at("{"):
                raise self.unexpected("'{' or '$'")
            return self.set_literal()
        token = self.token
        value = self.variable()
        if isinstance(value, RawSet):
            return value
        raise NftError.at("syntax error, unexpected '$'", token.span)

    def _flag(self) -> str:
        if not self.at("constant", "interval", "timeout", "dynamic"):
            raise self.unexpected("constant or interval or dynamic or timeout")
        return self.take().text

    def _types(self) -> tuple[RawWord, ...]:
        words: list[RawWord] = []
        while True:
            token = self.token
            if token.kind != "word" or (token.name != "string" and token.text != "mark"):
                raise self.unexpected("string")
            self.take()
            words.append(RawWord("word", token.text, token.span))
            if not self.accept("."):
                return tuple(words)
