"""Brokers as one more filter: which client may publish and receive what, and the line of a file that decides.

What the broker does is asked of the functions that it asks itself (`labs.things.mosquitto_access`). Its files are read
as they stand; a broker that has not read them again is named (`Limit.STALE_BROKER`), and packets decide.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from grader.evidence import Quoted, Row
from grader.reach.scope import Limit, OutOfScope
from grader.reach.topics import topic_classes
from labs.messages import Message, message
from labs.things.mosquitto_access import AccessList, Direction, Passwords, parse_acl, parse_passwords
from labs.things.mosquitto_conf import CONFIG_PATH, BrokerConfig, ConfigError, ListenerConfig, parse_mosquitto_conf
from labs.things.mqtt.topics import matches

if TYPE_CHECKING:
    from labs.model.site import Device

__all__ = ["Admission", "BrokerFilter", "Client", "Speech", "is_stale", "speech_of"]

UNIT = "mosquitto"
LOCAL_PORT = 1883
LOCAL = frozenset({"127.0.0.1", "localhost"})


class Speech(StrEnum):
    """How a port wants to be spoken to. Closed."""

    PLAIN = "plain"
    TLS = "TLS"
    SSH = "SSH"
    SILENT = "nobody listens"


@dataclass(frozen=True, slots=True)
class Client:
    """Who comes: a name and a password, or neither. `client_id` counts where a pattern of the list has `%c`."""

    user: str = ""
    password: str = ""
    client_id: str = ""


@dataclass(frozen=True, slots=True)
class Admission:
    """What the broker says to a client, and the file and line that says so. `because` is text where a file is wrong."""

    holds: bool
    because: Message | Speech | str
    where: str = ""

    @property
    def evidence(self) -> Row:
        """The same, to be shown."""
        if isinstance(self.because, Message):
            return Row("", self.because, where=self.where)
        if isinstance(self.because, Speech):
            return Row("", message("the port speaks {speech}", speech=Message(self.because.value)), where=self.where)
        return Row("", Quoted(self.because), where=self.where)

    def __bool__(self) -> bool:
        return self.holds


class BrokerFilter:
    """The files of one device that runs mosquitto. Raises ConfigError where the broker would not start with them."""

    def __init__(self, device: Device) -> None:
        self._files = device.files
        self._name = device.name
        text = device.files.get(CONFIG_PATH)
        if text is None:
            message = f"{device.name} has no {CONFIG_PATH}"
            raise ConfigError(message)
        self.config: BrokerConfig = parse_mosquitto_conf(text, CONFIG_PATH, self._folder)
        self.running = device.state is not None and device.state.units.get(UNIT) == "active"
        self._stale = device.state is not None and UNIT in device.state.stale_units
        self.passwords: Passwords | None = None
        self.access: AccessList | None = None
        if self.config.password_file:
            self.passwords = parse_passwords(self._read(self.config.password_file), self.config.password_file)
        if self.config.acl_file:
            self.access = parse_acl(self._read(self.config.acl_file), self.config.acl_file)

    def _read(self, path: str) -> str:
        if path not in self._files:
            message = f'Error: Unable to open "{path}".'
            raise ConfigError(message)
        return self._files[path]

    def _folder(self, folder: str) -> list[tuple[str, str]] | None:
        inside = sorted((path, text) for path, text in self._files.items() if path.startswith(folder.rstrip("/") + "/"))
        return inside or None

    @property
    def limits(self) -> tuple[OutOfScope, ...]:
        """Why an answer is no proof."""
        found = []
        if self._stale:
            found.append(OutOfScope(self._name, Limit.STALE_BROKER, CONFIG_PATH))
        if any(listener.require_certificate or listener.use_identity_as_username for listener in self.listeners):
            found.append(OutOfScope(self._name, Limit.CLIENT_CERTIFICATE, CONFIG_PATH))
        return tuple(found)

    @property
    def listeners(self) -> tuple[ListenerConfig, ...]:
        """The ports; without any in the file one that only the machine itself can reach."""
        return self.config.listeners or (ListenerConfig(LOCAL_PORT, "127.0.0.1"),)

    def ports(self, *, tls: bool | None, local: bool) -> list[int]:
        """The ports that a client can try, plain ones first; from elsewhere none of the machine itself alone."""
        return [
            listener.port
            for listener in sorted(self.listeners, key=lambda listener: listener.tls)
            if (tls is None or listener.tls == tls) and (local or listener.address not in LOCAL)
        ]

    def speech(self, port: int) -> Admission:
        """How a port is spoken to; false where nobody of the broker listens there. `because` is a `Speech`.

        A port may have several listeners, each at an address of its own: one that is plain makes the port plain. Those
        of the machine itself alone count where there is no other.
        """
        here = [known for known in self.listeners if known.port == port]
        listeners = [known for known in here if known.address not in LOCAL] or here
        if not listeners or not self.running:
            return Admission(holds=False, because=Speech.SILENT)
        listener = min(listeners, key=lambda known: known.tls)
        spoken = Speech.TLS if listener.tls else Speech.PLAIN
        return Admission(holds=True, because=spoken, where=self._listener_line(listener))

    def _listener_line(self, listener: ListenerConfig) -> str:
        """Where a listener stands: in the main file, or in one that it includes."""
        exact = f"listener {listener.port} {listener.address}"
        folder = posixpath.dirname(CONFIG_PATH) + "/"
        included = sorted(path for path in self._files if path.startswith(folder) and path.endswith(".conf"))
        for phrases in ((exact,), (f"listener {listener.port}", f"port {listener.port}")):
            for path in (CONFIG_PATH, *included):
                where = self._line(path, *phrases)
                if where != path:
                    return where
        return CONFIG_PATH

    def admits(self, client: Client) -> Admission:
        """Whether a client is let in at all."""
        if not client.user or self.passwords is None:
            said = message("anybody is let in") if self.config.anonymous else message("nobody is let in without a name")
            return Admission(self.config.anonymous, said, self._line(CONFIG_PATH, "allow_anonymous"))
        path = self.config.password_file
        where = self._line(path, f"{client.user}:")
        if client.user not in self.passwords.hashes:
            return Admission(holds=False, because=message("{user} is unknown", user=client.user), where=path)
        if not self.passwords.accepts(client.user, client.password.encode()):
            wrong = message("the password is not that of {user}", user=client.user)
            return Admission(holds=False, because=wrong, where=where)
        return Admission(holds=True, because=message("{user} is let in", user=client.user), where=where)

    def permits(self, client: Client, direction: Direction, topic: str) -> Admission:
        """Whether a client that is in may publish or receive on a topic, and the line that says so."""
        writes = direction is Direction.WRITE
        values = {"who": client.user or message("anybody"), "topic": topic}
        if writes and topic.startswith("$SYS"):
            return Admission(holds=False, because=message("nobody may publish on {topic}", topic=topic))
        if self.access is None:
            free = (
                message("no list says that {who} may not publish on {topic}", **values)
                if writes
                else message("no list says that {who} may not receive {topic}", **values)
            )
            return Admission(holds=True, because=free, where=CONFIG_PATH)
        may = self.access.permits(direction, topic, client.user or None, client.client_id)
        if writes:
            said = message("{who} may publish on {topic}" if may else "{who} may not publish on {topic}", **values)
        else:
            said = message("{who} may receive {topic}" if may else "{who} may not receive {topic}", **values)
        return Admission(may, said, self._deciding_line(client, direction, topic, may=may))

    def _deciding_line(self, client: Client, direction: Direction, topic: str, *, may: bool) -> str:
        """The line of the list that allows or denies; the list itself where none does."""
        path, user = self.config.acl_file, ""
        denied, allowed = "", ""
        for number, raw in enumerate(self._read(path).split("\n"), 1):
            word, _, rest = raw.strip().partition(" ")
            rest = rest.strip()
            if word == "user":
                user = rest
            elif word == "pattern" or (word == "topic" and user == client.user):
                access, _, pattern = rest.partition(" ")
                if access not in ("read", "write", "readwrite", "deny"):
                    access, pattern = "readwrite", rest
                pattern = pattern.strip().replace("%u", client.user).replace("%c", client.client_id)
                if matches(pattern, topic):
                    if access == "deny":
                        denied = denied or f"{path}:{number}"
                    elif access in ("readwrite", direction.value):
                        allowed = allowed or f"{path}:{number}"
        return (allowed if may else denied) or path

    def _line(self, path: str, *words: str) -> str:
        """`file:line` of the first line that begins with one of the phrases (a colon ends a word), or the file."""
        for number, raw in enumerate(self._files.get(path, "").split("\n"), 1):
            line = " ".join(raw.split()) + " "
            if any(line.startswith(phrase if phrase.endswith(":") else phrase + " ") for phrase in words):
                return f"{path}:{number}"
        return path

    def filters(self, client: Client) -> list[str]:
        """Every filter that the list has for a client."""
        if self.access is None:
            return []
        found = [pattern for _, pattern in self.access.users.get(client.user or None, ())]
        found += [
            pattern.replace("%u", client.user).replace("%c", client.client_id) for _, pattern in self.access.patterns
        ]
        return list(dict.fromkeys(found))

    def topics(self, client: Client, also: tuple[str, ...] = ()) -> Mapping[frozenset[int], str]:
        """One topic for each class that the list, for this client, and the filters `also` tell apart."""
        return topic_classes([*self.filters(client), *also])

    def unreadable(self, client: Client) -> tuple[str, Admission] | None:
        """A topic that a client may not receive, with what says so; None where it may receive every one.

        Topics that begin with `$` are left out: no filter that begins with a wildcard matches them.
        """
        for direction, topic, answer in self.everything(client):
            if direction is Direction.READ and not answer and not topic.startswith("$"):
                return topic, answer
        return None

    def everything(self, client: Client) -> Iterator[tuple[Direction, str, Admission]]:
        """For every class of topics and both directions, what the list says: by an example."""
        for topic in self.topics(client).values():
            for direction in Direction:
                yield direction, topic, self.permits(client, direction, topic)


def speech_of(device: Device, port: int) -> Admission:
    """How a TCP port of a device wants to be spoken to, by the program that listens and its file.

    Raises ConfigError where the files of the broker that listens there are no longer sound.
    """
    known = device.state.listeners if device.state is not None else ()
    programs = {posixpath.basename(one.program) for one in known if (one.protocol, one.port) == ("tcp", port)}
    if not programs:
        return Admission(holds=False, because=Speech.SILENT)
    if UNIT in programs:
        return BrokerFilter(device).speech(port)
    if "nginx" in programs:
        return _web(device, port)
    return Admission(holds=True, because=Speech.SSH if "sshd" in programs else Speech.PLAIN)


def is_stale(device: Device, port: int) -> bool:
    """The program on a port has not read its files again, so they do not tell how it speaks."""
    if device.state is None:
        return False
    programs = {posixpath.basename(one.program) for one in device.state.listeners if one.port == port}
    return bool(programs & device.state.stale_units)


def _web(device: Device, port: int) -> Admission:
    """By the `listen` lines of nginx for a port: one with ssl makes its address TLS, one address without is plain."""
    encrypted: dict[str, bool] = {}
    lines: dict[str, str] = {}
    for path in (path for path in sorted(device.files) if path.startswith("/etc/nginx/")):
        for number, raw in enumerate(device.files[path].split("\n"), 1):
            words = raw.split("#")[0].replace(";", " ").replace("{", " ").split()
            if "listen" not in words[:-1]:
                continue
            place, *flags = words[words.index("listen") + 1 :]
            address, _, number_of_port = place.rpartition(":")
            if number_of_port == str(port):
                encrypted[address] = encrypted.get(address, False) or "ssl" in flags
                lines.setdefault(address, f"{path}:{number}")
    outside = [address for address in lines if address not in LOCAL] or list(lines)
    if not outside:
        return Admission(holds=True, because=Speech.PLAIN)
    shown = min(outside, key=lambda address: encrypted[address])
    speech = Speech.TLS if encrypted[shown] else Speech.PLAIN
    return Admission(holds=True, because=speech, where=lines[shown])
