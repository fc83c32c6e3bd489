"""Retained messages of a site, from the simulator's file to the database that the real mosquitto reads."""

from __future__ import annotations

import json
import os
import struct

from labs.net.process import Process

__all__ = ["convert_retained", "database"]

PATH = "/var/lib/mosquitto/mosquitto.db"
MAGIC = b"\x00\xb5\x00mosquitto db"
VERSION = 6  # mosquitto 2.0, persist.h
CHUNK_CONFIG, CHUNK_MESSAGE, CHUNK_RETAINED = 1, 2, 4


def database(messages: list[tuple[str, bytes, int]]) -> bytes:
    """A mosquitto.db (version 6) with these retained messages: topic, payload, QoS."""
    parts = [MAGIC, struct.pack("!II", 0, VERSION)]
    parts.append(_chunk(CHUNK_CONFIG, struct.pack("=QBBxxxxxx", len(messages), 0, 8)))
    for number, (topic, payload, qos) in enumerate(messages, start=1):
        name = topic.encode()
        # Numbers of messages and times are of the machine, lengths and the port in network order (persist_write_v5.c).
        head = struct.pack("=Qq", number, 0)
        head += struct.pack("!IHHHHHBB", len(payload), 0, 0, 0, len(name), 0, qos, 1)
        parts.append(_chunk(CHUNK_MESSAGE, head + name + payload))
    parts += [_chunk(CHUNK_RETAINED, struct.pack("=Q", number + 1)) for number in range(len(messages))]
    return b"".join(parts)


def _chunk(kind: int, body: bytes) -> bytes:
    return struct.pack("!II", kind, len(body)) + body


def convert_retained(process: Process) -> None:
    """Write the database anew where the file is still the simulator's."""
    try:
        with open(PATH, "rb") as file:
            text = file.read(1 << 22)
    except OSError:
        return
    if text.startswith(MAGIC):
        return
    messages = []
    for line in text.decode("utf-8", "replace").splitlines():
        try:
            found = json.loads(line)
            messages.append((str(found["topic"]), str(found["payload"]).encode(), int(found.get("qos", 0))))
        except (ValueError, KeyError, TypeError):
            process.print(f"{PATH}: a line that is no message is left out")
    with open(PATH, "wb") as file:
        file.write(database(messages))
    os.chmod(os.path.dirname(PATH), 0o777)
    os.chmod(PATH, 0o666)
