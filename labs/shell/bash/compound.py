"""if, while, until, for, case (POSIX.1-2017, XCU §2.9.4), and what keeps their loops from running for ever."""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING

from labs.net.process import Wait
from labs.shell.bash import arithmetic, patterns
from labs.shell.bash.control import Aborted, LoopJump
from labs.shell.bash.expansion import ExpansionError
from labs.shell.bash.foresight import runs_for_ever, waits_for_something
from labs.shell.bash.syntax import Case, For, ForArithmetic, If, Loop, Word

if TYPE_CHECKING:
    from labs.shell.bash.interpreter import Interpreter
    from labs.shell.bash.streams import Streams

__all__ = ["IdleRounds", "run_case", "run_for", "run_for_arithmetic", "run_if", "run_loop"]

Step = Generator[Wait, None, int]
MAX_IDLE_ROUNDS = 10_000  # rounds of loops at one moment of simulated time
PATIENT_LOOP_NS = 600 * 1_000_000_000  # a loop that waits for something gets this long before Ctrl-C comes near


class IdleRounds:
    """Counts the rounds of all loops of a shell in which no time passes, so that every loop ends."""

    def __init__(self) -> None:
        self._at = -1
        self._rounds = 0

    def count(self, shell: Interpreter, streams: Streams) -> None:
        """One more round. Raises Aborted after too many, and after Ctrl-C."""
        if shell.process.interrupted:
            raise Aborted(130)
        if self._at != shell.node.now:
            self._at, self._rounds = shell.node.now, 0
        self._rounds += 1
        if self._rounds > MAX_IDLE_ROUNDS:
            streams.stderr.write(f"netwerf: stopped: {MAX_IDLE_ROUNDS} rounds of a loop in which no time passed\n")
            raise Aborted(130)


def run_if(shell: Interpreter, command: If, streams: Streams) -> Step:
    """The first branch whose condition holds."""
    for condition, body in command.clauses:
        with shell.tolerant(on=True):
            status = yield from shell.run_list(condition, streams)
        if status == 0:
            return (yield from shell.run_list(body, streams))
    if command.otherwise is None:
        return 0
    return (yield from shell.run_list(command.otherwise, streams))


def run_loop(shell: Interpreter, command: Loop, streams: Streams) -> Step:
    """`while` and `until`."""
    status, started = 0, shell.node.now
    forever, waits = runs_for_ever(command), waits_for_something(command)
    endless_before = shell.process.endless
    shell.process.endless = endless_before or forever
    shell.loops += 1
    try:
        while True:
            shell.idle.count(shell, streams)
            if waits and shell.node.now - started > PATIENT_LOOP_NS:
                shell.process.endless = True
            with shell.tolerant(on=True):
                holds = (yield from shell.run_list(command.condition, streams)) == 0
            if holds == command.until:
                return status
            try:
                status = yield from shell.run_list(command.body, streams)
            except LoopJump as jump:
                status = 0
                if _leaves(shell, jump):
                    return 0
    finally:
        shell.loops -= 1
        shell.process.endless = endless_before


def _leaves(shell: Interpreter, jump: LoopJump) -> bool:
    """True where this loop ends; passes the jump on to outer loops."""
    if jump.levels > 1 and shell.loops > 1:
        raise LoopJump(jump.levels - 1, again=jump.again)
    return not jump.again


def run_for(shell: Interpreter, command: For, streams: Streams) -> Step:
    """The body once for each value."""
    values = list(shell.state.arguments) if command.words is None else (yield from shell.expander.fields(command.words))
    status = 0
    shell.loops += 1
    try:
        for value in values:
            shell.idle.count(shell, streams)
            shell.state.variables[command.name] = value
            try:
                status = yield from shell.run_list(command.body, streams)
            except LoopJump as jump:
                status = 0
                if _leaves(shell, jump):
                    break
    finally:
        shell.loops -= 1
    return status


def run_for_arithmetic(shell: Interpreter, command: ForArithmetic, streams: Streams) -> Step:
    """`for ((i = 0; i < 3; i++))`."""

    def value(word: Word, empty: int) -> Generator[Wait, None, int]:
        text = yield from shell.expander.text(word, tilde=False)
        try:
            return arithmetic.evaluate(text, shell.state.variables) if text.strip() else empty
        except arithmetic.ArithmeticFault as fault:
            raise ExpansionError(f"((: {fault}") from None

    status = 0
    yield from value(command.start, 0)
    shell.loops += 1
    try:
        while (yield from value(command.condition, 1)):
            shell.idle.count(shell, streams)
            try:
                status = yield from shell.run_list(command.body, streams)
            except LoopJump as jump:
                status = 0
                if _leaves(shell, jump):
                    break
            yield from value(command.step, 0)
    finally:
        shell.loops -= 1
    return status


def run_case(shell: Interpreter, command: Case, streams: Streams) -> Step:
    """The body of the first pattern that matches."""
    text = yield from shell.expander.text(command.word)
    for words, body in command.clauses:
        for word in words:
            pattern = yield from shell.expander.pattern(word)
            if patterns.matches(pattern, text):
                return (yield from shell.run_list(body, streams))
    return 0
