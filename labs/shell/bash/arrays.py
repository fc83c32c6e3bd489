"""Arrays of bash, by number or by name: elements, lists, assignments. Compare with bash(1), "Arrays"."""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING

from labs.net.process import Wait
from labs.shell.bash import arithmetic
from labs.shell.bash.state import ReadOnlyVariable, State
from labs.shell.bash.syntax import Assignment, Literal, Word

if TYPE_CHECKING:
    from labs.shell.bash.expansion import Expander

__all__ = ["assign", "element", "key_of", "keys", "set_list", "values"]

MAX_ELEMENTS = 10_000


def values(state: State, name: str) -> list[str]:
    """Every element, in the order of the numbers, or of entering."""
    return [state.arrays[name][key] for key in keys(state, name)] if name in state.arrays else _single(state, name)


def _single(state: State, name: str) -> list[str]:
    return [state.variables[name]] if name in state.variables else []


def keys(state: State, name: str) -> list[str]:
    """`${!name[@]}`."""
    if name not in state.arrays:
        return ["0"] if name in state.variables else []
    found = state.arrays[name]
    return list(found) if name in state.associative else sorted(found, key=int)


def element(state: State, name: str, key: str) -> str | None:
    """`${name[key]}`; None where there is none."""
    if name in state.arrays:
        return state.arrays[name].get(key)
    return state.variables.get(name) if key == "0" else None


def set_list(state: State, name: str, items: list[str]) -> None:
    """Make an array of these elements."""
    state.arrays[name] = {str(number): item for number, item in enumerate(items[:MAX_ELEMENTS])}
    state.associative.discard(name)
    if name in state.variables:
        del state.variables[name]


def key_of(expander: Expander, state: State, name: str, index: Word) -> Generator[Wait, None, str]:
    """The key that a subscript means. Raises ExpansionError, ArithmeticFault."""
    text = yield from expander.text(index, tilde=False)
    if name in state.associative:
        return text
    number = arithmetic.evaluate(text, state.variables)
    if number < 0:
        number += 1 + max((int(key) for key in keys(state, name)), default=-1)
        if number < 0:
            raise arithmetic.ArithmeticFault("bad array subscript")
    return str(number)


def assign(expander: Expander, state: State, given: Assignment) -> Generator[Wait, None, str]:
    """Carry out one assignment of any kind; returns the new text. Raises ExpansionError, ReadOnlyVariable."""
    name = given.name
    if given.elements is not None:
        yield from _assign_list(expander, state, given)
        return ""
    text = yield from expander.text(given.value)
    if given.index is None and name not in state.arrays:
        text = state.variables.get(name, "") + text if given.append else text
        state.variables[name] = text
        return text
    if name in state.variables.read_only:
        raise ReadOnlyVariable(name)
    key = "0" if given.index is None else (yield from key_of(expander, state, name, given.index))
    if name not in state.arrays:
        set_list(state, name, _single(state, name))
    array = state.arrays[name]
    text = array.get(key, "") + text if given.append else text
    if key in array or len(array) < MAX_ELEMENTS:
        array[key] = text
    return text


def _assign_list(expander: Expander, state: State, given: Assignment) -> Generator[Wait, None, None]:
    """`name=(one two [5]=six)`."""
    name = given.name
    if name in state.variables.read_only:
        raise ReadOnlyVariable(name)
    array = dict(state.arrays.get(name, {})) if given.append else {}
    if given.append and name not in state.arrays:
        array = {str(number): text for number, text in enumerate(_single(state, name))}
    following = 1 + max((int(key) for key in array), default=-1) if name not in state.associative else 0
    for word in given.elements or ():
        keyed = split_element(word)
        if keyed is not None:
            index, value = keyed
            key = yield from key_of(expander, state, name, index)
            array[key] = yield from expander.text(value)
            following = int(key) + 1 if name not in state.associative else 0
            continue
        for text in (yield from expander.fields([word])):
            array[str(following)] = text
            following += 1
    if name in state.variables:
        del state.variables[name]
    state.arrays[name] = dict(list(array.items())[:MAX_ELEMENTS])


def split_element(word: Word) -> tuple[Word, Word] | None:
    """`[key]=value` as key and value; None for any other word."""
    first = word.parts[0] if word.parts else None
    if not isinstance(first, Literal) or first.quoted or not first.text.startswith("["):
        return None
    return split_subscript(Word((Literal(first.text[1:]), *word.parts[1:]), word.source), "]=")


def split_subscript(word: Word, close: str) -> tuple[Word, Word] | None:
    """The word before and behind the first unquoted `close`."""
    for position, part in enumerate(word.parts):
        if isinstance(part, Literal) and not part.quoted and close in part.text:
            left, _, right = part.text.partition(close)
            before = (*word.parts[:position], *((Literal(left),) if left else ()))
            after = (*((Literal(right),) if right else ()), *word.parts[position + 1 :])
            return Word(before, word.source), Word(after, word.source)
    return None
