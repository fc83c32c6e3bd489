"""A serial port as a pseudo-terminal: what a program that is none of ours finds as /dev/ttyS0.

Before changing this file read pty(7) and termios(3). Linux forgets the parity of a pseudo-terminal (pty_set_termios).
It keeps INPCK and PARODD, which libmodbus sets with it, so parity is read from these: who sets PARENB alone sends none.
"""

from __future__ import annotations

import contextlib
import os
import select
import termios
import tty
from pathlib import Path

from labs.net.serial import Parity, SerialSettings

__all__ = ["Terminal", "open_terminal"]

CHUNK = 4096
SPEEDS = {
    termios.B1200: 1200,
    termios.B2400: 2400,
    termios.B4800: 4800,
    termios.B9600: 9600,
    termios.B19200: 19_200,
    termios.B38400: 38_400,
    termios.B57600: 57_600,
    termios.B115200: 115_200,
}


class Terminal:
    """The end of a pseudo-terminal that is the cable's."""

    def __init__(self, master: int) -> None:
        self.master = master
        self._poll = select.poll()
        self._poll.register(master, 0)

    @property
    def is_open(self) -> bool:
        """True while a program has it open."""
        return not any(event & select.POLLHUP for _, event in self._poll.poll(0))

    def settings(self) -> SerialSettings | None:
        """How whoever has it open has set it; None where nobody has, or at a speed that no drop knows."""
        if not self.is_open:
            return None
        incoming, _, control, _, _, speed, _ = termios.tcgetattr(self.master)
        if speed not in SPEEDS:
            return None
        parity = Parity.NONE
        if incoming & termios.INPCK:
            parity = Parity.ODD if control & termios.PARODD else Parity.EVEN
        return SerialSettings(SPEEDS[speed], parity, 2 if control & termios.CSTOPB else 1)

    def read(self) -> bytes:
        """What a program has written since the last time."""
        parts = []
        with contextlib.suppress(OSError):  # nothing more, or nobody there
            while data := os.read(self.master, CHUNK):
                parts.append(data)
        return b"".join(parts)

    def write(self, data: bytes) -> None:
        """Let a program that has it open read this; where it does not read, the buffer runs over."""
        if not self.is_open:
            return
        with contextlib.suppress(OSError):
            os.write(self.master, data)


def open_terminal(folder: Path) -> tuple[Terminal, Path]:
    """A new pseudo-terminal of the devpts that is mounted at a folder, and the path of the end for programs."""
    from fcntl import ioctl
    from struct import pack, unpack

    master = os.open(folder / "ptmx", os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK | os.O_CLOEXEC)
    ioctl(master, TIOCSPTLCK, pack("i", 0))
    (number,) = unpack("i", ioctl(master, TIOCGPTN, pack("i", 0)))
    path = folder / str(number)
    other = os.open(path, os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC)
    tty.setraw(other)  # nothing is echoed onto the cable
    os.close(other)
    return Terminal(master), path


TIOCGPTN, TIOCSPTLCK = 0x8004_5430, 0x4004_5431  # asm-generic/ioctls.h
