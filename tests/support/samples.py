"""Public sample files to try the product on. They are not part of the project: THEMODEL_SAMPLES names their folder,
or they stand in a folder `shared` beside the checkout; without them the tests that need them are skipped.
"""

import json
import os
from pathlib import Path
from typing import Any

import pytest

BESIDE = Path(__file__).resolve().parents[3] / "shared/data"


def folder() -> Path:
    return Path(os.environ.get("THEMODEL_SAMPLES") or BESIDE)


def sample(name: str) -> Path:
    """The file, or the test is skipped."""
    path = folder() / name
    if not path.is_file():
        pytest.skip(f"needs the sample {name} in the folder THEMODEL_SAMPLES names", allow_module_level=True)
    return path


def mapping(name: str) -> bytes:
    """One of the mappings the project ships."""
    return (Path(__file__).resolve().parents[2] / "docs/examples" / name).read_bytes()


def worked_example(name: str) -> Path:
    """A file of the worked example, which stands beside the samples."""
    return sample(f"../worked_example/{name}")


def expected() -> dict[str, Any]:
    """Every figure of the worked example."""
    found: dict[str, Any] = json.loads(worked_example("expected.json").read_text())
    return found
