"""The patch panel of the engine: which jack hangs on which, and whether a port has carrier.

Each port of a device is a veth whose outer end, the jack, stays in the engine's own network namespace. A lead is a
pair of rules in one nftables table of family netdev there: what comes in at one jack goes out of the other. So a lead
can be moved without touching the ports, and a jack that is down takes the carrier from its port, as a dark lead does.
"""

from __future__ import annotations

import socket
import struct
import subprocess
from collections.abc import Iterable, Mapping

from labs.model.site import Endpoint, Link

__all__ = ["PatchPanel", "run_batch"]

RTM_NEWLINK = 16
NLM_F_REQUEST, NLM_F_ACK = 1, 4
IFF_UP = 1
LOSS_SCALE = 1_000_000


class LeadError(Exception):
    """The kernel refused what a lead needs."""


def run_batch(lines: Iterable[str], program: str = "ip") -> None:
    """Run one `ip -batch`. Raises LeadError with what it says."""
    text = "\n".join(lines) + "\n"
    done = subprocess.run([program, "-batch", "-"], input=text, capture_output=True, text=True, check=False)
    if done.returncode:
        raise LeadError(done.stderr.strip() or f"{program} failed")


class PatchPanel:
    """Leads, by the jacks they join."""

    def __init__(self) -> None:
        self.jacks: Mapping[Endpoint, str] = {}
        self.links: list[Link] = []
        self.up: dict[Endpoint, bool] = {}
        """Which ports their devices have switched on."""
        self._raised: dict[str, bool] = {}
        self._netlink = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.NETLINK_ROUTE)
        self._netlink.bind((0, 0))

    def far(self, end: Endpoint) -> Endpoint | None:
        """The other end of the lead in a port."""
        for link in self.links:
            if end in link.ends:
                return link.b if link.a == end else link.a
        return None

    def lit(self, end: Endpoint) -> bool:
        """True where both ends of the lead in a port are on."""
        far = self.far(end)
        return far is not None and self.up.get(end, False) and self.up.get(far, False)

    def join(self) -> None:
        """Write the table anew: every lead, both ways. Raises LeadError."""
        lines = ["add table netdev leads", "delete table netdev leads", "table netdev leads {"]
        for link in self.links:
            for here, there in ((link.a, link.b), (link.b, link.a)):
                source, target = self.jacks.get(here), self.jacks.get(there)
                if source is None or target is None:
                    continue
                lost = f"numgen random mod {LOSS_SCALE} < {round(link.loss * LOSS_SCALE)} drop; " if link.loss else ""
                hook = f'type filter hook ingress device "{source}" priority 0; policy accept;'
                lines.append(f' chain {source} {{ {hook} {lost}fwd to "{target}"; }}')
        lines.append("}")
        done = subprocess.run(
            ["nft", "-f", "-"], input="\n".join(lines) + "\n", capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise LeadError(f"the leads cannot be joined by nftables: {done.stderr.strip()}")

    def set_port(self, end: Endpoint, *, up: bool) -> None:
        """A device switched a port on or off: the far end sees it."""
        self.up[end] = up
        self.refresh(end)

    def refresh(self, end: Endpoint) -> None:
        """Give or take the carrier of a port and of the one at the other end."""
        far = self.far(end)
        for one, other in ((end, far), (far, end)):
            if one is not None and one in self.jacks:
                lit = other is not None and self.up.get(other, False)
                self._raise(self.jacks[one], up=lit)

    def _raise(self, jack: str, *, up: bool) -> None:
        if self._raised.get(jack, False) == up:
            return
        try:
            index = socket.if_nametoindex(jack)
        except OSError:
            return  # the port was taken out of the device
        flags = IFF_UP if up else 0
        body = struct.pack("=BxHiII", socket.AF_UNSPEC, 0, index, flags, IFF_UP)
        head = struct.pack("=IHHII", 16 + len(body), RTM_NEWLINK, NLM_F_REQUEST | NLM_F_ACK, 1, 0)
        self._netlink.send(head + body)
        self._netlink.recv(4096)
        self._raised[jack] = up

    def raised(self, jacks: Iterable[str]) -> None:
        """These jacks were switched on by other means."""
        for jack in jacks:
            self._raised[jack] = True

    def forget(self, device: str) -> None:
        """A device lost its power: its ports and their jacks are gone."""
        for end, jack in self.jacks.items():
            if end.device == device:
                self.up[end] = False
                self._raised.pop(jack, None)
                far = self.far(end)
                if far is not None:
                    self.refresh(far)
