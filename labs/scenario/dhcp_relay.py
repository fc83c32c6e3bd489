"""DHCP across routers: who relays for which subnet, and what stands in the files of the relay."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from labs.messages import message
from labs.model.addresses import IPv4
from labs.scenario.schema import suggest

if TYPE_CHECKING:
    from labs.scenario.wiring import Draft

__all__ = ["first_address", "relay_address", "relay_lines"]


def first_address(draft: Draft) -> IPv4 | None:
    """The first fixed address of a device."""
    return next((address for address in draft.addresses.values() if address is not None), None)


def relay_address(drafts: Mapping[str, Draft], server: Draft, subnet: str) -> IPv4 | None:
    """The address in a subnet of the device that relays from there to a server, if there is one."""
    for draft in drafts.values():
        relay = draft.spec.services.get("dhcp_relay")
        if relay is not None and relay["to"] == server.name and subnet in relay["for"]:
            return draft.addresses.get(subnet)
    return None


def relay_lines(draft: Draft, drafts: Mapping[str, Draft], wrong: Callable[..., None]) -> list[str]:
    """The `dhcp-relay` lines of a device."""
    relay = draft.spec.services.get("dhcp_relay")
    if relay is None:
        return []
    server = drafts.get(relay["to"])
    target = first_address(server) if server is not None else None
    if target is None:
        name = relay["to"]
        wrong(
            draft.name,
            message('"{name}" is not a device with a fixed address{near}', name=name, near=suggest(name, drafts)),
            "services.dhcp_relay.to",
        )
        return []
    lines = []
    for subnet in relay["for"]:
        own = draft.addresses.get(subnet)
        if own is None:
            wrong(
                draft.name,
                message('{name} has no fixed address in "{subnet}"', name=draft.name, subnet=subnet),
                "services.dhcp_relay.for",
            )
        else:
            lines.append(f"dhcp-relay={own},{target}")
    return lines
