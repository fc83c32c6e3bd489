"""The order of things in the hooks of a device."""

from __future__ import annotations

import pytest

from labs.net import tcp
from labs.net.actions import Dropped, DropReason, PolicyVerdict
from tests.net.machine import Machine, echo, errors, ip, packets, segment, udp

IN, OUT = "10.0.0.2", "10.1.0.2"


def chain(
    hook: str, *rules: str, priority: int = 0, policy: str = "accept", kind: str = "filter", name: str = "t"
) -> str:
    body = "; ".join([f"type {kind} hook {hook} priority {priority}; policy {policy}", *rules])
    return f"table inet {name} {{ chain {hook} {{ {body}; }} }}\n"


def router(*chains: str) -> Machine:
    machine = Machine(forward=True, rules="".join(chains), eth0="10.0.0.1/24", eth1="10.1.0.1/24")
    machine.know(IN, 2)
    machine.know(OUT, 3, "eth1")
    return machine


def passes(machine: Machine, packet=None, **more) -> bool:  # type: ignore[no-untyped-def]
    return len(packets(machine.packet(packet or udp(IN, OUT), **more))) == 1


def decided(machine: Machine) -> str:
    return next(note.by for note in machine.notes if isinstance(note, Dropped))


@pytest.mark.parametrize("hook", ["prerouting", "forward", "postrouting"])
def test_forwarded_packet_meets_each_hook_of_its_path(hook):
    machine = router(chain(hook, "drop"))
    assert not passes(machine)
    assert decided(machine) == f"inet t {hook}: drop"


@pytest.mark.parametrize("hook", ["input", "output"])
def test_forwarded_packet_does_not_meet_the_hooks_of_local_packets(hook):
    assert passes(router(chain(hook, "drop")))


def test_packet_for_the_router_meets_input_and_its_answer_output():
    assert not passes(router(chain("input", "drop")), echo(IN, "10.0.0.1"))
    assert not passes(router(chain("output", "drop")), echo(IN, "10.0.0.1"))
    assert passes(router(chain("forward", "drop")), echo(IN, "10.0.0.1"))


def test_policy_drop_is_named_when_no_rule_decides():
    machine = router(chain("forward", "tcp dport 80 accept", policy="drop"))
    assert passes(machine, segment(IN, OUT))
    assert not passes(machine)
    assert decided(machine) == "inet t forward: policy drop"
    verdict = next(note for note in machine.notes if isinstance(note, PolicyVerdict))
    assert (verdict.hook, verdict.verdict) == ("forward", "drop")
    assert next(note.reason for note in machine.notes if isinstance(note, Dropped)) is DropReason.POLICY


def test_accept_ends_one_chain_and_not_the_next_one():
    first, second = chain("forward", "accept", priority=-10, name="a"), chain("forward", "drop", priority=10, name="b")
    machine = router(second, first)
    assert not passes(machine)
    assert decided(machine).startswith("inet b")


def test_drop_is_final_in_the_chain_of_lower_priority():
    machine = router(
        chain("forward", "accept", priority=10, name="b"), chain("forward", "drop", priority=-10, name="a")
    )
    assert not passes(machine)


@pytest.mark.parametrize("where", ["prerouting", "forward"])
@pytest.mark.parametrize("priority", [-300, -150])
def test_mark_of_a_packet_goes_with_it_to_the_hooks_behind(where, priority):
    asked = "forward" if where == "prerouting" else "postrouting"
    machine = router(
        chain(where, "udp dport 9 meta mark set 7", priority=priority, name="a"),
        chain(asked, "meta mark 7 accept", policy="drop", name="b"),
    )
    assert passes(machine, udp(IN, OUT, dport=9))
    assert not passes(machine, udp(IN, OUT, dport=10))


def test_mark_of_a_connection_is_asked_of_every_packet_behind():
    machine = router(
        chain("prerouting", "udp dport 9 ct mark set 7", priority=-150, name="a"),
        chain("forward", "ct mark 7 accept", policy="drop", name="b"),
    )
    assert passes(machine, udp(IN, OUT, dport=9))
    assert passes(machine, udp(OUT, IN, sport=9))
    assert not passes(machine, udp(IN, OUT, dport=10))


def test_raw_chain_is_asked_before_conntrack():
    machine = router(
        chain("prerouting", "udp dport 9 drop", priority=-300), chain("forward", "ct state new accept", name="f")
    )
    assert not passes(machine)
    assert len(machine.node.netfilter.conntrack) == 0


def test_notrack_packet_is_untracked_from_then_on():
    machine = router(
        chain("prerouting", "udp dport 9 notrack", priority=-300), chain("forward", "ct state untracked drop", name="f")
    )
    assert not passes(machine)
    assert passes(machine, segment(IN, OUT))


def test_mangle_chain_sees_the_address_that_was_asked_for_the_filter_the_translated_one():
    machine = router(
        chain("prerouting", "ip daddr 10.9.9.9 counter", priority=-150, name="m"),
        "table ip n { chain p { type nat hook prerouting priority -100; ip daddr 10.9.9.9 dnat to 10.1.0.2; } }\n",
        chain("forward", "ip daddr 10.1.0.2 accept", policy="drop", name="f"),
    )
    for _ in range(2):
        assert passes(machine, udp(IN, "10.9.9.9"))
    assert [packets for packets, _ in machine.node.netfilter.state.counters.values()] == [2]


def test_nat_chain_is_asked_once_per_connection():
    machine = router("table ip n { chain p { type nat hook postrouting priority 100; counter masquerade; } }\n")
    for _ in range(3):
        assert passes(machine)
    assert [packets for packets, _ in machine.node.netfilter.state.counters.values()] == [1]


def test_first_nat_chain_that_says_something_decides():
    machine = router(
        "table ip a { chain p { type nat hook postrouting priority 90; udp dport 9 snat to 10.1.0.77; } }\n",
        "table ip b { chain p { type nat hook postrouting priority 100; masquerade; } }\n",
    )
    (there,) = packets(machine.packet(udp(IN, OUT)))
    assert str(there.src) == "10.1.0.77"


@pytest.mark.parametrize(
    ("reject", "told"),
    [
        ("reject", (3, 3)),
        ("reject with icmp type host-unreachable", (3, 1)),
        ("reject with icmp type admin-prohibited", (3, 13)),
        ("reject with icmpx type no-route", (3, 0)),
        ("reject with icmpx type admin-prohibited", (3, 13)),
    ],
)
def test_reject_tells_the_sender_from_the_near_address(reject, told):
    machine = router(chain("forward", reject))
    assert errors(machine.packet(udp(IN, OUT))) == [(*told, "10.0.0.1", IN)]


def test_reject_with_reset_answers_a_segment_in_the_name_of_the_far_end():
    machine = router(chain("forward", "meta l4proto tcp reject with tcp reset"))
    (answer,) = packets(machine.packet(segment(IN, OUT, seq=100)))
    assert (str(answer.src), str(answer.dst)) == (OUT, IN)
    assert (answer.payload.flags, answer.payload.ack) == (tcp.RST | tcp.ACK, 101)
    assert packets(machine.packet(segment(IN, OUT, flags=tcp.RST))) == [], "a reset is never answered"


def test_error_of_the_router_itself_belongs_to_the_connection_it_is_about():
    """nf_ct_attach: `ct state related` lets it out, although the packet it is about never made a connection."""
    machine = router(chain("forward", "reject"), chain("output", "ct state related accept", policy="drop", name="o"))
    assert errors(machine.packet(udp(IN, OUT))) == [(3, 3, "10.0.0.1", IN)]


def test_own_packet_dropped_in_output_the_program_is_told():
    machine = router(chain("output", "udp dport 9 drop"))
    assert machine.send(udp("0.0.0.0", OUT)) == ("Operation not permitted", [])


def test_own_packet_rejected_in_output_its_socket_hears_of_it():
    machine = router(chain("output", "udp dport 9 reject"))
    socket = machine.node.transport.udp_open()
    assert machine.node.transport.udp_send(socket, ip(OUT), 9, b"") == "Operation not permitted"
    machine.until(1_000_000)
    assert (socket.errors[0].type, socket.errors[0].code, str(socket.errors[0].source)) == (3, 3, "10.1.0.1")


@pytest.mark.parametrize("hook", ["output", "postrouting", "prerouting", "input"])
def test_packet_to_oneself_meets_four_hooks_over_lo(hook):
    interface = "oifname" if hook in {"output", "postrouting"} else "iifname"
    machine = router(chain(hook, f'{interface} "lo" udp dport 9 drop'))
    socket = machine.node.transport.udp_open(9)
    machine.send(udp("0.0.0.0", "127.0.0.1"))
    machine.until(1_000_000)
    assert not socket.queue


def test_packet_to_oneself_is_one_connection():
    machine = router(chain("input", "ct state new accept", policy="drop"))
    socket = machine.node.transport.udp_open(9)
    machine.send(udp("0.0.0.0", "127.0.0.1"))
    machine.until(1_000_000)
    assert len(socket.queue) == 1
    assert len(machine.node.netfilter.conntrack) == 1


def test_own_packet_redirected_to_oneself_arrives():
    machine = router(
        "table ip n { chain o { type nat hook output priority -100; ip daddr 10.9.9.9 dnat to 10.0.0.1; } }\n"
    )
    machine.route("10.9.0.0/16", "eth1", OUT)
    socket = machine.node.transport.udp_open(9)
    machine.send(udp("0.0.0.0", "10.9.9.9"))
    machine.until(1_000_000)
    assert len(socket.queue) == 1


def test_own_packet_translated_takes_the_way_of_its_new_destination():
    machine = router(
        "table ip n { chain o { type nat hook output priority -100; ip daddr 10.0.0.9 dnat to 10.1.0.2; } }\n"
    )
    _, (frame,) = machine.send(udp("0.0.0.0", "10.0.0.9"))
    assert str(frame.payload.dst) == OUT
    assert frame.src == machine.node.interfaces["eth1"].mac


def test_established_only_lets_answers_in_and_nothing_else():
    machine = router(chain("input", "ct state established,related accept", policy="drop"))
    assert not passes(machine, echo(IN, "10.0.0.1"))
    socket = machine.node.transport.echo_open()
    machine.node.transport.echo_send(socket, ip(IN), 1)
    machine.packet(echo(IN, "10.0.0.1", identifier=socket.identifier, reply=True))
    assert len(socket.replies) == 1


def test_no_base_chain_nothing_is_tracked():
    machine = router("table ip t { chain lonely { drop; } }\n")
    assert passes(machine)
    assert not machine.node.netfilter.active
    assert len(machine.node.netfilter.conntrack) == 0


def test_rules_replaced_counters_of_rules_that_stay_go_on():
    text = chain("forward", "udp dport 9 counter")
    machine = router(text)
    passes(machine)
    machine.node.netfilter.replace(machine.node.netfilter.ruleset)
    passes(machine)
    assert [packets for packets, _ in machine.node.netfilter.state.counters.values()] == [2]
