"""Lines that a trainee types, good and bad, on both engines: the same exit status, text, and state afterwards."""

from __future__ import annotations

import re
from typing import Any

from hypothesis import strategies as st

from labs.model.site import Site
from labs.model.state import DeviceState
from tests.conformance.comparison import answered_apart, describe, read_apart
from tests.conformance.deviations import EXCUSED_LINES, EXCUSED_MATCHES, EXCUSED_TEXT
from tests.conformance.pair import RETRANS_MS, both
from tests.conformance.strategies import sites
from tests.conformance.test_matrix import addresses, twice
from tests.engines.kernel.kernel_site import needs_kernel
from tests.kernel_lab import judged

pytestmark = [*needs_kernel, judged()]

EXAMPLES = 5
LINES = 14
AS_IN_LIFE = 1000 // RETRANS_MS  # `ping -W 1` gives up before ARP does
CHANCE = [
    (re.compile(r"time=[\d.]+ ms"), "time=T ms"),
    (re.compile(r"time \d+ms"), "time Tms"),
    (re.compile(r"rtt min/avg/max/mdev = .*"), "rtt"),
    (re.compile(r"expires \d+sec"), "expires Tsec"),
]


def lines(port: str, far: list[str]) -> st.SearchStrategy[str]:
    """A line for a device with this port, on a site with these addresses."""
    address = st.sampled_from([*far, "10.0.1.99", "192.168.7.7", "10.0.1.300", "nobody", "127.0.0.1", "0.0.0.0"])
    prefix = st.sampled_from(["10.0.1.0/24", "10.0.2.0/24", "172.16.0.0/12", "10.0.1.5/24", "default", "10.0.0.0/33"])
    device = st.sampled_from([port, port, port, "lo", "eth9"])
    verb = st.sampled_from(["add", "del", "replace", "change", "append"])
    number = st.sampled_from(["24", "16", "32", "30", "33"])
    hook = st.sampled_from(["input", "forward", "output"])
    match = st.sampled_from(
        ["", "tcp dport 7", "udp dport 53", "icmp type echo-request", "ip saddr 10.0.1.0/24", "tcp"]
    )
    verdict = st.sampled_from(["accept", "drop", "reject", "counter", "counter drop", "jump x", "deny"])
    setting = st.sampled_from(["net.ipv4.ip_forward", f"net.ipv4.conf.{port}.rp_filter", "net.ipv4.nothing"])

    def line(text: str, *parts: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
        return st.tuples(*parts).map(lambda found: text.format(*found))

    return st.one_of(
        line("ip route {} {} via {}", verb, prefix, address),
        line("ip route {} {} dev {}", verb, prefix, device),
        line("ip route {} {} {}", verb, st.sampled_from(["blackhole", "unreachable", "prohibit"]), prefix),
        line("ip route get {}", address),
        line("ip addr {} {}/{} dev {}", st.sampled_from(["add", "del"]), address, number, device),
        line("ip link set {} {}", device, st.sampled_from(["up", "down", "mtu 1400", "sideways"])),
        line("ip neigh {} {} lladdr 02:00:00:00:00:07 dev {}", st.sampled_from(["add", "replace"]), address, device),
        line("ip neigh del {} dev {}", address, device),
        line("ping -c 1 -W 1 {}", address),
        line("ping -c 1 -W 1 -t {} {}", st.sampled_from(["1", "2"]), address),
        line("nft add rule inet filter {} {} {}", hook, match, verdict),
        line("nft add table inet {}", st.sampled_from(["filter", "x y", "2"])),
        line("nft add chain inet filter {} '{{ type filter hook {} priority 0; }}'", hook, hook),
        line("nft {}", st.sampled_from(["list ruleset", "flush ruleset", "list tables", "-a list ruleset", "lst"])),
        line("sysctl -w {}={}", setting, st.sampled_from(["0", "1", "2", "yes"])),
        line("sysctl {}", setting),
        line("ip -4 route {}", st.sampled_from(["", "show table main", f"show dev {port}", "list default", "sow"])),
        line("ip -4 -br addr {}", st.sampled_from(["", f"show {port}", "show dev eth9", "show up"])),
        line("nc -z -w 1 {} {}", address, st.sampled_from(["7", "8", "http", "99999"])),
        line("getent hosts {}", address),
    )


@st.composite
def sessions(draw: st.DrawFn) -> tuple[Site, list[tuple[str, str]]]:
    """A site, and lines with their places."""
    made = draw(sites())
    known = addresses(made)
    far = [address for own in known.values() for address in own]
    places = draw(st.lists(st.sampled_from(sorted(known)), min_size=LINES, max_size=LINES))
    return made, [(place, draw(lines(made.devices[place].ports[0].name, far))) for place in places]


def plain(text: str) -> str:
    """The text without what is chance, and without what is excused."""
    for pattern, instead in CHANCE:
        text = pattern.sub(instead, text)
    for pattern, instead in EXCUSED_TEXT.values():
        text = re.sub(pattern, instead, text)
    return re.sub(" +", " ", text)


def state(seen: DeviceState) -> dict[str, Any]:
    """What both engines must observe alike."""
    return {
        "interfaces": sorted(
            (i.name, i.kind, str(i.mac), i.up, i.mtu, str(i.master), tuple(map(str, i.addresses)))
            for i in seen.interfaces
        ),
        "routes": sorted(
            (str(r.prefix), str(r.device), str(r.via), str(r.source), r.metric, r.protocol, r.scope, r.kind, r.onlink)
            for r in seen.routes
        ),
        "rules": [_without_handles(item) for item in seen.ruleset["nftables"] if "metainfo" not in item],
        "forward": seen.sysctls["net.ipv4.ip_forward"],
        "units": {name: word for name, word in seen.units.items() if name in ("networking", "nftables")},
        "dynamic": sorted(map(str, seen.dynamic_addresses)),
    }


def _without_handles(item: Any) -> Any:
    """Handles count what was there before; counters what passed."""
    if isinstance(item, dict):
        gone = {"handle", "packets", "bytes"}
        return {name: _without_handles(value) for name, value in item.items() if name not in gone}
    return (
        [_without_handles(value) for value in item if value not in EXCUSED_MATCHES] if isinstance(item, list) else item
    )


def judge_session(session: tuple[Site, list[tuple[str, str]]]) -> list[str]:
    """What differs in a session."""
    made, typed = session
    found: list[str] = []
    if twice(made):
        return found
    with both(made, AS_IN_LIFE) as pair:
        found += [f"at the start {line}" for line in read_apart(pair, state)]
        alike = [(place, line) for place, line in typed if not any(re.search(x, line) for x in EXCUSED_LINES.values())]
        found += answered_apart(pair, alike, plain)
        found += [f"at the end {line}" for line in read_apart(pair, state)]
    return found


def test_random_lines_are_answered_the_same_and_leave_the_same_state(draw_many):
    everything: list[str] = []

    def judge(session: tuple[Site, list[tuple[str, str]]]) -> None:
        found = judge_session(session)
        everything.extend(found)
        typed = "\n".join(f"{place}$ {line}" for place, line in session[1])
        assert not found, typed + "\n" + describe(session[0], found)

    draw_many(sessions(), EXAMPLES, judge)
