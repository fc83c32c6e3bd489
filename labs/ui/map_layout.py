"""Where everything on the map stands: internet at the left, what hangs on it to the right, one column for each step.

Boxes never overlap: every device with what hangs on it gets a strip of its own, and a lead never skips a column,
because columns are distances in the graph. Lengths are SVG user units. Same site, same picture.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from labs.model.site import Endpoint, Kind, Link, Site
from labs.ui.map_tree import grow_trees

__all__ = ["Box", "Layout", "Lead", "Room", "Size", "layout"]

PITCH = 17.0  # between two leads on one side of a box
EDGE = 12.0  # from the corner of a box to its first lead
GAP = 9.0  # between two boxes in a room
ROOM_GAP = 14.0  # between two rooms
ROOM_LABEL = 17.0
ROOM_PAD = 9.0
TREE_GAP = 26.0
LEAD = 46.0  # the part of a lead that carries no label
LOOP = 40.0  # how far a lead between two boxes of one column bends out
WRAP = 760.0  # a row of devices without leads goes on below from here


class Size(NamedTuple):
    """What a device needs."""

    width: float
    height: float


@dataclass(slots=True)
class Box:
    """A device on the map: its left upper corner, its size and its column (-1: it has no lead)."""

    device: str
    column: int
    x: float
    y: float
    width: float
    height: float
    leaf: bool = True

    @property
    def middle(self) -> float:
        """The y of its middle."""
        return self.y + self.height / 2


@dataclass(frozen=True, slots=True)
class Lead:
    """A lead: which, and the point and side (-1 left, 1 right) where it enters each of its two boxes."""

    link: Link
    a: tuple[float, float, int]
    b: tuple[float, float, int]


@dataclass(frozen=True, slots=True)
class Room:
    """A soft box around neighbours in one room."""

    name: str
    x: float
    y: float
    width: float
    height: float


@dataclass(slots=True)
class Layout:
    """The whole map."""

    boxes: dict[str, Box] = field(default_factory=dict)
    leads: list[Lead] = field(default_factory=list)
    rooms: list[Room] = field(default_factory=list)
    loose: tuple[str, ...] = ()
    """Devices without a lead."""
    loose_at: float = 0.0
    width: float = 0.0
    height: float = 0.0


def layout(
    site: Site, sizes: Mapping[str, Size] | None = None, port_width: Mapping[str, float] | None = None
) -> Layout:
    """Positions for a site.

    Parameters
    ----------
    site
        What to place.
    sizes
        The size each device needs; 130 by 40 where it is not said.
    port_width
        The width of each port name; six units a character where it is not said.
    """
    return _Placing(site, sizes or {}, port_width or {}).place()


class _Placing:
    def __init__(self, site: Site, sizes: Mapping[str, Size], port_width: Mapping[str, float]) -> None:
        self._site = site
        self._sizes = {name: sizes.get(name, Size(130, 40)) for name in site.devices}
        self._port_width = port_width
        self._trees = grow_trees(site)
        self._columns = self._trees.depth
        self._children = self._trees.children
        self._out = Layout(loose=tuple(self._trees.loose))

    def place(self) -> Layout:
        out = self._out
        y = 0.0
        for root in self._trees.roots:
            y = self._stack(root, y) + TREE_GAP
        y = max(0.0, y - TREE_GAP)
        self._set_columns()
        self._draw_rooms()
        bottom = self._place_loose(y)
        self._draw_leads()
        out.width = max((box.x + box.width for box in out.boxes.values()), default=0.0)
        out.width = max([out.width, *(room.x + room.width for room in out.rooms)])
        if any(lead.a[2] == lead.b[2] == 1 for lead in out.leads):
            out.width += LOOP
        out.height = max([bottom, *(box.y + box.height for box in out.boxes.values())])
        return out

    def _room(self, name: str) -> str:
        return self._site.devices[name].room

    # From top to bottom

    def _stack(self, name: str, top: float) -> float:
        """Place a device and everything behind it from `top` down; returns where it ends."""
        size = self._sizes[name]
        children = self._children[name]
        height = max(size.height, 2 * EDGE + PITCH * (self._leads_on_a_side(name) - 1))
        box = Box(name, self._columns[name], 0, top, size.width, height, leaf=not children)
        self._out.boxes[name] = box
        if not children:
            return top + height
        end = self._stack_children(name, top)
        leaves = [child for child in children if not self._children[child]]
        if self._site.devices[name].kind is Kind.SWITCH and len(leaves) > 1:
            # A panel along its end devices: their leads run straight. Other leads bend away above or below.
            aside = len(self._trees.ends_at(name)) - len(leaves)
            children = leaves
            span = self._out.boxes[leaves[-1]].middle - self._out.boxes[leaves[0]].middle
            box.height = max(height, span + 2 * EDGE + 2 * PITCH * max(0, aside - 1))
        middle = (self._out.boxes[children[0]].middle + self._out.boxes[children[-1]].middle) / 2
        box.y = middle - box.height / 2
        if box.y < top:
            for below in self._trees.below(name):
                self._out.boxes[below].y += top - box.y
            end += top - box.y
            box.y = top
        return max(end, box.y + box.height)

    def _stack_children(self, name: str, top: float) -> float:
        end, before = top, None
        for child in self._children[name]:
            leaf_room = self._room(child) if not self._children[child] else ""
            if before is None:
                end += ROOM_LABEL if leaf_room else 0
            elif leaf_room and leaf_room == before:
                end += GAP
            else:
                end += (ROOM_PAD if before else 0) + ROOM_GAP + (ROOM_LABEL if leaf_room else 0)
            end = self._stack(child, end)
            before = leaf_room
        return end + (ROOM_PAD if before else 0)

    def _leads_on_a_side(self, name: str) -> int:
        before = [self._columns[far.device] < self._columns[name] for _, far in self._trees.ends_at(name)]
        return max(sum(before), len(before) - sum(before), 1)

    # From left to right

    def _label(self, end: Endpoint) -> float:
        return self._port_width.get(end.port, 6.0 * len(end.port))

    def _set_columns(self) -> None:
        boxes = self._out.boxes
        if not boxes:
            return
        count = max(box.column for box in boxes.values()) + 1
        widths = [max(box.width for box in boxes.values() if box.column == column) for column in range(count)]
        x = [0.0]
        for column in range(1, count):
            labels = [0.0, 0.0]
            for link in self._trees.leads:
                ends = sorted(link.ends, key=lambda end: self._columns[end.device])
                if [self._columns[end.device] for end in ends] == [column - 1, column]:
                    labels = [max(old, self._label(end)) for old, end in zip(labels, ends, strict=True)]
                elif self._columns[ends[0].device] == self._columns[ends[1].device] == column - 1:
                    labels[0] = max(labels[0], LOOP, *(self._label(end) for end in ends))
            x.append(x[-1] + widths[column - 1] + sum(labels) + LEAD + ROOM_PAD)
        for box in boxes.values():
            box.x = x[box.column]
            if box.leaf:
                box.width = max(other.width for other in boxes.values() if other.column == box.column and other.leaf)

    def _draw_rooms(self) -> None:
        for children in self._children.values():
            run: list[Box] = []
            for child in [*children, None]:
                box = self._out.boxes[child] if child is not None and not self._children[child] else None
                if run and (box is None or self._room(box.device) != self._room(run[0].device)):
                    self._out.rooms.append(_around(self._room(run[0].device), run))
                    run = []
                if box is not None and self._room(box.device):
                    run.append(box)

    def _place_loose(self, top: float) -> float:
        """Devices without a lead stand in rows below; returns where they end."""
        out = self._out
        if not out.loose:
            return top
        out.loose_at = y = top + (TREE_GAP if out.boxes else 0) + ROOM_LABEL
        x, row = 0.0, 0.0
        for name in out.loose:
            size = self._sizes[name]
            if x and x + size.width > WRAP:
                x, y, row = 0.0, y + row + GAP, 0.0
            out.boxes[name] = Box(name, -1, x, y, size.width, size.height)
            x, row = x + size.width + GAP, max(row, size.height)
        return y + row

    # Leads

    def _draw_leads(self) -> None:
        sides: dict[tuple[str, int], list[tuple[float, int, Endpoint]]] = {}
        for index, link in enumerate(self._trees.leads):
            for near, far in (link.ends, link.ends[::-1]):
                side = -1 if self._columns[far.device] < self._columns[near.device] else 1
                wish = self._out.boxes[far.device].middle
                sides.setdefault((near.device, side), []).append((wish, index, near))
        at: dict[tuple[int, Endpoint], tuple[float, float, int]] = {}
        for (name, side), ends in sides.items():
            box = self._out.boxes[name]
            ends.sort()
            wishes = [box.middle] if side < 0 and len(ends) == 1 else [wish for wish, _, _ in ends]
            for y, (_, index, end) in zip(_spread(wishes, box), ends, strict=True):
                at[index, end] = (box.x if side < 0 else box.x + box.width, y, side)
        self._out.leads = [Lead(k, at[i, k.a], at[i, k.b]) for i, k in enumerate(self._trees.leads)]


def _around(room: str, boxes: list[Box]) -> Room:
    first, last = boxes[0], boxes[-1]
    top = first.y - ROOM_LABEL
    return Room(
        room,
        first.x - ROOM_PAD,
        top,
        max(box.width for box in boxes) + 2 * ROOM_PAD,
        last.y + last.height + ROOM_PAD - top,
    )


def _spread(wishes: list[float], box: Box) -> list[float]:
    """Where leads enter a side, from top to bottom: as straight ahead as the box and its other leads allow."""
    low, high = box.y + EDGE, box.y + box.height - EDGE
    if len(wishes) == 1 and not low - 0.01 <= wishes[0] <= high + 0.01:
        return [box.middle]
    placed: list[float] = []
    for wish in wishes:
        placed.append(max(min(max(wish, low), high), placed[-1] + PITCH if placed else low))
    for index in reversed(range(len(placed))):
        placed[index] = min(placed[index], high - PITCH * (len(placed) - 1 - index))
    return placed
