"""Tokens to a tree: the shell grammar of POSIX.1-2017, XCU §2.10, with bash's `[[`, `((`, `|&` and `&>`."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import lru_cache

from labs.shell.bash.arrays import split_subscript
from labs.shell.bash.lexer import Lexer, ShellSyntaxError, Token
from labs.shell.bash.syntax import (
    AndOr,
    ArithmeticCommand,
    Assignment,
    Case,
    Command,
    CompoundList,
    Condition,
    For,
    ForArithmetic,
    Function,
    Group,
    HereDocument,
    If,
    Item,
    Literal,
    Loop,
    Pipeline,
    Redirected,
    Redirection,
    Simple,
    Subshell,
    Word,
)

__all__ = ["parse"]

REDIRECTIONS = {
    "<": 0,
    ">": 1,
    ">>": 1,
    ">|": 1,
    "<>": 0,
    "<&": 0,
    ">&": 1,
    "&>": 1,
    "&>>": 1,
    "<<": 0,
    "<<-": 0,
    "<<<": 0,
}
CLOSING = {"then", "else", "elif", "fi", "do", "done", "esac", "}"}
ASSIGNMENT = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)(\+?)=(.*)", re.DOTALL)
ELEMENT = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)\[(.*)", re.DOTALL)
DECLARING = frozenset({"declare", "typeset", "local", "readonly", "export"})
NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
FUNCTION_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.:+-]*\Z")


@lru_cache(maxsize=512)
def parse(text: str) -> tuple[CompoundList, tuple[str, ...]]:
    """The tree of a whole text, and warnings. Raises ShellSyntaxError.

    Remembered: a lab that is reset, undone or graded reads the same lines again. Nothing writes to a tree.
    """
    parser = _Parser(text, 0, 0)
    tree = parser.compound_list(top=True)
    return tree, tuple(parser.lexer.warnings)


def _substitution(text: str, position: int, depth: int) -> tuple[CompoundList, int]:
    """A list up to its `)`; returns it with the position behind."""
    parser = _Parser(text, position, depth)
    tree = parser.compound_list()
    token = parser.peek()
    if token.kind == "end":
        raise ShellSyntaxError("unexpected EOF while looking for matching `)'")
    if token.text != ")":
        parser.unexpected(token)
    return tree, token.end


class _Parser:
    def __init__(self, text: str, position: int, depth: int) -> None:
        self.lexer = Lexer(text, position, depth, _substitution)
        self._token: Token | None = None

    # Tokens

    def peek(self) -> Token:
        if self._token is None:
            self._token = self.lexer.next()
        return self._token

    def take(self) -> Token:
        token = self.peek()
        self._token = None
        return token

    def unexpected(self, token: Token) -> None:
        """Say where the grammar broke."""
        if token.kind == "end":
            raise ShellSyntaxError("syntax error: unexpected end of file")
        raise ShellSyntaxError(f"syntax error near unexpected token `{token.text}'")

    def _reserved(self, *words: str) -> str | None:
        token = self.peek()
        if token.kind == "word" and token.word is not None and token.word.plain in words:
            return token.word.plain
        return None

    def _expect(self, word: str) -> None:
        if self._reserved(word) is None:
            self.unexpected(self.peek())
        self.take()

    def _operator(self, *texts: str) -> str | None:
        token = self.peek()
        return token.text if token.kind == "op" and token.text in texts else None

    def _skip_newlines(self) -> None:
        while self.peek().kind == "newline":
            self.take()

    # Lists

    def compound_list(self, *, top: bool = False) -> CompoundList:
        """Items up to a closing word, `)`, `;;` or the end; at the top only the end will do."""
        items: list[Item] = []
        while True:
            self._skip_newlines()
            token = self.peek()
            if token.kind == "end" or (not top and self._closes(token)):
                break
            start = token.start
            andor = self._and_or()
            stop = self.peek().start
            source = self.lexer.text[start:stop].strip()
            ended = self._operator(";", "&")
            if ended:
                self.take()
            items.append(Item(andor, ended == "&", source))
            if not ended and self.peek().kind not in ("newline", "end"):
                if not top and self._closes(self.peek()):
                    break
                self.unexpected(self.peek())
        return CompoundList(tuple(items))

    @staticmethod
    def _closes(token: Token) -> bool:
        if token.kind == "op":
            return token.text in (")", ";;", ";&", ";;&")
        return token.kind == "word" and token.word is not None and token.word.plain in CLOSING

    def _body(self) -> CompoundList:
        body = self.compound_list()
        if not body.items:
            self.unexpected(self.peek())
        return body

    def _and_or(self) -> AndOr:
        parts = [("", self._pipeline())]
        while operator := self._operator("&&", "||"):
            self.take()
            self._skip_newlines()
            parts.append((operator, self._pipeline()))
        return AndOr(tuple(parts))

    def _pipeline(self) -> Pipeline:
        negated = timed = False
        while word := self._reserved("!", "time"):
            self.take()
            negated, timed = (not negated, timed) if word == "!" else (negated, True)
        if (negated or timed) and (self.peek().kind in ("newline", "end") or self._operator(";")):
            return Pipeline((Simple((), (), ()),), negated=negated, timed=timed)
        commands, both = [self._command()], []
        while operator := self._operator("|", "|&"):
            self.take()
            both.append(operator == "|&")
            self._skip_newlines()
            commands.append(self._command())
        return Pipeline(tuple(commands), tuple(both), negated, timed)

    # Commands

    def _command(self) -> Command:
        self.lexer.depth += 1
        if self.lexer.depth > 25:
            raise ShellSyntaxError("netwerf: more than 25 levels of nesting are not simulated here")
        try:
            command = self._compound()
            if command is None:
                return self._simple()
            redirections = self._redirections()
            return Redirected(command, redirections) if redirections else command
        finally:
            self.lexer.depth -= 1

    def _compound(self) -> Command | None:
        token = self.peek()
        if token.kind == "op":
            return self._parenthesis() if token.text == "(" else None
        word = token.word.plain if token.kind == "word" and token.word is not None else None
        if word in CLOSING:
            self.unexpected(token)
        readers = {
            "{": self._group,
            "if": self._if,
            "while": self._loop,
            "until": self._loop,
            "for": self._for,
            "case": self._case,
            "[[": self._condition,
            "function": self._function,
        }
        if word in ("select", "coproc"):
            raise ShellSyntaxError(f'netwerf: "{word}" is not simulated here')
        return readers[word]() if word in readers else None

    def _parenthesis(self) -> Command:
        token = self.take()
        if self.lexer.text.startswith("(", token.end):
            self.lexer.position = token.end + 1
            expression = self.lexer.arithmetic_command()
            if expression is not None:
                return ArithmeticCommand(expression)
            self.lexer.position = token.end
        body = self._body()
        if not self._operator(")"):
            self.unexpected(self.peek())
        self.take()
        return Subshell(body)

    def _group(self) -> Command:
        self.take()
        body = self._body()
        self._expect("}")
        return Group(body)

    def _if(self) -> Command:
        clauses = []
        word: str | None = "if"
        while word in ("if", "elif"):
            self.take()
            condition = self._body()
            self._expect("then")
            clauses.append((condition, self._body()))
            word = self._reserved("elif", "else", "fi")
        otherwise = None
        if word == "else":
            self.take()
            otherwise = self._body()
        self._expect("fi")
        return If(tuple(clauses), otherwise)

    def _loop(self) -> Command:
        until = self.take().text == "until"
        condition = self._body()
        return Loop(condition, self._do_group(), until)

    def _do_group(self) -> CompoundList:
        self._expect("do")
        body = self._body()
        self._expect("done")
        return body

    def _for(self) -> Command:
        self.take()
        token = self.take()
        if token.kind == "op" and token.text == "(" and self.lexer.text.startswith("(", token.end):
            return self._for_arithmetic(token)
        if token.kind != "word" or not NAME.match(token.text):
            if token.kind == "word":
                raise ShellSyntaxError(f"`{token.text}': not a valid identifier")
            self.unexpected(token)
        self._skip_newlines()
        words: list[Word] | None = None
        if self._reserved("in"):
            self.take()
            words = []
            while self.peek().kind in ("word", "io"):
                words.append(self._as_word(self.take()))
            if not self._operator(";") and self.peek().kind != "newline":
                self.unexpected(self.peek())
        if self._operator(";"):
            self.take()
        self._skip_newlines()
        return For(token.text, None if words is None else tuple(words), self._do_group())

    def _for_arithmetic(self, token: Token) -> Command:
        self.lexer.position = token.end + 1
        expressions = self.lexer.arithmetic_for()
        if expressions is None:
            raise ShellSyntaxError("syntax error: arithmetic expression required")
        if self._operator(";"):
            self.take()
        self._skip_newlines()
        start, condition, step = expressions
        return ForArithmetic(start, condition, step, self._do_group())

    @staticmethod
    def _as_word(token: Token) -> Word:
        return token.word or Word((Literal(token.text),), token.text)

    def _case(self) -> Command:
        self.take()
        subject = self.take()
        if subject.kind != "word":
            self.unexpected(subject)
        self._skip_newlines()
        self._expect("in")
        self._skip_newlines()
        clauses = []
        while not self._reserved("esac"):
            if self._operator("("):
                self.take()
            patterns = []
            while True:
                token = self.take()
                if token.kind != "word":
                    self.unexpected(token)
                patterns.append(self._as_word(token))
                separator = self.take()
                if separator.kind == "op" and separator.text == ")":
                    break
                if separator.kind != "op" or separator.text != "|":
                    self.unexpected(separator)
            body = self.compound_list()
            clauses.append((tuple(patterns), body))
            if self._operator(";;"):
                self.take()
            elif not self._reserved("esac"):
                self.unexpected(self.peek())
            self._skip_newlines()
        self.take()
        return Case(self._as_word(subject), tuple(clauses))

    def _condition(self) -> Command:
        self.take()
        words: list[Word] = []
        pattern_next = False
        while not (self._reserved("]]")):
            token = self._regular_expression() if pattern_next else self.take()
            if token.kind == "end":
                raise ShellSyntaxError("syntax error in conditional expression: unexpected end of file")
            pattern_next = token.text == "=~"
            if token.kind == "op" and token.text not in ("&&", "||", "<", ">", "(", ")"):
                raise ShellSyntaxError(f"syntax error in conditional expression: unexpected token `{token.text}'")
            if token.kind != "newline":
                words.append(self._as_word(token))
        self.take()
        if not words:
            raise ShellSyntaxError("syntax error near `]]'")
        return Condition(tuple(words))

    def _regular_expression(self) -> Token:
        """The word after `=~`, in which parentheses and bars are ordinary characters."""
        self.lexer.position = self.peek().start
        self._token = None
        return self.lexer.next_until_blank()

    def _function(self) -> Command:
        self.take()
        token = self.take()
        if token.kind != "word":
            self.unexpected(token)
        if self._operator("("):
            self.take()
            if not self._operator(")"):
                self.unexpected(self.peek())
            self.take()
        return self._function_body(token.text)

    def _function_body(self, name: str) -> Command:
        self._skip_newlines()
        body = self._compound()
        if body is None:
            self.unexpected(self.peek())
        assert body is not None
        redirections = self._redirections()
        return Function(name, Redirected(body, redirections) if redirections else body)

    # Simple commands

    def _simple(self) -> Command:
        assignments: list[Assignment] = []
        after: list[Assignment] = []
        words: list[Word] = []
        redirections: list[Redirection] = []
        first = self.peek()
        start = first.start
        while True:
            token = self.peek()
            if token.kind == "io" or (token.kind == "op" and token.text in REDIRECTIONS):
                redirections.append(self._redirection())
            elif token.kind == "word" and token.word is not None:
                self.take()
                declares = bool(words) and words[0].plain in DECLARING
                assignment = _assignment(token.word) if not words or declares else None
                listed = assignment is not None and assignment.index is None and self._begins_list(token)
                if assignment is not None and (not words or listed):
                    if listed:
                        assignment = replace(assignment, value=Word(()), elements=self._elements())
                    if words:
                        words.append(Word((Literal(assignment.name),), assignment.name))
                    (after if words else assignments).append(assignment)
                else:
                    words.append(token.word)
            elif token.text == "(" and token.kind == "op" and len(words) == 1 and not assignments and not redirections:
                return self._named_function(words[0])
            else:
                break
        if self.peek().start == start:
            self.unexpected(first)
        line = self.lexer.line(first.start)
        return Simple(tuple(assignments), tuple(words), tuple(redirections), line, tuple(after))

    def _begins_list(self, token: Token) -> bool:
        return token.text.endswith("=") and self.lexer.text.startswith("(", token.end)

    def _elements(self) -> tuple[Word, ...]:
        """The words of `name=( … )`."""
        self.take()
        found: list[Word] = []
        while not self._operator(")"):
            token = self.take()
            if token.kind in ("word", "io"):
                found.append(self._as_word(token))
            elif token.kind != "newline":
                self.unexpected(token)
        self.take()
        return tuple(found)

    def _named_function(self, word: Word) -> Command:
        self.take()
        if not self._operator(")") or word.plain is None or not FUNCTION_NAME.match(word.plain):
            self.unexpected(self.peek())
        self.take()
        return self._function_body(word.plain or "")

    def _redirections(self) -> tuple[Redirection, ...]:
        found = []
        while self.peek().kind == "io" or self._operator(*REDIRECTIONS):
            found.append(self._redirection())
        return tuple(found)

    def _redirection(self) -> Redirection:
        descriptor = None
        if self.peek().kind == "io":
            descriptor = int(self.take().text)
        operator = self.take().text
        if descriptor is None:
            descriptor = REDIRECTIONS[operator]
        token = self.take()
        if token.kind not in ("word", "io"):
            raise ShellSyntaxError(f"syntax error near unexpected token `{token.text}'")
        target = self._as_word(token)
        if operator in ("<<", "<<-"):
            quoted = any(not isinstance(part, Literal) or part.quoted for part in target.parts)
            delimiter = "".join(part.text for part in target.parts if isinstance(part, Literal))
            document = HereDocument(delimiter, not quoted, operator == "<<-")
            self.lexer.pending.append(document)
            return Redirection(descriptor, "<<", target, document)
        return Redirection(descriptor, operator, target)


def _assignment(word: Word) -> Assignment | None:
    first = word.parts[0] if word.parts else None
    if not isinstance(first, Literal) or first.quoted:
        return None
    match = ASSIGNMENT.match(first.text)
    if match is None:
        return _element(word, first.text)
    rest = (Literal(match[3]),) if match[3] else ()
    return Assignment(match[1], Word((*rest, *word.parts[1:]), word.source), append=bool(match[2]))


def _element(word: Word, text: str) -> Assignment | None:
    """`name[index]=value`."""
    match = ELEMENT.match(text)
    if match is None:
        return None
    rest = Word((*((Literal(match[2]),) if match[2] else ()), *word.parts[1:]), word.source)
    for close in ("]+=", "]="):
        parts = split_subscript(rest, close)
        if parts is not None:
            return Assignment(match[1], parts[1], append=close == "]+=", index=parts[0])
    return None
