"""The editor of `netwerf play`, typed at through a pipe."""

from __future__ import annotations

import pytest
from prompt_toolkit.application import create_app_session
from prompt_toolkit.input import create_pipe_input
from prompt_toolkit.output import DummyOutput

from labs.ui.editor import edited
from labs.ui.style import Screen

KEEP, LEAVE, CUT, PASTE, UNDO, BREAK, DOWN, END = "\x0f", "\x18", "\x0b", "\x15", "\x1a", "\x03", "\x1b[B", "\x1b[F"


@pytest.fixture(autouse=True)
def _no_editor(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("EDITOR", raising=False)
    monkeypatch.delenv("VISUAL", raising=False)


def typed(keys: str, text: str = "one\ntwo\n") -> str | None:
    """What comes out when a person types these keys."""
    with create_pipe_input() as pipe, create_app_session(input=pipe, output=DummyOutput()):
        pipe.send_text(keys)
        return edited("/etc/motd", text, Screen("en"))


@pytest.mark.parametrize(
    ("keys", "left"),
    [
        ("hello " + KEEP + LEAVE, "hello one\ntwo\n"),
        (DOWN + END + "!" + LEAVE + "y", "one\ntwo!\n"),
        (DOWN + END + "!" + LEAVE + "j", "one\ntwo!\n"),  # ja
        ("x" + KEEP + "y" + LEAVE + "n", "xone\ntwo\n"),  # what was kept before stays
        ("x" + LEAVE + BREAK + "y" + LEAVE + "y", "xyone\ntwo\n"),
        (CUT + DOWN + PASTE + KEEP + LEAVE, "two\none\n"),
        (CUT + UNDO + "z" + KEEP + LEAVE, "zone\ntwo\n"),
        ("\t" + KEEP + LEAVE, "\tone\ntwo\n"),
        ("a\rb" + KEEP + LEAVE, "a\nbone\ntwo\n"),
    ],
)
def test_editor_keys_kept_text_comes_back(keys: str, left: str) -> None:
    assert typed(keys) == left


@pytest.mark.parametrize("keys", [LEAVE, "x" + LEAVE + "n", BREAK + LEAVE, "x" + LEAVE + "qn"])
def test_editor_left_without_keeping_nothing_comes_back(keys: str) -> None:
    assert typed(keys) is None
