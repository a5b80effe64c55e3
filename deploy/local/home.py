"""THEMODEL_HOME: the folder that holds everything one local installation knows.

lock        held (flock) by the running `themodel up`, its process id inside
secrets/    one generated password per database role, mode 0600
keys/       the keys that sign tokens
postgres/   PostgreSQL's data folder (a link when the home cannot be entered by the account it runs as)
kafka/      Kafka's configuration, log folder
run/        one record per running program, for `status` and for cleaning up after a killed supervisor
schemas/    to which revision each database was brought, and by which code
cache/      Kafka's jars and start-up cache; THEMODEL_CACHE shares one between homes
"""

import fcntl
import os
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from deploy.local.errors import CommandError

PROJECT = Path(__file__).resolve().parents[2]


def default_root() -> Path:
    """`.themodel` in the project's folder, so that every command finds it from wherever it is given."""
    return (PROJECT if (PROJECT / "pyproject.toml").exists() else Path.cwd()) / ".themodel"


def is_same_process(process: psutil.Process, created_at: float) -> bool:
    """Whether a process id still means the process created then; one that died and was not yet buried does not."""
    same = abs(process.create_time() - created_at) < 2  # the boot time that it is told from may move a little
    return same and process.status() != psutil.STATUS_ZOMBIE


@dataclass(frozen=True)
class Home:
    root: Path
    cache: Path

    @classmethod
    def locate(cls, environ: Mapping[str, str] = os.environ) -> "Home":
        named = environ.get("THEMODEL_HOME")
        root = Path(named).expanduser().resolve() if named else default_root()
        cache = environ.get("THEMODEL_CACHE")
        return cls(root, Path(cache).expanduser().resolve() if cache else root / "cache")

    @property
    def secrets(self) -> Path:
        return self.root / "secrets"

    @property
    def keys(self) -> Path:
        return self.root / "keys"

    @property
    def postgres(self) -> Path:
        return self.root / "postgres"

    @property
    def kafka(self) -> Path:
        return self.root / "kafka"

    @property
    def run(self) -> Path:
        return self.root / "run"

    @property
    def _ready_mark(self) -> Path:
        return self.run / "ready"

    def create(self) -> None:
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            for folder in (self.run, self.cache):
                folder.mkdir(parents=True, exist_ok=True)
            for private in (self.secrets, self.kafka):
                private.mkdir(mode=0o700, exist_ok=True)
        except OSError as error:
            raise CommandError(
                f"The folder {self.root} cannot be used ({error.strerror}: {error.filename}). "
                "Name another by THEMODEL_HOME, or start as the user it belongs to."
            ) from error

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Held for as long as `up` runs; the kernel lets go of it however the process ends."""
        self.create()
        try:
            descriptor = os.open(self.root / "lock", os.O_RDWR | os.O_CREAT, 0o644)
        except PermissionError:
            raise CommandError(
                f"{self.root} belongs to another user; start as that user or set THEMODEL_HOME."
            ) from None
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise CommandError(
                    f"Already running here (process {self.holder() or 'unknown'}, home {self.root}). "
                    "Stop it first, or set THEMODEL_HOME and other ports for a second one."
                ) from None
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"{os.getpid()} {psutil.Process().create_time()}".encode(), 0)
            yield
            os.ftruncate(descriptor, 0)
        finally:
            os.close(descriptor)

    def holder(self) -> int | None:
        """Process id of the running `up`; None when nothing runs here."""
        with suppress(OSError, ValueError, psutil.Error):
            pid, created_at = (self.root / "lock").read_text().split()
            if is_same_process(psutil.Process(int(pid)), float(created_at)):
                return int(pid)
        return None

    def mark_ready(self, ready: bool) -> None:
        """Said by the holder: everything it was asked to run has become ready, or no longer counts as such."""
        if ready:
            self._ready_mark.write_text(str(os.getpid()))
        else:
            self._ready_mark.unlink(missing_ok=True)

    def is_ready(self) -> bool:
        holder = self.holder()
        with suppress(OSError):
            return holder is not None and self._ready_mark.read_text() == str(holder)
        return False

    def password(self, role: str) -> str:
        """The role's password, generated the first time it is asked for."""
        file = self.secrets / role
        if not self.secrets.is_dir():
            raise CommandError(f"Nothing was ever started in {self.root}: `themodel up` comes first.")
        try:
            return file.read_text().strip()
        except FileNotFoundError:
            password = secrets.token_urlsafe(24)
            with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as new:
                new.write(password + "\n")
            return password
        except PermissionError:
            raise CommandError(f"{file} can only be read by the user who started `themodel up`.") from None
