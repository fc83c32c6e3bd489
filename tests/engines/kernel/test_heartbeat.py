"""A heartbeat beats by the clock of the lab: while the clocks are put forward, and while a site comes to rest."""

from __future__ import annotations

import re

import pytest

from tests.engines.kernel.kernel_site import device, needs_kernel, site
from tests.engines.kernel.same import engines

pytestmark = needs_kernel

MINUTE = 60_000_000_000
COUNTED = "table ip t {\n chain c {\n type filter hook input priority 0;\n tcp dport 443 tcp flags syn counter\n }\n}\n"


@pytest.fixture(scope="module")
def pair():
    beats = {"/etc/heartbeat.conf": "target=10.0.0.2\nport=443\ninterval=20\n"}
    till = device("till", "host", {"eth0": "10.0.0.1/24"}, beats, units=("heartbeat",))
    bank = device("bank", "server", {"eth0": "10.0.0.2/24"}, {"/etc/nftables.conf": COUNTED}, units=("nftables",))
    with engines(site([till, bank], ["till:eth0 bank:eth0"])) as both:
        both.wait(1)
        yield both


def beats(engine) -> int:
    return int(re.search(r"packets (\d+)", engine.run("bank", "nft list table ip t").text)[1])


def test_clocks_are_put_forward_it_beats_every_time_and_logs_every_tenth(pair):
    before = [beats(engine) for engine in pair]
    for engine in pair:
        engine.elapse(10 * MINUTE)
    made = [beats(engine) - count for engine, count in zip(pair, before, strict=True)]
    assert made == [30, 30]
    simulated, real = (engine.run("till", "journalctl -u heartbeat -o cat").text for engine in pair)
    assert real == simulated
    assert real.count("10.0.0.2:443 failed: Connection refused") == 4


def test_site_comes_to_rest_what_was_due_has_been_done(pair):
    before = [beats(engine) for engine in pair]
    for engine in pair:
        engine.settle(MINUTE)
    made = [beats(engine) - count for engine, count in zip(pair, before, strict=True)]
    assert made == [3, 3]
