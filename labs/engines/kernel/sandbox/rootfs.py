"""The file system of one device: its own root on a tmpfs, with the programs of the host and none of its other files.

Everything of a lab lies on one tmpfs in the private mount namespace of the engine, so nothing is ever on a disk. A
device gets `/usr` of the host for reading, a fresh `/etc` from its files, its own `/var`, `/root`, `/home` and `/tmp`.
"""

from __future__ import annotations

import encodings.ascii  # noqa: F401 - loaded by name, and inside a device there is no Python to load it from
import os
import shutil
import stat
from collections.abc import Iterable, Mapping
from pathlib import Path

from labs.engines.kernel.sandbox import syscalls
from labs.engines.kernel.sandbox.bubblewrap import PROCESS_NUMBERS
from labs.engines.kernel.sandbox.commands import write_commands, write_link_commands

__all__ = [
    "LAB",
    "LAB_DEVICES",
    "build_root",
    "enter_root",
    "prepare_lab",
    "prepare_serial",
    "prepare_tunnels",
    "prepare_vlans",
    "stored_files",
]

LAB = Path("/run/netwerf")
COMMON = LAB / "common"
LAB_DEVICES = LAB / "devices"
LAB_SERIAL = LAB / "serial"
PTS = LAB / "pts"
LAB_BYTES = "1g"  # all files of all devices together
TREE = ("etc", "root", "home", "tmp", "run", "var", "srv", "mnt", "opt", "proc", "sys", "dev", "usr")
VAR = ("var/log", "var/lib/misc", "var/lib/dhcp", "var/lib/chrony", "var/lib/mosquitto", "var/log/nginx",
       "var/lib/nginx", "var/spool/rsyslog", "var/tmp", "run/network", "run/sshd", "run/dnsmasq", "run/mosquitto",
       "run/chrony", "run/lock", "etc/systemd/system/multi-user.target.wants", "etc/network")  # fmt: skip
LINKS = {"bin": "usr/bin", "sbin": "usr/sbin", "lib": "usr/lib", "lib32": "usr/lib32", "lib64": "usr/lib64"}
NODES = ("null", "zero", "full", "random", "urandom", "tty")
# What programs want to find under /etc and what says nothing about the host.
COPIED = ("services", "protocols", "rpc", "ethertypes", "ld.so.cache", "ld.so.conf", "host.conf", "gai.conf",
          "nanorc", "inputrc", "mime.types", "debian_version", "os-release", "login.defs", "shells",
          "dhcp/dhclient-exit-hooks.d/rfc3442-classless-routes")  # fmt: skip
COPIED_TREES = ("iproute2", "ld.so.conf.d")
LINKED_TREES = ("alternatives", "ssl", "terminfo")
OWN = {
    "nsswitch.conf": "passwd: files\ngroup: files\nshadow: files\nhosts: files dns\nservices: files\n"
    "protocols: files\nethers: files\n",
    "fstab": "",
    "machine-id": "0123456789abcdef0123456789abcdef\n",
    "issue": "Debian GNU/Linux 12 \\n \\l\n",
    "dhcp/dhclient.conf": "option rfc3442-classless-static-routes code 121 = array of unsigned integer 8;\n"
    "send host-name = gethostname();\n"
    "request subnet-mask, broadcast-address, time-offset, routers, domain-name, domain-name-servers, domain-search,"
    " host-name, netbios-name-servers, netbios-scope, interface-mtu, rfc3442-classless-static-routes, ntp-servers;\n"
    "initial-interval 1;\nbackoff-cutoff 4;\nretry 10;\ntimeout 30;\n",
}
SYSTEM_USERS = ("daemon", "mail", "www-data", "nobody", "_chrony", "mosquitto", "sshd", "systemd-network", "tcpdump",
                "messagebus", "syslog", "dnsmasq")  # fmt: skip
VOLATILE = frozenset({"proc", "sys", "dev", "usr", "run", "tmp", "mnt", *LINKS})
MAX_FILE = 1 << 20
UNREAD = (
    "etc/ld.so.cache",
    "etc/alternatives",
    "etc/ssl",
    "etc/terminfo",
    "var/log",
    "var/tmp",
    "var/spool",
    "var/lib/nginx",
)


def prepare_lab() -> dict[str, bytes]:
    """Mount the tmpfs of the lab and what all devices share; returns the files every /etc begins with."""
    syscalls.mount("none", "/", "", syscalls.MS_REC | syscalls.MS_PRIVATE)
    syscalls.mount("tmpfs", "/run", "tmpfs", syscalls.MS_NOSUID, f"mode=755,size={LAB_BYTES}")
    _make_nodes(COMMON / "dev")
    local = COMMON / "local"
    for name in ("bin", "sbin", "lib", "share", "etc"):
        (local / name).mkdir(parents=True)
    write_commands(local / "sbin")
    for tree in LINKED_TREES:
        if os.path.isdir(f"/etc/{tree}"):
            (local / "etc" / tree).mkdir()
            syscalls.mount(f"/etc/{tree}", str(local / "etc" / tree), "", syscalls.MS_BIND)
    return _skeleton()


def _make_nodes(nodes: Path, ports: Iterable[str] = ()) -> None:
    """What stands below /dev of a device; each of `ports` waits for a terminal to be mounted over it."""
    nodes.mkdir(parents=True)
    for name in ports:
        (nodes / name).touch()
    for name in NODES:
        (nodes / name).touch()
        syscalls.mount(f"/dev/{name}", str(nodes / name), "", syscalls.MS_BIND)
    for name in ("pts", "shm"):
        (nodes / name).mkdir()
    for name, target in (("ptmx", "pts/ptmx"), ("fd", "/proc/self/fd"), ("stdin", "/proc/self/fd/0"),
                         ("stdout", "/proc/self/fd/1"), ("stderr", "/proc/self/fd/2")):  # fmt: skip
        (nodes / name).symlink_to(target)


def _give_tun(nodes: Path) -> None:
    (nodes / "net").mkdir()
    (nodes / "net/tun").touch()
    syscalls.mount("/dev/net/tun", str(nodes / "net/tun"), "", syscalls.MS_BIND)


def prepare_serial(devices: Mapping[str, Iterable[str]]) -> Path:
    """Make a /dev of their own for devices with serial ports; returns where terminals come from."""
    for name, ports in devices.items():
        _make_nodes(LAB_SERIAL / name, ports)
        if (COMMON / "dev/net").is_dir():
            _give_tun(LAB_SERIAL / name)
    PTS.mkdir()
    syscalls.mount("devpts", str(PTS), "devpts", syscalls.MS_NOSUID, "newinstance,ptmxmode=0666,mode=620")
    return PTS


def prepare_vlans() -> None:
    """VLANs will not be the kernel's: `ip` and `bridge` have to know of them."""
    from labs.engines.kernel.vlans.openvswitch import write_template

    _give_tun(COMMON / "dev")
    write_link_commands(COMMON / "local/sbin")
    write_template(COMMON / "local/share/openvswitch.db")


def prepare_tunnels() -> None:
    """Tunnels will not be the kernel's: `ip` has to know of them."""
    write_link_commands(COMMON / "local/sbin")


def _skeleton() -> dict[str, bytes]:
    files = {f"etc/{name}": text.encode() for name, text in OWN.items()}
    etc = Path("/etc")
    sources = [etc / name for name in COPIED]
    for tree in COPIED_TREES:
        sources += sorted((etc / tree).glob("*"))
    for source in sources:
        if source.is_file():
            files[str(source)[1:]] = source.read_bytes()
    for name in ("passwd", "group"):
        files[f"etc/{name}"] = _accounts(etc / name)
    users = [line.split(b":")[0] for line in files["etc/passwd"].splitlines()]
    files["etc/shadow"] = b"".join(user + b":*:19700:0:99999:7:::\n" for user in users)
    return files


def _accounts(path: Path) -> bytes:
    """Root and the users of daemons; nobody of the host who is a person."""
    kept = ["root:x:0:0:root:/root:/bin/bash"] if path.name == "passwd" else ["root:x:0:"]
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        name, _, rest = line.partition(":")
        number = rest.split(":")[1] if rest.count(":") >= 2 else ""
        system = number.isdecimal() and (0 < int(number) < 1000 or int(number) == 65534)
        if system and (path.name == "group" or name in SYSTEM_USERS):
            kept.append(line if path.name == "passwd" else f"{name}:x:{number}:")
    return ("\n".join(kept) + "\n").encode()


def build_root(name: str, files: Mapping[str, str], skeleton: Mapping[str, bytes]) -> Path:
    """Make the tree of a device and write its files; nothing is mounted yet."""
    root = LAB_DEVICES / name
    base = f"{root}/"
    os.makedirs(base)
    made = {""}
    for part in (*TREE, *VAR, *dict.fromkeys(path.rpartition("/")[0] for path in skeleton)):
        _make_directory(base, part, made)
    for link, target in LINKS.items():
        if os.path.lexists(f"/{link}"):
            os.symlink(target, base + link)
    for part in ("tmp", "var/tmp"):
        os.chmod(base + part, 0o1777)
    os.chmod(f"{base}root", 0o700)
    os.symlink("/run", f"{base}var/run")
    for path, content in skeleton.items():
        descriptor = os.open(base + path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o644)
        os.write(descriptor, content)
        os.close(descriptor)
    os.chmod(f"{base}etc/shadow", 0o640)
    for tree in LINKED_TREES:
        os.symlink(f"/usr/local/etc/{tree}", f"{base}etc/{tree}")
    os.symlink("/proc/self/mounts", f"{base}etc/mtab")
    for path, text in files.items():
        write_file(root, path, text)
    return root


def _make_directory(base: str, path: str, made: set[str]) -> None:
    if path not in made:
        _make_directory(base, path.rpartition("/")[0], made)
        os.mkdir(base + path)
        made.add(path)


def write_file(root: Path, path: str, text: str) -> None:
    """One file of the device; what belongs below /usr waits in a layer above it."""
    target = root / path.lstrip("/")
    if path.startswith("/usr/"):
        target = root / ".usr" / path.removeprefix("/usr/")
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(text, encoding="utf-8", newline="")
    if path == "/etc/shadow":
        target.chmod(0o640)


def enter_root(root: Path, terminals: Mapping[str, Path]) -> None:
    """Make a tree the root of this mount namespace, with these serial ports. Raises OSError.

    Kernel settings are for reading, but for those of the network: they belong to the namespace.
    """
    syscalls.mount("none", "/", "", syscalls.MS_REC | syscalls.MS_PRIVATE)
    base = str(root)
    syscalls.mount(base, base, "", syscalls.MS_BIND)
    _mount_usr(root)
    syscalls.mount(str(COMMON / "local"), f"{base}/usr/local", "", syscalls.MS_BIND | syscalls.MS_REC)
    nodes = LAB_SERIAL / root.name if terminals else COMMON / "dev"
    syscalls.mount(str(nodes), f"{base}/dev", "", syscalls.MS_BIND | syscalls.MS_REC)
    for shared in ("usr/local", "dev"):
        _read_only(f"{base}/{shared}")
    for name, terminal in terminals.items():
        syscalls.mount(str(terminal), f"{base}/dev/{name}", "", syscalls.MS_BIND)
    syscalls.mount("devpts", f"{base}/dev/pts", "devpts", syscalls.MS_NOSUID, "newinstance,ptmxmode=0666,mode=620")
    safe = syscalls.MS_NOSUID | syscalls.MS_NODEV | syscalls.MS_NOEXEC
    syscalls.mount("tmpfs", f"{base}/dev/shm", "tmpfs", safe, "size=16m")
    syscalls.mount("proc", f"{base}/proc", "proc", safe)
    syscalls.mount("sysfs", f"{base}/sys", "sysfs", safe | syscalls.MS_RDONLY)
    for name in ("run", "tmp"):
        syscalls.mount("tmpfs", f"{base}/{name}", "tmpfs", syscalls.MS_NOSUID | syscalls.MS_NODEV, "size=64m")
    os.chmod(f"{base}/tmp", 0o1777)
    for part in VAR:
        if part.startswith("run/"):
            os.makedirs(f"{base}/{part}", exist_ok=True)
    os.chmod(f"{base}/run", 0o755)
    syscalls.pivot_root(base)
    _guard_proc()


def _mount_usr(root: Path) -> None:
    usr, layer = f"{root}/usr", root / ".usr"
    if not layer.is_dir():
        syscalls.mount("/usr", usr, "", syscalls.MS_BIND | syscalls.MS_REC)
        _read_only(usr)
        return
    work = root / ".work"
    work.mkdir(exist_ok=True)
    data = f"lowerdir=/usr,upperdir={layer},workdir={work}"
    try:
        syscalls.mount("overlay", usr, "overlay", syscalls.MS_NODEV, data)
    except OSError:  # in a user namespace
        syscalls.mount("overlay", usr, "overlay", syscalls.MS_NODEV, data + ",userxattr")


def _read_only(path: str) -> None:
    flags = syscalls.MS_BIND | syscalls.MS_REMOUNT | syscalls.MS_RDONLY
    known = os.statvfs(path).f_flag  # in a user namespace flags of the mount below may not be dropped
    for bit, flag in ((os.ST_NOSUID, syscalls.MS_NOSUID), (os.ST_NODEV, syscalls.MS_NODEV)):
        flags |= flag if known & bit else 0
    syscalls.mount("none", path, "", flags)


def _guard_proc() -> None:
    if _kernel() >= (6, 14):  # since then a setting of the namespace; before, of the whole machine
        with open("/proc/sys/kernel/pid_max", "w", encoding="ascii") as file:
            file.write(str(PROCESS_NUMBERS))
    syscalls.mount("/proc/sys/net", "/proc/sys/net", "", syscalls.MS_BIND)
    syscalls.mount("/proc/sys", "/proc/sys", "", syscalls.MS_BIND | syscalls.MS_REC)  # with its part that is writable
    safe = syscalls.MS_NOSUID | syscalls.MS_NODEV | syscalls.MS_NOEXEC
    remount = syscalls.MS_BIND | syscalls.MS_REMOUNT | syscalls.MS_RDONLY | safe
    syscalls.mount("none", "/proc/sys", "", remount)
    for name in ("sysrq-trigger", "irq", "bus", "fs", "acpi", "scsi"):
        path = f"/proc/{name}"
        if os.path.exists(path):
            syscalls.mount(path, path, "", syscalls.MS_BIND)
            syscalls.mount("none", path, "", remount)
    for name in ("kcore", "kmsg", "keys", "latency_stats", "timer_list"):
        path = f"/proc/{name}"
        if os.path.exists(path):
            syscalls.mount("/dev/null", path, "", syscalls.MS_BIND)


def _kernel() -> tuple[int, int]:
    major, minor = os.uname().release.split(".")[:2]
    return int(major), int("".join(digit for digit in minor if digit.isdecimal()) or 0)


def stored_files(root: Path, skeleton: Mapping[str, bytes]) -> dict[str, str]:
    """Every file of a device that is its own: what the skeleton gave and nobody changed is left out."""
    found: dict[str, str] = {}
    for folder, folders, names in os.walk(root):
        here = os.path.relpath(folder, root)
        if here == ".":
            folders[:] = sorted(set(folders) - VOLATILE - {".work"})
        folders[:] = [name for name in folders if os.path.normpath(f"{here}/{name}") not in UNREAD]
        for name in names:
            path = os.path.normpath(f"{here}/{name}")
            if path in UNREAD:
                continue
            full = os.path.join(folder, name)
            details = os.lstat(full)
            if not stat.S_ISREG(details.st_mode) or details.st_size > MAX_FILE:
                continue
            with open(full, "rb") as file:
                content = file.read()
            if skeleton.get(path) != content:
                found["/" + path.replace(".usr/", "usr/", 1)] = content.decode("utf-8", "replace")
    return found


def forget(root: Path) -> None:
    """Remove the tree of a device."""
    shutil.rmtree(root, ignore_errors=True)
