"""What makes two spellings the same: e-mail addresses, phone numbers, people's and companies' names, domains."""

import re
import unicodedata

INVISIBLE = dict.fromkeys(map(ord, "\u00ad\u200b\u200c\u200d\u2060\ufeff"))
JAPANESE_FORMS = (
    *("株式会社", "株式會社", "有限会社", "合同会社", "合資会社", "合名会社", "相互会社"),
    *("(株)", "(有)", "(合)", "(同)", "(資)", "(名)"),
)
LATIN_FORMS = frozenset(
    (
        *("incorporated", "inc", "corporation", "corp", "company", "co", "limited", "ltd", "llc", "llp", "plc"),
        *("kk", "gk", "gmbh", "ag", "sa", "sas", "bv", "nv", "pte", "pty"),
    )
)
SHORTEST_PHONE = 9  # digits; fewer is an extension or a service number, which no person has alone
_AROUND = re.compile("^(?:{0})|(?:{0})$".format("|".join(map(re.escape, JAPANESE_FORMS))))
_HOST = re.compile(r"^(?:[a-z][a-z0-9+.-]*://)?(?:[^/@]*@)?(?:www\.)?([^/:?#]+)")


def folded(text: str) -> str:
    """NFKC without invisible characters, case folded."""
    return unicodedata.normalize("NFKC", text).translate(INVISIBLE).casefold()


def email_key(email: str) -> str:
    """Case, width and spaces folded; a plus-address is an address of its own."""
    return "".join(folded(email).split())


def phone_key(phone: str) -> str | None:
    """A Japanese number in its domestic form (0…), any other as + and digits; None for what is too short."""
    text = unicodedata.normalize("NFKC", phone).strip(" (")
    digits = "".join(character for character in text if character in "0123456789")
    if len(digits) < SHORTEST_PHONE:
        return None
    abroad = text.startswith("+")
    for prefix in ("010", "00"):  # dialled as from Japan, or as from most other countries
        if not abroad and digits.startswith(f"{prefix}81"):
            abroad, digits = True, digits.removeprefix(prefix)
    if digits.startswith("81") and (abroad or len(digits) in (11, 12)):  # a domestic number begins with 0
        return "0" + digits[2:].lstrip("0")
    return f"+{digits}" if abroad else digits


def name_key(name: str) -> str:
    """A person's name without spaces and punctuation: 山田 太郎 and 山田太郎 様 are one."""
    return _letters(folded(name).strip().removesuffix("様"))


def company_key(name: str) -> str:
    """A company's name without its legal form: 株式会社サクラ and サクラ㈱ are one, as are Acme, Inc. and ACME."""
    text = folded(name).strip()
    while (bare := _AROUND.sub("", text).strip()) != text and bare:
        text = bare
    words = re.split(r"[\s,]+", text.replace(".", ""))
    while len(words) > 1 and (not words[-1] or words[-1] in LATIN_FORMS):
        words.pop()
    return _letters("".join(words)) or _letters(folded(name)) or folded(name).strip()


def domain_key(domain: str) -> str:
    """The bare host of a domain, an address or a link."""
    found = _HOST.match(folded(domain).strip())
    return found[1].strip(".") if found else ""


def digits_of(number: str) -> str:
    return re.sub(r"[\s-]", "", unicodedata.normalize("NFKC", number))


def _letters(text: str) -> str:
    return "".join(c for c in text if unicodedata.category(c)[0] in "LNM" or c in "&+")
