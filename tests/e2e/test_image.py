"""What the image is built from and does, without an image: its steps as scripts, on the real engines."""

import os
import re
import shutil
import subprocess
import sys
import sysconfig
import venv
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from deploy.local.ports import SERVICES, free_ports
from services.kpi.app import SERVICE as KPI
from shared.auth import Keys
from tests.support.engines import Engines
from tests.support.system import good, until

ROOT = Path(__file__).parents[2]
DOCKER = ROOT / "deploy/docker"
COPIED = re.compile(r"^COPY (?!--from)(.+) /build/(\S*)$", re.MULTILINE)


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A virtual environment as the image has one, made from nothing but what the Dockerfile copies. Dependencies are
    those installed here: that the locked ones can be installed is shown by every `make`."""
    build, made = tmp_path_factory.mktemp("build"), tmp_path_factory.mktemp("image") / "themodel"
    for sources, target in COPIED.findall((DOCKER / "Dockerfile").read_text()):
        for source in sources.split():
            place = build / target if (ROOT / source).is_dir() else build / target / source
            copy = shutil.copytree if (ROOT / source).is_dir() else shutil.copy
            copy(ROOT / source, place)
    venv.create(made, with_pip=True)
    packages = next((made / "lib").glob("python3.*/site-packages"))
    for bundled in [*packages.glob("setuptools*"), *packages.glob("*distutils*")]:  # older than the locked one
        shutil.rmtree(bundled) if bundled.is_dir() else bundled.unlink()
    (packages / "dependencies.pth").write_text(sysconfig.get_path("purelib"))
    run("sh", str(build / "deploy/docker/install.sh"), str(build), str(made), cwd=build)
    shutil.rmtree(build)
    return made


def run(*command: str, cwd: Path) -> str:
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return done.stdout


@pytest.fixture
def container(image: Path, engines: Engines, tmp_path: Path) -> Iterator[httpx.Client]:
    """kpi as its container runs it, on a fresh database."""
    url, (port,) = engines.create_database("image"), free_ports(1)
    keys = Keys.load_or_create(tmp_path / "keys")
    environment = {
        "PATH": f"{image}/bin:{os.environ['PATH']}",
        "THEMODEL_HOME": str(tmp_path),
        "KPI_DATABASE_URL": url,
        "KAFKA_BOOTSTRAP_SERVERS": engines.kafka,
        "THEMODEL_KPI_PORT": str(port),
        "THEMODEL_LOG_FORMAT": "json",
    }
    log = tmp_path / "log"
    with log.open("w") as output:
        process = subprocess.Popen(
            ["sh", str(image / "start.sh"), "kpi"], env=environment, cwd=tmp_path, stdout=output, stderr=output
        )
    headers = {"Authorization": f"Bearer {keys.issue('tester', ['viewer'])}"}
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", headers=headers, timeout=30) as client:
            until(lambda: _ready(client), 60, hopeless=lambda: process.poll() is not None, pause=0.2)
            yield client
    except BaseException:
        sys.stderr.write(log.read_text()[-4000:])
        raise
    finally:
        process.terminate()
        process.wait(30)
        engines.drop_database(url)


def _ready(client: httpx.Client) -> bool:
    try:
        return client.get("/readyz").is_success
    except httpx.TransportError:
        return False


def test_a_container_migrates_serves_and_shows_its_pages(container: httpx.Client) -> None:
    assert len(good(container.get("/v1/funnel"))["stages"]) == 4
    assert container.get("/openapi.json").json()["info"]["title"].endswith(KPI.title)
    page = container.get("/", headers={"Accept": "text/html"}, follow_redirects=True)
    assert page.is_success
    for asset in set(re.findall(r'(?:href|src)="(/static/[^"]+)"', page.text)):
        assert container.get(asset).is_success, asset


def test_every_service_is_whole_in_it(image: Path, tmp_path: Path) -> None:
    """Templates, words, schemas and migrations are no modules, and are there all the same."""
    for room in ("services", "shared"):
        packages = next((image / "lib").glob("python3.*/site-packages"))
        here = {file.relative_to(ROOT) for file in (ROOT / room).rglob("*") if file.is_file() and _shipped(file)}
        assert {file for file in here if not (packages / file).is_file()} == set()
    imports = "; ".join(f"import services.{service}.app" for service in SERVICES)
    run(str(image / "bin/python"), "-c", imports, cwd=tmp_path)


def _shipped(file: Path) -> bool:
    return "__pycache__" not in file.parts and not file.name.startswith(".")


def test_the_compose_file_is_valid(tmp_path: Path) -> None:
    found = run("docker-compose", "--file", str(ROOT / "docker-compose.yml"), "config", cwd=tmp_path)
    for name in (*SERVICES, "postgres", "kafka", "prometheus", "grafana"):
        assert re.search(rf"^  {name}:$", found, re.MULTILINE), name
