"""The services of a device on the real kernel: Debian's daemons in the foreground, from the files of the device."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Callable
from dataclasses import replace

from labs.engines.kernel.device.interfaces import networking, networking_stop
from labs.engines.kernel.device.machine import OWN_PREFIX, TIME_PREFIX, Machine, Prefixed, run_child
from labs.engines.kernel.device.retained import convert_retained
from labs.engines.kernel.things.fork import SHARED
from labs.net.linux.units import Unit
from labs.net.process import Process, Program, Routine
from labs.shell.services import UNITS

__all__ = ["CATALOGUE"]


def _daemon(
    *argv: str,
    hangup: bool = False,
    prepare: Callable[[Process], None] | None = None,
    speaks_as: tuple[str, str, re.Pattern[str]] | None = None,
) -> Program:
    def program(process: Process) -> Routine:
        if prepare is not None:
            prepare(process)
        if speaks_as is not None:
            process.stdout = Prefixed(process.node, *speaks_as)  # type: ignore[arg-type]
        return (yield from run_child(process, argv, hangup=hangup, killed=True))

    return program


def _dnsmasq(process: Process) -> Routine:
    process.stdout = Prefixed(process.node, "dnsmasq")  # type: ignore[arg-type]
    return (yield from run_child(process, DNSMASQ.split(), killed=True))


def _load_ruleset(process: Process) -> Routine:
    return (yield from run_child(process, ["/usr/sbin/nft", "-f", "/etc/nftables.conf"]))


def _flush_ruleset(process: Process) -> Routine:
    return (yield from run_child(process, ["/usr/sbin/nft", "flush", "ruleset"]))


def _reload_web(process: Process) -> Routine:
    return (yield from run_child(process, ["/usr/sbin/nginx", "-s", "reload"]))


def _nothing(process: Process) -> int:
    del process
    return 0


def _forked(kind: str) -> Program:
    """A program of ours as a process of its own."""

    def program(process: Process) -> Routine:
        from labs.engines.kernel.things.fork import run_forked

        return (yield from run_forked(process, kind))

    return program


def _prepare_ssh(process: Process) -> None:
    """Make the host key that Debian's package makes when it is installed."""
    machine: Machine = process.node  # type: ignore[assignment]
    if not machine.files.is_file("/etc/ssh/ssh_host_ed25519_key"):
        os.makedirs("/etc/ssh", exist_ok=True)
        subprocess.run(
            ["/usr/bin/ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", "/etc/ssh/ssh_host_ed25519_key"],
            check=False,
            stdin=subprocess.DEVNULL,
            capture_output=True,
        )


def _prepare_time(process: Process) -> None:
    """The folders of chronyd belong to its user, as chrony.service makes them."""
    users = [line.split(":") for line in process.node.files.get("/etc/passwd").splitlines()]
    for number, group in ((int(user[2]), int(user[3])) for user in users if user[0] == "_chrony"):
        for folder in ("/run/chrony", "/var/lib/chrony"):
            os.makedirs(folder, exist_ok=True)
            os.chmod(folder, 0o750)
            os.chown(folder, number, group)


def _prepare_broker(process: Process) -> None:
    convert_retained(process)


DNSMASQ = (
    "/usr/sbin/dnsmasq --keep-in-foreground --conf-file=/etc/dnsmasq.conf --user=root --group=root --log-facility=-"
    " --pid-file=/run/dnsmasq/dnsmasq.pid --dhcp-leasefile=/var/lib/misc/dnsmasq.leases"
)

MOSQUITTO = "/usr/sbin/mosquitto -c /etc/mosquitto/mosquitto.conf"

# Names, words and commands are those of the simulator's units (a test compares them); the programs are real.
CATALOGUE: dict[str, Unit] = {
    unit.name: unit
    for unit in (
        Unit("fake-hwclock", "Restore / save the current clock", _nothing, "/sbin/fake-hwclock load",
             config="/etc/fake-hwclock.data", oneshot=True),
        Unit("networking", "Raise network interfaces", networking, "/sbin/ifup -a --read-environment",
             config="/etc/network/interfaces", oneshot=True, stop=networking_stop),
        Unit("nftables", "nftables", _load_ruleset, "/usr/sbin/nft -f /etc/nftables.conf", config="/etc/nftables.conf",
             oneshot=True, stop=_flush_ruleset, reload=_load_ruleset),
        Unit("dnsmasq", "dnsmasq - A lightweight DHCP and caching DNS server", _dnsmasq,
             "/usr/sbin/dnsmasq", config="/etc/dnsmasq.conf"),
        Unit("inetd", "Internet superserver", _forked("inetd"), "/usr/sbin/inetd", config="/etc/inetd.conf"),
        Unit("heartbeat", "Heartbeat", _forked("heartbeat"), "/usr/sbin/heartbeat", config="/etc/heartbeat.conf"),
        Unit("chrony", "chrony, an NTP client/server",
             _daemon("/usr/sbin/chronyd", "-d", "-x", prepare=_prepare_time,
                     speaks_as=("chrony", "chronyd", TIME_PREFIX)),
             "/usr/sbin/chronyd -F 1", config="/etc/chrony/chrony.conf"),
        Unit("nginx", "A high performance web server and a reverse proxy server",
             _daemon("/usr/sbin/nginx", "-g", "daemon off;"), "/usr/sbin/nginx -g 'daemon on; master_process on;'",
             config="/etc/nginx/nginx.conf", reload=_reload_web),
        Unit("radvd", "Router advertisement daemon for IPv6",
             _daemon("/usr/sbin/radvd", "--nodaemon", "--logmethod", "stderr_clean"),
             "/usr/sbin/radvd --logmethod stderr_clean", config="/etc/radvd.conf"),
        Unit("rsyslog", "System Logging Service", _daemon("/usr/sbin/rsyslogd", "-n", "-iNONE"),
             "/usr/sbin/rsyslogd -n -iNONE", config="/etc/rsyslog.conf"),
        Unit("ssh", "OpenBSD Secure Shell server",
             _daemon("/usr/sbin/sshd", "-D", "-e", prepare=_prepare_ssh, speaks_as=("ssh", "sshd", OWN_PREFIX)),
             "/usr/sbin/sshd -D",
             config="/etc/ssh/sshd_config"),
        Unit("mosquitto", "Mosquitto MQTT Broker",
             _daemon(*MOSQUITTO.split(), hangup=True, prepare=_prepare_broker), MOSQUITTO,
             config="/etc/mosquitto/mosquitto.conf", hangup_reloads=True),
        *(replace(UNITS[name], program=_forked(name)) for name in SHARED),
    )
}  # fmt: skip
