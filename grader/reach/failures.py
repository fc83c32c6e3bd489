"""The same site with something failed: a device without power, a lead pulled."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from grader.reach.scope import Limit, OutOfScope
from labs.model.site import Endpoint, Link, Site

__all__ = ["trees", "without"]


def without(site: Site, what: str | Endpoint | Link) -> Site:
    """The site with a device off, or with a lead pulled. Raises ValueError where there is no such thing."""
    if isinstance(what, str) and ":" not in what:
        return _dark(site, what)
    if isinstance(what, Link):
        link: Link | None = what
    else:
        end = Endpoint(*what.split(":", 1)) if isinstance(what, str) else what
        link = site.link_at(end)
    if link is None:
        message = f"{what} has no lead"
        raise ValueError(message)
    return _unplugged(site, link)


def _unplugged(site: Site, link: Link) -> Site:
    for end in link.ends:
        device = site.devices[end.device]
        if device.state is not None:
            shown = tuple(replace(i, carrier=False) if i.name == end.port else i for i in device.state.interfaces)
            site = site.with_device(replace(device, state=replace(device.state, interfaces=shown)))
    return replace(site, links=tuple(other for other in site.links if other != link))


def _dark(site: Site, name: str) -> Site:
    if name not in site.devices:
        message = f'there is no device "{name}"'
        raise ValueError(message)
    for link in site.links:
        if any(end.device == name for end in link.ends):
            site = _unplugged(site, link)
    return site.with_device(replace(site.devices[name], powered=False, state=None))


def trees(site: Site) -> Iterator[OutOfScope]:
    """The ports of a spanning tree, which would choose anew after a failure."""
    for name, device in site.devices.items():
        for interface in device.state.interfaces if device.state is not None else ():
            if interface.bridge is not None and interface.bridge.stp:
                yield OutOfScope(name, Limit.SPANNING_TREE, interface.name)
