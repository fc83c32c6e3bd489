"""Record what real machines answer: `python -m tests.recorded.record`, where the kernel engine runs."""

from __future__ import annotations

import platform
import re
import shutil
import subprocess
import sys

from labs.engines.base import Engine
from labs.lab import engine_named
from tests.recorded.corpus import ANSWERS, LINES, answers, office, read

VERSIONS = {
    "iproute2": "ip -V",
    "nftables": "nft --version",
    "iputils": "ping -V",
    "bind9": "dig -v",
    "curl": "curl --version",
    "mosquitto": "mosquitto_pub --version",
    "tcpdump": "tcpdump --version",
    "nmap": "nmap --version",
    "conntrack": "conntrack --version",
    "traceroute": "traceroute --version",
    "bash": "bash --version",
}


def versions() -> list[str]:
    """The tools that answered, as comment lines."""
    found = [f"# Linux {platform.release()}"]
    for name, line in VERSIONS.items():
        argv = line.split()
        if shutil.which(argv[0]) is None:
            found.append(f"# {name}: not installed")
            continue
        done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=10)
        number = re.search(r"\d+(\.\d+)+\S*|iproute2-\S+|\d{8}", done.stdout + done.stderr)
        found.append(f"# {name} {number[0] if number else '?'}")
    return found


def main() -> int:
    """Type every paragraph on a fresh site and write the answers."""
    wanted = set(sys.argv[1:])
    corpus = read(LINES)
    before = read(ANSWERS) if ANSWERS.exists() else {}
    rows = ["# Recorded from real tools; written by `python -m tests.recorded.record`. Do not edit.", *versions(), ""]
    for name, typed in corpus.items():
        rows.append(f"[{name}]")
        if wanted and name not in wanted and name in before:
            rows += [str(said).rstrip("\n") for said in before[name]]
        else:
            engine: Engine = engine_named("kernel")
            engine.start(office())
            try:
                rows += [str(said).rstrip("\n") for said in answers(engine, typed)]
            finally:
                engine.stop()
            sys.stderr.write(f"{name}: {len(typed)} lines\n")
        rows.append("")
    ANSWERS.write_text("\n".join(rows), encoding="utf-8", newline="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
