"""The shape of a site: what hangs on what, seen from the internet inwards."""

from __future__ import annotations

from dataclasses import dataclass, field

from labs.model.site import Endpoint, Kind, Link, Site

__all__ = ["Trees", "grow_trees"]


@dataclass(slots=True)
class Trees:
    """A tree for each connected part of a site; `depth` is the distance from its root."""

    roots: list[str] = field(default_factory=list)
    children: dict[str, list[str]] = field(default_factory=dict)
    depth: dict[str, int] = field(default_factory=dict)
    leads: list[Link] = field(default_factory=list)
    """Every lead between two devices of the site."""
    extra: list[Link] = field(default_factory=list)
    """The leads that close a loop: both devices hang on something already."""
    loose: list[str] = field(default_factory=list)
    """Devices without a lead."""

    def ends_at(self, name: str) -> list[tuple[Endpoint, Endpoint]]:
        """Each lead end at a device, with the end at the other side."""
        both = [pair for link in self.leads for pair in (link.ends, link.ends[::-1])]
        return [(near, far) for near, far in both if near.device == name]

    def below(self, name: str) -> list[str]:
        """Everything that hangs on a device, directly or not."""
        found = list(self.children[name])
        for child in found:
            found += self.children[child]
        return found


def grow_trees(site: Site) -> Trees:
    """Breadth first from every internet, or from the router or switch with the most leads where there is none."""
    import networkx as nx

    trees = Trees(leads=[link for link in site.links if all(end.device in site.devices for end in link.ends)])
    graph = nx.MultiGraph()
    graph.add_nodes_from(site.devices)
    graph.add_edges_from((link.a.device, link.b.device) for link in trees.leads)
    parts = []
    for members in nx.connected_components(graph):
        if len(members) == 1 and not graph.degree(next(iter(members))):
            trees.loose += members
        else:
            parts.append([name for name in site.devices if name in members])
    for members in parts:
        roots = _roots(site, members, dict(graph.degree))
        trees.roots += roots
        _grow(trees, site, roots)
    return trees


def _roots(site: Site, members: list[str], degree: dict[str, int]) -> list[str]:
    for kind in (Kind.INTERNET, Kind.ROUTER, Kind.SWITCH):
        found = [name for name in members if site.devices[name].kind is kind]
        if found:
            return found if kind is Kind.INTERNET else [max(found, key=degree.__getitem__)]
    return [max(members, key=degree.__getitem__)]


def _grow(trees: Trees, site: Site, roots: list[str]) -> None:
    trees.depth.update(dict.fromkeys(roots, 0))
    queue, used = list(roots), set()
    for name in queue:
        children = trees.children.setdefault(name, [])
        for index, link in enumerate(trees.leads):
            for near, far in (link.ends, link.ends[::-1]):
                if near.device == name and far.device not in trees.depth:
                    trees.depth[far.device] = trees.depth[name] + 1
                    children.append(far.device)
                    queue.append(far.device)
                    used.add(index)
    here = set(queue)
    trees.extra += [k for i, k in enumerate(trees.leads) if i not in used and k.a.device in here]
    for name in queue:
        trees.children[name] = _in_order(trees, site, trees.children[name])


def _in_order(trees: Trees, site: Site, children: list[str]) -> list[str]:
    """End devices first, room by room, then what has devices of its own."""
    rooms: dict[str, int] = {}
    for child in children:
        rooms.setdefault(site.devices[child].room, len(rooms))
    return sorted(children, key=lambda child: (bool(trees.children[child]), rooms[site.devices[child].room]))
