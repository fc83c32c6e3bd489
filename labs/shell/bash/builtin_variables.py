"""The builtins of variables: export, readonly, local, unset, set, let, shift, read."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from typing import TYPE_CHECKING

from labs.shell.bash.arithmetic import ArithmeticFault, evaluate
from labs.shell.bash.arrays import set_list
from labs.shell.bash.builtin import NAME, Builtin, invalid_option, refuse
from labs.shell.bash.interpreter import Interpreter
from labs.shell.bash.state import ReadOnlyVariable, State
from labs.shell.bash.streams import Streams

if TYPE_CHECKING:
    from labs.shell.bash.interpreter import Step

__all__ = ["VARIABLES"]


ELEMENT = re.compile(r"([A-Za-z_]\w*)\[(.+)\]")


def _declare(command: str, act: Callable[[Interpreter, str, str | None], None]) -> Builtin:
    """A builtin of the form `command name[=value]…`; without names it lists."""

    def run(shell: Interpreter, words: list[str], streams: Streams) -> int:
        names = [word for word in words[1:] if word not in ("-p", "--")]
        if not names:
            _list_variables(shell, streams, command)
            return 0
        status = 0
        for word in names:
            name, equals, value = word.partition("=")
            if word.startswith("-"):
                return invalid_option(shell, words, streams, f"{command} [name[=value] ...]", word[:2])
            if not NAME.match(name):
                shell.error(f"{command}: `{word}': not a valid identifier", streams)
                status = 1
                continue
            act(shell, name, value if equals else None)
        return status

    return run


def _list_variables(shell: Interpreter, streams: Streams, command: str) -> None:
    variables = shell.state.variables
    shown = {"export": variables.exported, "readonly": variables.read_only}.get(command, set())
    flag = "r" if command == "readonly" else "x"
    for name in sorted(shown & set(variables)):
        value = variables[name].replace("\\", "\\\\").replace('"', '\\"').replace("$", "\\$").replace("`", "\\`")
        streams.stdout.write(f'declare -{flag} {name}="{value}"\n')


def _export(shell: Interpreter, name: str, value: str | None) -> None:
    if value is not None:
        shell.state.variables[name] = value
    shell.state.variables.exported.add(name)


def _readonly(shell: Interpreter, name: str, value: str | None) -> None:
    if value is not None:
        shell.state.variables[name] = value
    shell.state.variables.read_only.add(name)


def _local(shell: Interpreter, words: list[str], streams: Streams) -> int:
    state = shell.state
    if state.locals is None:
        shell.error("local: can only be used in a function", streams)
        return 1
    for word in words[1:]:
        name, equals, value = word.partition("=")
        if not NAME.match(name):
            shell.error(f"local: `{word}': not a valid identifier", streams)
            return 1
        state.locals.setdefault(name, state.variables.get(name))
        state.variables[name] = value if equals else ""
    return 0


def _unset(shell: Interpreter, words: list[str], streams: Streams) -> int:
    status = 0
    for word in words[1:]:
        if word in ("-v", "-f"):
            continue
        try:
            if word in shell.state.arrays:
                del shell.state.arrays[word]
                shell.state.associative.discard(word)
            elif (found := ELEMENT.fullmatch(word)) and found[1] in shell.state.arrays:
                shell.state.arrays[found[1]].pop(found[2], None)
            elif word in shell.state.variables:
                del shell.state.variables[word]
            else:
                shell.state.functions.pop(word, None)
        except ReadOnlyVariable:
            shell.error(f"unset: {word}: cannot unset: readonly variable", streams)
            status = 1
    return status


def _set(shell: Interpreter, words: list[str], streams: Streams) -> int:
    state = shell.state
    if len(words) == 1:
        for name in sorted(state.variables):
            value = state.variables[name]
            streams.stdout.write(f"{name}={shlex.quote(value) if value else ''}\n")
        return 0
    attributes = {"e": "errexit", "u": "nounset", "x": "xtrace"}
    rest = words[1:]
    while rest and re.match(r"[-+].", rest[0]) and rest[0] != "--":
        word = rest.pop(0)
        on = word[0] == "-"
        if word[1:] == "o" and rest:
            option = rest.pop(0)
            if option not in ("errexit", "nounset", "xtrace", "pipefail"):
                return refuse(f"set -o {option}", streams)
            chosen = [option]
        else:
            unknown = next((letter for letter in word[1:] if letter not in attributes), None)
            if unknown is not None:
                return refuse(f"set {word[0]}{unknown}", streams)
            chosen = [attributes[letter] for letter in word[1:]]
        if "errexit" in chosen and on and shell.interactive:
            return refuse("set -e at the prompt (it would log you out at the first error)", streams)
        for attribute in chosen:
            setattr(state, attribute, on)
    if rest:
        state.arguments = rest[1:] if rest[0] == "--" else rest
    return 0


def _let(shell: Interpreter, words: list[str], streams: Streams) -> int:
    if len(words) == 1:
        shell.error("let: expression expected", streams)
        return 1
    value = 0
    for word in words[1:]:
        try:
            value = evaluate(word, shell.state.variables)
        except ArithmeticFault as fault:
            shell.error(f"let: {fault}", streams)
            return 1
    return int(value == 0)


def _shift(shell: Interpreter, words: list[str], streams: Streams) -> int:
    count = int(words[1]) if len(words) > 1 and words[1].isdecimal() else 1
    if count > len(shell.state.arguments):
        return 1
    del shell.state.arguments[:count]
    return 0


def _read(shell: Interpreter, words: list[str], streams: Streams) -> Step:
    raw, names, prompt, array = False, [], "", ""
    rest = words[1:]
    while rest:
        word = rest.pop(0)
        if re.match(r"-r.", word):
            raw, word = True, "-" + word[2:]
        if word == "-r":
            raw = True
        elif word == "-a" and rest:
            array = rest.pop(0)
        elif word in ("-p", "-t", "-d", "-n", "-u", "-a"):
            if word != "-p":
                return refuse(f"read {word}", streams)
            prompt = rest.pop(0) if rest else ""
        elif word.startswith("-") and len(word) > 1:
            return invalid_option(shell, words, streams, "read [-r] [-p prompt] [name ...]", word[:2])
        elif not NAME.match(word):
            shell.error(f"read: `{word}': not a valid identifier", streams)
            return 1
        else:
            names.append(word)
    if prompt:
        streams.stderr.write(prompt)
    line = yield from streams.stdin.read_line()
    complete = line.endswith("\n")
    line = line.removesuffix("\n")
    while not raw and line.endswith("\\") and complete:
        more = yield from streams.stdin.read_line()
        complete = more.endswith("\n")
        line = line[:-1] + more.removesuffix("\n")
    if not raw:
        line = re.sub(r"\\(.)", r"\1", line)
    if array:
        pieces = re.split(f"[{re.escape(shell.state.variables.get('IFS', ' ' + chr(9)))}]+", line.strip())
        set_list(shell.state, array, pieces if line.strip() else [])
    else:
        _distribute(shell.state, line, names)
    return 0 if complete else 1


def _distribute(state: State, line: str, names: list[str]) -> None:
    """Give each name a field, and the last one the rest."""
    separators = state.variables.get("IFS", " \t\n")
    if not names:
        state.variables["REPLY"] = line
        return
    blanks = "".join(char for char in separators if char in " \t\n")
    others = "".join(char for char in separators if char not in " \t\n")
    rest = line.strip(blanks) if blanks else line
    for name in names[:-1]:
        if not separators:
            state.variables[name], rest = rest, ""
            continue
        inner = f"[{re.escape(blanks)}]*" if blanks else ""
        edge = f"{inner}[{re.escape(others)}]{inner}|" if others else ""
        match = re.search(edge + (f"[{re.escape(blanks)}]+" if blanks else "(?!)"), rest)
        if match is None:
            state.variables[name], rest = rest, ""
        else:
            state.variables[name], rest = rest[: match.start()], rest[match.end() :]
    state.variables[names[-1]] = rest


VARIABLES: dict[str, Builtin] = {
    "export": _declare("export", _export),
    "let": _let,
    "local": _local,
    "read": _read,
    "readonly": _declare("readonly", _readonly),
    "set": _set,
    "shift": _shift,
    "unset": _unset,
}
