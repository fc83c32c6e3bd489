"""The netfilter hooks of a device: connection tracking, then every base chain in the order of its priority.

Before changing this file read nft(8), sections ADDRESS FAMILIES and CHAINS, and the diagram of the netfilter hooks.
"""

from __future__ import annotations

from collections import deque
from enum import Enum
from typing import TYPE_CHECKING, Generic, NamedTuple, TypeVar

from labs.model.addresses import Address, IPv4, IPv6
from labs.net.conntrack import ICMP_PROTOCOLS, UNTRACKED, Connection, Conntrack, Flow, Tracked
from labs.net.ipv4 import Ipv4Packet
from labs.net.ipv6 import Ipv6Packet
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
from labs.net.nftables.ageing import aged, next_end

if TYPE_CHECKING:
    from collections.abc import Callable

    from labs.net.ethernet import Frame
    from labs.net.interface import Interface

__all__ = ["CONNTRACK_PRIORITY", "Core", "Filtered", "Netfilter", "P"]

# include/uapi/linux/netfilter_ipv4.h: what sits in a hook besides the chains, and where
CONNTRACK_PRIORITY = -200  # NF_IP_PRI_CONNTRACK, in the hooks where a packet enters the path
DESTINATION_PRIORITY = -100  # NF_IP_PRI_NAT_DST, in the same hooks: every nat chain together, in their order
SOURCE_PRIORITY = 100  # NF_IP_PRI_NAT_SRC, in the hooks where a packet leaves the path
ENTERING = frozenset({"prerouting", "output"})
LEAVING = frozenset({"input", "postrouting"})
LOG_LIMIT = 500
DROPPING = frozenset({VerdictCode.DROP, VerdictCode.REJECT})


class Core(Enum):
    """The parts of a hook that no ruleset lists."""

    CONNTRACK = "conntrack"
    NAT = "nat"


P = TypeVar("P", Ipv4Packet, Ipv6Packet)


class Filtered(NamedTuple, Generic[P]):
    """What a hook made of a packet: the packet (perhaps translated), or None with the rule that decided."""

    packet: P | None
    tracked: Tracked
    by: str = ""
    reject: Reject | None = None


class Netfilter:
    """The ruleset of a device with its counters, and its connection table. `changed` is told of another ruleset."""

    def __init__(self, changed: Callable[[], None] = lambda: None) -> None:
        self._changed = changed
        self._ruleset = Ruleset()
        self._paths: dict[tuple[str, str], tuple[Chain | Core, ...]] = {}
        self.active = False
        self._ages_at = -1
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
        self._paths.clear()
        # Without a base chain packets pass untouched and untracked, as on a bare kernel.
        self.active = any(chain.hook for table in ruleset.tables for chain in table.chains)
        self.state.keep(ruleset)
        self._changed()

    def age(self, now_ns: int) -> int | None:
        """Take out elements whose time is over; when to be asked again, or None where somebody will anyhow."""
        ruleset = aged(self._ruleset, self.state, now_ns)
        if ruleset is not self._ruleset:
            self.replace(ruleset)
        end = next_end(self.state)
        if end is None or self._ages_at == end:
            return None
        self._ages_at = end
        return end

    def forget(self) -> None:
        """What packets left behind is gone: connections, counters, spent rates and what rules added to sets."""
        self.state = EvaluationState()
        self.conntrack.flush()
        self.log.clear()

    def path(self, hook: str, family: str) -> tuple[Chain | Core, ...]:
        """Everything that sits in a hook of a family, by priority."""
        path = self._paths.get((hook, family))
        if path is None:
            chains = base_chains(self._ruleset, family, hook)
            places: list[tuple[int, Chain | Core]] = [(c.prio or 0, c) for c in chains if c.type != "nat"]
            if hook in ENTERING:
                places.append((CONNTRACK_PRIORITY, Core.CONNTRACK))
            if hook != "forward" and any(c.type == "nat" for table in self._ruleset.tables for c in table.chains):
                places.append((DESTINATION_PRIORITY if hook in ENTERING else SOURCE_PRIORITY, Core.NAT))
            places.sort(key=lambda place: place[0])
            path = self._paths[hook, family] = tuple(part for _, part in places)
        return path

    def hook(
        self,
        name: str,
        packet: P,
        *,
        now: int,
        incoming: Interface | None = None,
        outgoing: Interface | None = None,
        frame: Frame | None = None,
        tracked: Tracked | None = None,
        address: Address | None = None,
    ) -> Filtered[P]:
        """Run one hook. `address` is the one that masquerade or redirect would use."""
        family = "ip" if type(packet) is Ipv4Packet else "ip6"
        context = Context(
            family=family,
            hook=name,
            iifname=incoming.name if incoming else None,
            oifname=outgoing.name if outgoing else None,
            frame=frame,
            packet=packet,
            ct=tracked,  # type: ignore[arg-type]
            mark=tracked.packet_mark if tracked is not None else 0,
            now_ns=now,
            mtu=min(end.mtu for end in (incoming, outgoing) if end is not None) if outgoing is not None else 0,
        )
        for part in self.path(name, family):
            if part is Core.CONNTRACK:
                if tracked is None:
                    tracked = UNTRACKED if context.notrack else self.conntrack.track(packet, now)
                    context.ct = tracked  # type: ignore[assignment]
            elif part is Core.NAT:
                if tracked is not None and tracked.connection is not None:
                    self._nat(context, tracked, address)
            else:
                outcome = self._run(part, context)
                if outcome.verdict in DROPPING:
                    return Filtered(None, tracked or UNTRACKED, self._decided_by(outcome), outcome.reject)
        return self._leave_hook(name, context, tracked or UNTRACKED)

    def _run(self, chain: Chain, context: Context) -> Outcome:
        outcome = run_chain(self._ruleset, chain, context, self.state)
        self.log.extend(outcome.log)
        return outcome

    def _leave_hook(self, name: str, context: Context, tracked: Tracked) -> Filtered[P]:
        """On the way out, or in to a program, the connection of a first packet that survived is entered for good."""
        packet: P = context.packet  # type: ignore[assignment]
        if context.mark != tracked.packet_mark:
            tracked = tracked._replace(packet_mark=context.mark)
        connection = tracked.connection
        first = connection is not None and name in LEAVING and tracked.direction == "original"
        if first and connection is not None and not self.conntrack.confirm(connection):
            return Filtered(None, tracked, "conntrack: the connection table is full, or two connections clash")
        return Filtered(packet, tracked)

    def _nat(self, context: Context, tracked: Tracked, own: Address | None) -> None:
        """Each half of a translation is decided at the first packet of a connection, and made at every packet."""
        connection = tracked.connection
        assert connection is not None
        source = context.hook in LEAVING
        decided = connection.source_done if source else connection.destination_done
        if tracked.state == "new" and not decided and not connection.confirmed:
            self._decide(context, connection, own)
            if source:
                connection.source_done = True
            else:
                connection.destination_done = True
        assert isinstance(context.packet, Ipv4Packet | Ipv6Packet)
        context.packet = self.conntrack.translate(context.packet, tracked, source=source)  # type: ignore[type-var]

    def _decide(self, context: Context, connection: Connection, own: Address | None) -> None:
        """The first nat chain that says something decides; without one a clash of two sources is still avoided."""
        for chain in base_chains(self._ruleset, context.family, context.hook):
            if chain.type != "nat":
                continue
            outcome = self._run(chain, context)
            if outcome.nat is not None:
                self._bind(connection, outcome.nat, own)
                return
        if context.hook in LEAVING:
            connection.reply = self.conntrack.free(connection.reply, *port_range(connection.original))

    def _bind(self, connection: Connection, nat: Nat, own: Address | None) -> None:
        """Change the tuple in which the answers are expected."""
        reply = connection.reply
        kind = IPv6 if isinstance(reply.saddr, IPv6) else IPv4
        address = kind(nat.addr_min) if nat.addr_min is not None else own
        ports = (nat.port_min, nat.port_max or nat.port_min) if nat.port_min is not None else None
        if nat.kind in ("snat", "masquerade"):
            if address is not None:
                reply = reply._replace(daddr=address)
            low, high = ports or port_range(connection.original)
            if ports and reply.proto not in ICMP_PROTOCOLS and not low <= reply.dport <= high:
                reply = reply._replace(dport=low)
            reply = self.conntrack.free(reply, low, high)
        else:
            if address is not None:
                reply = reply._replace(saddr=address)
            if ports and reply.proto not in ICMP_PROTOCOLS:
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


def port_range(flow: Flow) -> tuple[int, int]:
    """Where a free port or identifier is looked for (nf_nat_l4proto_unique_tuple)."""
    if flow.proto in ICMP_PROTOCOLS:
        return 0, 65535
    if flow.sport < 512:
        return 1, 511
    return (600, 1023) if flow.sport < 1024 else (1024, 65535)
