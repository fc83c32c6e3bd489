"""An ordinary user plays and judges on the real kernel, or is told in one line why not."""

from __future__ import annotations

import json
import os
import pwd
import subprocess
import sys
from pathlib import Path

import pytest

from labs.engines.base import SandboxMissing
from labs.engines.kernel import engine as kernel
from labs.engines.kernel.users import User
from labs.engines.kernel.vlans.way import TUN, Way, vlan_way
from tests.engines.kernel.kernel_site import needs_kernel
from tests.engines.kernel.test_vlans import two_floors

pytestmark = needs_kernel

ROOT = Path(__file__).resolve().parents[3]
NOBODY = "nobody"
SANDBOX_MISSING = 5
RANGE = "7000000:65536"  # of nobody else, and in the mount namespace of a test alone
LAB = "bakery-address-clash"
JUDGE = f"""
import json, os
from grader.grade import judge
from labs.journal import Header
from labs.scenario.library import find_scenario
from labs.scenario.variant import draw
from labs.version import version
scenario = find_scenario("{LAB}")
variant = draw(scenario, "3")
seen = {{}}
for engine in ("sim", "kernel"):
    header = Header(scenario.id, scenario.digest, "3", engine, version())
    grade = judge(variant, header, site=variant.broken)
    seen[engine] = {{result.id: result.verdict for result in grade.results if result.id != "terminal-pays"}}
print(json.dumps({{"user": os.geteuid(), **seen}}))
"""


def interpreter(number: int) -> list[str]:
    """A Python that this user may start and that finds the packages of this one, which may lie in root's own folder."""
    for found in (sys.executable, "/usr/bin/python3"):
        probe = [*drop(number), found, "-c", "import labs, mininet, yaml, simpy, click, rich"]
        if subprocess.run(probe, env=environment(), capture_output=True, check=False).returncode == 0:
            return [found]
    pytest.skip("no Python here can be started by an ordinary user")


def drop(number: int) -> list[str]:
    """Become this user. A shell starts the program: setpriv itself still has the rights of root when it does."""
    if os.geteuid():
        return []
    return ["setpriv", "--reuid", str(number), "--regid", str(number), "--clear-groups", "sh", "-c", 'exec "$@"', "sh"]


def environment(home: Path | None = None) -> dict[str, str]:
    paths = [str(ROOT), *(path for path in sys.path if path.endswith("site-packages"))]
    kept = {"PATH": kernel.SEARCH, "PYTHONPATH": os.pathsep.join(paths), "NETWERF_LANG": "en"}
    if home is None:
        return kept | {"PYTHONDONTWRITEBYTECODE": "1"}
    return kept | {"PYTHONPYCACHEPREFIX": str(home / "bytecode"), "NETWERF_HOME": str(home), "HOME": str(home)}


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    """A folder of the user, for bytecode too: Python compiles once."""
    return tmp_path_factory.mktemp("rootless")


def as_user(
    folder: Path, *words: str, numbers: bool = True, text: str = "", tun: str = ""
) -> subprocess.CompletedProcess[str]:
    """Run Python as an ordinary user who has numbers for daemons, or none. Root becomes `nobody` for it.

    `tun` is the mode of /dev/net/tun, where root asks.
    """
    command = [*interpreter(pwd.getpwnam(NOBODY).pw_uid), *words]
    if os.geteuid() == 0:
        number = pwd.getpwnam(NOBODY).pw_uid
        kept = folder / "kept"
        kept.write_text(f"{NOBODY}:{RANGE}\n" if numbers else "root:1:1\n")
        home = folder / "home"
        home.mkdir(exist_ok=True)
        os.chown(home, number, number)
        for above in (home, *home.parents):  # folders of pytest are for their owner alone
            if above in (home, folder) or (above.stat().st_uid == 0 and above.name.startswith(("pytest-", "popen-"))):
                above.chmod(0o755)
        hide = 'for file in /etc/subuid /etc/subgid; do mount --bind "$0" "$file" || exit; done; '
        if tun:  # a device of its own, so that the machine's keeps its mode
            hide += f"mount -t tmpfs none /mnt && mknod -m {tun} /mnt/tun c 10 200 && mount --bind /mnt/tun {TUN} && "
        hide += 'exec "$@"'
        command = ["unshare", "--mount", "sh", "-c", hide, str(kept), *drop(number), *command]
    elif not numbers:
        pytest.skip("this user has numbers of its own")
    else:
        home = folder
    return subprocess.run(
        command, cwd=home, env=environment(home), input=text, capture_output=True, text=True, check=False, timeout=300
    )


def test_ordinary_user_judges_the_bakery_alike_on_both_engines(place):
    done = as_user(place, "-c", JUDGE)
    assert done.returncode == 0, done.stderr
    seen = json.loads(done.stdout)
    assert seen["user"] != 0
    assert seen["kernel"] == seen["sim"]
    assert {"pass", "fail"} <= set(seen["kernel"].values())


def test_ordinary_user_plays_with_daemons_and_tools_that_give_up_rights(place):
    lines = ["ping -c 1 gw", "tcpdump -c 1 -w /tmp/x -i lo & sleep 1; ping -c 1 localhost; wait"]
    words = ("-m", "labs.ui", "play", LAB, "--seed", "3", "--engine", "kernel")
    done = as_user(place, *words, text="\n".join([*lines, ""]))
    assert done.returncode == 0, done.stderr
    assert "1 packets transmitted, 1 received" in done.stdout
    assert "1 packet captured" in done.stdout


@pytest.mark.skipif(os.geteuid() != 0, reason="root alone may say who may open TUN")
@pytest.mark.parametrize("mode", ["666", "600"])
def test_ordinary_user_has_vlans_by_open_vswitch_where_tun_is_open(place, mode):
    """In a user namespace its daemons need no more than TUN and a folder of their own."""
    words = ("-m", "labs.ui", "play", "three-floors-one-trunk", "--seed", "3", "--engine", "kernel")
    done = as_user(place, *words, text="on pc1\nping -c 1 -W 2 files\n", tun=mode)
    if mode == "666" or vlan_way(two_floors()) is Way.KERNEL:
        assert done.returncode == 0, done.stderr
        assert "1 packets transmitted, 1 received" in done.stdout
    else:
        assert done.returncode == 2
        assert "Open vSwitch may not make TAP devices here (sudo chmod 666 /dev/net/tun)" in done.stderr


def test_ordinary_user_plays_a_serial_bus_with_terminals_of_his_own(place):
    lines = ["on gateway", "ls -l /dev/ttyS0", "gatewayctl poll s1", "gatewayctl stats", "on hands", "meter s1 volt"]
    words = ("-m", "labs.ui", "play", "cold-store-bus", "--seed", "3", "--engine", "kernel")
    done = as_user(place, *words, text="\n".join([*lines, ""]))
    assert done.returncode == 0, done.stderr
    assert "crw" in done.stdout
    assert "unit      ok  timeout" in done.stdout
    assert "s1, A to B, idle:" in done.stdout


def test_ordinary_user_without_numbers_is_refused_in_one_line(place):
    done = as_user(place, "-m", "labs.ui", "play", LAB, "--engine", "kernel", numbers=False)
    assert done.returncode == SANDBOX_MISSING
    assert done.stderr.startswith("netwerf: the engine kernel cannot give daemons users of their own: /etc/subuid or")
    assert f"sudo usermod --add-subuids 100000-165535 --add-subgids 100000-165535 {NOBODY}" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def user(subuid: str, subgid: str | None = None, *, number: int = 1000, name: str = "an", maps: str = "") -> User:
    files = {"/etc/subuid": subuid, "/etc/subgid": subuid if subgid is None else subgid, "/proc/self/uid_map": maps}
    return User(number, name, lambda path: files.get(path, ""))


@pytest.mark.parametrize(
    ("who", "why"),
    [
        (user("an:100000:65536\n"), ""),
        (user("els:100000:65536\n1000:165536:65536\n"), ""),
        (user("an:100000:65536\n", "els:100000:65536\n"), "keeps no numbers for an"),
        (user("an:100000:10\n"), "keeps no numbers for an"),
        (user("an:100000\nan\n\n"), "keeps no numbers for an"),
        (user("", number=4711, name=""), "the user 4711 has no name"),
        (user("", number=0, name="root", maps="0 0 4294967295\n"), ""),
        (user("", number=0, name="root", maps="0 1000 1\n"), "this container has no users beside root"),
    ],
)
def test_user_without_numbers_is_told_what_lacks(who, why):
    assert why in who.lacking()[0]
    assert bool(why) == bool(who.lacking()[1])


def test_range_that_is_proposed_is_nobodys():
    assert "--add-subuids 165536-231071 " in user("els:100000:65536\n").lacking()[1]


def test_machine_without_newuidmap_or_namespaces_is_refused(monkeypatch):
    real = kernel.shutil.which
    monkeypatch.setattr(kernel, "User", type("Somebody", (), {"now": staticmethod(lambda: user("an:100000:65536\n"))}))
    monkeypatch.setattr(
        kernel.shutil, "which", lambda name, **more: None if name == "newuidmap" else real(name, **more)
    )
    with pytest.raises(SandboxMissing, match="apt-get install uidmap"):
        kernel.check_user()
    monkeypatch.setattr(kernel, "unshare_command", lambda: ["sh", "-c", "echo unshare: refused >&2; exit 1"])
    with pytest.raises(SandboxMissing, match="needs root or user namespaces, and this machine says: refused"):
        kernel.check_namespaces()
