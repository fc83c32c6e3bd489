"""The configuration file of dnsmasq read into values, refused where dnsmasq refuses it and in its words.

Before changing this file read dnsmasq(8) and compare with `dnsmasq --test` 2.90, as Debian 12 ships it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from labs.model.addresses import Address, IPv4, IPv6, Mac
from labs.net.dhcp import FOREVER, SERVER_PORT, Option
from labs.net.dnsmasq_render import FLAGS, render_dnsmasq, split_line, with_line, without_line
from labs.net.dnsmasq_values import (
    SHORTEST_LEASE_S,
    UNITS,
    AddressRecord,
    DhcpHost,
    DhcpOption,
    DhcpRange,
    DhcpRelay,
    DnsmasqConf,
    DnsmasqError,
    HostRecord,
    Server,
)

__all__ = [
    "AddressRecord",
    "DhcpHost",
    "DhcpOption",
    "DhcpRange",
    "DhcpRelay",
    "DnsmasqConf",
    "DnsmasqError",
    "HostRecord",
    "Server",
    "parse_dnsmasq",
    "render_dnsmasq",
    "with_line",
    "without_line",
]

# Names of options (dnsmasq --help dhcp) and, for those whose value is no list of addresses, what the value is.
OPTION_NAMES = {
    "netmask": 1, "time-offset": 2, "router": 3, "dns-server": 6, "log-server": 7, "domain-name": 15, "mtu": 26,
    "static-route": 33, "nis-domain": 40, "ntp-server": 42, "netbios-ns": 44, "T1": 58, "T2": 59, "vendor-class": 60,
    "tftp-server": 66, "bootfile-name": 67, "domain-search": 119, "classless-static-route": 121,
}  # fmt: skip
ADDRESS_OPTIONS = frozenset({1, 3, 6, 7, 28, 33, 42, 44})
NUMBER_OPTIONS = {2: 4, 26: 2, 58: 4, 59: 4}
_TIME = re.compile(r"([0-9]+)([smhdwSMHDW]?)")
_HARDWARE = re.compile(r"(?:[0-9A-Fa-f]{1,2}|\*)(?::(?:[0-9A-Fa-f]{1,2}|\*)){0,15}")
_ROUTE = re.compile(r"[0-9]+(?:\.[0-9]+){3}(?:/(?:[0-9]|[12][0-9]|3[0-2]))?")
_HOST_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_.-]*)")


class _Bad(Exception):
    """A complaint about the value of the current line."""


def _address(text: str, complaint: str) -> IPv4:
    try:
        return IPv4.parse(text)
    except ValueError:
        raise _Bad(complaint) from None


def _integer(text: str, high: int = 1 << 31) -> int:
    if not text.isdecimal() or int(text) > high:
        raise _Bad("error")
    return int(text)


def _lease_time(text: str) -> int | None:
    """Seconds, or None where the text is no lease time."""
    if text == "infinite":
        return FOREVER
    match = _TIME.fullmatch(text)
    if match is None:
        return None
    return max(SHORTEST_LEASE_S, min(int(match[1]) * UNITS[match[2].lower() or "s"], FOREVER - 1))


def _words(value: str) -> list[str]:
    return [word.strip() for word in value.split(",")]


def _range(value: str) -> DhcpRange:
    complaint = "bad dhcp-range"
    words = _words(value)
    set_tag, tags = "", []
    while words and not re.match(r"[0-9.]+$", words[0]):
        word = words.pop(0)
        if word.startswith("tag:"):
            tags.append(word[4:])
        elif set_tag or not word or ":" in word.removeprefix("set:"):
            raise _Bad(complaint)
        else:
            set_tag = word.removeprefix("set:")
    if len(words) < 2:
        raise _Bad(complaint)
    start = _address(words[0], complaint)
    if words[1] == "static":
        end = None
    elif words[1] == "proxy":
        raise _Bad("a proxy dhcp-range is not simulated here")
    else:
        end = _address(words[1], complaint)
        start, end = min(start, end), max(start, end)
    rest = words[2:]
    netmask = broadcast = None
    if rest and "." in rest[0]:
        netmask = _address(rest.pop(0), complaint)
        hostmask = ~int(netmask) & 0xFFFFFFFF
        if hostmask & hostmask + 1 or (end is not None and (start ^ end) & netmask):
            raise _Bad("inconsistent DHCP range")
        if rest and "." in rest[0]:
            broadcast = _address(rest.pop(0), complaint)
    lease_s = None
    if rest:
        lease_s = _lease_time(rest.pop(0))
        if lease_s is None or rest:
            raise _Bad(complaint)
    return DhcpRange(start, end, netmask, broadcast, lease_s, set_tag, tuple(tags))


def _relay(value: str) -> DhcpRelay:
    local, target, interface, *_ = [*_words(value), "", ""]
    complaint = "Bad dhcp-relay"
    if ":" in local:
        raise _Bad("a relay for IPv6 is not simulated here")
    if not target:
        raise _Bad(complaint)
    address = _address(local, complaint)
    host, _, port = target.partition("#")
    try:
        server: IPv4 | None = IPv4.parse(host)
    except ValueError:
        if interface or "*" in target:
            raise _Bad(complaint) from None
        server, interface, port = None, target, ""
    return DhcpRelay(address, server, interface, int(port) if port.isdecimal() and int(port) < 65536 else SERVER_PORT)


def _host(value: str) -> DhcpHost:
    macs: list[Mac] = []
    client_ids: list[str] = []
    tags: list[str] = []
    address: IPv4 | None = None
    name, lease_s, ignore = "", None, False
    for word in _words(value):
        if word.startswith("id:"):
            client_ids.append(word[3:])
        elif word.startswith(("set:", "net:")):
            tags.append(word[4:])
        elif word.startswith("tag:"):
            raise _Bad("a tag: in dhcp-host is not simulated here")
        elif ":" in word:
            if not _HARDWARE.fullmatch(word):
                raise _Bad("bad hex constant")
            try:
                macs.append(Mac.parse(word))
            except ValueError:
                raise _Bad("a wildcard or short address in dhcp-host is not simulated here") from None
        elif re.fullmatch(r"[0-9]+(\.[0-9]+){3}", word) and _is_address(word):
            address = IPv4.parse(word)
        elif word == "ignore":
            ignore = True
        elif _lease_time(word) is not None:
            lease_s = _lease_time(word)
        elif _HOST_NAME.fullmatch(word):
            name = word
        elif word:
            raise _Bad("bad DHCP host name")
    return DhcpHost(tuple(macs), address, name, lease_s, tuple(tags), tuple(client_ids), ignore)


def _is_address(text: str) -> bool:
    return all(int(part) < 256 for part in text.split("."))


def _option(value: str) -> DhcpOption:
    words = _words(value)
    tags: list[str] = []
    number = 0
    while words:
        word = words.pop(0)
        if word.isdecimal():
            number = int(word)
            break
        if word.startswith("option:"):
            number = OPTION_NAMES.get(word[7:], 0)
            break
        if word.startswith(("encap:", "vi-encap:", "vendor:", "option6:")):
            raise _Bad(f"{word.partition(':')[0]}: in dhcp-option is not simulated here")
        tags.append(word.removeprefix("tag:"))
    if not number:
        raise _Bad("bad dhcp-option")
    if number in ADDRESS_OPTIONS:
        for word in words:
            if re.fullmatch(r"[0-9.]+", word) or "." in word:
                _address(word, "bad IP address")
            elif word:
                raise _Bad("bad dhcp-option")
    if number == Option.CLASSLESS_ROUTES:
        for word in words:
            if not _ROUTE.fullmatch(word):
                raise _Bad("bad dhcp-option")
            _address(word.partition("/")[0], "bad IP address")
    return DhcpOption(number, tuple(words) if words != [""] else (), tuple(tags))


def _server(value: str) -> list[Server]:
    domains: tuple[str, ...] = ()
    if value.startswith("/"):
        *names, value = value[1:].split("/")
        domains = tuple(name.strip().lower() for name in names)
    if not value or value == "#":
        return [Server(None, domains, usual=value == "#")]
    head, _, port = value.partition("@")[0].partition("#")
    if port and (not port.isdecimal() or not int(port) < 65536):
        raise _Bad("bad port")
    return [Server(_address(head, "a server that is given by name is not simulated here"), domains, int(port or 53))]


def _answers(value: str) -> list[AddressRecord]:
    complaint = "Bad address in --address"
    if not value.startswith("/") or "/" not in value[1:]:
        raise _Bad(complaint)
    *names, text = value[1:].split("/")
    address: Address | None = IPv4(0) if text == "#" else IPv6.parse(text) if ":" in text and _is_wide(text) else None
    if text and address is None:
        address = _address(text, complaint)
    return [AddressRecord(name.strip().lower(), address, zeros=text == "#") for name in names]


def _record(value: str) -> HostRecord:
    names, address, wide, ttl_s = [], None, None, 0
    words = _words(value)
    for word in words:
        if (
            re.fullmatch(r"[0-9.]+", word)
            and _TIME.fullmatch(word) is None
            and word.count(".") == 3
            and _is_address(word)
        ):
            address = IPv4.parse(word)
        elif ":" in word and _is_wide(word):
            wide = IPv6.parse(word)
        elif word.isdecimal() and word is words[-1]:
            ttl_s = int(word)
        elif ":" not in word and _TIME.fullmatch(word) is None:
            names.append(word)
    if len(words) < 2 or not names:
        raise _Bad("Bad host-record")
    return HostRecord(tuple(names), address, wide, ttl_s)


def _is_wide(text: str) -> bool:
    try:
        IPv6.parse(text)
    except ValueError:
        return False
    return True


def _cname(value: str) -> list[tuple[str, str]]:
    words = [word for word in _words(value) if not word.isdecimal()]
    if len(words) < 2 or "" in words:
        raise _Bad("bad CNAME")
    return [(alias, words[-1]) for alias in words[:-1]]


TEXTS = {"resolv-file": "resolv_file", "dhcp-leasefile": "lease_file"}
# keyword: the field, what makes values of the text (a list is added, anything else is one value)
LISTS: dict[str, tuple[str, Callable[[str], Any]]] = {
    "interface": ("interfaces", lambda value: [word for word in _words(value) if word]),
    "except-interface": ("except_interfaces", lambda value: [word for word in _words(value) if word]),
    "no-dhcp-interface": ("no_dhcp_interfaces", lambda value: [word for word in _words(value) if word]),
    "listen-address": ("listen_addresses", lambda value: [_address(word, "error") for word in _words(value)]),
    "addn-hosts": ("addn_hosts", lambda value: [value]),
    "server": ("servers", _server),
    "local": ("servers", _server),
    "address": ("addresses", _answers),
    "host-record": ("host_records", lambda value: [_record(value)]),
    "cname": ("cnames", _cname),
    "dhcp-relay": ("relays", lambda value: [_relay(value)]),
    "dhcp-range": ("ranges", lambda value: [_range(value)]),
    "dhcp-host": ("hosts", lambda value: [_host(value)]),
    "dhcp-option": ("options", lambda value: [_option(value)]),
    "dhcp-option-force": ("options", lambda value: [_option(value)]),
}
# Words of the real program whose effect does not exist here: with a value, and without.
OTHER_VALUES = frozenset({
    "auth-ttl", "conf-dir", "conf-file", "dhcp-boot", "dhcp-ignore", "dhcp-lease-max", "dhcp-mac", "dhcp-script",
    "dhcp-userclass", "dhcp-vendorclass", "dns-forward-max", "edns-packet-max", "group", "local-ttl", "log-facility",
    "max-cache-ttl", "max-ttl", "min-cache-ttl", "mx-host", "neg-ttl", "pid-file", "ptr-record", "ra-param",
    "rev-server", "srv-host", "tftp-root", "txt-record", "user",
})  # fmt: skip
OTHER_FLAGS = frozenset({
    "all-servers", "clear-on-reload", "dhcp-rapid-commit", "dnssec", "enable-ra", "enable-tftp", "filterwin2k",
    "keep-in-foreground", "local-service", "localise-queries", "log-async", "no-daemon", "no-negcache", "no-poll",
    "quiet-dhcp", "read-ethers", "rebind-localhost-ok", "selfmx", "stop-dns-rebind", "strict-order", "leasefile-ro",
})  # fmt: skip
QUIET = frozenset({
    "all-servers", "dns-forward-max", "edns-packet-max", "filterwin2k", "group", "keep-in-foreground", "local-service",
    "localise-queries", "log-facility", "max-cache-ttl", "no-daemon", "no-negcache", "no-poll", "pid-file",
    "quiet-dhcp", "strict-order", "user", "clear-on-reload", "log-async", "stop-dns-rebind", "rebind-localhost-ok",
    "dhcp-lease-max",
})  # fmt: skip
"""Words that are accepted without a remark: what they tune does not exist here, or is so already."""


@dataclass(slots=True)
class _Draft:
    fields: dict[str, Any] = field(default_factory=dict)

    def line(self, key: str, value: str | None) -> None:
        """Take one line. Raises _Bad."""
        if key in FLAGS or key in OTHER_FLAGS:
            if value is not None:
                raise _Bad("extraneous parameter")
            if key in FLAGS:
                self.fields[FLAGS[key]] = True
            else:
                self._add("others", [key])
        elif key == "log-queries":
            self.fields["log_queries"] = True
        elif key in LISTS or key in TEXTS or key in OTHER_VALUES or key in ("port", "cache-size", "domain"):
            if value is None and key not in ("log-facility", "dhcp-boot", "conf-file"):
                raise _Bad("missing parameter")
            self._value(key, value or "")
        else:
            raise _Bad("bad option")

    def _add(self, name: str, values: list[Any]) -> None:
        self.fields[name] = (*self.fields.get(name, ()), *values)

    def _value(self, key: str, value: str) -> None:
        if key in LISTS:
            name, read = LISTS[key]
            values = read(value)
            if key == "dhcp-host":
                self._no_duplicate(values[0])
            self._add(name, values)
        elif key in TEXTS:
            self.fields[TEXTS[key]] = value
        elif key == "port":
            self.fields["port"] = _integer(value, 65535)
        elif key == "cache-size":
            self.fields["cache_size"] = _integer(value)
        elif key == "domain":
            name, comma, rest = value.partition(",")
            if comma:
                self._add("others", [f"domain={name},{rest}"])
            else:
                self.fields["domain"] = name.strip().lower()
        else:
            self._add("others", [f"{key}={value}"])

    def _no_duplicate(self, host: DhcpHost) -> None:
        if host.address is not None and any(other.address == host.address for other in self.fields.get("hosts", ())):
            raise _Bad(f"duplicate dhcp-host IP address {host.address}")


def parse_dnsmasq(text: str) -> DnsmasqConf:
    """Read a configuration file. Raises DnsmasqError at the first line that dnsmasq refuses."""
    draft = _Draft()
    for number, line in enumerate(text.splitlines(), 1):
        parts = split_line(line)
        if parts is None:
            continue
        try:
            draft.line(*parts)
        except _Bad as bad:
            raise DnsmasqError(str(bad), number) from None
    return DnsmasqConf(**draft.fields)
