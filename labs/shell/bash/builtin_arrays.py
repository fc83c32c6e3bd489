"""The builtins of arrays and their like: declare, mapfile, getopts, shopt, trap."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from labs.shell.bash import arrays
from labs.shell.bash.arithmetic import ArithmeticFault, evaluate
from labs.shell.bash.builtin import NAME, Builtin, refuse
from labs.shell.bash.interpreter import Interpreter
from labs.shell.bash.streams import Streams

if TYPE_CHECKING:
    from labs.shell.bash.interpreter import Step

__all__ = ["ARRAYS"]

FLAGS = "aAirxpg"
SIGNALS = {"0": "EXIT", "EXIT": "EXIT"}


def _declare(shell: Interpreter, words: list[str], streams: Streams) -> int:
    """`declare [-aAirx] [name[=value]…]`, `declare -p name`."""
    flags = ""
    names: list[str] = []
    for word in words[1:]:
        if word.startswith("-") and len(word) > 1 and not names:
            unknown = next((letter for letter in word[1:] if letter not in FLAGS), None)
            if unknown is not None:
                return refuse(f"{words[0]} -{unknown}", streams)
            flags += word[1:]
        else:
            names.append(word)
    if "p" in flags or not names:
        return _print(shell, words[0], names, streams)
    state = shell.state
    for word in names:
        name, equals, value = word.partition("=")
        if not NAME.match(name):
            shell.error(f"{words[0]}: `{word}': not a valid identifier", streams)
            return 1
        if state.locals is not None and "g" not in flags:
            state.locals.setdefault(name, state.variables.get(name))
        if ("a" in flags or "A" in flags) and name not in state.arrays:
            arrays.set_list(state, name, arrays.values(state, name))
        if "A" in flags:
            state.associative.add(name)
        if equals:
            if "i" in flags:
                try:
                    value = str(evaluate(value, state.variables))
                except ArithmeticFault as fault:
                    shell.error(f"{words[0]}: {fault}", streams)
                    return 1
            state.variables[name] = value
        if "x" in flags:
            state.variables.exported.add(name)
        if "r" in flags:
            state.variables.read_only.add(name)
    return 0


def _print(shell: Interpreter, command: str, names: list[str], streams: Streams) -> int:
    state, status = shell.state, 0
    for name in names or sorted({*state.variables, *state.arrays}):
        if name in state.arrays:
            kind = "A" if name in state.associative else "a"
            inner = " ".join(f"[{key}]={_quoted(state.arrays[name][key])}" for key in arrays.keys(state, name))
            inner += " " if kind == "A" and inner else ""
            streams.stdout.write(f"declare -{kind} {name}=({inner})\n" if inner else f"declare -{kind} {name}\n")
        elif name in state.variables:
            letters = ("r" if name in state.variables.read_only else "") + (
                "x" if name in state.variables.exported else ""
            )
            streams.stdout.write(f"declare -{letters or '-'} {name}={_quoted(state.variables[name])}\n")
        else:
            shell.error(f"{command}: {name}: not found", streams)
            status = 1
    return status


def _quoted(text: str) -> str:
    return '"' + re.sub(r'(["\\$`])', r"\\\1", text) + '"'


def _mapfile(shell: Interpreter, words: list[str], streams: Streams) -> Step:
    """`mapfile [-t] [name]`."""
    rest, trim = words[1:], False
    while rest and rest[0].startswith("-"):
        option = rest.pop(0)
        if option != "-t":
            return refuse(f"{words[0]} {option}", streams)
        trim = True
    text = yield from streams.stdin.read_all()
    lines = re.findall(r"[^\n]*\n|[^\n]+\Z", text)
    arrays.set_list(
        shell.state, rest[0] if rest else "MAPFILE", [line.removesuffix("\n") if trim else line for line in lines]
    )
    return 0


def _getopts(shell: Interpreter, words: list[str], streams: Streams) -> int:
    """`getopts optstring name [args]`: one option a call; the place within a word is kept in OPTPLACE."""
    if len(words) < 3:
        streams.stderr.write("getopts: usage: getopts optstring name [arg ...]\n")
        return 2
    allowed, name = words[1].removeprefix(":"), words[2]
    silent = words[1].startswith(":")
    arguments = words[3:] or shell.state.arguments
    variables = shell.state.variables
    typed = variables.get("OPTIND", "1")
    index = int(typed) if typed.isdecimal() else 1
    place = shell.optplace if shell.optind == index else 1
    word = arguments[index - 1] if 0 < index <= len(arguments) else ""
    if not re.match(r"-.", word) or word == "--":
        variables["OPTIND"] = str(index + (word == "--"))
        shell.optind = shell.optplace = 1
        variables[name] = "?"
        return 1
    letter = word[place]
    variables.pop("OPTARG", None)
    takes = allowed[allowed.find(letter) + 1 : allowed.find(letter) + 2] == ":" if letter in allowed else False
    place, index = (place + 1, index) if place + 1 < len(word) else (1, index + 1)
    found = letter
    if letter not in allowed or letter == ":":
        found = "?"
        if silent:
            variables["OPTARG"] = letter
        else:
            streams.stderr.write(f"{shell.prefix()}illegal option -- {letter}\n")
    elif takes:
        if place > 1:
            variables["OPTARG"], place, index = word[place:], 1, index + 1
        elif index <= len(arguments):
            variables["OPTARG"], index = arguments[index - 1], index + 1
        else:
            found = ":" if silent else "?"
            if silent:
                variables["OPTARG"] = letter
            else:
                streams.stderr.write(f"{shell.prefix()}option requires an argument -- {letter}\n")
    variables["OPTIND"], variables[name] = str(index), found
    shell.optind, shell.optplace = index, place
    return 0


def _shopt(shell: Interpreter, words: list[str], streams: Streams) -> int:
    """`shopt -s nullglob`."""
    if len(words) != 3 or words[1] not in ("-s", "-u", "-q") or words[2] != "nullglob":
        return refuse(" ".join(words), streams)
    if words[1] == "-q":
        return int(not shell.state.nullglob)
    shell.state.nullglob = words[1] == "-s"
    return 0


def _trap(shell: Interpreter, words: list[str], streams: Streams) -> int:
    """`trap TEXT EXIT`: what a script does when it ends. Other signals are refused."""
    traps = shell.state.traps
    rest = [word for word in words[1:] if word not in ("-p", "--")]
    if not rest:
        for name, text in traps.items():
            inner = text.replace("'", "'\\''")
            streams.stdout.write(f"trap -- '{inner}' {name}\n")
        return 0
    text, names = (rest[0], rest[1:]) if len(rest) > 1 else ("-", rest)
    status = 0
    for name in names:
        signal = SIGNALS.get(name.upper())
        if signal is None:
            status = refuse(f"trap of {name}", streams)
        elif text == "-":
            traps.pop(signal, None)
        else:
            traps[signal] = text
    return status


ARRAYS: dict[str, Builtin] = {
    "declare": _declare,
    "getopts": _getopts,
    "mapfile": _mapfile,
    "readarray": _mapfile,
    "shopt": _shopt,
    "trap": _trap,
    "typeset": _declare,
}
