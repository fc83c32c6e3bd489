"""Random rule sets for router r of the small site: every kind of rule, over either version of IP."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from hypothesis import strategies as st

from labs.net.nftables import NftError
from labs.net.nftables.apply import load
from tests.grader.reach.small_site import V4, V6


@dataclass(frozen=True)
class Words:
    """What rules over one version say in their own way."""

    family: str
    addresses: tuple[str, ...]
    friends: str
    """Elements of the set of that name, as addresses are matched against it."""
    matches: tuple[str, ...]
    translations: tuple[str, ...]
    hiding: tuple[str, ...]
    input: tuple[str, ...]
    """How the chain for what comes in begins."""


DISCOVERY = (  # what the firewall of a device does with the questions of its neighbours
    "policy accept;",
    "policy drop; meta l4proto ipv6-icmp accept",
    "policy drop; icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept",
    "policy drop; icmpv6 type nd-neighbor-solicit accept",
    "policy drop; icmpv6 type nd-neighbor-advert accept",
    "policy drop; ip6 saddr fe80::/10 accept",
    "policy drop; ct state untracked accept",
    "policy drop; ct state established,related accept",
)
OLD = Words(
    "ip",
    (
        "10.0.1.10", "10.0.1.0/24", "10.0.1.8-10.0.1.12", "10.0.2.20", "10.0.3.0/24", "10.0.0.0/16", "@friends",
        "{ 10.0.1.11, 10.0.3.30 }", "{ 10.0.1.0/28, 10.0.2.0/24 }",
    ),
    "type ipv4_addr; flags interval; elements = { 10.0.1.11, 10.0.2.0/24 }",
    (
        "icmp type echo-request", "meta l4proto icmp", "ip protocol udp", "ct state { new, established }",
        "ip saddr . tcp dport { 10.0.1.10 . 22, 10.0.1.0/24 . 80 }", "ip daddr & 255.255.255.0 == 10.0.2.0",
        "limit rate 10/minute",
    ),
    (
        "iifname lan tcp dport 8080 dnat to 10.0.2.20:80",
        "ip daddr 10.0.2.1 dnat to 10.0.3.30",
        "tcp dport 443 redirect to :22",
        "dnat to tcp dport map { 22 : 10.0.2.20, 80 : 10.0.3.30 }",
        "ip saddr 10.0.1.11 udp dport 80 dnat to 10.0.2.20:1024",
    ),
    (
        "", "oifname wan masquerade", "ip saddr 10.0.1.0/24 snat to 10.0.9.1",
        "oifname dmz tcp dport 80 snat to 10.0.2.1:1024",
    ),
    ("policy accept;",),
)  # fmt: skip
NEW = Words(
    "ip6",
    (
        "2001:db8:1::10", "2001:db8:1::/64", "2001:db8:1::8-2001:db8:1::12", "2001:db8:2::20", "2001:db8:3::/64",
        "2001:db8::/32", "@friends", "{ 2001:db8:1::11, 2001:db8:3::30 }", "{ 2001:db8:1::/122, 2001:db8:2::/64 }",
        "fe80::/10",
    ),
    "type ipv6_addr; flags interval; elements = { 2001:db8:1::11, 2001:db8:2::/64 }",
    (
        "icmpv6 type echo-request", "meta l4proto ipv6-icmp", "ip6 nexthdr udp", "ct state { new, untracked }",
        "ip6 saddr . tcp dport { 2001:db8:1::10 . 22, 2001:db8:1::/64 . 80 }",
        "ip6 daddr & ffff:ffff:ffff:ffff:: == 2001:db8:2::", "meta nfproto ipv6", "meta nfproto ipv4",
        "ip saddr 10.0.1.0/24", "ip protocol tcp", "icmp type echo-request",
        "icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert }",
    ),
    (
        "iifname lan tcp dport 8080 dnat to [2001:db8:2::20]:80",
        "ip6 daddr 2001:db8:2::1 dnat to 2001:db8:3::30",
        "tcp dport 443 redirect to :22",
        "dnat to tcp dport map { 22 : 2001:db8:2::20, 80 : 2001:db8:3::30 }",
        "ip6 saddr 2001:db8:1::11 udp dport 80 dnat to [2001:db8:2::20]:1024",
    ),
    (
        "", "oifname wan masquerade", "ip6 saddr 2001:db8:1::/64 snat to 2001:db8:9::1",
        "oifname dmz tcp dport 80 snat to [2001:db8:2::1]:1024",
    ),
    DISCOVERY,
)  # fmt: skip
WORDS = {V4: OLD, V6: NEW}

ports = st.sampled_from(
    [
        "22", "80", "{ 22, 443 }", "80-1024", "{ 22, 100-443, 8080 }", "!= 80", "!= { 22, 80 }", "< 1024", ">= 443",
        "@open",
    ]
)  # fmt: skip
interfaces = st.sampled_from(['"lan"', '"dmz"', '"wan"', '{ "lan", "wan" }', '!= "dmz"', '"l*"'])
verdicts = st.sampled_from(
    [
        "accept", "drop", "reject", "counter accept", "jump one", "goto one", "jump two", "return",
        "reject with icmp type host-unreachable", "reject with icmpx type admin-prohibited",
        "tcp dport vmap { 22 : accept, 80-443 : drop, 8080 : jump two }",
        "ct state vmap { new : jump one, invalid : drop }",
    ]
)  # fmt: skip
discovering = st.sampled_from(DISCOVERY)


def matches_of(words: Words) -> st.SearchStrategy[str]:
    """One match."""
    addresses = st.sampled_from(words.addresses)
    return st.one_of(
        addresses.map(lambda a: f"{words.family} saddr {a}"),
        addresses.map(lambda a: f"{words.family} daddr {a}"),
        addresses.map(lambda a: f"{words.family} saddr != {a}"),
        ports.map(lambda p: f"tcp dport {p}"),
        ports.map(lambda p: f"udp dport {p}"),
        ports.map(lambda p: f"tcp sport {p}"),
        ports.map(lambda p: f"meta l4proto {{ tcp, udp }} th dport {p}"),
        interfaces.map(lambda i: f"iifname {i}"),
        interfaces.map(lambda i: f"oifname {i}"),
        st.sampled_from(
            [
                "meta l4proto != tcp", "ct state new", "ct state established,related", "ct state != invalid",
                "tcp flags syn", "ct status dnat", *words.matches,
            ]
        ),
    )  # fmt: skip


def ruleset(
    words: Words,
    forward: list[str],
    one: list[str],
    more: list[str],
    dnat: list[str],
    snat: str,
    policy: str,
    into: str,
) -> str:
    """Rules that are written in every place where r judges or translates."""

    def lines(found: list[str]) -> str:
        return "\n    ".join(found)

    one = [rule for rule in one if "one" not in rule]
    first, _, rest = into.partition("; ")
    return f"""table inet filter {{
  set friends {{ {words.friends} }}
  set open {{ type inet_service; elements = {{ 22, 8080 }} }}
  chain two {{
    {lines(more)}
  }}
  chain one {{
    {lines(one)}
  }}
  chain input {{
    type filter hook input priority 0; {first.rstrip(";")};
    {rest}
    {lines([rule for rule in more if "oifname" not in rule])}
  }}
  chain forward {{
    type filter hook forward priority 0; policy {policy};
    {lines(forward)}
  }}
}}
table {words.family} nat {{
  chain prerouting {{
    type nat hook prerouting priority -100;
    {lines(dnat)}
  }}
  chain postrouting {{
    type nat hook postrouting priority 100;
    {snat}
  }}
}}
"""


def is_loadable(text: str) -> bool:
    """Rules that contradict themselves are refused as a whole."""
    try:
        load(text)
    except NftError:
        return False
    return True


def rulesets_of(words: Words) -> st.SearchStrategy[str]:
    """Whole rule sets that can be loaded."""
    parts = st.lists(matches_of(words), max_size=2, unique=True)
    rules = st.builds(lambda matches, verdict: " ".join([*matches, verdict]), parts, verdicts)
    flat = rules.filter(lambda rule: "jump" not in rule and "goto" not in rule)
    return st.builds(
        ruleset,
        st.just(words),
        st.lists(rules, min_size=1, max_size=6),
        st.lists(rules, max_size=3),
        st.lists(flat, max_size=3),
        st.lists(st.sampled_from(words.translations), max_size=2, unique=True),
        st.sampled_from(words.hiding),
        st.sampled_from(["accept", "drop"]),
        st.sampled_from(words.input),
    ).filter(is_loadable)


MATCHES = {version: matches_of(words) for version, words in WORDS.items()}
RULESETS = {version: rulesets_of(words) for version, words in WORDS.items()}


def own_rules(chosen: Mapping[str, str]) -> dict[str, str]:
    """Firewalls of hosts that judge what comes in over IPv6, by what they do with their neighbours."""
    found = {}
    for name, text in chosen.items():
        first, _, rest = text.partition("; ")
        lines = [f"type filter hook input priority 0; {first.rstrip(';')}", rest, "tcp dport { 22, 80 } accept"]
        found[name] = "table ip6 own {\n  chain input {\n    " + "\n    ".join(lines) + "\n  }\n}\n"
    return found
