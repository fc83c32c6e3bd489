"""Names of well-known ports (the part of /etc/services, IANA's registry, that these labs meet)."""

from __future__ import annotations

__all__ = ["port_name", "port_number"]

NAMES: dict[tuple[str, int], str] = {
    ("tcp", 7): "echo", ("udp", 7): "echo", ("tcp", 9): "discard", ("udp", 9): "discard", ("tcp", 13): "daytime",
    ("udp", 13): "daytime", ("tcp", 21): "ftp", ("tcp", 22): "ssh", ("tcp", 23): "telnet", ("tcp", 25): "smtp",
    ("tcp", 37): "time", ("udp", 37): "time", ("tcp", 53): "domain", ("udp", 53): "domain", ("udp", 67): "bootps",
    ("udp", 68): "bootpc", ("udp", 69): "tftp", ("tcp", 80): "http", ("tcp", 110): "pop3", ("udp", 123): "ntp",
    ("tcp", 139): "netbios-ssn", ("tcp", 143): "imap2", ("udp", 161): "snmp", ("udp", 162): "snmp-trap",
    ("tcp", 179): "bgp", ("tcp", 389): "ldap", ("tcp", 443): "https", ("udp", 443): "https",
    ("tcp", 445): "microsoft-ds", ("udp", 500): "isakmp", ("udp", 514): "syslog", ("tcp", 515): "printer",
    ("tcp", 554): "rtsp", ("udp", 554): "rtsp", ("tcp", 587): "submission", ("tcp", 631): "ipp", ("tcp", 993): "imaps",
    ("tcp", 995): "pop3s", ("tcp", 3306): "mysql", ("tcp", 5432): "postgresql",
    ("udp", 5353): "mdns", ("tcp", 8080): "http-alt",
}  # fmt: skip
NUMBERS = {(protocol, name): number for (protocol, number), name in NAMES.items()}
NUMBERS.update({("tcp", "www"): 80, ("tcp", "mail"): 25})


def port_name(protocol: str, number: int) -> str | None:
    """The name of a port, or None."""
    return NAMES.get((protocol, number))


def port_number(protocol: str, text: str) -> int | None:
    """The number of a port that is given as a number or a name; None where it is neither."""
    if text.isdecimal():
        return int(text) if 0 <= int(text) <= 65535 else None
    return NUMBERS.get((protocol, text))
