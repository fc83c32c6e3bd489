"""What is heard at a broker: how it is asked, who shares a recording, and what stands in a message."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from grader.checks import hearing
from grader.checks.hearing import FLOOD, SECOND, STOPPED, Recording, field_of, listen, login
from labs.engines.base import Output
from labs.scenario.data_intents import Listening


def listening(user: str = "boss", during_s: int = 60) -> Listening:
    return Listening(broker="server", user=user, password="secret", during=during_s * SECOND)


def asked(**changes: Any) -> Any:
    return SimpleNamespace(**{"port": 1883, "cafile": "", "user": "", "password": "", **changes})


@pytest.mark.parametrize(
    ("changes", "host", "words"),
    [
        ({}, "127.0.0.1", "-h 127.0.0.1"),
        ({"port": 8883}, "10.0.0.1", "-h 10.0.0.1 -p 8883"),
        ({"cafile": "/ca"}, "127.0.0.1", "-h 127.0.0.1 --cafile /ca --insecure"),
        ({"cafile": "/ca", "user": "u", "password": "p"}, "10.0.0.1", "-h 10.0.0.1 --cafile /ca -u u -P p"),
    ],
)
def test_login_names_what_is_not_a_matter_of_course(changes: dict[str, Any], host: str, words: str) -> None:
    assert login(asked(**changes), host) == words


def test_checks_with_one_login_share_a_recording_as_long_as_the_longest_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    lengths = []

    def record(_: object, body: Listening, seconds: int) -> Recording:
        lengths.append((body.user, seconds))
        return Recording(0, seconds * SECOND)

    monkeypatch.setattr(hearing, "_record", record)
    bodies = [listening(), listening(during_s=90), listening("other", 300)]
    checks = [SimpleNamespace(body=body) for body in bodies]
    context: Any = SimpleNamespace(
        recordings={}, variant=SimpleNamespace(scenario=SimpleNamespace(checks=checks)), engine=None
    )
    for body in bodies:
        listen(context, body)
    listen(context, listening(during_s=91))
    assert lengths == [("boss", 90), ("other", 300), ("boss", 91)]


@pytest.mark.parametrize(("lines", "full"), [(FLOOD, True), (FLOOD - 1, False)])
def test_line_that_was_stopped_is_a_full_recording_only_where_messages_were_too_many(lines: int, *, full: bool) -> None:
    engine = SimpleNamespace(now=0, repeats=True, run=lambda *_, **__: Output("x\n" * lines, STOPPED))
    context: Any = SimpleNamespace(engine=engine)
    found = hearing._record(context, listening(), 60)
    assert (found.excess is not None, bool(found.problem)) == (full, not full)


@pytest.mark.parametrize(
    ("payload", "path", "value"),
    [
        (b"11", "value", 11),
        (b"11", "at", None),
        (b'{"a": {"b": 2}}', "a.b", 2),
        (b"{}", "value", None),
        (b"x", "value", None),
    ],
)
def test_bare_number_is_its_own_value_and_nothing_else(payload: bytes, path: str, value: object) -> None:
    assert field_of(payload, path) == value
