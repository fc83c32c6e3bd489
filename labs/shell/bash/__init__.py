"""The shell of a simulated device: bash as far as a technician uses it at a prompt."""

from __future__ import annotations

from labs.shell.bash.lines import is_complete, logical_lines
from labs.shell.bash.script import run_script
from labs.shell.bash.session import Session

__all__ = ["Session", "is_complete", "logical_lines", "run_script"]
