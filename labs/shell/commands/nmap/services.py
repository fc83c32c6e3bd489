"""What nmap calls the ports, and which ones it tries unasked.

The real program ranks ports by how often they were found open on the internet. Here the list is our own: the services
that these labs and the registry of IANA know first, then the lowest numbers up to a thousand.
"""

from __future__ import annotations

__all__ = ["COMMON_PORTS", "NAMES", "port_of", "service_name"]

NAMES = {
    7: "echo", 9: "discard", 20: "ftp-data", 21: "ftp", 22: "ssh", 23: "telnet", 25: "smtp", 37: "time", 53: "domain",
    67: "dhcps", 69: "tftp", 79: "finger", 80: "http", 81: "hosts2-ns", 88: "kerberos-sec", 102: "iso-tsap",
    110: "pop3", 111: "rpcbind", 113: "ident", 119: "nntp", 123: "ntp", 135: "msrpc", 139: "netbios-ssn",
    143: "imap", 161: "snmp",
    179: "bgp", 389: "ldap", 443: "https", 445: "microsoft-ds", 465: "smtps", 502: "mbap", 514: "shell", 515: "printer",
    548: "afp", 554: "rtsp", 587: "submission", 631: "ipp", 636: "ldapssl", 873: "rsync", 993: "imaps", 995: "pop3s",
    1080: "socks", 1194: "openvpn", 1433: "ms-sql-s", 1521: "oracle", 1723: "pptp", 1880: "vsat-control", 1883: "mqtt",
    2049: "nfs", 3000: "ppp", 3306: "mysql", 3389: "ms-wbt-server", 4840: "opcua-tcp", 5000: "upnp", 5060: "sip",
    5432: "postgresql", 5683: "coap", 5900: "vnc", 6379: "redis", 8000: "http-alt", 8008: "http", 8080: "http-proxy",
    8086: "d-s-n", 8443: "https-alt", 8883: "secure-mqtt", 8888: "sun-answerbook", 9000: "cslistener",
    9090: "zeus-admin", 9100: "jetdirect", 20000: "dnp", 27017: "mongod", 44818: "EtherNetIP-2", 47808: "bacnet",
}  # fmt: skip
FIRST = (80, 23, 443, 21, 22, 25, 3389, 110, 445, 139, 143, 53, 135, 3306, 8080, 1723, 111, 995, 993, 5900)
UNCOMMON = frozenset(
    {502, 1880, 1883, 4840, 5683, 8086, 8883, 20000, 27017, 44818, 47808}
)  # only on request, or with -p-


def _common() -> tuple[int, ...]:
    known = [port for port in NAMES if port not in UNCOMMON and port not in FIRST]
    ports = [*FIRST, *known]
    taken = {*ports, *UNCOMMON}
    ports += [port for port in range(1, 2000) if port not in taken]
    return tuple(ports[:1000])


COMMON_PORTS = _common()


def service_name(port: int) -> str:
    """The SERVICE column."""
    return NAMES.get(port, "unknown")


def port_of(name: str) -> int | None:
    """The port of a service, by its name."""
    return next((port for port, known in NAMES.items() if known == name), None)
