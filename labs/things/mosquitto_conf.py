"""mosquitto.conf as mosquitto 2.0 reads it, in its words for mistakes, and the file in which retained messages survive.

Before changing this file read mosquitto.conf(5). Options that change nothing here are accepted; bridges, plugins and
WebSockets are refused by name. The database is ours: one JSON object per line (mosquitto's own is binary).
"""

from __future__ import annotations

import json
import posixpath
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import NamedTuple

from labs.things.mqtt.properties import Properties

__all__ = [
    "BrokerConfig",
    "ConfigError",
    "ListenerConfig",
    "Retained",
    "parse_mosquitto_conf",
    "parse_retained",
    "retained_file",
    "retained_line",
]

CONFIG_PATH = "/etc/mosquitto/mosquitto.conf"
DEFAULT_PORT = 1883
DATABASE = "/var/lib/mosquitto/mosquitto.db"
LOG_TYPES = frozenset(
    "debug error information notice warning subscribe unsubscribe internal websockets none all".split()
)
DEFAULT_LOG_TYPES = frozenset({"error", "warning", "notice", "information"})
LOG_DESTINATIONS = frozenset({"none", "syslog", "stdout", "stderr", "topic", "file", "dlt"})
EXIT_INVALID = 3  # MOSQ_ERR_INVAL
EXIT_UNKNOWN = 13  # MOSQ_ERR_UNKNOWN
MAX_INCLUDES = 64

# Options that have a value and no effect on a simulated broker.
WITHOUT_EFFECT = frozenset(
    "ciphers ciphers_tls1.3 dhparamfile "
    "allow_duplicate_messages autosave_interval autosave_on_changes check_retain_source log_facility memory_limit "
    "persistent_client_expiration pid_file queue_qos0_messages set_tcp_nodelay socket_domain store_clean_interval "
    "upgrade_outgoing_qos user websockets_log_level".split()
)
NOT_SIMULATED = {
    **dict.fromkeys(
        "capath crlfile psk_file psk_hint tls_engine tls_engine_kpass_sha1 tls_keyform use_subject_as_username".split(),
        "TLS",
    ),
    **dict.fromkeys(
        "address addresses bridge_attempt_unsubscribe bridge_bind_address bridge_cafile bridge_capath bridge_certfile "
        "bridge_identity bridge_insecure bridge_keyfile bridge_protocol_version bridge_psk cleansession connection "
        "local_clientid notification_topic notifications remote_clientid remote_password remote_username "
        "restart_timeout start_type threshold topic try_private".split(),
        "a bridge to another broker",
    ),
    **dict.fromkeys(
        "auth_plugin auth_plugin_deny_special_chars plugin plugin_opt_config_file clientid_prefixes "
        "http_dir max_inflight_bytes max_qos max_queued_bytes max_topic_alias "
        "mount_point retain_available use_username_as_clientid websockets_headers_size".split(),
        "",
    ),
}


class ConfigError(Exception):
    """A configuration that the broker does not start with: the lines that it prints, and its exit status."""

    def __init__(self, *lines: str, status: int = EXIT_INVALID) -> None:
        super().__init__(" ".join(lines))
        self.lines = lines
        self.status = status


class ListenerConfig(NamedTuple):
    """A port, the address or name it is bound to (None: every address), and what counts for its clients alone."""

    port: int
    address: str | None = None
    interface: str = ""
    max_connections: int = -1
    cafile: str = ""
    certfile: str = ""
    keyfile: str = ""
    require_certificate: bool = False
    use_identity_as_username: bool = False
    tls_version: str = ""

    @property
    def tls(self) -> bool:
        """True where clients have to speak TLS."""
        return bool(self.certfile and self.keyfile)


@dataclass(frozen=True, slots=True)
class BrokerConfig:
    """What mosquitto.conf says. Without a listener the broker accepts clients of its own machine alone."""

    listeners: tuple[ListenerConfig, ...] = ()
    allow_anonymous: bool | None = None
    password_file: str = ""
    acl_file: str = ""
    persistence: bool = False
    persistence_location: str = ""
    persistence_file: str = "mosquitto.db"
    log_types: frozenset[str] = DEFAULT_LOG_TYPES
    log_files: tuple[str, ...] = ()
    log_journal: bool = True
    log_timestamp: bool = True
    log_timestamp_format: str = ""
    connection_messages: bool = True
    allow_zero_length_clientid: bool = True
    auto_id_prefix: str = "auto-"
    max_inflight_messages: int = 20
    max_queued_messages: int = 1000
    max_keepalive: int = 65535
    message_size_limit: int = 0
    max_packet_size: int = 0
    sys_interval: int = 10
    warnings: tuple[str, ...] = ()

    @property
    def local_only(self) -> bool:
        """True where no listener is defined."""
        return not self.listeners

    @property
    def anonymous(self) -> bool:
        """Whether clients without a user name are let in: by default only in local only mode."""
        return self.local_only if self.allow_anonymous is None else self.allow_anonymous

    @property
    def database(self) -> str:
        """Where retained messages are kept."""
        return posixpath.join(self.persistence_location or "/", self.persistence_file)


Include = Callable[[str], list[tuple[str, str]] | None]
"""The files of a directory as (path, text), or None where there is no such directory."""


class _Draft:
    """Collects what the lines say."""

    def __init__(self, include: Include) -> None:
        self.include = include
        self.config = BrokerConfig()
        self.port: int | None = None
        self.bind_address: str | None = None
        self.default: ListenerConfig | None = None
        self.log_types: set[str] = set()
        self.destinations: set[str] = set()
        self.includes = 0
        self._given: set[tuple[str, int]] = set()

    def once(self, option: str, listener: int = 0) -> None:
        """A text may be given once, or once for each listener. Raises ConfigError."""
        if (option, listener) in self._given:
            message = f"Error: Duplicate {option} value in configuration."
            raise ConfigError(message)
        self._given.add((option, listener))

    def set(self, **changes: object) -> None:
        self.config = replace(self.config, **changes)  # type: ignore[arg-type]

    def listen(self, **changes: object) -> None:
        """Change the listener that was defined last, or the default one before any was."""
        if self.config.listeners:
            *others, last = self.config.listeners
            self.set(listeners=(*others, last._replace(**changes)))  # type: ignore[arg-type]
        else:
            self.default = (self.default or ListenerConfig(DEFAULT_PORT))._replace(**changes)  # type: ignore[arg-type]

    def warn(self, text: str) -> None:
        self.set(warnings=(*self.config.warnings, text))

    def finished(self) -> BrokerConfig:
        if self.port is not None or self.bind_address is not None or self.default is not None:
            default = self.default or ListenerConfig(DEFAULT_PORT)
            default = default._replace(port=self.port or DEFAULT_PORT, address=self.bind_address)
            self.set(listeners=(*self.config.listeners, default))
        if self.log_types:
            every = LOG_TYPES - {"none"} if "all" in self.log_types else frozenset(self.log_types) - {"none"}
            self.set(log_types=every)
        if self.destinations:
            self.set(log_journal=bool(self.destinations & {"syslog", "stdout", "stderr"}))
        return self.config


def parse_mosquitto_conf(
    text: str, path: str = CONFIG_PATH, include: Include = lambda _directory: None
) -> BrokerConfig:
    """Read a configuration. Raises ConfigError with mosquitto's own lines.

    Examples
    --------
    >>> parse_mosquitto_conf("listener 1883").listeners[0].port
    1883
    """
    draft = _Draft(include)
    _read(draft, text, path)
    return draft.finished()


def _read(draft: _Draft, text: str, path: str) -> None:
    for number, line in enumerate(text.split("\n"), 1):
        if line.startswith("#") or not line.strip():
            continue
        option, *rest = line.strip().split(None, 1)
        try:
            _line(draft, option, rest[0] if rest else "")
        except ConfigError as error:
            if any("Error found at" in known for known in error.lines):
                raise
            raise ConfigError(*error.lines, f"Error found at {path}:{number}.") from None


def _line(draft: _Draft, option: str, value: str) -> None:
    if option in NOT_SIMULATED:
        what = f" ({NOT_SIMULATED[option]})" if NOT_SIMULATED[option] else ""
        message = f'Error: "{option}" is not simulated here{what}.'
        raise ConfigError(message)
    reader = _OPTIONS.get(option)
    if reader is None and option not in WITHOUT_EFFECT:
        message = f'Error: Unknown configuration variable "{option}".'
        raise ConfigError(message)
    if not value:
        message = f"Error: Empty {option} value in configuration."
        raise ConfigError(message)
    if reader is not None:
        reader(draft, option, value)


def _boolean(draft: _Draft, option: str, value: str) -> None:
    word = value.split(maxsplit=1)[0]
    if word not in ("true", "false", "1", "0"):
        message = f"Error: Invalid {option} value ({word})."
        raise ConfigError(message)
    draft.set(**{option: word in ("true", "1")})


def _atoi(text: str) -> int:
    """C's atoi: digits as far as they go."""
    found = re.match(r"\s*[+-]?\d{1,9}", text)
    return int(found[0]) if found else 0


def _number(draft: _Draft, option: str, value: str) -> None:
    number = _atoi(value)
    if option == "max_keepalive" and not 10 <= number <= 65535:
        message = f"Error: Invalid {option} value ({number})."
        raise ConfigError(message)
    draft.set(**{option: max(number, 0)})


def _size(draft: _Draft, option: str, value: str) -> None:
    number = _atoi(value)
    if option == "message_size_limit":
        draft.warn("Note: It is recommended to replace `message_size_limit` with `max_packet_size`.")
    if number < 0 or (option == "max_packet_size" and number < 20):
        message = f"Error: Invalid {option} value ({number % (1 << 32)})."
        raise ConfigError(*draft.config.warnings, message)
    draft.set(**{option: number})


def _of_listener(draft: _Draft, option: str, value: str) -> None:
    draft.once(option, len(draft.config.listeners))
    draft.listen(**{option: value})


def _listener_flag(draft: _Draft, option: str, value: str) -> None:
    word = value.split(maxsplit=1)[0]
    if word not in ("true", "false", "1", "0"):
        message = f"Error: Invalid {option} value ({word})."
        raise ConfigError(message)
    draft.listen(**{option: word in ("true", "1")})


def _max_connections(draft: _Draft, option: str, value: str) -> None:
    number = _atoi(value)
    draft.listen(**{option: number if number > 0 else -1})


def _bind_interface(draft: _Draft, option: str, value: str) -> None:
    draft.once(option, len(draft.config.listeners))
    draft.listen(interface=value.split(maxsplit=1)[0])


def _string(draft: _Draft, option: str, value: str) -> None:
    draft.once(option)
    draft.set(**{option: value})


def _listener(draft: _Draft, _option: str, value: str) -> None:
    words = value.split()
    port = _atoi(words[0])
    if not port:
        raise ConfigError("Error: A listener with port 0 must provide a Unix socket path.")
    if not 0 < port < 65536:
        message = f"Error: Invalid port value ({port})."
        raise ConfigError(message)
    address = words[1] if len(words) > 1 else None
    draft.set(listeners=(*draft.config.listeners, ListenerConfig(port, address)))


def _port(draft: _Draft, _option: str, value: str) -> None:
    draft.warn(
        "The 'port' option is now deprecated and will be removed in a future version. Please use 'listener' instead."
    )
    number = _atoi(value)
    if not 0 < number < 65536:
        message = f"Error: Invalid port value ({number})."
        raise ConfigError(*draft.config.warnings, message)
    draft.port = number


def _bind_address(draft: _Draft, _option: str, value: str) -> None:
    draft.warn(
        "The 'bind_address' option is now deprecated and will be removed in a future version. "
        "The behaviour will default to true."
    )
    draft.bind_address = value.split(maxsplit=1)[0]


def _log_type(draft: _Draft, option: str, value: str) -> None:
    word = value.split(maxsplit=1)[0]
    if word not in LOG_TYPES:
        message = f"Error: Invalid {option} value ({word})."
        raise ConfigError(message)
    draft.log_types.add(word)


def _log_dest(draft: _Draft, option: str, value: str) -> None:
    word, *rest = value.split(None, 1)
    if word not in LOG_DESTINATIONS:
        message = f"Error: Invalid {option} value ({word})."
        raise ConfigError(message)
    if word in ("topic", "dlt"):
        message = f'Error: "{option} {word}" is not simulated here.'
        raise ConfigError(message)
    if word == "file" and not rest:
        raise ConfigError('Error: Empty "log_dest file" value in configuration.')
    if word == "file":
        draft.set(log_files=(rest[0].strip(),))
    draft.destinations.add(word)


def _only(*allowed: str, refused: Iterable[str]) -> Callable[[_Draft, str, str], None]:
    """An option of which one value is what happens anyhow and another one is not simulated."""
    others = frozenset(refused)

    def read(_draft: _Draft, option: str, value: str) -> None:
        word = value.split(maxsplit=1)[0]
        if word in others:
            message = f'Error: "{option} {word}" is not simulated here.'
            raise ConfigError(message)
        if word not in allowed:
            message = f"Error: Invalid {option} value ({word})."
            raise ConfigError(message)

    return read


def _include_dir(draft: _Draft, _option: str, value: str) -> None:
    found = draft.include(value.rstrip("/") or "/")
    if found is None:
        message = f"Error: Unable to open include_dir '{value}'."
        raise ConfigError(message)
    for path, text in sorted(found):
        draft.includes += 1
        if path.endswith(".conf") and draft.includes <= MAX_INCLUDES:
            _read(draft, text, path)


_OPTIONS: dict[str, Callable[[_Draft, str, str], None]] = {
    **dict.fromkeys(
        ("allow_anonymous", "allow_zero_length_clientid", "connection_messages", "log_timestamp", "persistence"),
        _boolean,
    ),
    **dict.fromkeys(("max_inflight_messages", "max_queued_messages", "max_keepalive", "sys_interval"), _number),
    **dict.fromkeys(
        (
            "acl_file",
            "auto_id_prefix",
            "log_timestamp_format",
            "password_file",
            "persistence_file",
            "persistence_location",
        ),
        _string,
    ),
    **dict.fromkeys(("cafile", "certfile", "keyfile", "tls_version"), _of_listener),
    **dict.fromkeys(("require_certificate", "use_identity_as_username"), _listener_flag),
    **dict.fromkeys(("message_size_limit", "max_packet_size"), _size),
    "bind_address": _bind_address,
    "bind_interface": _bind_interface,
    "max_connections": _max_connections,
    "include_dir": _include_dir,
    "listener": _listener,
    "log_dest": _log_dest,
    "log_type": _log_type,
    "per_listener_settings": _only("false", "0", refused=("true", "1")),
    "port": _port,
    "protocol": _only("mqtt", refused=("websockets",)),
}


# The database


class Retained(NamedTuple):
    """A message that the broker keeps."""

    topic: str
    payload: bytes
    qos: int = 0
    properties: Properties = ()
    expires_ns: int | None = None


def retained_line(message: Retained) -> str:
    """One line of the database. Bytes that are not UTF-8 are written as `payload_hex`."""
    fields: dict[str, object] = {"topic": message.topic}
    try:
        fields["payload"] = message.payload.decode()
    except UnicodeDecodeError:
        fields["payload_hex"] = message.payload.hex()
    fields["qos"] = message.qos
    if message.expires_ns is not None:
        fields["expires_ns"] = message.expires_ns
    return json.dumps(fields, ensure_ascii=False) + "\n"


def retained_file(topic: str, payload: str) -> tuple[str, str]:
    """The path of the database and the line to add to it, so that a broker starts with this retained message."""
    return DATABASE, retained_line(Retained(topic, payload.encode()))


def parse_retained(text: str) -> list[Retained]:
    """Read a database; of two lines about one topic the last counts. Lines that make no sense are left out."""
    found: dict[str, Retained] = {}
    for line in text.split("\n"):
        try:
            fields = json.loads(line)
            hexadecimal = fields.get("payload_hex")
            payload = bytes.fromhex(hexadecimal) if hexadecimal is not None else str(fields["payload"]).encode()
            expires_ns = fields.get("expires_ns")
            message = Retained(
                str(fields["topic"]),
                payload,
                int(fields.get("qos", 0)),
                expires_ns=None if expires_ns is None else int(expires_ns),
            )
        except (ValueError, TypeError, KeyError, AttributeError):
            continue
        found[message.topic] = message
    return list(found.values())
