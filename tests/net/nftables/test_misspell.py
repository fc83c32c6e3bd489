"""Which name nft means: pairs that nft 1.0.6 was asked about, one by one."""

from __future__ import annotations

import pytest

from labs.net.nftables.misspell import nearest


@pytest.mark.parametrize(
    ("typed", "known"),
    [
        *(("input", "output"), ("input", "inpt"), ("input", "output2"), ("out", "guests"), ("x", "input")),
        *(("x", "guests"), ("x", "by"), ("lan", "cln"), ("pre", "ce"), ("pre", "ae"), ("x", "post"), ("ab", "ouput")),
    ],
)
def test_name_that_nft_takes_for_near_is_meant(typed: str, known: str) -> None:
    assert nearest(typed, [known]) == known


@pytest.mark.parametrize(
    ("typed", "known"),
    [
        *(("input", "forward"), ("output", "coutpu"), ("lan", "lxay"), ("in", "ibn"), ("in", "wan")),
        *(("input", "icnpzt"), ("ouput", "zozupbt")),
    ],
)
def test_name_that_nft_takes_for_far_is_not_meant(typed: str, known: str) -> None:
    assert nearest(typed, [known]) is None
