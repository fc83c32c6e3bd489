"""The configuration of sshd. Read sshd_config(5) first, and compare with `sshd -t` of OpenSSH 9.2."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

from labs.model.addresses import Address, IPv4, IPv6, parse_address

__all__ = ["SshdConf", "SshdError", "parse_sshd"]

# Read and without consequence here
QUIET = frozenset(
    "acceptenv addressfamily allowagentforwarding allowtcpforwarding authorizedkeysfile banner "
    "challengeresponseauthentication ciphers clientalivecountmax clientaliveinterval compression gatewayports "
    "hostkey hostkeyalgorithms include kbdinteractiveauthentication kexalgorithms logingracetime loglevel macs "
    "maxsessions maxstartups permittunnel permittty permituserenvironment pidfile printlastlog printmotd protocol "
    "pubkeyauthentication strictmodes subsystem syslogfacility tcpkeepalive usedns usepam x11displayoffset "
    "x11forwarding x11uselocalhost allowgroups denygroups authenticationmethods chrootdirectory forcecommand "
    "ignorerhosts hostbasedauthentication kerberosauthentication gssapiauthentication ignoreuserknownhosts "
    "rekeylimit revokedkeys trustedusercakeys versionaddendum".split()
)
NAMES = {
    "port": "Port",
    "listenaddress": "ListenAddress",
    "permitrootlogin": "PermitRootLogin",
    "passwordauthentication": "PasswordAuthentication",
    "permitemptypasswords": "PermitEmptyPasswords",
    "allowusers": "AllowUsers",
    "denyusers": "DenyUsers",
    "maxauthtries": "MaxAuthTries",
    "match": "Match",
}
ROOT_WORDS = ("yes", "no", "prohibit-password", "without-password", "forced-commands-only")


class SshdError(ValueError):
    """Lines that sshd prints before it ends with status 255."""

    def __init__(self, *lines: str) -> None:
        super().__init__("\n".join(lines))
        self.lines = lines


@dataclass(slots=True)
class SshdConf:
    """What the file says. The first value of a keyword counts, except those that add up."""

    ports: list[int] = field(default_factory=list)
    addresses: list[tuple[Address, int | None]] = field(default_factory=list)
    root_login: str = "prohibit-password"
    passwords: bool = True
    empty_passwords: bool = False
    allow_users: list[str] = field(default_factory=list)
    deny_users: list[str] = field(default_factory=list)
    max_tries: int = 6
    notices: list[str] = field(default_factory=list)

    def sockets(self, *, ipv6: bool = False) -> list[tuple[Address, int]]:
        """Where to listen."""
        ports = self.ports or [22]
        places = self.addresses or [(IPv4(0), None), *([(IPv6(0), None)] if ipv6 else [])]
        return [(address, port) for address, own in places for port in ([own] if own else ports)]

    def refuses(self, user: str, client: Address) -> str | None:
        """Why a user may not log in, in the words of the journal, or None."""

        def fits(pattern: str) -> bool:
            name, at, host = pattern.partition("@")
            return fnmatchcase(user, name) and (not at or fnmatchcase(str(client), host))

        if any(fits(pattern) for pattern in self.deny_users):
            return "because listed in DenyUsers"
        if self.allow_users and not any(fits(pattern) for pattern in self.allow_users):
            return "because not listed in AllowUsers"
        return None


def parse_sshd(text: str, path: str = "/etc/ssh/sshd_config") -> SshdConf:
    """Read the file. Raises SshdError: unknown keywords are collected, a bad value ends at once."""
    conf, bad = SshdConf(), []
    seen: set[str] = set()
    for number, raw in enumerate(text.splitlines(), start=1):
        match = re.match(r"\s*(\w+)\s*=?\s*(.*?)\s*(?:#.*)?$", raw)
        if match is None or raw.lstrip().startswith("#"):
            continue
        typed, rest = match[1], match[2].replace('"', "").split()
        name = typed.lower()
        if name == "match":
            conf.notices.append(f"{path} line {number}: Match blocks are not simulated here: ignored up to the end")
            break
        if name not in NAMES and name not in QUIET:
            bad.append(f"{path}: line {number}: Bad configuration option: {typed}")
        elif not rest:
            bad.append(f'{path} line {number}: no argument after keyword "{typed}"')
        elif name in NAMES:
            _take(conf, name, rest, f"{path} line {number}", seen, bad)
        seen.add(name)
    if bad:
        raise SshdError(*bad, f"{path}: terminating, {len(bad)} bad configuration options")
    return conf


def _take(conf: SshdConf, name: str, rest: list[str], where: str, seen: set[str], bad: list[str]) -> None:
    if name == "allowusers":
        conf.allow_users += rest
        return
    if name == "denyusers":
        conf.deny_users += rest
        return
    if len(rest) > 1 and name != "listenaddress":
        bad.append(f"{where}: keyword {NAMES[name]} extra arguments at end of line")
        return
    if name == "port":
        conf.ports.append(_port(rest[0], where))
    elif name == "listenaddress":
        host, colon, port = _host_port(rest[0])
        try:
            conf.addresses.append((parse_address(host), _port(port, where) if colon else None))
        except ValueError as error:
            if isinstance(error, SshdError):
                raise
            raise SshdError(f"{where}: bad address {rest[0]}") from None
    elif name == "permitrootlogin":
        word = _word(rest[0], ROOT_WORDS, where)
        conf.root_login = conf.root_login if name in seen else word
    elif name == "maxauthtries":
        if not rest[0].isdecimal():
            raise SshdError(f"{where}: integer value {rest[0]}.")
        conf.max_tries = int(rest[0])
    else:
        on = _word(rest[0], ("yes", "no"), where) == "yes"
        if name not in seen:
            if name == "passwordauthentication":
                conf.passwords = on
            else:
                conf.empty_passwords = on


def _host_port(text: str) -> tuple[str, str, str]:
    """Address and port as ListenAddress writes them: 10.0.0.1:22, [2001:db8::1]:22, or without a port."""
    if text.startswith("["):
        host, _, port = text[1:].partition("]")
        return host, port[:1], port[1:]
    if text.count(":") > 1:
        return text, "", ""
    return text.partition(":")


def _port(text: str, where: str) -> int:
    if not text.isdecimal() or not 0 < int(text) < 65536:
        raise SshdError(f"{where}: Badly formatted port number.")
    return int(text)


def _word(text: str, words: tuple[str, ...], where: str) -> str:
    if text.lower() not in words:
        raise SshdError(f'{where}: unsupported option "{text}".')
    return text.lower()
