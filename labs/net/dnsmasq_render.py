"""A configuration file of dnsmasq written from values, and small changes to a file that leave its comments alone."""

from __future__ import annotations

import re
from typing import Any

from labs.net.dhcp import FOREVER, SERVER_PORT
from labs.net.dnsmasq_values import (
    UNITS,
    AddressRecord,
    DhcpHost,
    DhcpOption,
    DhcpRange,
    DhcpRelay,
    DnsmasqConf,
    Server,
)

__all__ = ["FLAGS", "render_dnsmasq", "split_line", "with_line", "without_line"]

FLAGS = {
    "bind-interfaces": "bind_interfaces",
    "bind-dynamic": "bind_interfaces",
    "no-resolv": "no_resolv",
    "no-hosts": "no_hosts",
    "expand-hosts": "expand_hosts",
    "domain-needed": "domain_needed",
    "bogus-priv": "bogus_priv",
    "dhcp-authoritative": "authoritative",
    "no-ping": "no_ping",
    "dhcp-sequential-ip": "sequential_ip",
    "log-dhcp": "log_dhcp",
}


def split_line(line: str) -> tuple[str, str | None] | None:
    """Keyword and value of one line; None for an empty line or a comment, which starts a line or follows a blank."""
    text = re.sub(r"(^|\s)#.*", "", line).strip()
    if not text:
        return None
    key, equals, value = text.partition("=")
    return key.strip(), value.strip() if equals else None


def _time_text(seconds: int) -> str:
    if seconds == FOREVER:
        return "infinite"
    for unit in "hm":
        if seconds % UNITS[unit] == 0 and seconds:
            return f"{seconds // UNITS[unit]}{unit}"
    return str(seconds)


def _range_text(item: DhcpRange) -> str:
    parts = [f"tag:{tag}" for tag in item.tags] + ([f"set:{item.set_tag}"] if item.set_tag else [])
    parts += [str(item.start), "static" if item.end is None else str(item.end)]
    parts += [str(extra) for extra in (item.netmask, item.broadcast) if extra is not None]
    return ",".join([*parts, *([_time_text(item.lease_s)] if item.lease_s is not None else [])])


def _host_text(item: DhcpHost) -> str:
    parts = [str(mac) for mac in item.macs] + [f"id:{client}" for client in item.client_ids]
    parts += [f"set:{tag}" for tag in item.set_tags] + ([str(item.address)] if item.address is not None else [])
    parts += [item.name] if item.name else []
    parts += [_time_text(item.lease_s)] if item.lease_s is not None else []
    return ",".join(parts + (["ignore"] if item.ignore else []))


def _server_text(item: Server) -> str:
    nobody = "#" if item.usual else ""
    where = nobody if item.address is None else f"{item.address}{f'#{item.port}' if item.port != 53 else ''}"
    return f"/{'/'.join(item.domains)}/{where}" if item.domains else where


def render_dnsmasq(conf: DnsmasqConf) -> str:
    """A configuration file that says the same."""
    default = DnsmasqConf()
    lines = [key for key, name in FLAGS.items() if getattr(conf, name) and key != "bind-dynamic"]
    lines += ["log-queries"] if conf.log_queries else []
    for key, value, standard in (
        ("port", conf.port, default.port),
        ("cache-size", conf.cache_size, default.cache_size),
        ("domain", conf.domain, ""),
        ("resolv-file", conf.resolv_file, ""),
        ("dhcp-leasefile", conf.lease_file, default.lease_file),
    ):
        if value != standard:
            lines.append(f"{key}={value}")
    plain: dict[str, tuple[Any, ...]] = {
        "interface": conf.interfaces,
        "except-interface": conf.except_interfaces,
        "no-dhcp-interface": conf.no_dhcp_interfaces,
        "listen-address": conf.listen_addresses,
        "addn-hosts": conf.addn_hosts,
        "server": tuple(map(_server_text, conf.servers)),
        "address": tuple(f"/{item.domain}/{_answer_text(item)}" for item in conf.addresses),
        "host-record": tuple(
            ",".join(
                [
                    *i.names,
                    *([str(a) for a in (i.address, i.wide) if a is not None] or [""]),
                    *([str(i.ttl_s)] if i.ttl_s else []),
                ]
            )
            for i in conf.host_records
        ),
        "cname": tuple(map(",".join, conf.cnames)),
        "dhcp-range": tuple(map(_range_text, conf.ranges)),
        "dhcp-relay": tuple(map(_relay_text, conf.relays)),
        "dhcp-host": tuple(map(_host_text, conf.hosts)),
        "dhcp-option": tuple(map(_option_text, conf.options)),
    }
    lines += [f"{key}={value}" for key, values in plain.items() for value in values]
    return "".join(line + "\n" for line in [*lines, *conf.others])


def _relay_text(item: DhcpRelay) -> str:
    port = "" if item.port == SERVER_PORT else f"#{item.port}"
    parts = (str(item.local), "" if item.server is None else f"{item.server}{port}", item.interface)
    return ",".join(part for part in parts if part)


def _answer_text(item: AddressRecord) -> str:
    return "#" if item.zeros else "" if item.address is None else str(item.address)


def _option_text(item: DhcpOption) -> str:
    return ",".join([*(f"tag:{tag}" for tag in item.tags), str(item.number), *item.values])


def with_line(text: str, key: str, value: str | None = None) -> str:
    """The file with its first line of this keyword replaced, or with the line added at the end; comments stay."""
    new = key if value is None else f"{key}={value}"
    lines = text.splitlines()
    for index, line in enumerate(lines):
        parts = split_line(line)
        if parts is not None and parts[0] == key:
            lines[index] = new
            break
    else:
        lines.append(new)
    return "\n".join(lines) + "\n"


def without_line(text: str, key: str, value: str | None = None) -> str:
    """The file without the lines of this keyword, or without the one that has this value."""
    kept = [
        line
        for line in text.splitlines()
        if (parts := split_line(line)) is None or parts[0] != key or (value is not None and parts[1] != value)
    ]
    return "".join(line + "\n" for line in kept)
