"""What the analysis cannot decide exactly, by name: then packets decide, and the verdict says so."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

__all__ = ["Limit", "OutOfScope"]


class Limit(StrEnum):
    """Why a proof does not hold for everything. Closed: messages and tests know no other."""

    ASKED_ITSELF = "a neighbour that is known only after it has asked itself"
    BRIDGE_RULES = "rules of the bridge family"
    CLIENT_CERTIFICATE = "a broker that asks for a certificate of its clients"
    CONNECTION_FIELD = "a rule asks for a field of the connection"
    DUPLICATE_ADDRESS = "two devices answer for one address"
    DUPLICATE_MAC = "two interfaces have one hardware address"
    DYNAMIC_SET = "a set that rules add to"
    EQUAL_ROUTES = "routes that are equally good"
    HEADER_FIELD = "a rule asks for a header field that any packet may fill in"
    MARK = "rules set and ask marks"
    NAT_RANGE = "a translation to a range"
    NEGATED_CONCATENATION = "a concatenation that is excluded"
    NOT_OBSERVED = "a bridge port or a VLAN whose settings were not read back"
    NOT_TRACKED = "a rule leaves packets untracked"
    PORT_SETTINGS = "a bridge port that floods or learns in a way of its own"
    RATE = "a rule that lets a rate pass"
    SPANNING_TREE = "the spanning tree would choose anew"
    STALE_BROKER = "a broker that has not read its files again"
    STATIC_STATION = "a hardware address entered by hand in a bridge"
    SWITCHING_LOOP = "switches connected in a loop"
    TUNNEL = "an interface of another kind, such as a tunnel"
    RADIO = "a way over the air"
    UNREADABLE_RULES = "rules that cannot be read"


# With these the analysis takes a packet to pass wherever it might: what it says does not arrive does not arrive.
CAUTIOUS = frozenset(
    {
        Limit.ASKED_ITSELF,
        Limit.CONNECTION_FIELD,
        Limit.DYNAMIC_SET,
        Limit.HEADER_FIELD,
        Limit.NEGATED_CONCATENATION,
        Limit.RATE,
    }
)

# The machines follow these packet by packet, though the analysis of all packets does not.
FOLLOWED = CAUTIOUS | {Limit.MARK, Limit.NOT_TRACKED}


@dataclass(frozen=True, slots=True, order=True)
class OutOfScope:
    """One thing outside the exact scope: where, why, and the rule or setting that it is about."""

    device: str
    limit: Limit
    what: str = ""

    @property
    def cautious(self) -> bool:
        """True where only "it can flow" is in doubt, not "it cannot"."""
        return self.limit in CAUTIOUS

    @property
    def followed(self) -> bool:
        """True where one packet that is made for the rules is known to fare as in life."""
        return self.limit in FOLLOWED

    def __str__(self) -> str:
        return f"{self.device}: {self.limit.value}" + (f" ({self.what})" if self.what else "")
