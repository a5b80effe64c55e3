"""What a backup holds, in its `manifest.json`: written last, so that a backup without it is none."""

import hashlib
from datetime import datetime
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from deploy.local.errors import CommandError

NAME = "manifest.json"


class Part(BaseModel):
    """A file of the backup."""

    model_config = ConfigDict(extra="forbid")

    file: str
    bytes: int
    sha256: str

    @classmethod
    def of(cls, folder: Path, file: str) -> "Part":
        return cls(file=file, bytes=(folder / file).stat().st_size, sha256=digest(folder / file))


class Mark(BaseModel):
    """What stands just before the offset a database has read to: whether a log is the one it read."""

    model_config = ConfigDict(extra="forbid")

    topic: str
    partition: int
    offset: int
    sha256: str


class DatabasePart(Part):
    revision: str | None
    marks: list[Mark]


class TopicPart(Part):
    """`spans` are for each partition the first offset and the one after the last."""

    records: int
    spans: dict[int, tuple[int, int]]


class Manifest(BaseModel):
    model_config = ConfigDict(extra="forbid")

    format: Literal[1] = 1
    made_at: datetime
    databases: dict[str, DatabasePart]
    topics: dict[str, TopicPart] | None = None  # None: it is no set
    keys: list[Part] = []

    def parts(self) -> list[Part]:
        return [*self.databases.values(), *(self.topics or {}).values(), *self.keys]

    def write(self, folder: Path) -> None:
        (folder / NAME).write_text(self.model_dump_json(indent=2))

    @classmethod
    def read(cls, folder: Path) -> "Manifest":
        """Raises CommandError where there is none, or a file is not what it was."""
        try:
            found = cls.model_validate_json((folder / NAME).read_text())
        except FileNotFoundError:
            raise CommandError(f"{folder} is no backup: it has no {NAME} (one that was cut short has none).") from None
        except (OSError, ValidationError) as error:
            raise CommandError(f"{folder / NAME} cannot be read: {error}") from error
        for part in found.parts():
            place = folder / part.file
            if not place.is_file() or place.stat().st_size != part.bytes or digest(place) != part.sha256:
                raise CommandError(f"{place} is not what was backed up: it is missing, or was changed.")
        return found


def digest(file: Path) -> str:
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()
