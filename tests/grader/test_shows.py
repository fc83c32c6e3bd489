"""`shows`: which screen is waited for."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from grader.checks import messages


@pytest.mark.parametrize(("age_s", "fresh"), [(59.0, True), (60.0, True), (61.0, False), (None, False)])
def test_screen_is_waited_for_while_what_it_shows_is_older_than_allowed(
    monkeypatch: pytest.MonkeyPatch, age_s: float | None, *, fresh: bool
) -> None:
    monkeypatch.setattr(messages, "_screen", lambda *_: {"payload_at": "then"})
    monkeypatch.setattr(messages, "_age", lambda *_: age_s)
    context: Any = SimpleNamespace(site=SimpleNamespace(devices={"panel": SimpleNamespace(state=object())}))
    body: Any = SimpleNamespace(display="panel", within=60 * messages.SECOND)
    assert messages._fresh(context, body) is fresh


def test_dark_screen_is_not_waited_for() -> None:
    context: Any = SimpleNamespace(site=SimpleNamespace(devices={"panel": SimpleNamespace(state=None)}))
    assert messages._fresh(context, SimpleNamespace(display="panel")) is True  # type: ignore[arg-type]
