"""Records which commands the real nft takes: `python tests/net/nftables/features.py` as root writes features.txt anew.

The list follows the features that nft(8), the nftables wiki and Debian's examples show, in rules of our own. Each line
is `+` (taken), `-` (refused) or `?` (never recorded), and the command; all are checked (`nft -c`) on the same ruleset.
"""

from __future__ import annotations

import shlex
import subprocess
from pathlib import Path

LIST = Path(__file__).parent / "features.txt"
BASE = """table ip f {
    set blackhole { type ipv4_addr; flags timeout; elements = { 10.9.9.9 }; }
    set dyn { type ipv4_addr; flags dynamic,timeout; timeout 1m; size 1000; }
    set conc { type ipv4_addr . inet_service; }
    map vm { type ipv4_addr : verdict; }
    chain input { type filter hook input priority 0; }
    chain output { type filter hook output priority 0; }
    chain forw { type filter hook forward priority 0; }
    chain prer { type nat hook prerouting priority dstnat; }
    chain post { type nat hook postrouting priority srcnat; }
    chain raw { type filter hook prerouting priority raw; }
    chain mangle { type route hook output priority mangle; }
    chain other { }
}
table ip6 h {
    chain input { type filter hook input priority 0; }
}
table inet g {
    chain input { type filter hook input priority 0; }
}
table arp a {
    chain input { type filter hook input priority 0; }
}
table bridge b {
    chain input { type filter hook input priority 0; }
}
"""


def features() -> dict[str, str]:
    """Command -> mark."""
    return {line[2:]: line[0] for line in LIST.read_text(encoding="utf-8").splitlines() if line}


def main() -> None:
    """Ask the real nft about every command."""
    commands = list(features())
    script = [f"nft -f - <<'END'\n{BASE}END"]
    script += [f"timeout 5 nft -c {shlex.quote(command)} >/dev/null 2>&1; echo $?" for command in commands]
    done = subprocess.run(
        ["unshare", "-n", "bash", "-c", "\n".join(script)], capture_output=True, text=True, check=True
    )
    marks = ["+" if status == "0" else "-" for status in done.stdout.split()]
    rows = [f"{mark} {command}\n" for mark, command in zip(marks, commands, strict=True)]
    LIST.write_text("".join(rows), encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
