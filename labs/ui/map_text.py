"""The map in characters for a terminal, and in plain sentences for who listens to it."""

from __future__ import annotations

from collections.abc import Mapping

from labs.messages import translate
from labs.model.site import Device, Endpoint, Kind, Site
from labs.ui.map_facts import Facts, Owned, facts_of
from labs.ui.map_lines import LINE_NAMES, Line, LineKind, by_radio, lines_of
from labs.ui.map_path import Way, tell_way
from labs.ui.map_tree import Trees, grow_trees
from labs.ui.style import marked

__all__ = ["draw_text", "tell_site"]

BOX = {"join": " ─── ", "first": " ─┬─ ", "next": " ├─ ", "last": " └─ ", "pass": " │  ", "air": " ╌╌╌ "}
ASCII = {"join": " --- ", "first": " -+- ", "next": " |- ", "last": " `- ", "pass": " |  ", "air": " ... "}
VERDICTS = {
    "pass": marked("in order"),
    "fail": marked("fails"),
    "blocked": marked("not judged"),
    "error": marked("not judged"),
}
KINDS = {
    Kind.HOST: marked("host"),
    Kind.SERVER: marked("server"),
    Kind.ROUTER: marked("router"),
    Kind.SWITCH: marked("switch"),
    Kind.SENSOR: marked("sensor"),
    Kind.DISPLAY: marked("display"),
    Kind.ACTUATOR: marked("actuator"),
    Kind.GATEWAY: marked("gateway"),
    Kind.ACCESS_POINT: marked("access point"),
    Kind.INTERNET: marked("internet"),
}
Row = tuple[str, str]  # the drawing so far, and the device that the line ends with


def draw_text(
    site: Site,
    *,
    ascii_only: bool = False,
    addresses: bool = True,
    language: str = "en",
    width: int = 100,
    way: Way | None = None,
) -> str:
    """The drawing: end devices with room and addresses to the right of it, what stands in between below it."""
    return _Drawing(site, ASCII if ascii_only else BOX, language, addresses=addresses, way=way).text(width)


def tell_site(
    site: Site,
    *,
    verdicts: Mapping[str, str] | None = None,
    addresses: bool = True,
    language: str = "en",
    way: Way | None = None,
) -> str:
    """The same as a list, a line for each device and each lead."""
    return _Drawing(site, BOX, language, addresses=addresses, way=way).sentences(verdicts or {})


class _Drawing:
    def __init__(self, site: Site, signs: dict[str, str], language: str, *, addresses: bool, way: Way | None) -> None:
        self._site = site
        self._way = way
        self._signs = signs
        self._language = language
        self._addresses = addresses
        self._facts: Facts = facts_of(site)
        self._trees: Trees = grow_trees(site)
        self._air: dict[str, Line] = {
            line.link.b.device: line for line in lines_of(site) if line.kind not in (LineKind.BUS, LineKind.ANALOGUE)
        }

    def phrase(self, text: str, **values: object) -> str:
        """A text of ours, finished, in the language of the map."""
        return translate(text, self._language).format(**values)

    # The drawing

    def text(self, width: int) -> str:
        """Drawn sideways, as on the picture; downwards where that would be wider than `width`."""
        rows = [row for root in self._trees.roots for row in self._sideways(root)]
        between = [name for name in self._trees.depth if name not in {device for _, device in rows}]
        if max((len(line) for line in self._told(rows)), default=0) > width:
            rows, between = [row for root in self._trees.roots for row in self._downwards(root, "", "")], []
        lines = self._told(rows)
        aside = self._told([(self._name(name), name) for name in between])
        parts = [lines, aside, self._extra(), *self._buses(), self._lines(), self._loose()]
        if self._way is None:
            parts.append(self._subnets())
        else:
            parts.append([self.phrase("the way of the packet:"), *(f"  {line}" for line in self._told_way())])
        return "\n\n".join("\n".join(part) for part in parts if part) + "\n"

    def _told(self, rows: list[Row]) -> list[str]:
        """Room and addresses beside each drawing."""
        return _columns([(drawing, self._site.devices[name].room, self._owned_text(name)) for drawing, name in rows])

    def _name(self, name: str) -> str:
        notes = [] if self._site.devices[name].powered else [self.phrase("off")]
        if self._way is not None:
            notes += filter(None, [self._way.numbers(name)])
            if self._way.dead == name:
                what = marked("the answer dies here") if self._way.dead_back else marked("the packet dies here")
                notes.append(self.phrase(what))
        return f"{name} ({', '.join(notes)})" if notes else name

    def _sideways(self, name: str) -> list[Row]:
        """`gw ─── sw ─┬─ till`, and the rest of the branch below it."""
        label = self._name(name)
        children = self._trees.children[name]
        if not children:
            return [(label, name)]
        margin = " " * len(label)
        rows: list[Row] = []
        for index, child in enumerate(children):
            inner = self._sideways(child)
            only, last = len(children) == 1, index == len(children) - 1
            head = self._signs["join"] if only else self._signs["first"]
            # Below the first, the tee stands under the corner of the first line, one place in.
            below = " " * len(head) if only or last else f" {self._signs['pass']}"
            if index:
                head = f" {self._signs['last' if last else 'next']}"
            rows += [(f"{(label if not index else margin)}{head}{inner[0][0]}", inner[0][1])]
            rows += [(f"{margin}{below}{drawing}", device) for drawing, device in inner[1:]]
        return rows

    def _downwards(self, name: str, head: str, margin: str) -> list[Row]:
        rows: list[Row] = [(f"{head}{self._name(name)}", name)]
        children = self._trees.children[name]
        for index, child in enumerate(children):
            last = index == len(children) - 1
            sign = self._signs["last" if last else "next"][1:]
            rows += self._downwards(child, margin + sign, margin + ("   " if last else self._signs["pass"][1:]))
        return rows

    def _extra(self) -> list[str]:
        if not self._trees.extra:
            return []
        joined = [f"  {link.a}{self._signs['join']}{link.b}" for link in self._trees.extra]
        return [self.phrase("leads that close a loop:"), *joined]

    def _buses(self) -> list[list[str]]:
        """Each bus, its drops in the order of the cable."""
        return [
            [
                self.phrase("bus {name}, {metres} m:", name=bus.name, metres=f"{bus.length_m:g}"),
                *self._told([(f"  {drop.at_m:>5g} m  {self._name(drop.device)}", drop.device) for drop in bus.drops]),
            ]
            for bus in self._site.buses
        ]

    def _lines(self) -> list[str]:
        """Each analogue line: from where, to which input."""
        if not self._site.loops:
            return []
        join = self._signs["join"]
        rows = [(f"  {self._name(o.source)}{join}{o.target}:{o.input}", o.source) for o in self._site.loops]
        return [self.phrase("analogue lines:"), *self._told(rows)]

    def _loose(self) -> list[str]:
        wired = {loop.source for loop in self._site.loops}
        loose = [name for name in self._trees.loose if self._site.bus_of(name) is None and name not in wired]
        groups = {
            self.phrase("by radio:"): [name for name in loose if self._by_radio(name)],
            self.phrase("not plugged in:"): [name for name in loose if not self._by_radio(name)],
        }
        lines: list[str] = []
        for heading, names in groups.items():
            if names:
                rows = [(f"  {self._name(name)}{self._partner(name)}", name) for name in names]
                lines += [heading, *self._told(rows)]
        return lines

    def _by_radio(self, name: str) -> bool:
        return by_radio(self._site.devices[name])

    def _partner(self, name: str) -> str:
        """`╌╌╌ ap (Wi-Fi)`, after a device with a radio."""
        line = self._air.get(name)
        if line is None:
            return ""
        said = LINE_NAMES[line.kind] + ("" if line.live else f", {self.phrase('no link')}")
        return f"{self._signs['air']}{line.link.a.device} ({said})"

    def _subnets(self) -> list[str]:
        rows = [
            (self.phrase("subnet {name}", name=name), str(network), "") for name, network in self._site.subnets.items()
        ]
        return _columns(rows)

    def _owned_text(self, name: str) -> str:
        if not self._addresses:
            return ""
        return "  ".join(self._owned(owned) for owned in self._facts.addresses[name])

    def _owned(self, owned: Owned) -> str:
        if owned.address is None:
            return self.phrase("by DHCP")
        return f"{owned.address} ({self.phrase('by DHCP')})" if owned.dynamic else str(owned.address)

    def _told_way(self) -> list[str]:
        return tell_way(self._way, self._language) if self._way is not None else []

    # The list

    def sentences(self, verdicts: Mapping[str, str]) -> str:
        """Every device, then every lead."""
        devices, leads = self._site.devices, self._site.links
        lines = [self.phrase("{devices} devices, {leads} leads", devices=len(devices), leads=len(leads))]
        lines += [self._device(device, verdicts.get(device.name, "")) for device in devices.values()]
        for link in leads:
            subnet = self._facts.subnet_at.get(link.a, "")
            line = self.phrase("a lead from {a} to {b}", a=link.a, b=link.b)
            line += f", {self.phrase('subnet {name}', name=subnet)}" if subnet else ""
            line += "" if link in self._facts.live else f", {self.phrase('no link')}"
            lines.append(line)
        for air in self._air.values():
            near, far = air.link.a.device, air.link.b.device
            told = self.phrase("{kind} between {a} and {b}", kind=LINE_NAMES[air.kind], a=near, b=far)
            lines.append(told + ("" if air.live else f", {self.phrase('no link')}"))
        for bus in self._site.buses:
            joined = ", ".join(drop.device for drop in bus.drops)
            lines.append(self.phrase("bus {name} joins {devices}", name=bus.name, devices=joined))
        for loop in self._site.loops:
            place = f"{loop.target}:{loop.input}"
            lines.append(self.phrase("an analogue line from {a} to {b}", a=loop.source, b=place))
        for name, network in self._site.subnets.items():
            lines.append(self.phrase("subnet {name} is {network}", name=name, network=network))
        if self._way is not None:
            lines += [self.phrase("the way of the packet:"), *self._told_way()]
        return "\n".join(lines) + "\n"

    def _device(self, device: Device, verdict: str) -> str:
        parts = [f"{device.name}: {self.phrase(KINDS[device.kind])}"]
        if device.purpose:
            parts.append(device.purpose.in_language(self._language))
        if device.room:
            parts.append(self.phrase("in {room}", room=device.room))
        if not device.powered:
            parts.append(self.phrase("off"))
        if self._addresses:
            parts += [self._owned(owned) for owned in self._facts.addresses[device.name]]
        plugged = [p.name for p in device.ports if Endpoint(device.name, p.name) in self._facts.subnet_at]
        wired = any(loop.source == device.name for loop in self._site.loops)
        if not plugged and self._by_radio(device.name):
            parts.append(self.phrase("by radio"))
        elif not plugged and not wired and self._site.bus_of(device.name) is None:
            parts.append(self.phrase("no lead"))
        elif device.kind is not Kind.SWITCH:
            empty = [p.name for p in device.ports if p.name not in plugged and not p.name.startswith("wlan")]
            parts += [self.phrase("empty: {ports}", ports=", ".join(empty))] if empty else []
        if verdict in VERDICTS:
            parts.append(self.phrase(VERDICTS[verdict]))
        return ", ".join(parts)


def _columns(rows: list[tuple[str, str, str]]) -> list[str]:
    widths = [max((len(row[i]) for row in rows), default=0) for i in range(2)]
    return [f"{a:<{widths[0]}}   {b:<{widths[1]}}   {c}".rstrip() for a, b, c in rows]
