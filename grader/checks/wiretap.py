"""Judge of `no_plaintext`: listen in at the ports of devices while they report, and look for what they said."""

from __future__ import annotations

import tomllib

from grader.checks.context import Context
from grader.checks.hearing import Recording, listen, nothing_heard
from grader.evidence import quoted
from grader.verdict import Finding, Unjudgeable, Verdict
from labs.engines.base import CommandRejected
from labs.messages import Message, message
from labs.model.site import Device
from labs.net.ethernet import Frame
from labs.net.ipv4 import Ipv4Packet
from labs.net.ipv6 import Ipv6Packet
from labs.net.pcap import PcapError, read
from labs.net.tcp import TcpSegment
from labs.net.udp import UdpDatagram
from labs.scenario.data_intents import NoPlaintext

__all__ = ["judge_no_plaintext"]

MOST_FRAMES = 3000
SHORTEST = 6  # bytes; anything shorter is found in any capture by chance
HALF = 1 << 31  # half of all sequence numbers


def judge_no_plaintext(context: Context, body: NoPlaintext) -> Finding:
    """The devices report, which the broker confirms; what they reported is searched in every frame they exchanged."""
    for name in body.devices:
        for port in context.site.devices[name].ports:
            context.engine.run(
                name, f"tcpdump -i {port.name} -c {MOST_FRAMES} -w {_file(port.name)} 'tcp or udp' > /dev/null 2>&1 &"
            )
    context.recordings.clear()  # what is said has to be said while somebody listens in
    recording = listen(context, body)
    if not recording.on(body.topic):
        return nothing_heard(recording, body, body.topic, Verdict.BLOCKED)
    for name in body.devices:
        finding = _searched(context, name, body, recording)
        if finding is not None:
            return finding
    return Finding(
        Verdict.PASS,
        message(
            "{count} messages reached the broker, and none can be read on the way",
            count=len(recording.on(body.topic)),
        ),
    )


def _file(port: str) -> str:
    return f"/run/wiretap-{port}.pcap"


def _searched(context: Context, name: str, body: NoPlaintext, recording: Recording) -> Finding | None:
    """What can be read at one device, or why nothing was proved there."""
    device = context.site.devices[name]
    if device.state is None:
        return Finding(Verdict.BLOCKED, message("{device} has no power", device=name))
    data = [piece for port in device.ports for piece in _exchanged(context, name, port.name)]
    if not data:
        return Finding(Verdict.BLOCKED, message("{device} sent nothing, so nothing could be read", device=name))
    for password in _passwords(device):
        if any(password.encode() in piece for piece in data):
            return _readable(message("the password of {device} can be read on the wire", device=name), "")
    spoken = recording.on(body.topic)
    for heard in spoken:
        for text in (heard.payload, heard.topic.encode()):
            if len(text) >= SHORTEST and any(text in piece for piece in data):
                return _readable(
                    message("what {device} says on {topic} can be read on the wire", device=name, topic=heard.topic),
                    text.decode(errors="replace"),
                )
    return None


def _readable(text: Message, read: str) -> Finding:
    help_ = message("tcpdump -A on the way shows it to anybody; TLS (port 8883) hides it")
    return Finding(Verdict.FAIL, text, help=help_, evidence=quoted([read] if read else ()))


def _exchanged(context: Context, name: str, port: str) -> list[bytes]:
    """What went over one port in TCP segments and UDP datagrams. The file is removed again.

    Raises Unjudgeable where the capture had ended by itself: what was said after that was not kept.
    """
    listened_on = context.engine.run(name, f"pkill -f {_file(port)}").status == 0
    try:
        text = context.engine.read_file(name, _file(port)).decode("latin-1")
        frames = [frame for _, frame in read(text)]
    except (CommandRejected, PcapError):
        return []
    context.engine.run(name, f"rm -f {_file(port)}")
    if frames and not listened_on:
        raise Unjudgeable(
            message("{device} exchanged more frames than can be searched; judge for a shorter time", device=name)
        )
    return _spoken(frames)


def _spoken(frames: list[Frame]) -> list[bytes]:
    """Datagrams, and what each side of each connection said, put together: a segment may hold no more than 36 bytes."""
    said: dict[tuple[object, ...], dict[int, bytes]] = {}
    datagrams = []
    for frame in frames:
        packet = frame.payload
        if not isinstance(packet, Ipv4Packet | Ipv6Packet):
            continue
        inner = packet.payload
        if isinstance(inner, UdpDatagram):
            datagrams.append(inner.data)
        elif isinstance(inner, TcpSegment) and inner.data:
            pieces = said.setdefault((packet.src, packet.dst, inner.sport, inner.dport), {})
            first = next(iter(pieces), inner.seq)
            number = first + (inner.seq - first + HALF) % (2 * HALF) - HALF  # RFC 9293 §3.4: numbers go round
            pieces[number] = max(pieces.get(number, b""), inner.data, key=len)
    return datagrams + [b"".join(data for _, data in sorted(pieces.items())) for pieces in said.values()]


def _passwords(device: Device) -> list[str]:
    """The passwords in the TOML files of a thing."""
    found = []
    for path, text in device.files.items():
        if path.startswith("/etc/") and path.endswith(".toml"):
            try:
                document = tomllib.loads(text)
            except tomllib.TOMLDecodeError:
                continue
            for table in document.values():
                password = table.get("password") if isinstance(table, dict) else None
                if isinstance(password, str) and len(password) >= SHORTEST:
                    found.append(password)
    return found
