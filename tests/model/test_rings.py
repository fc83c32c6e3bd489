"""Rings of switches."""

from __future__ import annotations

from labs.model.rings import has_ring
from tests.sites import machine, site, switch


def ring(*leads: str) -> bool:
    parts = [switch("s1", 4), switch("s2", 4), switch("s3", 4), machine("pc", {"eth0": "", "eth1": ""})]
    return has_ring(site(parts, leads))


def test_tree_has_no_ring():
    assert not ring("s1:p1 s2:p1", "s2:p2 s3:p1", "pc:eth0 s3:p2")


def test_three_switches_in_a_circle_two_leads_between_two_and_one_switch_alone_are_rings():
    assert ring("s1:p1 s2:p1", "s2:p2 s3:p1", "s3:p2 s1:p2")
    assert ring("s1:p1 s2:p1", "s1:p2 s2:p2")
    assert ring("s1:p1 s1:p2")


def test_host_between_two_switches_closes_no_ring():
    assert not ring("s1:p1 s2:p1", "pc:eth0 s1:p2", "pc:eth1 s2:p2")
