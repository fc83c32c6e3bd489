"""What the tree of a text tells before it runs: loops that never end, substitutions that only read a file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from labs.shell.bash.syntax import (
    ArithmeticCommand,
    Case,
    Command,
    CompoundList,
    Condition,
    For,
    Group,
    If,
    Literal,
    Loop,
    Redirected,
    Redirection,
    Simple,
    Subshell,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["only_input", "runs_for_ever", "substitutes", "waits_for_something"]


def substitutes(command: Simple) -> bool:
    """True where a word of the command is more than text."""
    return any(not isinstance(part, Literal) for word in command.words for part in word.parts)


def only_input(tree: CompoundList) -> Redirection | None:
    """The redirection of `$(< file)`."""
    if len(tree.items) == 1 and len(tree.items[0].andor.parts) == 1:
        command = tree.items[0].andor.parts[0][1].commands[0]
        if not isinstance(command, Simple) or command.words or command.assignments:
            return None
        if [redirection.operator for redirection in command.redirections] == ["<"]:
            return command.redirections[0]
    return None


def _first_words(tree: CompoundList) -> Iterator[str]:
    """The command words of a list, also inside compound commands."""
    for item in tree.items:
        for _, pipeline in item.andor.parts:
            for command in pipeline.commands:
                yield from _words_of(command)


def _words_of(command: Command) -> Iterator[str]:
    if isinstance(command, Simple):
        if command.words:
            yield command.words[0].plain or ""
    elif isinstance(command, Redirected):
        yield from _words_of(command.command)
    elif isinstance(command, (Group, Subshell, For)):
        yield from _first_words(command.body)
    elif isinstance(command, Loop):
        yield from _first_words(command.condition)
        yield from _first_words(command.body)
    elif isinstance(command, If):
        for condition, body in command.clauses:
            yield from _first_words(condition)
            yield from _first_words(body)
        if command.otherwise is not None:
            yield from _first_words(command.otherwise)
    elif isinstance(command, Case):
        for _, body in command.clauses:
            yield from _first_words(body)
    elif isinstance(command, (Condition, ArithmeticCommand)):
        yield "[["


def runs_for_ever(command: Loop) -> bool:
    """`while true` with nothing in it that leaves."""
    always = {"false"} if command.until else {"true", ":"}
    if set(_first_words(command.condition)) - always:
        return False
    return not {"break", "exit", "return"} & set(_first_words(command.body))


def waits_for_something(command: Loop) -> bool:
    """The condition asks the world, not a counter."""
    counting = {"test", "[", "[[", "read"}
    return not counting & set(_first_words(command.condition))
