"""`ip tunnel`, and what follows `ip link add … type gre` or `type ipip`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from labs.model.addresses import IPv4
from labs.net.ipv4 import ANY
from labs.net.linux import link_config
from labs.net.linux.link_config import LinkError
from labs.net.tunnel import Tunnel
from labs.shell.commands.ip.output import Record, Style, print_records
from labs.shell.commands.ip.words import (
    EXIT_USAGE,
    IpError,
    Words,
    matches,
    no_device,
    number,
    parse_ipv4,
    refused,
    wrong,
)

if TYPE_CHECKING:
    from labs.net.interface import Interface
    from labs.net.linux.node import LinuxNode
    from labs.net.process import Process

__all__ = ["link_settings", "tunnel_command", "tunnel_details"]

USAGE = (
    "Usage: ip tunnel { add | change | del | show } [ NAME ]",
    "        [ mode { gre | ipip } ]",
    "        [ remote ADDR ] [ local ADDR ]",
    "        [ [i|o]key KEY ] [ [i|o]csum ]",
    "        [ ttl TTL ] [ tos TOS ] [ [no]pmtudisc ] [ dev PHYS_DEV ]",
    "",
    "Where: NAME := STRING",
    "       ADDR := { IP_ADDRESS | any }",
    "       TOS  := { STRING | 00..ff | inherit | inherit/STRING | inherit/00..ff }",
    "       TTL  := { 1..255 | inherit }",
    "       KEY  := { DOTTED_QUAD | NUMBER }",
)
LINK_USAGE = (
    "Usage: ... {kind:<9}[ remote ADDR ]",
    "			[ local ADDR ]",
    "			[ [i|o]key KEY | no[i|o]key ]",
    "			[ [no][i|o]csum ]",
    "			[ ttl TTL ]",
    "			[ tos TOS ]",
    "			[ [no]pmtudisc ]",
    "			[ dev PHYS_DEV ]",
    "",
    "Where:	ADDR := {{ IP_ADDRESS | any }}",
    "	TOS  := {{ NUMBER | inherit }}",
    "	TTL  := {{ 1..255 | inherit }}",
    "	KEY  := {{ DOTTED_QUAD | NUMBER }}",
)
ELSEWHERE = frozenset(
    "seq iseq oseq noseq noiseq nooseq ignore-df noignore-df fwmark external"
    " noencap encap encap-sport encap-dport encap-csum noencap-csum mode prl-default 6rd-prefix".split()
)
SUMS = ("csum", "icsum", "ocsum", "nocsum", "noicsum", "noocsum")
FALLBACK = {"gre": "gre0", "ipip": "tunl0"}  # the device that the kernel's answers speak of


def _address(text: str) -> IPv4:
    if text in ("any", "default", "all"):
        return ANY
    found = parse_ipv4(text)
    if found is None:
        raise IpError(f'Error: inet address is expected rather than "{text}".')
    return found


def _key(text: str) -> int:
    if "." in text:
        found = parse_ipv4(text)
        if found is not None:
            return int(found)
    value = number(text)
    if value is None:
        raise IpError(f'invalid value for "key": "{text}"; it should be an unsigned integer')
    return value


def _setting(settings: Tunnel, word: str, words: Words) -> bool:
    """Take one setting; False where the word is none. Raises IpError."""
    if word in ("remote", "local"):
        setattr(settings, word, _address(words.value()))
    elif word in ("key", "ikey", "okey"):
        key = _key(words.value())
        settings.input_key = settings.input_key if word == "okey" else key
        settings.output_key = settings.output_key if word == "ikey" else key
    elif word in ("nokey", "noikey", "nookey"):
        settings.input_key = settings.input_key if word == "nookey" else None
        settings.output_key = settings.output_key if word == "noikey" else None
    elif word in SUMS:
        on = not word.startswith("no")
        settings.input_sum = settings.input_sum if word.endswith("ocsum") else on
        settings.output_sum = settings.output_sum if word.endswith("icsum") else on
    elif word in ("ttl", "hoplimit", "hlim"):
        text = words.value()
        found = 0 if text == "inherit" else number(text, 255)
        if found is None:
            raise wrong(text, "invalid TTL")
        settings.ttl = found
    elif word in ("tos", "tclass") or matches(word, "dsfield"):
        text = words.value()
        settings.inherit_tos = text == "inherit"
        found = 0 if settings.inherit_tos else number(text if text.startswith("0x") else f"0x{text}", 255)
        if found is None:
            raise wrong(text, "bad TOS value")
        settings.tos = found
    elif word in ("pmtudisc", "nopmtudisc"):
        settings.path_mtu = word == "pmtudisc"
    elif word == "dev":
        settings.link = words.value()
    else:
        return False
    return True


def _check(settings: Tunnel, *, given: bool) -> None:
    if settings.mode == "ipip":  # has no place for them, and the kernel says nothing (ipip_tunnel_ctl)
        settings.input_sum = settings.output_sum = False
    if settings.ttl and not settings.path_mtu:
        raise IpError("ttl != 0 and nopmtudisc are incompatible", status=EXIT_USAGE)
    if given and settings.mode == "ipip" and (settings.input_key is not None or settings.output_key is not None):
        raise IpError("Keys are not allowed with ipip and sit tunnels", status=EXIT_USAGE)


def link_settings(kind: str, words: Words, node: LinuxNode) -> Tunnel:
    """The arguments after `type gre` or `type ipip`. Raises IpError."""
    settings = Tunnel(kind)
    while words.more:
        word = words.take()
        if kind == "ipip" and word.lstrip("nio") in ("key", "csum"):
            raise _link_usage(kind, word)
        if _setting(settings, word, words):
            continue
        if word in ELSEWHERE:
            raise refused(f"{kind} {word}")
        raise _link_usage(kind, word)
    if settings.link is not None and settings.link not in node.interfaces:
        raise IpError(*no_device(settings.link).lines, status=EXIT_USAGE)
    _check(settings, given=False)
    return settings


def _link_usage(kind: str, word: str) -> IpError:
    lines = [line.format(kind=kind) for line in LINK_USAGE]
    return IpError(*([] if word == "help" else [f'{kind}: unknown command "{word}"?']), *lines)


def tunnel_command(process: Process, style: Style, words: Words) -> int:
    """`ip tunnel …`."""
    if style.family == "inet6":
        raise refused("-6 tunnel")
    word = words.take() if words.more else "show"
    if matches(word, "add"):
        return _add(process, words)
    if matches(word, "change"):
        return _change(process, words)
    if matches(word, "delete"):
        return _delete(process, words)
    if matches(word, "show") or matches(word, "lst") or matches(word, "list"):
        return _show(process, style, words)
    if matches(word, "help"):
        process.error(*USAGE)
        return EXIT_USAGE
    if word in ("prl", "6rd"):
        raise refused(f"tunnel {word}")
    message = f'Command "{word}" is unknown, try "ip tunnel help".'
    raise IpError(message, status=EXIT_USAGE)


def _read(words: Words, settings: Tunnel) -> str | None:
    """Read settings into `settings`; returns the name. Its mode is empty where none was said."""
    name = None
    while words.more:
        word = words.take()
        if word == "mode":
            mode = words.value()
            known = {"gre": "gre", "gre/ip": "gre", "ipip": "ipip", "ip/ip": "ipip"}.get(mode)
            if known is None and mode in ("sit", "isatap", "vti", "any", "ipv6/ip", "ip6gre", "ip6ip6", "ipip6"):
                raise refused(f"tunnel mode {mode}")
            if known is None:
                raise IpError(f'Unknown tunnel mode "{mode}"', status=EXIT_USAGE)
            settings.mode = known
        elif word in ELSEWHERE:
            raise refused(f"tunnel {word}")
        elif not _setting(settings, word, words):
            if word == "name":
                word = words.value()
            elif matches(word, "help"):
                raise IpError(*USAGE, status=EXIT_USAGE)
            name = word
    return name


def _failed(what: str, name: str, why: str) -> IpError:
    return IpError(f'{what} tunnel "{name}" failed: {why}')


def _add(process: Process, words: Words) -> int:
    node = process.node
    settings = Tunnel("")
    name = _read(words, settings)
    if not settings.mode:
        raise IpError("cannot determine tunnel mode (ipip, gre, vti or sit)")
    _check(settings, given=True)
    if settings.link is not None and settings.link not in node.interfaces:
        raise no_device(settings.link)
    if name is None:
        prefix = {"gre": "gre", "ipip": "tunl"}[settings.mode]
        name = next(f"{prefix}{n}" for n in range(1, 1000) if f"{prefix}{n}" not in node.interfaces)
    try:
        link_config.add_tunnel(node, name, settings)
    except LinkError as error:
        raise _failed("add", FALLBACK[settings.mode], str(error)) from None
    return 0


def _found(node: LinuxNode, what: str, name: str | None) -> Interface:
    interface = node.interfaces.get(name or "")
    if interface is None or interface.tunnel is None:
        why = "No such device" if interface is None else "Invalid argument"
        raise _failed(what, name or "", why)
    return interface


def _change(process: Process, words: Words) -> int:
    rest = words.rest()
    probe = Tunnel("")
    name = _read(Words(rest), probe)
    interface = _found(process.node, "get", name)
    old = interface.tunnel
    assert old is not None
    fields = (old.local, old.remote, old.ttl, old.tos, old.inherit_tos)
    new = Tunnel(old.mode, *fields, old.input_key, old.output_key, old.path_mtu, old.link)
    new.input_sum, new.output_sum = old.input_sum, old.output_sum
    _read(Words(rest), new)
    if new.mode != old.mode:
        raise _failed("change", name or "", "Invalid argument")
    _check(new, given=True)
    if any(other.tunnel is not None and other is not interface and other.tunnel.same_ends(new)
           for other in process.node.interfaces.values()):  # fmt: skip
        raise _failed("change", name or "", "File exists")
    interface.tunnel = new
    process.node.ip.routes.forget_answers()
    return 0


def _delete(process: Process, words: Words) -> int:
    name = _read(words, Tunnel(""))
    interface = _found(process.node, "delete", name)
    link_config.remove_interface(process.node, interface)
    return 0


def _show(process: Process, style: Style, words: Words) -> int:
    if style.statistics:
        raise refused("-s tunnel")
    wanted = Tunnel("")
    name = _read(words, wanted)
    if name is not None:
        found = [_found(process.node, "get", name)]
    else:
        found = [i for i in process.node.interfaces.values() if i.tunnel is not None]
    records = [_record(interface, style) for interface in found if interface.tunnel is not None
               and wanted.mode in ("", interface.tunnel.mode)]  # fmt: skip
    print_records(process, style, records)
    return 0


def _any(address: IPv4) -> str:
    return "any" if address == ANY else str(address)


def _record(interface: Interface, style: Style) -> Record:
    """One line of `ip tunnel show`."""
    settings = interface.tunnel
    assert settings is not None
    record = Record(style)
    record.add("ifname", interface.name, f"{interface.name}: ")
    mode = "gre/ip" if settings.mode == "gre" else "ip/ip"
    record.add("mode", mode, f"{mode} ")
    record.add("remote", _any(settings.remote), f"remote {_any(settings.remote)} ")
    record.add("local", _any(settings.local), f"local {_any(settings.local)}")
    if settings.link is not None:
        record.add("link", settings.link, f" dev {settings.link}")
    if settings.ttl:
        record.add("ttl", settings.ttl, f" ttl {settings.ttl}")
    else:
        record.say(" ttl inherit")
    if settings.tos or settings.inherit_tos:
        record.say(f" tos {'inherit' if settings.inherit_tos else hex(settings.tos)}")
    if not settings.path_mtu:
        record.say(" nopmtudisc")
    if settings.input_key is not None and settings.input_key == settings.output_key:
        record.add("key", settings.input_key, f" key {settings.input_key}")
    else:
        for word, key in (("ikey", settings.input_key), ("okey", settings.output_key)):
            if key is not None:
                record.add(word, key, f" {word} {key}")
    if settings.mode == "gre":
        flags = ["rx_csum"] * settings.input_sum + ["tx_csum"] * settings.output_sum
        record.only_json("flags", flags)
        record.say(f"{style.newline}  Checksum in received packet is required." * settings.input_sum)
        record.say(f"{style.newline}  Checksum output packets." * settings.output_sum)
    return record


def tunnel_details(settings: Tunnel) -> tuple[str, dict[str, object]]:
    """What `ip -d link` says of a tunnel (gre_print_opt, iptunnel_print_opt)."""
    data: dict[str, object] = {}
    text = f"{settings.mode} "
    if settings.mode == "ipip":
        text = "ipip ipip "
        data["proto"] = "ip/ip"
    for word, address in (("remote", settings.remote), ("local", settings.local)):
        data[word] = _any(address)
        text += f"{word} {_any(address)} "
    if settings.link is not None:
        data["link"] = settings.link
        text += f"dev {settings.link} "
    data["ttl"] = settings.ttl or "inherit"
    text += f"ttl {settings.ttl or 'inherit'} "
    if settings.tos or settings.inherit_tos:
        text += f"tos {'inherit' if settings.inherit_tos else hex(settings.tos)} "
    data["pmtudisc"] = settings.path_mtu
    text += "" if settings.path_mtu else "nopmtudisc "
    for word, key in (("ikey", settings.input_key), ("okey", settings.output_key)):
        if key is not None:
            data[word] = str(IPv4(key))
            text += f"{word} {IPv4(key)} "
    for word, on in (("icsum", settings.input_sum), ("ocsum", settings.output_sum)):
        if on:
            data[word] = True
            text += f"{word} "
    return text, data
