"""A loop must do no harm: pulling one lead is not a repair."""

from __future__ import annotations

from typing import cast

import pytest

import grader
import labs
from grader.checks.context import Context, Flow
from grader.checks.loops import _broken
from grader.verdict import Verdict
from labs.model.services import Service
from labs.shell.bash import logical_lines

LAB = "network-that-screams"


def played(*lines: tuple[str, str], seed: int = 1) -> grader.Result:
    lab = labs.open(LAB, seed=seed)
    for place, text in lines:
        for line in logical_lines(text):
            lab.run(place, line)
    return {result.id: result for result in grader.check(lab).results}["never-again"]


LEADS_OUT = [("hands", f"unplug {end}") for end in ("sw2:p4", "sw2:p5", "sw1:p6")]
CAMERA_ON = ("sw3", "sed -i 's/p3 down/p3 up/' /etc/network/interfaces; ip link set p3 up")
TERMINAL = ("terminal", "ifdown eth0\nifup eth0")


def test_loop_is_out_but_no_switch_would_stop_the_next_one() -> None:
    result = played(*LEADS_OUT, ("hands", "wait 10 s"), CAMERA_ON, TERMINAL)
    assert result.verdict is Verdict.FAIL
    assert "with a lead from sw1:" in str(result.rationale)


def test_spanning_tree_on_one_switch_leaves_the_others_open() -> None:
    on = (
        "sw1",
        "sed -i 's/bridge_ports.*/&\\n    bridge_stp on/' /etc/network/interfaces; systemctl restart networking",
    )
    result = played(*LEADS_OUT, ("hands", "wait 10 s"), CAMERA_ON, on, ("hands", "wait 1 min"), TERMINAL)
    assert result.verdict is Verdict.FAIL
    assert "with a lead from sw2:" in str(result.rationale)


def test_site_that_does_not_work_anyway_is_not_judged() -> None:
    result = played(*LEADS_OUT, ("hands", "power off gw"))
    assert result.verdict is Verdict.BLOCKED


@pytest.mark.slow
def test_live_spanning_tree_without_the_file_is_lost_at_a_power_cut() -> None:
    on = [(name, "ip link set br0 type bridge stp_state 1") for name in ("sw1", "sw2", "sw3")]
    result = played(*LEADS_OUT, ("hands", "wait 10 s"), CAMERA_ON, *on, ("hands", "wait 1 min"), TERMINAL)
    assert result.verdict is Verdict.FAIL
    assert "not after a power cut" in str(result.rationale)


def test_flow_to_a_device_without_an_address_is_told_as_that() -> None:
    class Silent:
        def observe(self, flows: list[Flow], *, fresh: bool) -> dict[Flow, None]:
            return dict.fromkeys(flows if fresh else ())

    flow = ("board", "server", Service("tcp", 80))
    broken = _broken(cast("Context", Silent()), [flow])
    assert broken is not None
    assert (broken[0], str(broken[1]), broken[2]) == (flow, "server has no address", ())
