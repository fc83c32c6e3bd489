"""ICMPv6 as tcpdump prints it. Compare with print-icmp6.c of tcpdump 4.99."""

from __future__ import annotations

from collections.abc import Callable

from labs.model.addresses import Address
from labs.net import icmpv6
from labs.net.icmpv6 import Icmpv6Message
from labs.net.ndp import EXCLUDE, INCLUDE, INFINITE, Advert, ListenerReport, RouterAdvert, RouterSolicit, Solicit
from labs.net.tcp import TcpSegment
from labs.net.udp import UdpDatagram

__all__ = ["icmpv6_text"]

Names = Callable[[Address], str]


def icmpv6_text(message: Icmpv6Message, names: Names, verbose: int) -> str:
    """Everything behind `IP6 a > b: `."""
    size = f"length {message.length}"
    what = message.discovery
    if message.type in (icmpv6.ECHO_REQUEST6, icmpv6.ECHO_REPLY6):
        word = "request" if message.type == icmpv6.ECHO_REQUEST6 else "reply"
        return f"ICMP6, echo {word}, id {message.identifier}, seq {message.sequence}, {size}"
    if isinstance(what, Solicit):
        return f"ICMP6, neighbor solicitation, who has {names(what.target)}, {size}{_solicit(what, verbose)}"
    if isinstance(what, Advert):
        return f"ICMP6, neighbor advertisement, tgt is {names(what.target)}, {size}{_advert(what, verbose)}"
    if isinstance(what, RouterSolicit):
        return f"ICMP6, router solicitation, {size}{_source(what.link, verbose)}"
    if isinstance(what, RouterAdvert):
        return f"ICMP6, router advertisement, {size}{_router(what, verbose)}"
    if isinstance(what, ListenerReport):
        return _listeners(what, names, verbose)
    return f"ICMP6, {_error(message, names)}, {size}"


def _listeners(what: ListenerReport, names: Names, verbose: int) -> str:
    head = f"ICMP6, multicast listener report v2, {len(what.records)} group record(s)"
    if not verbose:
        return f"HBH {head}, length {what.length - 8}"
    kinds = {INCLUDE: "to_in", EXCLUDE: "to_ex"}
    groups = "".join(
        f" [gaddr {names(group)} {kinds.get(kind, str(kind))}, 0 source(s)]" for kind, group in what.records
    )
    return f"HBH (rtalert: 0x0000) (padn) [icmp6 sum ok] {head}{groups}"


def _error(message: Icmpv6Message, names: Names) -> str:
    original = message.original
    if original is None:
        return f"unknown icmp6 type ({message.type})"
    where = names(original.dst)
    if message.type == icmpv6.PACKET_TOO_BIG:
        return f"packet too big, mtu {message.mtu}"
    if message.type == icmpv6.TIME_EXCEEDED6:
        return f"time exceeded {'in-transit' if message.code == 0 else 'in-reassembly'} for {where}"
    if message.type == icmpv6.PARAMETER_PROBLEM:
        return "parameter problem"
    inner = original.payload
    words = {
        icmpv6.NO_ROUTE: f"unreachable route {where}",
        icmpv6.ADMIN_PROHIBITED6: f"unreachable prohibited {where}",
        2: f"beyond scope {where}, source address {names(original.src)}",
        icmpv6.ADDRESS_UNREACHABLE: f"unreachable address {where}",
    }
    if message.code == icmpv6.PORT_UNREACHABLE6 and isinstance(inner, TcpSegment | UdpDatagram):
        protocol = "tcp" if isinstance(inner, TcpSegment) else "udp"
        return f"destination unreachable, unreachable port, {where} {protocol} port {inner.dport}"
    return f"destination unreachable, {words.get(message.code, f'unknown unreach code ({message.code})')}"


def _source(link: object, verbose: int, *, word: str = "source", number: int = 1) -> str:
    if not verbose or link is None:
        return ""
    return f"\n\t  {word} link-address option ({number}), length 8 (1): {link}"


def _solicit(what: Solicit, verbose: int) -> str:
    text = _source(what.link, verbose)
    if verbose and what.nonce:
        text += f"\n\t  nonce option (14), length 8 (1):  0x{what.nonce:012x}"
    return text


def _advert(what: Advert, verbose: int) -> str:
    if not verbose:
        return ""
    pairs = (("router", what.router), ("solicited", what.solicited), ("override", what.override))
    flags = ", ".join(word for word, on in pairs if on)
    return f", Flags [{flags or 'none'}]" + _source(what.link, verbose, word="destination", number=2)


def _lifetime(seconds: int) -> str:
    return "infinity" if seconds == INFINITE else f"{seconds}s"


def _router(what: RouterAdvert, verbose: int) -> str:
    if not verbose:
        return ""
    flags = ", ".join(word for word, on in (("managed", what.managed), ("other stateful", what.other)) if on) or "none"
    lines = []
    lines.append(
        f"\n\thop limit {what.hop_limit}, Flags [{flags}], pref {what.preference}, router lifetime {what.lifetime_s}s,"
        f" reachable time {what.reachable_ms}ms, retrans timer {what.retrans_ms}ms"
    )
    for prefix in what.prefixes:
        bits = ", ".join(word for word, on in (("onlink", prefix.on_link), ("auto", prefix.autonomous)) if on) or "none"
        lines.append(
            f"\n\t  prefix info option (3), length 32 (4): {prefix.network}, Flags [{bits}], "
            f"valid time {_lifetime(prefix.valid_s)}, pref. time {_lifetime(prefix.preferred_s)}"
        )
    if what.mtu:
        lines.append(f"\n\t  mtu option (5), length 8 (1):  {what.mtu}")
    if what.servers:
        size = 8 + 16 * len(what.servers)
        servers = " ".join(f"addr: {server}" for server in what.servers)
        lines.append(
            f"\n\t  rdnss option (25), length {size} ({size // 8}):  lifetime {what.servers_lifetime_s}s, {servers}"
        )
    if what.domains:
        size = 8 + -(-sum(len(name) + 2 for name in what.domains) // 8) * 8
        domains = " ".join(f"domain: {name}." for name in what.domains)
        lines.append(
            f"\n\t  dnssl option (31), length {size} ({size // 8}):  lifetime {what.domains_lifetime_s}s, {domains}"
        )
    return "".join(lines) + _source(what.link, verbose)
