"""The files of a device, read from outside: no link that somebody set there leads anywhere."""

from __future__ import annotations

import sys

import pytest

from labs.net.filesystem import FileError

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the engine kernel is a part of Linux")


def test_link_in_the_place_of_a_file_nobody_outside_follows_it(tmp_path):
    from labs.engines.kernel.device.files import FilesBelow

    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/secret").write_text("no", encoding="utf-8")
    (tmp_path / "etc/transmitter.toml").symlink_to("secret")
    (tmp_path / "lib").symlink_to("etc")
    files = FilesBelow(tmp_path)
    assert files.get("/etc/secret") == "no"
    assert files.get("/etc/transmitter.toml", "none") == files.get("/lib/secret", "none") == "none"
    assert files.get("/etc", "none") == "none"
    assert not files.is_file("/etc/transmitter.toml")
    with pytest.raises(FileError):
        files.write("/etc/transmitter.toml", "x")
    files.write("/etc/secret", "yes")
    assert (tmp_path / "etc/secret").read_text(encoding="utf-8") == "yes"
    files.close()
