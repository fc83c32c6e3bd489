"""Spanning tree machines joined by leads that carry at once."""

from __future__ import annotations

from collections import deque

from hypothesis import given, settings
from hypothesis import strategies as st

from labs.model.addresses import Mac
from labs.net.bridge import PortState
from labs.net.stp import BridgeId, Effect, Flush, Guarded, Role, Send, SpanningTree, StpPort

SECOND = 1_000_000_000


class Bench:
    """Bridges and leads; what is sent arrives before time goes on."""

    def __init__(self, priorities: list[int]) -> None:
        self.trees = [SpanningTree(BridgeId(p, Mac(0x02_00_00_00_00_00 + i))) for i, p in enumerate(priorities)]
        self.leads: dict[tuple[int, int], tuple[int, int]] = {}
        self.seen: list[tuple[int, Effect]] = []
        self.now = 0

    def port(self, tree: int, number: int, cost: int = 4, *, guard: bool = False, root_block: bool = False) -> None:
        port = StpPort(number, 0x8000 | number, cost, guard=guard, root_block=root_block)
        self.perform(tree, self.trees[tree].port_up(port, self.now))

    def lead(self, one: tuple[int, int], two: tuple[int, int], cost: int = 4) -> None:
        self.leads |= {one: two, two: one}
        self.port(*one, cost)
        self.port(*two, cost)

    def perform(self, tree: int, effects: list[Effect]) -> None:
        todo = deque((tree, effect) for effect in effects)
        for _ in range(20_000):
            if not todo:
                return
            index, effect = todo.popleft()
            self.seen.append((index, effect))
            if isinstance(effect, Send) and (index, effect.port) in self.leads:
                far, port = self.leads[index, effect.port]
                todo.extend((far, answer) for answer in self.trees[far].receive(port, effect.bpdu, self.now))
        message = "the bridges never stop talking"
        raise AssertionError(message)

    def run(self, seconds: int) -> None:
        until = self.now + seconds * SECOND
        while True:
            due = [(when, i) for i, tree in enumerate(self.trees) if (when := tree.next_wake()) is not None]
            if not due or min(due)[0] > until:
                break
            self.now, index = min(due)
            self.perform(index, self.trees[index].wake(self.now))
        self.now = until

    def cut(self, end: tuple[int, int]) -> None:
        other = self.leads.pop(end)
        del self.leads[other]
        for tree, number in (end, other):
            self.perform(tree, self.trees[tree].port_down(number, self.now))

    def forwarding(self, end: tuple[int, int]) -> bool:
        return self.trees[end[0]].ports[end[1]].state is PortState.FORWARDING


def triangle(*priorities: int) -> Bench:
    bench = Bench(list(priorities))
    for one, two in (((0, 1), (1, 1)), ((1, 2), (2, 2)), ((2, 1), (0, 2))):
        bench.lead(one, two)
    return bench


def test_triangle_has_one_blocked_port_after_a_second() -> None:
    """Proposal and agreement, not timers; the port farthest from the root blocks."""
    bench = triangle(0x8000, 0x8000, 0x8000)
    bench.run(4)
    states = {(i, n): p.state for i, tree in enumerate(bench.trees) for n, p in tree.ports.items()}
    assert [end for end, state in states.items() if state is not PortState.FORWARDING] == [(2, 2)]
    assert bench.trees[2].ports[2].role is Role.ALTERNATE
    assert {tree.root for tree in bench.trees} == {bench.trees[0].identity}


def test_lower_priority_becomes_root() -> None:
    bench = triangle(0x8000, 0x8000, 0x1000)
    bench.run(4)
    assert {tree.root for tree in bench.trees} == {bench.trees[2].identity}


def test_lost_lead_is_replaced_and_stations_are_forgotten() -> None:
    """The blocked port takes over at once."""
    bench = triangle(0x8000, 0x8000, 0x8000)
    bench.run(10)
    bench.seen.clear()
    bench.cut((0, 2))
    assert bench.forwarding((2, 2))
    assert any(isinstance(effect, Flush) for _, effect in bench.seen)


def test_silent_port_is_an_edge_after_three_seconds() -> None:
    """A port with a PC behind it forwards after Migrate Time, without a topology change."""
    bench = Bench([0x8000])
    bench.port(0, 1)
    bench.run(2)
    assert not bench.forwarding((0, 1))
    bench.run(2)
    assert bench.forwarding((0, 1))
    assert bench.trees[0].changes == 0


def test_dumb_neighbour_that_speaks_late_costs_two_forward_delays_at_most() -> None:
    """Without an answer the timers decide: 15 s listening, 15 s learning."""
    bench = Bench([0x8000])
    bench.port(0, 1)
    bench.trees[0].ports[1].edge_at_ns = None
    bench.run(20)
    assert bench.trees[0].ports[1].state is PortState.LEARNING
    bench.run(12)
    assert bench.forwarding((0, 1))


def test_guarded_port_goes_off_at_the_first_bpdu() -> None:
    bench = Bench([0x8000, 0x8000])
    bench.leads = {(0, 1): (1, 1), (1, 1): (0, 1)}
    bench.port(0, 1, guard=True)
    bench.port(1, 1)
    assert (0, Guarded(1)) in bench.seen
    assert bench.trees[0].ports[1].state is PortState.DISABLED


def test_root_block_refuses_a_better_root() -> None:
    bench = Bench([0x8000, 0x1000])
    bench.leads = {(0, 1): (1, 1), (1, 1): (0, 1)}
    bench.port(0, 1, root_block=True)
    bench.port(1, 1)
    bench.run(4)
    assert bench.trees[0].root == bench.trees[0].identity
    assert bench.trees[0].ports[1].state is PortState.BLOCKING


def test_lead_between_two_ports_of_one_bridge_blocks_one() -> None:
    bench = Bench([0x8000])
    bench.lead((0, 1), (0, 2))
    bench.run(4)
    assert bench.trees[0].ports[2].role is Role.BACKUP
    assert bench.trees[0].ports[2].state is PortState.BLOCKING


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_any_network_becomes_a_tree(data: st.DataObject) -> None:
    """One root, every bridge connected to it over forwarding leads, and no loop among them."""
    count = data.draw(st.integers(2, 6))
    bench = Bench([data.draw(st.sampled_from((0x1000, 0x8000))) for _ in range(count)])
    pairs = [(i, data.draw(st.integers(0, i - 1))) for i in range(1, count)]
    pairs += data.draw(st.lists(st.tuples(st.integers(0, count - 1), st.integers(0, count - 1)), max_size=4))
    used = [0] * count
    for one, two in pairs:
        ends = []
        for index in (one, two):
            used[index] += 1
            ends.append((index, used[index]))
        bench.lead(ends[0], ends[1], data.draw(st.sampled_from((4, 19))))
    bench.run(60)
    live = [(a, b) for a, b in bench.leads.items() if a < b and bench.forwarding(a) and bench.forwarding(b)]
    assert len({tree.root for tree in bench.trees}) == 1
    groups = list(range(count))
    for (a, _), (b, _) in live:
        assert groups[a] != groups[b], "a loop"
        groups = [groups[a] if group == groups[b] else group for group in groups]
    assert len(set(groups)) == 1
