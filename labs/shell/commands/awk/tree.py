"""What an awk program says: rules and functions; statements and expressions are tuples `(kind, …)`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

__all__ = ["Function", "Node", "Rule", "Script"]

Node = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Rule:
    """A pattern and its action. `kind` is BEGIN, END, always, when or range."""

    kind: str
    patterns: tuple[Node, ...]
    action: Node | None
    number: int


@dataclass(frozen=True, slots=True)
class Function:
    """A function of the program."""

    parameters: tuple[str, ...]
    body: Node


@dataclass(slots=True)
class Script:
    """A whole program."""

    rules: list[Rule] = field(default_factory=list)
    functions: dict[str, Function] = field(default_factory=dict)
