"""The commands of a device that the engine itself answers: a script on the PATH asks, the device's init replies.

A script needs bash alone. It makes a pipe of its own, writes one request into `/run/netwerf/ask`, and prints what comes
back: lines that begin with `1` go to standard output, `2` to standard error, `=` ends with the exit status.
"""

from __future__ import annotations

from pathlib import Path

__all__ = ["ACTIVE", "ANSWERED", "ASK", "PASS", "write_commands", "write_link_commands"]

ASK = "/run/netwerf/ask"
PASS = 1 << 16
"""The status of an answer that is left to the real tool."""
ANSWERED = (
    "systemctl",
    "journalctl",
    "service",
    "ifup",
    "ifdown",
    "ifquery",
    "sensorctl",
    "gatewayctl",
    "rulesctl",
    "dashboard",
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
        !*)
            rm -f "$reply"
            exec "/usr/sbin/${0##*/}" "$@"
            ;;
        =*) exit "${line:1}" ;;
    esac
done
exit 1
"""

ACTIVE = "/run/netwerf/links"
# Where VLANs or tunnels are none of the kernel's: what has nothing to do with them goes to the real tool at once.
AT_ONCE = {
    "ip": r"""
tunnel=
for word in "$@"; do
    case $word in
        -*) ;;
        l | li | lin | link | a | ad | add | addr | addre | addres | address) break ;;
        t | tu | tun | tunn | tunne | tunnel | tunl) tunnel=yes; break ;;
        *) exec /usr/sbin/ip "$@" ;;
    esac
done
if [ ! -e ACTIVE ] && [ -z "$tunnel" ]; then
    case " $* " in
        *" type vlan "* | *" type bridge "* | *" type gre "* | *" type ipip "*) ;;
        *) exec /usr/sbin/ip "$@" ;;
    esac
fi
""",
    "bridge": r"""
[ -e ACTIVE ] || exec /usr/sbin/bridge "$@"
""",
}


def write_link_commands(folder: Path) -> None:
    """Write `ip` and `bridge`, which ask only about bridges, VLAN interfaces and tunnels."""
    for name, before in AT_ONCE.items():
        first, rest = SCRIPT.split("\n", 1)
        path = folder / name
        path.write_text(f"{first}{before.replace('ACTIVE', ACTIVE)}{rest}", encoding="utf-8")
        path.chmod(0o755)


def write_commands(folder: Path) -> None:
    """Write one script per command."""
    for name in ANSWERED:
        path = folder / name
        path.write_text(SCRIPT, encoding="utf-8")
        path.chmod(0o755)
