"""Home, ports, accounts, addresses and the jar list: the parts without engines."""

import os
import socket
import stat
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
import typer

from deploy.local import accounts
from deploy.local.accounts import can_enter
from deploy.local.commands import token
from deploy.local.errors import CommandError
from deploy.local.home import PROJECT, Home
from deploy.local.jars import LOCK, locked_jars
from deploy.local.ports import DEFAULTS, SERVICES, Ports, free_ports
from deploy.local.processes import Account, python_environment
from deploy.local.servers import Servers, database_on, url_variable
from shared import auth, settings


def test_home_is_in_the_project_unless_named(tmp_path: Path) -> None:
    assert Home.locate({}) == Home(PROJECT / ".themodel", PROJECT / ".themodel/cache")
    named = Home.locate({"THEMODEL_HOME": str(tmp_path), "THEMODEL_CACHE": "/c"})
    assert named == Home(tmp_path, Path("/c"))


def test_passwords_are_made_once_and_are_private(tmp_path: Path) -> None:
    home = Home(tmp_path / "home", tmp_path / "cache")
    home.create()
    password = home.password("postgres")
    assert len(password) >= 32
    assert home.password("postgres") == password
    assert home.password("themodel_kpi") != password
    assert stat.S_IMODE((home.secrets / "postgres").stat().st_mode) == 0o600
    assert stat.S_IMODE(home.secrets.stat().st_mode) == 0o700


def test_only_one_holds_a_home_and_readiness_ends_with_it(tmp_path: Path) -> None:
    home = Home(tmp_path / "home", tmp_path / "cache")
    assert home.holder() is None
    with home.locked():
        assert home.holder() == os.getpid()
        assert not home.is_ready()
        home.mark_ready(True)
        assert home.is_ready()
        with pytest.raises(CommandError, match=f"Already running here .process {os.getpid()}"), home.locked():
            pass
    assert home.holder() is None
    assert not home.is_ready()


def test_a_home_that_cannot_be_made_is_said() -> None:
    with pytest.raises(CommandError, match="cannot be used"):
        Home(Path("/dev/null/home"), Path("/tmp")).create()


def test_names_and_ports_are_those_of_the_services() -> None:
    assert SERVICES == settings.SERVICES
    assert {name: DEFAULTS[name] for name in SERVICES} == settings.DEFAULT_PORTS
    assert tuple(auth.Role) == token.ROLES


def test_ports_come_from_the_environment() -> None:
    ports = Ports.from_environment(
        {"THEMODEL_KPI_PORT": "9005", "THEMODEL_KAFKA_PORT": "19092", "THEMODEL_POSTGRES_PORT": ""}
    )
    assert (ports["kpi"], ports["marketing"], ports["kafka_controller"], ports["postgres"]) == (9005, 8001, 19093, 5544)
    assert ports.environment()["THEMODEL_KPI_PORT"] == "9005"


@pytest.mark.parametrize("text", ["x", "0", "-1", "65535", "70000", "8001.5", "８００１"])
def test_what_is_no_port_is_refused_with_its_variable(text: str) -> None:
    with pytest.raises(CommandError, match=r"THEMODEL_KPI_PORT=.* is not a port"):
        Ports.from_environment({"THEMODEL_KPI_PORT": text})


def test_every_taken_port_is_told_at_once() -> None:
    first, second = free_ports(2)
    ports = Ports({"kpi": first, "marketing": second, "field_sales": 20000, "inside_sales": 20000})
    with (
        closing(socket.create_server(("127.0.0.1", first))),
        closing(socket.create_server(("0.0.0.0", second))),
        pytest.raises(CommandError) as raised,
    ):
        ports.require_free(["kpi", "marketing", "field_sales", "inside_sales"])
    lines = str(raised.value).splitlines()
    assert lines[0].startswith(f"Port {first} for kpi is taken by ")
    assert lines[0].endswith(f"(process {os.getpid()}). Stop it or set THEMODEL_KPI_PORT.")
    assert lines[1].startswith(f"Port {second} for marketing is taken by ")
    assert lines[2] == "Port 20000 for inside_sales is also the port for field_sales: set THEMODEL_INSIDE_SALES_PORT."


def test_a_folder_closed_to_the_account_is_noticed(tmp_path: Path) -> None:
    somebody = Account("somebody", 4711, 4711)
    closed = tmp_path / "closed/inner"
    closed.mkdir(parents=True)
    closed.parent.chmod(0o700)
    assert can_enter(Path("/usr/bin"), somebody)
    assert not can_enter(closed, somebody)
    owner = closed.stat()
    assert can_enter(closed, Account("owner", owner.st_uid, owner.st_gid)) or os.geteuid() != 0


def test_programs_in_a_closed_folder_are_copied_for_everybody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(accounts, "ELSEWHERE", tmp_path / "elsewhere")
    closed = tmp_path / "closed"
    program, library = closed / "package/pginstall/bin/postgres", closed / "package.libs/libpq.so"
    for file in (program, library):
        file.parent.mkdir(parents=True)
        file.touch()
    program.chmod(0o700)
    library.chmod(0o600)
    closed.chmod(0o700)
    copy = accounts.reachable_programs(closed / "package/pginstall", "18", Account("somebody", 4711, 4711))
    assert copy == tmp_path / "elsewhere/postgresql-18/package/pginstall"
    assert stat.S_IMODE((copy / "bin/postgres").stat().st_mode) == 0o755
    assert stat.S_IMODE((copy / "../../package.libs/libpq.so").stat().st_mode) == 0o644
    assert stat.S_IMODE(copy.stat().st_mode) & 0o555 == 0o555


def test_a_server_of_somebody_else_keeps_its_parameters() -> None:
    url = database_on("postgres://admin:a%40b@db.example:6432/postgres?sslmode=require", "themodel_kpi", "p/w")
    assert url == "postgresql://themodel_kpi:p%2Fw@db.example:6432/themodel_kpi?sslmode=require"


def test_our_engines_are_used_only_where_no_others_are_named(tmp_path: Path) -> None:
    home, ports = Home(tmp_path, tmp_path), Ports.from_environment({})
    own = {url_variable(service): "postgresql://x" for service in SERVICES}
    assert Servers.from_environment(home, ports, {}).ports() == ["postgres", "kafka", "kafka_controller"]
    assert Servers.from_environment(home, ports, own).ports() == ["kafka", "kafka_controller"]
    assert Servers.from_environment(home, ports, {"DATABASE_URL": "x"}).postgres is None
    assert Servers.from_environment(home, ports, {"KAFKA_BOOTSTRAP_SERVERS": "x:1"}).ports() == ["postgres"]
    partly = Servers.from_environment(home, ports, {"KPI_DATABASE_URL": "postgresql://mine"})
    home.create()
    assert partly.environment()["KPI_DATABASE_URL"] == "postgresql://mine"
    assert partly.environment()["MARKETING_DATABASE_URL"].startswith("postgresql://themodel_marketing:")


def test_the_jar_list_names_no_place_and_one_kafka() -> None:
    text = LOCK.read_text()
    assert "://" not in text
    jars = locked_jars()
    assert len({jar.filename for jar in jars}) == len(jars)
    kafkas = {jar.coordinate.rsplit(":", 1)[1] for jar in jars if jar.coordinate.startswith("org.apache.kafka:")}
    assert len(kafkas) == 1
    assert all(len(jar.sha256) == 64 and jar.size > 0 for jar in jars)


def test_children_import_from_here_after_what_the_user_put_first() -> None:
    assert python_environment({"PYTHONPATH": "/a"})["PYTHONPATH"] == f"/a{os.pathsep}{PROJECT}"
    assert python_environment({})["PYTHONPATH"] == str(PROJECT)


def test_durations() -> None:
    assert token.duration("90s") == timedelta(seconds=90)
    assert token.duration("7d") == timedelta(days=7)
    for wrong in ("", "12", "h", "0h", "1.5h", "12 h"):
        with pytest.raises(typer.BadParameter):
            token.duration(wrong)
