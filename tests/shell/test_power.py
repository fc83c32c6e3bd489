"""Every word that switches a machine off or on again."""

from __future__ import annotations

import pytest

from labs.testing import device, pass_time, run

SECOND = 1_000_000_000


@pytest.mark.parametrize("line", ["poweroff", "poweroff -f", "halt -p", "shutdown -h now", "shutdown -P now"])
def test_machine_told_to_go_off_has_no_power(line: str) -> None:
    node = device("box")
    run(node, line)
    pass_time(node, 60 * SECOND)
    assert not node.powered


@pytest.mark.parametrize("line", ["reboot", "reboot -f", "shutdown -r now"])
def test_machine_told_to_start_again_forgets_what_was_typed(line: str) -> None:
    node = device("box")
    run(node, "ip link set eth0 up")
    assert node.interfaces["eth0"].up
    run(node, line)
    pass_time(node, 60 * SECOND)
    assert node.powered
    assert not node.interfaces["eth0"].up


def test_help_names_the_commands_and_who_is_there() -> None:
    node = device("box")
    assert "ping" in run(node, "help").text
    assert "root" in run(node, "who").text
