"""Blocks to single commands, in the order in which nft sends them.

Read first: nftables, src/rule.c, nft_cmd_expand.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from labs.net.nftables.syntax import ChainSpec, Command, SetSpec, TableSpec

__all__ = ["expanded"]


def expanded(commands: Sequence[Command]) -> list[Command]:
    """A table block as the messages nft sends: the table, its chains, its sets, elements, then the rules."""
    result: list[Command] = []
    for command in commands:
        body = command.body
        if isinstance(body, TableSpec):
            result.append(command)
            result += [
                replace(chain, body=replace(spec, rules=()))
                for chain in body.chains
                if isinstance(spec := chain.body, ChainSpec)
            ]
            result += [_without_elements(entry) for entry in body.sets]
            result += [part for entry in body.sets for part in _elements_of(entry)]
            result += [rule for chain in body.chains if isinstance(chain.body, ChainSpec) for rule in chain.body.rules]
        elif isinstance(body, ChainSpec) and body.rules:
            result += [replace(command, body=replace(body, rules=())), *body.rules]
        elif isinstance(body, SetSpec) and body.elements is not None:
            result += [_without_elements(command), *_elements_of(command)]
        else:
            result.append(command)
    return result


def _without_elements(command: Command) -> Command:
    return replace(command, body=replace(command.body, elements=None)) if isinstance(command.body, SetSpec) else command


def _elements_of(command: Command) -> list[Command]:
    if isinstance(command.body, SetSpec) and command.body.elements is not None:
        return [replace(command, verb="add", object="element", body=command.body.elements)]
    return []
