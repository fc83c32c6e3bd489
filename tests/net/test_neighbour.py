"""ARP and the neighbour table of one device, with Linux's times."""

from __future__ import annotations

import pytest

from labs.model.addresses import Mac
from labs.net.actions import Dropped, DropReason
from labs.net.arp import REQUEST, ArpPacket
from labs.net.ethernet import BROADCAST, ETHERTYPE_ARP, Frame
from labs.net.neighbour import MAX_ENTRIES, NeighbourState
from tests.net.machine import MS, SECOND, Machine, answers, echo, errors, ip, mac, packets, questions, udp

PEER = "10.0.0.2"


@pytest.fixture
def machine() -> Machine:
    return Machine()


def state(machine: Machine, address: str = PEER) -> str:
    entry = machine.neighbour(address)
    return entry.state.value if entry is not None else "none"


def resolved(machine: Machine, number: int = 2) -> None:
    """One packet sent and its neighbour found."""
    machine.send(echo("10.0.0.1", PEER))
    machine.arp(PEER, number, "10.0.0.1", reply=True)


def test_unknown_neighbour_first_packet_asks_everybody_and_waits(machine):
    error, out = machine.send(echo("10.0.0.1", PEER))
    assert error is None
    assert questions(out) == [(PEER, True)]
    assert packets(out) == []
    assert state(machine) == "INCOMPLETE"


def test_incomplete_answer_makes_it_reachable_and_sends_what_waited_in_order(machine):
    for number in range(3):
        machine.send(echo("10.0.0.1", PEER, identifier=number))
    out = machine.arp(PEER, 2, "10.0.0.1", reply=True)
    assert state(machine) == "REACHABLE"
    assert [p.payload.identifier for p in packets(out)] == [0, 1, 2]
    assert {frame.dst for frame in out} == {mac(2)}


def test_incomplete_no_answer_asks_three_times_a_second_apart_then_fails(machine):
    machine.send(echo("10.0.0.1", PEER))
    assert questions(machine.until(3 * SECOND - 1)) == [(PEER, True)] * 2
    assert state(machine) == "INCOMPLETE"
    machine.until(3 * SECOND)
    assert state(machine) == "FAILED"


def test_failed_neighbour_next_packet_asks_again(machine):
    machine.send(echo("10.0.0.1", PEER))
    machine.until(4 * SECOND)
    _, out = machine.send(echo("10.0.0.1", PEER))
    assert questions(out) == [(PEER, True)]
    assert state(machine) == "INCOMPLETE"


def test_failed_neighbour_own_program_is_told_after_three_seconds(machine):
    socket = machine.node.transport.echo_open()
    machine.node.transport.echo_send(socket, ip(PEER), 1)
    machine.until(3 * SECOND + 1 * MS)
    error, _ = socket.errors[0]
    assert (str(error.source), error.type, error.code) == ("10.0.0.1", 3, 1)


def test_failed_neighbour_forwarded_packet_its_sender_is_told():
    machine = Machine(forward=True, eth0="10.0.0.1/24", eth1="10.1.0.1/24")
    machine.know(PEER, 2)
    machine.packet(echo(PEER, "10.1.0.7"))
    assert errors(machine.until(4 * SECOND)) == [(3, 1, "10.0.0.1", PEER)]


def test_too_many_packets_wait_the_oldest_is_dropped(machine):
    room = 256  # of this size; so many errors came back from a Linux 6.18
    for number in range(room + 1):
        machine.send(echo("10.0.0.1", PEER, identifier=number))
    assert [note.reason for note in machine.notes if isinstance(note, Dropped)] == [DropReason.NEIGHBOUR_QUEUE]
    out = machine.arp(PEER, 2, "10.0.0.1", reply=True)
    assert [p.payload.identifier for p in packets(out)] == list(range(1, room + 1))


def test_reachable_unused_turns_stale_after_thirty_seconds(machine):
    resolved(machine)
    machine.until(30 * SECOND)
    assert state(machine) == "REACHABLE"
    machine.until(30 * SECOND + 1)
    assert state(machine) == "STALE"


def test_stale_used_is_sent_to_at_once_and_asked_in_person_five_seconds_later(machine):
    resolved(machine)
    machine.until(40 * SECOND)
    _, out = machine.send(echo("10.0.0.1", PEER))
    assert len(packets(out)) == 1
    assert state(machine) == "DELAY"
    assert questions(machine.until(45 * SECOND - 1)) == []
    assert questions(machine.until(45 * SECOND)) == [(PEER, False)]
    assert state(machine) == "PROBE"


def test_probe_no_answer_three_questions_then_failed(machine):
    resolved(machine)
    machine.until(40 * SECOND)
    machine.send(echo("10.0.0.1", PEER))
    asked = questions(machine.until(48 * SECOND - 1))
    assert asked == [(PEER, False)] * 3
    assert state(machine) == "PROBE"
    machine.until(48 * SECOND)
    assert state(machine) == "FAILED"


def test_probe_answer_makes_it_reachable_again(machine):
    resolved(machine)
    machine.until(40 * SECOND)
    machine.send(echo("10.0.0.1", PEER))
    machine.until(45 * SECOND)
    machine.arp(PEER, 2, "10.0.0.1", reply=True)
    assert state(machine) == "REACHABLE"
    assert questions(machine.until(60 * SECOND)) == []


def test_delay_traffic_from_the_neighbour_confirms_it(machine):
    resolved(machine)
    machine.until(40 * SECOND)
    machine.send(echo("10.0.0.1", PEER))
    machine.packet(echo(PEER, "10.0.0.1", reply=True), sender=mac(2))
    assert state(machine) == "REACHABLE"


def test_two_answers_within_the_locktime_the_first_stays(machine):
    machine.send(echo("10.0.0.1", PEER))
    machine.arp(PEER, 2, "10.0.0.1", reply=True)
    machine.arp(PEER, 3, "10.0.0.1", reply=True, at=900 * MS)
    assert machine.neighbour(PEER).mac == mac(2)


def test_two_answers_the_second_after_the_locktime_replaces(machine):
    machine.send(echo("10.0.0.1", PEER))
    machine.arp(PEER, 2, "10.0.0.1", reply=True)
    machine.arp(PEER, 3, "10.0.0.1", reply=True, at=1100 * MS)
    assert machine.neighbour(PEER).mac == mac(3)


def test_request_of_an_unknown_machine_is_answered_and_remembered_as_stale(machine):
    out = machine.arp(PEER, 2, "10.0.0.1")
    assert answers(out) == [("10.0.0.1", str(machine.node.interfaces["eth0"].mac))]
    assert state(machine) == "STALE"
    assert machine.neighbour(PEER).mac == mac(2)


def test_request_for_somebody_else_is_neither_answered_nor_remembered(machine):
    assert machine.arp(PEER, 2, "10.0.0.9") == []
    assert state(machine) == "none"


def test_gratuitous_request_of_a_known_machine_that_changed_its_card_updates(machine):
    resolved(machine)
    machine.arp(PEER, 7, PEER, at=5 * SECOND)
    assert machine.neighbour(PEER).mac == mac(7)


def test_address_of_another_interface_is_answered_on_any():
    """arp_ignore 0: an address belongs to the machine, not to the interface."""
    machine = Machine(eth0="10.0.0.1/24", eth1="10.1.0.1/24")
    assert [address for address, _ in answers(machine.arp(PEER, 2, "10.1.0.1"))] == ["10.1.0.1"]


def test_loopback_address_is_never_answered(machine):
    assert machine.arp(PEER, 2, "127.0.0.1") == []


def test_address_probe_is_answered_without_remembering(machine):
    """RFC 5227 §2.1.1: the asker has no address yet."""
    assert [address for address, _ in answers(machine.arp("0.0.0.0", 2, "10.0.0.1"))] == ["10.0.0.1"]
    assert machine.node.link.neighbours.entries(0) == []


def test_asker_with_our_own_address_gets_no_answer(machine):
    assert machine.arp("10.0.0.1", 2, "10.0.0.1") == []


def test_asker_from_another_network_is_answered_unless_the_reverse_path_is_checked(machine):
    assert answers(machine.arp("172.16.0.1", 2, "10.0.0.1")) != []
    machine.node.sysctl.set("net.ipv4.conf.all.rp_filter", "1")
    assert machine.arp("172.16.0.2", 3, "10.0.0.1") == []


def test_interface_down_everything_waiting_and_known_is_forgotten(machine):
    machine.send(echo("10.0.0.1", PEER))
    machine.node.set_up(machine.node.interfaces["eth0"], up=False)
    assert machine.node.link.neighbours.entries(0) == []
    assert machine.until(10 * SECOND) == []


def test_permanent_neighbour_believes_nobody(machine):
    machine.know(PEER, 2)
    machine.arp(PEER, 3, "10.0.0.1", reply=True, at=60 * SECOND)
    assert machine.neighbour(PEER).mac == mac(2)
    assert machine.neighbour(PEER).state is NeighbourState.PERMANENT


def test_full_table_a_new_neighbour_is_refused(machine):
    for number in range(MAX_ENTRIES):
        machine.node.link.neighbours.create(
            machine.node.interfaces["eth0"], ip("10.0.1.0").__class__(number), NeighbourState.STALE
        )
    _, out = machine.send(udp("10.0.0.1", PEER))
    assert out == []


def test_proxy_arp_answers_for_what_it_can_reach_elsewhere():
    machine = Machine(forward=True, eth0="10.0.0.1/24", eth1="10.1.0.1/24")
    assert machine.arp(PEER, 2, "10.1.0.7") == []
    machine.node.sysctl.set("net.ipv4.conf.eth0.proxy_arp", "1")
    assert [
        address for address, _ in answers(machine.arp(PEER, 2, "10.1.0.7", at=SECOND) + machine.until(2 * SECOND))
    ] == ["10.1.0.7"]
    assert answers(machine.arp(PEER, 2, "10.0.0.9", at=3 * SECOND) + machine.until(4 * SECOND)) == [], (
        "on the same interface"
    )


def test_unicast_question_is_answered(machine):
    here = machine.node.interfaces["eth0"].mac
    asked = ArpPacket(REQUEST, mac(2), ip(PEER), Mac(0), ip("10.0.0.1"))
    assert len(answers(machine.put(Frame(here, mac(2), ETHERTYPE_ARP, asked)))) == 1
    assert len(answers(machine.put(Frame(mac(44), mac(2), ETHERTYPE_ARP, asked)))) == 0
    assert len(answers(machine.put(Frame(BROADCAST, mac(2), ETHERTYPE_ARP, asked)))) == 1
