"""The netfilter hooks of a device: connection tracking, then every base chain in the order of its priority.

Before changing this file read nft(8), sections ADDRESS FAMILIES and CHAINS, and the diagram of the netfilter hooks.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, NamedTuple

from labs.model.addresses import IPv4
from labs.net.conntrack import UNTRACKED, Connection, Conntrack, Tracked
from labs.net.ipv4 import PROTO_ICMP, Ipv4Packet
from labs.net.nftables import (
    Chain,
    Context,
    EvaluationState,
    LogEntry,
    Nat,
    Outcome,
    Reject,
    Ruleset,
    VerdictCode,
    base_chains,
    render_rule,
    run_chain,
)

if TYPE_CHECKING:
    from labs.net.ethernet import Frame
    from labs.net.interface import Interface

__all__ = ["Filtered", "Netfilter"]

CONNTRACK_PRIORITY = -200  # NF_IP_PRI_CONNTRACK, include/uapi/linux/netfilter_ipv4.h
EPHEMERAL = (1024, 65535)  # the range nf_nat falls back to for ports above 1023
LOG_LIMIT = 500
DROPPING = frozenset({VerdictCode.DROP, VerdictCode.REJECT})


class Filtered(NamedTuple):
    """What a hook made of a packet: the packet (perhaps translated), or None with the rule that decided."""

    packet: Ipv4Packet | None
    tracked: Tracked
    by: str = ""
    reject: Reject | None = None


class Netfilter:
    """The ruleset of a device with its counters, and its connection table."""

    def __init__(self) -> None:
        self._ruleset = Ruleset()
        self.active = False
        self.state = EvaluationState()
        self.conntrack = Conntrack()
        self.log: deque[LogEntry] = deque(maxlen=LOG_LIMIT)

    @property
    def ruleset(self) -> Ruleset:
        """The rules in force."""
        return self._ruleset

    def replace(self, ruleset: Ruleset) -> None:
        """Put another ruleset in force; counters of rules that stay go on."""
        self._ruleset = ruleset
        # Without a base chain packets pass untouched and untracked, as on a bare kernel.
        self.active = any(chain.hook for table in ruleset.tables for chain in table.chains)
        self.state.keep(ruleset)

    def hook(
        self,
        name: str,
        packet: Ipv4Packet,
        *,
        now: int,
        incoming: Interface | None = None,
        outgoing: Interface | None = None,
        frame: Frame | None = None,
        tracked: Tracked | None = None,
        addresses: tuple[IPv4, ...] = (),
    ) -> Filtered:
        """Run one hook. `addresses` are those of the interface that masquerade or redirect would use."""
        context = Context(
            family="ip",
            hook=name,
            iifname=incoming.name if incoming else None,
            oifname=outgoing.name if outgoing else None,
            frame=frame,
            packet=packet,
            ct=tracked,  # type: ignore[arg-type]
            now_ns=now,
        )
        for chain in base_chains(self._ruleset, "ip", name):
            if tracked is None and (chain.prio or 0) > CONNTRACK_PRIORITY:
                tracked = self._track(context, now)
            if chain.type == "nat":
                if tracked is not None:
                    self._nat(chain, context, tracked, addresses)
                continue
            outcome = run_chain(self._ruleset, chain, context, self.state)
            self.log.extend(outcome.log)
            if outcome.verdict in DROPPING:
                return Filtered(None, tracked or UNTRACKED, self._decided_by(outcome), outcome.reject)
        if tracked is None:
            tracked = self._track(context, now)
        return self._leave_hook(name, context, tracked)

    def _track(self, context: Context, now: int) -> Tracked:
        """Connection tracking sits in the first hook a packet meets, between the raw chains and the others."""
        packet = context.packet
        assert isinstance(packet, Ipv4Packet)
        tracked = UNTRACKED if context.notrack else self.conntrack.track(packet, now)
        if tracked.state != "new":
            context.packet = self.conntrack.translate(packet, tracked, source=False)
        context.ct = tracked  # type: ignore[assignment]
        return tracked

    def _leave_hook(self, name: str, context: Context, tracked: Tracked) -> Filtered:
        """Source translation happens on the way out (or in to a program); only then is a new connection entered."""
        packet = context.packet
        assert isinstance(packet, Ipv4Packet)
        if tracked.connection is not None and name in ("input", "postrouting"):
            packet = self.conntrack.translate(packet, tracked, source=True)
            if not self.conntrack.confirm(tracked.connection):
                return Filtered(None, tracked, "conntrack: the connection table is full, or two connections clash")
        return Filtered(packet, tracked)

    def _nat(self, chain: Chain, context: Context, tracked: Tracked, addresses: tuple[IPv4, ...]) -> None:
        """Nat chains see the first packet of a connection only, and each half is decided once."""
        connection = tracked.connection
        if connection is None or tracked.state != "new" or connection.confirmed:
            return
        destination = context.hook in ("prerouting", "output")
        if connection.destination_done if destination else connection.source_done:
            return
        outcome = run_chain(self._ruleset, chain, context, self.state)
        self.log.extend(outcome.log)
        if outcome.nat is None:
            return
        self._bind(connection, outcome.nat, addresses)
        if destination:
            connection.destination_done = True
            assert isinstance(context.packet, Ipv4Packet)
            context.packet = self.conntrack.translate(context.packet, tracked, source=False)
        else:
            connection.source_done = True

    def _bind(self, connection: Connection, nat: Nat, addresses: tuple[IPv4, ...]) -> None:
        """Change the tuple in which the answers are expected."""
        reply = connection.reply
        address = IPv4(nat.addr_min) if nat.addr_min is not None else (addresses[0] if addresses else None)
        ports = (nat.port_min, nat.port_max or nat.port_min) if nat.port_min is not None else None
        if nat.kind in ("snat", "masquerade"):
            if address is not None:
                reply = reply._replace(daddr=address)
            low, high = ports or EPHEMERAL
            if ports and reply.proto != PROTO_ICMP and not low <= reply.dport <= high:
                reply = reply._replace(dport=low)
            reply = self.conntrack.free(reply, low, high)
        else:
            if address is not None:
                reply = reply._replace(saddr=address)
            if ports and reply.proto != PROTO_ICMP:
                reply = reply._replace(sport=ports[0])
        connection.reply = reply

    def _decided_by(self, outcome: Outcome) -> str:
        """The rule or policy, as `nft list` shows it, with where it stands."""
        for table in self._ruleset.tables:
            for chain in table.chains if table.name == outcome.table else ():
                if chain.name != outcome.chain:
                    continue
                where = f"{table.family} {table.name} {chain.name}"
                if outcome.policy:
                    return f"{where}: policy {chain.policy}"
                for rule in chain.rules:
                    if rule.handle == outcome.rule_handle:
                        return f"{where}: {render_rule(table, rule)}"
        return f"{outcome.table} {outcome.chain}"
