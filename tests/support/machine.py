"""Debian packages that tests need beyond Python's: `python -m tests.support.machine`, run by `make test`.

A browser for the tests of the pages, its fonts for Japanese, Prometheus to ask the queries we ship, and
docker-compose to read our file (no Docker engine is needed).
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

NEEDED: dict[str, Callable[[], bool]] = {
    "chromium": lambda: shutil.which("chromium") is not None,
    "fonts-noto-cjk": lambda: Path("/usr/share/fonts/opentype/noto/NotoSansCJK-Regular.ttc").exists(),
    "docker-compose": lambda: shutil.which("docker-compose") is not None,
    "prometheus": lambda: shutil.which("promtool") is not None,
}


def missing() -> list[str]:
    return [package for package, is_there in NEEDED.items() if not is_there()]


def install(packages: list[str]) -> str | None:
    """None when done, else what apt-get said."""
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}  # 1: starts no daemon
    apt_get = ["apt-get", "--yes", "--quiet=2", "--option=DPkg::Lock::Timeout=600"]
    for command in ([*apt_get, "update"], [*apt_get, "install", "--no-install-recommends", *packages]):
        done = subprocess.run(command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    return (done.stderr or done.stdout).strip() if done.returncode else None


def main() -> int:
    packages = missing()
    if not packages:
        return 0
    names = " ".join(packages)
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        sys.stderr.write(f"Some tests need these Debian packages and will fail without them: {names}\n")
        return 0
    sys.stdout.write(f"Installing {names} for the tests …\n")
    sys.stdout.flush()
    if problem := install(packages):
        sys.stderr.write(f"They could not be installed:\n{problem}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
