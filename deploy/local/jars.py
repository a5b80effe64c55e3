"""Kafka's jars: which (kafka.lock), whether they are whole (SHA-256), and how they are fetched.

Fetching runs as a process of its own (`python -m deploy.local.jars FOLDER`): it can be killed at any moment, and the
supervisor stays small. jgo writes straight to the final name and only warns of a wrong checksum, so it writes into a
staging folder and only what has the locked hash is moved into place.
"""

import fcntl
import hashlib
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

from deploy.local.errors import CommandError

LOCK = Path(__file__).with_name("kafka.lock")
WORKERS = 2  # more are slower: every request opens a new TLS session, and that is processor time
TRIES = 3
MODIFIED_AT = 315532800  # 1980-01-01: the JVM's start-up cache is valid only for jars with unchanged times


@dataclass(frozen=True)
class Jar:
    sha256: str
    size: int
    coordinate: str

    @property
    def filename(self) -> str:
        _, artifact, version = self.coordinate.split(":")
        return f"{artifact}-{version}.jar"

    def is_whole(self, file: Path) -> bool:
        try:
            return file.stat().st_size == self.size and hashlib.sha256(file.read_bytes()).hexdigest() == self.sha256
        except OSError:
            return False


def locked_jars() -> list[Jar]:
    """In class path order."""
    lines = [line.split() for line in LOCK.read_text().splitlines() if line and not line.startswith("#")]
    return [Jar(sha256, int(size), coordinate) for sha256, size, coordinate in lines]


def missing(folder: Path) -> list[Jar]:
    """Jars that are absent or damaged. Reads every byte: 0.04 s."""
    return [jar for jar in locked_jars() if not jar.is_whole(folder / jar.filename)]


def fetch(folder: Path, on_bytes: Callable[[int], None]) -> None:
    """Completes the folder; whole jars are left alone. `on_bytes` is told the size of each piece that came in."""
    folder.mkdir(parents=True, exist_ok=True)
    with _alone(folder):
        for leftover in folder.glob(".fetch-*"):
            shutil.rmtree(leftover, ignore_errors=True)
        wanted = missing(folder)
        staging = Path(tempfile.mkdtemp(prefix=".fetch-", dir=folder))
        try:
            with ThreadPoolExecutor(WORKERS) as pool:
                for _ in pool.map(lambda jar: _fetch_one(jar, folder, staging, on_bytes), wanted):
                    pass
        finally:
            shutil.rmtree(staging, ignore_errors=True)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Several homes may share one cache."""
    with (folder / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _fetch_one(jar: Jar, folder: Path, staging: Path, on_bytes: Callable[[int], None]) -> None:
    import requests
    from jgo.maven import MavenContext, PythonResolver

    mirror = os.environ.get("THEMODEL_MAVEN_REPOSITORY")
    group, artifact, version = jar.coordinate.split(":")
    for _ in range(TRIES):
        context = MavenContext(
            resolver=PythonResolver(progress_callback=lambda name, size: nullcontext(on_bytes)),
            repo_cache=staging,
            local_repos=[],
            remote_repos={"mirror": mirror} if mirror else None,
            timeout=30,
        )
        try:
            file = context.project(group, artifact).at_version(version).artifact().resolve()
        except requests.RequestException as error:
            raise CommandError(
                f"Kafka's jars could not be fetched ({type(error).__name__}). Connect this machine to the network "
                "once, or name a Maven mirror by THEMODEL_MAVEN_REPOSITORY; afterwards no network is needed."
            ) from error
        except RuntimeError as error:
            raise CommandError(f"{jar.coordinate} is not in the Maven repository.") from error
        if jar.is_whole(file):
            os.utime(file, (MODIFIED_AT, MODIFIED_AT))
            file.replace(folder / jar.filename)
            return
        file.unlink()
    raise CommandError(f"{jar.coordinate} came {TRIES} times with another content than kafka.lock says; not used.")


def main(arguments: Sequence[str]) -> int:
    """Prints the size of each piece that came in; the last line of stderr says what went wrong."""

    def report(size: int) -> None:
        sys.stdout.write(f"{size}\n")
        sys.stdout.flush()

    try:
        fetch(Path(arguments[0]), report)
    except CommandError as error:
        sys.stderr.write(f"{error}\n")
        sys.stderr.flush()
        os._exit(1)  # the other worker may still wait for the network
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
