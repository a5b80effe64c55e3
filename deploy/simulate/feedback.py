"""The reverse flow (逆の流れ): what later departments tell earlier ones, what those answer, and what changed by it."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from deploy.simulate import company
from deploy.simulate.acts import Act, heard
from deploy.simulate.chance import Chance
from deploy.simulate.company import Person

TEAMS: dict[str, tuple[Person, ...]] = {
    "marketing": company.MARKETING,
    "inside_sales": company.INSIDE_SALES,
    "field_sales": company.FIELD_SALES,
    "customer_success": company.CUSTOMER_SUCCESS,
    "product": (company.PRODUCT,),
}


@dataclass(frozen=True, slots=True)
class Topic:
    """What one department tells another, and what that one changes because of it."""

    sender: str
    to: str
    kind: str
    text: str
    change: str


REJECTED = Topic(
    "inside_sales",
    "marketing",
    "reject",
    "学生・情報収集のみの資料請求が続いています。",
    "フォームに役職と導入時期の項目を追加",
)
GAP = Topic(
    "field_sales",
    "inside_sales",
    "gap",
    "予算の確度が引き継ぎ内容と異なりました。",
    "ヒアリングシートに稟議の段階を追加",
)
LOST = Topic("field_sales", "marketing", "loss", "比較検討の初期に競合の資料が渡っています。", "競合比較の資料を公開")
FEATURE = Topic(
    "field_sales", "product", "product", "帳票出力がないために失注しました。", "次の版の計画に帳票出力を追加"
)
PRAISE = Topic(
    "field_sales",
    "inside_sales",
    "praise",
    "引き継ぎの内容が正確で、初回から提案に入れました。",
    "良い引き継ぎの例として共有",
)
EXPECTATION = Topic(
    "customer_success",
    "field_sales",
    "expectation",
    "約束した移行の範囲が契約内容と違いました。",
    "提案書に移行範囲の一覧を追加",
)
CHURNED = Topic(
    "customer_success",
    "marketing",
    "churn",
    "小規模のお客様が使いこなせずに解約しました。",
    "対象とする規模の訴求を見直し",
)
FIT = Topic(
    "customer_success",
    "inside_sales",
    "churn",
    "利用体制がないまま契約に至っていました。",
    "体制の確認をヒアリング項目に追加",
)
VOICE = Topic(
    "customer_success", "marketing", "voice", "導入効果を事例として話してよいとのことです。", "事例記事を公開"
)
WISH = Topic(
    "customer_success",
    "product",
    "product",
    "検索条件を保存したいという要望が重なっています。",
    "保存した条件の機能を開発中",
)
GENERAL = (
    Topic(
        "inside_sales",
        "marketing",
        "programme_needed",
        "失注から半年の方への案内がほしいです。",
        "再アプローチのメールを用意",
    ),
    Topic(
        "inside_sales",
        "marketing",
        "campaign_wish",
        "製造業向けのウェビナーがあると話しやすいです。",
        "製造業向けウェビナーを企画",
    ),
    Topic(
        "inside_sales",
        "field_sales",
        "resource_needed",
        "アポの候補日を増やしてください。",
        "火曜の午後を新規枠として確保",
    ),
    Topic("inside_sales", "product", "voice", "問い合わせでモバイル対応をよく聞かれます。", "モバイルの計画を公開"),
    Topic(
        "field_sales",
        "marketing",
        "resource_needed",
        "稟議向けの費用対効果の資料が必要です。",
        "費用対効果の試算シートを作成",
    ),
    Topic(
        "field_sales",
        "customer_success",
        "resource_needed",
        "導入支援の期間を提案時に示したいです。",
        "標準の導入計画書を共有",
    ),
    Topic(
        "marketing",
        "inside_sales",
        "programme_needed",
        "ウェビナー参加者への架電を当日中にお願いします。",
        "当日の架電枠を確保",
    ),
    Topic("marketing", "field_sales", "resource_needed", "展示会に登壇できる方を探しています。", "登壇者を2名決定"),
    Topic(
        "marketing",
        "customer_success",
        "voice",
        "事例に協力いただけるお客様を教えてください。",
        "候補のお客様を3社紹介",
    ),
    Topic("marketing", "product", "product", "料金ページで聞かれる機能の説明が足りません。", "機能の説明を追記"),
    Topic(
        "customer_success", "inside_sales", "voice", "活用が進むお客様の共通点をまとめました。", "架電の優先条件に反映"
    ),
    Topic(
        "product",
        "customer_success",
        "voice",
        "新しい画面の試用に協力いただける方を募っています。",
        "協力いただける5社を紹介",
    ),
    Topic(
        "product",
        "field_sales",
        "product",
        "見送りになった機能の優先順位を教えてください。",
        "失注の記録から上位を共有",
    ),
    Topic("product", "marketing", "voice", "次の版の内容を早めに知らせます。", "公開日に合わせた告知を準備"),
    Topic("product", "inside_sales", "product", "よく聞かれる質問を集めています。", "質問の一覧を毎週共有"),
)


def service_of(department: str) -> str:
    """Product's box is kept by customer success."""
    return "customer_success" if department == "product" else department


def item_acts(
    chance: Chance, topic: Topic, external_id: str, at: datetime, refs: tuple[dict[str, str], ...] = ()
) -> Iterator[Act]:
    """The item from being given until it is closed; some are declined, some wait long."""
    sender, receiver = chance.choice(TEAMS[topic.sender]), chance.choice(TEAMS[topic.to])
    there, path = service_of(topic.to), f"/v1/feedback/ext:{external_id}"
    given: dict[str, Any] = {"to": topic.to, "kind": topic.kind, "text": topic.text, "external_id": external_id}
    given |= {
        "sender": topic.sender,
        "refs": list(refs),
        "severity": chance.choice(("low", "normal", "normal", "high")),
    }
    yield Act(at, sender, service_of(topic.sender), "/v1/feedback", given)
    at = chance.later(at, 0.05, 3)
    yield Act(at, receiver, there, f"{path}/acknowledge", {})
    at = chance.later(at, 0.2, 8)
    accepted = chance.happens(0.78)
    decision = {"accept": True} if accepted else {"accept": False, "reason": "今期は人手が足りないため見送り"}
    yield Act(at, receiver, there, f"{path}/decide", decision)
    if accepted:
        at = chance.later(at, 2, 30)
        yield Act(at, receiver, there, f"{path}/act", {"change": topic.change})
    at = chance.later(at, 0.5, 12) + timedelta(minutes=5)
    yield heard(at, service_of(topic.sender), path, state="acted" if accepted else "declined")
    yield Act(at, sender, service_of(topic.sender), f"{path}/close", {"useful": chance.happens(0.7)})
