"""The grammar of awk: words to a tree of tuples `(kind, …)`.

Before changing this file read POSIX.1-2017, awk, "Grammar".
"""

from __future__ import annotations

from labs.shell.commands.awk.lexer import AwkError, Token, tokenize
from labs.shell.commands.awk.tree import Function, Node, Rule, Script

__all__ = ["parse"]

ASSIGNMENTS = frozenset({"=", "+=", "-=", "*=", "/=", "%=", "^="})
COMPARISONS = frozenset({"<", "<=", "==", "!=", ">", ">="})
MAX_DEPTH = 60
# What can begin an operand of a concatenation
OPERANDS = frozenset({"number", "string", "regex", "name", "call", "builtin", "$", "!", "(", "-", "+", "++", "--"})


def parse(text: str) -> Script:
    """Read a program. Raises AwkError."""
    return _Parser(tokenize(text)).script()


class _Parser:
    def __init__(self, tokens: list[Token]) -> None:
        self.tokens = tokens
        self.position = 0
        self.depth = 0
        self.called: list[Token] = []
        self.in_function = False
        self.no_in = False
        self.no_greater = False

    @property
    def token(self) -> Token:
        return self.tokens[self.position]

    def at(self, *kinds: str) -> bool:
        token = self.token
        return token.kind in kinds or (token.kind == "keyword" and token.text in kinds)

    def take(self) -> Token:
        token = self.tokens[self.position]
        self.position = min(self.position + 1, len(self.tokens) - 1)
        return token

    def accept(self, *kinds: str) -> bool:
        if self.at(*kinds):
            self.take()
            return True
        return False

    def expect(self, kind: str) -> Token:
        if not self.at(kind):
            raise self.unexpected()
        return self.take()

    def unexpected(self) -> AwkError:
        token = self.token
        if token.kind == "end":
            opened = sum((t.kind == "{") - (t.kind == "}") for t in self.tokens)
            if opened > 0:
                return AwkError(f"line {token.line + 1}: missing }} near end of file")
            return AwkError(f"line {token.line}: syntax error at or near end of file")
        shown = {"newline": "end of line"}.get(token.kind, token.text)
        return AwkError(f"line {token.line}: syntax error at or near {shown}")

    def blank(self) -> None:
        while self.accept("newline"):
            pass

    def separators(self) -> None:
        while self.accept("newline", ";"):
            pass

    # Rules

    def script(self) -> Script:
        script = Script()
        self.separators()
        while not self.at("end"):
            if self.at("function"):
                self._function(script)
            else:
                script.rules.append(self._rule(len(script.rules)))
            self.separators()
        for token in self.called:
            if token.text not in script.functions:
                raise AwkError(f"line {self.token.line + 1}: function {token.text} never defined")
        return script

    def _function(self, script: Script) -> None:
        self.take()
        name = self.take()
        if name.kind not in ("name", "call"):
            self.position -= 1
            raise self.unexpected()
        self.expect("(")
        parameters: list[str] = []
        while not self.accept(")"):
            parameters.append(self.expect("name").text)
            if not self.at(")"):
                self.expect(",")
                self.blank()
        self.blank()
        self.in_function = True
        script.functions[name.text] = Function(tuple(parameters), self._block())
        self.in_function = False

    def _rule(self, number: int) -> Rule:
        if self.at("BEGIN", "END"):
            kind = self.take().text
            if not self.at("{"):
                raise self.unexpected()
            return Rule(kind, (), self._block(), number)
        if self.at("{"):
            return Rule("always", (), self._block(), number)
        first = self.expression()
        patterns: tuple[Node, ...] = (first,)
        if self.accept(","):
            self.blank()
            patterns = (first, self.expression())
        action = self._block() if self.at("{") else None
        return Rule("range" if len(patterns) == 2 else "when", patterns, action, number)

    # Statements

    def _block(self) -> Node:
        self.expect("{")
        statements: list[Node] = []
        self.separators()
        while not self.at("}"):
            statements.append(self.statement())
            self.separators()
        self.take()
        return ("block", tuple(statements))

    def _enter(self) -> None:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise AwkError(f"line {self.token.line}: the program is nested too deeply")

    def statement(self) -> Node:
        self._enter()
        try:
            return self._statement()
        finally:
            self.depth -= 1

    def _statement(self) -> Node:
        if self.at("{"):
            return self._block()
        if self.accept(";"):
            return ("block", ())
        word = self.token.text if self.token.kind == "keyword" else ""
        if word in ("if", "while", "do", "for"):
            self.take()
            return getattr(self, f"_{word}")()
        node = self._simple()
        if not self.at("}", ";", "newline", "end"):
            raise self.unexpected()
        self.accept(";", "newline")
        return node

    def _condition(self) -> Node:
        self.expect("(")
        condition = self.expression()
        self.expect(")")
        self.blank()
        return condition

    def _if(self) -> Node:
        condition = self._condition()
        then = self.statement()
        mark = self.position
        self.separators()
        if self.accept("else"):
            self.blank()
            return ("if", condition, then, self.statement())
        self.position = mark
        return ("if", condition, then, None)

    def _while(self) -> Node:
        condition = self._condition()
        return ("while", condition, self.statement())

    def _do(self) -> Node:
        self.blank()
        body = self.statement()
        self.separators()
        self.expect("while")
        condition = self._condition()
        return ("do", body, condition)

    def _for(self) -> Node:
        self.expect("(")
        names = [token.kind for token in self.tokens[self.position : self.position + 4]]
        if (
            names[0] == "name"
            and self.tokens[self.position + 1].text == "in"
            and names[2] == "name"
            and names[3] == ")"
        ):
            variable = self.take().text
            self.take()
            array = self.take().text
            self.take()
            self.blank()
            return ("forin", variable, array, self.statement())
        start = None if self.at(";") else self._simple()
        self.expect(";")
        self.blank()
        condition = None if self.at(";") else self.expression()
        self.expect(";")
        self.blank()
        step = None if self.at(")") else self._simple()
        self.expect(")")
        self.blank()
        return ("for", start, condition, step, self.statement())

    def _simple(self) -> Node:
        token = self.token
        if token.kind != "keyword":
            return ("expr", self.expression())
        match token.text:
            case "print" | "printf":
                return self._print()
            case "next" | "nextfile" | "break" | "continue":
                self.take()
                return (token.text,)
            case "exit" | "return":
                if token.text == "return" and not self.in_function:
                    raise AwkError(f"line {token.line}: return outside function body")
                self.take()
                return (token.text, None if self.at(";", "newline", "}", "end") else self.expression())
            case "delete":
                self.take()
                array = self.expect("name").text
                return ("delete", array, self._subscript() if self.at("[") else None)
            case "getline":
                return ("expr", self.expression())
        raise self.unexpected()

    def _print(self) -> Node:
        kind = self.take().text
        arguments: list[Node] = []
        self.no_greater = True
        if not self.at(";", "newline", "}", "end", ">", ">>", "|"):
            mark = self.position
            grouped = self._grouped() if self.at("(") else None
            if grouped is not None:
                arguments = grouped
            else:
                self.position = mark
                arguments = self._list()
        self.no_greater = False
        if self.at("|"):
            raise AwkError('"print | COMMAND" is not simulated here; use a pipe of the shell')
        target: Node | None = None
        how = ""
        if self.at(">", ">>"):
            how = self.take().kind
            self.no_greater = True
            target = self._ternary()
            self.no_greater = False
        return (kind, tuple(arguments), how, target)

    def _grouped(self) -> list[Node] | None:
        """`print (a, b)`: the list, where nothing but the end of the statement or a redirection follows."""
        self.take()
        before, self.no_greater = self.no_greater, False
        try:
            found = self._list()
            done = self.accept(")") and self.at(";", "newline", "}", "end", ">", ">>", "|")
        except AwkError:
            done = False
        self.no_greater = before
        return found if done else None

    def _list(self) -> list[Node]:
        found = [self.expression()]
        while self.accept(","):
            self.blank()
            found.append(self.expression())
        return found

    def _subscript(self) -> Node:
        self.expect("[")
        before = self.no_greater, self.no_in
        self.no_greater = self.no_in = False
        found = self._list()
        self.no_greater, self.no_in = before
        self.expect("]")
        return ("subscript", tuple(found)) if len(found) > 1 else found[0]

    # Expressions, the loosest first

    def expression(self) -> Node:
        self._enter()
        try:
            return self._assignment()
        finally:
            self.depth -= 1

    def _assignment(self) -> Node:
        left = self._ternary()
        if self.token.kind in ASSIGNMENTS and left[0] in ("var", "index", "field"):
            sign = self.take().kind
            self.blank()
            return ("assign", sign[:-1], left, self.expression())
        return left

    def _ternary(self) -> Node:
        condition = self._or()
        if not self.accept("?"):
            return condition
        self.blank()
        then = self.expression()
        self.blank()
        self.expect(":")
        self.blank()
        return ("?", condition, then, self.expression())

    def _or(self) -> Node:
        left = self._and()
        while self.accept("||"):
            self.blank()
            left = ("or", left, self._and())
        return left

    def _and(self) -> Node:
        left = self._in()
        while self.accept("&&"):
            self.blank()
            left = ("and", left, self._in())
        return left

    def _in(self) -> Node:
        left = self._match()
        while self.at("in") and not self.no_in:
            self.take()
            left = ("in", left, self.expect("name").text)
        return left

    def _match(self) -> Node:
        left = self._comparison()
        while self.at("~", "!~"):
            sign = self.take().kind
            left = ("match", left, self._comparison(), sign == "!~")
        return left

    def _comparison(self) -> Node:
        left = self._concatenation()
        if self.token.kind in COMPARISONS and not (self.no_greater and self.at(">")):
            sign = self.take().kind
            return ("compare", sign, left, self._concatenation())
        if self.at("|") and self.tokens[self.position + 1].text == "getline":
            raise AwkError('"COMMAND | getline" is not simulated here')
        return left

    def _concatenation(self) -> Node:
        left = self._additive()
        while self.token.kind in OPERANDS and not self.at("-", "+"):
            if self.at("in"):
                break
            left = ("concat", left, self._additive())
        return left

    def _additive(self) -> Node:
        left = self._multiplicative()
        while self.at("+", "-"):
            sign = self.take().kind
            left = ("binary", sign, left, self._multiplicative())
        return left

    def _multiplicative(self) -> Node:
        left = self._unary()
        while self.at("*", "/", "%"):
            sign = self.take().kind
            left = ("binary", sign, left, self._unary())
        return left

    def _unary(self) -> Node:
        if self.at("!"):
            self.take()
            return ("not", self._unary())
        if self.at("-", "+"):
            sign = self.take().kind
            return ("sign", sign, self._unary())
        return self._power()

    def _power(self) -> Node:
        base = self._postfix()
        if self.accept("^"):
            exponent = ("sign", self.take().kind, self._power()) if self.at("-", "+") else self._power()
            return ("binary", "^", base, exponent)
        return base

    def _postfix(self) -> Node:
        node = self._primary()
        if self.at("++", "--") and node[0] in ("var", "index", "field"):
            return ("post", self.take().kind, node)
        return node

    def _primary(self) -> Node:
        token = self.token
        match token.kind:
            case "number":
                self.take()
                return ("number", float(int(token.text, 16)) if token.text[:2] in ("0x", "0X") else float(token.text))
            case "string" | "regex":
                self.take()
                return (token.kind, token.text)
            case "$":
                self.take()
                if self.at("++", "--"):
                    sign = self.take().kind
                    return ("field", ("pre", sign, self._primary()))
                return ("field", ("sign", self.take().kind, self._primary()) if self.at("-") else self._primary())
            case "++" | "--":
                self.take()
                return ("pre", token.kind, self._primary())
            case "(":
                return self._parenthesis()
            case "name":
                self.take()
                return ("index", token.text, self._subscript()) if self.at("[") else ("var", token.text)
            case "call":
                self.take()
                self.called.append(token)
                return ("call", token.text, self._arguments())
            case "builtin":
                self.take()
                if not self.at("("):
                    if token.text == "length":
                        return ("builtin", "length", ())
                    raise self.unexpected()
                return ("builtin", token.text, self._arguments())
        if token.text == "getline" and token.kind == "keyword":
            return self._getline()
        raise self.unexpected()

    def _arguments(self) -> tuple[Node, ...]:
        self.expect("(")
        before = self.no_greater, self.no_in
        self.no_greater = self.no_in = False
        self.blank()
        found = [] if self.at(")") else self._list()
        self.no_greater, self.no_in = before
        self.blank()
        self.expect(")")
        return tuple(found)

    def _parenthesis(self) -> Node:
        self.take()
        before = self.no_greater, self.no_in
        self.no_greater = self.no_in = False
        found = self._list()
        self.no_greater, self.no_in = before
        self.expect(")")
        if len(found) > 1:
            if not self.at("in"):
                raise self.unexpected()
            return ("subscript", tuple(found))
        return ("group", found[0])

    def _getline(self) -> Node:
        self.take()
        target: Node | None = None
        if self.at("name", "$"):
            target = self._primary()
        source = None
        if self.accept("<"):
            source = self._primary()
        return ("getline", target, source)
