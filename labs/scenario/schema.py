"""One definition of a format gives its reader, its messages and its JSON Schema.

A *spec* reads a YAML node into a value and reports every mistake on the way instead of stopping at the first. Whoever
asks for a value of a broken node gets `MISSING` and goes on.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from labs.messages import Message, message
from labs.scenario.yaml_tree import Node

__all__ = [
    "MISSING",
    "Boolean",
    "Choice",
    "Either",
    "Field",
    "ListOf",
    "MapOf",
    "Number",
    "Parsed",
    "Problem",
    "Record",
    "Report",
    "Spec",
    "String",
    "Tagged",
    "all_of",
    "join",
    "phrase",
    "suggest",
]


class _Missing:
    """The value of something that could not be read."""

    def __repr__(self) -> str:
        return "MISSING"

    def __bool__(self) -> bool:
        return False


MISSING: Final = _Missing()


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake in a file: where, what is wrong, what is allowed. A plain text comes from a library, and stays."""

    line: int
    path: str
    message: Message | str

    def __lt__(self, other: Problem) -> bool:
        return self._key < other._key

    @property
    def _key(self) -> tuple[int, str, str]:
        return self.line, self.path, str(self.message)

    def said(self, language: str = "en") -> str:
        """What is wrong, without the place."""
        return self.message.in_language(language) if isinstance(self.message, Message) else self.message

    def render(self, file: str, language: str = "en") -> str:
        """`file:line: path: message`, as editors and CI systems read it."""
        where = f"{self.path}: " if self.path else ""
        place = f"{file}:{self.line}" if self.line else file
        return f"{place}: {where}{self.said(language)}"


@dataclass(slots=True)
class Report:
    """Collects problems."""

    problems: list[Problem] = field(default_factory=list)

    def add(self, line: int, path: str, said: Message | str) -> None:
        """Note one mistake."""
        problem = Problem(line, path, said)
        if problem not in self.problems:
            self.problems.append(problem)


def suggest(word: str, allowed: Iterable[str]) -> Message:
    """`; did you mean "x"?` where one of the allowed words is close."""
    near = difflib.get_close_matches(word, list(allowed), n=1, cutoff=0.6)
    return message('; did you mean "{word}"?', word=near[0]) if near else Message("{word}", {"word": ""})


def phrase(text: str) -> Message:
    """A text of the format itself, to be said in a language; its braces are YAML's and stay."""
    return Message(text.replace("{", "{{").replace("}", "}}"))


def all_of(names: Sequence[str]) -> Message:
    """`a and b and c`."""
    first, *more = names
    return message("{first} and {more}", first=first, more=all_of(more)) if more else Message("{name}", {"name": first})


def join(path: str, key: str | int) -> str:
    """The path of a child: `site.devices.gw` or `checks[2]`."""
    if isinstance(key, int):
        return f"{path}[{key}]"
    return f"{path}.{key}" if path else key


class Spec:
    """Reads one kind of value. `doc` describes it in the JSON Schema."""

    doc: str = ""
    expects: str = "a value"

    @property
    def wanted(self) -> Message:
        """`expects`, to be said in a language."""
        return phrase(self.expects)

    def read(self, node: Node, path: str, report: Report) -> Any:
        """The value, or MISSING after reporting why."""
        raise NotImplementedError

    def json_schema(self) -> dict[str, Any]:
        """The same, for editors."""
        raise NotImplementedError

    def _wrong(self, node: Node, path: str, report: Report) -> Any:
        report.add(node.line, path, message("expected {wanted}, found {kind}", wanted=self.wanted, kind=node.kind))
        return MISSING


@dataclass(frozen=True, slots=True)
class String(Spec):
    """Text; numbers are taken as the text they were written as. `pattern` must match whole."""

    expects: str = "text"
    pattern: str = ""
    doc: str = ""
    max_length: int = 20_000

    def read(self, node: Node, path: str, report: Report) -> Any:
        """The text."""
        if node.value is None or isinstance(node.value, (dict, list, bool)):
            return self._wrong(node, path, report)
        if self.pattern and not re.fullmatch(self.pattern, node.text):
            return self._wrong(node, path, report)
        if len(node.text) > self.max_length:
            text = message("{count} characters; at most {most} are allowed", count=len(node.text), most=self.max_length)
            report.add(node.line, path, text)
            return MISSING
        return node.text

    def json_schema(self) -> dict[str, Any]:
        """Strings, and numbers where the pattern lets them."""
        schema: dict[str, Any] = {"type": ["string", "number"]}
        if self.pattern:
            schema["pattern"] = f"^(?:{self.pattern})$"
        return schema


@dataclass(frozen=True, slots=True)
class Number(Spec):
    """A number within bounds; `whole` asks for an integer."""

    low: float | None = None
    high: float | None = None
    whole: bool = False
    doc: str = ""

    @property
    def expects(self) -> str:  # type: ignore[override]
        """In words."""
        return str(self.wanted)

    @property
    def wanted(self) -> Message:
        """With the bounds."""
        kind = message("a whole number" if self.whole else "a number")
        if self.low is not None and self.high is not None:
            return message("{kind} from {low} to {high}", kind=kind, low=f"{self.low:g}", high=f"{self.high:g}")
        if self.low is not None:
            return message("{kind} of at least {low}", kind=kind, low=f"{self.low:g}")
        return kind

    def read(self, node: Node, path: str, report: Report) -> Any:
        """The number."""
        value = node.value
        if (
            isinstance(value, bool)
            or not isinstance(value, (int, float))
            or (self.whole and not isinstance(value, int))
        ):
            return self._wrong(node, path, report)
        if (self.low is not None and value < self.low) or (self.high is not None and value > self.high):
            return self._wrong(node, path, report)
        return value

    def json_schema(self) -> dict[str, Any]:
        """Bounds included."""
        schema: dict[str, Any] = {"type": "integer" if self.whole else "number"}
        if self.low is not None:
            schema["minimum"] = self.low
        if self.high is not None:
            schema["maximum"] = self.high
        return schema


@dataclass(frozen=True, slots=True)
class Boolean(Spec):
    """true or false."""

    expects: str = "true or false"
    doc: str = ""

    def read(self, node: Node, path: str, report: Report) -> Any:
        """The truth value."""
        return node.value if isinstance(node.value, bool) else self._wrong(node, path, report)

    def json_schema(self) -> dict[str, Any]:
        """Boolean."""
        return {"type": "boolean"}


@dataclass(frozen=True, slots=True)
class Choice(Spec):
    """One of a few words."""

    words: tuple[str, ...]
    what: str = "a value"
    doc: str = ""

    def read(self, node: Node, path: str, report: Report) -> Any:
        """The word."""
        if isinstance(node.value, (dict, list)) or node.text not in self.words:
            found = node.kind if isinstance(node.value, (dict, list)) or node.value is None else f'"{node.text}"'
            text = message(
                "{found} is not {what}; allowed: {words}{near}",
                found=found,
                what=phrase(self.what),
                words=", ".join(self.words),
                near=suggest(node.text, self.words),
            )
            report.add(node.line, path, text)
            return MISSING
        return node.text

    def json_schema(self) -> dict[str, Any]:
        """Enum."""
        return {"enum": list(self.words)}


@dataclass(frozen=True, slots=True)
class Parsed(Spec):
    """Text that a function turns into a value; its ValueError is the message."""

    parse: Callable[[str], Any]
    expects: str = "text"
    doc: str = ""

    def read(self, node: Node, path: str, report: Report) -> Any:
        """The parsed value."""
        if node.value is None or isinstance(node.value, (dict, list, bool)):
            return self._wrong(node, path, report)
        try:
            return self.parse(node.text)
        except ValueError as error:
            said = error.args[0] if error.args else ""
            report.add(node.line, path, said if isinstance(said, Message) else str(error))
            return MISSING

    def json_schema(self) -> dict[str, Any]:
        """Any scalar."""
        return {"type": ["string", "number"], "description": self.expects}


@dataclass(frozen=True, slots=True)
class ListOf(Spec):
    """A list. With `single`, one value alone stands for a list of one."""

    item: Spec
    single: bool = False
    at_least: int = 0
    doc: str = ""
    expects: str = "a list"

    def read(self, node: Node, path: str, report: Report) -> Any:
        """A list of what could be read."""
        if not isinstance(node.value, list):
            if self.single and node.value is not None:
                value = self.item.read(node, path, report)
                return MISSING if value is MISSING else [value]
            return self._wrong(node, path, report)
        if len(node.value) < self.at_least:
            text = message(
                "expected {least} or more entries, found {count}", least=self.at_least, count=len(node.value)
            )
            report.add(node.line, path, text)
        values = [self.item.read(child, join(path, i), report) for i, child in enumerate(node.value)]
        return [value for value in values if value is not MISSING]

    def json_schema(self) -> dict[str, Any]:
        """Array."""
        schema = {"type": "array", "items": self.item.json_schema(), "minItems": self.at_least}
        return {"anyOf": [schema, self.item.json_schema()]} if self.single else schema


@dataclass(frozen=True, slots=True)
class MapOf(Spec):
    """A mapping with names of the author's choosing."""

    value: Spec
    key_pattern: str = r"[a-z][a-z0-9-]{0,30}"
    key_expects: str = "a name of small letters, digits and hyphens that begins with a letter (at most 31)"
    doc: str = ""
    expects: str = "a mapping"

    def read(self, node: Node, path: str, report: Report) -> Any:
        """A dict of what could be read."""
        if not isinstance(node.value, dict):
            return self._wrong(node, path, report)
        result = {}
        for key, child in node.value.items():
            if not re.fullmatch(self.key_pattern, key):
                text = message('"{key}" is not {what}', key=key, what=phrase(self.key_expects))
                report.add(node.keys[key], join(path, key), text)
                continue
            value = self.value.read(child, join(path, key), report)
            if value is not MISSING:
                result[key] = value
        return result

    def json_schema(self) -> dict[str, Any]:
        """Object."""
        return {
            "type": "object",
            "propertyNames": {"pattern": f"^(?:{self.key_pattern})$"},
            "additionalProperties": self.value.json_schema(),
        }


@dataclass(frozen=True, slots=True)
class Field:
    """One key of a record. Without a default it is required."""

    spec: Spec
    doc: str
    default: Any = MISSING
    attribute: str = ""


def _unknown(key: str, allowed: Collection[str]) -> Message:
    return message(
        'unknown key "{key}"; allowed: {allowed}{near}', key=key, allowed=", ".join(allowed), near=suggest(key, allowed)
    )


@dataclass(frozen=True, slots=True)
class Record(Spec):
    """A mapping with known keys. `build` makes the value from keyword arguments; with `line` it also gets its line."""

    fields: Mapping[str, Field]
    build: Callable[..., Any] = dict
    line: bool = False
    doc: str = ""
    expects: str = "a mapping"
    nothing: bool = False
    """An empty value stands for a record with every default."""

    def read(self, node: Node, path: str, report: Report) -> Any:
        """The built value, or MISSING where a required key is missing or a value was broken."""
        entries = node.value
        if entries is None and self.nothing:
            entries = {}
        if not isinstance(entries, dict):
            return self._wrong(node, path, report)
        for key in entries:
            if key not in self.fields:
                report.add(node.keys[key], join(path, key), _unknown(key, self.fields))
        values: dict[str, Any] = {}
        complete = True
        for key, known in self.fields.items():
            name = known.attribute or key
            if key in entries:
                values[name] = known.spec.read(entries[key], join(path, key), report)
                complete &= values[name] is not MISSING
            elif known.default is MISSING:
                text = message('the key "{key}" is missing ({doc})', key=key, doc=phrase(known.doc))
                report.add(node.line, path, text)
                complete = False
            else:
                values[name] = known.default
        if not complete:
            return MISSING
        if self.line:
            values["line"] = node.line
        return self.build(**values)

    def json_schema(self) -> dict[str, Any]:
        """Object with properties."""
        properties = {key: {**known.spec.json_schema(), "description": known.doc} for key, known in self.fields.items()}
        required = [key for key, known in self.fields.items() if known.default is MISSING]
        kind: Any = ["object", "null"] if self.nothing else "object"
        return {"type": kind, "properties": properties, "required": required, "additionalProperties": False}


@dataclass(frozen=True, slots=True)
class Tagged(Spec):
    """A mapping in which exactly one of several words says what it is; the other keys are shared.

    `{id: tv-online, reach: {…}, points: 2}`: `reach` is the tag. `build` gets `kind`, `body`, `line` and the shared
    fields.
    """

    tags: Mapping[str, Spec]
    shared: Mapping[str, Field]
    build: Callable[..., Any]
    what: str
    doc: str = ""
    expects: str = "a mapping"

    def read(self, node: Node, path: str, report: Report) -> Any:
        """The built value."""
        if not isinstance(node.value, dict):
            return self._wrong(node, path, report)
        found = [key for key in node.value if key in self.tags]
        unknown = [key for key in node.value if key not in self.tags and key not in self.shared]
        for key in unknown:
            report.add(node.keys[key], join(path, key), _unknown(key, [*self.shared, *self.tags]))
        if len(found) != 1 and not (unknown and not found):
            values = {"what": phrase(self.what), "words": ", ".join(self.tags)}
            text = message("{what} has exactly one of {words}; there is none", **values)
            if found:
                text = message("{what} has exactly one of {words}; found {found}", found=all_of(found), **values)
            report.add(node.line, path, text)
        record = Record(self.shared)
        rest = Node({key: child for key, child in node.value.items() if key in self.shared}, node.line, node.keys)
        values = record.read(rest, path, report)
        body = MISSING
        if len(found) == 1:
            body = self.tags[found[0]].read(node.value[found[0]], join(path, found[0]), report)
        if values is MISSING or body is MISSING or unknown:
            return MISSING
        return self.build(kind=found[0], body=body, line=node.line, **values)

    def json_schema(self) -> dict[str, Any]:
        """Object in which one tag is required."""
        properties = {key: {**known.spec.json_schema(), "description": known.doc} for key, known in self.shared.items()}
        properties |= {tag: {**spec.json_schema(), "description": spec.doc} for tag, spec in self.tags.items()}
        return {
            "type": "object",
            "properties": properties,
            "required": [key for key, known in self.shared.items() if known.default is MISSING],
            "oneOf": [{"required": [tag]} for tag in self.tags],
            "additionalProperties": False,
        }


@dataclass(frozen=True, slots=True)
class Either(Spec):
    """One of two shapes, told apart by whether the node is a mapping or list (`structured`) or a single value."""

    scalar: Spec
    structured: Spec
    doc: str = ""

    def read(self, node: Node, path: str, report: Report) -> Any:
        """What the fitting shape reads."""
        chosen = self.structured if isinstance(node.value, (dict, list)) else self.scalar
        return chosen.read(node, path, report)

    def json_schema(self) -> dict[str, Any]:
        """Any of both."""
        return {"anyOf": [self.scalar.json_schema(), self.structured.json_schema()]}
