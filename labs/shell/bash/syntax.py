"""What a line of shell text says, as a tree of frozen values. Names follow POSIX.1-2017, XCU §2.10 (shell grammar)."""

from __future__ import annotations

from dataclasses import dataclass, field

__all__ = [
    "AndOr",
    "Arithmetic",
    "ArithmeticCommand",
    "Assignment",
    "Case",
    "Command",
    "CommandSubstitution",
    "CompoundList",
    "Condition",
    "For",
    "ForArithmetic",
    "Function",
    "Group",
    "HereDocument",
    "If",
    "Item",
    "Literal",
    "Loop",
    "Parameter",
    "Part",
    "Pipeline",
    "ProcessSubstitution",
    "Redirected",
    "Redirection",
    "Simple",
    "Subshell",
    "Word",
]


@dataclass(frozen=True, slots=True)
class Literal:
    """Text as written; quoted text is neither split nor matched against files."""

    text: str
    quoted: bool = False


@dataclass(frozen=True, slots=True)
class Parameter:
    """`$name` or `${name<operator>word}`. `length` is `${#name}`, `index` that of an array, `keys` `${!name[@]}`."""

    name: str
    operator: str = ""
    word: Word | None = None
    quoted: bool = False
    length: bool = False
    index: Word | None = None
    keys: bool = False


@dataclass(frozen=True, slots=True)
class CommandSubstitution:
    """`$(list)` or backquotes."""

    script: CompoundList
    quoted: bool = False


@dataclass(frozen=True, slots=True)
class Arithmetic:
    """`$((expression))`."""

    expression: Word
    quoted: bool = False


@dataclass(frozen=True, slots=True)
class ProcessSubstitution:
    """`<(list)`: the name of a file with what the list prints."""

    script: CompoundList
    quoted: bool = True


Part = Literal | Parameter | CommandSubstitution | Arithmetic | ProcessSubstitution


@dataclass(frozen=True, slots=True)
class Word:
    """One word, before expansion. `source` is how it was typed."""

    parts: tuple[Part, ...]
    source: str = ""

    @property
    def plain(self) -> str | None:
        """The text where nothing in it is quoted or expanded, else None: reserved words must be plain."""
        if len(self.parts) == 1 and isinstance(self.parts[0], Literal) and not self.parts[0].quoted:
            return self.parts[0].text
        return None


@dataclass(slots=True)
class HereDocument:
    """The lines that follow `<<word`, filled in when the lexer reaches them."""

    delimiter: str
    expand: bool
    strip_tabs: bool
    body: Word = field(default_factory=lambda: Word(()))


@dataclass(frozen=True, slots=True)
class Redirection:
    """`<fd><operator><target>`. Operators: < > >> >| <> <& >& &> &>> << <<<."""

    descriptor: int
    operator: str
    target: Word
    document: HereDocument | None = None


@dataclass(frozen=True, slots=True)
class Assignment:
    """`name=value`, or `name+=value` where `append`; with `index` of an element, with `elements` of a whole array."""

    name: str
    value: Word
    append: bool = False
    index: Word | None = None
    elements: tuple[Word, ...] | None = None


@dataclass(frozen=True, slots=True)
class Simple:
    """Assignments, words and redirections; `after` are the arrays of a `declare`, assigned behind it."""

    assignments: tuple[Assignment, ...]
    words: tuple[Word, ...]
    redirections: tuple[Redirection, ...]
    line: int = 1
    after: tuple[Assignment, ...] = ()


@dataclass(frozen=True, slots=True)
class Redirected:
    """A compound command with redirections."""

    command: Command
    redirections: tuple[Redirection, ...]


@dataclass(frozen=True, slots=True)
class Group:
    """`{ list; }`."""

    body: CompoundList


@dataclass(frozen=True, slots=True)
class Subshell:
    """`( list )`."""

    body: CompoundList


@dataclass(frozen=True, slots=True)
class If:
    """`if list; then list; elif …; else …; fi`."""

    clauses: tuple[tuple[CompoundList, CompoundList], ...]
    otherwise: CompoundList | None


@dataclass(frozen=True, slots=True)
class Loop:
    """`while list; do list; done`, or `until`."""

    condition: CompoundList
    body: CompoundList
    until: bool


@dataclass(frozen=True, slots=True)
class For:
    """`for name in words; do list; done`; `words` is None for the positional parameters."""

    name: str
    words: tuple[Word, ...] | None
    body: CompoundList


@dataclass(frozen=True, slots=True)
class ForArithmetic:
    """`for ((start; condition; step)); do list; done`."""

    start: Word
    condition: Word
    step: Word
    body: CompoundList


@dataclass(frozen=True, slots=True)
class Case:
    """`case word in pattern) list;; esac`."""

    word: Word
    clauses: tuple[tuple[tuple[Word, ...], CompoundList], ...]


@dataclass(frozen=True, slots=True)
class Condition:
    """`[[ … ]]`: the words between the brackets, with operators as plain words."""

    words: tuple[Word, ...]


@dataclass(frozen=True, slots=True)
class ArithmeticCommand:
    """`(( expression ))`."""

    expression: Word


@dataclass(frozen=True, slots=True)
class Function:
    """`name() compound`."""

    name: str
    body: Command


Command = (
    Simple
    | Redirected
    | Group
    | Subshell
    | If
    | Loop
    | For
    | ForArithmetic
    | Case
    | Condition
    | ArithmeticCommand
    | Function
)


@dataclass(frozen=True, slots=True)
class Pipeline:
    """Commands joined by `|`. `both[i]` is True where `|&` follows command i."""

    commands: tuple[Command, ...]
    both: tuple[bool, ...] = ()
    negated: bool = False
    timed: bool = False


@dataclass(frozen=True, slots=True)
class AndOr:
    """Pipelines joined by `&&` and `||`; the operator stands before its pipeline, "" before the first."""

    parts: tuple[tuple[str, Pipeline], ...]


@dataclass(frozen=True, slots=True)
class Item:
    """One and-or list, in the background where `&` ends it. `source` is how it was typed."""

    andor: AndOr
    background: bool
    source: str


@dataclass(frozen=True, slots=True)
class CompoundList:
    """Items one after the other."""

    items: tuple[Item, ...] = ()
