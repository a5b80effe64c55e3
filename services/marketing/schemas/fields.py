"""Fields several bodies share: addresses, numbers, references."""

import re
from typing import Annotated
from uuid import UUID

from pydantic import AfterValidator, BaseModel, Field, StringConstraints

from services.marketing.domain.folding import digits_of, domain_key, folded, phone_key
from shared.http.bodies import Key
from shared.imports.cells import EMAIL, fold

_HOST = re.compile(r"(?:[\w-]{1,63}\.)+[\w-]{2,63}")


def email_address(text: str) -> str:
    """The address with width folded. Raises ValueError."""
    address = "".join(fold(text).split())
    if len(address) > 254 or not EMAIL.fullmatch(address):
        raise ValueError("an e-mail address, such as hanako@example.co.jp")
    return address


def telephone(text: str) -> str:
    if phone_key(text) is None:
        raise ValueError("a telephone number with its area code, such as 03-1234-5678 or +81 3 1234 5678")
    return text


def corporate_number(text: str) -> str:
    """The 13 digits of a Japanese corporate number (法人番号)."""
    number = digits_of(text)
    if not re.fullmatch("[0-9]{13}", number):
        raise ValueError("a corporate number has 13 digits")
    return number


def domain(text: str) -> str:
    host = domain_key(text)
    if not _HOST.fullmatch(host):
        raise ValueError("a domain, such as example.co.jp")
    return host


def touch_kind(text: str) -> str:
    """A code, never a sentence: it goes into events."""
    if not re.fullmatch(r"[\w.:-]{1,60}", folded(text)) or folded(text).isdecimal():
        raise ValueError("a code, such as webinar or content_download")
    return folded(text)


def reference(text: str) -> str:
    if not text.startswith("ext:"):
        try:
            UUID(text)
        except ValueError:
            raise ValueError("an id of ours, or ext: and your own id") from None
    return text


Email = Annotated[str, StringConstraints(strip_whitespace=True, max_length=300), AfterValidator(email_address)]
Phone = Annotated[str, StringConstraints(strip_whitespace=True, max_length=40), AfterValidator(telephone)]
CorporateNumber = Annotated[str, StringConstraints(max_length=40), AfterValidator(corporate_number)]
Domain = Annotated[str, StringConstraints(max_length=300), AfterValidator(domain)]
TouchKind = Annotated[str, StringConstraints(strip_whitespace=True), AfterValidator(touch_kind)]
Reference = Annotated[
    str,
    StringConstraints(strip_whitespace=True, max_length=130),
    AfterValidator(reference),
    Field(examples=["ext:A-1"]),
]
Employees = Annotated[int, Field(ge=0, le=100_000_000)]


class Dimensions(BaseModel):
    """What figures are grouped by."""

    channel: Key | None = None
    campaign: Key | None = None
    segment: Key | None = None
    industry: Key | None = None
    product: Key | None = None
    price_band: Key | None = None
    region: Key | None = None
    owner: Key | None = Field(None, description="the id of the marketer it is credited to")
