"""Our machines against mosquitto 2: our client with its broker, its clients with our broker."""

from __future__ import annotations

import contextlib
import re
import selectors
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from labs.things.mosquitto_access import hash_password, parse_acl, parse_passwords
from labs.things.mosquitto_conf import parse_mosquitto_conf
from labs.things.mqtt.broker import Broker, Close, Effect, Log, Send
from labs.things.mqtt.client import Client, Connected, Event, Lost, Published, Received, Refused, Subscribed
from labs.things.mqtt.codec import Connect, Publish, Will

MOSQUITTO = shutil.which("mosquitto") or "/usr/sbin/mosquitto"
pytestmark = [
    pytest.mark.kernel,
    pytest.mark.skipif(not Path(MOSQUITTO).exists(), reason="mosquitto is not installed"),
    pytest.mark.skipif(shutil.which("mosquitto_sub") is None, reason="mosquitto-clients is not installed"),
]
ACL = "user garden\ntopic write home/garden/#\n\nuser viewer\ntopic read #\n"
PASSWORDS = f"garden:{hash_password('g1', 'a')}\nviewer:{hash_password('v1', 'b')}\n"
LONGEST_S = 30.0  # longer than anything takes on a busy machine
CONF = "allow_anonymous false\nlog_type all\nlog_timestamp false\n"


class RealBroker:
    """mosquitto on a port of loopback."""

    def __init__(self, folder: Path) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        folder.chmod(0o755)
        (folder / "acl").write_text(ACL)
        (folder / "pw").write_text(PASSWORDS)
        (folder / "m.conf").write_text(
            f"listener {self.port} 127.0.0.1\n{CONF}acl_file {folder}/acl\npassword_file {folder}/pw\nuser root\n"
        )
        self._process = subprocess.Popen(
            [MOSQUITTO, "-c", str(folder / "m.conf")], stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True
        )
        until = time.monotonic() + LONGEST_S
        while time.monotonic() < until:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port)):
                break
            threading.Event().wait(0.01)

    def stop(self) -> list[str]:
        self._process.terminate()
        return self._process.communicate(timeout=LONGEST_S)[1].splitlines()


class OurBroker:
    """The broker machine on real sockets: the shim that only tests need."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.setblocking(False)
        self.port = self._listener.getsockname()[1]
        self._broker = Broker(
            parse_mosquitto_conf(f"listener {self.port}\n{CONF}"),
            passwords=parse_passwords(PASSWORDS),
            access=parse_acl(ACL),
        )
        self._sockets: dict[int, socket.socket] = {}
        self._log: list[str] = []
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        with selectors.DefaultSelector() as selector:
            self._selector = selector
            selector.register(self._listener, selectors.EVENT_READ)
            while (ready := selector.select(0.05)) or not self._stopping.is_set():
                for key, _ in ready:
                    self._ready(key)
                self._perform(self._broker.wake(time.monotonic_ns()))
        for open_socket in [*self._sockets.values(), self._listener]:
            open_socket.close()

    def _ready(self, key: selectors.SelectorKey) -> None:
        now = time.monotonic_ns()
        if key.fileobj is self._listener:
            connection, (address, port) = self._listener.accept()
            number = connection.fileno()
            self._sockets[number] = connection
            self._selector.register(connection, selectors.EVENT_READ, number)
            self._perform(self._broker.opened(number, address, port, self.port, now))
            return
        try:
            data = self._sockets[key.data].recv(4096)
        except OSError:
            data = b""
        self._perform(self._broker.received(key.data, data, now) if data else self._broker.closed(key.data, now))

    def _perform(self, effects: list[Effect]) -> None:
        for effect in effects:
            match effect:
                case Send(number, data):
                    with contextlib.suppress(OSError):
                        self._sockets[number].sendall(data)
                case Close(number):
                    connection = self._sockets.pop(number)
                    self._selector.unregister(connection)
                    connection.close()
                case Log(_, text):
                    self._log.append(text)

    def stop(self) -> list[str]:
        self._stopping.set()
        self._thread.join(LONGEST_S)
        return self._log


@pytest.fixture(params=["ours", "real"])
def broker(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[RealBroker | OurBroker]:
    made = OurBroker() if request.param == "ours" else RealBroker(tmp_path)
    yield made
    made.stop()


def tool(name: str, port: int, *arguments: str) -> tuple[str, str, int]:
    done = subprocess.run(
        [name, "-h", "127.0.0.1", "-p", str(port), *arguments],
        capture_output=True,
        text=True,
        timeout=LONGEST_S,
        check=False,
    )
    return done.stdout, done.stderr, done.returncode


GARDEN = ("-u", "garden", "-P", "g1")
VIEWER = ("-u", "viewer", "-P", "v1")


def test_real_tools_answer_the_same_at_both_brokers(broker: RealBroker | OurBroker) -> None:
    """Every line was tried on mosquitto first; its answer stands here."""
    port = broker.port
    refused = "Connection error: Connection Refused: not authorised.\n"
    assert tool("mosquitto_pub", port, "-t", "a", "-m", "1") == (
        "",
        refused + "Error: The connection was refused.\n",
        5,
    )
    assert tool("mosquitto_sub", port, "-u", "viewer", "-P", "x", "-t", "#") == ("", refused, 5)
    for qos in "012":
        assert tool("mosquitto_pub", port, *GARDEN, "-t", "home/garden/t", "-m", f"q{qos}", "-q", qos, "-r") == (
            "",
            "",
            0,
        )
        assert tool("mosquitto_pub", port, *GARDEN, "-t", "home/other", "-m", "no", "-q", qos, "-r") == ("", "", 0)
        assert tool("mosquitto_sub", port, *VIEWER, "-t", "#", "-v", "-C", "1", "-q", qos) == (
            f"home/garden/t q{qos}\n",
            "",
            0,
        )
    assert tool("mosquitto_sub", port, *GARDEN, "-t", "home/garden/t", "-W", "1") == ("", "Timed out\n", 27)
    tool("mosquitto_pub", port, *GARDEN, "-t", "home/garden/t", "-r", "-n")
    assert tool("mosquitto_sub", port, *VIEWER, "-t", "home/garden/#", "-W", "1")[2] == 27


def test_debug_output_of_the_real_tools_is_the_same_at_both_brokers(broker: RealBroker | OurBroker) -> None:
    out, _, _ = tool(
        "mosquitto_pub", broker.port, *GARDEN, "-i", "x", "-t", "home/garden/t", "-m", "21", "-q", "2", "-d"
    )
    assert out.splitlines() == [
        "Client x sending CONNECT",
        "Client x received CONNACK (0)",
        "Client x sending PUBLISH (d0, q2, r0, m1, 'home/garden/t', ... (2 bytes))",
        "Client x received PUBREC (Mid: 1)",
        "Client x sending PUBREL (m1)",
        "Client x received PUBCOMP (Mid: 1, RC:0)",
        "Client x sending DISCONNECT",
    ]


class Talk:
    """Our client machine on a real socket."""

    def __init__(self, port: int, hello: Connect) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=LONGEST_S)
        self.client = Client(hello, time.monotonic_ns())
        self.events: list[Event] = []

    def until(self, done: Callable[[Event], bool]) -> Event:
        """The first event that fits."""
        while True:
            self.flush()
            for index, event in enumerate(self.events):
                if done(event):
                    del self.events[: index + 1]
                    return event
            try:
                data = self.socket.recv(4096)
            except ConnectionResetError:
                data = b""
            self.events += self.client.receive(data, time.monotonic_ns()) if data else [Lost("closed")]

    def flush(self) -> None:
        self.socket.sendall(self.client.outgoing())

    def close(self) -> None:
        self.client.disconnect(time.monotonic_ns())
        with contextlib.suppress(OSError):
            self.flush()
        self.socket.close()


def talk(port: int, client_id: str, user: str = "viewer", password: bytes = b"v1", **options: object) -> Talk:
    made = Talk(port, Connect(client_id, username=user, password=password, **options))  # type: ignore[arg-type]
    made.until(lambda event: isinstance(event, (Connected, Refused)))
    return made


def test_our_client_speaks_every_qos_with_both_brokers(broker: RealBroker | OurBroker) -> None:
    now = time.monotonic_ns()
    reader, writer = talk(broker.port, "reader"), talk(broker.port, "writer", "garden", b"g1")
    reader.client.subscribe([("home/#", 2)], now)
    assert reader.until(lambda event: isinstance(event, Subscribed)) == Subscribed(1, (2,))
    for qos in (0, 1, 2):
        number = writer.client.publish("home/garden/t", b"%d" % qos, now, qos=qos)
        if qos:
            assert writer.until(lambda event: isinstance(event, Published)) == Published(number)
        writer.flush()
        event = reader.until(lambda event: isinstance(event, Received))
        assert isinstance(event, Received)
        assert event.message[:3] == Publish("home/garden/t", b"%d" % qos, qos)[:3]
    reader.close()
    writer.close()


def test_wrong_password_is_refused_with_5_by_both_brokers(broker: RealBroker | OurBroker) -> None:
    intruder = Talk(broker.port, Connect("x", username="viewer", password=b"no"))
    assert intruder.until(lambda _: True) == Refused(5)
    intruder.close()


def test_second_client_of_one_id_pushes_the_first_out_and_its_will_is_published(broker: RealBroker | OurBroker) -> None:
    now = time.monotonic_ns()
    watcher = talk(broker.port, "watcher")
    watcher.client.subscribe([("home/garden/status", 0)], now)
    watcher.until(lambda event: isinstance(event, Subscribed))
    first = talk(broker.port, "twin", "garden", b"g1", will=Will("home/garden/status", b"lost"))
    second = talk(broker.port, "twin", "garden", b"g1")
    assert isinstance(first.until(lambda event: isinstance(event, Lost)), Lost)
    event = watcher.until(lambda event: isinstance(event, Received))
    assert isinstance(event, Received)
    assert event.message.payload == b"lost"
    for each in (watcher, first, second):
        each.close()


def test_persistent_session_gets_what_it_missed_from_both_brokers(broker: RealBroker | OurBroker) -> None:
    now = time.monotonic_ns()
    reader = talk(broker.port, "keeper", clean=False)
    reader.client.subscribe([("home/garden/t", 1)], now)
    reader.until(lambda event: isinstance(event, Subscribed))
    reader.close()
    writer = talk(broker.port, "writer", "garden", b"g1")
    writer.client.publish("home/garden/t", b"missed", now, qos=1)
    writer.until(lambda event: isinstance(event, Published))
    back = Talk(broker.port, Connect("keeper", clean=False, username="viewer", password=b"v1"))
    assert back.until(lambda event: isinstance(event, Connected)) == Connected(session_present=True)
    event = back.until(lambda event: isinstance(event, Received))
    assert isinstance(event, Received)
    assert event.message.payload == b"missed"
    back.close()
    writer.close()


def _story(port: int, seconds: int) -> None:
    patience = ("-W", str(seconds))
    tool("mosquitto_pub", port, "-t", "a", "-m", "1")
    tool("mosquitto_pub", port, *GARDEN, "-i", "pub", "-t", "home/garden/t", "-m", "21", "-q", "1", "-r")
    tool("mosquitto_pub", port, *GARDEN, "-i", "pub", "-t", "home/x", "-m", "21")
    tool("mosquitto_sub", port, *VIEWER, "-i", "sub", "-t", "home/#", "-t", "b", "-q", "1", "-C", "1", "-k", "30")
    tool("mosquitto_sub", port, *VIEWER, "-i", "sub", "-t", "c", "-U", "b", *patience)
    tool(
        "mosquitto_pub",
        port,
        *GARDEN,
        "-i",
        "pub",
        "-t",
        "home/garden/t",
        "-m",
        "2",
        "-q",
        "2",
        "--will-topic",
        "home/garden/w",
    )
    five = (*GARDEN, "-V", "5", "-i", "five")
    for qos in "012":
        tool("mosquitto_pub", port, *five, "-t", "home/garden/t", "-m", "5", "-q", qos)
        tool("mosquitto_pub", port, *five, "-t", "not/mine", "-m", "5", "-q", qos)
    tool("mosquitto_pub", port, "-V", "5", "-i", "nobody", "-t", "x", "-m", "1")
    tool("mosquitto_sub", port, *VIEWER, "-V", "5", "-i", "eyes", "-t", "home/#", "-t", "x", "-U", "x", *patience)
    tool("mosquitto_sub", port, *VIEWER, "-V", "5", "-i", "eyes", "-c", "-x", "60", "-t", "home/#", "-E")
    tool("mosquitto_sub", port, *VIEWER, "-V", "5", "-i", "eyes", "-c", "-x", "60", "-t", "home/#", "-E")
    tool("mosquitto_pub", port, "-t", "end", "-m", "1")  # when this one is let in, the goodbyes before it are logged


@pytest.mark.parametrize(
    "arguments",
    [
        ("mosquitto_pub", *GARDEN, "-t", "not/mine", "-m", "1", "-q", "1", "-d"),
        ("mosquitto_pub", *GARDEN, "-t", "not/mine", "-m", "1", "-q", "2", "-d"),
        ("mosquitto_pub", *GARDEN, "-t", "home/garden/t", "-m", "1", "-q", "1", "-d"),
        ("mosquitto_pub", "-t", "x", "-m", "1"),
        ("mosquitto_sub", "-t", "x", "-E", "-d"),
        ("mosquitto_sub", *VIEWER, "-t", "home/#", "-E", "-d"),
    ],
)
def test_real_client_of_version_5_is_answered_alike(arguments: tuple[str, ...], tmp_path: Path) -> None:
    answers = []
    for broker in (OurBroker(), RealBroker(tmp_path)):
        name, *rest = arguments
        out, error, status = tool(name, broker.port, "-V", "5", *rest)
        answers.append((re.sub(r"auto-[0-9A-F-]{36}", "AUTO", out), error, status))
        broker.stop()
    assert answers[0] == answers[1]


def test_properties_pass_through_both_brokers_alike(tmp_path: Path) -> None:
    """Of the expiry interval the seconds are gone that passed on the way: at most those that were measured."""
    for broker in (OurBroker(), RealBroker(tmp_path)):
        about = ("-D", "publish", "user-property", "unit", "C", "-D", "publish", "message-expiry-interval", "60")
        kept = ("-r", "-D", "publish", "content-type", "text/plain", "-D", "publish", "topic-alias", "1")
        began = time.monotonic()
        tool("mosquitto_pub", broker.port, *GARDEN, "-V", "5", "-t", "home/garden/t", "-m", "7", *about, *kept)
        seen = ("-t", "home/#", "-C", "1", "-W", "20", "-F", "%t %p %r %E %P %C %A")
        out, error, status = tool("mosquitto_sub", broker.port, *VIEWER, "-V", "5", *seen)
        passed = int(time.monotonic() - began) + 1  # mosquitto counts on a clock of whole seconds
        broker.stop()
        assert (error, status) == ("", 0)
        assert out in {f"home/garden/t 7 1 {60 - late} unit:C text/plain \n" for late in range(passed + 1)}


def _logs(folder: Path, seconds: int) -> list[list[str]]:
    """What both brokers write of the story, in which clients give up after so many seconds."""
    logs = []
    for broker in (OurBroker(), RealBroker(folder)):
        _story(broker.port, seconds)
        lines = [
            re.sub(r"127\.0\.0\.1:\d+", "ADDRESS", line).replace(str(broker.port), "PORT") for line in broker.stop()
        ]
        start = next(index for index, line in enumerate(lines) if "CONNACK" in line) - 1
        end = max(index for index, line in enumerate(lines) if "New connection" in line)
        logs.append(lines[start:end])
    return logs


def test_both_brokers_log_the_same_lines(tmp_path: Path) -> None:
    """Where a second was too short for a client on a busy machine, ten are not."""
    ours, real = _logs(tmp_path, 1)
    if ours != real:
        ours, real = _logs(tmp_path, 10)
    assert ours == real
