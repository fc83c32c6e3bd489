"""How strong signals arrive: the published figures of free space and of an office."""

from __future__ import annotations

import pytest

from labs.model.radio import RadioPlan, Wall
from labs.things.radio import distance_m, free_space_loss_db, path_loss_db, received_dbm

PLAN = RadioPlan({"a": (0, 0), "b": (30, 40), "c": (10, 0)}, (Wall("a", "c", "brick"), Wall("c", "a", "glass")))


def test_free_space_at_one_metre_is_as_published() -> None:
    assert [round(free_space_loss_db(1, mhz), 1) for mhz in (868, 2412, 5180)] == [31.2, 40.1, 46.7]


@pytest.mark.parametrize(("metres", "dbm"), [(10, -50), (20, -59), (30, -64), (50, -71)])
def test_wifi_of_20_dbm_in_an_office_arrives_as_published(metres: float, dbm: int) -> None:
    plan = RadioPlan({"here": (0, 0), "there": (metres, 0)})
    assert round(received_dbm(plan, ("x", "here"), ("y", "there"), 20, 2412)) == dbm


def test_walls_add_up_whichever_way_round_they_were_written() -> None:
    free = path_loss_db(RadioPlan(PLAN.places), "a", "c", 868)
    assert path_loss_db(PLAN, "a", "c", 868) == path_loss_db(PLAN, "c", "a", 868) == pytest.approx(free + 9.5)
    assert distance_m(PLAN, "a", "b") == 50


def test_missing_antenna_costs_what_it_costs() -> None:
    bare = RadioPlan(PLAN.places, antenna_db={"y": 25.0})
    ends = ("x", "a"), ("y", "b")
    assert received_dbm(bare, *ends, 14, 868) == pytest.approx(received_dbm(PLAN, *ends, 14, 868) - 25)
