"""`netwerf notebook`: JupyterLab on the trainee's own copy of the notebooks."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

from labs.data import notebook_root
from labs.ui.storage import home, is_writable, write_whole
from labs.ui.style import Refusal, Screen

__all__ = ["copy_notebooks", "open_notebooks"]

COPIED = ".copied.json"  # file -> digest of what was put there


def open_notebooks(screen: Screen, *, no_browser: bool) -> int:
    """Start JupyterLab and stay until it ends. Raises Refusal where it is not installed."""
    if find_spec("jupyterlab") is None or find_spec("ipykernel") is None:
        raise Refusal(
            'JupyterLab is not installed; mend it with: pip install "netwerf[notebook]"  '
            "(the labs work in the terminal too: netwerf list)"
        )
    folder = home() / "notebooks"
    if not is_writable(folder):
        raise Refusal("{folder} cannot be written; set NETWERF_HOME to a folder of yours", folder=folder)
    new, kept = copy_notebooks(notebook_root(), folder)
    screen.say("The notebooks are in {folder}.", folder=folder)
    if new:
        screen.say("New there: {files}", files=", ".join(new))
    if kept:
        screen.say("Yours, left as they are: {files}", files=", ".join(kept))
    screen.say("JupyterLab starts; Ctrl-C here stops it.")
    words = [sys.executable, "-m", "jupyterlab", f"--ServerApp.root_dir={folder}", "--ServerApp.ip=localhost"]
    try:
        return subprocess.call([*words, *(["--no-browser"] if no_browser else [])])  # noqa: S603 - our own interpreter
    except KeyboardInterrupt:
        return 0


def copy_notebooks(source: Path, target: Path) -> tuple[list[str], list[str]]:
    """Copy what is new or was never touched; returns what was copied and what the trainee has changed."""
    target.mkdir(parents=True, exist_ok=True)
    register = target / COPIED
    try:
        copied = json.loads(register.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        copied = {}
    new, kept = [], []
    for file in sorted(source.rglob("*")):
        name = file.relative_to(source).as_posix()
        if not file.is_file() or any(part.startswith((".", "__")) for part in Path(name).parts):
            continue
        data, mine = file.read_bytes(), target / name
        if mine.exists() and _digest(mine.read_bytes()) != copied.get(name):
            if mine.read_bytes() != data:
                kept.append(name)
                continue
        elif not mine.exists() or mine.read_bytes() != data:
            mine.parent.mkdir(parents=True, exist_ok=True)
            write_whole(mine, data)
            new.append(name)
        copied[name] = _digest(data)
    write_whole(register, json.dumps(copied, indent=1, sort_keys=True))
    return new, kept


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
