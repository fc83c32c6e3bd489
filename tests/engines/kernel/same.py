"""The same lines at both engines, and answers that are the same but for what a clock in real time moves a little."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from labs.engines.base import Engine, Output
from labs.engines.kernel import KernelEngine
from labs.engines.sim import SimEngine
from labs.model.site import Site

NUMBER = re.compile(r"-?\d+(?:\.\d+)?")


class Engines(NamedTuple):
    """A site in operation twice."""

    sim: SimEngine
    kernel: KernelEngine

    def run(self, place: str, line: str) -> tuple[Output, Output]:
        """One line at both."""
        return self.sim.run(place, line), self.kernel.run(place, line)

    def wait(self, seconds: float) -> None:
        """Let time pass on both."""
        for engine in self:
            engine.wait(int(seconds * 1e9))


@contextmanager
def engines(made: Site) -> Iterator[Engines]:
    """The site on both engines."""
    pair = Engines(SimEngine(), KernelEngine())
    try:
        for engine in pair:
            engine.start(made)
        yield pair
    finally:
        for engine in pair:
            engine.stop()


def assert_alike(simulated: str, real: str, *, share: float = 0.02, amount: float = 0.3) -> None:
    """The same words, and numbers that differ by a small share or amount at most."""
    assert NUMBER.sub("#", real).split() == NUMBER.sub("#", simulated).split()
    for one, other in zip(NUMBER.findall(simulated), NUMBER.findall(real), strict=True):
        assert abs(float(one) - float(other)) <= max(amount, share * abs(float(one))), (simulated, real)


def same(pair: Engines, place: str, line: str, **limits: float) -> str:
    """Both answer a line alike, with the same status; what the kernel says."""
    simulated, real = pair.run(place, line)
    assert_alike(simulated.text, real.text, **limits)
    assert real.status == simulated.status
    return real.text


def published(engine: Engine, place: str, topic: str, count: int, login: str = "") -> list[str]:
    """So many messages that a broker passes on, sorted."""
    line = f"mosquitto_sub -h 127.0.0.1 {login} -t '{topic}' -C {count} -W 20 -R -v"
    output = engine.run(place, line)
    assert output.status == 0, output.text
    return sorted(output.text.splitlines())
