"""Write docs/commands.md: every command, the options it takes, those it refuses by name, and the tests that type them.

Nothing on that page is typed by hand. What a command takes is what its own option parser is given; what it refuses is
found by typing it; who shows it is found by reading the lines that tests and scenarios type.
"""

from __future__ import annotations

import ast
import re
import shlex
import sys
from collections.abc import Iterator, Sequence
from importlib import import_module
from pathlib import Path
from typing import NamedTuple
from unittest.mock import patch

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "commands.md"
sys.path.insert(0, str(ROOT))

from labs.shell import options as getopt_words  # noqa: E402
from labs.shell.registry import HOMES, command, command_names  # noqa: E402
from labs.testing import device, run  # noqa: E402

REFUSED = "not simulated"
WITH = {"mtr": "-r", "nc": "-z"}  # without which nothing of the command is simulated
WORDS = frozenset({"[", "file", "help", "host", "test", "who", "yes"})  # are English or Python, too: only with operands
JUDGED = ("recorded", "oracle", "judges", "kernel", "conformance")  # words in the names of tests that ask real tools
SPLIT = re.compile(r"&&|\|\||[|;&(){}\n`]|\$\(|\bdo\b|\bthen\b|\belse\b|\bif\b|\bwhile\b|\buntil\b|!")
WRAPPERS = {"sudo", "timeout", "nohup", "env", "xargs", "watch", "time"}
HEAD = """# Commands

Written by `make commands`; a test compares. *Shown* are options that a test or a scenario types; *taken* are options
that work but that nobody types there; *refused* are options of the real tool that answer with one clear line and change
nothing. An option that stands nowhere is unknown to the command, as a mistyped one is. Tests in **bold** ask the real
tool, too. What differs from the real tool is told in [what is simulated](what-is-simulated.md).

"""


class Typed(NamedTuple):
    """A simple command that somebody types, and where."""

    name: str
    words: tuple[str, ...]
    where: str


def lines_of(path: Path) -> Iterator[str]:
    """Everything in a file that could be a line for a shell."""
    text = path.read_text(encoding="utf-8")
    if path.suffix != ".py":
        yield from text.splitlines()
        return
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield from node.value.splitlines()


def typed() -> list[Typed]:
    """Every simple command in tests and scenarios."""
    found = []
    known = set(command_names())
    kinds = ("test_*.py", "*.lines", "*.txt", "*.yaml")
    paths = [p for kind in kinds for top in ("tests", "scenarios") for p in sorted((ROOT / top).rglob(kind))]
    for path in paths:
        where = path.relative_to(ROOT).as_posix()
        if any(part in where for part in ("/golden/", "/errors/")):
            continue
        for line in lines_of(path):
            for part in SPLIT.split(re.sub(r"^\s*(- )?[a-z0-9]+[$:] ", "", line)):
                words = _words(part)
                while words and (words[0] in WRAPPERS or re.match(r"-|[\d.]+$|\w+=", words[0])):
                    if words[0] in known:
                        found.append(Typed(words[0], tuple(words[1:]), where))
                    words.pop(0)
                if (
                    words
                    and words[0] in known
                    and (words[0] not in WORDS or path.suffix == ".lines" or "bash" in where or "power" in where)
                ):
                    found.append(Typed(words[0], tuple(words[1:]), where))
    return found


def _words(part: str) -> list[str]:
    try:
        return shlex.split(part)
    except ValueError:
        return part.split()


def specification(name: str) -> tuple[str, tuple[str, ...]] | None:
    """The short and long options that a command gives to its parser, or None where it reads words of its own."""
    seen: list[tuple[str, tuple[str, ...]]] = []
    original = getopt_words.parse_options

    def spy(arguments: Sequence[str], short: str, long: Sequence[str] = (), **more: bool) -> object:
        seen.append((short, tuple(long)))
        return original(arguments, short, long, **more)

    command(name)
    places = [m for n, m in list(sys.modules.items()) if n.startswith("labs.shell") and hasattr(m, "parse_options")]
    patches = [patch.object(module, "parse_options", spy) for module in places]
    for one in patches:
        one.start()
    try:
        run(device("probe"), f"{name} -~")
    finally:
        for one in patches:
            one.stop()
    return seen[0] if seen else None


def options_in(words: Sequence[str], spec: tuple[str, tuple[str, ...]] | None) -> Iterator[str]:
    """The options among words, clusters taken apart."""
    for word in words:
        if word == "--":
            return
        if word.startswith("--") or (spec is None and re.match(r"[-+][A-Za-z]", word)):
            yield word.split("=")[0]
        elif re.match(r"-[A-Za-z0-9]", word) and spec is not None:
            for letter in word[1:]:
                if letter not in spec[0].replace(":", ""):
                    break
                yield f"-{letter}"
                if f"{letter}:" in spec[0]:
                    break


def refused(name: str, option: str, argument: str) -> bool:
    """The command says of this option that it is not simulated."""
    answer = run(device("probe", ports=("eth0",)), f"{name} {WITH.get(name, '')} {option} {argument}", patience_ns=1)
    return REFUSED in answer.text


def row(name: str, lines: Sequence[Typed]) -> str:
    """One command."""
    spec = specification(name)
    mine = [line for line in lines if line.name == name]
    shown: dict[str, list[str]] = {}
    files: list[str] = []
    for line in mine:
        files.append(line.where)
        for option in options_in(line.words, spec):
            shown.setdefault(option, []).append(line.where)
    taken, no = [], []
    if spec is not None:
        short, long = spec
        offered = [(f"-{letter}", f"{letter}:" in short) for letter in dict.fromkeys(short.replace(":", ""))]
        offered += [(f"--{word.rstrip('=')}", word.endswith("=")) for word in long]
        for option, takes in offered:
            if refused(name, option, "1" if takes else ""):
                no.append(option)
            elif option not in shown:
                taken.append(option)
        shown = {option: where for option, where in shown.items() if option in dict(offered) and option not in no}
    else:
        shown = {option: where for option, where in shown.items() if not refused(name, option, "")}
    tests = sorted({where for where in files if where.startswith("tests/")}, key=lambda w: (not judged(w), w))
    best = tests[:2] or sorted(set(files))[:1]
    cells = [f"`{name}`"]
    cells += [" ".join(f"`{option}`" for option in sorted(options, key=str.lower)) for options in (shown, taken, no)]
    cells.append(", ".join(f"**{where[6:]}**" if judged(where) else where.removeprefix("tests/") for where in best))
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def judged(where: str) -> bool:
    """The test asks a real tool, too."""
    return any(word in where for word in JUDGED)


def page() -> str:
    """The whole page."""
    lines = typed()
    rows = [row(name, lines) for name in command_names()]
    head = "| command | shown | taken | refused | typed in |\n|---|---|---|---|---|\n"
    return HEAD + head + "\n".join(rows) + "\n"


if __name__ == "__main__":
    for module in set(HOMES.values()):
        import_module(f"labs.shell.commands.{module}")
    PAGE.write_text(page(), encoding="utf-8", newline="\n")
    print(f"{PAGE.relative_to(ROOT)}: {len(command_names())} commands")
