"""The map as a picture: one SVG without scripts, fonts or styles from elsewhere, on a background of its own.

No difference hangs on a colour alone: subnets have letters, a lead without link is dotted, radio is dashed, a bus is a
broad line, an analogue line a double one, and a verdict has mark and word.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from html import escape

from labs.messages import translate
from labs.model.site import Device, Endpoint, Kind, Link, Site
from labs.ui.map_facts import Facts, facts_of
from labs.ui.map_icons import ICONS
from labs.ui.map_layout import Box, Layout, Lead, Room, Size, layout
from labs.ui.map_lines import LINE_NAMES, Line, LineKind, by_radio, lines_of, with_lines
from labs.ui.map_path import Way
from labs.ui.style import marked
from labs.ui.text_width import text_width

__all__ = ["draw_map"]

INK, SOFT, FAINT = "#1f2328", "#57606a", "#8c959f"
PAPER, FRAME, ROOM_FILL, CARD, CARD_LINE = "#fbfaf7", "#d8d4ca", "#efece4", "#ffffff", "#b9b4a8"
OFF_FILL = "#f1f0ee"
# Okabe and Ito's palette without its yellow, darkened until white letters stand out on it.
SUBNET_COLOURS = ("#0068a5", "#a85200", "#007a58", "#9c4f82", "#5c6b00", "#2f6f8f", "#7a4a2b", "#5a4fa2")
WAY, WAY_INK = "#f2b705", "#7a4a00"  # the way of a packet
LINES = {  # colour, and the rest of the stroke
    LineKind.WIFI: ("#2f6f8f", 'stroke-width="2" stroke-dasharray="8 4"'),
    LineKind.LORA: ("#5a4fa2", 'stroke-width="2" stroke-dasharray="14 6"'),
    LineKind.ZIGBEE: ("#9c4f82", 'stroke-width="2" stroke-dasharray="9 3 2.5 3"'),
    LineKind.BUS: ("#5c4a1e", 'stroke-width="4"'),
    LineKind.ANALOGUE: ("#007a58", 'stroke-width="4.4"'),
}
PLAIN = "#6e7781"  # a lead of which nothing is known
VERDICTS = {  # mark, word, ink, fill
    "fail": ("cross", marked("fails"), "#9f1d12", "#fde8e4"),
    "blocked": ("ring", marked("not judged"), "#57606a", "#eceff2"),
    "error": ("ring", marked("not judged"), "#57606a", "#eceff2"),
    "pass": ("tick", marked("in order"), "#0b6b3a", "#e3f4e9"),
}
FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Noto Sans', 'DejaVu Sans', sans-serif"
NAME, LINE, TINY = 13.0, 11.0, 9.5
IN_BETWEEN = (
    Kind.INTERNET,
    Kind.ROUTER,
    Kind.SWITCH,
)  # these stand outside the room boxes and say their room themselves
MARGIN = 22.0
ICON_SPACE = 40.0
LINE_HEIGHT = 16.0
MANY = 16  # devices; a map with more has low cards
PILL_GAP = 8.0


@dataclass(slots=True)
class _Card:
    """What stands on the card of a device: lines of (letter, text), and pills of (mark, word, ink, fill)."""

    device: Device
    lines: list[tuple[str, str]] = field(default_factory=list)
    pills: list[tuple[str, str, str, str]] = field(default_factory=list)
    field_width: float = 0.0
    """The width of the one line that stands beside the name on a low card; 0 where lines stand below the name."""

    @property
    def size(self) -> Size:
        """The room it takes."""
        pills = sum(_pill_width(word) + PILL_GAP for _, word, _, _ in self.pills)
        name = text_width(self.device.name, NAME, bold=True) + pills
        if self.field_width:
            return Size(ICON_SPACE + name + 14 + self.field_width + 10, 28.0)
        widths = [name, *(_line_width(*line) for line in self.lines)]
        return Size(
            ICON_SPACE + max(widths) + 12, max(36.0, 25 + LINE_HEIGHT * len(self.lines) + (3 if self.lines else 0))
        )


def _line_width(letter: str, text: str) -> float:
    return text_width(text, LINE) + (18 if letter else 0)


def _pill_width(word: str) -> float:
    return text_width(word, TINY, bold=True) + 24


def draw_map(
    site: Site,
    *,
    verdicts: Mapping[str, str] | None = None,
    language: str = "en",
    addresses: bool = True,
    twin: str = "",
    way: Way | None = None,
) -> str:
    """The SVG. `twin` is the same in words, for who cannot see it; `way` is that of a packet."""
    return _Drawing(site, verdicts or {}, language, addresses=addresses, way=way).draw(twin)


class _Drawing:
    def __init__(
        self, site: Site, verdicts: Mapping[str, str], language: str, *, addresses: bool, way: Way | None
    ) -> None:
        self._site = site
        self._way = way
        self._facts: Facts = facts_of(site)
        self._lines: dict[Link, Line] = {line.link: line for line in lines_of(site)}
        self._language = language
        self._addresses = addresses
        self._cards = {name: self._card(device, verdicts.get(name, "")) for name, device in site.devices.items()}
        if len(site.devices) > MANY:
            self._make_low()
        placed = with_lines(site, list(self._lines.values()))
        ports = {end.port: text_width(end.port, TINY) + 10 for link in placed.links for end in link.ends}
        self._plan: Layout = layout(placed, {name: card.size for name, card in self._cards.items()}, ports)

    def phrase(self, text: str) -> str:
        """A text of ours in the language of the map."""
        return translate(text, self._language)

    def _colour(self, subnet: str) -> str:
        return SUBNET_COLOURS[list(self._facts.letters).index(subnet) % len(SUBNET_COLOURS)] if subnet else PLAIN

    # What stands on a card

    def _card(self, device: Device, verdict: str) -> _Card:
        card = _Card(device)
        if device.kind in IN_BETWEEN and device.room:
            card.lines.append(("", device.room))
        if self._addresses:
            for owned in self._facts.addresses[device.name]:
                letter = self._facts.letters.get(owned.subnet, "?")
                if owned.address is None:
                    port = self._facts.subnet_at.get(Endpoint(device.name, owned.port), "")
                    card.lines.append((self._facts.letters.get(port, ""), self.phrase("by DHCP")))
                else:
                    card.lines.append((letter, f"{owned.address} dhcp" if owned.dynamic else str(owned.address)))
        else:
            card.lines += [(self._facts.letters[name], name) for name in self._facts.subnets_of(device)]
        plugged = {end.port for link in self._site.links for end in link.ends if end.device == device.name}
        joined = any(device.name in (end.device for end in link.ends) for link in self._lines)
        free = [port.name for port in device.ports if port.name not in plugged and not port.name.startswith("wlan")]
        if device.kind is not Kind.SWITCH and plugged and free:
            card.lines.append(("", self.phrase("empty: {ports}").format(ports=", ".join(free))))
        if not device.powered:
            card.pills.append(("lamp", self.phrase("off"), SOFT, "#e4e2de"))
        if not plugged and not joined:
            word = self.phrase("no link" if by_radio(device) else "no lead")
            card.pills.append(("stub", word, SOFT, "#e4e2de"))
        if self._way is not None and self._way.dead == device.name:
            what = marked("the answer dies here") if self._way.dead_back else marked("the packet dies here")
            card.pills.append(("cross", self.phrase(what), *VERDICTS["fail"][2:]))
        if verdict in VERDICTS:
            mark, word, ink, fill = VERDICTS[verdict]
            card.pills.append((mark, self.phrase(word), ink, fill))
        return card

    def _make_low(self) -> None:
        """On a busy map what a device has to say stands beside its name."""
        low = [card for card in self._cards.values() if len(card.lines) == 1 and card.device.kind not in IN_BETWEEN]
        width = max((_line_width(*card.lines[0]) for card in low), default=0.0)
        for card in low:
            card.field_width = width

    # The whole

    def draw(self, twin: str) -> str:
        plan = self._plan
        parts = [self._room(room) for room in plan.rooms]
        parts += [self._line(lead) if lead.link in self._lines else self._lead(lead) for lead in plan.leads]
        parts += [self._device(plan.boxes[name]) for name in self._site.devices]
        parts += [
            self._port_label(end, x, y, side) for lead in plan.leads for end, (x, y, side) in self._labelled(lead)
        ]
        if plan.loose:
            heading = _text(0, plan.loose_at - 7, self.phrase("not plugged in"), TINY, SOFT, bold=True)
            parts.append(heading)
        left = -min([0.0, *(room.x for room in plan.rooms)])
        top = -min([0.0, *(box.y for box in plan.boxes.values()), *(room.y for room in plan.rooms)])
        bottom = max([plan.height, *(room.y + room.height for room in plan.rooms)])
        legend, legend_width, legend_height = self._legend(max(plan.width, 420.0))
        width = max(plan.width + left, legend_width) + 2 * MARGIN
        height = top + bottom + legend_height + 2 * MARGIN
        body = f'<g transform="translate({_n(MARGIN + left)} {_n(MARGIN + top)})">\n' + "\n".join(parts) + "\n</g>"
        foot = f'<g transform="translate({_n(MARGIN)} {_n(MARGIN + top + bottom)})">\n{legend}\n</g>' if legend else ""
        return self._frame(width, height, "\n".join(filter(None, (body, foot))), twin)

    def _frame(self, width: float, height: float, inside: str, twin: str) -> str:
        counts = self.phrase("Map: {devices} devices, {leads} leads").format(
            devices=len(self._site.devices), leads=len(self._site.links)
        )
        mark = hashlib.sha256(inside.encode()).hexdigest()[:8]
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{_n(width)}" height="{_n(height)}" '
            f'viewBox="0 0 {_n(width)} {_n(height)}" role="img" lang="{self._language}" '
            f'aria-labelledby="map-{mark}-title map-{mark}-desc" style="max-width:100%;height:auto" '
            f'font-family="{FONT}" font-size="{_n(LINE)}">\n'
            f'<title id="map-{mark}-title">{escape(counts)}</title>\n'
            f'<desc id="map-{mark}-desc">{escape(twin)}</desc>\n'
            f'<rect x="0.5" y="0.5" width="{_n(width - 1)}" height="{_n(height - 1)}" rx="12" '
            f'fill="{PAPER}" stroke="{FRAME}"/>\n'
            f"{inside}\n</svg>\n"
        )

    # Its parts

    def _room(self, room: Room) -> str:
        frame = (
            f'<rect x="{_n(room.x)}" y="{_n(room.y)}" width="{_n(room.width)}" height="{_n(room.height)}" '
            f'rx="9" fill="{ROOM_FILL}"/>'
        )
        return frame + _text(room.x + 9, room.y + 12.5, room.name, TINY, SOFT)

    def _line(self, lead: Lead) -> str:
        """What is no lead: radio, a bus, an analogue line."""
        line = self._lines[lead.link]
        path = self._bus(lead) if line.kind is LineKind.BUS else _path(lead)
        word = escape(f"{self.phrase(LINE_NAMES[line.kind])}: {lead.link}")
        if not line.live:
            stroke = f'stroke="{FAINT}" stroke-width="1.6" stroke-dasharray="2 4"'
            return self._marked(lead, path, f'<path d="{path}" fill="none" {stroke}><title>{word}</title></path>')
        return self._marked(lead, path, _strokes(path, line.kind, word))

    def _marked(self, lead: Lead, path: str, drawn: str) -> str:
        """With the way of a packet below it, where one goes over it."""
        if self._way is None or lead.link not in self._way.leads:
            return drawn
        return f'<path d="{path}" fill="none" stroke="{WAY}" stroke-width="9" stroke-linecap="round"/>{drawn}'

    def _heads(self, lead: Lead) -> list[Lead]:
        """Every line of the same bus; they leave its head at one place."""
        bus = self._lines[lead.link].bus
        return [k for k in self._plan.leads if k.link in self._lines and self._lines[k.link].bus == bus]

    def _bus_at(self, lead: Lead) -> float:
        heads = self._heads(lead)
        return sum(head.a[1] for head in heads) / len(heads)

    def _bus(self, lead: Lead) -> str:
        """One backbone from the head of the cable, and a tap to each drop."""
        (ax, _, side), (bx, by, _) = lead.a, lead.b
        back = _n(ax + side * (text_width(lead.link.a.port, TINY) + 14))
        return f"M{_n(ax)} {_n(self._bus_at(lead))}H{back}V{_n(by)}H{_n(bx)}"

    def _labelled(self, lead: Lead) -> list[tuple[Endpoint, tuple[float, float, int]]]:
        """The ends that get a label: the head of a bus gets one."""
        ends = _ends(lead)
        if lead.link not in self._lines or not self._lines[lead.link].bus:
            return ends
        (x, _, side) = lead.a
        first = [(lead.link.a, (x, self._bus_at(lead), side))] if self._heads(lead)[0] is lead else []
        return [*first, ends[1]]

    def _lead(self, lead: Lead) -> str:
        path = _path(lead)
        live = lead.link in self._facts.live
        colour = self._colour(self._facts.subnet_at.get(lead.link.a, ""))
        style = (
            f'stroke="{colour}" stroke-width="2"'
            if live
            else f'stroke="{FAINT}" stroke-width="1.6" stroke-dasharray="2 4"'
        )
        drawn = f'<path d="{path}" fill="none" {style}><title>{escape(str(lead.link))}</title></path>'
        return self._marked(lead, path, drawn)

    def _port_label(self, end: Endpoint, x: float, y: float, side: int) -> str:
        link = self._site.link_at(end)
        line = next((line for line in self._lines.values() if end in line.link.ends), None)
        if line is not None and link is None:
            live, colour = line.live, LINES[line.kind][0] if line.live else FAINT
        else:
            live = link is not None and link in self._facts.live
            colour = self._colour(self._facts.subnet_at.get(end, "")) if live else FAINT
        paint = f'fill="{colour if live else PAPER}" stroke="{colour}" stroke-width="1.4"'
        lamp = f'<circle cx="{_n(x)}" cy="{_n(y)}" r="3.2" {paint}/>'
        return lamp + _text(
            x + 7 * side, y - 4.5, end.port, TINY, SOFT, anchor="start" if side > 0 else "end", halo=True
        )

    def _device(self, box: Box) -> str:
        device, card = self._site.devices[box.device], self._cards[box.device]
        on = device.powered
        ink = INK if on else FAINT
        dash = "" if on else ' stroke-dasharray="4 3"'
        hint = ", ".join(filter(None, (device.purpose.in_language(self._language) or str(device.kind), device.room)))
        content = card.size.height
        top = box.y + (box.height - content) / 2
        frame = (
            f'<rect x="{_n(box.x)}" y="{_n(box.y)}" width="{_n(box.width)}" height="{_n(box.height)}" rx="7" '
            f'fill="{CARD if on else OFF_FILL}" stroke="{CARD_LINE}"{dash}/>'
        )
        icon = (
            f'<g transform="translate({_n(box.x + 9)} {_n(box.middle - 12)})" fill="none" stroke="{ink}" '
            f'stroke-width="1.5" stroke-linecap="round" stroke-linejoin="round">{ICONS[device.kind]}</g>'
        )
        parts = [f"<g><title>{escape(f'{device.name}: {hint}')}</title>", frame, icon]
        x = box.x + ICON_SPACE
        y = top + (17.5 if card.lines and not card.field_width else content / 2 + 4.5)
        parts.append(_text(x, y, device.name, NAME, INK if on else SOFT, bold=True))
        pill_x = x + text_width(device.name, NAME, bold=True) + PILL_GAP
        for mark, word, pill_ink, fill in card.pills:
            parts.append(_pill(pill_x, y - 11.5, mark, word, (pill_ink, fill)))
            pill_x += _pill_width(word) + PILL_GAP
        if card.field_width:
            x = box.x + box.width - 10 - card.field_width
        for letter, text in card.lines:
            y += 0 if card.field_width else LINE_HEIGHT
            parts.append(self._chip(x, y - 9.5, letter) if letter else "")
            parts.append(_text(x + (18 if letter else 0), y, text, LINE, SOFT))
        parts.append(self._number(box))
        return "\n".join(filter(None, [*parts, "</g>"]))

    def _number(self, box: Box) -> str:
        """The place of the device on the way of the packet, on its lower left corner."""
        text = self._way.numbers(box.device) if self._way is not None else ""
        if not text:
            return ""
        width = max(17.0, text_width(text, LINE, bold=True) + 9)
        badge = (
            f'<rect x="{_n(box.x - 6)}" y="{_n(box.y + box.height - 10)}" width="{_n(width)}" height="17" rx="8.5" '
            f'fill="{WAY}" stroke="{WAY_INK}"/>'
        )
        return badge + _text(
            box.x - 6 + width / 2, box.y + box.height + 2.5, text, LINE, INK, bold=True, anchor="middle"
        )

    def _chip(self, x: float, y: float, letter: str) -> str:
        subnet = next((name for name, known in self._facts.letters.items() if known == letter), "")
        square = f'<rect x="{_n(x)}" y="{_n(y)}" width="13" height="12" rx="3" fill="{self._colour(subnet)}"/>'
        return square + _text(x + 6.5, y + 9.2, letter, 9, "#ffffff", bold=True, anchor="middle")

    def _legend(self, wrap: float) -> tuple[str, float, float]:
        """The legend, its width and its height with the space above it."""
        entries: list[tuple[str, float]] = []
        for name, network in self._site.subnets.items():
            text = f"{name} {network}"
            entries.append(
                (
                    self._chip(0, -9.5, self._facts.letters[name]) + _text(19, 0, text, LINE, SOFT),
                    19 + text_width(text, LINE),
                )
            )
        for kind in LineKind:
            if any(line.kind is kind and line.live for line in self._lines.values()):
                text = self.phrase(LINE_NAMES[kind])
                drawing = _strokes("M0 -4H34", kind) + _text(40, 0, text, LINE, SOFT)
                entries.append((drawing, 40 + text_width(text, LINE)))
        dead = [line for line in self._lines.values() if not line.live]
        if dead or any(link not in self._facts.live for link in self._site.links):
            text = self.phrase("no link")
            line = f'<path d="M0 -4H24" stroke="{FAINT}" stroke-width="1.6" stroke-dasharray="2 4"/>'
            entries.append((line + _text(30, 0, text, LINE, SOFT), 30 + text_width(text, LINE)))
        if self._way is not None:
            text = self.phrase(marked("the way of the packet"))
            line = f'<path d="M0 -4H24" stroke="{WAY}" stroke-width="9" stroke-linecap="round"/>'
            entries.append((line + _text(34, 0, text, LINE, SOFT), 34 + text_width(text, LINE)))
        x, y, widest, placed = 0.0, 0.0, 0.0, []
        for drawing, width in entries:
            if x and x + width > wrap:
                x, y = 0.0, y + 19
            placed.append(f'<g transform="translate({_n(x)} {_n(y + 26)})">{drawing}</g>')
            widest = max(widest, x + width)
            x += width + 24
        return "\n".join(placed), widest, (y + 30 if placed else 0.0)


def _path(lead: Lead) -> str:
    """Straight under its labels, curved between them."""
    (ax, ay, aside), (bx, by, bside) = lead.a, lead.b
    if aside == bside:
        start = max(x + text_width(end.port, TINY) + 8 for end, (x, _, _) in _ends(lead))
        bend = _n(start + 24)
        return f"M{_n(ax)} {_n(ay)}H{_n(start)}C{bend} {_n(ay)} {bend} {_n(by)} {_n(start)} {_n(by)}H{_n(bx)}"
    if abs(ay - by) < 0.5:
        return f"M{_n(ax)} {_n(ay)}H{_n(bx)}"
    start, stop = (x + side * (text_width(end.port, TINY) + 8) for end, (x, _, side) in _ends(lead))
    middle = (start + stop) / 2
    curve = f"C{_n(middle)} {_n(ay)} {_n(middle)} {_n(by)} {_n(stop)} {_n(by)}"
    return f"M{_n(ax)} {_n(ay)}H{_n(start)}{curve}H{_n(bx)}"


def _strokes(path: str, kind: LineKind, word: str = "") -> str:
    """A live line of a kind; an analogue one is double."""
    colour, style = LINES[kind]
    title = f"<title>{word}</title>" if word else ""
    drawn = f'<path d="{path}" fill="none" stroke="{colour}" {style}>{title}</path>'
    if kind is LineKind.ANALOGUE:
        drawn += f'<path d="{path}" fill="none" stroke="{PAPER}" stroke-width="1.6"/>'
    return drawn


def _ends(lead: Lead) -> list[tuple[Endpoint, tuple[float, float, int]]]:
    return [(lead.link.a, lead.a), (lead.link.b, lead.b)]


MARKS = {
    "tick": '<path d="M1.5 5.5 4 8 8.5 2.5"/>',
    "cross": '<path d="M2 2 8 8M8 2 2 8"/>',
    "ring": '<circle cx="5" cy="5" r="3.4" stroke-dasharray="1.8 1.7"/>',
    "lamp": '<circle cx="5" cy="5" r="3.6"/><path d="M2.4 7.6 7.6 2.4"/>',
    "stub": '<path d="M0.5 5H3.5M6.5 5H9.5M3.5 3V7M6.5 3V7"/>',
}


def _pill(x: float, y: float, mark: str, word: str, colours: tuple[str, str]) -> str:
    ink, fill = colours
    return (
        f'<rect x="{_n(x)}" y="{_n(y)}" width="{_n(_pill_width(word))}" height="15" rx="7.5" fill="{fill}"/>'
        f'<g transform="translate({_n(x + 5)} {_n(y + 2.5)})" fill="none" stroke="{ink}" stroke-width="1.7" '
        f'stroke-linecap="round" stroke-linejoin="round">{MARKS[mark]}</g>'
        + _text(x + 18, y + 11, word, TINY, ink, bold=True)
    )


def _text(
    x: float,
    y: float,
    text: str,
    size: float,
    ink: str,
    *,
    bold: bool = False,
    anchor: str = "start",
    halo: bool = False,
) -> str:
    style = f' text-anchor="{anchor}"' if anchor != "start" else ""
    style += ' font-weight="600"' if bold else ""
    style += f' stroke="{PAPER}" stroke-width="3" paint-order="stroke" stroke-linejoin="round"' if halo else ""
    return f'<text x="{_n(x)}" y="{_n(y)}" font-size="{_n(size)}" fill="{ink}"{style}>{escape(text)}</text>'


def _n(value: float) -> str:
    """A number without needless digits."""
    return f"{value:.1f}".removesuffix(".0")
