"""The sandbox is proved in a device of its own while the engine still loads: a root as every device has, and no port.

What is tried is `PROOF` of `bubblewrap.py`. The device is made as every device is: its own namespaces and root, an
init that is not confined, and the shell of a trainee below it. It is gone when the answer is there.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import sys
import time
import traceback
from collections.abc import Mapping

from labs.engines.kernel.sandbox import syscalls
from labs.engines.kernel.sandbox.bubblewrap import (
    SandboxError,
    check_proof,
    limit,
    proof_command,
    sandboxed,
    seccomp_file,
)
from labs.engines.kernel.sandbox.rootfs import build_root, enter_root

__all__ = ["Proof"]

PROOF_S = 20.0
PLACE = ".proof"  # no device can be called so
ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8", "TERM": "dumb"}


class Proof:
    """A proof under way. It begins with the object and ends with `finish`."""

    def __init__(self, skeleton: Mapping[str, bytes]) -> None:
        own_pid_namespace = os.open("/proc/self/ns/pid", os.O_RDONLY | os.O_CLOEXEC)
        self._said, saying = os.pipe()
        try:
            syscalls.unshare(syscalls.CLONE_NEWPID)
            self._pid = os.fork()
            if self._pid == 0:
                try:
                    syscalls.die_with_parent()
                    os.close(self._said)
                    _prove(skeleton, saying)
                except BaseException as error:  # noqa: BLE001 - a forked child must never return into its parent's code
                    with contextlib.suppress(OSError):
                        os.write(saying, f"{error}\n".encode())
                    traceback.print_exc(file=sys.stderr)
                finally:
                    os._exit(0)
            syscalls.setns(own_pid_namespace, syscalls.CLONE_NEWPID)
        finally:
            os.close(own_pid_namespace)
            os.close(saying)

    def finish(self) -> None:
        """Wait for the answer. Raises SandboxError unless everything failed that must fail."""
        until = time.monotonic() + PROOF_S
        said = b""
        while (left := until - time.monotonic()) > 0:
            ready, _, _ = select.select([self._said], [], [], left)
            data = os.read(self._said, 1 << 16) if ready else b""
            if not data:
                break
            said += data
        os.close(self._said)
        with contextlib.suppress(ProcessLookupError):
            os.kill(self._pid, signal.SIGKILL)
        with contextlib.suppress(ChildProcessError):
            os.waitpid(self._pid, 0)
        if not said and left <= 0:
            message = f"the sandbox does not hold: no answer within {PROOF_S:.0f} s"
            raise SandboxError(message)
        check_proof(said.decode("utf-8", "replace"))


def _prove(skeleton: Mapping[str, bytes], saying: int) -> None:
    """The init of the device."""
    syscalls.unshare(syscalls.CLONE_NEWNET | syscalls.CLONE_NEWNS | syscalls.CLONE_NEWUTS | syscalls.CLONE_NEWIPC)
    enter_root(build_root(PLACE, {}, skeleton), {})
    pid = os.fork()
    if pid == 0:
        try:
            seccomp = seccomp_file()
            os.set_inheritable(seccomp, True)  # noqa: FBT003
            os.dup2(os.open("/dev/null", os.O_RDONLY), 0)
            os.dup2(saying, 1)
            os.dup2(saying, 2)
            limit()
            argv = sandboxed(proof_command(), seccomp)
            os.execve(argv[0], argv, ENVIRONMENT)  # noqa: S606 - our own command line
        except BaseException as error:  # noqa: BLE001 - told to whoever waits
            os.write(saying, f"{error}\n".encode())
        finally:
            os._exit(1)
    os.waitpid(pid, 0)
