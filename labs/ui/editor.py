"""An editor in the terminal, for who has named none: its keys stand at the bottom, as those of nano."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from labs.ui.style import Screen, marked

if TYPE_CHECKING:
    from prompt_toolkit.application import Application
    from prompt_toolkit.key_binding.key_processor import KeyPressEvent

__all__ = ["edited"]

KEYS = marked("Ctrl-O keep   Ctrl-X leave   Ctrl-K cut a line   Ctrl-U paste it   Ctrl-Z undo")
QUESTION = marked("Keep the changes?   y yes   n no   Ctrl-C go on editing")
KEPT = marked("Kept; the file is written when you leave with Ctrl-X.")


def edited(path: str, text: str, screen: Screen) -> str | None:
    """The text as a person leaves it, or None where nothing was kept; VISUAL and EDITOR name an editor instead."""
    if os.environ.get("VISUAL") or os.environ.get("EDITOR"):
        import click

        return click.edit(text, extension=Path(path).suffix or ".txt")
    return _Page(path, text, screen).application().run()


class _Page:
    """One text between two bars."""

    def __init__(self, path: str, text: str, screen: Screen) -> None:
        from prompt_toolkit.layout.processors import TabsProcessor
        from prompt_toolkit.widgets import TextArea

        self.path = path
        self.screen = screen
        self.before = text
        self.kept: str | None = None
        self.asking = False
        self.told = ""
        self.cut = ""
        self.area = TextArea(text, scrollbar=True, input_processors=[TabsProcessor(char1=" ", char2=" ")])
        self.buffer = self.area.buffer
        self.buffer.cursor_position = 0
        self.buffer.on_text_changed += self.forget

    def application(self) -> Application[str | None]:
        """The page with its keys."""
        from prompt_toolkit.application import Application
        from prompt_toolkit.filters import Condition
        from prompt_toolkit.key_binding import KeyBindings
        from prompt_toolkit.layout import HSplit, Layout, Window
        from prompt_toolkit.layout.controls import FormattedTextControl

        keys, asking = KeyBindings(), Condition(lambda: self.asking)
        for names, act in (
            (("c-o", "c-s"), self.keep),
            (("c-x", "c-q"), self.leave),
            (("c-k",), self.cut_line),
            (("c-u",), self.paste),
            (("c-z",), self.undo),
            (("tab",), self.tab),
        ):
            for name in names:
                keys.add(name, filter=~asking, eager=True)(act)
        keys.add("<any>", filter=asking, eager=True)(self.answer)
        keys.add("c-c", eager=True)(self.stay)

        def bar(words: Any) -> Window:
            return Window(FormattedTextControl(words), height=1, style="reverse")

        rows = HSplit([bar(self.title), self.area, bar(self.below)])
        return Application(layout=Layout(rows, focused_element=self.area), key_bindings=keys, full_screen=True)

    # What the bars say

    def title(self) -> str:
        """The file, and a star where something would be lost."""
        return f"  {self.path}{' *' if self.changed else ''}"

    def below(self) -> str:
        """The question that waits, else what just happened, else the keys."""
        return "  " + self.screen.phrase(QUESTION if self.asking else self.told or KEYS)

    @property
    def changed(self) -> bool:
        """Something is not kept yet."""
        return self.buffer.text != (self.before if self.kept is None else self.kept)

    def forget(self, _: object) -> None:
        """What just happened is over."""
        self.told = ""

    # What the keys do

    def keep(self, _: KeyPressEvent) -> None:
        """As it stands now."""
        self.kept, self.told = self.buffer.text, KEPT

    def leave(self, event: KeyPressEvent) -> None:
        """At once, or after the question."""
        if self.changed:
            self.asking = True
        else:
            event.app.exit(result=self.kept)

    def answer(self, event: KeyPressEvent) -> None:
        """To the question."""
        letter = event.key_sequence[0].key.lower()
        if letter in ("y", "j"):
            event.app.exit(result=self.buffer.text)
        elif letter == "n":
            event.app.exit(result=self.kept)

    def stay(self, _: KeyPressEvent) -> None:
        """Go on editing."""
        self.asking = False

    def cut_line(self, _: KeyPressEvent) -> None:
        """The line of the cursor goes, and can be pasted."""
        self._to_margin()
        line = self.buffer.delete(self.buffer.document.get_end_of_line_position() + 1)
        self.cut = line if line.endswith("\n") else f"{line}\n"

    def paste(self, _: KeyPressEvent) -> None:
        """Above the line of the cursor."""
        self._to_margin()
        self.buffer.insert_text(self.cut)

    def undo(self, _: KeyPressEvent) -> None:
        """The last change."""
        self.buffer.undo()

    def tab(self, _: KeyPressEvent) -> None:
        """A tab, as nano types one."""
        self.buffer.insert_text("\t")

    def _to_margin(self) -> None:
        self.buffer.save_to_undo_stack()
        self.buffer.cursor_position += self.buffer.document.get_start_of_line_position()
