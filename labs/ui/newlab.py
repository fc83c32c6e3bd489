"""`netwerf new`: the first file of an author."""

from __future__ import annotations

import re
from pathlib import Path

from labs.ui.style import Refusal, Screen

__all__ = ["new_scenario", "scenario_text"]

TEMPLATE = Path(__file__).parent / "templates" / "scenario.yaml"
NAME = re.compile(r"[a-z][a-z0-9-]{2,60}")


def scenario_text(name: str) -> str:
    """A scenario of that name which proves itself."""
    return TEMPLATE.read_text(encoding="utf-8").replace("NAME", name)


def new_scenario(screen: Screen, *, name: str, folder: Path) -> int:
    """Write NAME.yaml and say what comes next. Raises Refusal; an existing file is never touched."""
    if not NAME.fullmatch(name):
        raise Refusal(
            '"{name}" is not a name for a scenario; '
            "allowed: small letters, digits and hyphens, a letter first (3 to 61)",
            name=name,
        )
    path = folder / f"{name}.yaml"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with path.open("x", encoding="utf-8", newline="\n") as file:
            file.write(scenario_text(name))
    except FileExistsError:
        raise Refusal("{file} is already there and stays as it is; take another name", file=path) from None
    except OSError as error:
        raise Refusal("{file} cannot be written ({error})", file=path, error=error.strerror or error) from None
    screen.say("{file} is written. Next:", file=path)
    shown = f'"{path}"' if " " in str(path) else str(path)
    screen.show(f"  netwerf prove {shown}")
    screen.show(f"  netwerf play {shown}")
    screen.show(f"  netwerf validate {shown}")
    return 0
