"""From what is in force back to the file that says so: the line of a route, a firewall rule, a kernel setting.

Only for explanations: what a person did by hand since the boot has no line, and the answer is then an empty text.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from labs.net.nftables import NftError, render_rule
from labs.net.nftables.apply import load

if TYPE_CHECKING:
    from labs.model.state import Route
    from labs.net.filesystem import FileSystem
    from labs.net.nftables import Rule, Ruleset, Table

__all__ = ["policy_line", "route_line", "rule_line", "setting_line"]

NFTABLES = "/etc/nftables.conf"
INTERFACES = "/etc/network/interfaces"
MAX_LINES = 2000  # of a file; a longer one is not searched


def _lines(files: FileSystem, path: str) -> list[str]:
    lines = files.get(path).splitlines()
    return lines if len(lines) <= MAX_LINES else []


def setting_line(files: FileSystem, name: str) -> str:
    """`/etc/sysctl.conf:3` of a kernel setting; the last line counts."""
    paths = [path for path in sorted(files.stored()) if path.startswith("/etc/sysctl.d/")] + ["/etc/sysctl.conf"]
    for path in reversed(paths):
        for number, line in reversed(list(enumerate(_lines(files, path), start=1))):
            if line.partition("=")[0].strip().replace("/", ".") == name:
                return f"{path}:{number}"
    return ""


def route_line(files: FileSystem, route: Route) -> str:
    """`/etc/network/interfaces:8` of the option that made a route: an address, a gateway, an `ip route` of its own.

    A paragraph with method dhcp answers for the routes of its interface that no option explains.
    """
    paths = [INTERFACES] + [path for path in sorted(files.stored()) if path.startswith(INTERFACES + ".d/")]
    for path in paths:
        number = _route_line_in(_lines(files, path), route)
        if number:
            return f"{path}:{number}"
    return ""


def _route_line_in(lines: list[str], route: Route) -> int:
    interface, dhcp, found_dhcp = "", False, 0
    for number, line in enumerate(lines, start=1):
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        if words[0] == "iface":
            interface = words[1] if len(words) > 1 else ""
            dhcp = len(words) > 3 and words[3] == "dhcp"
            if dhcp and interface == route.device:
                found_dhcp = number
        elif words[0] in ("auto", "source") or words[0].startswith("allow-"):
            interface = ""
        elif _makes(words, interface, route):
            return number
    return found_dhcp


def _makes(words: list[str], interface: str, route: Route) -> bool:
    option, value = words[0], words[1] if len(words) > 1 else ""
    if route.protocol == "kernel":
        own = value.partition("/")[0] == str(route.source)
        typed = "addr" in " ".join(words) and any(word.partition("/")[0] == str(route.source) for word in words)
        return (option == "address" and own and interface == route.device) or (option in ("up", "post-up") and typed)
    if option == "gateway":
        return route.prefix.length == 0 and value == str(route.via) and interface == route.device
    if option in ("up", "post-up") and any(word in ("route", "ro", "r") for word in words):
        target = "default" if route.prefix.length == 0 else str(route.prefix)
        targets = {target, target.removesuffix("/32"), "0.0.0.0/0" if target == "default" else target}
        return bool(targets & set(words)) and (route.via is None or str(route.via) in words)
    return False


CHAIN = re.compile(r"^\s*(?:add\s+)?chain\s+(?:(?:\w+\s+)?([\w-]+)\s+)?([\w-]+)\s*\{")
TABLE = re.compile(r"^\s*(?:add\s+)?table\s+(?:(ip6?|inet|arp|bridge|netdev)\s+)?([\w-]+)\s*\{")
ADDED = re.compile(r"^\s*(?:add|insert)\s+rule\s+(?:(ip6?|inet|arp|bridge|netdev)\s+)?([\w-]+)\s+([\w-]+)\s+(.*)$")


def _statements(lines: list[str], table: Table, chain: str) -> list[tuple[int, str]]:
    """What stands in a chain of a file, with line numbers: rules, and the line that gives type and policy."""
    found: list[tuple[int, str]] = []
    in_table = in_chain = False
    depth = start = 0
    pending = ""
    for number, raw in enumerate(lines, start=1):
        line = raw.partition("#")[0].rstrip()
        added = ADDED.match(line)
        if added and ((added[1] or "ip"), added[2], added[3]) == (table.family, table.name, chain):
            found.append((number, added[4]))
        head = TABLE.match(line)
        inner = CHAIN.match(line)
        if depth == 0 and head:
            in_table = ((head[1] or "ip"), head[2]) == (table.family, table.name)
        if depth == 1 and in_table and inner and inner[2] == chain:
            in_chain = True
            line_rest = line[inner.end() :]
            depth += 1 + line_rest.count("{") - line_rest.count("}")
            parts = line_rest.rpartition("}")[0] if depth <= 1 else line_rest
            found += [(number, part.strip()) for part in parts.split(";") if part.strip()]
            in_chain = depth > 1
            continue
        depth += line.count("{") - line.count("}")
        if in_chain and depth <= 1:
            in_chain = False
        elif in_chain and line.strip():
            start = start or number
            pending += " " + line.strip().removesuffix("\\")
            if depth == 2 and not line.endswith("\\"):
                found += [(start, part.strip()) for part in pending.split(";") if part.strip()]
                pending, start = "", 0
    return found


def rule_line(files: FileSystem, ruleset: Ruleset, table: Table, chain: str, rule: Rule) -> str:
    """`/etc/nftables.conf:12` of a rule in force, where the file has a rule that means the same; else empty."""
    wanted = render_rule(table, rule, None)
    statements = _statements(_lines(files, NFTABLES), table, chain)
    rules = [(number, text) for number, text in statements if not _is_head(text)]
    for number, text in rules:
        if _plain(text) == _plain(wanted):
            return f"{NFTABLES}:{number}"
    try:
        written = load(files.get(NFTABLES))
    except NftError:
        return ""
    same = next((t for t in written.tables if (t.family, t.name) == (table.family, table.name)), None)
    known = same.chain(chain) if same is not None else None
    if same is None or known is None or len(known.rules) != len(rules):
        return ""
    for (number, _), candidate in zip(rules, known.rules, strict=True):
        if render_rule(same, candidate, None) == wanted:
            return f"{NFTABLES}:{number}"
    return ""


def policy_line(files: FileSystem, table: Table, chain: str, policy: str) -> str:
    """The line that gives a base chain its policy, or the one with its type where the policy is the usual accept."""
    for number, text in _statements(_lines(files, NFTABLES), table, chain):
        if text == f"policy {policy}":
            return f"{NFTABLES}:{number}"
    if policy == "accept":
        for number, text in _statements(_lines(files, NFTABLES), table, chain):
            if text.startswith("type "):
                return f"{NFTABLES}:{number}"
    return ""


def _is_head(text: str) -> bool:
    return text.startswith(("type ", "policy ", "comment ", "flags ", "devices "))


def _plain(text: str) -> str:
    return " ".join(text.replace('"', "").split())
