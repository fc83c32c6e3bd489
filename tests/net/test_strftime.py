"""Times are written as the C library of Linux writes them in the C locale, wherever the lab runs."""

from __future__ import annotations

import ctypes
import ctypes.util
import sys
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labs.net.strftime import clock_text

LETTERS = "%AaBbCcDdeFGgHhIjklMmnPpRrSTtUuVWwXxYyZz"


@pytest.mark.parametrize(
    ("form", "text"),
    [
        ("%c", "Thu Mar  5 09:07:03 2026"),
        ("%-d|%_H|%^a|%e|%k|%l|%I", "5| 9|THU| 5| 9| 9|09"),
        ("%s.%N %3N", "1772701623.250000000 250"),
        ("%F %T %Z %z", "2026-03-05 09:07:03 UTC +0000"),
        ("%5d %E %", "00005 %E %"),
    ],
)
def test_directive_and_flag_as_gnu_date_writes_them(form: str, text: str) -> None:
    """What `date -u -d @1772701623.25 +FORM` of coreutils 9.1 prints."""
    assert clock_text(1772701623.25, form) == text


@pytest.mark.skipif(sys.platform != "linux", reason="the C library of Linux is the judge")
@given(st.integers(0, 4_102_444_800))
def test_any_moment_is_written_as_the_c_library_writes_it(seconds: int) -> None:
    """Without setlocale, ctypes asks strftime(3) of glibc in the C locale."""
    library = ctypes.CDLL(ctypes.util.find_library("c"))
    moment = time.gmtime(seconds)

    class Tm(ctypes.Structure):
        _fields_ = [
            *[(name, ctypes.c_int) for name in "sec min hour mday mon year wday yday isdst".split()],
            ("gmtoff", ctypes.c_long),
            ("zone", ctypes.c_char_p),
        ]

    tm = Tm(
        moment.tm_sec, moment.tm_min, moment.tm_hour, moment.tm_mday, moment.tm_mon - 1, moment.tm_year - 1900,
        (moment.tm_wday + 1) % 7, moment.tm_yday - 1, 0, 0, b"UTC",
    )  # fmt: skip
    room = ctypes.create_string_buffer(200)
    for letter in LETTERS:
        length = library.strftime(room, ctypes.c_size_t(200), f"%{letter}".encode(), ctypes.byref(tm))
        assert clock_text(seconds, f"%{letter}") == room.raw[:length].decode(), letter
