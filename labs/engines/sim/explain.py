"""From what devices report about one packet to steps that a person can read, each with what decided it."""

# ruff: noqa: SLF001 - it reads the shadow of a device
from __future__ import annotations

from typing import TYPE_CHECKING

from labs.engines.sim.shadow import Judged
from labs.net import icmp, icmpv6, tcp
from labs.net.actions import Accepted, Delivered, Dropped, DropReason, Forwarded
from labs.net.arp import ArpPacket
from labs.net.foresight import Step
from labs.net.icmp import IcmpMessage
from labs.net.icmpv6 import Icmpv6Message
from labs.net.ipv4 import ANY, GrePacket, Ipv4Packet
from labs.net.ipv6 import Ipv6Packet
from labs.net.ndp import Advert, Solicit
from labs.net.nftables import VerdictCode, render_rule
from labs.net.origin import policy_line, route_line, rule_line, setting_line
from labs.net.routing import route_text
from labs.net.sockets import hears
from labs.net.tcp import TcpSegment
from labs.net.udp import UdpDatagram

if TYPE_CHECKING:
    from collections.abc import Sequence

    from labs.model.state import Route
    from labs.net.actions import Note
    from labs.net.linux.node import LinuxNode
    from labs.net.nftables import Outcome

__all__ = ["ANSWERED", "ASKED", "Explainer", "error_text", "is_answer", "packet_text"]

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


def packet_text(packet: Packet) -> str:
    """`tcp 10.0.0.5:40000 -> 10.0.0.6:80, SYN`."""
    payload = packet.payload
    source = "(no address)" if packet.src == ANY else packet.src
    if isinstance(payload, Icmpv6Message | IcmpMessage):
        six = isinstance(payload, Icmpv6Message)
        if payload.original is not None:
            what = f"error: {(error_text6 if six else error_text)(payload.type, payload.code)}"
        else:
            request = icmpv6.ECHO_REQUEST6 if six else icmp.ECHO_REQUEST
            what = "echo request" if payload.type == request else "echo reply"
        return f"{'icmpv6' if six else 'icmp'} {source} -> {packet.dst}, {what}"
    if isinstance(payload, GrePacket):
        return f"gre {source} -> {packet.dst}, with {packet_text(payload.inner)} in it"
    if isinstance(payload, Ipv4Packet):
        return f"ipip {source} -> {packet.dst}, with {packet_text(payload)} in it"
    if not isinstance(payload, TcpSegment | UdpDatagram):
        return f"{source} -> {packet.dst}, a fragment"
    protocol = "tcp" if isinstance(payload, TcpSegment) else "udp"
    text = f"{protocol} {_end(source, payload.sport)} -> {_end(packet.dst, payload.dport)}"
    if isinstance(payload, TcpSegment):
        flags = [name for name, bit in (("SYN", tcp.SYN), ("RST", tcp.RST), ("ACK", tcp.ACK)) if payload.flags & bit]
        text += f", {'-'.join(flags)}"
    return text


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

    def _say(self, device: str, what: str, by: str = "", where: str = "", *, back: bool) -> None:
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
                flooded = "" if known else " (and out of every other port: it does not know the station)"
                self._say(switch, f"bridge: {incoming} -> {outgoing}{flooded}", back=back)
            self._say(node.name, packet_text(packet), back=back)
        if isinstance(item, Judged):
            self._judged(node, item, back)
        elif isinstance(item, Accepted):
            self._routed(node, f"leaves by {item.interface}", packet, item.by, back)
        elif isinstance(item, Forwarded):
            what = f"is forwarded from {item.incoming} to {item.outgoing}"
            if item.next_hop != packet.dst:
                what += f", to {item.next_hop}"
            self._routed(node, what, packet, item.by, back)
        elif isinstance(item, Delivered):
            self._say(node.name, f"arrives by {item.interface}{self._taker(node, packet)}", back=back)
        elif isinstance(item, Dropped):
            self._died(node, item, packet, back)

    def _routed(self, node: LinuxNode, what: str, packet: Packet, by: str, back: bool) -> None:  # noqa: FBT001
        route = _route_to(node, packet)
        self._say(node.name, what, f"route {by}" if by else "", self._route_line(node, route), back=back)

    @staticmethod
    def _route_line(node: LinuxNode, route: Route | None) -> str:
        return route_line(node.files, route) if route is not None else ""

    @staticmethod
    def _taker(node: LinuxNode, packet: Packet) -> str:
        """Which program gets it."""
        payload = packet.payload
        if isinstance(payload, Icmpv6Message | IcmpMessage):
            wide = isinstance(payload, Icmpv6Message)
            setting = "net.ipv6.icmp.echo_ignore_all" if wide else "net.ipv4.icmp_echo_ignore_all"
            asks = payload.type == (icmpv6.ECHO_REQUEST6 if wide else icmp.ECHO_REQUEST)
            return f": ignored ({setting} = 1)" if asks and node.sysctl.number(setting) else ""
        if is_answer(packet):
            return ""
        if isinstance(payload, TcpSegment):
            listener = node.transport._listener_for(packet.dst, payload.dport)
            return f": {listener.program} listens on tcp port {payload.dport}" if listener is not None else ""
        if not isinstance(payload, UdpDatagram):
            return ""
        group = node.transport._udp.get(payload.dport, [])
        taker = next((socket for socket in group if hears(socket.address, packet.dst, v6only=socket.v6only)), None)
        return f": {taker.program} listens on udp port {payload.dport}" if taker is not None else ""

    def _judged(self, node: LinuxNode, item: Judged, back: bool) -> None:  # noqa: FBT001
        passage = (node.name, item.hook, _kind(item.packet))
        if passage in self._hooks:
            return
        self._hooks.add(passage)
        for outcome in item.outcomes:
            if outcome.nat is not None or outcome.verdict is VerdictCode.CONTINUE:
                continue
            verdict = "accept" if outcome.verdict is VerdictCode.ACCEPT else outcome.verdict.value
            if outcome.policy and verdict == "accept" and self._is_empty(item, outcome):
                continue
            by, where = self._rule(node, item, outcome)
            state = f" (ct state {item.tracked.state})" if item.tracked.connection is not None else ""
            self._say(node.name, f"{item.hook}: {verdict}{state}", by, where, back=back)
        dropped = any(outcome.verdict in DROPPING for outcome in item.outcomes)
        after, before = item.after, item.packet
        if after is None:
            if not dropped:
                self._say(node.name, f"{item.hook}: dropped", "connection tracking", back=back)
        elif after != before:
            outcome_ = next((outcome for outcome in item.outcomes if outcome.nat is not None), None)
            by, where = (
                self._rule(node, item, outcome_) if outcome_ is not None else ("the connection it belongs to", "")
            )
            self._say(node.name, f"{item.hook}: becomes {packet_text(after)}", by, where, back=back)

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
        by, where, what = item.by, "", f"dies: {item.reason.value}"
        if item.reason is DropReason.NOT_FORWARDING:
            wide = isinstance(packet, Ipv6Packet)
            where = setting_line(node.files, "net.ipv6.conf.all.forwarding" if wide else "net.ipv4.ip_forward")
        elif item.reason is DropReason.NO_ROUTE:
            route = _route_to(node, packet)
            where = self._route_line(node, route)
            by = f"route {route_text(route)}" if route is not None else f"no route covers {packet.dst}"
        elif item.reason is DropReason.NO_LISTENER:
            what, by = f"dies: nothing listens on {by}", ""
        elif item.reason is DropReason.NEIGHBOUR_FAILED:
            question = "ARP" if isinstance(packet, Ipv4Packet) else "neighbour solicitations"
            what = f"dies: nobody answers {question} for {item.by or packet.dst} on {item.interface}"
            by = ""
        elif item.reason is DropReason.INVALID_SOURCE:
            own = node.is_local(packet.src)
            by = f"{packet.src} is an address of {node.name} itself" if own else f"rp_filter on {item.interface}"
        self._say(node.name, what, by, where, back=back)
        if item.reason is DropReason.NEIGHBOUR_FAILED:
            self._tell_frames()

    def _neighbours_spoke(self, node: LinuxNode, item: Note | Judged) -> None:
        """A question or an answer between neighbours: only its death is worth a word, where a packet died of it."""
        packet = item.packet
        said = getattr(packet.payload, "discovery", None) if packet is not None else None
        if not isinstance(said, Solicit | Advert):
            return
        what = (
            f"the neighbour {'solicitation' if isinstance(said, Solicit) else 'advertisement'} for {said.target} dies"
        )
        if isinstance(item, Judged) and item.after is None:
            outcome = next((outcome for outcome in item.outcomes if outcome.verdict in DROPPING), None)
            if outcome is not None:
                step = Step(
                    node.name, f"{what}: {item.hook}: {outcome.verdict.value}", *self._rule(node, item, outcome)
                )
                self._frames += [step] if step not in self._frames else []
        elif isinstance(item, Dropped) and item.reason not in QUIET_REASONS:
            step = Step(node.name, f"{what} at {item.interface or 'a port'}: {item.reason.value}", item.by)
            self._frames += [step] if step not in self._frames else []

    def _frame_died(self, node: LinuxNode, item: Dropped) -> None:
        frame = item.frame
        if frame is None or (item.reason is DropReason.NOT_FOR_ME and isinstance(frame.payload, ArpPacket)):
            return
        if isinstance(frame.payload, ArpPacket):
            what = (
                f"the ARP question for {frame.payload.target} dies at {item.interface or 'a port'}: {item.reason.value}"
            )
        else:
            what = f"the frame for {frame.dst} dies at {item.interface}: {item.reason.value}"
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
        if not answered and self.steps and not any(word in self.steps[-1].what for word in ("dies", "drop", "reject")):
            self._tell_frames()
