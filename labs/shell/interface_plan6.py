"""What an `inet6` paragraph of /etc/network/interfaces means as lines of shell (ifupdown's inet6.defn, 0.8.41)."""

from __future__ import annotations

from labs.net.ifupdown import Stanza

__all__ = ["METHODS6", "down_lines6", "up_lines6"]

METHODS6 = ("loopback", "static", "manual", "auto")
QUIET_FAILURE = "2>/dev/null || true"


def _setting(stanza: Stanza, leaf: str, value: str | None) -> list[str]:
    return [] if value is None else [f"sysctl -q -e -w net.ipv6.conf.{stanza.name}.{leaf}={value}"]


def _address(stanza: Stanza) -> str:
    """The address with its length, which may stand under `netmask`."""
    address = stanza.get("address") or ""
    return address if "/" in address else f"{address}/{stanza.get('netmask') or 64}"


def up_lines6(stanza: Stanza) -> list[str]:
    """The commands of a method (section `up`)."""
    name = stanza.name
    if stanza.method == "loopback":
        return ["ip link set dev lo up 2>/dev/null", f"ip addr add dev lo ::1 {QUIET_FAILURE}"]
    mac = (stanza.get("hwaddress") or "").removeprefix("ether ").strip()
    lines = [f"ip link set dev {name} address {mac}"] if mac else []
    lines += [f"ip link set dev {name} mtu {stanza.get('mtu')}"] if stanza.get("mtu") else []
    if stanza.method == "manual":
        return [*lines, f"ip link set dev {name} up {QUIET_FAILURE}"]
    if stanza.method == "auto":
        lines += _setting(stanza, "accept_ra", stanza.get("accept_ra") or "2")
        lines += _setting(stanza, "autoconf", "1")
        return [*lines, f"ip link set dev {name} up"]
    gateway = stanza.get("gateway")
    accept = stanza.get("accept_ra") or ("0" if gateway else None)
    lines += _setting(stanza, "accept_ra", accept)
    lines += _setting(stanza, "autoconf", stanza.get("autoconf") or "0")
    if accept == "0":
        lines.append(f"ip addr flush dev {name} mngtmpaddr")
    nodad = " nodad" if stanza.get("dad-attempts") == "0" else ""
    scope = f"scope {stanza.get('scope')} " if stanza.get("scope") else ""
    lines += [f"ip link set dev {name}  up", f"ip -6 addr add {_address(stanza)} {scope} dev {name} {nodad}".rstrip()]
    if gateway:
        metric = f"metric {stanza.get('metric')}" if stanza.get("metric") else ""
        lines.append(f" ip -6 route replace default via {gateway} {metric} dev {name} onlink ")
    return lines


def down_lines6(stanza: Stanza) -> list[str]:
    """The commands of a method (section `down`)."""
    name = stanza.name
    if stanza.method == "loopback":
        return [f"ip addr del dev lo ::1 {QUIET_FAILURE}", f"ip link set dev lo down {QUIET_FAILURE}"]
    if stanza.method == "manual":
        return [f"ip -6 addr flush dev {name} {QUIET_FAILURE}", f"ip link set dev {name} down {QUIET_FAILURE}"]
    if stanza.method == "auto":
        return [f"ip -6 addr flush dev {name} scope global", f"ip link set dev {name} down"]
    lines = []
    if stanza.get("gateway"):
        lines.append(f" ip -6 route del default via {stanza.get('gateway')}  dev {name} ")
    lines.append(f"ip -6 addr del {_address(stanza)}  dev {name}")
    return [*lines, f"ip -6 addr flush dev {name}", f"ip link set dev {name} down"]
