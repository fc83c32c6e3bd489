"""A lab is played and graded without anything that only POSIX has, and in any locale."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
# Windows has none of these. Its names for files, and its terminals, are the business of labs.ui alone.
PROGRAM = """
import os, signal, sys

GONE = set("fcntl grp mininet pty pwd readline resource syslog termios tty".split())

class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name in GONE:
            raise ModuleNotFoundError(name)

for name in GONE:
    sys.modules.pop(name, None)
sys.meta_path.insert(0, Refuse())
for owner, names in (
    (os, "fork getuid geteuid getgid uname mkfifo setsid killpg pipe2 openpty getpgid"),
    (signal, "SIGKILL SIGHUP SIGALRM SIGUSR1 SIGCHLD SIGQUIT SIGPIPE SIGWINCH"),
):
    for name in names.split():
        if hasattr(owner, name):
            delattr(owner, name)
"""
PLAY = """
import sys
import grader, labs

lab = labs.open("bakery-address-clash", seed=7)
print(lab.run("till", "ping -c 1 terminal; date; systemctl status inetd | head -3; journalctl -n 3; ls -l /etc").text)
print(lab.run("hands", "look").text)
print(grader.check(lab).points)
path = lab.save(sys.argv[1])
print(path.read_bytes())
print(grader.grade(path).points)
"""


def test_lab_without_posix_answers_like_one_with_it(tmp_path: Path) -> None:
    """The same lines, the same points, the same submission, byte for byte."""
    told = [
        subprocess.run(
            [sys.executable, "-c", program, str(tmp_path / "mine.netwerf")],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
            timeout=120,
        ).stdout
        for program in (PROGRAM + PLAY, PLAY)
    ]
    assert "1 packets transmitted" in told[0]
    assert told[0] == told[1]
