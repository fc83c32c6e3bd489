"""The time of a serial bus: it follows the real one, and stands still while somebody has still to say what he does."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

import pytest

from labs.model.bus import Bus, Drop
from labs.net.serial import SerialSettings

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the engine kernel is a part of Linux")

MS = 1_000_000
FAST = SerialSettings(115_200)
BUS = Bus(
    "field", tuple(Drop(name, 10.0 * at, terminated=at in (0, 2), biased=at == 0) for at, name in enumerate("gab"))
)
CHARACTERS_8 = FAST.duration_ns(8)


class Wire:
    """A terminal that nobody opens until `opened` says with what."""

    def __init__(self) -> None:
        self.opened: SerialSettings | None = None
        self.read = b""

    def settings(self) -> SerialSettings | None:
        return self.opened

    def write(self, data: bytes) -> None:
        self.read += data if self.opened else b""


class Player:
    """A program at a drop that does nothing by itself; what it is told stands in `told`."""

    def __init__(self, cable: Any, name: str, real: int = 0) -> None:
        from labs.engines.kernel.serial.cable import Program

        self.cable = cable
        self.told: list[Mapping[str, Any]] = []
        self.program = Program((name, "ttyS0"), self.told.append)
        cable.join(self.program, real)

    def rests(self, real: int, *sends: bytes, until: int | None = None, holds: bool = False, own=FAST) -> None:
        from labs.engines.kernel.serial.cable import write_settings

        settings = write_settings(own)
        self.cable.rested(
            self.program,
            {"sends": [[d.hex(), settings] for d in sends], "settings": settings, "until": until, "holds": holds},
            real,
        )

    @property
    def heard(self) -> list[str]:
        return [data for told in self.told for _, data, _ in told["heard"]]


@pytest.fixture
def cable():
    from labs.engines.kernel.serial.cable import Cable

    return Cable(BUS, "x", {(name, "ttyS0"): Wire() for name in "gab"}, 0)


def started(cable: Any, *names: str) -> list[Player]:
    """Programs that have opened their ports and rest."""
    players = [Player(cable, name) for name in names]
    for player in players:
        cable.advance(0)
        player.rests(0)
    cable.advance(0)
    return players


def test_nobody_does_anything_the_bus_follows_the_real_time(cable):
    started(cable, "g")
    assert cable.advance(5 * MS) is None
    assert cable.now == 5 * MS


def test_slave_thinks_for_long_its_answer_comes_in_time_all_the_same(cable):
    master, slave = started(cable, "g", "a")
    cable.ask(master.program, 0)
    cable.advance(0)
    master.rests(0, b"12345678", until=10 * MS)
    cable.advance(1 * MS)
    assert slave.heard == [b"12345678".hex()]
    assert slave.told[-1]["now"] == CHARACTERS_8
    cable.advance(300 * MS)  # the machine has something else to do: for the bus no time passes
    assert cable.now == CHARACTERS_8
    slave.rests(300 * MS, until=CHARACTERS_8 + 2 * MS)
    cable.advance(301 * MS)
    assert slave.told[-1]["now"] == CHARACTERS_8 + 2 * MS
    slave.rests(302 * MS, b"answer!!")
    cable.advance(303 * MS)
    assert master.heard == [b"answer!!".hex()]
    assert master.told[-1]["now"] == 2 * CHARACTERS_8 + 2 * MS < 10 * MS


def test_nobody_answers_the_master_is_told_when_its_patience_is_over(cable):
    master, slave = started(cable, "g", "a")
    cable.ask(master.program, 0)
    cable.advance(0)
    master.rests(0, b"12345678", until=10 * MS)
    cable.advance(9 * MS)
    slave.rests(9 * MS)
    assert cable.advance(9 * MS) == 10 * MS
    told = len(master.told)
    cable.advance(25 * MS)
    assert (len(master.told), master.told[-1]["now"]) == (told + 1, 10 * MS)


def test_two_talk_at_one_moment_everybody_hears_rubbish(cable):
    one, two, three = started(cable, "g", "a", "b")
    for player in (one, two):
        cable.ask(player.program, 0)
        cable.advance(0)
        player.rests(0, b"12345678")
    cable.advance(2 * MS)
    assert len(three.heard) == 1
    assert b"12345678".hex() not in three.heard


def test_program_is_stopped_the_bus_goes_on_without_it_and_takes_it_back(cable):
    from labs.engines.kernel.serial.cable import PATIENCE_NS

    master, slave = started(cable, "g", "a")
    cable.ask(master.program, 0)
    cable.advance(0)
    master.rests(0, b"12345678", until=10 * MS)
    cable.advance(1 * MS)
    assert cable.advance(PATIENCE_NS // 2) == PATIENCE_NS + 1 * MS
    cable.advance(PATIENCE_NS + 2 * MS)
    assert master.told[-1]["now"] == 10 * MS
    master.rests(PATIENCE_NS + 2 * MS, b"87654321")
    cable.advance(PATIENCE_NS + 5 * MS)
    assert slave.heard == [b"12345678".hex()]  # the second is lost to it
    slave.rests(PATIENCE_NS + 6 * MS)
    cable.ask(master.program, PATIENCE_NS + 7 * MS)
    cable.advance(PATIENCE_NS + 7 * MS)
    master.rests(PATIENCE_NS + 7 * MS, b"12344321")
    cable.advance(PATIENCE_NS + 9 * MS)
    assert slave.heard == [b"12345678".hex(), b"12344321".hex()]


def test_one_of_two_programs_on_a_port_waits_for_an_answer_the_other_is_told_so_and_when_it_is_over(cable):
    daemon, tool = started(cable, "g", "g")
    cable.ask(daemon.program, 0)
    cable.advance(0)
    daemon.rests(0, b"12345678", until=10 * MS, holds=True)
    assert tool.told[-1]["taken"]
    tool.rests(0)
    cable.advance(11 * MS)
    daemon.rests(11 * MS)
    assert not tool.told[-1]["taken"]


def test_program_ends_while_it_holds_the_port_the_other_is_told(cable):
    daemon, tool = started(cable, "g", "g")
    cable.ask(daemon.program, 0)
    cable.advance(0)
    daemon.rests(0, b"12345678", until=10 * MS, holds=True)
    tool.rests(0)
    cable.leave(daemon.program, 2 * MS)
    assert not tool.told[-1]["taken"]


def test_foreign_program_has_the_port_open_it_hears_and_is_heard_with_its_settings(cable):
    (slave,) = started(cable, "a")
    wire = cable._terminals["g", "ttyS0"]
    cable.typed(("g", "ttyS0"), b"12345678", 1 * MS)
    cable.advance(3 * MS)
    assert slave.heard == []
    wire.opened = SerialSettings(9600)
    cable.typed(("g", "ttyS0"), b"1", 4 * MS)
    cable.advance(4 * MS)
    assert cable.advance(4 * MS) == 4 * MS + wire.opened.duration_ns(1)
    cable.advance(9 * MS)
    assert slave.heard != [b"1".hex()]
    slave.rests(9 * MS, b"answer!!", own=SerialSettings(9600))
    cable.advance(60 * MS)
    assert wire.read == b"answer!!"


def test_port_sends_again_before_it_is_ready_the_second_waits(cable):
    master, slave = started(cable, "g", "a")
    cable.ask(master.program, 0)
    cable.advance(0)
    master.rests(0, b"12345678", b"87654321")
    cable.advance(1 * MS)
    slave.rests(1 * MS)
    cable.advance(3 * MS)
    assert slave.heard == [b"12345678".hex(), b"87654321".hex()]
    assert slave.told[-1]["now"] == 2 * CHARACTERS_8
