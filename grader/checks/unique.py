"""Judge of `unique`: one owner per address, and nothing that is taken can be handed out again."""

from __future__ import annotations

from collections.abc import Iterator

from grader.checks.context import Context
from grader.evidence import Quoted, Row
from grader.verdict import Finding, Verdict
from labs.messages import Message, message
from labs.model.addresses import IPv4, Network
from labs.net.dnsmasq_conf import DnsmasqError, parse_dnsmasq
from labs.net.dnsmasq_values import DhcpHost
from labs.scenario.intents import Unique

__all__ = ["judge_unique"]

CONFIG = "/etc/dnsmasq.conf"


def judge_unique(context: Context, body: Unique) -> Finding:
    """Look at who owns what now, then at what every DHCP server could still hand out."""
    network = context.variant.healthy.subnets[body.subnet]
    homeless = _homeless(context, body.subnet, network)
    if homeless is not None:
        return Finding(Verdict.BLOCKED, homeless)
    owners = _owners(context, network)
    for address, names in sorted(owners.items()):
        if len(names) > 1:
            return Finding(
                Verdict.FAIL,
                message(
                    "{address} has {count} owners: {names}",
                    address=str(address),
                    count=len(names),
                    names=", ".join(names),
                ),
                evidence=tuple(Row(name, Quoted(str(address))) for name in names),
                devices=tuple(names),
            )
    clash = next(_clashes(context, network, owners), None)
    if clash is not None:
        return clash
    return Finding(
        Verdict.PASS,
        message("{count} addresses of {network}, each with one owner", count=len(owners), network=str(network)),
    )


def _homeless(context: Context, subnet: str, network: Network) -> Message | None:
    for name, spec in context.variant.scenario.site.devices.items():
        if subnet not in spec.at:
            continue
        state = context.site.devices[name].state
        if state is None:
            return message("{device} has no power, so nothing was tested", device=name)
        if not any(a.address in network for a in state.addresses()):
            return message("{device} has no address in {network}", device=name, network=str(network))
    return None


def _owners(context: Context, network: Network) -> dict[IPv4, list[str]]:
    owners: dict[IPv4, list[str]] = {}
    for device in context.site.devices.values():
        interfaces = device.state.interfaces if device.state is not None else ()
        for found in {found.address for interface in interfaces for found in interface.addresses}:
            if isinstance(found, IPv4) and found in network:  # on `lo` too: Linux answers for it everywhere
                owners.setdefault(found, []).append(device.name)
    return owners


def _clashes(context: Context, network: Network, owners: dict[IPv4, list[str]]) -> Iterator[Finding]:
    """Addresses that a server may hand out although somebody has them fixed."""
    for server in context.site.devices.values():
        state = server.state
        if state is None or state.units.get("dnsmasq") != "active" or CONFIG not in server.files:
            continue
        if "dnsmasq" in state.stale_units:
            text = message(
                "{device}: {file} was changed, but dnsmasq still runs with what it read before",
                device=server.name,
                file=CONFIG,
            )
            yield Finding(Verdict.FAIL, text, devices=(server.name,))
        try:
            conf = parse_dnsmasq(server.files[CONFIG])
        except DnsmasqError as error:
            text = message("{device}: {error}", device=server.name, error=str(error))
            yield Finding(Verdict.FAIL, text, devices=(server.name,))
            continue
        reserved = {host.address for host in conf.hosts}
        yield from _promised(context, server.name, conf.hosts, owners)
        for pool in conf.ranges:
            if pool.end is None:  # `static`: nothing but reservations
                continue
            for address, names in sorted(owners.items()):
                fixed = [name for name in names if name != server.name and not _dynamic(context, name, address)]
                if fixed and pool.start <= address <= pool.end and address not in reserved:
                    text = message(
                        "{server} may hand out {address}, the fixed address of {owner} (pool {start} to {end})",
                        server=server.name,
                        address=str(address),
                        owner=fixed[0],
                        start=str(pool.start),
                        end=str(pool.end),
                    )
                    yield Finding(Verdict.FAIL, text, devices=(server.name,))


def _promised(
    context: Context, server: str, hosts: tuple[DhcpHost, ...], owners: dict[IPv4, list[str]]
) -> Iterator[Finding]:
    """Fixed addresses that are kept for another device of the site; one that is kept for nobody there is safe."""
    for host in hosts:
        if host.address is None or host.ignore:
            continue
        fixed = [name for name in owners.get(host.address, ()) if not _dynamic(context, name, host.address)]
        for name, device in context.site.devices.items():
            cards = {interface.mac for interface in device.state.interfaces} if device.state is not None else set()
            meant = bool(cards & set(host.macs)) if host.macs else name == host.name
            if fixed and meant and name not in fixed:
                text = message(
                    "{server} keeps {address} for {device}, and it is the fixed address of {owner}",
                    server=server,
                    address=str(host.address),
                    device=name,
                    owner=fixed[0],
                )
                yield Finding(Verdict.FAIL, text, devices=(server,))


def _dynamic(context: Context, name: str, address: IPv4) -> bool:
    """True where a device got the address from a server."""
    state = context.site.devices[name].state
    return state is not None and address in state.dynamic_addresses
