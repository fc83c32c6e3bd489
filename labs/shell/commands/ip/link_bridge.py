"""The arguments after `type bridge` and `type bridge_slave`."""

from __future__ import annotations

from typing import TypedDict

from labs.net.bridge import PortState
from labs.shell.commands.ip.words import IpError, Words, number, refused, wrong

__all__ = ["BridgeSettings", "PortSettings", "bridge_settings", "slave_settings"]

TICK_NS = 10_000_000  # USER_HZ: times are given in hundredths of a second
MAX_PRIORITY = 0xFFFF
KNOWN_ELSEWHERE = frozenset(
    "fdb_flush forward_delay hello_time max_age group_fwd_mask group_address no_linklocal_learn vlan_protocol"
    " vlan_default_pvid vlan_stats_enabled vlan_stats_per_port mcast_snooping mcast_vlan_snooping mcast_router"
    " mcast_query_use_ifaddr mcast_querier nf_call_iptables nf_call_ip6tables nf_call_arptables".split()
)
SWITCHES = ("hairpin", "guard", "root_block", "learning", "flood", "mcast_flood", "bcast_flood", "isolated")
SLAVE_ELSEWHERE = frozenset(
    "fdb_flush fastleave proxy_arp proxy_arp_wifi mcast_router mcast_fast_leave mcast_to_unicast group_fwd_mask"
    " neigh_suppress vlan_tunnel locked backup_port nobackup_port".split()
)


class BridgeSettings(TypedDict, total=False):
    """The keyword arguments of `link_config.set_bridge`."""

    vlan_filtering: bool
    ageing_time_ns: int
    priority: int
    stp: bool


class PortSettings(TypedDict, total=False):
    """The keyword arguments of `link_config.set_bridge_port`."""

    switches: dict[str, bool]
    cost: int | None
    priority: int | None
    state: PortState | None


def _number(words: Words, what: str, top: int) -> int:
    text = words.value()
    found = number(text, top)
    if found is None:
        raise wrong(text, what, blank=False)
    return found


def bridge_settings(words: Words) -> BridgeSettings:
    """`vlan_filtering 1 …`. Raises IpError."""
    settings: BridgeSettings = {}
    while words.more:
        word = words.take()
        if word == "vlan_filtering":
            settings["vlan_filtering"] = bool(_number(words, "invalid vlan_filtering", 0xFF))
        elif word == "ageing_time":
            settings["ageing_time_ns"] = _number(words, "invalid ageing_time", 0xFFFFFFFF) * TICK_NS
        elif word == "priority":
            settings["priority"] = _number(words, "invalid priority", MAX_PRIORITY)
        elif word == "stp_state":
            settings["stp"] = bool(_number(words, "invalid stp_state", 0xFF))
        elif word in KNOWN_ELSEWHERE or word.startswith("mcast_"):
            raise refused(f"bridge {word}")
        elif word == "help":
            raise IpError(
                "Usage: ... bridge [ ageing_time AGEING_TIME ] [ priority PRIORITY ]",
                "\t\t  [ stp_state 0|1 ] [ vlan_filtering 0|1 ]",
            )
        else:
            raise IpError(f'bridge: unknown command "{word}"?')
    return settings


def slave_settings(words: Words) -> PortSettings:
    """`isolated on …`. Raises IpError."""
    switches: dict[str, bool] = {}
    settings: PortSettings = {"switches": switches}
    while words.more:
        word = words.take()
        if word in SWITCHES:
            value = words.value()
            if value not in ("on", "off"):
                raise wrong(value, f'"{word}" should be "on" or "off"', blank=False)
            switches[word] = value == "on"
        elif word == "cost":
            settings["cost"] = _number(words, "cost is invalid", 0xFFFFFFFF)
        elif word == "priority":
            settings["priority"] = _number(words, "priority is invalid", 0xFFFF)
        elif word == "state":
            settings["state"] = PortState(_number(words, "state is invalid", PortState.BLOCKING))
        elif word in SLAVE_ELSEWHERE:
            raise refused(f"bridge_slave {word}")
        else:
            raise IpError(f'bridge_slave: unknown option "{word}"?')
    return settings
