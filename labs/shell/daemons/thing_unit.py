"""The frame of the unit of a thing: it reads its file, says hello, works until it is stopped and clears up."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import TYPE_CHECKING, Protocol, TypeVar

from labs.net.process import Interrupt, Process, Routine, Wait
from labs.things.thing_config import ThingConfigError

if TYPE_CHECKING:
    from labs.net.linux.node import LinuxNode
    from labs.shell.daemons.broker_visit import BrokerVisit

__all__ = ["EXIT_CONFIG", "serve_thing", "work_until_stopped"]

EXIT_CONFIG = 78  # EX_CONFIG of sysexits.h


class Thing(Protocol):
    """A program that works for ever."""

    @property
    def visit(self) -> BrokerVisit | None:
        """Its connection to a broker; None for one that talks with none."""

    def run(self) -> Generator[Wait, None, None]:
        """For ever."""


Config = TypeVar("Config")


def work_until_stopped(process: Process, thing: Thing, status: str) -> Routine:
    """Let a thing work; when it is stopped it takes leave of its broker, and its status file goes."""
    files = process.node.files
    try:
        yield from thing.run()
    except Interrupt:
        if thing.visit is not None:
            thing.visit.leave()
        if files.is_file(status):
            files.remove(status)
    return 0


def serve_thing(
    process: Process,
    files: tuple[str, str],
    load: Callable[[LinuxNode], Config],
    make: Callable[[Process, Config], Thing],
    hello: Callable[[Config], str],
) -> Routine:
    """The unit of a thing: read its file, say hello, work until stopped. `files`: configuration and status."""
    path, status = files
    try:
        config = load(process.node)
    except ThingConfigError as error:
        process.error(f"{path}: {error}")
        return EXIT_CONFIG
    thing = make(process, config)
    process.endless = True
    process.print(hello(config))
    return (yield from work_until_stopped(process, thing, status))
