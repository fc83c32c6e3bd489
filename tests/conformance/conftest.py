"""Random sites by option: `--conformance-seed`, `--conformance-examples`, `--conformance-shrink`."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis.strategies import SearchStrategy

SEEDS = 3
Judge = Callable[[Any], None]


def _but_for_the_first(judge: Judge) -> Judge:
    """The first example is always the simplest, and later ones of a run resemble each other: one run for each site."""
    calls = count()

    def example(value: Any) -> None:
        if next(calls):
            judge(value)

    return example


@pytest.fixture
def draw_many(request: pytest.FixtureRequest) -> Callable[[SearchStrategy[Any], int, Judge], None]:
    """`draw_many(strategy, 20, judge)`: 20 examples in the CI size, of three seeds in turn from the one asked for."""
    option = request.config.getoption

    def run(strategy: SearchStrategy[Any], examples: int, judge: Judge) -> None:
        chosen = settings(
            max_examples=2,
            phases=[Phase.generate, Phase.shrink] if option("--conformance-shrink") else [Phase.generate],
            derandomize=False,
            database=None,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        )
        for number in range(option("--conformance-examples") or examples):
            start = f"{option('--conformance-seed') + number % SEEDS}/{number // SEEDS}"
            seed(start)(chosen(given(strategy)(_but_for_the_first(judge))))()

    return run
