"""The vocabulary of `ip route`."""

from __future__ import annotations

from labs.shell.commands.ip.words import number, wrong

__all__ = [
    "ATTRIBUTES",
    "OTHER_TYPES",
    "PROTOCOLS",
    "SCOPES",
    "TABLES",
    "TYPES",
    "USAGE",
    "metric_of",
    "protocol_of",
    "scope_of",
]

USAGE = (
    "Usage: ip route { list | flush } SELECTOR",
    "       ip route get [ fibmatch ] ADDRESS [ from ADDRESS ] [ oif STRING ]",
    "       ip route { add | del | change | append | replace } ROUTE",
    "SELECTOR := [ root PREFIX ] [ match PREFIX ] [ exact PREFIX ] [ table TABLE_ID ] [ proto RTPROTO ]",
    "            [ type TYPE ] [ scope SCOPE ] [ dev STRING ] [ via ADDRESS ] [ src ADDRESS ]",
    "ROUTE := [ TYPE ] PREFIX [ via ADDRESS ] [ dev STRING ] [ src ADDRESS ] [ metric METRIC ]",
    "         [ proto RTPROTO ] [ scope SCOPE ] [ onlink ] [ mtu [lock] NUMBER ] [ advmss NUMBER ]",
    "TYPE := { unicast | unreachable | prohibit | blackhole | throw }",
)
TYPES = ("unicast", "blackhole", "unreachable", "prohibit", "throw")
OTHER_TYPES = ("local", "broadcast", "multicast", "anycast", "nat", "xresolve")
PROTOCOLS = {  # /etc/iproute2/rt_protos
    "0": "unspec", "1": "redirect", "2": "kernel", "3": "boot", "4": "static", "8": "gated", "9": "ra", "10": "mrt",
    "11": "zebra", "12": "bird", "13": "dnrouted", "14": "xorp", "15": "ntk", "16": "dhcp", "18": "keepalived",
    "42": "babel", "186": "bgp", "187": "isis", "188": "ospf", "189": "rip", "192": "eigrp",
}  # fmt: skip
SCOPES = {"0": "global", "253": "link", "254": "host", "255": "nowhere", "200": "site"}
TABLES = {"254": "main", "255": "local", "253": "default", "0": "all"}
ATTRIBUTES = frozenset(
    "hoplimit reordering rtt rttvar window cwnd initcwnd initrwnd features quickack congctl realms rto_min"
    " expires nexthop nhid encap weight equalize tos dsfield pref ttl-propagate fastopen_no_cookie as pervasive".split()
)


def protocol_of(text: str) -> str:
    """The name of a routing protocol (/etc/iproute2/rt_protos). Raises IpError."""
    name = PROTOCOLS.get(text, text)
    if name in PROTOCOLS.values() or number(text, 255) is not None:
        return name
    raise wrong(text, '"protocol" value is invalid')


def scope_of(text: str) -> str:
    """The name of a scope (/etc/iproute2/rt_scopes). Raises IpError."""
    name = SCOPES.get(text, text)
    if name not in SCOPES.values():
        raise wrong(text, 'invalid "scope" value')
    return name


def metric_of(text: str) -> int:
    """A metric. Raises IpError."""
    found = number(text)
    if found is None:
        raise wrong(text, '"metric" value is invalid')
    return found
