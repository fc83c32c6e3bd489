"""Runs an awk program: records, fields, variables, statements and expressions.

Before changing this file read POSIX.1-2017, awk; compare with mawk 1.3.4.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Any

from labs.shell.commands.awk.control import Break, Continue, Exit, NextRecord, Return
from labs.shell.commands.awk.functions import call_builtin
from labs.shell.commands.awk.lexer import AwkError
from labs.shell.commands.awk.tree import Node, Rule, Script
from labs.shell.commands.awk.values import Strnum, Value, compare, formatted, number, text, truth
from labs.shell.regex import RegexError, compile_regex

__all__ = ["Interpreter"]

MAX_STEPS = 2_000_000
MAX_FIELDS = 10_000
MAX_CALLS = 60
MAX_TEXT = 1 << 20
Array = dict[str, Value]


class Interpreter:
    """A program with its variables. `write` takes a target ("" is standard output), how, and text."""

    def __init__(
        self, script: Script, write: Callable[[str, str, str], None], read: Callable[[str], str | None], seconds: float
    ) -> None:
        self.script = script
        self.write = write
        self.read = read
        self.seconds = seconds
        self.status = 0
        self.globals: dict[str, Value | Array] = {
            "NR": 0.0, "NF": 0.0, "FNR": 0.0, "FS": " ", "OFS": " ", "ORS": "\n", "RS": "\n", "SUBSEP": "\x1c",
            "CONVFMT": "%.6g", "OFMT": "%.6g", "RSTART": 0.0, "RLENGTH": -1.0, "FILENAME": "", "ENVIRON": {},
            "ARGV": {}, "ARGC": 0.0,
        }  # fmt: skip
        self.frames: list[dict[str, Value | Array | None]] = []
        self.fields: list[Value] = []
        self.record: Value = ""
        self._split = True
        self._steps = 0
        self._ranges: set[int] = set()
        self.next_line: Callable[[], str | None] = lambda: None
        self.seed = 0.0
        self.drawn = 0x330E
        self._opened: dict[str, list[str]] = {}

    # Records

    def set_record(self, line: str) -> None:
        """A record was read."""
        self.record = Strnum(line)
        self._split = False
        self.globals["NF"] = None  # type: ignore[assignment]

    def count(self) -> None:
        """One record more."""
        self.globals["NR"] = number(self.plain("NR")) + 1
        self.globals["FNR"] = number(self.plain("FNR")) + 1

    def _divide(self) -> None:
        if not self._split:
            self._split = True
            self.fields = [Strnum(part) for part in self.divided(text(self.record), text(self.plain("FS")))]
            self.globals["NF"] = float(len(self.fields))

    def divided(self, line: str, separator: str) -> list[str]:
        """The pieces between separators."""
        if separator == " ":
            return line.split()
        if not line:
            return []
        if separator == "":
            return list(line)
        if len(separator) == 1 and separator != "\\":
            pieces = line.split(separator)
            if self.globals["RS"] == "":
                pieces = [part for piece in pieces for part in piece.split("\n")]
            return pieces
        found: list[str] = []
        last = 0
        for match in self.regex(separator).finditer(line):
            if match.end() > match.start():
                found.append(line[last : match.start()])
                last = match.end()
        return [*found, line[last:]]

    def field(self, index: int) -> Value:
        """`$index`."""
        if index == 0:
            return self.record
        self._divide()
        return self.fields[index - 1] if index <= len(self.fields) else Strnum("")

    def set_field(self, index: int, value: Value) -> None:
        """`$index = value`."""
        if index == 0:
            self.set_record(text(value))
            return
        self._divide()
        if index > MAX_FIELDS:
            raise AwkError(f"run time error: too many fields: ${index}")
        while len(self.fields) < index:
            self.fields.append(Strnum(""))
        self.fields[index - 1] = (
            value if isinstance(value, float) else Strnum(value) if isinstance(value, Strnum) else value
        )
        self.globals["NF"] = float(len(self.fields))
        self._join()

    def _join(self) -> None:
        between = text(self.plain("OFS"))
        self.record = Strnum(between.join(text(part, self.convfmt) for part in self.fields))

    @property
    def convfmt(self) -> str:
        """How numbers become texts."""
        return str(self.globals["CONVFMT"])

    # Variables

    def plain(self, name: str) -> Value:
        """The value of a variable."""
        if self.frames and name in self.frames[-1]:
            value = self.frames[-1][name]
        else:
            if name == "NF":
                self._divide()
            value = self.globals.get(name)
        if isinstance(value, dict):
            raise AwkError(f"illegal reference to array {name}")
        return Strnum("") if value is None else value

    def array(self, name: str) -> Array:
        """An array, made where it is first used."""
        scope: dict[str, Any] = self.frames[-1] if self.frames and name in self.frames[-1] else self.globals
        value = scope.get(name)
        if value is None:
            value = scope[name] = {}
        if not isinstance(value, dict):
            raise AwkError(f"type error in reference to array {name}")
        return value

    def set_variable(self, name: str, value: Value) -> None:
        """Assign."""
        if self.frames and name in self.frames[-1]:
            self.frames[-1][name] = value
            return
        if isinstance(self.globals.get(name), dict):
            raise AwkError(f"illegal reference to array {name}")
        if name == "NF":
            self._divide()
            wanted = min(int(number(value)), MAX_FIELDS)
            self.fields = (self.fields + [Strnum("")] * wanted)[: max(wanted, 0)]
            self._join()
        self.globals[name] = value

    def assign(self, target: Node, value: Value) -> None:
        """Give a variable, an element or a field a value."""
        match target[0]:
            case "var":
                self.set_variable(target[1], value)
            case "index":
                self.array(target[1])[self.key(target[2])] = value
            case "field":
                self.set_field(self._index(target[1]), value)
            case _:
                raise AwkError("syntax error: nothing can be assigned there")

    def key(self, node: Node) -> str:
        """A subscript as text."""
        if node[0] == "subscript":
            return text(self.plain("SUBSEP")).join(text(self.evaluate(part), self.convfmt) for part in node[1])
        return text(self.evaluate(node), self.convfmt)

    def _index(self, node: Node) -> int:
        index = int(number(self.evaluate(node)))
        if index < 0:
            raise AwkError(f"run time error: negative field index ${index}")
        return index

    # Rules

    def run_rules(self, kind: str) -> None:
        """BEGIN or END."""
        for rule in self.script.rules:
            if rule.kind == kind and rule.action is not None:
                self.execute(rule.action)

    def run_record(self) -> None:
        """Every rule on the record at hand."""
        for rule in self.script.rules:
            if rule.kind not in ("BEGIN", "END") and self._fits(rule):
                if rule.action is None:
                    self.write("", "", text(self.record) + text(self.plain("ORS")))
                else:
                    self.execute(rule.action)

    def _fits(self, rule: Rule) -> bool:
        if rule.kind == "always":
            return True
        if rule.kind == "when":
            return truth(self.evaluate(rule.patterns[0]))
        if rule.number not in self._ranges:
            if not truth(self.evaluate(rule.patterns[0])):
                return False
            self._ranges.add(rule.number)
        if truth(self.evaluate(rule.patterns[1])):
            self._ranges.discard(rule.number)
        return True

    # Statements

    def _step(self) -> None:
        self._steps += 1
        if self._steps > MAX_STEPS:
            raise AwkError("netwerf: the program was ended, it goes round for ever")

    def execute(self, node: Node) -> None:
        """Run a statement."""
        self._step()
        match node[0]:
            case "block":
                for statement in node[1]:
                    self.execute(statement)
            case "expr":
                self.evaluate(node[1])
            case "print" | "printf":
                self._print(*node)
            case "if":
                chosen = node[2] if truth(self.evaluate(node[1])) else node[3]
                if chosen is not None:
                    self.execute(chosen)
            case "while":
                while truth(self.evaluate(node[1])):
                    if not self._body(node[2]):
                        break
            case "do":
                while self._body(node[1]) and truth(self.evaluate(node[2])):
                    pass
            case "for":
                self._for(*node[1:])
            case "forin":
                for key in list(self.array(node[2])):
                    self.set_variable(node[1], Strnum(key))
                    if not self._body(node[3]):
                        break
            case "delete":
                if node[2] is None:
                    self.array(node[1]).clear()
                else:
                    self.array(node[1]).pop(self.key(node[2]), None)
            case "exit":
                if node[1] is not None:
                    self.status = int(number(self.evaluate(node[1]))) & 0xFF
                raise Exit
            case "return":
                raise Return(Strnum("") if node[1] is None else self.evaluate(node[1]))
            case "next" | "nextfile":
                raise NextRecord(file=node[0] == "nextfile")
            case "break":
                raise Break
            case _:
                raise Continue

    def _body(self, node: Node) -> bool:
        """Once round a loop; False after `break`."""
        self._step()
        try:
            self.execute(node)
        except Break:
            return False
        except Continue:
            pass
        return True

    def _for(self, start: Node | None, condition: Node | None, step: Node | None, body: Node) -> None:
        if start is not None:
            self.execute(start)
        while condition is None or truth(self.evaluate(condition)):
            if not self._body(body):
                return
            if step is not None:
                self.execute(step)

    def _print(self, kind: str, arguments: tuple[Node, ...], how: str, target: Node | None) -> None:
        if kind == "printf":
            out = self.sprintf([self.evaluate(argument) for argument in arguments], "printf")
        elif arguments:
            form = str(self.globals["OFMT"])
            between = text(self.plain("OFS"))
            out = between.join(text(self.evaluate(argument), form) for argument in arguments) + text(self.plain("ORS"))
        else:
            out = text(self.record) + text(self.plain("ORS"))
        self.write(text(self.evaluate(target)) if target is not None else "", how, out)

    def sprintf(self, values: list[Value], name: str) -> str:
        """Printf and sprintf."""
        if not values:
            raise AwkError(f"run time error: no arguments in call to {name}()")
        try:
            return formatted(text(values[0]), values[1:])
        except IndexError:
            raise AwkError(f'run time error: not enough arguments passed to {name}("{text(values[0])}")') from None
        except ValueError:
            raise AwkError(f'run time error: bad conversion in {name}("{text(values[0])}")') from None

    # Expressions

    def regex(self, pattern: str) -> re.Pattern[str]:
        """A regular expression."""
        try:
            return compile_regex(pattern, extended=True)
        except RegexError as error:
            raise AwkError(f"regular expression compile failed ({error})\n{pattern}") from None

    def pattern(self, node: Node) -> re.Pattern[str]:
        """The right side of `~`: a literal, or text that is one."""
        return self.regex(node[1] if node[0] == "regex" else text(self.evaluate(node)))

    def evaluate(self, node: Node) -> Value:
        """The value of an expression."""
        self._step()
        match node[0]:
            case "number" | "string":
                return node[1]
            case "var":
                return self.plain(node[1])
            case "field":
                return self.field(self._index(node[1]))
            case "group":
                return self.evaluate(node[1])
            case "index":
                return self.array(node[1]).setdefault(self.key(node[2]), Strnum(""))
            case "assign":
                return self._assign(*node[1:])
            case "concat":
                return self._joined(node)
            case "binary":
                return self.arithmetic(node[1], number(self.evaluate(node[2])), number(self.evaluate(node[3])))
            case "compare":
                return self._compared(*node[1:])
            case "match":
                value = text(self.evaluate(node[1]))
                return float((self.pattern(node[2]).search(value) is not None) != node[3])
            case "regex":
                return float(self.regex(node[1]).search(text(self.record)) is not None)
            case "and":
                return float(truth(self.evaluate(node[1])) and truth(self.evaluate(node[2])))
            case "or":
                return float(truth(self.evaluate(node[1])) or truth(self.evaluate(node[2])))
            case "not":
                return float(not truth(self.evaluate(node[1])))
            case "sign":
                return number(self.evaluate(node[2])) * (-1 if node[1] == "-" else 1)
            case "?":
                return self.evaluate(node[2] if truth(self.evaluate(node[1])) else node[3])
            case "in":
                return float(self.key(node[1]) in self.array(node[2]))
            case "pre" | "post":
                return self._stepped(*node)
            case "call":
                return self._call(node[1], node[2])
            case "builtin":
                return call_builtin(self, node[1], node[2])
            case "getline":
                return self._getline(node[1], node[2])
        return self.key(node)

    def _joined(self, node: Node) -> str:
        joined = text(self.evaluate(node[1]), self.convfmt) + text(self.evaluate(node[2]), self.convfmt)
        if len(joined) > MAX_TEXT:
            raise AwkError("run time error: out of memory")
        return joined

    def _compared(self, sign: str, left: Node, right: Node) -> float:
        order = compare(self.evaluate(left), self.evaluate(right))
        return float(
            {"<": order < 0, "<=": order <= 0, "==": order == 0, "!=": order != 0, ">": order > 0, ">=": order >= 0}[
                sign
            ]
        )

    def _assign(self, sign: str, target: Node, value: Node) -> Value:
        found = self.evaluate(value)
        if sign:
            found = self.arithmetic(sign, number(self.evaluate(target)), number(found))
        self.assign(target, found)
        return found

    def _stepped(self, when: str, sign: str, target: Node) -> float:
        before = number(self.evaluate(target))
        after = before + (1 if sign == "++" else -1)
        self.assign(target, after)
        return after if when == "pre" else before

    @staticmethod
    def arithmetic(sign: str, left: float, right: float) -> float:
        """One operation; a division by zero is infinite, as in mawk."""
        try:
            match sign:
                case "+":
                    return left + right
                case "-":
                    return left - right
                case "*":
                    return left * right
                case "/":
                    return left / right
                case "%":
                    return math.fmod(left, right)
            return math.pow(left, right)
        except ZeroDivisionError:
            return math.copysign(math.inf, left) if left else math.copysign(math.nan, -1)
        except (OverflowError, ValueError):
            return math.inf if sign == "^" else math.copysign(math.nan, -1)

    def _call(self, name: str, arguments: tuple[Node, ...]) -> Value:
        function = self.script.functions[name]
        if len(arguments) > len(function.parameters):
            raise AwkError(f"too many arguments in call to {name}")
        if len(self.frames) >= MAX_CALLS:
            raise AwkError("run time error: function calls nested too deeply")
        frame: dict[str, Value | Array | None] = dict.fromkeys(function.parameters)
        for parameter, argument in zip(function.parameters, arguments, strict=False):
            frame[parameter] = self._argument(argument)
        self.frames.append(frame)
        try:
            self.execute(function.body)
        except Return as returned:
            value: Value = returned.args[0]
            return value
        finally:
            self.frames.pop()
        return Strnum("")

    def _argument(self, node: Node) -> Value | Array | None:
        """Arrays go by reference; a name that nobody used yet becomes one, for it may be filled there."""
        if node[0] != "var":
            return self.evaluate(node)
        scope: dict[str, Any] = self.frames[-1] if self.frames and node[1] in self.frames[-1] else self.globals
        if node[1] == "NF":
            return self.plain("NF")
        value: Value | Array | None = scope.get(node[1])
        return value

    def _getline(self, target: Node | None, source: Node | None) -> float:
        if source is not None:
            name = text(self.evaluate(source))
            if name not in self._opened:
                content = self.read(name)
                if content is None:
                    return -1.0
                self._opened[name] = content.splitlines()[::-1]
            line = self._opened[name].pop() if self._opened[name] else None
        else:
            line = self.next_line()
        if line is None:
            return 0.0
        if source is None:
            self.count()
        if target is None:
            self.set_record(line)
            if source is not None:
                self.globals["NR"] = number(self.plain("NR")) + 1
        else:
            self.assign(target, Strnum(line))
        return 1.0

    def close(self, name: str) -> float:
        """`close(name)`."""
        return 0.0 if self._opened.pop(name, None) is not None else -1.0
