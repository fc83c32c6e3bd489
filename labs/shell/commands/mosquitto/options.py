"""The options of mosquitto_pub and mosquitto_sub, which they read themselves and not with getopt, and their words."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from labs.shell.tls_options import TlsOptions
from labs.things.mqtt.packets import LEVEL_5, Connect, Will
from labs.things.mqtt.properties import BY_NAME, SESSION_EXPIRY, SIZES, Kind, Properties, Value
from labs.things.mqtt.topics import valid_filter, valid_topic

__all__ = ["Options", "OptionsError", "parse"]

MAX_REPEAT = 100_000
PLAIN_PORT, TLS_PORT = 1883, 8883


class OptionsError(Exception):
    """What is printed on standard error before the hint about --help, and what after the hint, if anything."""

    def __init__(self, text: str, *, hint: bool = True) -> None:
        super().__init__(text)
        self.text = text
        self.hint = hint


class Help(Exception):
    """--help."""


@dataclass(slots=True)
class Options:
    """What was asked for."""

    program: str
    host: str = "localhost"
    port: int | None = None
    client_id: str = ""
    id_prefix: str = ""
    username: str | None = None
    password: str | None = None
    topics: list[str] = field(default_factory=list)
    qos: int = 0
    keepalive_s: int = 60
    clean: bool = True
    debug: bool = False
    quiet: bool = False
    level: int = 4
    will_topic: str | None = None
    will_payload: str | None = None
    will_qos: int = 0
    will_retain: bool = False
    cafile: str = ""
    certfile: str = ""
    keyfile: str = ""
    insecure: bool = False
    tls_version: str = ""
    system_authorities: bool = False
    properties: dict[str, list[tuple[int, Value]]] = field(default_factory=dict)
    # mosquitto_pub
    message: str | None = None
    file: str | None = None
    from_stdin: bool = False
    by_line: bool = False
    empty: bool = False
    retain: bool = False
    repeat: int = 1
    repeat_delay_s: float = 0.0
    # mosquitto_sub
    count: int = 0
    timeout_s: int = 0
    verbose: bool = False
    no_newline: bool = False
    no_retained: bool = False
    retained_only: bool = False
    remove_retained: bool = False
    exit_after: bool = False
    filter_out: list[str] = field(default_factory=list)
    unsubscribe: list[str] = field(default_factory=list)
    format: str | None = None

    @property
    def publishes(self) -> bool:
        """True for mosquitto_pub."""
        return self.program == "mosquitto_pub"

    def tls(self) -> TlsOptions | None:
        """How the connection is protected, or None where it is not."""
        if not self.cafile and not self.system_authorities:
            return None
        return TlsOptions(self.cafile, self.certfile, self.keyfile, self.insecure)

    def hello(self, pid: int) -> Connect:
        """The CONNECT packet."""
        will = None
        if self.will_topic is not None:
            payload = (self.will_payload or "").encode()
            will = Will(self.will_topic, payload, self.will_qos, self.will_retain, self.given("will"))
        return Connect(
            f"{self.id_prefix}{pid}" if self.id_prefix else self.client_id,
            self.clean,
            self.keepalive_s,
            self.username,
            None if self.password is None else self.password.encode(),
            will,
            "MQIsdp" if self.level == 3 else "MQTT",
            self.level,
            self.given("connect"),
        )

    def given(self, command: str) -> Properties:
        """The properties of -D for a packet; versions before 5 have none."""
        return tuple(self.properties.get(command, ())) if self.level == LEVEL_5 else ()


Setter = Callable[[Options, str], None]


def _atoi(text: str) -> int:
    found = re.match(r"\s*[+-]?\d{1,9}", text)
    return int(found[0]) if found else 0


def _text(name: str) -> Setter:
    return lambda options, value: setattr(options, name, value)


def _number(name: str, low: int, high: int, complaint: str) -> Setter:
    def set_it(options: Options, value: str) -> None:
        number = _atoi(value)
        if not low <= number <= high:
            raise OptionsError(complaint.format(value=value, number=number))
        setattr(options, name, number)

    return set_it


def _topic(options: Options, value: str) -> None:
    if options.publishes:
        if value and not valid_topic(value):
            raise OptionsError(f"Error: Invalid publish topic '{value}', does it contain '+' or '#'?")
        options.topics = [value]
    else:
        if value and not valid_filter(value):
            raise OptionsError(f"Error: Invalid subscription topic '{value}', are all '+' and '#' wildcards correct?")
        options.topics.append(value)


def _filters(name: str, what: str) -> Setter:
    def add(options: Options, value: str) -> None:
        if not valid_filter(value):
            raise OptionsError(f"Error: Invalid {what} topic '{value}', are all '+' and '#' wildcards correct?")
        getattr(options, name).append(value)

    return add


def _message(name: str) -> Setter:
    def set_it(options: Options, value: str) -> None:
        if options.message is not None or options.file or options.from_stdin or options.by_line or options.empty:
            raise OptionsError("Error: Only one type of message can be sent at once.\n")
        setattr(options, name, value if name in ("message", "file") else True)

    return set_it


def _unquote(text: str) -> str:
    """Undo the percent signs of a URL (RFC 3986 §2.1)."""
    plain = re.sub(rb"%([0-9A-Fa-f]{2})", lambda found: bytes.fromhex(found[1].decode()), text.encode())
    return plain.decode(errors="replace")


def _url(options: Options, value: str) -> None:
    scheme, separator, rest = value.partition("://")
    if scheme not in ("mqtt", "mqtts") or not separator:
        raise OptionsError("Error: unsupported URL scheme.")
    if scheme == "mqtts":
        options.port = TLS_PORT
        options.system_authorities = True
    place, slash, topic = rest.partition("/")
    if not slash:
        raise OptionsError("Error: Invalid URL for -L argument specified - topic missing.")
    login, at, place = place.rpartition("@")
    if at:
        user, colon, password = login.partition(":")
        options.username = _unquote(user)
        if colon:
            options.password = _unquote(password)
    host, colon, port = place.partition(":")
    options.host = host
    if colon:
        OPTIONS["-p"][1](options, port)
    _topic(options, topic)


def _version(options: Options, value: str) -> None:
    levels = {"mqttv31": 3, "31": 3, "mqttv311": 4, "311": 4, "mqttv5": 5, "5": 5}
    if value not in levels:
        raise OptionsError("Error: Invalid protocol version argument given.\n")
    options.level = levels[value]


def _will_topic(options: Options, value: str) -> None:
    if not valid_topic(value):
        raise OptionsError(f"Error: Invalid will topic '{value}', does it contain '+' or '#'?")
    options.will_topic = value


def _repeat_delay(options: Options, value: str) -> None:
    try:
        options.repeat_delay_s = float(value)
    except ValueError:
        options.repeat_delay_s = 0.0
    if not 0 <= options.repeat_delay_s < 1e6:
        raise OptionsError("Error: --repeat-delay argument must be >=0.0.\n")


def _session_expiry(options: Options, value: str) -> None:
    options.properties.setdefault("connect", []).append((SESSION_EXPIRY, _atoi(value) & 0xFFFFFFFF))
    options.level = LEVEL_5


COMMANDS = ("connect", "publish", "will", "subscribe", "unsubscribe", "disconnect")


def _property(options: Options, words: Iterator[str]) -> None:
    """-D COMMAND PROPERTY VALUE, or two values for a pair."""
    missing = OptionsError("Error: --property argument given but not enough arguments specified.\n")
    command, name = next(words, None), next(words, None)
    if command is None or name is None:
        raise missing
    if command not in COMMANDS:
        raise OptionsError("Error: Invalid command given in --property argument.\n")
    known = BY_NAME.get(name)
    if known is None:
        raise OptionsError("Error: Invalid property name given in --property argument.\n")
    values = [next(words, None) for _ in range(2 if known.kind is Kind.PAIR else 1)]
    if None in values:
        raise missing
    if command not in known.packets:
        raise OptionsError(f"Error: {name} property not allowed for {command} in --property argument.\n")
    first = values[0] or ""
    value: Value = first
    if known.kind is Kind.PAIR:
        value = (first, values[1] or "")
    elif known.kind is Kind.DATA:
        value = first.encode()
    elif known.kind is not Kind.TEXT:
        value = _atoi(first) & ((1 << 8 * SIZES.get(known.kind, 4)) - 1)
    options.properties.setdefault(command, []).append((known.number, value))


PUB, SUB = "mosquitto_pub", "mosquitto_sub"
BOTH = (PUB, SUB)
# Option -> what is missing when it stands last, what to do with the value, and who has it.
OPTIONS: dict[str, tuple[str, Setter, tuple[str, ...]]] = {
    "-h": ("host", _text("host"), BOTH),
    "-p": ("port", _number("port", 0, 65535, "Error: Invalid port given: {value}"), BOTH),
    "-i": ("id", _text("client_id"), BOTH),
    "-I": ("id prefix", _text("id_prefix"), BOTH),
    "-u": ("username", _text("username"), BOTH),
    "-P": ("password", _text("password"), BOTH),
    "-t": ("topic", _topic, BOTH),
    "-q": ("QoS", _number("qos", 0, 2, "Error: Invalid QoS given: {number}"), BOTH),
    "-k": (
        "keepalive",
        _number("keepalive_s", 5, 65535, "Error: Invalid keepalive given, it must be between 5 and 65535 inclusive.\n"),
        BOTH,
    ),
    "-L": ("URL", _url, BOTH),
    "-V": ("version", _version, BOTH),
    "--cafile": ("file", _text("cafile"), BOTH),
    "--cert": ("file", _text("certfile"), BOTH),
    "--key": ("file", _text("keyfile"), BOTH),
    "--tls-version": ("version", _text("tls_version"), BOTH),
    "--will-topic": ("will topic", _will_topic, BOTH),
    "--will-payload": ("will payload", _text("will_payload"), BOTH),
    "--will-qos": ("will QoS", _number("will_qos", 0, 2, "Error: Invalid will QoS {number}."), BOTH),
    "-x": ("session expiry interval", _session_expiry, BOTH),
    "-m": ("message", _message("message"), (PUB,)),
    "-f": ("file", _message("file"), (PUB,)),
    "--repeat": ("count", _number("repeat", 1, MAX_REPEAT, "Error: --repeat argument must be >0.\n"), (PUB,)),
    "--repeat-delay": ("time", _repeat_delay, (PUB,)),
    "-C": ("count", _number("count", 1, 10**9, 'Error: Invalid message count "{number}".\n'), (SUB,)),
    "-W": ("timeout", _number("timeout_s", 1, 10**9, 'Error: Invalid timeout "{number}".\n'), (SUB,)),
    "-F": ("format", _text("format"), (SUB,)),
    "-T": ("topic filter", _filters("filter_out", "filter"), (SUB,)),
    "-U": ("unsubscribe topic", _filters("unsubscribe", "unsubscribe"), (SUB,)),
}
FLAGS: dict[str, tuple[Setter, tuple[str, ...]]] = {
    "-c": (lambda options, _: setattr(options, "clean", False), BOTH),
    "-d": (lambda options, _: setattr(options, "debug", True), BOTH),
    "--quiet": (lambda options, _: setattr(options, "quiet", True), BOTH),
    "--insecure": (lambda options, _: setattr(options, "insecure", True), BOTH),
    "--tls-use-os-certs": (lambda options, _: setattr(options, "system_authorities", True), BOTH),
    "--nodelay": (lambda _options, _: None, BOTH),
    "--will-retain": (lambda options, _: setattr(options, "will_retain", True), BOTH),
    "-l": (_message("by_line"), (PUB,)),
    "-n": (_message("empty"), (PUB,)),
    "-s": (_message("from_stdin"), (PUB,)),
    "-r": (lambda options, _: setattr(options, "retain", True), (PUB,)),
    "-E": (lambda options, _: setattr(options, "exit_after", True), (SUB,)),
    "-N": (lambda options, _: setattr(options, "no_newline", True), (SUB,)),
    "-R": (lambda options, _: setattr(options, "no_retained", True), (SUB,)),
    "-v": (lambda options, _: setattr(options, "verbose", True), (SUB,)),
    "--retained-only": (lambda options, _: setattr(options, "retained_only", True), (SUB,)),
    "--remove-retained": (lambda options, _: setattr(options, "remove_retained", True), (SUB,)),
}
LONG = {
    "--host": "-h",
    "--port": "-p",
    "--id": "-i",
    "--id-prefix": "-I",
    "--username": "-u",
    "--pw": "-P",
    "--topic": "-t",
    "--qos": "-q",
    "--keepalive": "-k",
    "--url": "-L",
    "--protocol-version": "-V",
    "--session-expiry-interval": "-x",
    "--message": "-m",
    "--file": "-f",
    "--filter-out": "-T",
    "--unsubscribe": "-U",
    "--disable-clean-session": "-c",
    "--debug": "-d",
    "--stdin-line": "-l",
    "--null-message": "-n",
    "--stdin-file": "-s",
    "--retain": "-r",
    "--verbose": "-v",
}
NOT_SIMULATED = {
    **dict.fromkeys(
        "--capath --keyform --ciphers --tls-alpn --tls-engine --psk --tls-engine-kpass-sha1 --psk-identity".split(),
        " (TLS)",
    ),
    **dict.fromkeys("-A -M --unix --proxy -S --random-filter --pretty".split(), ""),
}


def parse(program: str, arguments: list[str]) -> Options:
    """Read the command line. Raises OptionsError or Help."""
    options = Options(program)
    words = iter(arguments)
    for word in words:
        name = LONG.get(word, word)
        if word == "--help":
            raise Help
        if name in NOT_SIMULATED:
            raise OptionsError(f'{program}: "{word}"{NOT_SIMULATED[name]} is not simulated here', hint=False)
        if name in ("-D", "--property"):
            _property(options, words)
            continue
        if name in FLAGS and program in FLAGS[name][1]:
            FLAGS[name][0](options, "")
        elif name in OPTIONS and program in OPTIONS[name][2]:
            missing, setter, _ = OPTIONS[name]
            value = next(words, None)
            if value is None:
                shown = "--protocol-version" if name == "-V" else name
                raise OptionsError(f"Error: {shown} argument given but no {missing} specified.\n")
            setter(options, value)
        else:
            raise OptionsError(f"Error: Unknown option '{word}'.")
    _check(options)
    return options


def _check(options: Options) -> None:
    """What can only be said when everything was read, in the order of the real tools."""
    if options.will_payload is not None and options.will_topic is None:
        raise OptionsError("Error: Will payload given, but no will topic given.")
    if options.will_retain and options.will_topic is None:
        raise OptionsError("Error: Will retain given, but no will topic given.")
    if options.client_id and options.id_prefix:
        raise OptionsError("Error: -i and -I argument cannot be used together.")
    if not options.clean and not options.client_id and not options.id_prefix:
        raise OptionsError("Error: You must provide a client id if you are using the -c option.")
    sends = options.message is not None or options.file or options.from_stdin or options.by_line or options.empty
    if options.publishes and (not options.topics or not sends):
        raise OptionsError("Error: Both topic and message must be supplied.")
    if not options.publishes and not options.topics:
        raise OptionsError("Error: You must specify a topic to subscribe to.")
    if options.password is not None and options.username is None:
        raise OptionsError("Error: Problem setting username and/or password.", hint=False)
    if bool(options.certfile) != bool(options.keyfile):
        raise OptionsError("Error: Both certfile and keyfile must be provided if one of them is set.")
    if options.port is None:
        options.port = TLS_PORT if options.cafile else PLAIN_PORT
    if not options.port:
        raise OptionsError("Error: No such file or directory", hint=False)
    options.system_authorities |= options.port == TLS_PORT
    if options.tls() is not None and options.tls_version not in ("", "tlsv1.1", "tlsv1.2", "tlsv1.3"):
        raise OptionsError("Error: Problem setting TLS options, check the options are valid.", hint=False)
