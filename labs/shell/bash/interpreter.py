"""Runs the tree of a shell text inside a process; every wait in it is a wait of that process.

Before changing this file read POSIX.1-2017, XCU §2.7 (redirection), §2.8 (exit status) and §2.9 (shell commands).
"""

from __future__ import annotations

import shlex
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, NoReturn

from labs.net.filesystem import FileError
from labs.net.process import Interrupt, Pipe, Process, Program, Wait, Writer
from labs.shell.bash import arithmetic, arrays, conditions
from labs.shell.bash.compound import IdleRounds, run_case, run_for, run_for_arithmetic, run_if, run_loop
from labs.shell.bash.control import Aborted, LoopJump, Return, ShellExit
from labs.shell.bash.double_brackets import evaluate_words
from labs.shell.bash.expansion import Expander, ExpansionError
from labs.shell.bash.foresight import only_input, substitutes
from labs.shell.bash.leaving import leave
from labs.shell.bash.lexer import ShellSyntaxError
from labs.shell.bash.parser import parse
from labs.shell.bash.programs import guarded, hint, launch, locate
from labs.shell.bash.redirection import RedirectionError, Redirector
from labs.shell.bash.state import ReadOnlyVariable, State, temporarily
from labs.shell.bash.streams import Borrowed, BorrowedInput, Capture, Streams
from labs.shell.bash.syntax import (
    AndOr,
    ArithmeticCommand,
    Case,
    Command,
    CompoundList,
    Condition,
    For,
    ForArithmetic,
    Function,
    Group,
    If,
    Item,
    Loop,
    Pipeline,
    Redirected,
    Redirection,
    Simple,
    Subshell,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Interpreter"]

Step = Generator[Wait, None, int]
MAX_FUNCTIONS_DEEP = 20


class Interpreter:
    """One shell: a process, its memory, and how it words its errors.

    `interactive` is the shell of a person: jobs are announced and errors do not end it. `dialect` is bash or dash.
    """

    def __init__(
        self, process: Process, state: State, *, interactive: bool = False, dialect: str = "bash", depth: int = 0
    ) -> None:
        self.process = process
        self.node = process.node
        self.state = state
        self.interactive = interactive
        self.dialect = dialect
        self.line = 1
        self.loops = 0
        self.depth = depth
        self.expander = Expander(state, process.node.files, self._substitute)
        self._streams = Streams(process.stdin, process.stdout, process.stderr)
        self._redirector = Redirector(
            self.expander, process.node.files, lambda: self.state.directory, dash=dialect == "dash"
        )
        self._forgiving = 0
        self.idle = IdleRounds()
        self.optind = self.optplace = 1  # where getopts is

    # Words to the user

    def error(self, text: str, streams: Streams | None = None) -> None:
        """One line on standard error with the shell's prefix."""
        (streams or self._streams).stderr.write(f"{self.prefix()}{text}\n")

    def prefix(self) -> str:
        """`-bash: `, or the script and its line."""
        if self.interactive or self.state.name == "-bash":
            return f"{self.state.name}: "
        if self.dialect == "dash":
            return f"{self.state.name}: {self.line}: "
        return f"{self.state.name}: line {self.line}: "

    # Text and lists

    def run_text_with(self, text: str, streams: Streams) -> Step:
        """`source` and `eval`: run a text here, with other streams."""
        before, self._streams = self._streams, streams
        line = self.line
        try:
            return (yield from self.run_text(text))
        finally:
            self._streams, self.line = before, line

    def run_text(self, text: str) -> Step:
        """Parse and run; a syntax error is told and has status 2."""
        try:
            tree, warnings = parse(text)
        except ShellSyntaxError as error:
            message = str(error)
            self.line = text.count("\n") + 1
            self._streams.stderr.write(
                f"{message}\n" if message.startswith("netwerf:") else f"{self.prefix()}{message}\n"
            )
            self.state.status = 2
            return 2
        for warning in warnings:
            self.error(warning)
        return (yield from self.run_list(tree, self._streams))

    def run_list(self, tree: CompoundList, streams: Streams) -> Step:
        """Run items one after the other; the status of the last."""
        for item in tree.items:
            if item.background:
                self.state.status = self._background(item, streams)
            else:
                yield from self._and_or(item.andor, streams)
        if not tree.items:
            self.state.status = 0
        return self.state.status

    def _and_or(self, andor: AndOr, streams: Streams) -> Step:
        last = len(andor.parts) - 1
        for index, (operator, pipeline) in enumerate(andor.parts):
            if operator and (self.state.status == 0) != (operator == "&&"):
                continue
            with self.tolerant(index < last or pipeline.negated):
                self.state.status = yield from self._pipeline(pipeline, streams)
            if index == last and not pipeline.negated:
                self._check_errexit()
        return self.state.status

    @contextmanager
    def tolerant(self, on: bool) -> Iterator[None]:  # noqa: FBT001
        """Where `set -e` does not count."""
        self._forgiving += on
        try:
            yield
        finally:
            self._forgiving -= on

    def _check_errexit(self) -> None:
        if self.state.errexit and self.state.status and not self._forgiving:
            raise ShellExit(self.state.status)

    # Pipelines and processes

    def _pipeline(self, pipeline: Pipeline, streams: Streams) -> Step:
        started = self.node.now
        if self.process.interrupted:
            raise Aborted(130)
        if len(pipeline.commands) == 1:
            status = yield from self.run_command(pipeline.commands[0], streams)
            self.state.arrays["PIPESTATUS"] = {"0": str(status)}
        else:
            processes = self._stages(pipeline, streams)
            status = yield from self.wait_for(processes)
            self.state.arrays["PIPESTATUS"] = {str(n): str(p.status or 0) for n, p in enumerate(processes)}
            if self.state.pipefail:
                status = next((p.status for p in reversed(processes) if p.status), 0) or 0
        if pipeline.timed:
            seconds = (self.node.now - started) / 1e9
            streams.stderr.write(f"\nreal\t{int(seconds // 60)}m{seconds % 60:.3f}s\nuser\t0m0.000s\nsys\t0m0.000s\n")
        return int(status == 0) if pipeline.negated else status

    def _stages(self, pipeline: Pipeline, streams: Streams) -> list[Process]:
        processes: list[Process] = []
        source: Pipe = BorrowedInput(streams.stdin)
        for index, command in enumerate(pipeline.commands):
            last = index == len(pipeline.commands) - 1
            link = Pipe()
            out: Writer = Borrowed(streams.stdout) if last else link
            err: Writer = out if not last and pipeline.both[index] else Borrowed(streams.stderr)
            processes.append(self._fork(command, Streams(source, out, err)))
            source = link
        return processes

    def _fork(self, command: Command | CompoundList, streams: Streams) -> Process:
        """Start a subshell that owns these streams; a simple command takes its place."""
        child = Process(
            self.node,
            [self.state.name if self.interactive else self.process.name],
            stdin=streams.stdin,
            stdout=streams.stdout,
            stderr=streams.stderr,
            directory=self.state.directory,
        )
        child.environment = dict(self.process.environment)
        child.parent_pid = self.process.pid
        child.terminal = self.process.terminal
        state = self.state.copy()

        def run(process: Process) -> Step:
            shell = Interpreter(process, state, dialect=self.dialect, depth=self.depth + 1)
            shell.line = self.line
            shell._forgiving = self._forgiving
            return (yield from shell.run_as_process(command))

        if self.depth > 25:
            self.error("fork: retry: Resource temporarily unavailable", streams)
            self.node.processes.start(child, lambda _: 254)
        else:
            self.node.processes.start(child, run)
        return child

    def run_as_process(self, command: Command | CompoundList) -> Step:
        """The whole life of a subshell."""
        try:
            if isinstance(command, CompoundList):
                return (yield from leave(self, (yield from self.run_list(command, self._streams))))
            if isinstance(command, Simple):
                return (yield from self._simple(command, self._streams, replace=True))
            return (yield from self.run_command(command, self._streams))
        except (ShellExit, Return) as end:
            return (yield from leave(self, end.status))
        except LoopJump:
            return 0

    def wait_for(self, processes: list[Process]) -> Step:
        """Wait for children in the foreground; the status of the last."""
        before = self.process.foreground
        self.process.foreground = processes
        try:
            for process in processes:
                while process.running:
                    yield Wait((process.exited,))
        except Interrupt as interrupt:  # somebody killed this shell: its foreground goes with it
            for process in processes:
                process.kill(interrupt.signal)
            raise
        finally:
            self.process.foreground = before
        status = processes[-1].status or 0
        if self.process.interrupted and status == 130:
            raise Aborted(130)
        self._announce_death(processes[-1])
        return status

    def _announce_death(self, process: Process) -> None:
        word = {137: "Killed", 143: "Terminated"}.get(process.status or 0)
        if self.interactive and word:
            self._streams.stderr.write(f"{word}\n")

    def _background(self, item: Item, streams: Streams) -> int:
        if self.process.interrupted:
            raise Aborted(130)
        quiet = Streams(Pipe(closed=True), Borrowed(streams.stdout), Borrowed(streams.stderr))
        pipeline = item.andor.parts[0][1]
        if len(item.andor.parts) == 1 and not pipeline.negated and not pipeline.timed:
            processes = self._stages(pipeline, quiet)
        else:
            processes = [self._fork(CompoundList((Item(item.andor, False, item.source),)), quiet)]  # noqa: FBT003
        job = self.state.jobs.add(processes, item.source)
        self.state.last_background = processes[-1].pid
        if self.interactive:
            streams.stderr.write(f"[{job.number}] {processes[-1].pid}\n")
        return 0

    def _substitute(self, tree: CompoundList) -> Generator[Wait, None, str]:
        """`$(…)`: run in a subshell and collect."""
        if self.process.interrupted:
            raise Aborted(130)
        out = Capture()
        only = only_input(tree)
        if only is not None:
            return (yield from self._read_file(only))
        child = self._fork(tree, Streams(BorrowedInput(self._streams.stdin), out, Borrowed(self._streams.stderr)))
        self.state.status = yield from self.wait_for([child])
        return out.take()

    def _read_file(self, redirection: Redirection) -> Generator[Wait, None, str]:
        path = yield from self.expander.text(redirection.target)
        try:
            return self.node.files.read(self.node.files.resolve(path, self.state.directory))
        except FileError as error:
            self.error(f"{path}: {error}")
            self.state.status = 1
            return ""

    # Commands

    def run_command(self, command: Command, streams: Streams) -> Step:
        """Run any command in this shell."""
        try:
            if isinstance(command, Simple):
                return (yield from self._simple(command, streams))
            if isinstance(command, Redirected):
                opened = yield from self._redirected(command.redirections, streams)
                return 1 if opened is None else (yield from self.run_command(command.command, opened))
            if isinstance(command, Group):
                return (yield from self.run_list(command.body, streams))
            if isinstance(command, Subshell):
                borrowed = Streams(BorrowedInput(streams.stdin), Borrowed(streams.stdout), Borrowed(streams.stderr))
                return (yield from self.wait_for([self._fork(command.body, borrowed)]))
            if isinstance(command, Function):
                self.state.functions[command.name] = command.body
                return 0
            return (yield from self._compound(command, streams))
        except ExpansionError as error:
            self._fatal(str(error), streams)
        except ReadOnlyVariable as error:
            self._fatal(f"{error}: readonly variable", streams)

    def _fatal(self, text: str, streams: Streams) -> NoReturn:
        """An error that ends a script, or the line that a person typed."""
        self.error(text, streams)
        self.state.status = 1
        raise (Aborted(1) if self.interactive else ShellExit(127 if text.endswith("unbound variable") else 1))

    def _compound(self, command: Command, streams: Streams) -> Step:
        if isinstance(command, If):
            return (yield from run_if(self, command, streams))
        if isinstance(command, Loop):
            return (yield from run_loop(self, command, streams))
        if isinstance(command, For):
            return (yield from run_for(self, command, streams))
        if isinstance(command, ForArithmetic):
            return (yield from run_for_arithmetic(self, command, streams))
        if isinstance(command, Case):
            return (yield from run_case(self, command, streams))
        if isinstance(command, ArithmeticCommand):
            text = yield from self.expander.text(command.expression, tilde=False)
            try:
                return int(arithmetic.evaluate(text, self.state.variables) == 0)
            except arithmetic.ArithmeticFault as fault:
                self.error(f"((: {fault}", streams)
                return 1
        assert isinstance(command, Condition)
        try:
            value = yield from evaluate_words(command.words, self.expander, self.state, self.node.files)
        except conditions.ConditionError as error:
            self.error(str(error), streams)
            return 2
        return int(not value)

    # Simple commands

    def _redirected(
        self, redirections: Sequence[Redirection], streams: Streams
    ) -> Generator[Wait, None, Streams | None]:
        """The streams after the redirections; None after a failure, which is told."""
        try:
            return (yield from self._redirector.streams(redirections, streams))
        except RedirectionError as error:
            self.error(str(error), streams)
            return None

    def _simple(self, command: Simple, streams: Streams, *, replace: bool = False) -> Step:
        if self.process.interrupted:
            raise Aborted(130)
        self.line = command.line
        kept = len(self.expander.opened)
        try:
            if not command.words:
                return (yield from self._only_assignments(command, streams))
            words = yield from self.expander.fields(command.words)
            opened = yield from self._redirected(command.redirections, streams)
            if opened is None:
                return 1
            assigned = yield from self._assigned(command)
            self._trace([f"{name}={value}" for name, value in assigned.items()] + words, streams)
            if not words:
                self.state.variables.update(assigned)
                return self.state.status if substitutes(command) else 0
            status = yield from self._call(words, opened, assigned, replace=replace and not self.expander.opened)
            for assignment in command.after:
                yield from arrays.assign(self.expander, self.state, assignment)
        except ExpansionError as error:
            self._fatal(str(error), streams)
        except ReadOnlyVariable as error:
            self._fatal(f"{error}: readonly variable", streams)
        finally:
            self.expander.close(kept)
        return status

    def _trace(self, words: list[str], streams: Streams) -> None:
        if self.state.xtrace and words:
            streams.stderr.write("+ " + " ".join(w if "=" in w else shlex.quote(w) for w in words) + "\n")

    def _assigned(self, command: Simple) -> Generator[Wait, None, dict[str, str]]:
        values: dict[str, str] = {}
        for assignment in command.assignments:
            text = yield from self.expander.text(assignment.value)
            before = values.get(assignment.name, self.state.variables.get(assignment.name, ""))
            values[assignment.name] = before + text if assignment.append else text
        return values

    def _only_assignments(self, command: Simple, streams: Streams) -> Step:
        before = self.state.status
        self.state.status = 0
        opened = yield from self._redirected(command.redirections, streams)
        for assignment in command.assignments:
            text = yield from arrays.assign(self.expander, self.state, assignment)
            self._trace([f"{assignment.name}={shlex.quote(text) if text else ''}"], streams)
        status, self.state.status = self.state.status, before
        return 1 if opened is None else status

    def _call(self, words: list[str], streams: Streams, assigned: dict[str, str], *, replace: bool) -> Step:
        """A function, a builtin or a program."""
        from labs.shell.bash.builtins import BUILTINS  # builtins work on interpreters: either one comes first

        name = words[0]
        if name in self.state.functions:
            return (yield from self._function(words, streams, assigned))
        builtin = BUILTINS.get(name)
        if builtin is not None:
            with temporarily(self.state.variables, assigned):
                try:
                    result = builtin(self, words, streams)
                    return result if isinstance(result, int) else (yield from result)
                except FileError as error:
                    self.error(f"{name}: write error: {error}", streams)
                    return 1
        return (yield from self.external(words, streams, assigned, replace=replace))

    def _function(self, words: list[str], streams: Streams, assigned: dict[str, str]) -> Step:
        if self.depth >= MAX_FUNCTIONS_DEEP:
            self.error(f"{words[0]}: maximum function nesting level exceeded ({MAX_FUNCTIONS_DEEP})", streams)
            raise Aborted(1)
        body = self.state.functions[words[0]]
        saved, self.state.arguments = self.state.arguments, words[1:]
        loops, self.loops = self.loops, 0
        local_before, self.state.locals = self.state.locals, {}
        self.depth += 1
        try:
            with temporarily(self.state.variables, assigned):
                return (yield from self.run_command(body, streams))
        except Return as end:
            return end.status
        finally:
            self.depth -= 1
            self.loops = loops
            self.state.leave_function(local_before)
            self.state.arguments = saved

    def external(
        self, words: list[str], streams: Streams, assigned: dict[str, str] | None = None, *, replace: bool = False
    ) -> Step:
        """Run a program: as a child, or in place of this process where `replace`."""
        program, reason = locate(self.node, words[0], self.state.directory)
        if program is None:
            return self._not_found(words[0], reason, streams)
        environment = {**self.state.variables.environment(), **(assigned or {})}
        if replace:
            return (yield from self._become(program, words, streams, environment))
        child = launch(
            self.process,
            program,
            words,
            stdin=streams.stdin,
            stdout=streams.stdout,
            stderr=streams.stderr,
            directory=self.state.directory,
            environment=environment,
        )
        return (yield from self.wait_for([child]))

    def _become(self, program: Program, words: list[str], streams: Streams, environment: dict[str, str]) -> Step:
        process = self.process
        for ours, new in ((process.stdout, streams.stdout), (process.stderr, streams.stderr)):
            if new is not ours:
                process.cleanup.append(ours.close)
        if streams.stdin is not process.stdin:
            process.cleanup.append(process.stdin.abandon)
        process.argv = words
        process.environment = environment
        process.directory = self.state.directory
        process.stdin, process.stdout, process.stderr = streams
        result = guarded(program)(process)
        return result if isinstance(result, int) else (yield from result)

    def _not_found(self, name: str, reason: str, streams: Streams) -> int:
        if self.dialect == "dash" and reason in ("command not found", "No such file or directory"):
            reason = "not found"
        self.error(f"{name}: {reason}", streams)
        if reason in ("command not found", "not found") and "/" not in name:
            from labs.shell.bash.builtins import BUILTINS

            advice = hint(name, (*BUILTINS, *self.state.functions))
            if advice:
                streams.stderr.write(f"{advice}\n")
        return 126 if reason == "Is a directory" else 127
