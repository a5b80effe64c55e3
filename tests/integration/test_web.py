"""What every page shares, over HTTP: sign-in, languages, problems as pages, forms through the API's own door."""

import re
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import httpx
import pytest

from shared.auth import COOKIE
from shared.web.render import local
from tests.support.feedback_services import CUSTOMER_SUCCESS, tiny_service
from tests.support.rig import MakeRig, Rig, keys, token

PAGE = {"accept": "text/html,application/xhtml+xml", "accept-language": "en"}
OWN = {**PAGE, "origin": "http://test"}
Enter = Callable[..., httpx.AsyncClient]


@pytest.fixture
async def rig(make_rig: MakeRig, tmp_path: Path) -> Rig:
    return await make_rig(tiny_service("customer_success", CUSTOMER_SUCCESS, tmp_path))


@pytest.fixture
def enter(rig: Rig) -> Enter:
    """A client with the pages' cookie, as after signing in."""

    def with_roles(*roles: str) -> httpx.AsyncClient:
        client = rig.client()
        client.headers.update(PAGE)
        if roles:
            client.cookies.set(COOKIE, token(*roles, user="mina"))
        return client

    return with_roles


def once(page: str) -> str:
    found = re.search(r'name="_once" value="([^"]+)"', page)
    assert found
    return found.group(1)


async def test_signing_in_by_link_sets_the_cookie_and_hides_the_token(enter: Enter) -> None:
    client, issued = enter(), token("product")
    answer = await client.get("/sign-in", params={"token": issued, "next": "/feedback-in"})
    assert (answer.status_code, answer.headers["location"]) == (303, "/feedback-in")
    cookie = answer.headers["set-cookie"]
    assert cookie.startswith(f"{COOKIE}={issued}")
    assert all(part in cookie for part in ("HttpOnly", "SameSite=lax", "Path=/", "Max-Age="))
    assert (await client.get("/feedback-in")).status_code == 200


async def test_signing_in_by_form_and_with_what_is_no_token(enter: Enter, rig: Rig) -> None:
    client = enter()
    refused = await client.post("/sign-in", data={"token": "nonsense", "next": "/feedback-in"}, headers=OWN)
    assert refused.status_code == 401
    assert "cannot be used" in refused.text
    assert COOKIE not in refused.headers.get("set-cookie", "")
    expired = keys().issue("mina", ["product"], timedelta(seconds=-1))
    assert (await client.get("/sign-in", params={"token": expired})).status_code == 401
    entered = await client.post(
        "/sign-in", data={"token": f" {token('product')}\n", "next": "//evil.test"}, headers=OWN
    )
    assert (entered.status_code, entered.headers["location"]) == (303, "/")


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("/leads?state=new", "/leads?state=new"),
        (None, "/"),
        ("", "/"),
        ("//evil.test", "/"),
        ("https://evil.test/", "/"),
        ("/\\evil.test", "/"),
        ("/a\r\nSet-Cookie: x=y", "/"),
        ("javascript:alert(1)", "/"),
    ],
)
def test_nobody_is_sent_elsewhere(given: str | None, expected: str) -> None:
    assert local(given) == expected


async def test_an_unknown_person_is_led_to_sign_in_and_a_tool_gets_a_problem(enter: Enter, rig: Rig) -> None:
    answer = await enter().get("/feedback-in?state=given")
    assert (answer.status_code, answer.headers["location"]) == (303, "/sign-in?next=/feedback-in%3Fstate%3Dgiven")
    tool = await rig.client().get("/feedback-in")
    assert (tool.status_code, tool.headers["content-type"]) == (401, "application/problem+json")


async def test_a_cookie_changes_nothing_from_another_origin(enter: Enter, rig: Rig) -> None:
    client = enter("customer_success")
    wish = {"to": "product", "kind": "product", "text": "x"}
    for headers in ({"origin": "http://evil.test"}, {"origin": "null"}, {}):
        answer = await client.post("/feedback-out/new/give", data=wish, headers=headers)
        assert answer.status_code == 403
        assert (await client.post("/sign-out", headers=headers)).status_code == 403
    assert await rig.told() == []
    out = await client.post("/sign-out", headers=OWN)
    assert f'{COOKIE}=""' in out.headers["set-cookie"]


async def test_a_form_goes_through_the_door_and_a_second_click_changes_nothing(enter: Enter, rig: Rig) -> None:
    client = enter("customer_success")
    form = {"to": "product", "kind": "product", "text": "x", "ref_kind": "lead", "ref_id": "L-1"}
    form["_once"] = once((await client.get("/feedback-out/new")).text)
    answers = [await client.post("/feedback-out/new/give", data=form, headers=OWN) for _ in range(2)]
    told = await rig.told()
    shown = f"/feedback-out/{told[0].data['feedback_id']}"
    assert [(answer.status_code, answer.headers["location"]) for answer in answers] == [(303, shown)] * 2
    assert [(event.type, event.data["refs"]) for event in told] == [
        ("customer_success.feedback_given.v1", [{"kind": "lead", "id": "L-1"}])
    ]
    client.cookies.set("themodel_flash", "give")
    assert "Done: Give feedback." in (await client.get("/feedback-out")).text
    changed = await client.post("/feedback-out/new/give", data={**form, "text": "y"}, headers=OWN)
    assert changed.status_code == 422
    assert "This form was sent already" in changed.text


async def test_a_refusal_says_the_rule_and_keeps_what_was_typed(enter: Enter, rig: Rig) -> None:
    client = enter("customer_success", "product")
    created = await rig.client("customer_success").post("/v1/feedback", json={"to": "product", "kind": "voice"})
    path = f"/feedback-in/{created.json()['id']}"
    typed = {"accept": "no", "reason": " "}
    answer = await client.post(f"{path}/decide", data=typed, headers=OWN)
    assert answer.status_code == 409
    assert "A reason is needed" in answer.text
    assert '<option value="no" selected>' in answer.text
    malformed = await client.post(f"{path}/decide", data={"accept": "perhaps"}, headers=OWN)
    assert malformed.status_code == 422
    assert 'aria-describedby="decide-accept-error"' in malformed.text
    empty = await client.post(f"{path}/decide", data={}, headers=OWN)
    assert "Please fill this in." in empty.text
    stale = await client.post(f"{path}/acknowledge", data={"_version": '"7"'}, headers=OWN)
    assert stale.status_code == 412
    assert "It has changed since you read it" in stale.text
    unknown = await client.post(f"{path}/explode", data={}, headers=OWN)
    assert unknown.status_code == 404
    assert [event.type for event in await rig.told()] == ["customer_success.feedback_given.v1"]


async def test_problems_are_pages_in_the_readers_language(enter: Enter) -> None:
    client = enter("viewer")
    for path, status, ja, en in [
        ("/nowhere", 404, "このページはありません", "There is no such page"),
        ("/feedback-in/0199aaaa-0000-7000-8000-000000000001", 404, "ここにはまだありません", "Not known here"),
        ("/v1/feedback?mood=good", 422, "入力を確かめてください", "Please check what you entered"),
    ]:
        for language, words in (("ja", ja), ("en", en)):
            answer = await client.get(path, headers={"accept-language": language})
            assert answer.status_code == status
            assert f'<html lang="{language}">' in answer.text
            assert words in answer.text
            assert answer.headers["content-security-policy"].startswith("default-src 'self';")
    forbidden = await client.post("/feedback-out/new/give", data={"to": "product", "kind": "voice"}, headers=OWN)
    assert forbidden.status_code == 403


async def test_a_bug_of_ours_is_a_page_that_says_so(rig: Rig, enter: Enter) -> None:
    async def broken() -> None:
        raise RuntimeError("a secret of the inside")

    rig.app.add_api_route("/broken", broken)
    answer = await enter("viewer").get("/broken")
    assert answer.status_code == 500
    assert "This is our fault" in answer.text
    assert "secret" not in answer.text
    tool = await rig.client("viewer").get("/broken")
    assert (tool.status_code, tool.json()["type"]) == (500, "/problems/internal")


async def test_a_rule_has_a_page_in_both_languages(rig: Rig) -> None:
    client = rig.client()
    for language, words in (("ja", "読み込んだ後に変更されています"), ("en", "It has changed since you read it")):
        answer = await client.get(f"/problems/stale?lang={language}", headers={"accept": "text/html"})
        assert words in answer.text
    assert (await client.get("/problems/nobody_knows")).status_code == 404


async def test_the_address_chooses_the_language_and_it_is_remembered(enter: Enter) -> None:
    client = enter("viewer")
    assert '<html lang="en">' in (await client.get("/feedback-in")).text
    chosen = await client.get("/feedback-in?lang=ja")
    assert '<html lang="ja">' in chosen.text
    assert '<html lang="ja">' in (await client.get("/feedback-in")).text
    assert '<html lang="ja">' in (await client.get("/feedback-in?lang=klingon")).text


async def test_lists_page_filter_and_refuse(enter: Enter, rig: Rig) -> None:
    tool = rig.client("customer_success")
    for number in range(30):
        wish = {"to": "product", "kind": "voice", "text": f"wish number {number:02}", "severity": "high"}
        assert (await tool.post("/v1/feedback", json=wish)).status_code == 201
    client = enter("product")
    first = (await client.get("/feedback-in?severity=high")).text
    assert first.count("wish number") == 25
    assert len(first.encode()) < 50_000
    following = re.search(r'rel="next" href="([^"]+)"', first)
    assert following
    second = (await client.get(following.group(1).replace("&amp;", "&"))).text
    assert second.count("wish number") == 5
    assert "wish number 29" in first
    assert "wish number 00" in second
    assert "Nothing fits these filters." in (await client.get("/feedback-in?severity=low")).text
    broken = await client.get("/feedback-in?cursor=nonsense")
    assert broken.status_code == 422
    assert "Please check what you entered" in broken.text


async def test_only_what_a_persons_roles_allow_is_offered(enter: Enter, rig: Rig) -> None:
    created = await rig.client("customer_success").post("/v1/feedback", json={"to": "product", "kind": "voice"})
    path = f"/feedback-in/{created.json()['id']}"
    for roles, offered in (
        (("product",), True),
        (("customer_success",), False),
        (("admin",), True),
        (("viewer",), False),
    ):
        assert ("Acknowledge</button>" in (await enter(*roles).get(path)).text) is offered, roles


async def test_navigation_leads_to_the_five_services_under_the_same_host(rig: Rig) -> None:
    answer = await rig.client().get("/sign-in", headers={**PAGE, "host": "themodel.example:8004"})
    for port in range(8001, 8006):
        assert f'href="http://themodel.example:{port}/"' in answer.text
