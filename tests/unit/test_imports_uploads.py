from collections.abc import Iterable

import pytest
from starlette.requests import Request
from starlette.types import Message

from shared.errors import Invalid
from shared.imports.uploads import received


def request(messages: Iterable[Message], content_type: str = "text/csv") -> Request:
    waiting = iter(messages)

    async def receive() -> Message:
        return next(waiting)

    headers = [(b"content-type", content_type.encode())]
    return Request({"type": "http", "method": "POST", "path": "/v1/imports", "headers": headers}, receive)


def piece(content: bytes, *, more: bool = True) -> Message:
    return {"type": "http.request", "body": content, "more_body": more}


async def test_a_body_is_put_together_piece_by_piece() -> None:
    async with received(request([piece(b"a,b\n"), piece(b"1,"), piece(b"2\n", more=False)])) as upload:
        upload.file.seek(0)
        assert upload.file.read() == b"a,b\n1,2\n"


@pytest.mark.parametrize("content_type", ["text/csv", "multipart/form-data; boundary=x"])
async def test_an_upload_that_ends_early_is_no_fault_of_ours(content_type: str) -> None:
    broken = request([piece(b"--x\r\n"), {"type": "http.disconnect"}], content_type)
    with pytest.raises(Invalid, match="ended early") as refused:
        async with received(broken):
            pass
    assert refused.value.more["errors"] == [{"field": "body", "rule": "the upload ended early"}]


@pytest.mark.parametrize(
    ("charset", "encoding"), [("utf-8", "utf-8"), ("Shift_JIS", "cp932"), ("windows-31j", "cp932"), ("us-ascii", None)]
)
async def test_the_charset_is_the_encoding(charset: str, encoding: str | None) -> None:
    async with received(request([piece(b"", more=False)], f'text/csv; charset="{charset}"')) as upload:
        assert upload.encoding == encoding
