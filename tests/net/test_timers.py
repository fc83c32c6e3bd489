"""The alarms of a device, and those that are taken back."""

from __future__ import annotations

from tests.net.machine import Machine


def test_cancelled_alarm_never_rings_and_leaves_nothing():
    """Others of the same time and later ones ring as before."""
    machine, rang = Machine(), []
    node = machine.node
    numbers = [node.call_at(50, lambda name=name: rang.append(name)) for name in "abc"]
    node.call_at(70, lambda: rang.append("d"))
    node.cancel(numbers[0])
    node.cancel(numbers[1])
    assert node.due(50)
    node.wake(50)
    assert rang == ["c"]
    assert not node.due(69)
    node.wake(70)
    assert rang == ["c", "d"]
    assert not node._cancelled


def test_only_cancelled_alarms_nothing_is_due():
    """The device is not woken for them, and forgets them."""
    node = Machine().node
    node.cancel(node.call_at(50, lambda: None))
    assert node.next_wake() == 50
    assert not node.due(50)
    assert node.next_wake() is None


def test_power_cut_forgets_what_was_cancelled():
    """A number of the life before means nothing any more."""
    node = Machine().node
    node.powered = True
    node.cancel(node.call_at(50, lambda: None))
    node.power_off(10)
    assert not node._cancelled
