"""The users of a device: /etc/passwd and /etc/shadow. Before changing this file read passwd(5) and shadow(5)."""

from __future__ import annotations

from typing import NamedTuple

from labs.net.filesystem import FileSystem
from labs.net.sha_crypt import sha512_crypt, verify

__all__ = [
    "Account",
    "accounts",
    "add_account",
    "check_password",
    "default_passwords",
    "hashed",
    "remove_account",
    "set_password",
]

PASSWD, SHADOW = "/etc/passwd", "/etc/shadow"
FIRST_UID = 1000  # UID_MIN, login.defs
MAX_ACCOUNTS = 256
FACTORY = (
    "admin",
    "password",
    "1234",
    "12345",
    "123456",
    "root",
    "default",
    "user",
    "raspberry",
    "changeme",
    "toor",
    "",
)


class Account(NamedTuple):
    """One user. `hash` is the second field of /etc/shadow: `*` or `!…` lets nobody in with a password."""

    name: str
    uid: int
    gid: int
    home: str
    shell: str
    hash: str

    @property
    def locked(self) -> bool:
        """True where no password fits."""
        return self.hash.startswith(("!", "*"))


def accounts(files: FileSystem) -> dict[str, Account]:
    """Every user by name; a device without /etc/passwd has a root whom no password lets in."""
    hashes = {}
    for line in files.get(SHADOW).splitlines():
        name, _, rest = line.partition(":")
        hashes[name] = rest.partition(":")[0]
    found: dict[str, Account] = {}
    for line in files.get(PASSWD, "root:x:0:0:root:/root:/bin/bash\n").splitlines()[:MAX_ACCOUNTS]:
        parts = line.split(":")
        if len(parts) == 7 and parts[2].isdecimal() and parts[3].isdecimal():
            stored = hashes.get(parts[0], "*") if parts[1] == "x" else parts[1]
            found[parts[0]] = Account(parts[0], int(parts[2]), int(parts[3]), parts[5], parts[6], stored)
    return found


def check_password(account: Account, password: str) -> bool:
    """True where the password opens the account; an empty hash takes an empty password."""
    return (password == "" and account.hash == "") or verify(password, account.hash)


def default_passwords(files: FileSystem) -> dict[str, str]:
    """Users who can be guessed: those with a factory password, or their own name for one."""
    weak = {}
    for account in accounts(files).values():
        for password in (*FACTORY, account.name):
            if not account.locked and check_password(account, password):
                weak[account.name] = password
                break
    return weak


def _replace(files: FileSystem, path: str, name: str, line: str | None) -> None:
    """Put a line in the place of that user's, at the end where there is none, or take it out."""
    lines = files.get(path).splitlines()
    kept = [line if old.partition(":")[0] == name and line is not None else old for old in lines]
    if line is None:
        kept = [old for old in lines if old.partition(":")[0] != name]
    elif all(old.partition(":")[0] != name for old in lines):
        kept.append(line)
    files.write(path, "".join(f"{each}\n" for each in kept))


def set_password(files: FileSystem, name: str, stored: str, day: int) -> None:
    """Write the second field of /etc/shadow; `day` counts from 1970."""
    if not files.is_file(PASSWD):
        files.write(PASSWD, "root:x:0:0:root:/root:/bin/bash\n")
    _replace(files, SHADOW, name, f"{name}:{stored}:{day}:0:99999:7:::")


def hashed(name: str, password: str, serial: int) -> str:
    """A new hash; the salt is spread by `serial` and the same in every replay."""
    mixed = sum(name.encode()) * 1_000_003 + serial * 2_654_435_761
    salt = "".join("abcdefghijklmnopqrstuvwxyz012345"[mixed >> 5 * place & 31] for place in range(8))
    return sha512_crypt(password, salt)


def add_account(files: FileSystem, name: str, *, home: str, shell: str, day: int) -> Account:
    """Add a user whom no password lets in yet."""
    known = accounts(files)
    uid = max([FIRST_UID - 1, *[a.uid for a in known.values() if FIRST_UID <= a.uid < 60_000]]) + 1
    if not files.is_file(PASSWD):
        files.write(PASSWD, "root:x:0:0:root:/root:/bin/bash\n")
    _replace(files, PASSWD, name, f"{name}:x:{uid}:{uid}::{home}:{shell}")
    _replace(files, SHADOW, name, f"{name}:!:{day}:0:99999:7:::")
    return accounts(files)[name]


def remove_account(files: FileSystem, name: str) -> None:
    """Take a user out of both files."""
    for path in (PASSWD, SHADOW):
        _replace(files, path, name, None)
