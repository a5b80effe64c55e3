"""An upload as it arrives: on disk piece by piece, never whole in memory, checked before anything is stored."""

import hashlib
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from email.message import EmailMessage
from tempfile import SpooledTemporaryFile
from typing import BinaryIO, cast

import orjson
from starlette.datastructures import FormData, UploadFile
from starlette.requests import ClientDisconnect, Request
from starlette.types import Message, Receive

from shared.errors import Invalid, Problem
from shared.http.app import TooLarge
from shared.imports.importer import ImportContext
from shared.imports.mapping import ENCODINGS, ImportMapping, parse_mapping
from shared.imports.reader import CsvTable, Encoding
from shared.imports.refusals import Refusal
from shared.imports.resource import Resource
from shared.imports.rows import read_rows

LARGEST = 256 << 20  # bytes of one upload
IN_MEMORY = 1 << 20
MOST_FILES = 12
RAW_TYPES = frozenset({"text/csv", "application/csv", "text/plain", "application/octet-stream"})


class WrongMediaType(Problem):
    status, rule, title = 415, "media_type", "Send the file as text/csv, or as multipart/form-data with a mapping"


@dataclass
class Upload:
    """`joins` are the second files by the names the mapping gives them; `encoding` is what the sender's header says."""

    file: BinaryIO
    file_name: str | None = None
    mapping: bytes | None = None
    joins: dict[str, BinaryIO] = field(default_factory=dict)
    encoding: Encoding | None = None

    def understood(self) -> ImportMapping:
        """The mapping, with the encoding of the request where it says none. Raises FileRefused."""
        return effective_mapping(self.mapping, self.encoding)


def effective_mapping(toml: bytes | None, encoding: Encoding | None) -> ImportMapping:
    mapping = parse_mapping(toml or b"")
    if encoding is None or "encoding" in mapping.file.model_fields_set:
        return mapping
    return mapping.model_copy(update={"file": mapping.file.model_copy(update={"encoding": encoding})})


@dataclass(frozen=True, slots=True)
class Survey:
    """What is known before the first row is loaded: the file can be read to its end.

    `fingerprint` is the same for the same files, mapping and purpose.
    """

    rows: int
    columns: dict[str, str]
    unused_columns: tuple[str, ...]
    fingerprint: bytes


def survey(upload: Upload, resource: Resource, context: ImportContext) -> Survey:
    """Raises FileRefused for a mapping or header that does not fit and for a file that breaks further down."""
    mapping = upload.understood()
    rewind(upload.file, upload.joins)
    reader = read_rows(
        upload.file,
        resource,
        mapping,
        upload.joins,
        now=context.now,
        zone=context.zone,
        currency=context.currency,
    )
    rewind(upload.file, {})
    table = CsvTable(upload.file, mapping.file.encoding)
    rows = sum(isinstance(row, Refusal) or any(map(str.strip, row.cells)) for row in table)
    told = [resource.name, context.dry_run, (upload.mapping or b"").hex(), upload.encoding]
    files = {name: _digest(file) for name, file in sorted({**upload.joins, "": upload.file}.items())}
    fingerprint = hashlib.sha256(orjson.dumps([told, files])).digest()
    return Survey(rows, reader.binding.taken, reader.binding.unused, fingerprint)


def _digest(file: BinaryIO) -> str:
    file.seek(0)
    found = hashlib.sha256()
    while piece := file.read(IN_MEMORY):
        found.update(piece)
    return found.hexdigest()


def rewind(file: BinaryIO, joins: Mapping[str, BinaryIO]) -> None:
    for each in (file, *joins.values()):
        each.seek(0)


def bounded(request: Request) -> Receive:
    """What the request receives, up to LARGEST. Raises TooLarge, at once where the sender tells the length."""
    told = request.headers.get("content-length", "")
    seen = int(told) if told.isdecimal() and int(told) > LARGEST else 0

    async def receive() -> Message:
        nonlocal seen
        message = await request.receive()
        seen += len(message.get("body", b""))
        if seen > LARGEST:
            raise TooLarge(f"At most {LARGEST >> 20} MiB")
        return message

    return receive


@asynccontextmanager
async def received(request: Request) -> AsyncIterator[Upload]:
    """The upload, complete, for as long as the block lasts. Raises Invalid and WrongMediaType."""
    header = EmailMessage()
    header["content-type"] = request.headers.get("content-type", "text/csv")
    kind, charset = header.get_content_type(), header.get_content_charset()
    try:
        async with AsyncExitStack() as stack:
            if kind == "multipart/form-data":
                form = await stack.enter_async_context(request.form(max_files=MOST_FILES, max_fields=MOST_FILES))
                yield await _from_form(form)
            elif kind in RAW_TYPES:
                spool = cast(BinaryIO, SpooledTemporaryFile(IN_MEMORY))  # noqa: SIM115 closed by the stack
                file = UploadFile(stack.enter_context(spool))
                async for piece in request.stream():
                    await file.write(piece)
                yield Upload(file.file, encoding=_encoding(charset))
            else:
                raise WrongMediaType(f"not as {kind}")
    except ClientDisconnect as error:
        raise Invalid("body", "the upload ended early") from error


def _encoding(charset: str | None) -> Encoding | None:
    if charset is None or charset in {"us-ascii", "ascii"}:
        return None
    if charset not in ENCODINGS:
        raise Invalid("Content-Type", f"charset utf-8 or cp932, not {charset}")
    return ENCODINGS[charset]


async def _from_form(form: FormData) -> Upload:
    """`file`, `mapping`, and second files under their own names, as the part's name or as its file name."""
    found: Upload | None = None
    mapping: bytes | None = None
    joins: dict[str, BinaryIO] = {}
    for name, part in form.multi_items():
        if name == "mapping":
            mapping = part.encode() if isinstance(part, str) else await part.read()
        elif isinstance(part, str):
            raise Invalid(name, "is to be sent as a file, with a file name")
        elif name == "file":
            if found:
                raise Invalid("file", "is sent twice")
            found = Upload(part.file, _short(part.filename))
        else:
            joins[name] = part.file
            if part.filename:
                joins.setdefault(part.filename, part.file)
    if found is None:
        raise Invalid("file", "the part `file` with the CSV is missing")
    found.mapping = mapping
    wanted = found.understood().files
    found.joins = {name: file for name, file in joins.items() if name in wanted}
    return found


def _short(name: str | None) -> str | None:
    """A file name for showing: the last part of what some browsers send as a path."""
    base = (name or "").replace("\\", "/").rpartition("/")[2]
    return "".join(c for c in base if c.isprintable())[-200:] or None
