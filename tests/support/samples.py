"""Public sample files to try imports on. They are not part of the project: THEMODEL_SAMPLES names their folder."""

import os
from pathlib import Path

import pytest


def sample(name: str) -> Path:
    """The file, or the test is skipped."""
    folder = os.environ.get("THEMODEL_SAMPLES")
    path = Path(folder or ".") / name
    if not folder or not path.is_file():
        pytest.skip(f"needs the sample {name} in the folder THEMODEL_SAMPLES names")
    return path
