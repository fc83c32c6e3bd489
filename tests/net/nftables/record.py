"""Writes the golden files of this directory from the real nft: `python tests/net/nftables/record.py` as root.

A person reads the difference before it is committed. The rules and commands themselves are taken from the old file.
"""

from __future__ import annotations

import shlex
import subprocess
from pathlib import Path

HERE = Path(__file__).parent
RULES = HERE / "golden" / "rules.txt"
SESSION = HERE / "golden" / "session.txt"


def run_in_namespace(script: str) -> str:
    """What a shell script prints in a network namespace of its own, errors included."""
    done = subprocess.run(["unshare", "-n", "sh"], input=script, capture_output=True, text=True, check=False)
    return done.stdout


def recorded_rules(text: str) -> str:
    """The golden text of rules: a line `family | chain | rule`, then what `nft list` shows or the error."""
    blocks: list[str] = []
    for block in text.strip().split("\n\n"):
        head = block.split("\n", 1)[0]
        family, chain, rule = head.split(" | ", 2)
        base = f"table {family} t {{\nchain o {{ }}\nchain c {{ {chain} }}\n}}\n"
        command = shlex.quote(f"add rule {family} t c {rule}")
        script = f"nft -f - <<'EOF'\n{base}EOF\nnft {command} 2>&1 && nft list chain {family} t c"
        shown = run_in_namespace(script)
        if shown.startswith("table "):
            shown = "\n".join(
                line.strip() for line in shown.splitlines() if line.startswith("\t\t") and "hook" not in line
            )
        blocks.append(f"{head}\n{shown.rstrip()}")
    return "\n\n".join(blocks) + "\n"


def recorded_session(text: str) -> str:
    """The golden text of a session: `$ nft ...`, what it prints, its status."""
    commands = [line[2:] for line in text.splitlines() if line.startswith("$ nft")]
    lines = (f"echo {shlex.quote('$ ' + command)}\n{command} 2>&1 </dev/null\necho status $?\n" for command in commands)
    return run_in_namespace("".join(lines))


if __name__ == "__main__":
    RULES.write_text(recorded_rules(RULES.read_text()))
    SESSION.write_text(recorded_session(SESSION.read_text()))
