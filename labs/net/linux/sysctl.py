"""Kernel settings (`sysctl`) that a simulated device knows, with Linux's defaults.

Only settings that change something here exist; any other name is answered as a kernel without that feature answers.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from labs.net.filesystem import FileError

__all__ = ["DEFAULTS", "PER_INTERFACE", "ProcSys", "Sysctl"]

DEFAULTS = {
    "kernel.hostname": "",
    "net.ipv4.icmp_echo_ignore_all": "0",
    "net.ipv4.icmp_echo_ignore_broadcasts": "1",
    "net.ipv4.icmp_ratelimit": "1000",
    "net.ipv4.icmp_ratemask": "6168",
    "net.ipv4.ip_default_ttl": "64",
    "net.ipv4.ip_forward": "0",
    "net.ipv4.route.error_burst": "1250",
    "net.ipv4.route.error_cost": "250",
    "net.ipv6.icmp.echo_ignore_all": "0",
    "net.ipv6.icmp.echo_ignore_multicast": "0",
    "net.ipv6.icmp.ratelimit": "1000",
}
PER_INTERFACE = {
    "accept_redirects": "1",
    "arp_announce": "0",
    "arp_filter": "0",
    "arp_ignore": "0",
    "arp_notify": "0",
    "forwarding": "0",
    "promote_secondaries": "0",
    "proxy_arp": "0",
    "rp_filter": "0",
    "send_redirects": "1",
}
# A kernel started with ipv6.disable_ipv6=1, as every device here is until its site says otherwise.
PER_INTERFACE6 = {
    "accept_dad": "1",
    "accept_ra": "1",
    "accept_ra_defrtr": "1",
    "accept_ra_pinfo": "1",
    "accept_ra_rtr_pref": "1",
    "autoconf": "1",
    "dad_transmits": "1",
    "disable_ipv6": "1",
    "forwarding": "0",
}
OF_THEIR_OWN6 = {("all", "accept_dad"): "0", ("lo", "accept_dad"): "-1"}  # ipv6_devconf, addrconf_add_dev
CONF6 = "net.ipv6.conf."
IPV4_FORWARDING = re.compile(r"net\.ipv4\.conf\..*\.forwarding")
FOR_ALL6 = frozenset({"disable_ipv6", "forwarding"})  # under `all` they set every interface (addrconf_sysctl_*)


class Sysctl:
    """The settings by dotted name; `net.ipv4.conf.IF.*` exists for every interface, `all` and `default`."""

    def __init__(self, hostname: str, interfaces: Callable[[], list[str]]) -> None:
        self._values = dict(DEFAULTS)
        self._values["kernel.hostname"] = hostname
        self._interfaces = interfaces
        self._combined: dict[tuple[str, str], int] = {}
        self.watchers: list[Callable[[], None]] = []
        """Called after every change."""

    def names(self) -> list[str]:
        """Every setting that exists, sorted."""
        conf = [
            f"net.ipv4.conf.{interface}.{leaf}"
            for interface in ["all", "default", *self._interfaces()]
            for leaf in PER_INTERFACE
        ]
        conf6 = [
            f"{CONF6}{interface}.{leaf}"
            for interface in ["all", "default", *self._interfaces()]
            for leaf in PER_INTERFACE6
        ]
        return sorted([*DEFAULTS, *conf, *conf6])

    def get(self, name: str) -> str | None:
        """The value, or None where the setting does not exist."""
        if name in self._values:
            return self._values[name]
        interface, _, leaf = name.removeprefix("net.ipv4.conf.").rpartition(".")
        if (
            name.startswith("net.ipv4.conf.")
            and leaf in PER_INTERFACE
            and interface in ["all", "default", *self._interfaces()]
        ):
            if leaf == "forwarding":
                return self._values["net.ipv4.ip_forward"]
            default = self._values.get(f"net.ipv4.conf.default.{leaf}", PER_INTERFACE[leaf])
            return default if interface != "all" else PER_INTERFACE[leaf]
        return self._get6(name) if name.startswith(CONF6) else None

    def _get6(self, name: str) -> str | None:
        interface, _, leaf = name.removeprefix(CONF6).rpartition(".")
        if leaf not in PER_INTERFACE6 or interface not in ["all", "default", *self._interfaces()]:
            return None
        if (interface, leaf) in OF_THEIR_OWN6:
            return OF_THEIR_OWN6[interface, leaf]
        return (
            PER_INTERFACE6[leaf]
            if interface == "all"
            else self._values.get(f"{CONF6}default.{leaf}", PER_INTERFACE6[leaf])
        )

    def set(self, name: str, value: str) -> bool:
        """Change a setting; False where it does not exist. Raises FileError for an illegal value."""
        if self.get(name) is None:
            return False
        value = " ".join(value.split())
        if name != "kernel.hostname" and not value.removeprefix("-").isdecimal():
            raise FileError("Invalid argument")
        self._combined.clear()
        if name in ("net.ipv4.ip_forward", "net.ipv4.conf.all.forwarding"):  # one setting, and it sets every interface
            self._values = {key: old for key, old in self._values.items() if not IPV4_FORWARDING.fullmatch(key)}
            name = "net.ipv4.ip_forward"
            if self._values[name] != value:  # a router believes no other one (inet_forward_change)
                self._values["net.ipv4.conf.all.accept_redirects"] = str(int(value == "0"))
        if name.startswith(f"{CONF6}all.") and name.rpartition(".")[2] in FOR_ALL6:
            leaf = name.rpartition(".")[2]
            self._values = {
                key: old
                for key, old in self._values.items()
                if not (key.startswith(CONF6) and key.endswith(f".{leaf}"))
            }
            self._values[f"{CONF6}default.{leaf}"] = value
        self._values[name] = value
        for tell in self.watchers:
            tell()
        return True

    def restore(self, values: Mapping[str, str]) -> None:
        """Take over every setting of a snapshot."""
        self._values.update(values)
        self._combined.clear()

    def number(self, name: str) -> int:
        """The value of a numeric setting."""
        return int(self.get(name) or 0)

    def interface_number(self, interface: str, leaf: str) -> int:
        """A per-interface setting as the kernel combines it with `all`: the larger counts (rp_filter) or either."""
        combined = self._combined.get((interface, leaf))
        if combined is None:
            values = (self.number(f"net.ipv4.conf.{where}.{leaf}") for where in ("all", interface))
            combined = self._combined[interface, leaf] = max(values)
        return combined

    def snapshot(self) -> dict[str, str]:
        """Every setting with its value."""
        return {name: self.get(name) or "" for name in self.names()}


class ProcSys:
    """/proc/sys as files."""

    def __init__(self, sysctl: Sysctl) -> None:
        self._sysctl = sysctl

    @staticmethod
    def _name(path: str) -> str:
        return path.removeprefix("/proc/sys/").replace("/", ".")

    def read(self, path: str) -> str | None:
        """The value with its newline."""
        value = self._sysctl.get(self._name(path))
        return None if value is None else value + "\n"

    def write(self, path: str, text: str) -> bool:
        """`echo 1 > /proc/sys/…`."""
        return self._sysctl.set(self._name(path), text)

    def names(self) -> list[str]:
        """Every path."""
        return ["/proc/sys/" + name.replace(".", "/") for name in self._sysctl.names()]
