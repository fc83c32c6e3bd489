"""Kernel settings of a device's network: what a new namespace begins with, and what the boot and `sysctl` write.

Before changing this file read ip-sysctl.rst and devinet.c of Linux: a new namespace copies settings of the host, and a
new port those of `default` in its namespace. So the kernel's own defaults are written before there is any port.
"""

from __future__ import annotations

import contextlib
import os

from labs.engines.kernel.sandbox import syscalls

__all__ = ["Settings", "write_defaults"]

ROOT = "/proc/sys/net/"
# The defaults of ipv4_devconf and ipv4_devconf_dflt (net/ipv4/devinet.c) that decide what becomes of a packet.
PER_PORT = {
    "accept_local": "0",
    "accept_redirects": "1",
    "arp_accept": "0",
    "arp_announce": "0",
    "arp_evict_nocarrier": "1",
    "arp_filter": "0",
    "arp_ignore": "0",
    "arp_notify": "0",
    "bc_forwarding": "0",
    "drop_gratuitous_arp": "0",
    "drop_unicast_in_l2_multicast": "0",
    "ignore_routes_with_linkdown": "0",
    "log_martians": "0",
    "promote_secondaries": "0",
    "proxy_arp": "0",
    "proxy_arp_pvlan": "0",
    "route_localnet": "0",
    "rp_filter": "0",
    "secure_redirects": "1",
    "send_redirects": "1",
    "shared_media": "1",
    "src_valid_mark": "0",
}
SOURCE_ROUTE = {"all": "0", "default": "1", "lo": "1"}  # the smaller of `all` and the port counts
# Those of a kernel started with ipv6.disable_ipv6=1 (net/ipv6/addrconf.c).
PER_PORT_6 = {
    "accept_dad": "1",
    "accept_ra": "1",
    "accept_ra_defrtr": "1",
    "accept_ra_pinfo": "1",
    "accept_ra_rtr_pref": "1",
    "accept_redirects": "1",
    "addr_gen_mode": "0",
    "autoconf": "1",
    "dad_transmits": "1",
    "disable_ipv6": "1",
    "use_tempaddr": "0",
}
DEFAULTS = {
    "ipv4/ip_forward": "0",  # first: it changes others
    "ipv6/conf/all/forwarding": "0",
    **{f"ipv4/conf/{name}/{leaf}": value for name in SOURCE_ROUTE for leaf, value in PER_PORT.items()},
    **{f"ipv4/conf/{name}/accept_source_route": value for name, value in SOURCE_ROUTE.items()},
    **{f"ipv6/conf/{name}/{leaf}": value for name in ("all", "default") for leaf, value in PER_PORT_6.items()},
    "ipv6/conf/all/accept_dad": "0",
    "ipv6/icmp/ratelimit": "1000",  # that of Linux 6.1
    **{f"bridge/bridge-nf-call-{name}": "0" for name in ("iptables", "arptables", "ip6tables")},
}
MAX_GROUP = 2_147_483_647  # GID_T_MAX of net/ipv4/ping.c


def write_defaults() -> None:
    """Give the network namespace of this process the kernel's own defaults; one that it does not have is left out."""
    everybody = {"ipv4/ping_group_range": f"0 {_highest_group()}"}  # may ping, as Debian lets them
    for path, value in (DEFAULTS | everybody).items():
        with contextlib.suppress(OSError):
            descriptor = os.open(ROOT + path, os.O_WRONLY | os.O_CLOEXEC)
            try:
                os.write(descriptor, value.encode())
            finally:
                os.close(descriptor)


def _highest_group() -> int:
    """The highest group of this user namespace: beyond it the kernel refuses a range (user_namespaces(7))."""
    with open("/proc/self/gid_map", encoding="ascii") as file:
        maps = [[int(word) for word in line.split()] for line in file]
    return min(MAX_GROUP, max(inside + count - 1 for inside, _, count in maps))


class Settings:
    """Kernel settings of this device's network, by dotted name."""

    def set(self, name: str, value: str) -> bool:
        """Write one; False where it does not exist. Raises FileError."""
        from labs.net.filesystem import FileError

        if name == "kernel.hostname":
            syscalls.set_host_name(value)
            return True
        path = "/proc/sys/" + name.replace("/", "\0").replace(".", "/").replace("\0", ".")
        if not os.path.isfile(os.path.normpath(path)) or not os.path.normpath(path).startswith("/proc/sys/"):
            return False
        try:
            with open(path, "w", encoding="ascii") as file:
                file.write(value)
        except (OSError, UnicodeError) as error:
            raise FileError(getattr(error, "strerror", None) or "Invalid argument") from None
        return True
