"""The builtins of job control: jobs, wait, fg, bg, kill."""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING

from labs.net.process import Pipe, Process, Wait
from labs.shell.bash.builtin import Builtin, refuse
from labs.shell.bash.interpreter import Interpreter
from labs.shell.bash.programs import launch, locate
from labs.shell.bash.state import Job
from labs.shell.bash.streams import Streams

if TYPE_CHECKING:
    from labs.shell.bash.interpreter import Step

__all__ = ["JOBS"]


def _jobs(shell: Interpreter, words: list[str], streams: Streams) -> int:
    jobs = shell.state.jobs
    for job in list(jobs.table):
        if "-p" in words[1:]:
            streams.stdout.write(f"{job.processes[-1].pid}\n")
        else:
            streams.stdout.write(job.line(jobs.mark(job), pid="-l" in words[1:]) + "\n")
    jobs.collect()
    return 0


def _wait(shell: Interpreter, words: list[str], streams: Streams) -> Step:
    jobs = shell.state.jobs
    status = 0
    if len(words) == 1:
        yield from _wait_until_over(shell, [process for job in jobs.table for process in job.processes])
        if not shell.interactive:
            jobs.collect()
        return 0
    for word in words[1:]:
        if word.startswith("-"):
            return refuse(f"wait {word}", streams)
        job = jobs.find(word) if word.startswith("%") else _job_of(shell, word)
        if job is None:
            known = "no such job" if word.startswith("%") else "is not a child of this shell"
            shell.error(f"wait: {word}: {known}" if word.startswith("%") else f"wait: pid {word} {known}", streams)
            status = 127
            continue
        yield from _wait_until_over(shell, job.processes)
        status = job.status
        jobs.table.remove(job)
    return status


def _job_of(shell: Interpreter, word: str) -> Job | None:
    pid = int(word) if word.isdecimal() else -1
    return next((job for job in shell.state.jobs.table if any(p.pid == pid for p in job.processes)), None)


def _wait_until_over(shell: Interpreter, processes: list[Process]) -> Generator[Wait, None, None]:
    """Wait without making them the foreground: Ctrl-C ends the waiting, not the jobs."""
    before = shell.process.endless
    try:
        for process in processes:
            while process.running:
                shell.process.endless = before or any(p.endless for p in processes if p.running)
                yield Wait((process.exited,))
    finally:
        shell.process.endless = before


def _fg(shell: Interpreter, words: list[str], streams: Streams) -> Step:
    jobs = shell.state.jobs
    if not shell.interactive:
        shell.error(f"{words[0]}: no job control", streams)
        return 1
    job = jobs.find(words[1] if len(words) > 1 else "%+")
    if job is None or not job.running:
        shell.error(f"{words[0]}: {words[1] if len(words) > 1 else 'current'}: no such job", streams)
        return 1
    if words[0] == "bg":
        shell.error(f"bg: job {job.number} already in background", streams)
        return 0
    streams.stdout.write(job.source + "\n")
    jobs.table.remove(job)
    return (yield from shell.wait_for(job.processes))


def _kill(shell: Interpreter, words: list[str], streams: Streams) -> Step:
    """Job numbers become process numbers; the rest is the program's."""
    out = [words[0]]
    for word in words[1:]:
        if word.startswith("%"):
            job = shell.state.jobs.find(word)
            if job is None:
                shell.error(f"kill: {word}: no such job", streams)
                return 1
            out.extend(str(process.pid) for process in job.processes if process.running)
        else:
            out.append(word)
    program, _ = locate(shell.node, "kill", "/")
    if program is None:
        shell.error("kill: command not found", streams)
        return 127
    child = launch(
        shell.process, program, [f"{shell.prefix()}kill", *out[1:]], stdin=Pipe(closed=True), stdout=streams.stdout,
        stderr=streams.stderr,
    )  # fmt: skip
    return (yield from shell.wait_for([child]))


JOBS: dict[str, Builtin] = {"bg": _fg, "fg": _fg, "jobs": _jobs, "kill": _kill, "wait": _wait}
