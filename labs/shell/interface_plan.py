"""What a paragraph of /etc/network/interfaces means as lines of shell, method by method (ifupdown's inet.defn)."""

from __future__ import annotations

import re
from dataclasses import dataclass

from labs.model.addresses import IPv4, Network
from labs.net.ifupdown import Stanza

__all__ = ["AddressPlan", "address_plan", "down_lines", "up_lines", "with_defaults"]

QUIET_FAILURE = "2>/dev/null || true"


@dataclass(frozen=True, slots=True)
class AddressPlan:
    """What goes into `ip addr add`, worked out as ifupdown does it (inet.defn)."""

    address: str
    netmask: str
    broadcast: str


def _dotted(length: int) -> str:
    """A netmask; a length beyond 32 becomes an empty mask, as in the real program."""
    return str(Network(IPv4(0), 0).address if length > 32 else IPv4(0xFFFFFFFF << 32 - length & 0xFFFFFFFF))


def _quad(text: str) -> IPv4 | None:
    try:
        return IPv4.parse(text)
    except ValueError:
        return None


def address_plan(stanza: Stanza) -> AddressPlan:
    """Address, netmask and broadcast of a `static` paragraph; mistakes go through to `ip`, which complains."""
    address, slash, tail = (stanza.get("address") or "").partition("/")
    netmask = stanza.get("netmask")
    number = _quad(address)
    if netmask is None and number is None:
        netmask = f"{address}{slash}{tail}"
    elif netmask is None and slash:
        digits = re.match(r"[0-9]*", tail)
        netmask = tail if _quad(tail) is not None else _dotted(int((digits.group() if digits else "") or 0))
    elif netmask is None and number is not None:
        first = int(number) >> 24
        netmask = _dotted(8 if first < 128 else 16 if first < 192 else 24)
    assert netmask is not None
    broadcast = stanza.get("broadcast")
    mask = _quad(netmask)
    if broadcast is None:
        broadcast = "+" if mask is None or number is None else _broadcast(number, mask)
    return AddressPlan(address, netmask, broadcast)


def _broadcast(address: IPv4, mask: IPv4) -> str:
    """The highest address; a /31 has none (RFC 3021)."""
    if int(mask) == 0xFFFFFFFE:
        return "255.255.255.255"
    return str(IPv4(int(address) | ~int(mask) & 0xFFFFFFFF))


def _address_words(stanza: Stanza) -> str:
    plan = address_plan(stanza)
    peer = f"peer {stanza.get('pointopoint')} " if stanza.get("pointopoint") else " "
    scope = f"scope {stanza.get('scope')} " if stanza.get("scope") else " "
    return (
        f"{plan.address}/{plan.netmask} broadcast {plan.broadcast} \t{peer}{scope}".rstrip(" ")
        + f" dev {stanza.name} label {stanza.name}"
    )


def up_lines(stanza: Stanza) -> list[str]:
    """The commands of a method (inet.defn, section `up`)."""
    name, mtu, mac = stanza.name, stanza.get("mtu"), stanza.get("hwaddress")
    mac = mac.removeprefix("ether ").strip() if mac is not None else None
    if stanza.method == "loopback":
        return ["ip link set dev lo up"]
    if stanza.method == "static":
        words = "".join([f" mtu {mtu}" if mtu else " ", f" address {mac}" if mac else " "])
        lines = [f"ip addr add {_address_words(stanza)}", f"ip link set dev {name}{words} up"]
        if stanza.get("gateway"):
            metric = f"metric {stanza.get('metric')}" if stanza.get("metric") else ""
            lines.append(f" ip route add default via {stanza.get('gateway')} {metric} dev {name} onlink ")
        return lines
    lines = [f"ip link set dev {name} mtu {mtu}"] if mtu and stanza.method == "manual" else []
    lines += [f"ip link set dev {name} address {mac}"] if mac else []
    return [*lines, f"ip link set dev {name} up {QUIET_FAILURE}"] if stanza.method == "manual" else lines


def release_line(name: str) -> str:
    """How the client of an interface gives its address back (inet.defn, method dhcp)."""
    return (
        f"dhclient -4 -v -i -r -pf /run/dhclient.{name}.pid -lf /var/lib/dhcp/dhclient.{name}.leases"
        f" -I -df /var/lib/dhcp/dhclient6.{name}.leases {name}"
    )


def down_lines(stanza: Stanza) -> list[str]:
    """The commands of a method (inet.defn, section `down`). An alias such as eth0:1 takes only its address away."""
    name = stanza.name
    if stanza.method == "loopback":
        return ["ip link set dev lo down"]
    if stanza.method == "dhcp":
        return [release_line(name), f"ip link set dev {name} down"]
    if stanza.method == "manual":
        return [f"ip -4 addr flush dev {name} {QUIET_FAILURE}", f"ip link set dev {name} down {QUIET_FAILURE}"]
    lines = []
    if stanza.get("gateway"):
        metric = f"metric {stanza.get('metric')}" if stanza.get("metric") else ""
        lines.append(f" ip route del default via {stanza.get('gateway')} {metric} dev {name} 2>&1 1>/dev/null || true ")
    lines.append(f"ip addr del {_address_words(stanza)}")
    return lines if ":" in name else [*lines, f"ip -4 addr flush dev {name}", f"ip link set dev {name} down"]


def with_defaults(stanza: Stanza, values: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """The options as ifquery shows them: a prefix is split into address and netmask."""
    if stanza.method != "static":
        return values
    plan = address_plan(stanza)
    shown = [
        (name, value.partition("/")[0] if name == "address" else value) for name, value in values if name != "netmask"
    ]
    known = {name for name, _ in shown}
    if plan.broadcast and "broadcast" not in known:
        shown.append(("broadcast", plan.broadcast))
    if plan.netmask:
        shown.append(("netmask", plan.netmask))
    return shown
