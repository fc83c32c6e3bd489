"""Judge of `untouched`: devices that are somebody else's are as they were found, and no new lead joins two places."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from grader.checks.context import Context
from grader.verdict import Finding, Verdict
from labs.messages import Message, message
from labs.model.site import Device
from labs.model.state import DeviceState, InterfaceState
from labs.scenario.intents import Untouched

__all__ = ["judge_untouched"]

ETC = "/etc/"
SECOND = 1_000_000_000


def judge_untouched(context: Context, body: Untouched) -> Finding:
    """Compare what was found with what is there now: files under /etc, and everything that decides about packets."""
    found = context.before.site
    for name in body.devices:
        changed = next(_changes(found.devices[name], context.site.devices[name]), None)
        if changed is not None:
            return Finding(
                Verdict.FAIL,
                message("{device} is not yours, and {what}", device=name, what=changed),
                help=message("put it back as it was; the repair has to be made elsewhere"),
                devices=(name,),
            )
    before = {frozenset(link.ends) for link in (*found.links, *context.variant.healthy.links)}
    for link in context.site.links:
        rooms = {context.site.devices[end.device].room for end in link.ends}
        if len(rooms) > 1 and rooms <= set(body.apart) and frozenset(link.ends) not in before:
            return Finding(
                Verdict.FAIL,
                message(
                    "a lead runs from {a} to {b}, and no lead is that long: {rooms} lie apart",
                    a=str(link.a),
                    b=str(link.b),
                    rooms=", ".join(sorted(rooms)),
                ),
                devices=tuple(end.device for end in link.ends),
            )
    return Finding(Verdict.PASS, message("everything that is somebody else's is as it was found"))


def _changes(before: Device, now: Device) -> Iterator[Message]:
    """What is not as it was, the plainest first."""
    if before.room != now.room:
        yield message("it stands in {room} now", room=now.room)
    if (before.state is None) != (now.state is None):
        yield message("somebody switched its power")
    paths = sorted({path for device in (before, now) for path in device.files if path.startswith(ETC)})
    for path in paths:
        if before.files.get(path) != now.files.get(path):
            yield message("{file} was changed", file=path)
    if before.state is not None and now.state is not None:
        yield from _live(before.state, now.state)


def _live(before: DeviceState, now: DeviceState) -> Iterator[Message]:
    old = {interface.name: interface for interface in before.interfaces}
    new = {interface.name: interface for interface in now.interfaces}
    for name in sorted({*old, *new}):
        one, other = old.get(name), new.get(name)
        if one is None or other is None or _settings(one) != _settings(other):
            yield message("the settings of {interface} were changed", interface=name)
    if set(before.static_neighbours) != set(now.static_neighbours):
        yield message("its neighbours by hand were changed")
    if set(before.routes) != set(now.routes):
        yield message("its routes were changed")
    if _bare(before.ruleset) != _bare(now.ruleset):
        yield message("its rules were changed")
    both = before.sysctls.keys() & now.sysctls.keys()  # a namespace of a kernel shows fewer than a machine
    if any(before.sysctls[name] != now.sysctls[name] for name in both):
        yield message("its kernel settings were changed")
    if abs(now.clock_offset_ns) > abs(before.clock_offset_ns) + SECOND:  # a daemon may have put a wrong one right
        yield message("its clock was changed")
    if before.units != now.units:
        yield message("its services were changed")


def _settings(interface: InterfaceState) -> tuple[object, ...]:
    return (
        interface.kind,
        interface.up,
        interface.mtu,
        interface.master,
        set(interface.addresses),
        *_frame_settings(interface),
    )


def _frame_settings(interface: InterfaceState) -> tuple[object, ...]:
    """What decides about frames; whether a port forwards at the moment is the spanning tree's to say."""
    bridge, port = interface.bridge, interface.bridge_port
    return (
        interface.mac,
        interface.arp,
        interface.parent,
        interface.vlan,
        None if bridge is None else replace(bridge, static_stations=tuple(sorted(bridge.static_stations))),
        None if port is None else replace(port, state=""),
    )


def _bare(value: Any) -> Any:
    """Rules without what grows by itself."""
    if isinstance(value, dict):
        return {key: _bare(part) for key, part in value.items() if key not in ("handle", "packets", "bytes")}
    if isinstance(value, (list, tuple)):
        return [_bare(part) for part in value]
    return value
