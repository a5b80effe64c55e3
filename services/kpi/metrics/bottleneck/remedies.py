"""What each factor and queue is called, what may be done about it, and the rate by which one sees whether it worked."""

from collections.abc import Mapping
from typing import NamedTuple

from services.kpi.metrics.bottleneck.queues import ONBOARDING
from services.kpi.metrics.bottleneck.references import LEADS, MQLS, OPPORTUNITIES, SQLS
from services.kpi.metrics.chain import ACCEPT, MQL, OUTSIDE, SQL, UPLIFT, VISITORS, WEB, WON
from services.kpi.projections.places import HANDED, OPEN, WAITING, WORKING

FACTORS: Mapping[str, tuple[str, str]] = {
    VISITORS: ("来訪者数", "Visitors"),
    WEB: ("来訪者→リード", "Visitor to lead"),
    UPLIFT: ("Web以外・リサイクル", "Other ways and recycling"),
    LEADS: ("リード(周回)", "Lead cycles"),
    MQL: ("リード→MQL", "Lead to MQL"),
    MQLS: ("MQL", "MQLs"),
    SQL: ("MQL→SQL", "MQL to SQL"),
    SQLS: ("SQL(引き渡し済み)", "SQLs handed over"),
    ACCEPT: ("SQL→有効商談", "SQL to opportunity"),
    OUTSIDE: ("SQL以外の商談", "Opportunities no SQL preceded"),
    OPPORTUNITIES: ("有効商談", "Opportunities"),
    WON: ("有効商談→受注", "Opportunity to won"),
}
QUEUES: Mapping[str, tuple[str, str]] = {
    WAITING: ("対応待ちのMQL", "MQLs waiting for a first contact"),
    WORKING: ("対応中のMQL", "MQLs being worked on"),
    HANDED: ("受け入れ待ちのSQL", "SQLs waiting to be accepted"),
    OPEN: ("進行中の商談", "Open opportunities"),
    ONBOARDING: ("オンボーディング中の顧客", "Customers being onboarded"),
}


class Remedy(NamedTuple):
    """`metric` is a rate of the catalogue; None where only a count could be raised, which no counter-measure has."""

    metric: str | None
    ja: str
    en: str


_MORE = "来訪者を増やす施策を、費用の安いチャネルから試す", "Bring more visitors, by the cheapest channel first"
REMEDIES: Mapping[str, Remedy] = {
    VISITORS: Remedy(None, *_MORE),
    WEB: Remedy(
        "v2l",
        "最も損の大きいチャネルの入口ページと入力フォームを見直す",
        "Rework the landing page and form of the slice that costs most",
    ),
    UPLIFT: Remedy(None, "イベント・紹介・掘り起こしを計画する", "Plan events, referrals and re-approaches"),
    LEADS: Remedy(None, "リードの獲得と掘り起こしを計画する", "Plan for more leads, new and recycled"),
    MQL: Remedy(
        "l2m",
        "育成の内容と移行判定基準(スコア)を見直す",
        "Review what is sent while nurturing, and the transition criteria (score)",
    ),
    MQLS: Remedy(None, "MQLへの育成を見直す", "Review the nurturing that leads to MQLs"),
    SQL: Remedy(
        "sql_rate",
        "初回対応の早さと、ヒアリング項目・トークを見直す",
        "Review how fast the first contact is made, the discovery items and the talk",
    ),
    SQLS: Remedy(None, "SQLの供給を増やす(調節弁の基準を見直す)", "Supply more SQLs: review the valve's threshold"),
    ACCEPT: Remedy(
        "sql_acc",
        "差し戻し理由を引き継ぎ合意と移行判定基準に反映する",
        "Take the reasons of returns into the handoff agreement and the transition criteria",
    ),
    OUTSIDE: Remedy(None, "自己開拓・紹介・代理店の商談を計画する", "Plan self-sourced, referred and partner deals"),
    OPPORTUNITIES: Remedy(None, "商談の供給を増やす", "Supply more opportunities"),
    WON: Remedy(
        "opp_to_won",
        "失注理由の上位について提案の型を見直す",
        "Review the proposal for the reasons most deals are lost by",
    ),
    WAITING: Remedy(
        "sla60",
        "対応待ちリードの担当を増やすか、調節弁を閉めて流入を抑える",
        "Put more people on the waiting MQLs, or close the valve",
    ),
    WORKING: Remedy(
        "sql_rate",
        "長く対応中のMQLに期限を決め、見込みのないものはリサイクルへ戻す",
        "Set the oldest MQLs a date; what has no prospect goes back to be recycled",
    ),
    HANDED: Remedy(
        "sql_acc",
        "受け入れの期限を決め、対応枠を増やすか調節弁を閉める",
        "Set a date by which SQLs are taken; add slots or close the valve",
    ),
    OPEN: Remedy(
        "opp_to_won",
        "滞留している商談を棚卸しし、対応枠を増やすか調節弁を閉める",
        "Go through the opportunities that stand still; add slots or close the valve",
    ),
    ONBOARDING: Remedy(
        "onb",
        "オンボーディングの担当を増やし、完了が遅れている顧客から着手する",
        "Put more people on onboarding, the latest customers first",
    ),
}
"""By factor and queue."""
