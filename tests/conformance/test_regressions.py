"""What random sites once found, small and by name: `state_stimulus_result`, on both engines."""

from __future__ import annotations

import pytest

from labs.model.site import Site
from tests.conformance.comparison import describe
from tests.conformance.pair import Pair, both
from tests.conformance.test_matrix import certain, judge_site
from tests.engines.kernel.kernel_site import needs_kernel
from tests.kernel_lab import judged
from tests.sites import machine, site, switch
from tests.traffic import SECOND, Flow

pytestmark = [*needs_kernel, judged()]


def chain(*, first: dict | None = None, second: dict | None = None, host: dict | None = None) -> Site:
    """Host h behind router r1, and router r2: 10.0.1.0/24 and 10.9.0.0/30."""
    parts = [
        {"addresses": {"l1": "10.0.1.1/24", "w0": "10.9.0.1/30"}, "forward": True, **(first or {})},
        {"addresses": {"w0": "10.9.0.2/30", "w1": "10.9.1.1/30"}, "forward": True, **(second or {})},
        {"addresses": {"eth0": "10.0.1.10/24"}, "gateway": "10.0.1.1", **(host or {})},
    ]
    made = [machine(name, **part) for name, part in zip(("r1", "r2", "h"), parts, strict=True)]
    return site(made, ["r1:l1 h:eth0", "r1:w0 r2:w0"])


MASQUERADE = (
    'table ip nat {\n chain post {\n type nat hook postrouting priority srcnat; oifname "l1" masquerade\n }\n}\n'
)

CASES = {
    "gateway_is_own_address_packet_goes_straight_to_its_target": chain(
        second={"up": ["ip route add default via 10.9.0.2"]}
    ),
    "who_asked_first_is_chance_both_are_known_when_everybody_has_asked": chain(
        first={"up": ["ip route add blackhole 10.0.1.10/32"]},
        host={"addresses": {"eth0": "10.0.1.10/24 10.0.1.33/24"}},
    ),
    "own_reply_is_rejected_ping_of_oneself_is_told_nothing": chain(
        first={
            "rules": "table ip f {\n chain i {\n type filter hook input priority 0;"
            " icmp type echo-reply reject with icmp type admin-prohibited\n }\n}\n"
        }
    ),
    "reply_that_cannot_return_is_complained_about_ping_with_that_number_is_not_told": chain(
        first={"rules": MASQUERADE},
        second={"up": ["ip route add 10.0.1.0/24 via 10.9.0.1", "ip address add 10.9.5.5/32 dev w1"]},
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_site_that_differed_once(name):
    differences = judge_site(CASES[name])
    assert certain(CASES[name])
    assert not differences, describe(CASES[name], differences)


def test_router_knows_a_nearer_way_sender_is_told_and_takes_it():
    """A redirect: the mask of `a` is too narrow, so it first asks the router for a neighbour."""
    made = site(
        [
            machine("r", {"lan": "10.0.1.1/24"}, forward=True),
            machine("a", {"eth0": "10.0.1.10/28"}, gateway="10.0.1.1"),
            machine("b", {"eth0": "10.0.1.200/24"}),
            switch("s", 3),
        ],
        ["r:lan s:p1", "a:eth0 s:p2", "b:eth0 s:p3"],
    )
    pair = Pair(made)
    try:
        pair.serve()
        first, last = Flow("a", "10.0.1.200"), Flow("a", "10.0.1.200", ttl=1)
        for _ in range(3):  # the first redirect makes `a` look for the neighbour, a later one is believed
            assert pair.send([first]) == {first: ("reply ttl=64", "reply ttl=64")}
            pair.wait(SECOND // 5)
        assert pair.send([last]) == {last: ("reply ttl=64", "reply ttl=64")}
    finally:
        pair.stop()


def test_router_asked_whether_it_believes_redirects_the_answer_is_the_same():
    with both(chain()) as pair:
        line = "sysctl net.ipv4.conf.all.accept_redirects"
        assert pair.sim.run("r1", line) == pair.kernel.run("r1", line)


LINES = {
    "port_without_address_its_up_line_knows_its_name": ("r1", "systemctl is-active networking"),
    "route_over_unknown_device_with_host_bits_the_device_is_complained_about": (
        "h",
        "ip route add 10.0.1.5/24 dev eth9",
    ),
    "default_route_via_a_word_any_address_would_do": ("h", "ip route del default via nobody"),
    "route_via_a_word_after_its_prefix_an_inet_address_is_wanted": ("h", "ip route add 10.5.0.0/16 via nobody"),
    "address_without_name_getent_finds_nothing": ("h", "getent hosts 192.168.7.7"),
    "gateway_is_own_address_route_get_shows_none": ("r2", "ip route get 10.44.0.1"),
    "gateway_is_the_target_route_get_shows_it": ("h", "ip route get 10.0.1.1"),
    "service_at_a_word_that_is_no_host_its_number_is_told": ("h", "nc -z -w 1 nobody http"),
    "request_is_rejected_on_its_way_out_the_call_fails_as_well": (
        "r1",
        (
            "nft -f - <<< 'table ip f { chain o { type filter hook output priority 0; "
            "icmp type echo-request reject with icmp type host-unreachable; }; }';"
            " ping -q -c 1 -W 1 10.0.1.1 | head -3; ping -c 1 -W 1 10.0.1.1 2>&1 | sed -n 2,3p; nft delete table ip f"
        ),
    ),
    "way_to_no_address_leads_to_the_device_itself": ("r2", "ip route get 0.0.0.0; ip route get default oif w0"),
    "own_address_its_route_of_table_local_is_found": (
        "h",
        "ip route get fibmatch 10.0.1.1; ip route get fibmatch 127.0.0.5; ip route get fibmatch 192.168.1.10",
    ),
    "gateway_is_loopback_it_is_let_through": (
        "r1",
        "ip route add 10.50.0.0/16 via 127.0.0.5; ip route show 10.50.0.0/16",
    ),
    "route_over_loopback_its_answer_is_local": (
        "r1",
        "ip route replace 10.51.0.0/16 via 127.0.0.1; ip route get 10.51.0.1",
    ),
    "gateway_is_an_own_address_without_network_its_interface_is_taken": (
        "r1",
        "ip address add 10.9.6.6/32 dev w0; ip route add 10.52.0.0/16 via 10.9.6.6; ip route get 10.52.0.1",
    ),
}


@pytest.fixture(scope="module")
def plain_pair():
    made = chain(
        first={"addresses": {"l1": "10.0.1.1/24", "x": "", "w0": "10.9.0.1/30"}},
        second={"up": ["ip route add default via 10.9.0.2"]},
        host={"addresses": {"eth0": "192.168.1.10/24"}},
    )
    with both(made) as pair:
        yield pair


@pytest.mark.parametrize("name", LINES)
def test_line_that_was_answered_differently_once(plain_pair, name):
    assert plain_pair.sim.run(*LINES[name]) == plain_pair.kernel.run(*LINES[name])


SIX = ("net.ipv6.conf.all.disable_ipv6 = 0", "net.ipv6.conf.default.disable_ipv6 = 0", "net.ipv6.icmp.ratelimit = 0")


def questions(second: str, device: str, refused: str) -> Site:
    """Host a with ::a1 on eth0 and `second` on `device`, which speaks to 2001:db8:b::1; r is deaf to `refused`."""
    own = [f"ip -6 address add 2001:db8:1::a1/64 dev eth0 nodad; ip -6 address add {second} dev {device} nodad"]
    ways = [
        f"ip -6 route add 2001:db8:{net}::/48 via 2001:db8:1::1 src {source}"
        for net, source in (("a", "2001:db8:1::a1"), ("b", second.partition("/")[0]))
    ]
    far = [f"ip -6 address add 2001:db8:{place} dev eth0 nodad" for place in ("1::1/64", "a::1/128", "b::1/128")]
    rules = (
        "table ip6 f {\n chain i {\n type filter hook input priority 0;\n"
        f" icmpv6 type nd-neighbor-solicit ip6 saddr {refused} drop\n }}\n}}\n"
    )
    back = ["ip -6 route add 2001:db8:5::/64 via 2001:db8:1::a1"]
    return site(
        [
            machine("a", {"eth0": "10.0.1.10/24"}, up=[*own, *ways], settings=SIX),
            machine("r", {"eth0": "10.0.1.1/24"}, up=[*far, *back], settings=SIX, rules=rules),
        ],
        ["a:eth0 r:eth0"],
    )


QUESTIONS = {
    "first_source_is_refused_the_question_repeated_in_the_name_of_the_last_is_answered": (
        questions("2001:db8:1::a2/64", "eth0", "2001:db8:1::a1"),
        [Flow("a", "2001:db8:a::1"), Flow("a", "2001:db8:b::1")],
        "reply ttl=64",
    ),
    "source_of_another_interface_the_question_is_asked_by_the_link_local_address": (
        questions("2001:db8:5::1/128", "lo", "fe80::/10"),
        [Flow("a", "2001:db8:b::1")],
        "error 1/3 from 2001:db8:5::1",
    ),
}


@pytest.mark.parametrize("name", QUESTIONS)
def test_neighbour_discovery_in_whose_name_is_asked(name):
    made, flows, told = QUESTIONS[name]
    with both(made) as pair:
        assert pair.send(flows) == dict.fromkeys(flows, (told, told))
