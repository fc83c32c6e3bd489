"""Commands and blocks: the grammar of a whole input.

Read first: nft(8), sections "INPUT FILE FORMATS", "TABLES", "CHAINS", "RULES", "SETS". One syntax error ends the
reading; nft goes on and often reports further errors that follow from the first.
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

from labs.net.nftables.blocks import REFUSED_OBJECTS, BlockReader
from labs.net.nftables.errors import NO_SPAN, NftError, NotSimulatedError, Span
from labs.net.nftables.inclusion import Inclusions
from labs.net.nftables.lexer import Token
from labs.net.nftables.syntax import Command, RawSet, TableSpec

__all__ = ["FAMILIES", "parse"]

FAMILIES = ("ip", "ip6", "inet", "arp", "bridge")
_VERBS = frozenset({"add", "create", "insert", "replace", "delete", "flush", "list", "reset", "rename", "get"})
_REFUSED_VERBS = frozenset({"monitor", "describe", "import", "export"})
_MADE = ("table", "chain", "rule", "set", "map", "element")


def parse(text: str, inclusions: Inclusions | None = None) -> list[Command]:
    """The commands of a file or a command line; `inclusions` knows the files that it may name. Raises NftError."""
    return list(_Parser(text, inclusions).commands()) if "include" in text else list(_parsed(text))


@lru_cache(maxsize=64)
def _parsed(text: str) -> tuple[Command, ...]:
    """Commands are values: the same text, read again at every boot, gives the same ones."""
    return tuple(_Parser(text).commands())


class _Parser(BlockReader):
    """The commands of one input."""

    def commands(self) -> list[Command]:
        found: list[Command] = []
        while self.token.kind != "end":
            if self.accept("newline", ";"):
                continue
            if self.definition():
                continue
            found.append(self._command())
            if not self.at("newline", ";", "end"):
                raise self.unexpected("end of file or newline or semicolon")
        return found

    def _command(self) -> Command:
        start = self.token
        if start.kind == "word" and start.text in _REFUSED_VERBS:
            raise NotSimulatedError.of(start.text, start.span)
        verb = "add"
        if start.kind == "word" and start.text in _VERBS:
            verb = self.take().text
        elif not (start.kind == "word" and start.text in {*_MADE, *REFUSED_OBJECTS, "flow"}):
            return self._bare_rule(start, "add")
        kind = self.token
        if kind.kind == "word" and kind.text in REFUSED_OBJECTS and verb != "rename":
            raise NotSimulatedError.of(
                f"{verb} {kind.text}" if verb in {"list", "reset", "flush"} else kind.text, kind.span
            )
        reader = getattr(self, f"_{verb}", None) or self._make
        command: Command = reader(verb)
        last, after = self.tokens[self.position - 1], self.token
        # nft counts the separator too
        end = after if after.kind in {"newline", ";"} else last
        return _with_span(command, start.span.to(end.span))

    def _bare_rule(self, start: Token, verb: str) -> Command:
        """`add filter input accept`: the word rule may be left out."""
        if not (start.kind == "word" and (start.name == "string" or start.text in FAMILIES)):
            raise self.unexpected()
        return self._rule(verb, word=False)

    def _make(self, verb: str) -> Command:
        """add, create, insert, replace."""
        if verb in {"insert", "replace"}:
            if not self.at("rule"):
                raise self.unexpected("rule")
            return self._rule(verb, word=True)
        if self.at("table"):
            return self._table(verb)
        if self.at("chain"):
            return self._chain(verb)
        if self.at("set", "map"):
            return self._set(verb)
        if self.at("element"):
            return self._element_command(verb)
        if self.at("rule") and verb == "add":
            return self._rule(verb, word=True)
        if verb == "add" and (self.token.name == "string" or self.at(*FAMILIES)):
            return self._rule(verb, word=False)
        raise self.unexpected("string" if verb == "add" else "")

    def _family(self) -> str:
        if self.at("netdev"):
            raise NotSimulatedError.of("the netdev family", self.token.span)
        word = self.accept(*FAMILIES)
        return word.text if word else "ip"

    def _table(self, verb: str) -> Command:
        self.take()
        family = self._family()
        name = self.name()
        body = self.table_block(family, name) if self.at("{") else TableSpec()
        return Command(verb, "table", family, name.text, body=body, table_span=name.span)

    def _chain(self, verb: str) -> Command:
        self.take()
        family = self._family()
        table, name = self.name(), self.name()
        body = self.chain_block(family, table, name) if self.at("{") else None
        return Command(verb, "chain", family, table.text, name.text, body, table_span=table.span, name_span=name.span)

    def _rule(self, verb: str, *, word: bool) -> Command:
        if word:
            self.take()
        family = self._family()
        table, name = self.name(), self.name()
        places: dict[str, int] = {}
        place_span = NO_SPAN
        where = self.accept("handle", "position", "index")
        if where is None and verb == "replace":
            raise self.unexpected("handle")
        if where is not None:
            number = self.token
            places[where.text] = self.number()
            if places == {"position": 0}:  # netlink leaves a zero out
                places = {}
            place_span = where.span.to(number.span) if where.text == "index" else number.span
        body = self.rule()
        return Command(
            verb, "rule", family, table.text, name.text, body,
            places.get("handle"), places.get("index"), places.get("position"),
            table_span=table.span, name_span=name.span, handle_span=place_span,
        )  # fmt: skip

    def _set(self, verb: str) -> Command:
        kind = self.take().text
        family = self._family()
        table, name = self.name(), self.name()
        if not self.at("{"):
            raise self.unexpected("'{'")
        body = self.set_block(kind)
        return Command(verb, "set", family, table.text, name.text, body, table_span=table.span, name_span=name.span)

    def _element_command(self, verb: str) -> Command:
        self.take()
        family = self._family()
        table, name = self.name(), self.name()
        if self.at("$"):
            token = self.token
            value = self.variable()
            body = value if isinstance(value, RawSet) else None
            if body is None:
                raise NftError.at("syntax error, unexpected '$', expecting '{'", token.span)
        else:
            if not self.at("{"):
                raise self.unexpected("'{'")
            body = self.set_literal()
        return Command(verb, "element", family, table.text, name.text, body, table_span=table.span, name_span=name.span)

    def _delete(self, verb: str) -> Command:
        if not self.at(*_MADE):
            raise self.unexpected()
        kind = self.token.text
        if kind == "element":
            return self._element_command(verb)
        self.take()
        family = self._family()
        if self.at("handle") and kind == "table":
            return self._by_handle(Command(verb, kind, family))
        table = self.name()
        if kind == "table":
            return Command(verb, kind, family, table.text, table_span=table.span)
        if self.at("handle") and kind != "rule":
            return self._by_handle(Command(verb, _set_kind(kind), family, table.text, table_span=table.span))
        name = self.name()
        command = Command(
            verb, _set_kind(kind), family, table.text, name.text, table_span=table.span, name_span=name.span
        )
        if kind == "rule":
            if not self.at("handle"):
                raise self.unexpected("handle")
            return self._by_handle(command)
        return command

    def _by_handle(self, command: Command) -> Command:
        self.take()
        token = self.token
        handle = self.number()
        return Command(
            command.verb, command.object, command.family, command.table, command.name, handle=handle,
            table_span=command.table_span, name_span=command.name_span, handle_span=token.span,
        )  # fmt: skip

    def _flush(self, verb: str) -> Command:
        if not self.at("ruleset", "table", "chain", "set", "map"):
            raise self.unexpected()
        kind = self.take().text
        if kind == "ruleset":
            return Command(verb, kind, self.accept_family())
        family = self._family()
        table = self.name()
        if kind == "table":
            return Command(verb, kind, family, table.text, table_span=table.span)
        name = self.name()
        return Command(verb, _set_kind(kind), family, table.text, name.text, table_span=table.span, name_span=name.span)

    def accept_family(self) -> str | None:
        """A family, or None for all."""
        return self._family() if self.at(*FAMILIES, "netdev") else None

    def _list(self, verb: str) -> Command:
        if not self.at("ruleset", "tables", "chains", "sets", "maps", "table", "chain", "set", "map"):
            raise self.unexpected()
        kind = self.take().text
        if kind in {"ruleset", "tables", "chains", "sets", "maps"}:
            family = self.accept_family()
            if kind in {"sets", "maps"} and self.accept("table"):
                family = self._family()
                table = self.name()
                return Command(verb, kind, family, table.text, table_span=table.span)
            return Command(verb, kind, family)
        family = self._family()
        table = self.name()
        if kind == "table":
            return Command(verb, kind, family, table.text, table_span=table.span)
        name = self.name()
        return Command(verb, kind, family, table.text, name.text, table_span=table.span, name_span=name.span)

    def _reset(self, verb: str) -> Command:
        raise self.unexpected("counter or counters or quotas or quota")

    def _rename(self, verb: str) -> Command:
        self.expect("chain", "chain")
        family = self._family()
        table, name, new = self.name(), self.name(), self.name()
        return Command(
            verb, "chain", family, table.text, name.text, new_name=new.text, table_span=table.span, name_span=name.span
        )

    def _get(self, verb: str) -> Command:
        if not self.at("element"):
            raise self.unexpected("element")
        return self._element_command(verb)


def _set_kind(kind: str) -> str:
    return "set" if kind == "map" else kind


def _with_span(command: Command, span: Span) -> Command:
    return replace(command, span=span)
