"""What `netwerf doctor` tells of the engine kernel: what this machine has for it, and what each lack excludes.

Nobody needs that engine, so a lack is no fault; only a self-test that fails is one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from labs.engines.base import EngineUnavailable
from labs.engines.kernel.selftest import SelfTest, self_test
from labs.engines.kernel.survey import REQUIRED_FEATURES, REQUIRED_TOOLS, Host, Survey, Tool, survey
from labs.messages import Message, message
from labs.ui.finding import ABSENT, GOOD, LACKING, Finding

__all__ = ["kernel_findings"]

DEVICE_TYPES = ("veth", "bridge", "vlan_filtering", "vlan")
QUEUES = ("netem", "tbf")
EXPRESSIONS = ("fwd", "nftrace", "ct", "masquerade", "reject", "limit", "log", "numgen")
SETTING = {
    "kernel.apparmor_restrict_unprivileged_userns": "0",
    "kernel.unprivileged_userns_clone": "1",
    "user.max_user_namespaces": "10000",
    "user.max_net_namespaces": "10000",
}


def kernel_findings(host: Host | None = None, try_it: Callable[[], SelfTest] = self_test) -> Iterator[Finding]:
    """Everything about the engine kernel; where it cannot run, one line why, and one how to mend it."""
    found = survey(host)
    lacking = list(_impossible(found))
    if lacking:
        yield from lacking
        return
    yield Finding(
        GOOD, message("engine kernel"), message("real Linux, for: netwerf play NAME --engine kernel"), _root(found)
    )
    yield Finding(GOOD, message("Mininet"), message("{text}", text=found.mininet))
    yield _tools(found)
    yield from (Finding(ABSENT, message("{text}", text=tool.name), _without_tool(tool)) for tool in found.missing)
    if found.packages:
        yield Finding(ABSENT, message("packages to add"), _install(found.packages))
    yield _group(found, message("device types"), DEVICE_TYPES)
    yield _vlans(found)
    yield _tunnels(found)
    yield _group(found, message("queues"), QUEUES)
    yield _group(found, message("firewall"), EXPRESSIONS)
    yield _tun(found)
    yield _neighbours(found)
    yield from _self_test(try_it)


def _impossible(found: Survey) -> Iterator[Finding]:
    """Why the engine cannot run at all; everything at once, so that mending takes one round."""
    what = message("engine kernel")
    if found.platform != "linux":
        yield Finding(ABSENT, what, message("needs Linux; every lab works on the engine sim"))
        return
    required = REQUIRED_TOOLS | (set() if found.is_root else {"newuidmap"})
    names = ", ".join(tool.name for tool in found.tools if tool.name in required and not tool.path)
    if names:
        yield Finding(ABSENT, what, message("lacks {names}", names=names), _install(found.packages))
    if not found.mininet:
        yield Finding(ABSENT, what, message("lacks Mininet"), message('mend it with: pip install "netwerf[kernel]"'))
    if found.refused:
        said = message("needs root or namespaces of a user, and this machine says: {said}", said=found.refused)
        yield Finding(ABSENT, what, said, _permit(found.cause))
    why, mending = found.alone
    if why:
        said = message("cannot give daemons users of their own: {why}", why=why)
        yield Finding(ABSENT, what, said, message("mend it with: {text}", text=mending))
    missing = sorted(name for name in REQUIRED_FEATURES if not found.features.get(name, not found.features))
    if missing and not names:
        yield Finding(ABSENT, what, message("this kernel lacks {names}", names=", ".join(missing)))


def _install(packages: tuple[str, ...]) -> Message:
    return message("mend it with: sudo apt-get install {names}", names=" ".join(packages))


def _permit(cause: str) -> Message:
    if cause in SETTING:
        return message(
            "mend it with: sudo sysctl -w {setting}={value}, or start netwerf as root",
            setting=cause,
            value=SETTING[cause],
        )
    if cause == "seccomp":
        return message("a container forbids it: start the container with more rights, or use the engine sim")
    return message("start netwerf as root, or use the engine sim")


def _root(found: Survey) -> Message:
    if found.is_root:
        return message("as root, in namespaces that vanish with it")
    return message(
        "as an ordinary user, with the numbers {numbers} for daemons, in namespaces that vanish with it",
        numbers=found.numbers,
    )


def _tools(found: Survey) -> Finding:
    here = [tool for tool in found.tools if tool.path]
    text = ", ".join(f"{tool.name} {tool.version}".rstrip() for tool in here)
    return Finding(GOOD, message("tools"), message("{text}", text=text))


def _without_tool(tool: Tool) -> Message:
    """What goes without a program."""
    daemons = {
        "dnsmasq": message("missing: no lab with a DHCP or DNS server"),
        "dhclient": message("missing: no lab in which a device asks for its address"),
        "mosquitto": message("missing: no lab with an MQTT broker"),
        "sshd": message("missing: no lab with an SSH server"),
        "nginx": message("missing: no lab with the web server nginx"),
        "chronyd": message("missing: no lab with a time server"),
        "rsyslogd": message("missing: no lab with a log server"),
        "radvd": message("missing: no lab in which a router tells a prefix of IPv6"),
        "tc": message("missing: no lab with slow leads"),
        "ovs-vswitchd": message("missing: no lab with VLANs, as this kernel has none"),
    }
    return daemons.get(tool.name) or message("missing: trainees cannot type it")


def _group(found: Survey, what: Message, names: tuple[str, ...]) -> Finding:
    here = [name for name in names if found.features.get(name)]
    lacking = [name for name in names if name not in here]
    if not lacking:
        return Finding(GOOD, what, message("{text}", text=", ".join(here)))
    said = message("{here}; this kernel lacks {names}", here=", ".join(here), names=", ".join(lacking))
    if not here:
        said = message("this kernel lacks {names}", names=", ".join(lacking))
    return Finding(ABSENT, what, said, _without_feature(lacking))


def _vlans(found: Survey) -> Finding:
    """Who filters and tags VLANs."""
    what = message("VLANs")
    if found.has_vlans:
        return Finding(GOOD, what, message("by the kernel"))
    if found.features.get("tun") and not any(tool.name == "ovs-vswitchd" for tool in found.missing):
        return Finding(GOOD, what, message("by Open vSwitch in user space, since this kernel has none"))
    return Finding(
        ABSENT, what, message("labs with VLANs are played on the engine sim"),
        message("they need bridge filtering and 8021q in the kernel, or openvswitch-switch and /dev/net/tun"),
    )  # fmt: skip


def _tunnels(found: Survey) -> Finding:
    """Who puts packets into packets."""
    what = message("tunnels")
    if found.features.get("gre") and found.features.get("ipip"):
        return Finding(GOOD, what, message("by the kernel"))
    if found.features.get("tun"):
        return Finding(GOOD, what, message("by a process of ours over TUN devices, since this kernel has none"))
    return Finding(
        ABSENT, what, message("labs with GRE or IPIP tunnels are played on the engine sim"),
        message("they need ip_gre and ipip in the kernel, or /dev/net/tun"),
    )  # fmt: skip


def _without_feature(names: list[str]) -> Message | None:
    """What goes without something of the kernel; the gravest is told, VLANs have a line of their own."""
    if "vlan_filtering" in names or "vlan" in names:
        return None
    if "netem" in names:
        return message("labs with slow leads are played on the engine sim (module sch_netem)")
    if "masquerade" in names:
        return message("labs with address translation are played on the engine sim")
    if "tbf" in names:
        return message("no lab needs it today")
    return message("rules with these words fail, in the words of nft")


def _tun(found: Survey) -> Finding:
    if found.features.get("tun"):
        return Finding(GOOD, message("TUN"), message("TAP devices can be made"))
    return Finding(
        ABSENT, message("TUN"), message("no TAP device can be made: VLANs and tunnels are the kernel's, or none")
    )


def _neighbours(found: Survey) -> Finding:
    what = message("neighbour table")
    if not found.neighbour_limit:
        return Finding(ABSENT, what, message("its limit cannot be seen from here; 30 hosts on a segment are safe"))
    said = message(
        "{used} of {limit} in use: up to {hosts} hosts on a segment that all talk with each other",
        used=found.neighbours,
        limit=found.neighbour_limit,
        hosts=found.most_hosts,
    )
    more = "net.ipv4.neigh.default.gc_thresh3=16384"
    mend = message("for more: sudo sysctl -w {setting}", setting=more) if found.most_hosts < 50 else None
    return Finding(GOOD, what, said, mend)


def _self_test(try_it: Callable[[], SelfTest]) -> Iterator[Finding]:
    what = message("self-test")
    try:
        test = try_it()
    except EngineUnavailable as error:
        yield Finding(LACKING, what, message("{text}", text=str(error)))
        return
    except Exception as error:  # noqa: BLE001 - the doctor reports, whatever it is
        yield Finding(LACKING, what, message("{error}", error=f"{type(error).__name__}: {error}"))
        return
    if test.failed:
        yield Finding(LACKING, what, message("{text}", text=test.failed))
    else:
        yield Finding(
            GOOD,
            what,
            message(
                "two hosts in {start} ms, sandbox proved; ping {ping} ms, TCP with data {tcp} ms",
                start=round(test.start_ms),
                ping=f"{test.ping_ms:.2f}",
                tcp=round(test.tcp_ms),
            ),
        )
    if test.left:
        yield Finding(LACKING, message("afterwards"), message("left behind: {names}", names=", ".join(test.left)))
    else:
        gone = message("gone after {stop} ms: no process, namespace or mount is left", stop=round(test.stop_ms))
        yield Finding(GOOD, message("afterwards"), gone)
