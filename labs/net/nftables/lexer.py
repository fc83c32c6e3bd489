"""Text to tokens. Read first: nft(8), section "INPUT FILE FORMATS".

A word may hold dots, dashes and slashes (`eth0.10`, `br-lan`), so a range of words needs spaces or quotes, as in nft.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from labs.net.nftables.errors import Span

__all__ = ["KEYWORDS", "Token", "tokenize"]


class Token(NamedTuple):
    """One token; kind is word, number, quoted, wild, junk, newline, end, or the sign itself."""

    kind: str
    text: str
    span: Span

    @property
    def name(self) -> str:
        """What an error calls it: `unexpected <name>`."""
        if self.kind == "word":
            return self.text if self.text in KEYWORDS else "string"
        return _NAMES.get(self.kind) or (f"'{self.kind}'" if self.kind in "{}()[]$=|" else self.kind)


_NAMES = {
    "number": "number", "quoted": "quoted string", "wild": "string with a trailing asterisk", "newline": "newline",
    "end": "end of file", ";": "semicolon", ",": "comma", ".": ".", ":": "colon", "junk": "junk",
}  # fmt: skip

# Words that can never be a name: nft calls them by themselves in an error.
KEYWORDS = frozenset(
    """accept add ah all arp auto-merge bridge cgroup chain comment comp constant continue counter cpu create ct day
    dccp define delete describe device devices dnat drop dst dup dynamic ecn element elements esp ether exists
    expires export exthdr fib flags flow flowtable flush frag fwd get gc-interval goto handle hbh hook hour ibrname
    icmp icmpv6 igmp iif iifgroup iifname iiftype import include index inet insert interval ip ip6 ipsec jhash jump
    limit list log map mark masquerade meta meter mh missing monitor netdev nftrace notrack numgen obrname oif
    oifgroup oifname oiftype osf pkttype policy position priority queue quota random redefine redirect reject rename
    replace reset return rt rt0 rt2 rtclassid rule ruleset sctp secmark set size skgid skuid snat socket srh symhash
    synproxy table tcp th time timeout tproxy type typeof udp udplite undefine update vlan vmap xt""".split()
)

_TOKEN = re.compile(
    r"""(?P<space>[ \t]+|\\\n)
    |(?P<comment>\#[^\n]*)
    |(?P<newline>\r?\n)
    |(?P<mac>(?:[0-9A-Fa-f]{1,2}:){5}[0-9A-Fa-f]{1,2}(?![0-9A-Fa-f:]))
    |(?P<ip6>(?=[0-9A-Fa-f:]*:[0-9A-Fa-f.]*:)[0-9A-Fa-f:]+(?:\d+\.\d+\.\d+\.\d+)?)
    |(?P<ip4>\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3}(?![\d.]))
    |(?P<vlan>8021(?:q|ad)(?![\w]))
    |(?P<time>(?=[\d]+[dhms])(?:\d+d)?(?:\d+h)?(?:\d+m(?!s))?(?:\d+s)?(?:\d+ms)?(?![\w]))
    |(?P<number>0[xX][0-9A-Fa-f]+|\d+)
    |(?P<quoted>"[^"\n]*")
    |(?P<wild>[A-Za-z_][A-Za-z0-9_/\-.]*\\?\*)
    |(?P<word>[A-Za-z_.](?:[A-Za-z0-9/\-_.]+)|[A-Za-z_])
    |(?P<sign>==|!=|<=|>=|<<|>>|[{}()\[\];:,.=<>!&|^/*\-+$@])
    |(?P<junk>.)""",
    re.VERBOSE,
)
_WORD_KINDS = frozenset({"mac", "ip6", "ip4", "vlan", "time"})
_ALIASES = {"eq": "==", "ne": "!=", "lt": "<", "gt": ">", "le": "<=", "ge": ">=", "and": "&", "or": "|", "xor": "^"}


def tokenize(text: str, before: int = 0) -> list[Token]:
    """All tokens, ending with `end`; `before` is added to every number of a line."""
    tokens: list[Token] = []
    line, start, position = before + 1, 0, 0
    while position < len(text):
        found = _TOKEN.match(text, position)
        if found is None:  # pragma: no cover - the last alternative takes any character
            raise AssertionError(position)
        kind, word = str(found.lastgroup), found.group()
        span = Span(line, position - start + 1, len(word))
        position = found.end()
        if kind == "newline" or word == "\\\n":
            if kind == "newline":
                tokens.append(Token("newline", "\n", span))
            line, start = line + 1, position
        elif kind in {"space", "comment"}:
            continue
        elif kind == "quoted":
            tokens.append(Token("quoted", word[1:-1], span))
        elif kind == "word" and word in _ALIASES:
            tokens.append(Token(_ALIASES[word], word, span))
        elif kind == "sign":
            tokens.append(Token(word, word, span))
        else:
            tokens.append(Token("word" if kind in _WORD_KINDS else kind, word, span))
    tokens.append(Token("end", "", Span(line, len(text) - start + 1, 1)))
    return tokens
