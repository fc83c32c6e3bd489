"""The system calls that Python 3.11 does not offer: namespaces, mounts, capabilities, filters of calls.

Before changing this file read unshare(2), mount(2), pivot_root(2), prctl(2), seccomp(2), capabilities(7).
"""

from __future__ import annotations

import ctypes
import os
import struct

__all__ = [
    "CLONE_NEWIPC",
    "CLONE_NEWNET",
    "CLONE_NEWNS",
    "CLONE_NEWPID",
    "CLONE_NEWUTS",
    "MS_BIND",
    "MS_NODEV",
    "MS_NOEXEC",
    "MS_NOSUID",
    "MS_PRIVATE",
    "MS_RDONLY",
    "MS_REC",
    "MS_REMOUNT",
    "MS_SLAVE",
    "die_with_parent",
    "drop_capabilities",
    "filter_calls",
    "mount",
    "pivot_root",
    "set_host_name",
    "set_process_name",
    "setns",
    "unmount",
    "unshare",
]

CLONE_NEWNS = 0x0002_0000
CLONE_NEWUTS = 0x0400_0000
CLONE_NEWIPC = 0x0800_0000
CLONE_NEWPID = 0x2000_0000
CLONE_NEWNET = 0x4000_0000

MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_REMOUNT = 1, 2, 4, 8, 32
MS_BIND, MS_REC, MS_PRIVATE, MS_SLAVE = 4096, 16384, 1 << 18, 1 << 19
MNT_DETACH = 2

PR_SET_PDEATHSIG, PR_SET_NAME, PR_SET_SECCOMP, PR_CAPBSET_DROP, PR_SET_NO_NEW_PRIVS = 1, 15, 22, 24, 38
SECCOMP_MODE_FILTER = 2
SOCK_FILTER_BYTES = 8
CAPABILITY_VERSION_3 = 0x2008_0522
HIGHEST_CAPABILITY = 40  # CAP_CHECKPOINT_RESTORE, Linux 5.9
# capabilities(7): what a daemon of a small machine needs of its own namespaces, and nothing that reaches beyond them.
KEPT = {
    "CAP_CHOWN": 0,
    "CAP_DAC_OVERRIDE": 1,
    "CAP_FOWNER": 3,
    "CAP_KILL": 5,
    "CAP_SETGID": 6,
    "CAP_SETUID": 7,
    "CAP_NET_BIND_SERVICE": 10,
    "CAP_NET_BROADCAST": 11,
    "CAP_NET_ADMIN": 12,
    "CAP_NET_RAW": 13,
    "CAP_SYS_CHROOT": 18,
}

EXTRA = {"CAP_SYS_PTRACE": 19}  # to name the owners of sockets, in a tool whose words are checked by itself

_libc = ctypes.CDLL(None, use_errno=True)
SYS_PIVOT_ROOT = {"x86_64": 155, "aarch64": 41, "riscv64": 41, "armv7l": 218, "i686": 217}


def _checked(result: int, what: str) -> None:
    if result:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")


def unshare(flags: int) -> None:
    """Leave namespaces. Raises OSError."""
    _checked(_libc.unshare(flags), "unshare")


def setns(descriptor: int, kind: int) -> None:
    """Enter a namespace. Raises OSError."""
    _checked(_libc.setns(descriptor, kind), "setns")


def mount(source: str, target: str, kind: str = "", flags: int = 0, data: str = "") -> None:
    """Mount, bind or change a mount. Raises OSError."""
    arguments = [text.encode() or None for text in (source, target, kind)]
    _checked(_libc.mount(*arguments, ctypes.c_ulong(flags), data.encode() or None), f"mount {target}")


def unmount(target: str) -> None:
    """Take a mount away, at the latest when nobody uses it any more. Raises OSError."""
    _checked(_libc.umount2(target.encode(), MNT_DETACH), f"umount {target}")


def pivot_root(path: str) -> None:
    """Make a mounted directory the root; the old root is gone afterwards. Raises OSError."""
    os.chdir(path)
    number = SYS_PIVOT_ROOT.get(os.uname().machine)
    if number is None:
        message = f"pivot_root is not known on {os.uname().machine}"
        raise OSError(message)
    _checked(_libc.syscall(number, b".", b"."), "pivot_root")
    _checked(_libc.umount2(b".", MNT_DETACH), "umount2")
    os.chdir("/")


def set_host_name(name: str) -> None:
    """The name in this UTS namespace. Raises OSError."""
    raw = name.encode()
    _checked(_libc.sethostname(raw, len(raw)), "sethostname")


def set_process_name(name: str) -> None:
    """What `ss` and `ps` call this process."""
    _libc.prctl(PR_SET_NAME, name.encode()[:15], 0, 0, 0)


def die_with_parent(signal: int = 9) -> None:
    """Get a signal when the parent ends."""
    _checked(_libc.prctl(PR_SET_PDEATHSIG, signal, 0, 0, 0), "prctl")


def drop_capabilities(*extra: str) -> None:
    """Give up every capability but KEPT and `extra`, for ever, here and in whatever is executed. Raises OSError."""
    kept = frozenset((*KEPT.values(), *(EXTRA[name] for name in extra)))
    for capability in range(HIGHEST_CAPABILITY + 1):
        if capability not in kept:
            _libc.prctl(PR_CAPBSET_DROP, capability, 0, 0, 0)  # an older kernel knows fewer
    _checked(_libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "prctl")
    mask = sum(1 << capability for capability in kept)
    header = (ctypes.c_uint32 * 2)(CAPABILITY_VERSION_3, 0)
    low, high = mask & 0xFFFF_FFFF, mask >> 32
    data = (ctypes.c_uint32 * 6)(low, low, 0, high, high, 0)
    _checked(_libc.capset(ctypes.byref(header), ctypes.byref(data)), "capset")


def filter_calls(program: bytes) -> None:
    """Have every further call of this process, and of whatever it executes, pass a filter of `struct sock_filter[]`.

    Nobody can take it off again. Raises OSError, also where rights could still be gained.
    """
    code = ctypes.create_string_buffer(program, len(program))
    fprog = struct.pack("@HP", len(program) // SOCK_FILTER_BYTES, ctypes.addressof(code))
    _checked(_libc.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, fprog, 0, 0), "prctl")
