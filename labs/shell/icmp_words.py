"""ICMP and ICMPv6 errors in the words of ping (iputils 20221126)."""

from __future__ import annotations

from labs.net import icmp, icmpv6

__all__ = ["REDIRECTS", "icmp_text", "icmpv6_text"]

REDIRECTS = {
    0: "Redirect Network",
    1: "Redirect Host",
    2: "Redirect Type of Service and Network",
    3: "Redirect Type of Service and Host",
}

UNREACHABLE = {
    icmp.NET_UNREACHABLE: "Destination Net Unreachable",
    icmp.HOST_UNREACHABLE: "Destination Host Unreachable",
    icmp.PROTOCOL_UNREACHABLE: "Destination Protocol Unreachable",
    icmp.PORT_UNREACHABLE: "Destination Port Unreachable",
    5: "Source Route Failed",
    6: "Destination Net Unknown",
    7: "Destination Host Unknown",
    8: "Source Host Isolated",
    icmp.NET_PROHIBITED: "Destination Net Prohibited",
    icmp.HOST_PROHIBITED: "Destination Host Prohibited",
    11: "Destination Net Unreachable for Type of Service",
    12: "Destination Host Unreachable for Type of Service",
    icmp.ADMIN_PROHIBITED: "Packet filtered",
    14: "Precedence Violation",
    15: "Precedence Cutoff",
}
UNREACHABLE6 = {
    icmpv6.NO_ROUTE: "No route",
    icmpv6.ADMIN_PROHIBITED6: "Administratively prohibited",
    icmpv6.BEYOND_SCOPE: "Beyond scope of source address",
    icmpv6.ADDRESS_UNREACHABLE: "Address unreachable",
    icmpv6.PORT_UNREACHABLE6: "Port unreachable",
    icmpv6.POLICY_FAILED: "Source address failed ingress/egress policy",
    icmpv6.REJECT_ROUTE: "Reject route to destination",
}


def icmp_text(kind: int, code: int, mtu: int = 0) -> str:
    """An ICMP error in the words of ping."""
    if kind == icmp.DEST_UNREACHABLE:
        if code == icmp.FRAGMENTATION_NEEDED:
            return f"Frag needed and DF set (mtu = {mtu})"
        return UNREACHABLE.get(code, f"Dest Unreachable, Bad Code: {code}")
    if kind == icmp.TIME_EXCEEDED:
        return "Time to live exceeded" if code == 0 else "Frag reassembly time exceeded"
    return f"Bad ICMP type: {kind}"


def icmpv6_text(kind: int, code: int, mtu: int = 0) -> str:
    """An ICMPv6 error in the words of ping."""
    if kind == icmpv6.DEST_UNREACHABLE6:
        return f"Destination unreachable: {UNREACHABLE6.get(code, f'Unknown code {code}')}"
    if kind == icmpv6.PACKET_TOO_BIG:
        return f"Packet too big: mtu={mtu}"
    if kind == icmpv6.TIME_EXCEEDED6:
        return f"Time exceeded: {'Hop limit' if code == 0 else 'Defragmentation failure'}"
    if kind == icmpv6.PARAMETER_PROBLEM:
        return "Parameter problem: Wrong header field "
    return f"unknown icmp type: {kind}"
