"""Cutting a text into the lines that a person would type: what belongs together stays together.

A here-document, a loop, an open quote and a trailing backslash all go on in the next line.
"""

from __future__ import annotations

from labs.shell.bash.lexer import ShellSyntaxError
from labs.shell.bash.parser import parse

__all__ = ["is_complete", "logical_lines"]


def is_complete(text: str) -> bool:
    """False where bash would show its `> ` prompt and wait for more."""
    if (len(text) - len(text.rstrip("\\"))) % 2:
        return False
    try:
        _, warnings = parse(text)
    except ShellSyntaxError as error:
        return "unexpected EOF" not in str(error) and "unexpected end of file" not in str(error)
    return not any("here-document" in warning for warning in warnings)


def logical_lines(text: str) -> list[str]:
    r"""The lines of a text as they would be typed, without blank ones and comments.

    >>> logical_lines("hostname\ncat > /tmp/x <<EOF\none\nEOF\n")
    ['hostname', 'cat > /tmp/x <<EOF\none\nEOF']
    """
    found: list[str] = []
    pending = ""
    for line in text.splitlines():
        pending = f"{pending}\n{line}" if pending else line
        if not pending.strip() or pending.lstrip().startswith("#"):
            pending = ""
        elif is_complete(pending):
            found.append(pending)
            pending = ""
    if pending.strip():
        found.append(pending)
    return found
