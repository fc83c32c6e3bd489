"""From what devices report about one packet to steps that a person can read, each with what decided it."""

# ruff: noqa: SLF001 - it reads the shadow of a device
from __future__ import annotations

from typing import TYPE_CHECKING

from labs.engines.sim.shadow import Judged
from labs.net import icmp, icmpv6, tcp
from labs.net.actions import Accepted, Delivered, Dropped, DropReason, Forwarded
from labs.net.arp import ArpPacket
from labs.net.foresight import Event, PacketForm, Step, by_route, death, forwarded
from labs.net.icmp import IcmpMessage
from labs.net.icmpv6 import Icmpv6Message
from labs.net.ipv4 import ANY, GrePacket, Ipv4Packet
from labs.net.ipv6 import Ipv6Packet
from labs.net.ndp import Advert, Solicit
from labs.net.nftables import VerdictCode, render_rule
from labs.net.origin import policy_line, route_line, rule_line, setting_line
from labs.net.routing import route_text
from labs.net.said import Ground, Said, said
from labs.net.sockets import hears
from labs.net.tcp import TcpSegment
from labs.net.udp import UdpDatagram

if TYPE_CHECKING:
    from collections.abc import Sequence

    from labs.model.state import Route
    from labs.net.actions import Note
    from labs.net.linux.node import LinuxNode
    from labs.net.nftables import Outcome
    from labs.net.sockets import TcpListener, UdpSocket

__all__ = ["ANSWERED", "ASKED", "Explainer", "error_text", "is_answer", "packet_said"]

AROUND = 1 << 16  # marks what a tunnel puts around a packet
ASKED, ANSWERED = b"why?", b"because"  # the data of the datagram that is sent, and of its answer
FRAME_REASONS = frozenset({DropReason.NOT_FOR_ME, DropReason.BRIDGE_SAME_PORT})
# Nobody has to be told of these: a question for a neighbour reaches many, and what a rule stops is told with the rule
QUIET_REASONS = FRAME_REASONS | {DropReason.POLICY, DropReason.NO_PROTOCOL}
DROPPING = frozenset({VerdictCode.DROP, VerdictCode.REJECT})
UNREACHABLE = {
    icmp.NET_UNREACHABLE: "network unreachable",
    icmp.HOST_UNREACHABLE: "host unreachable",
    icmp.PORT_UNREACHABLE: "port unreachable",
    icmp.FRAGMENTATION_NEEDED: "fragmentation needed",
    icmp.NET_PROHIBITED: "net prohibited",
    icmp.HOST_PROHIBITED: "host prohibited",
    icmp.ADMIN_PROHIBITED: "administratively prohibited",
}
UNREACHABLE6 = {
    icmpv6.NO_ROUTE: "no route",
    icmpv6.ADMIN_PROHIBITED6: "administratively prohibited",
    icmpv6.ADDRESS_UNREACHABLE: "address unreachable",
    icmpv6.PORT_UNREACHABLE6: "port unreachable",
    icmpv6.POLICY_FAILED: "source address failed policy",
    icmpv6.REJECT_ROUTE: "reject route",
}
Packet = Ipv4Packet | Ipv6Packet


def is_answer(packet: Packet) -> bool:
    """True for what comes back: answers, resets, errors."""
    payload = packet.payload
    if isinstance(payload, Icmpv6Message):
        return payload.type != icmpv6.ECHO_REQUEST6
    if isinstance(payload, IcmpMessage):
        return payload.type != icmp.ECHO_REQUEST
    if isinstance(payload, TcpSegment):
        return bool(payload.flags & (tcp.ACK | tcp.RST))
    if isinstance(payload, GrePacket):
        return is_answer(payload.inner)
    if isinstance(payload, Ipv4Packet):
        return is_answer(payload)
    return isinstance(payload, UdpDatagram) and payload.data == ANSWERED


def error_text(kind: int, code: int) -> str:
    """An ICMP error in words."""
    if kind == icmp.TIME_EXCEEDED:
        return "time exceeded"
    return UNREACHABLE.get(code, f"unreachable, code {code}")


def error_text6(kind: int, code: int) -> str:
    """An error of ICMPv6 in words."""
    if kind == icmpv6.PACKET_TOO_BIG:
        return "packet too big"
    return "time exceeded" if kind == icmpv6.TIME_EXCEEDED6 else UNREACHABLE6.get(code, f"unreachable, code {code}")


def is_discovery(packet: Packet | None) -> bool:
    """True for what neighbours and routers say of themselves: it explains the way of packets."""
    return isinstance(packet, Ipv6Packet) and getattr(packet.payload, "discovery", None) is not None


def _end(address: object, port: int) -> str:
    return f"[{address}]:{port}" if ":" in str(address) else f"{address}:{port}"


def packet_said(packet: Packet) -> Said:
    """`tcp 10.0.0.5:40000 -> 10.0.0.6:80, SYN`."""
    payload = packet.payload
    source: object = said(PacketForm.NO_ADDRESS) if packet.src == ANY else str(packet.src)
    target = str(packet.dst)
    if isinstance(payload, Icmpv6Message | IcmpMessage):
        six = isinstance(payload, Icmpv6Message)
        if payload.original is not None:
            error = (error_text6 if six else error_text)(payload.type, payload.code)
            kind: object = said(PacketForm.ERROR, error=error)
        else:
            request = icmpv6.ECHO_REQUEST6 if six else icmp.ECHO_REQUEST
            kind = "echo request" if payload.type == request else "echo reply"
        protocol = "icmpv6" if six else "icmp"
        return said(PacketForm.PLAIN, protocol=protocol, source=source, target=target, kind=kind)
    if isinstance(payload, GrePacket | Ipv4Packet):
        protocol, inner = ("gre", payload.inner) if isinstance(payload, GrePacket) else ("ipip", payload)
        return said(PacketForm.AROUND, protocol=protocol, source=source, target=target, packet=packet_said(inner))
    if not isinstance(payload, TcpSegment | UdpDatagram):
        return said(PacketForm.FRAGMENT, source=source, target=target)
    source = source if packet.src == ANY else _end(source, payload.sport)
    target = _end(target, payload.dport)
    if isinstance(payload, UdpDatagram):
        return said(PacketForm.DATAGRAM, protocol="udp", source=source, target=target)
    flags = [name for name, bit in (("SYN", tcp.SYN), ("RST", tcp.RST), ("ACK", tcp.ACK)) if payload.flags & bit]
    return said(PacketForm.PLAIN, protocol="tcp", source=source, target=target, kind="-".join(flags))


def _kind(packet: Packet) -> int:
    """What tells the packets of one conversation apart: the flags of TCP, the type of ICMP, the way of UDP."""
    payload = packet.payload
    if isinstance(payload, GrePacket):
        return _kind(payload.inner) | AROUND
    if isinstance(payload, Ipv4Packet):
        return _kind(payload) | AROUND
    if isinstance(payload, TcpSegment):
        return payload.flags
    return payload.type if isinstance(payload, IcmpMessage | Icmpv6Message) else int(is_answer(packet))


def _port(name: str) -> str | Said:
    return name or said(PacketForm.A_PORT)


def _is_handshake_end(packet: Packet) -> bool:
    segment = packet.payload
    return isinstance(segment, TcpSegment) and segment.flags & (tcp.SYN | tcp.RST | tcp.ACK) == tcp.ACK


def _route_to(node: LinuxNode, packet: Packet) -> Route | None:
    return node.ip.routes.lookup(packet.dst) if isinstance(packet, Ipv4Packet) else node.ipv6.route_to(packet.dst)


class Explainer:
    """Collects steps. A packet that is sent again is explained once."""

    def __init__(self) -> None:
        self.steps: list[Step] = []
        self._frames: list[Step] = []  # deaths of frames: told only where nothing else explains the silence
        self._known: set[Step] = set()
        self._spoken: set[tuple[str, int]] = set()
        self._hooks: set[tuple[str, str, int]] = set()

    def _say(self, device: str, what: Said, by: str | Said = "", where: str = "", *, back: bool) -> None:
        step = Step(device, what, by, where, back)
        if step not in self._known:
            self._known.add(step)
            self.steps.append(step)

    def add(self, node: LinuxNode, item: Note | Judged, passed: Sequence[tuple[str, str, str, bool]]) -> None:
        """Explain one report of a device. `passed` are the bridges that the frame came through."""
        packet = item.packet
        if is_discovery(packet):
            self._neighbours_spoke(node, item)
            return
        if packet is not None and _is_handshake_end(packet):
            return
        if isinstance(item, Dropped) and (packet is None or item.reason in FRAME_REASONS):
            self._frame_died(node, item)
            return
        if packet is None:
            return
        back = is_answer(packet)
        payload = packet.payload
        if isinstance(payload, IcmpMessage | Icmpv6Message) and payload.original and packet.src == packet.dst:
            return  # a device tells itself
        if (node.name, _kind(packet)) not in self._spoken:
            self._spoken.add((node.name, _kind(packet)))
            for switch, incoming, outgoing, known in passed:
                event = Event.BRIDGED if known else Event.FLOODED
                self._say(switch, said(event, incoming=incoming, outgoing=outgoing), back=back)
            self._say(node.name, said(Event.PACKET, packet=packet_said(packet)), back=back)
        if isinstance(item, Judged):
            self._judged(node, item, back)
        elif isinstance(item, Accepted):
            self._routed(node, said(Event.LEAVES, interface=item.interface), packet, item.by, back)
        elif isinstance(item, Forwarded):
            self._routed(node, forwarded(item), packet, item.by, back)
        elif isinstance(item, Delivered):
            self._say(node.name, self._taken(node, packet, item.interface), back=back)
        elif isinstance(item, Dropped):
            self._died(node, item, packet, back)

    def _routed(self, node: LinuxNode, what: Said, packet: Packet, by: str, back: bool) -> None:  # noqa: FBT001
        route = _route_to(node, packet)
        self._say(node.name, what, by_route(by), self._route_line(node, route), back=back)

    @staticmethod
    def _route_line(node: LinuxNode, route: Route | None) -> str:
        return route_line(node.files, route) if route is not None else ""

    @staticmethod
    def _taken(node: LinuxNode, packet: Packet, interface: str) -> Said:
        """It arrives, and which program gets it."""
        payload, arrives = packet.payload, said(Event.ARRIVES, interface=interface)
        if isinstance(payload, Icmpv6Message | IcmpMessage):
            wide = isinstance(payload, Icmpv6Message)
            setting = "net.ipv6.icmp.echo_ignore_all" if wide else "net.ipv4.icmp_echo_ignore_all"
            asks = payload.type == (icmpv6.ECHO_REQUEST6 if wide else icmp.ECHO_REQUEST)
            ignored = asks and node.sysctl.number(setting)
            return said(Event.IGNORED, interface=interface, setting=setting) if ignored else arrives
        if is_answer(packet) or not isinstance(payload, TcpSegment | UdpDatagram):
            return arrives
        if isinstance(payload, TcpSegment):
            taker: TcpListener | UdpSocket | None = node.transport._listener_for(packet.dst, payload.dport)
            protocol = "tcp"
        else:
            group, protocol = node.transport._udp.get(payload.dport, []), "udp"
            taker = next((socket for socket in group if hears(socket.address, packet.dst, v6only=socket.v6only)), None)
        if taker is None:
            return arrives
        return said(Event.HEARD, interface=interface, program=taker.program, protocol=protocol, port=payload.dport)

    def _judged(self, node: LinuxNode, item: Judged, back: bool) -> None:  # noqa: FBT001
        passage = (node.name, item.hook, _kind(item.packet))
        if passage in self._hooks:
            return
        self._hooks.add(passage)
        for outcome in item.outcomes:
            if outcome.nat is not None or outcome.verdict is VerdictCode.CONTINUE:
                continue
            if outcome.policy and outcome.verdict is VerdictCode.ACCEPT and self._is_empty(item, outcome):
                continue
            by, where = self._rule(node, item, outcome)
            state = f" (ct state {item.tracked.state})" if item.tracked.connection is not None else ""
            if outcome.verdict in DROPPING:
                what = said(Event.STOPPED, hook=item.hook, verdict=outcome.verdict.value, state=state)
            else:
                what = said(Event.ACCEPTED, hook=item.hook, state=state, policy=outcome.policy)
            self._say(node.name, what, by, where, back=back)
        dropped = any(outcome.verdict in DROPPING for outcome in item.outcomes)
        after, before = item.after, item.packet
        if after is None:
            if not dropped:
                self._say(node.name, said(Event.UNTRACKED, hook=item.hook), said(Ground.TRACKING), back=back)
        elif after != before:
            outcome_ = next((outcome for outcome in item.outcomes if outcome.nat is not None), None)
            ground, where = self._rule(node, item, outcome_) if outcome_ is not None else (said(Ground.CONNECTION), "")
            self._say(
                node.name, said(Event.BECOMES, hook=item.hook, packet=packet_said(after)), ground, where, back=back
            )

    @staticmethod
    def _is_empty(item: Judged, outcome: Outcome) -> bool:
        table = next((t for t in item.ruleset.tables if t.name == outcome.table and t.chain(outcome.chain)), None)
        chain = table.chain(outcome.chain) if table is not None else None
        return chain is None or not chain.rules

    @staticmethod
    def _rule(node: LinuxNode, item: Judged, outcome: Outcome) -> tuple[str, str]:
        """The rule or policy as nft lists it, and its line in the file."""
        for table in item.ruleset.tables:
            chain = table.chain(outcome.chain) if table.name == outcome.table else None
            if chain is None:
                continue
            place = f"{table.family} {table.name} {chain.name}"
            if outcome.policy:
                policy = chain.policy or "accept"
                return f"{place}: policy {policy}", policy_line(node.files, table, chain.name, policy)
            for rule in chain.rules:
                if rule.handle == outcome.rule_handle:
                    where = rule_line(node.files, item.ruleset, table, chain.name, rule)
                    return f"{place}: {render_rule(table, rule)}", where
        return f"{outcome.table} {outcome.chain}", ""

    def _died(self, node: LinuxNode, item: Dropped, packet: Packet, back: bool) -> None:  # noqa: FBT001
        if item.reason is DropReason.POLICY:  # the hook has told it
            return
        by, where, what = item.by, "", death(item)
        if item.reason is DropReason.NOT_FORWARDING:
            wide = isinstance(packet, Ipv6Packet)
            where = setting_line(node.files, "net.ipv6.conf.all.forwarding" if wide else "net.ipv4.ip_forward")
        elif item.reason is DropReason.NO_ROUTE:
            route = _route_to(node, packet)
            where = self._route_line(node, route)
            by = by_route(route_text(route)) if route is not None else said(Ground.NO_ROUTE, address=str(packet.dst))
        elif what.phrase is not Event.DIES:  # the sentence says all of it
            by = ""
        elif item.reason is DropReason.INVALID_SOURCE:
            own = node.is_local(packet.src)
            by = (
                said(Ground.OWN_ADDRESS, address=str(packet.src), device=node.name)
                if own
                else said(Ground.REVERSE_PATH, interface=item.interface)
            )
        self._say(node.name, what, by, where, back=back)
        if item.reason is DropReason.NEIGHBOUR_FAILED:
            self._tell_frames()

    def _neighbours_spoke(self, node: LinuxNode, item: Note | Judged) -> None:
        """A question or an answer between neighbours: only its death is worth a word, where a packet died of it."""
        packet = item.packet
        spoken = getattr(packet.payload, "discovery", None) if packet is not None else None
        if not isinstance(spoken, Solicit | Advert):
            return
        asks, address = isinstance(spoken, Solicit), str(spoken.target)
        if isinstance(item, Judged) and item.after is None:
            outcome = next((outcome for outcome in item.outcomes if outcome.verdict in DROPPING), None)
            if outcome is not None:
                event = Event.SOLICITATION_STOPPED if asks else Event.ADVERTISEMENT_STOPPED
                what = said(event, address=address, hook=item.hook, verdict=outcome.verdict.value)
                step = Step(node.name, what, *self._rule(node, item, outcome))
                self._frames += [step] if step not in self._frames else []
        elif isinstance(item, Dropped) and item.reason not in QUIET_REASONS:
            event = Event.SOLICITATION_DIES if asks else Event.ADVERTISEMENT_DIES
            what = said(event, address=address, interface=_port(item.interface), reason=item.reason)
            step = Step(node.name, what, item.by)
            self._frames += [step] if step not in self._frames else []

    def _frame_died(self, node: LinuxNode, item: Dropped) -> None:
        frame = item.frame
        if frame is None or (item.reason is DropReason.NOT_FOR_ME and isinstance(frame.payload, ArpPacket)):
            return
        asked = isinstance(frame.payload, ArpPacket)
        address = str(frame.payload.target) if isinstance(frame.payload, ArpPacket) else str(frame.dst)
        event = Event.ARP_DIES if asked else Event.FRAME_DIES
        what = said(event, address=address, interface=_port(item.interface), reason=item.reason)
        step = Step(node.name, what, item.by)
        if step not in self._frames:
            self._frames.append(step)

    def _tell_frames(self) -> None:
        for step in self._frames:
            if step not in self._known:
                self._known.add(step)
                self.steps.append(step)
        self._frames.clear()

    def finish(self, *, answered: bool) -> None:
        """Where nothing else explains a silence, tell which frames found no taker."""
        if not answered and self.steps and not self.steps[-1].fatal:
            self._tell_frames()
