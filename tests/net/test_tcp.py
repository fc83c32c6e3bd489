"""Two ends of a TCP connection and a fake wire between them."""

from __future__ import annotations

import heapq
from itertools import count
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labs.model.addresses import IPv4
from labs.net import tcp
from labs.net.tcp import TcpConnection, TcpSegment, TcpState

SECOND = 1_000_000_000
CLIENT, SERVER = (IPv4.parse("10.0.0.1"), 40000), (IPv4.parse("10.0.0.2"), 80)
RTT_NS = 1_000_000


class Pair:
    """A client and a server that is made by the first SYN; `fate` decides how long a segment takes, None loses it."""

    def __init__(self, fate=lambda pair, segment: RTT_NS // 2, *, first=0xFFFFF000, listening=True):
        self.now = 0
        self.fate = fate
        self.listening = listening
        self.sent: list[tuple[int, str, TcpSegment]] = []
        self.ended: dict[str, int] = {}
        self._queue: list = []
        self._serial = count()
        self.client = self._end("client", CLIENT, SERVER, first)
        self.server: TcpConnection | None = None

    def _end(self, name, local, remote, sequence):
        return TcpConnection(
            local,
            remote,
            sequence=sequence,
            emit=lambda _, segment: self._carry(name, segment),
            call_at=lambda when, action: heapq.heappush(self._queue, (when, next(self._serial), action)),
            ended=lambda _: self.ended.setdefault(name, self.now),
        )

    def _carry(self, name, segment):
        self.sent.append((self.now, name, segment))
        delay = self.fate(self, segment)
        if delay is not None:
            action = lambda: self._arrive(name, segment)  # noqa: E731
            heapq.heappush(self._queue, (self.now + delay, next(self._serial), action))

    def _arrive(self, sender, segment):
        if sender == "server":
            self.client.arrived(segment, self.now)
        elif self.server is not None:
            self.server.arrived(segment, self.now)
        elif self.listening and segment.flags & tcp.SYN:
            self.server = self._end("server", SERVER, CLIENT, 7)
            self.server.accept(segment, self.now)

    def run(self, until=1000 * SECOND, done=lambda: False):
        while self._queue and self._queue[0][0] <= until and not done():
            self.now, _, action = heapq.heappop(self._queue)
            action()
        if not done():
            self.now = max(self.now, until)

    def opened(self):
        self.client.open(self.now)
        self.run(self.now + SECOND // 2)
        assert self.client.state is TcpState.ESTABLISHED
        assert self.server.state is TcpState.ESTABLISHED
        return self


def test_syn_sent_answer_arrives_both_ends_are_established_after_three_segments():
    pair = Pair().opened()
    assert [segment.flags for _, _, segment in pair.sent] == [tcp.SYN, tcp.SYN | tcp.ACK, tcp.ACK]


def test_syn_sent_nobody_answers_gives_up_after_127_seconds():
    pair = Pair(lambda *_: None)
    pair.client.open(0)
    pair.run()
    assert pair.client.error == "Connection timed out"
    assert pair.ended["client"] == 127 * SECOND
    assert [at // SECOND for at, _, _ in pair.sent] == [0, 1, 3, 7, 15, 31, 63]


def test_syn_sent_reset_arrives_connection_is_refused():
    pair = Pair(listening=False)
    pair.client.open(0)
    syn = pair.sent[0][2]
    pair.client.arrived(TcpSegment(80, 40000, 0, syn.seq + 1, tcp.RST | tcp.ACK), 1)
    assert (pair.client.state, pair.client.error) == (TcpState.CLOSED, "Connection refused")


def test_syn_sent_reset_with_a_wrong_acknowledgement_is_ignored():
    pair = Pair(listening=False)
    pair.client.open(0)
    pair.client.arrived(TcpSegment(80, 40000, 0, 5, tcp.RST | tcp.ACK), 1)
    assert pair.client.state is TcpState.SYN_SENT


def test_syn_received_no_third_segment_gives_up_after_63_seconds():
    pair = Pair(lambda pair, segment: None if segment.flags == tcp.ACK else 1000)
    pair.client.open(0)
    pair.client.arrived = lambda *_: None
    pair.run(200 * SECOND)
    assert pair.server.state is TcpState.CLOSED
    assert pair.ended["server"] // SECOND == 63


def test_established_data_both_ways_arrives_whole():
    pair = Pair().opened()
    up, down = bytes(range(256)) * 300, b"answer" * 9000
    assert pair.client.send(up, pair.now)
    assert pair.server.send(down, pair.now)
    pair.run(pair.now + 10 * SECOND)
    assert pair.server.receive() == up
    assert pair.client.receive() == down


def test_established_much_data_never_more_than_a_window_in_flight():
    pair = Pair().opened()
    pair.client.send(bytes(200_000), pair.now)
    assert sum(len(segment.data) for _, _, segment in pair.sent) <= tcp.WINDOW + 1448


def test_established_program_does_not_read_window_closes_and_nothing_is_lost():
    pair = Pair().opened()
    total = tcp.MAX_BUFFER + 100_000
    for _ in range(total // 100_000):
        assert pair.client.send(bytes(100_000), pair.now)
        pair.run(pair.now + 5 * SECOND)
    assert all(segment.window >= 0 for _, _, segment in pair.sent)
    got = len(pair.server.receive())
    pair.run(pair.now + 200 * SECOND)
    assert got + len(pair.server.receive()) == total // 100_000 * 100_000


@pytest.mark.parametrize("first", ["client", "server"])
def test_established_one_end_closes_then_the_other_only_the_first_waits(first):
    pair = Pair().opened()
    ends = {"client": pair.client, "server": pair.server}
    other = "server" if first == "client" else "client"
    ends[first].close(pair.now)
    pair.run(pair.now + SECOND)
    assert ends[first].state is TcpState.FIN_WAIT_2
    assert ends[other].state is TcpState.CLOSE_WAIT
    assert ends[other].peer_done
    ends[other].close(pair.now)
    pair.run(pair.now + SECOND)
    assert ends[first].state is TcpState.TIME_WAIT
    assert ends[other].state is TcpState.CLOSED
    pair.run(pair.now + 60 * SECOND)
    assert ends[first].state is TcpState.CLOSED
    assert ends[first].error is None


def test_established_both_close_at_once_both_wait():
    pair = Pair().opened()
    pair.client.close(pair.now)
    pair.server.close(pair.now)
    pair.run(pair.now + SECOND)
    assert pair.client.state is pair.server.state is TcpState.TIME_WAIT


def test_close_wait_can_still_send():
    pair = Pair().opened()
    pair.client.close(pair.now)
    pair.run(pair.now + SECOND)
    assert pair.server.send(b"late", pair.now)
    pair.run(pair.now + SECOND)
    assert pair.client.receive() == b"late"


def test_established_close_with_data_queued_delivers_it_first():
    pair = Pair().opened()
    pair.client.send(bytes(50_000), pair.now)
    pair.client.close(pair.now)
    assert not pair.client.send(b"more", pair.now)
    pair.run(pair.now + SECOND)
    assert len(pair.server.receive()) == 50_000
    assert pair.server.peer_done


def test_established_abort_the_other_end_is_reset():
    pair = Pair().opened()
    pair.client.abort(pair.now)
    pair.run(pair.now + SECOND)
    assert (pair.server.state, pair.server.error) == (TcpState.CLOSED, "Connection reset by peer")


def test_established_reset_outside_the_window_is_ignored():
    pair = Pair().opened()
    pair.server.arrived(TcpSegment(40000, 80, 1, 0, tcp.RST), pair.now)
    assert pair.server.state is TcpState.ESTABLISHED


def test_established_reset_at_another_number_of_the_window_is_challenged():
    """RFC 5961 §3.2."""
    pair = Pair().opened()
    before = len(pair.sent)
    pair.server.arrived(TcpSegment(40000, 80, pair.client._send_next + 10, 0, tcp.RST), pair.now)
    assert pair.server.state is TcpState.ESTABLISHED
    assert [segment.flags for _, _, segment in pair.sent[before:]] == [tcp.ACK]


def test_time_wait_lost_acknowledgement_of_the_fin_is_sent_again():
    lost = []

    def fate(pair, segment):
        last = pair.client.state is TcpState.TIME_WAIT and not lost
        if last:
            lost.append(segment)
        return None if last else RTT_NS // 2

    pair = Pair(fate).opened()
    pair.client.close(pair.now)
    pair.run(pair.now + SECOND // 4)
    pair.server.close(pair.now)
    pair.run(pair.now + 5 * SECOND)
    assert lost
    assert pair.server.state is TcpState.CLOSED


def test_established_wire_cut_gives_up_after_fifteen_repetitions():
    cut = []
    pair = Pair(lambda *_: None if cut else RTT_NS // 2).opened()
    cut.append(True)
    pair.client.send(b"x", pair.now)
    pair.run(2000 * SECOND)
    assert pair.client.error == "Connection timed out"
    assert sum(segment.data == b"x" for _, _, segment in pair.sent) == 16
    assert 900 <= pair.ended["client"] / SECOND <= 950  # tcp(7): tcp_retries2, about 15 minutes


def test_long_way_nothing_is_sent_twice():
    """RFC 6298: the timer follows the measured round trip."""
    pair = Pair(lambda *_: 350_000_000)
    pair.client.open(0)
    pair.run(2 * SECOND)
    for _ in range(5):
        pair.client.send(b"hello", pair.now)
        pair.run(pair.now + 2 * SECOND)
    assert sum(segment.data == b"hello" for _, _, segment in pair.sent) == 5


@given(
    st.integers(0, 2**32),
    st.floats(0, 0.4),
    st.lists(st.binary(min_size=1, max_size=5000), min_size=1, max_size=5),
    st.binary(max_size=6000),
)
def test_any_loss_and_order_the_byte_stream_is_never_damaged(seed, loss, writes, answer):
    random = Random(seed)

    def fate(pair, segment):
        assert segment.window >= 0
        if random.random() < loss:
            return None
        return random.choice([100_000, 500_000, 5_000_000, 90_000_000])

    pair = Pair(fate, first=random.getrandbits(32))
    pair.client.open(0)
    pair.run(400 * SECOND, done=lambda: pair.client.state is not TcpState.SYN_SENT)
    if pair.client.state is not TcpState.ESTABLISHED:
        return
    for data in writes:
        pair.client.send(data, pair.now)
    pair.client.close(pair.now)
    pair.run(pair.now + 5000 * SECOND, done=lambda: pair.server.peer_done)
    got = pair.server.receive()
    sent = b"".join(writes)
    assert sent.startswith(got)
    if pair.server.error is None:
        assert got == sent
        if pair.server.state is TcpState.CLOSE_WAIT:
            pair.server.send(answer, pair.now)
            pair.server.close(pair.now)
            pair.run(pair.now + 5000 * SECOND)
            assert answer.startswith(pair.client.receive())
