"""The commands of a device that the engine itself answers: a script on the PATH asks, the device's init replies.

A script needs bash alone. It makes a pipe of its own, writes one request into `/run/netwerf/ask`, and prints what comes
back: lines that begin with `1` go to standard output, `2` to standard error, `=` ends with the exit status.
"""

from __future__ import annotations

from pathlib import Path

__all__ = ["ANSWERED", "ASK", "write_commands"]

ASK = "/run/netwerf/ask"
ANSWERED = (
    "systemctl",
    "journalctl",
    "service",
    "ifup",
    "ifdown",
    "ifquery",
    "sensorctl",
    "ss",
    "reboot",
    "poweroff",
    "shutdown",
    "halt",
)
SCRIPT = r"""#!/bin/bash
# Answered by the init of this device.
reply=/run/netwerf/reply.$$.$RANDOM
mkfifo -m 600 "$reply" || exit 1
exec {answer}<>"$reply" # before asking: what is written into a pipe that nobody holds is lost
trap 'rm -f "$reply"' EXIT
request="${reply##*/}"
for word in "${0##*/}" "$@"; do request+=$'\t'"$word"; done
request="${request//$'\n'/ }"
printf '%s\n' "$request" >/run/netwerf/ask || exit 1
while IFS= read -r -u "$answer" line; do
    case $line in
        1*) printf '%s\n' "${line:1}" ;;
        2*) printf '%s\n' "${line:1}" >&2 ;;
        =*) exit "${line:1}" ;;
    esac
done
exit 1
"""


def write_commands(folder: Path) -> None:
    """Write one script per command."""
    for name in ANSWERED:
        path = folder / name
        path.write_text(SCRIPT, encoding="utf-8")
        path.chmod(0o755)
