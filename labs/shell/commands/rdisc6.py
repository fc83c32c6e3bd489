"""rdisc6 and ndisc6: ask for routers and for a neighbour, and print what they say. Compare with ndisc6 1.0.5."""

from __future__ import annotations

from labs.model.addresses import IPv6
from labs.net import icmpv6
from labs.net.icmpv6 import Icmpv6Message
from labs.net.interface import Interface
from labs.net.ipv6 import ALL_ROUTERS, Ipv6Packet, solicited_node
from labs.net.ndp import INFINITE, Advert, RouterAdvert, RouterSolicit, Solicit
from labs.net.process import Process, Program, Routine, Wait
from labs.shell.options import UsageError, parse_options
from labs.shell.resolver import literal_place

__all__ = ["COMMANDS"]

SECOND = 1_000_000_000
TRIES = 3
WAIT_NS = SECOND
FAILED, NOT_FOUND = 1, 2


def _flag(value: bool) -> str:  # noqa: FBT001 - a flag of the message
    return "Yes" if value else " No"


def _span(value: int, unit: str) -> str:
    if value == INFINITE:
        return "    infinite (0xffffffff)"
    return f"{value:>12} (0x{value:08x}) {unit}"


def _advert_lines(source: IPv6, advert: RouterAdvert) -> list[str]:
    unknown = " unspecified (0x00000000)"
    lines = [
        "",
        f"Hop limit                 :{advert.hop_limit or 'undefined':>13} (      0x{advert.hop_limit:02x})",
        f"Stateful address conf.    :          {_flag(advert.managed)}",
        f"Stateful other conf.      :          {_flag(advert.other)}",
        "Mobile home agent         :           No",
        f"Router preference         :{advert.preference:>13}",
        "Neighbor discovery proxy  :           No",
        f"Router lifetime           :{advert.lifetime_s:>13} (0x{advert.lifetime_s:08x}) seconds",
    ]
    for label, value in (
        ("Reachable time            ", advert.reachable_ms),
        ("Retransmit time           ", advert.retrans_ms),
    ):
        lines.append(f"{label}: {unknown}" if not value else f"{label}:{value:>13} (0x{value:08x}) milliseconds")
    for prefix in advert.prefixes:
        lines += [
            f" Prefix                   : {prefix.network}",
            f"  On-link                 :          {_flag(prefix.on_link)}",
            f"  Autonomous address conf.:          {_flag(prefix.autonomous)}",
            f"  Valid time              : {_span(prefix.valid_s, 'seconds')}",
            f"  Pref. time              : {_span(prefix.preferred_s, 'seconds')}",
        ]
    if advert.mtu:
        lines.append(f" MTU                      : {advert.mtu:>12} bytes (valid)")
    lines += [f" Recursive DNS server     : {server}" for server in advert.servers]
    if advert.servers:
        lines.append(f"  DNS server lifetime     : {_span(advert.servers_lifetime_s, 'seconds')}")
    if advert.domains:
        lines.append(f" DNS search list          : {' '.join(advert.domains)}")
        lines.append(f"  DNS search list lifetime: {_span(advert.domains_lifetime_s, 'seconds')}")
    if advert.link is not None:
        lines.append(f" Source link-layer address: {str(advert.link).upper()}")
    return [*lines, f" from {source}"]


def _start(process: Process, positions: int) -> tuple[list[str], Interface] | int:
    try:
        options, words = parse_options(process.argv[1:], "146ahmnqr:s:vVw:")
    except UsageError as error:
        process.error(f"{process.name}: {error}")
        return 1
    if len(words) != positions or options:
        usage = "rdisc6 INTERFACE" if positions == 1 else "ndisc6 ADDRESS INTERFACE"
        process.error(f"{process.name}: simulated here is: {usage}")
        return 1
    interface = process.node.interfaces.get(words[-1])
    if interface is None:
        process.error(f"{words[-1]}: No such device")
        return 1
    if process.node.ipv6.source_for(interface, ALL_ROUTERS) is None:
        process.error("Raw IPv6 socket: Address family not supported by protocol")
        return 1
    return words, interface


def rdisc6(process: Process) -> Routine | int:
    """The program: every router that answers within a second."""
    begun = _start(process, 1)
    if isinstance(begun, int):
        return begun
    return _routers(process, begun[1])


def _routers(process: Process, interface: Interface) -> Routine:
    node = process.node
    socket = node.transport.packet_open(interface.name)
    process.cleanup.append(lambda: node.transport.packet_close(socket))
    process.print(f"Soliciting ff02::2 (ff02::2) on {interface.name}...")
    for _ in range(TRIES):
        source = node.ipv6.source_for(interface, ALL_ROUTERS)
        assert source is not None
        node.ipv6.discovery.send(interface, source, ALL_ROUTERS, icmpv6.ROUTER_SOLICIT, RouterSolicit(interface.mac))
        until, heard = node.now + WAIT_NS, False
        while node.now < until:
            while socket.queue:
                _, _, direction, frame = socket.queue.popleft()
                packet = frame.payload
                if (
                    direction != "in"
                    or not isinstance(packet, Ipv6Packet)
                    or not isinstance(packet.payload, Icmpv6Message)
                ):
                    continue
                if isinstance(packet.payload.discovery, RouterAdvert):
                    process.print(*_advert_lines(packet.src, packet.payload.discovery))
                    heard = True
            yield Wait((socket.signal,), until)
        if heard:
            return 0
        process.print("Timed out.")
    process.print("No response.")
    return NOT_FOUND


def ndisc6(process: Process) -> Routine | int:
    """The program: who has an address."""
    begun = _start(process, 2)
    if isinstance(begun, int):
        return begun
    words, interface = begun
    place = literal_place(words[0])
    if place is None or not isinstance(place.address, IPv6):
        process.error(f"{words[0]}: Name or service not known")
        return FAILED
    return _neighbour(process, interface, place.address)


def _neighbour(process: Process, interface: Interface, target: IPv6) -> Routine:
    node = process.node
    socket = node.transport.packet_open(interface.name)
    process.cleanup.append(lambda: node.transport.packet_close(socket))
    process.print(f"Soliciting {target} ({target}) on {interface.name}...")
    group = solicited_node(target)
    for _ in range(TRIES):
        source = node.ipv6.source_for(interface, target)
        assert source is not None
        node.ipv6.discovery.send(interface, source, group, icmpv6.NEIGHBOUR_SOLICIT, Solicit(target, interface.mac))
        until = node.now + WAIT_NS
        while node.now < until:
            while socket.queue:
                _, _, direction, frame = socket.queue.popleft()
                packet = frame.payload
                if (
                    direction != "in"
                    or not isinstance(packet, Ipv6Packet)
                    or not isinstance(packet.payload, Icmpv6Message)
                ):
                    continue
                advert = packet.payload.discovery
                if isinstance(advert, Advert) and advert.target == target and advert.link is not None:
                    process.print(f"Target link-layer address: {str(advert.link).upper()}", f" from {packet.src}")
                    return 0
            yield Wait((socket.signal,), until)
        process.print("Timed out.")
    process.print("No response.")
    return NOT_FOUND


COMMANDS: dict[str, Program] = {"ndisc6": ndisc6, "rdisc6": rdisc6}
