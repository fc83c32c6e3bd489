"""YAML 1.2 as a tree of nodes that know their line.

PyYAML parses, but its own rules are YAML 1.1: a MAC address becomes an integer in base 60, `no` a boolean, and the
second of two equal keys wins in silence. Here scalars follow the core schema of YAML 1.2.2 §10.3; equal keys, and
anchors that grow without end, are refused.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import yaml

from labs.messages import Message, message

__all__ = ["Node", "YamlError", "line_of", "parse_yaml"]

MAX_CHARACTERS = 1_000_000
MAX_NODES = 100_000
_NULL = re.compile(r"~|null|Null|NULL|")
_TRUE = re.compile(r"true|True|TRUE")
_FALSE = re.compile(r"false|False|FALSE")
_INT = re.compile(r"[-+]?(0|[1-9][0-9]*)")  # 010 stays text: too many people mean eight, too many mean ten
_FLOAT = re.compile(r"[-+]?([0-9]+\.[0-9]*|\.[0-9]+|[0-9]+)([eE][-+]?[0-9]+)?")
_INDEX = re.compile(r"\[(\d+)\]")
_SQUEEZED = re.compile(r"\s*(- )?[a-z_-]+:[^\s/]")  # `level:2`


NOTHING = Message("{nothing}", {"nothing": ""})


class YamlError(Exception):
    """A file that is not YAML, or YAML that we refuse. `line` counts from 1."""

    def __init__(self, said: Message | str, line: int) -> None:
        super().__init__(str(said))
        self.said = said
        self.line = line


@dataclass(frozen=True, slots=True)
class Node:
    """A value with the line it stands on. `value` is a dict of key -> Node, a list of Node, or a scalar.

    `keys` gives the line of each key; `text` is the scalar as it was written.
    """

    value: Any
    line: int
    keys: dict[str, int]
    text: str = ""

    @property
    def kind(self) -> Message | str:
        """What an author would call it."""
        if isinstance(self.value, dict):
            return message("a mapping")
        if isinstance(self.value, list):
            return message("a list")
        if self.value is None:
            return message("nothing")
        if isinstance(self.value, bool):
            return message("the truth value {text}", text=self.text)
        if isinstance(self.value, (int, float)):
            return message("the number {text}", text=self.text)
        shown = self.text if len(self.text) <= 60 else self.text[:57] + "…"
        return f'"{shown}"'


def line_of(node: Node, path: str, line: int = 0) -> int | None:
    """The line of a path such as `site.devices.gw.at` or `checks[2].reach`; None where it leads to nothing."""
    if not path:
        return line
    if isinstance(node.value, list):
        index = _INDEX.match(path)
        if index is None or int(index[1]) >= len(node.value):
            return None
        child = node.value[int(index[1])]
        return line_of(child, path[index.end() :].removeprefix("."), child.line)
    for key, child in node.value.items() if isinstance(node.value, dict) else ():
        rest = path.removeprefix(key)  # a key may have dots in it itself
        if path.startswith(key) and (not rest or rest[0] in ".["):
            found = line_of(child, rest.removeprefix("."), node.keys[key])
            if found is not None:
                return found
    return None


def parse_yaml(text: str) -> Node:
    """Read one document. Raises YamlError."""
    if len(text) > MAX_CHARACTERS:
        said = message(
            "the file has {count} characters; at most {max_characters} are allowed",
            count=len(text),
            max_characters=MAX_CHARACTERS,
        )
        raise YamlError(said, 1)
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        root = yaml.compose(text, Loader=loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        what = " ".join(part for part in (error.context, error.problem) if part)
        line = mark.line if mark else 0
        opened = error.context_mark.line if error.context_mark else line
        likely = _likely(text, line, opened, what)
        raise YamlError(message("not valid YAML: {what}{likely}", what=what, likely=likely), line + 1) from None
    except (yaml.YAMLError, RecursionError) as error:
        raise YamlError(message("not valid YAML: {error}", error=str(error).splitlines()[0]), 1) from None
    if root is None:
        said = message("the file is empty")
        raise YamlError(said, 1)
    return _Converter().convert(root)


def _likely(text: str, number: int, opened: int, what: str) -> Message:
    """What most often is behind a syntax error on that line, or nothing: YAML itself speaks of its tokens.

    Lines count from 0; `opened` is where the bracket, quote or mapping began that YAML was reading.
    """
    lines = [*text.splitlines(), ""]
    line = lines[min(number, len(lines) - 1)]
    margin = line[: len(line) - len(line.lstrip())]
    key, colon, value = line.strip().partition(": ")
    if "alias" in what:
        return message("; in YAML a * names something; a text that begins with one stands between quotes")
    if "\t" in margin:
        return message("; the line begins with a tab: indent with spaces")
    if "flow " in what:
        if "${" in line:
            return message('; a text with ${{…}} inside {{ }} stands between quotes: {{en: "ask ${{gw.address}}"}}')
        return message(
            "; the {{ or [ of line {line} is not closed there, or a text in it needs quotes", line=opened + 1
        )
    if "quoted scalar" in what:
        return message("; the quote of line {line} is not closed", line=opened + 1)
    if "start any token" in what:
        return message("; a text that begins with such a character stands between quotes")
    before = next((other for other in reversed(lines[:number]) if other.strip()), "")
    if "\u00a0" in line or "\u00a0" in before:
        return message(
            "; there is a no-break space in line {line}, as copied text has it: type an ordinary one",
            line=number + 1 if "\u00a0" in line else number,
        )
    quote = _quote_of(text, number)
    if quote:
        return message(
            "; the quote of line {line} ends only here: a text with ' in it stands between \", one with \" between '",
            line=quote,
        )
    if colon and ": " in value and value[0] not in "\"'{[|>#":
        return message('; a text with ": " in it stands between quotes')
    if _SQUEEZED.match(before):
        return message('; after the colon of "{before}" comes a space', before=before.strip())
    if not before or not (colon or key.endswith(":")):
        return NOTHING
    known = {len(other) - len(other.lstrip()) for other in lines[:number] if other.strip()}
    if len(margin) not in known:
        return message(
            "; no line before begins after {count} spaces: keys of one mapping begin below each other",
            count=len(margin),
        )
    return message(
        "; keys of one mapping begin below each other: look at the spaces before this line and the one before"
    )


def _quote_of(text: str, number: int) -> int:
    """The line, from 1, where a text between quotes began that ends on that line and not where it began; else 0."""
    opened = 0
    try:
        for token in yaml.scan(text, Loader=yaml.SafeLoader):
            if token.start_mark.line > number:
                break
            quoted = isinstance(token, yaml.ScalarToken) and token.style in ("'", '"')
            if quoted and token.start_mark.line < token.end_mark.line == number:
                opened = token.start_mark.line + 1
    except yaml.YAMLError:
        pass
    return opened


class _Converter:
    def __init__(self) -> None:
        self._count = 0

    def convert(self, node: yaml.Node, depth: int = 0) -> Node:
        line = node.start_mark.line + 1
        self._count += 1
        if self._count > MAX_NODES or depth > 50:
            said = message("the file is nested too deeply or repeats itself too often")
            raise YamlError(said, line)
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, line, depth)
        if isinstance(node, yaml.SequenceNode):
            return Node([self.convert(item, depth + 1) for item in node.value], line, {})
        assert isinstance(node, yaml.ScalarNode)
        return Node(self._scalar(node), line, {}, node.value)

    def _mapping(self, node: yaml.MappingNode, line: int, depth: int) -> Node:
        entries: dict[str, Node] = {}
        lines: dict[str, int] = {}
        for key_node, value_node in node.value:
            key_line = key_node.start_mark.line + 1
            if not isinstance(key_node, yaml.ScalarNode):
                said = message("a key is a single word or number")
                raise YamlError(said, key_line)
            key = str(key_node.value)
            if key in entries:
                said = message(
                    'the key "{key}" stands twice in the same mapping (first on line {lines})',
                    key=key,
                    lines=lines[key],
                )
                raise YamlError(said, key_line)
            entries[key] = self.convert(value_node, depth + 1)
            lines[key] = key_line
        return Node(entries, line, lines)

    @staticmethod
    def _scalar(node: yaml.ScalarNode) -> Any:
        text = node.value
        if node.style in ("'", '"', "|", ">"):
            return text
        if _NULL.fullmatch(text):
            return None
        if _TRUE.fullmatch(text):
            return True
        if _FALSE.fullmatch(text):
            return False
        if _INT.fullmatch(text):
            return int(text)
        if _FLOAT.fullmatch(text) and not text.lstrip("+-").startswith(".") and "." in text:
            return float(text)
        return text
