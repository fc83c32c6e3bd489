"""Commands to a new ruleset: all of them or none.

Read first: nft(8), sections "TABLES", "CHAINS", "RULES", "SETS". Mistakes that nft finds itself come before those that
the kernel finds; if there is any, the ruleset stays as it was.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from labs.net.nftables.checks import check_hook, check_jumps, check_rule
from labs.net.nftables.datatypes import DATATYPES, Datatype
from labs.net.nftables.elements import is_interval, ordered, overlap
from labs.net.nftables.errors import NO_SPAN, NftError, Span
from labs.net.nftables.expand import expanded
from labs.net.nftables.fields import expression_type
from labs.net.nftables.inclusion import Inclusions
from labs.net.nftables.misspell import nearest
from labs.net.nftables.parser import parse
from labs.net.nftables.priorities import priority_number
from labs.net.nftables.references import anonymous_sets, jump_targets, retargeted, uses_set
from labs.net.nftables.render import set_types
from labs.net.nftables.semantics import build_expression, build_rule
from labs.net.nftables.syntax import ChainSpec, Command, RawExpr, RawRule, RawSet, RawWord, SetSpec, TableSpec
from labs.net.nftables.tree import (
    Chain,
    Counter,
    Element,
    Expr,
    Rule,
    Ruleset,
    Set,
    Table,
)
from labs.net.nftables.values import Scope, build_elements

__all__ = ["apply", "load"]

NOT_FOUND = "No such file or directory"
EXISTS = "Could not process rule: File exists"
BUSY = "Could not process rule: Device or resource busy"
UNSUPPORTED = "Could not process rule: Operation not supported"
MISSING = f"Could not process rule: {NOT_FOUND}"
MAX_RULES = 20_000  # per table: a scenario that needs more has a loop in its generator


class _KernelError(NftError):
    """Found by the kernel, after nft found nothing."""


def load(text: str, *, interfaces: Iterable[str] | None = None, inclusions: Inclusions | None = None) -> Ruleset:
    """The ruleset of a file, from nothing. Raises NftError."""
    return apply(Ruleset(), parse(text, inclusions), interfaces=interfaces)


def apply(ruleset: Ruleset, commands: Sequence[Command], *, interfaces: Iterable[str] | None = None) -> Ruleset:
    """The ruleset after all commands; `interfaces` are the names `iif` and `oif` may use (None: any).

    Raises NftError with all mistakes; the ruleset itself never changes.
    """
    known = None if interfaces is None else frozenset(interfaces)
    work = _Transaction(ruleset, known)
    own: list[NftError] = []
    kernel: list[NftError] = []
    for command in expanded(commands):
        try:
            work.run(command)
        except _KernelError as error:
            kernel.append(error)
        except NftError as error:
            own.append(error)
    if not own and not kernel:
        try:
            check_jumps(work.ruleset, work.rule_spans)
        except NftError as error:
            kernel.append(error)
    errors = [part for error in own or kernel for part in (error, *error.others)]
    if errors:
        raise errors[0].with_others(tuple(errors[1:]))
    return work.ruleset


class _Transaction:
    """The ruleset while commands run."""

    def __init__(self, ruleset: Ruleset, interfaces: frozenset[str] | None) -> None:
        self.ruleset = ruleset
        self.interfaces = interfaces
        self.rule_spans: dict[tuple[str, str, int], Span] = {}

    def run(self, command: Command) -> None:
        """Carry one command out. Raises NftError."""
        verb = "add" if command.verb == "create" else command.verb
        handler = getattr(self, f"_{verb}_{command.object}", None)
        if handler is None:
            raise NftError.at("syntax error, unexpected string", command.span)
        handler(command)

    # -- finding --------------------------------------------------------------------------------------------------

    def _table(self, command: Command, *, own: bool = False) -> Table:
        table = self.ruleset.table(str(command.family), str(command.table))
        if table is None:
            raise self._no_table(command, own=own)
        return table

    def _no_table(self, command: Command, *, own: bool) -> NftError:
        name = str(command.table)
        other = next((entry for entry in self.ruleset.tables if entry.name == name), None)
        if other is None:
            near = nearest(name, (entry.name for entry in self.ruleset.tables))
            other = next((entry for entry in self.ruleset.tables if entry.name == near), None)
        if other is not None:
            text = f"{NOT_FOUND}; did you mean table ‘{other.name}’ in family {other.family}?"
            return (NftError if own else _KernelError).at(text, command.table_span)
        return NftError.at(NOT_FOUND, command.table_span) if own else _KernelError.at(MISSING, command.table_span)

    def _chain(self, table: Table, command: Command, *, own: bool = False) -> Chain:
        name = str(command.name)
        chain = table.chain(name)
        if chain is not None:
            return chain
        near = nearest(name, (entry.name for entry in table.chains))
        if near is not None:
            text = f"{NOT_FOUND}; did you mean chain ‘{near}’ in table {table.family} ‘{table.name}’?"
            raise (NftError if own else _KernelError).at(text, command.name_span)
        if own:
            raise NftError.at(NOT_FOUND, command.name_span)
        raise _KernelError.at(MISSING, command.name_span)

    def _set(self, table: Table, name: str, span: Span, *, own: bool = True) -> Set:
        found = table.set(name)
        if found is not None:
            return found
        near = nearest(name, (entry.name for entry in table.sets))
        if near is not None:
            kind = next(entry.kind for entry in table.sets if entry.name == near)
            text = f"{NOT_FOUND}; did you mean {kind} ‘{near}’ in table {table.family} ‘{table.name}’?"
            raise (NftError if own else _KernelError).at(text, span)
        raise NftError.at(NOT_FOUND, span) if own else _KernelError.at(MISSING, span)

    def _scope(self, table: Table) -> Scope:
        return Scope(table.family, lambda name, span: self._set(table, name, span), self.interfaces)

    # -- changing -------------------------------------------------------------------------------------------------

    def _store(self, table: Table) -> Table:
        tables = tuple(table if (e.family, e.name) == (table.family, table.name) else e for e in self.ruleset.tables)
        self.ruleset = replace(self.ruleset, tables=tables)
        return table

    def _store_chain(self, table: Table, chain: Chain) -> None:
        self._store(
            replace(table, chains=tuple(chain if entry.name == chain.name else entry for entry in table.chains))
        )

    def _store_set(self, table: Table, entry: Set) -> None:
        self._store(replace(table, sets=tuple(entry if other.name == entry.name else other for other in table.sets)))

    # -- tables ---------------------------------------------------------------------------------------------------

    def _add_table(self, command: Command) -> None:
        family, name = str(command.family), str(command.table)
        spec = command.body if isinstance(command.body, TableSpec) else TableSpec()
        found = self.ruleset.table(family, name)
        if found is not None:
            if command.verb == "create":
                raise _KernelError.at(EXISTS, command.table_span)
            if spec.flags != found.flags:
                self._store(replace(found, flags=spec.flags))
            return
        handle = self.ruleset.last_handle + 1
        table = Table(family, name, handle, spec.flags, spec.comment)
        self.ruleset = Ruleset((*self.ruleset.tables, table), handle)

    def _delete_table(self, command: Command) -> None:
        if command.handle is not None:
            gone = [t for t in self.ruleset.of_family(command.family) if t.handle == command.handle]
            if not gone:
                raise _KernelError.at(MISSING, command.handle_span)
            table = gone[0]
        else:
            table = self._table(command)
        self.ruleset = replace(self.ruleset, tables=tuple(entry for entry in self.ruleset.tables if entry is not table))

    def _flush_table(self, command: Command) -> None:
        table = self._table(command)
        self._store(replace(table, chains=tuple(replace(chain, rules=()) for chain in table.chains)))

    def _flush_ruleset(self, command: Command) -> None:
        kept = () if command.family is None else tuple(t for t in self.ruleset.tables if t.family != command.family)
        self.ruleset = replace(self.ruleset, tables=kept)

    # -- chains ---------------------------------------------------------------------------------------------------

    def _add_chain(self, command: Command) -> None:
        table = self._table(command, own=True)
        spec = command.body if isinstance(command.body, ChainSpec) else ChainSpec()
        wanted = self._chain_of(table, command, spec)
        found = table.chain(wanted.name)
        if found is None:
            if spec.hook is None and spec.policy is not None:
                raise _KernelError.at(UNSUPPORTED, spec.spans["policy"])
            handle = table.last_handle + 1
            self._store(replace(table, chains=(*table.chains, replace(wanted, handle=handle)), last_handle=handle))
            return
        if command.verb == "create":
            raise _KernelError.at(EXISTS, command.name_span)
        if spec.hook is not None and (found.type, found.hook, found.prio) != (wanted.type, wanted.hook, wanted.prio):
            raise _KernelError.at(UNSUPPORTED if found.is_base else EXISTS, command.span)
        if spec.policy is not None:
            if not found.is_base:
                raise _KernelError.at(UNSUPPORTED, spec.spans["policy"])
            self._store_chain(table, replace(found, policy=spec.policy))

    def _chain_of(self, table: Table, command: Command, spec: ChainSpec) -> Chain:
        name = str(command.name)
        if spec.hook is None or spec.priority is None or spec.type is None:
            return Chain(name, comment=spec.comment)
        base, offset = spec.priority
        number = base if isinstance(base, int) else priority_number(table.family, spec.hook, base)
        if number is None:
            raise NftError.at("invalid priority expression value in this context.", spec.spans["priority"])
        problem = check_hook(table.family, spec.type, spec.hook, number + offset)
        if problem is not None:
            raise _KernelError.at(problem, spec.spans["type"] if problem == MISSING else command.span)
        return Chain(name, 0, (), spec.type, spec.hook, number + offset, spec.policy or "accept", spec.comment)

    def _delete_chain(self, command: Command) -> None:
        table = self._table(command)
        if command.handle is not None:
            gone = next((chain for chain in table.chains if chain.handle == command.handle), None)
            span = command.handle_span
        else:
            gone, span = table.chain(str(command.name)), command.name_span
        if gone is None:
            raise _KernelError.at(MISSING, span)
        if any(target == gone.name for target in jump_targets(table, besides=gone.name)):
            raise _KernelError.at(BUSY, span)
        self._store(replace(table, chains=tuple(chain for chain in table.chains if chain is not gone)))

    def _flush_chain(self, command: Command) -> None:
        table = self._table(command)
        self._store_chain(table, replace(self._chain(table, command), rules=()))

    def _rename_chain(self, command: Command) -> None:
        table = self._table(command)
        chain = self._chain(table, command)
        if table.chain(str(command.new_name)) is not None:
            raise _KernelError.at(EXISTS, command.name_span)
        renamed = replace(chain, name=str(command.new_name))
        chains = tuple(renamed if entry is chain else entry for entry in table.chains)
        self._store(replace(table, chains=tuple(retargeted(entry, chain.name, renamed.name) for entry in chains)))

    # -- rules ----------------------------------------------------------------------------------------------------

    def _built(self, table: Table, command: Command) -> Rule:
        raw = command.body
        if not isinstance(raw, RawRule):
            raise NftError.at("syntax error, unexpected newline", command.span)
        return Rule(build_rule(raw, self._scope(table)), 0, raw.comment)

    def _add_rule(self, command: Command) -> None:
        known = self.ruleset.table(str(command.family), str(command.table))
        rule = self._built(known or Table(str(command.family), ""), command)
        table = self._table(command)
        placed = command.handle is not None or command.index is not None or command.position is not None
        chain = table.chain(str(command.name))
        if chain is None and placed:
            raise NftError.at(NOT_FOUND, command.name_span)
        chain = chain or self._chain(table, command)
        place = self._place(chain, command)
        self._put(table, chain, rule, place, command)

    _insert_rule = _add_rule

    def _put(
        self, table: Table, chain: Chain, rule: Rule, place: int, command: Command, *, instead: bool = False
    ) -> None:
        problem = check_rule(table, chain, rule, command.body)
        if problem is not None:
            raise _KernelError.at(problem[0], problem[1] if problem[1] != NO_SPAN else command.span)
        if sum(len(entry.rules) for entry in table.chains) >= MAX_RULES:
            raise _KernelError.at("Could not process rule: Cannot allocate memory", command.span)
        handle = table.last_handle + anonymous_sets(rule.expr) + 1
        rules = [*chain.rules]
        rules[place : place + 1 if instead else place] = [replace(rule, handle=handle)]
        self.rule_spans[table.family, table.name, handle] = command.span
        self._store_chain(replace(table, last_handle=handle), replace(chain, rules=tuple(rules)))

    def _place(self, chain: Chain, command: Command) -> int:
        after = 0 if command.verb == "insert" else 1
        handle = command.handle if command.handle is not None else command.position
        if handle is not None:
            for place, rule in enumerate(chain.rules):
                if rule.handle == handle:
                    return place + after
            raise _KernelError.at(MISSING, command.handle_span)
        if command.index is not None:
            if command.index >= len(chain.rules):
                raise _KernelError.at(MISSING, command.handle_span)
            return command.index + after
        return len(chain.rules) if after else 0

    def _replace_rule(self, command: Command) -> None:
        known = self.ruleset.table(str(command.family), str(command.table))
        rule = self._built(known or Table(str(command.family), ""), command)
        table = self._table(command)
        chain = self._chain(table, command)
        place = next((i for i, entry in enumerate(chain.rules) if entry.handle == command.handle), None)
        if place is None:
            raise _KernelError.at(MISSING, command.handle_span)
        self._put(table, chain, rule, place, command, instead=True)

    def _delete_rule(self, command: Command) -> None:
        table = self._table(command)
        chain = self._chain(table, command)
        rules = tuple(rule for rule in chain.rules if rule.handle != command.handle)
        if len(rules) == len(chain.rules):
            raise _KernelError.at(MISSING, command.handle_span)
        self._store_chain(table, replace(chain, rules=rules))

    # -- sets -----------------------------------------------------------------------------------------------------

    def _add_set(self, command: Command) -> None:
        table = self._table(command, own=True)
        spec = command.body
        if not isinstance(spec, SetSpec):
            raise NftError.at("syntax error, unexpected newline, expecting '{'", command.span)
        wanted = self._set_of(table, str(command.name), spec)
        found = table.set(wanted.name)
        if found is None:
            handle = table.last_handle + 1
            self._store(replace(table, sets=(*table.sets, replace(wanted, handle=handle)), last_handle=handle))
        elif command.verb == "create" or (found.type, found.map, set(found.flags)) != (
            wanted.type,
            wanted.map,
            set(wanted.flags),
        ):
            raise _KernelError.at(EXISTS, command.name_span)

    def _set_of(self, table: Table, name: str, spec: SetSpec) -> Set:
        scope = self._scope(table)
        if spec.key is None:
            raise NftError.at(f"{'map' if spec.is_map else 'set'} definition does not specify key", spec.span)
        if spec.is_map and spec.data is None:
            raise NftError.at("map definition does not specify mapping data type", spec.span)
        types, typeof = _types(spec.key, scope, spec.span)
        mapped, typeof_map = (None, None) if spec.data is None else _types(spec.data, scope, spec.span, verdict=True)
        flags = spec.flags
        if spec.timeout_ms is not None and "timeout" not in flags:
            flags = (*flags, "timeout")
        if spec.gc_interval_ms is not None and "timeout" not in flags:
            raise _KernelError.at("Could not process rule: Invalid argument", spec.span)
        return Set(
            name, types, 0, mapped, typeof, typeof_map, flags, (), spec.timeout_ms, spec.gc_interval_ms, spec.size,
            spec.policy, spec.auto_merge, spec.counter, spec.comment,
        )  # fmt: skip

    def _delete_set(self, command: Command) -> None:
        table = self._table(command)
        if command.handle is not None:
            gone = next((entry for entry in table.sets if entry.handle == command.handle), None)
            if gone is None:
                raise _KernelError.at(MISSING, command.handle_span)
        else:
            gone = self._set(table, str(command.name), command.name_span, own=False)
        if any(
            uses_set(statement, gone.name) for chain in table.chains for rule in chain.rules for statement in rule.expr
        ):
            raise _KernelError.at(BUSY, command.name_span if command.handle is None else command.handle_span)
        self._store(replace(table, sets=tuple(entry for entry in table.sets if entry is not gone)))

    def _flush_set(self, command: Command) -> None:
        table = self._table(command, own=True)
        self._store_set(table, replace(self._set(table, str(command.name), command.name_span), elements=()))

    def _elements(self, table: Table, entry: Set, raw: RawSet) -> list[Element]:
        kinds = set_types(entry.type, entry.typeof)
        data: tuple[Datatype, ...] | str | None = None
        if entry.map is not None:
            data = "verdict" if entry.map == ("verdict",) else set_types(entry.map, entry.typeof_map)
        found = build_elements(raw, kinds, data, self._scope(table))
        for element, item in zip(found, raw.items, strict=False):
            if is_interval(element.key) and "interval" not in entry.flags and not isinstance(element.key, str):
                what = "prefix" if "prefix" in type(element.key).__name__.lower() else "range"
                raise NftError.at(
                    f"You must add 'flags interval' to your set declaration if you want to add {what} elements",
                    item.key.span,
                )
        for element, item in zip(found, raw.items, strict=False):
            target = getattr(element.data, "target", None)
            if target is not None and table.chain(target) is None:
                raise _KernelError.at(MISSING, item.key.span)
        return [replace(e, counter=Counter()) if entry.counter and e.counter is None else e for e in found]

    def _add_element(self, command: Command) -> None:
        table = self._table(command, own=True)
        entry = self._set(table, str(command.name), command.name_span)
        if not isinstance(command.body, RawSet):
            return
        kinds = set_types(entry.type, entry.typeof)
        new = self._elements(table, entry, command.body)
        have = {element.key: element for element in entry.elements}
        for element, item in zip(new, command.body.items, strict=False):
            old = have.get(element.key)
            if old is not None and (command.verb == "create" or old.data != element.data):
                raise _KernelError.at(EXISTS, item.key.span)
        intervals = "interval" in entry.flags
        both = (*entry.elements, *new)
        if intervals and not entry.auto_merge and len(kinds) == 1:
            clash = overlap(both, kinds[0])
            if clash is not None:
                raise self._conflict(clash, new, command)
        merged = ordered(both, kinds, merge=entry.auto_merge, intervals=intervals)
        limit = entry.size if entry.size is not None else len(entry.elements) if "constant" in entry.flags else 0
        if limit and len(merged) > limit:
            first = min(limit - len(have) + sum(e.key in have for e in new), len(command.body.items) - 1)
            raise _KernelError.at(
                "Could not process rule: Too many open files in system", command.body.items[first].key.span
            )
        self._store_set(table, replace(entry, elements=merged))

    def _conflict(self, clash: tuple[Element, Element], new: Sequence[Element], command: Command) -> NftError:
        spans = [item.key.span for item in command.body.items] if isinstance(command.body, RawSet) else []
        places = [
            spans[new.index(element)] if element in new and new.index(element) < len(spans) else None
            for element in clash
        ]
        last = places[1] or places[0] or command.span
        related = places[0] if places[0] != last else None
        known = any(element not in new for element in clash)
        why = "interval overlaps with an existing one" if known else "conflicting intervals specified"
        return NftError.at(why, last, related)

    def _delete_element(self, command: Command) -> None:
        table = self._table(command, own=True)
        entry = self._set(table, str(command.name), command.name_span)
        if not isinstance(command.body, RawSet):
            return
        bare = replace(entry, map=None, typeof_map=None)
        gone = self._elements(table, bare, _keys_only(command.body))
        kinds = set_types(entry.type, entry.typeof)
        gone = list(ordered(gone, kinds, merge=False, intervals="interval" in entry.flags))
        keys = {element.key for element in entry.elements}
        for element in gone:
            if element.key not in keys:
                if "interval" in entry.flags:
                    raise NftError.at("element does not exist", command.body.items[0].key.span)
                raise _KernelError.at(MISSING, command.body.items[0].key.span)
        left = tuple(element for element in entry.elements if element.key not in {e.key for e in gone})
        self._store_set(table, replace(entry, elements=left))


def _keys_only(raw: RawSet) -> RawSet:
    return RawSet(tuple(replace(item, data=None) for item in raw.items), raw.span)


def _types(
    key: tuple[RawWord, ...] | RawExpr, scope: Scope, span: Span, *, verdict: bool = False
) -> tuple[tuple[str, ...], Expr | None]:
    if isinstance(key, tuple):
        for word in key:
            if word.text == "verdict" and not verdict:
                hint = 'Try "typeof expression" instead of "type datatype".'
                raise NftError.at(f"unqualified type verdict specified in set definition. {hint}", span)
            if word.text not in DATATYPES and not (verdict and word.text == "verdict"):
                error = NftError.at(f"unknown datatype {word.text}", word.span)
                what = (
                    "map definition does not specify mapping data type"
                    if verdict
                    else "set definition does not specify key"
                )
                raise error.with_others((NftError.at(what, span),))
        return tuple(word.text for word in key), None
    expr = build_expression(key, scope)
    return tuple(kind.name for kind in expression_type(expr)), expr
