"""Files that stand on every Debian machine and that nobody wrote for a site. A device that writes one has its own."""

from __future__ import annotations

from labs.net.service_names import NAMES

__all__ = ["GIVEN"]

OS_RELEASE = """PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"
NAME="Debian GNU/Linux"
VERSION_ID="12"
VERSION="12 (bookworm)"
VERSION_CODENAME=bookworm
ID=debian
"""
SERVICES = "".join(
    f"{name}\t\t{port}/{protocol}\n"
    for (protocol, port), name in sorted(NAMES.items(), key=lambda known: known[0][::-1])
)
PROTOCOLS = "".join(
    f"{name}\t{number}\t{name.upper()}\n"
    for name, number in (("ip", 0), ("icmp", 1), ("igmp", 2), ("ipencap", 4), ("tcp", 6), ("udp", 17), ("gre", 47),
                         ("esp", 50), ("ah", 51), ("ipv6-icmp", 58), ("ospf", 89), ("sctp", 132))
)  # fmt: skip
GIVEN = {
    "/etc/debian_version": "12.11\n",
    "/etc/group": "root:x:0:\n",
    "/etc/host.conf": "multi on\n",
    "/etc/issue": "Debian GNU/Linux 12 \\n \\l\n\n",
    "/etc/nsswitch.conf": "passwd:         files\ngroup:          files\n\nhosts:          files dns\n",
    "/etc/os-release": OS_RELEASE,
    "/etc/passwd": "root:x:0:0:root:/root:/bin/bash\n",
    "/etc/protocols": PROTOCOLS,
    "/etc/services": SERVICES,
}
