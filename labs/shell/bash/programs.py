"""From the first word of a command to the program that runs, or to a helpful sentence."""

from __future__ import annotations

import posixpath
from collections.abc import Generator
from difflib import get_close_matches
from typing import TYPE_CHECKING

from labs.net.filesystem import FileError
from labs.net.process import Pipe, Process, Program, Routine, Wait, Writer
from labs.shell.bash.streams import Borrowed, BorrowedInput
from labs.shell.registry import command, command_names

if TYPE_CHECKING:
    from labs.net.linux.node import LinuxNode

__all__ = ["BIN_DIRECTORIES", "guarded", "hint", "launch", "locate", "run_argv", "where"]

BIN_DIRECTORIES = ("/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin")
SBIN = frozenset(
    "arp arping bridge dhclient dnsmasq halt ifdown ifquery ifup ip mosquitto nft poweroff reboot "
    "shutdown sysctl tcpdump traceroute".split()
)
SHELLS = ("sh", "bash", "dash")

EDITORS = "write the file with: cat > FILE <<EOF, or change it with: sed -i"
# Real commands that people try, and what does the job here.
ELSEWHERE = {
    "apk": "software cannot be installed here",
    "apt": "software cannot be installed here",
    "apt-get": "software cannot be installed here",
    "bmon": "use: ip -s link",
    "crontab": "",
    "dpkg": "software cannot be installed here",
    "ed": EDITORS,
    "emacs": EDITORS,
    "firewall-cmd": "use: nft",
    "ftp": "",
    "arp": "use: ip neigh",
    "bc": "use: echo $((10 / 3)), awk",
    "expr": "use: echo $((1 + 2))",
    "gcc": "",
    "git": "",
    "htop": "use: ps aux",
    "ifconfig": "use: ip addr, ip link",
    "iftop": "use: tcpdump",
    "ifreload": "use: systemctl restart networking; ifup PORT for a port of a bridge",
    "hostnamectl": "use: hostname, /etc/hostname",
    "iperf": "",
    "free": "",
    "iperf3": "",
    "iptables": "use: nft",
    "iptables-save": "use: nft list ruleset",
    "iwconfig": "",
    "joe": EDITORS,
    "less": "use: cat, head, tail, grep",
    "mc": "use: ls, cat, cp, mv",
    "more": "use: cat, head, tail, grep",
    "mount": "",
    "nano": EDITORS,
    "netplan": "the network is configured in /etc/network/interfaces",
    "netstat": "use: ss",
    "nmcli": "the network is configured in /etc/network/interfaces",
    "perl": "",
    "pico": EDITORS,
    "pip": "software cannot be installed here",
    "python": "",
    "python3": "",
    "resolvectl": "names are resolved as /etc/resolv.conf says",
    "route": "use: ip route",
    "rsync": "",
    "scp": "",
    "screen": "",
    "sftp": "",
    "snmpwalk": "",
    "strace": "",
    "su": "you are root already",
    "tar": "",
    "od": "use: hexdump -C",
    "lsof": "use: ss -tulnp",
    "tmux": "",
    "top": "use: ps aux",
    "tree": "use: find",
    "tshark": "use: tcpdump",
    "ufw": "use: nft",
    "vi": EDITORS,
    "vim": EDITORS,
    "visudo": "",
    "wireshark": "use: tcpdump",
}


# What people know from Windows, and what is typed here.
WINDOWS = {
    "cls": "clear",
    "copy": "cp",
    "del": "rm",
    "dir": "ls",
    "getmac": "ip link",
    "ipconfig": "ip addr",
    "md": "mkdir",
    "netsh": "ip, nft",
    "pathping": "mtr -r",
    "rd": "rmdir",
    "ren": "mv",
    "taskkill": "kill",
    "tasklist": "ps aux",
    "tracert": "traceroute",
}
# Nobody who mistyped a word is sent to one of these.
DRASTIC = frozenset("halt kill killall pkill poweroff reboot rm rmdir shutdown userdel".split())


def hint(name: str, more: tuple[str, ...] = ()) -> str | None:
    """What the simulator adds after `command not found`, or None."""
    if name in ELSEWHERE:
        advice = f"; {ELSEWHERE[name]}" if ELSEWHERE[name] else ""
        return f'netwerf: "{name}" is a real command, but it is not simulated here{advice}'
    if name.lower() in WINDOWS:
        return f'netwerf: "{name}" is a command of Windows; here: {WINDOWS[name.lower()]}'
    known = [word for word in (*command_names(), *more) if word not in DRASTIC]
    close = get_close_matches(name, known, n=1, cutoff=0.6)
    return f'netwerf: did you mean "{close[0]}"?' if close else None


def locate(node: LinuxNode, name: str, directory: str) -> tuple[Program | None, str]:
    """The program of a command word, or None and the reason."""
    if "/" not in name:
        program = command(name)
        if program is not None:
            return program, ""
        for folder in BIN_DIRECTORIES:
            if node.files.is_file(f"{folder}/{name}"):
                return _script(f"{folder}/{name}"), ""
        return None, "command not found"
    path = node.files.resolve(name, directory)
    if node.files.is_directory(path) and not node.files.is_file(path):
        return None, "Is a directory"
    if node.files.is_file(path):
        return _script(path), ""
    folder, base = posixpath.split(path)
    program = command(base) if folder in BIN_DIRECTORIES else None
    return program, "" if program else "No such file or directory"


def where(node: LinuxNode, name: str, directory: str = "/root") -> str | None:
    """The path that `which` shows."""
    if "/" in name:
        return name if locate(node, name, directory)[0] is not None else None
    for folder in BIN_DIRECTORIES:
        if node.files.is_file(f"{folder}/{name}"):
            return f"{folder}/{name}"
    if command(name) is None:
        return None
    return f"/usr/sbin/{name}" if name in SBIN else f"/usr/bin/{name}"


def _script(path: str) -> Program:
    """A file that is run by its path."""

    def run(process: Process) -> Routine:
        from labs.shell.bash.script import run_script  # the interpreter runs programs: either one comes first

        text = process.node.files.read(path)
        first = text.partition("\n")[0]
        shell = "bash"
        if first.startswith("#!"):
            words = first[2:].split()
            shell = posixpath.basename(
                words[1] if words and words[0].endswith("/env") and len(words) > 1 else words[0] if words else ""
            )
        if shell not in SHELLS:
            process.error(f'netwerf: {path}: scripts for "{shell}" are not simulated here')
            return 126
        return (yield from run_script(process, text, name=process.argv[0], arguments=process.argv[1:], shell=shell))

    return run


def guarded(program: Program) -> Program:
    """The same program; what the kernel refuses to write becomes its last words."""

    def run(process: Process) -> Routine:
        try:
            result = program(process)
            return result if isinstance(result, int) else (yield from result)
        except FileError as error:
            process.error(f"{posixpath.basename(process.name)}: write error: {error}")
            return 1

    return run


def launch(
    parent: Process,
    program: Program,
    argv: list[str],
    *,
    stdin: Pipe | None = None,
    stdout: Writer | None = None,
    stderr: Writer | None = None,
    directory: str | None = None,
    environment: dict[str, str] | None = None,
) -> Process:
    """Start a child that borrows the streams it is not given."""
    child = Process(
        parent.node,
        argv,
        stdin=BorrowedInput(stdin or parent.stdin),
        stdout=Borrowed(stdout or parent.stdout),
        stderr=Borrowed(stderr or parent.stderr),
        directory=parent.directory if directory is None else directory,
    )
    child.environment = dict(parent.environment) if environment is None else environment
    child.parent_pid = parent.pid
    child.terminal = parent.terminal
    parent.node.processes.start(child, guarded(program))
    return child


def run_argv(process: Process, argv: list[str], *, stdin: Pipe | None = None) -> Generator[Wait, None, int]:
    """Run a command as a child and wait for it, as `timeout` or `env` do; 127 where there is none.

    A signal that the waiting process gets goes to the child too.
    """
    program, reason = locate(process.node, argv[0], process.directory)
    if program is None:
        reason = "No such file or directory" if reason == "command not found" else reason
        process.error(f"{process.name}: failed to run command ‘{argv[0]}’: {reason}")
        return 127
    child = launch(process, program, argv, stdin=stdin)
    process.foreground = [child]
    try:
        while child.running:
            yield Wait((child.exited,))
    finally:
        process.foreground = []
        if child.running:
            child.kill(15)
    return child.status or 0
