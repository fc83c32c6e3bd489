"""VLAN tables of bridge ports. Before changing this file read IEEE 802.1Q clauses 6.9 and 8.8, and bridge(8)."""

from __future__ import annotations

from dataclasses import dataclass, field

from labs.net.watched import Watched

__all__ = ["DEFAULT_PVID", "MAX_VLAN_ID", "VlanTable"]

MAX_VLAN_ID = 4094  # IEEE 802.1Q clause 9.6: 4095 is reserved
DEFAULT_PVID = 1  # IEEE 802.1Q table 9-2; `vlan_default_pvid`


@dataclass(slots=True)
class VlanTable(Watched):
    """The VLANs one port is a member of. `pvid` is what untagged frames belong to; 0 refuses them."""

    members: dict[int, bool] = field(default_factory=dict)
    """VLAN -> whether its frames leave untagged."""
    pvid: int = 0

    @classmethod
    def default(cls) -> VlanTable:
        """A port as the kernel makes it: an untagged member of VLAN 1."""
        return cls({DEFAULT_PVID: True}, DEFAULT_PVID)

    def add(self, vid: int, *, pvid: bool = False, untagged: bool = False) -> None:
        """`bridge vlan add`: what is not said is switched off, also for a VLAN that is there already."""
        self.members[vid] = untagged
        self.members = dict(sorted(self.members.items()))
        if pvid:
            self.pvid = vid
        elif self.pvid == vid:
            self.pvid = 0

    def delete(self, vid: int) -> None:
        """`bridge vlan del`; one that is not there is no error."""
        self.members = {other: untagged for other, untagged in self.members.items() if other != vid}
        if self.pvid == vid:
            self.pvid = 0

    def classify(self, tag: int | None) -> int | None:
        """The VLAN an arriving frame belongs to, or None where the port refuses it (ingress filtering)."""
        vid = tag or self.pvid  # a priority tag (VLAN 0) counts as none, clause 6.9.1
        return vid if vid in self.members else None

    def tag(self, vid: int) -> int | None:
        """The tag a frame of a member VLAN leaves with."""
        return None if self.members[vid] else vid
