"""The forked programs of one device as its init reaches them: what is done to the world passes here, both ways."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import IO, Any

from labs.model.world import Act

__all__ = ["Crew", "Round"]

CHUNK = 1 << 16
ROUND_S = 20.0  # a broker that does not answer is given up after ten seconds


@dataclass(frozen=True, slots=True)
class Round:
    """What became of asking every program to do what is due: whether any said something, and what comes next."""

    spoke: bool
    due: int | None


@dataclass(slots=True, eq=False)
class _Member:
    pid: int
    news: IO[bytes]
    said: int
    """The descriptor on which it speaks; -1 for a program that only listens."""
    partial: bytes = b""
    answers: dict[int, asyncio.Future[Any]] = field(default_factory=dict)


class Crew:
    """Every program of ours that runs on the device."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._members: list[_Member] = []
        self._rounds = 0
        self.outward: Callable[[dict[str, Any]], None] = lambda message: None
        """Where to tell what a program did to the world."""

    def join(self, pid: int, news: IO[bytes], said: int = -1) -> None:
        """A program was started."""
        member = _Member(pid, news, said)
        self._members.append(member)
        if said >= 0:
            os.set_blocking(said, False)
            self._loop.add_reader(said, self._hear, member)

    def tell(self, acts: Sequence[tuple[Act, int]]) -> None:
        """Something was done to the world, each by the program with this number (0: by none of this device)."""
        for act, origin in acts:
            self._send([act.at_ns, act.room, act.what, act.level, act.device, act.by, origin])

    def inform(self, news: Mapping[str, Any]) -> None:
        """Hands changed a wiring, or switched or carried a device."""
        self._send(dict(news))

    def jumped(self) -> None:
        """The clock was put forward: alarms are set anew."""
        for member in list(self._members):
            if member.said >= 0:
                self._put(member, b"\n")

    async def round(self) -> Round:
        """Everything that is due is done, and has arrived at the brokers."""
        self._rounds += 1
        number = self._rounds
        asked = [member for member in self._members if member.said >= 0]
        waiting = []
        for member in asked:
            member.answers[number] = self._loop.create_future()
            waiting.append(member.answers[number])
            self._put(member, json.dumps({"round": number}).encode() + b"\n")
        if not waiting:
            return Round(spoke=False, due=None)
        await asyncio.wait(waiting, timeout=ROUND_S)
        answers = [future.result() for future in waiting if future.done() and not future.cancelled()]
        for member in asked:
            member.answers.pop(number, None)
        late = len(answers) < len(waiting)
        return Round(
            spoke=late or any(answer["spoke"] for answer in answers),
            due=min((answer["due"] for answer in answers if answer["due"] is not None), default=None),
        )

    def _send(self, message: object) -> None:
        line = json.dumps(message).encode() + b"\n"
        for member in list(self._members):
            self._put(member, line)

    def _put(self, member: _Member, line: bytes) -> None:
        try:
            member.news.write(line)
        except OSError:
            self._leave(member)

    def _leave(self, member: _Member) -> None:
        if member in self._members:
            self._members.remove(member)
        if member.said >= 0:
            self._loop.remove_reader(member.said)
            with contextlib.suppress(OSError):
                os.close(member.said)
            member.said = -1
        for answer in member.answers.values():
            if not answer.done():
                answer.set_result({"spoke": True, "due": None})

    def _hear(self, member: _Member) -> None:
        try:
            data = os.read(member.said, CHUNK)
        except BlockingIOError:
            return
        if not data:
            self._leave(member)
            return
        *lines, member.partial = (member.partial + data).split(b"\n")
        for line in lines:
            message = json.loads(line)
            if "round" in message:
                answer = member.answers.get(message["round"])
                if answer is not None and not answer.done():
                    answer.set_result(message)
            else:
                self.outward({**message, "origin": member.pid})
