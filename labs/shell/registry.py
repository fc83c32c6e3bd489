"""Every command that a device knows, by name. To add one: write its module, add it and its names to `MODULES`."""

from __future__ import annotations

from functools import cache
from importlib import import_module

from labs.net.process import Program

__all__ = ["MODULES", "command", "command_names"]

# A module is imported when one of its commands is first typed: nobody waits for nmap who only wants to ping.
MODULES = {
    "accounts": "chpasswd passwd useradd userdel",
    "arping": "arping",
    "awk": "awk mawk",
    "bridge": "brctl bridge",
    "chronyc": "chronyc",
    "coap_client": "coap-client",
    "columns": "column cut paste tr",
    "curl": "curl",
    "conntrack": "conntrack",
    "dashboard": "dashboard",
    "date": "date",
    "dhclient": "dhclient",
    "diff": "cmp diff",
    "dig": "dig host nslookup",
    "digests": "hd hexdump md5sum sha1sum sha256sum sha512sum xxd",
    "dnsmasq": "dnsmasq",
    "ethtool": "ethtool",
    "files": "chgrp chmod chown cp df ln mkdir mv rm rmdir touch",
    "find": "find",
    "gatewayctl": "gatewayctl",
    "getent": "getent",
    "grep": "egrep fgrep grep",
    "help": "bash dash help man sh which",
    "ifupdown": "ifup ifdown ifquery",
    "ip": "ip",
    "iw": "iw",
    "journalctl": "journalctl",
    "lorawanctl": "lorawanctl",
    "ls": "ls",
    "mbpoll": "mbpoll",
    "mosquitto": "mosquitto mosquitto_passwd mosquitto_pub mosquitto_sub",
    "mtr": "mtr",
    "nc": "nc netcat",
    "nft": "nft",
    "nmap": "nmap",
    "nginx": "nginx",
    "openssl": "openssl",
    "paths": "basename dirname du file readlink realpath stat",
    "ping": "ping",
    "power": "dmesg halt logger poweroff reboot shutdown",
    "processes": "kill killall pgrep pidof pkill ps",
    "rulesctl": "rulesctl",
    "radvd": "radvd",
    "rdisc6": "ndisc6 rdisc6",
    "sed": "sed",
    "sensorctl": "sensorctl",
    "sort": "sort uniq wc",
    "service": "service",
    "ss": "ss",
    "ssh": "ssh sshpass",
    "sysctl": "sysctl",
    "system": (
        "[ arch clear echo false hostname id nproc printenv printf "
        "pwd seq sleep sync test true uname uptime who whoami yes"
    ),
    "systemctl": "systemctl",
    "tcpdump": "tcpdump",
    "telnet": "telnet telnetd",
    "timedatectl": "timedatectl",
    "text": "cat head nl rev tac tail tee",
    "tracepath": "tracepath",
    "traceroute": "traceroute",
    "wg": "wg wg-quick",
    "why": "why",
    "wget": "wget",
    "wpa_cli": "wpa_cli",
    "wrappers": "env nohup sudo timeout watch xargs",
}
HOMES = {name: module for module, names in MODULES.items() for name in names.split()}


@cache
def command(name: str) -> Program | None:
    """The program of that name, or None."""
    module = HOMES.get(name)
    return None if module is None else import_module(f"labs.shell.commands.{module}").COMMANDS[name]


def command_names() -> list[str]:
    """Every name, sorted."""
    return sorted(HOMES)
