"""What a trainee types runs inside bubblewrap: fewer rights than the device's own init, and limits on everything.

The device's root holds nothing of the host but its programs. The sandbox takes away what is left: capabilities beyond
the device's network, new namespaces, mounts and calls into the kernel that nobody needs at a shell. `proof` is run in
it before anybody types: it tries what must fail. Daemons run what files of a trainee say, too (a hook of an interface,
a line of inetd.conf): they have the rights of a daemon and pass the same filter of calls.
"""

from __future__ import annotations

import os
import resource
import struct
from functools import cache

from labs.engines.kernel.sandbox.syscalls import drop_capabilities, filter_calls

__all__ = ["SandboxError", "check_proof", "confine", "limit", "proof_command", "sandboxed"]

CAPABILITIES = ("NET_ADMIN", "NET_RAW", "NET_BIND_SERVICE", "SETUID", "SETGID", "KILL", "CHOWN", "DAC_OVERRIDE",
                "FOWNER")  # fmt: skip
NUMBERS = {"CHOWN": 0, "DAC_OVERRIDE": 1, "FOWNER": 3, "KILL": 5, "SETGID": 6, "SETUID": 7, "NET_BIND_SERVICE": 10,
           "NET_ADMIN": 12, "NET_RAW": 13}  # fmt: skip
MEMORY = 1 << 30
FILE_SIZE = 64 << 20
CPU_S = 120
OPEN_FILES = 256
PROCESSES = 256
PROCESS_NUMBERS = 1024

AUDIT_ARCH = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
# Numbers of the calls that are refused (arch/x86/entry/syscalls/syscall_64.tbl, include/uapi/asm-generic/unistd.h).
REFUSED = {
    "x86_64": {
        "ptrace": 101, "pivot_root": 155, "acct": 163, "mount": 165, "umount2": 166, "swapon": 167, "swapoff": 168,
        "reboot": 169, "init_module": 175, "delete_module": 176, "keyctl": 250, "request_key": 249, "add_key": 248,
        "kexec_load": 246, "unshare": 272, "perf_event_open": 298, "open_by_handle_at": 304, "setns": 308,
        "finit_module": 313, "kexec_file_load": 320, "bpf": 321, "userfaultfd": 323, "io_uring_setup": 425,
        "open_tree": 428, "move_mount": 429, "fsopen": 430, "fsmount": 432, "mount_setattr": 442, "syslog": 103,
        "quotactl": 179, "clock_settime": 227, "settimeofday": 164,
        "adjtimex": 159, "clock_adjtime": 305,
    },
    "aarch64": {
        "ptrace": 117, "pivot_root": 41, "acct": 89, "mount": 40, "umount2": 39, "swapon": 224, "swapoff": 225,
        "reboot": 142, "init_module": 105, "delete_module": 106, "keyctl": 219, "request_key": 218, "add_key": 217,
        "kexec_load": 104, "unshare": 97, "perf_event_open": 241, "open_by_handle_at": 265, "setns": 268,
        "finit_module": 273, "kexec_file_load": 294, "bpf": 280, "userfaultfd": 282, "io_uring_setup": 425,
        "open_tree": 428, "move_mount": 429, "fsopen": 430, "fsmount": 432, "mount_setattr": 442, "syslog": 116,
        "quotactl": 60, "clock_settime": 112, "settimeofday": 170, "adjtimex": 171, "clock_adjtime": 266,
    },
}  # fmt: skip
CLONE = {"x86_64": 56, "aarch64": 220}
CLONE3 = 435
NEW_NAMESPACES = 0x7E02_0000  # CLONE_NEWNS, CGROUP, UTS, IPC, USER, PID, NET
X32 = 0x4000_0000
EPERM, ENOSYS = 1, 38
LOAD, EQUAL, BITS, AT_LEAST, RETURN = 0x20, 0x15, 0x45, 0x35, 0x06
ALLOW, ERRNO, KILL = 0x7FFF_0000, 0x0005_0000, 0x8000_0000

PROOF = r"""
fail() { printf 'netwerf-proof: %s\n' "$1"; exit 7; }
mount -t tmpfs none /mnt 2>/dev/null && fail 'a file system can be mounted'
unshare -r true 2>/dev/null && fail 'a user namespace can be made'
unshare -n true 2>/dev/null && fail 'a network namespace can be made'
mknod /tmp/disk b 8 0 2>/dev/null && fail 'a device node can be made'
(echo netwerf >/proc/sys/kernel/hostname) 2>/dev/null && fail 'a kernel setting can be written'
(echo h >/proc/sysrq-trigger) 2>/dev/null && fail 'sysrq can be used'
(echo x >/usr/bin/netwerf-proof) 2>/dev/null && fail 'the programs of the host can be written'
for path in /proc/1/root/proc /proc/1/cwd/proc; do [ -e "$path" ] && fail 'the init of the device can be entered'; done
nsenter -t 1 -m true 2>/dev/null && fail 'the namespaces of the init can be entered'
chroot / true 2>/dev/null && fail 'chroot can be used'
(exec 3<>/dev/mem) 2>/dev/null && fail 'memory can be read'
(exec 3<>/dev/net/tun) 2>/dev/null && fail 'TUN devices can be made'
for host in /boot /media /lost+found; do [ -e "$host" ] && fail "$host of the host can be seen"; done
while read -r key value; do [ "$key" = NoNewPrivs: ] && [ "$value" != 1 ] && fail 'rights can be gained'
    [ "$key" = Seccomp: ] && [ "$value" != 2 ] && fail 'system calls are not filtered'
    [ "$key" = CapEff: ] && [ $(( 0x$value & ~KEPT )) != 0 ] && fail "more rights than the device needs: $value"
done </proc/self/status
echo netwerf-proof: held
"""


class SandboxError(Exception):
    """The sandbox is missing or does not hold, in one line."""


@cache
def seccomp_program(machine: str | None = None) -> bytes:
    """The filter as `struct sock_filter[]`. Raises SandboxError on a machine whose calls are not known."""
    machine = machine or os.uname().machine
    if machine not in REFUSED:
        message = f"no filter of system calls is known for {machine}"
        raise SandboxError(message)
    refused = sorted(number for number in REFUSED[machine].values() if number >= 0)
    code: list[tuple[int, int, int, int]] = [
        (LOAD, 0, 0, 4),
        (EQUAL, 1, 0, AUDIT_ARCH[machine]),
        (RETURN, 0, 0, KILL),
        (LOAD, 0, 0, 0),
    ]
    if machine == "x86_64":
        code += [(AT_LEAST, 0, 1, X32), (RETURN, 0, 0, ERRNO | ENOSYS)]
    code += [(EQUAL, 0, 1, CLONE3), (RETURN, 0, 0, ERRNO | ENOSYS)]  # its flags are out of a filter's sight
    for number in refused:
        code += [(EQUAL, 0, 1, number), (RETURN, 0, 0, ERRNO | EPERM)]
    code += [
        (EQUAL, 0, 3, CLONE[machine]),
        (LOAD, 0, 0, 16),
        (BITS, 0, 1, NEW_NAMESPACES),
        (RETURN, 0, 0, ERRNO | EPERM),
        (RETURN, 0, 0, ALLOW),
    ]
    return b"".join(struct.pack("=HBBI", *line) for line in code)


def seccomp_file() -> int:
    """A descriptor that bubblewrap can read the filter from."""
    descriptor = os.memfd_create("seccomp", 0)
    os.write(descriptor, seccomp_program())
    os.lseek(descriptor, 0, os.SEEK_SET)
    return descriptor


def sandboxed(argv: list[str], seccomp: int) -> list[str]:
    """The command line that runs `argv` in the sandbox, inside a device."""
    hidden = ["--tmpfs", "/dev/net"] if os.path.isdir("/dev/net") else []  # where Open vSwitch needs /dev/net/tun
    options = ["/usr/bin/bwrap", "--dev-bind", "/", "/", *hidden, "--unshare-ipc", "--die-with-parent", "--new-session",
               "--seccomp", str(seccomp), "--chdir", "/root", "--cap-drop", "ALL"]  # fmt: skip
    for capability in CAPABILITIES:
        options += ["--cap-add", f"CAP_{capability}"]
    return [*options, "--", *argv]


def confine(*extra: str) -> None:
    """Keep the rights of a daemon and `extra`, and the calls that a shell has: here and in whatever is executed.

    Raises OSError, and SandboxError on a machine whose calls are not known.
    """
    drop_capabilities(*extra)
    filter_calls(seccomp_program())


def limit() -> None:
    """Bounds of one session, set before bubblewrap starts."""
    for what, value in (
        (resource.RLIMIT_AS, MEMORY),
        (resource.RLIMIT_FSIZE, FILE_SIZE),
        (resource.RLIMIT_CPU, CPU_S),
        (resource.RLIMIT_NOFILE, OPEN_FILES),
        (resource.RLIMIT_CORE, 0),
    ):
        hard = resource.getrlimit(what)[1]
        bound = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(what, (bound, bound))


def proof_command() -> list[str]:
    """A shell that tries what must fail."""
    kept = sum(1 << NUMBERS[name] for name in CAPABILITIES)
    return ["/bin/bash", "-c", PROOF.replace("KEPT", hex(kept))]


def check_proof(text: str) -> None:
    """Raise SandboxError unless everything failed that must fail; `text` is what the proof printed."""
    if "netwerf-proof: held" in text:
        return
    found = next((line for line in text.splitlines() if line.startswith("netwerf-proof: ")), "")
    said = found.removeprefix("netwerf-proof: ") or text.strip() or "it did not run"
    message = f"the sandbox does not hold: {said.splitlines()[0]}"
    raise SandboxError(message)
