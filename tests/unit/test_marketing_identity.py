"""Who is whom: spellings folded, people and companies found again, contradictions kept apart."""

from uuid import UUID

import pytest

from services.marketing.domain.folding import company_key, domain_key, email_key, name_key, phone_key
from services.marketing.domain.identity import COMPANY_RULES, PERSON_RULES, CompanyKeys, Directory, PersonKeys
from services.marketing.domain.personal import shareable

ACME, OTHER = UUID(int=1), UUID(int=2)


@pytest.mark.parametrize(
    ("spelling", "key"),
    [
        ("Hanako@Example.JP", "hanako@example.jp"),
        (" hanako@example.jp ", "hanako@example.jp"),
        ("ｈａｎａｋｏ＠ｅｘａｍｐｌｅ．ｊｐ", "hanako@example.jp"),
        ("hanako @example.jp", "hanako@example.jp"),
        ("hanako\u200b@example.jp", "hanako@example.jp"),
        ("hanako+news@example.jp", "hanako+news@example.jp"),
    ],
)
def test_an_address_is_folded_but_keeps_its_plus(spelling: str, key: str) -> None:
    assert email_key(spelling) == key


@pytest.mark.parametrize(
    ("spelling", "key"),
    [
        ("03-1234-5678", "0312345678"),
        ("０３（１２３４）５６７８", "0312345678"),
        ("+81 3 1234 5678", "0312345678"),
        ("+81 (0)3-1234-5678", "0312345678"),
        ("＋８１－９０－１２３４－５６７８", "09012345678"),
        ("0081 90 1234 5678", "09012345678"),
        ("010 81 90 1234 5678", "09012345678"),
        ("819012345678", "09012345678"),
        ("0811234567", "0811234567"),  # 081 is an area code of Japan
        ("+1 212 555 0100", "+12125550100"),
        ("110", None),
        ("内線 1234", None),
    ],
)
def test_a_phone_number_has_one_domestic_form(spelling: str, key: str | None) -> None:
    assert phone_key(spelling) == key


@pytest.mark.parametrize(
    "spelling",
    [
        *(
            "株式会社サクラ",
            "サクラ株式会社",
            "㈱サクラ",
            "サクラ㈱",
            "（株）サクラ",
            "(株) サクラ",
            "㍿サクラ",
            "ｻｸﾗ",
            "サ ク ラ",
        ),
        *("株式会社　サクラ", "有限会社サクラ", "合同会社サクラ"),
    ],
)
def test_a_japanese_company_is_one_in_every_form(spelling: str) -> None:
    assert company_key(spelling) == "サクラ"


@pytest.mark.parametrize(
    "spelling",
    ["Acme", "ACME, Inc.", "acme inc", "Acme Co., Ltd.", "Acme Corporation", "Ａｃｍｅ", "ACME K.K.", "Acme L.L.C."],
)
def test_a_latin_company_is_one_in_every_form(spelling: str) -> None:
    assert company_key(spelling) == "acme"


@pytest.mark.parametrize(
    ("one", "other"),
    [("A&B", "AB"), ("サクラ東京", "サクラ大阪"), ("Inc", "Co"), ("株式会社", "有限会社"), ("サーバー", "サーバ")],
)
def test_different_companies_stay_different(one: str, other: str) -> None:
    assert company_key(one) != company_key(other)
    assert company_key(one)


@pytest.mark.parametrize("spelling", ["山田 太郎", "山田　太郎", "山田太郎", "山田太郎 様", "山田・太郎"])
def test_a_name_is_one_with_and_without_spaces(spelling: str) -> None:
    assert name_key(spelling) == "山田太郎"


@pytest.mark.parametrize(
    "spelling",
    ["sakura.example.jp", "WWW.Sakura.example.jp", "https://www.sakura.example.jp/about?x=1", "info@sakura.example.jp"],
)
def test_a_domain_is_its_host(spelling: str) -> None:
    assert domain_key(spelling) == "sakura.example.jp"


KNOWN = PersonKeys("L-1", "a@x.jp", "0312345678", "山田太郎", ACME)
PEOPLE = [
    ("by external id, whatever else differs", PersonKeys("L-1", "z@z.jp", "0399999999", "別人", OTHER), True),
    ("by e-mail, whatever the name", PersonKeys(None, "a@x.jp", None, "別人", OTHER), True),
    ("by e-mail under another external id", PersonKeys("L-2", "a@x.jp"), True),
    ("by phone", PersonKeys(None, None, "0312345678"), True),
    ("by phone with another address", PersonKeys(None, "b@x.jp", "0312345678", "山田太郎"), True),
    ("not by a switchboard's number", PersonKeys(None, "b@x.jp", "0312345678", "佐藤花子", ACME), False),
    ("by name and company", PersonKeys(None, None, None, "山田太郎", ACME), True),
    ("not by name alone", PersonKeys(None, None, None, "山田太郎"), False),
    ("not by name in another company", PersonKeys(None, None, None, "山田太郎", OTHER), False),
    ("namesakes have addresses of their own", PersonKeys(None, "b@x.jp", None, "山田太郎", ACME), False),
    ("namesakes have ids of their own", PersonKeys("L-2", None, None, "山田太郎", ACME), False),
    ("nothing known", PersonKeys(), False),
]


@pytest.mark.parametrize(("why", "told", "same"), PEOPLE, ids=[case[0] for case in PEOPLE])
def test_a_person_is_found_again(why: str, told: PersonKeys, same: bool) -> None:
    people: Directory[str] = Directory(PERSON_RULES)
    people.put(KNOWN, "yamada")
    assert people.find(told) == ("yamada" if same else None)


def test_the_strongest_key_wins_and_of_equals_the_first() -> None:
    people: Directory[str] = Directory(PERSON_RULES)
    people.put(PersonKeys(phone="0312345678"), "first by phone")
    people.put(PersonKeys(phone="0312345678"), "second by phone")
    people.put(PersonKeys(email="a@x.jp"), "by mail")
    assert people.find(PersonKeys(email="a@x.jp", phone="0312345678")) == "by mail"
    assert people.find(PersonKeys(phone="0312345678")) == "first by phone"


COMPANY = CompanyKeys("A-1", "1234567890123", "sakura.example.jp", "サクラ")
COMPANIES = [
    ("by corporate number", CompanyKeys(None, "1234567890123", "other.example.jp", "別社"), True),
    ("by domain under another name", CompanyKeys(None, None, "sakura.example.jp", "別社"), True),
    ("not by domain against the number", CompanyKeys(None, "9999999999999", "sakura.example.jp", "サクラ"), False),
    ("by name", CompanyKeys(None, None, None, "サクラ"), True),
    ("not by name against the domain", CompanyKeys(None, None, "sakura.example.com", "サクラ"), False),
    ("not by name against the external id", CompanyKeys("A-2", None, None, "サクラ"), False),
    ("by number under another external id", CompanyKeys("A-2", "1234567890123", None, "サクラ"), True),
]


@pytest.mark.parametrize(("why", "told", "same"), COMPANIES, ids=[case[0] for case in COMPANIES])
def test_a_company_is_found_again(why: str, told: CompanyKeys, same: bool) -> None:
    companies: Directory[str] = Directory(COMPANY_RULES)
    companies.put(COMPANY, "sakura")
    assert companies.find(told) == ("sakura" if same else None)


@pytest.mark.parametrize(
    ("content", "may"),
    [
        ("2026-11 導入事例ウェビナー", True),
        ("whitepaper/crm-guide_v3.pdf", True),
        ("2026-11-20", True),
        ("hanako@example.jp に送付", False),
        ("電話 03-1234-5678", False),
        ("山田太郎さんと話した", False),
        ("山田 太郎さんと話した", False),
        ("山田さんと話した", False),
        ("太郎さんと話した", False),
        ("x" * 121, False),
        ("一行目\n二行目", False),
    ],
)
def test_only_the_name_of_a_content_leaves_the_service(content: str, may: bool) -> None:
    assert shareable(content, ["山田 太郎", None]) is may
