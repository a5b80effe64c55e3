"""The codes of inside sales and the words people read. In each list the most favourable stands first."""

from dataclasses import dataclass
from typing import Any

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from shared.http.reasons import Reason, Reasons


def _list(*codes: tuple[str, str, str]) -> list[Reason]:
    return [Reason(code=code, ja=ja, en=en) for code, ja, en in codes]


def _ending(*codes: tuple[str, str, str, bool]) -> list[Reason]:
    return [Reason(code=code, ja=ja, en=en, recyclable=recyclable) for code, ja, en, recyclable in codes]


REASONS = Reasons(
    {
        "reject": _ending(
            ("no_need", "課題・ニーズなし", "No need", True),
            ("no_budget", "予算なし", "No budget", True),
            ("no_authority", "決裁者に届かない", "No way to the decision maker", True),
            ("timing", "時期尚早", "Too early", True),
            ("information_only", "情報収集のみ", "Only collecting information", True),
            ("unreachable", "連絡不通", "Cannot be reached", True),
            ("invalid_contact", "連絡先の不備", "Contact data wrong", True),
            ("not_icp", "対象外(ターゲット外)", "Disqualified: not our target", False),
            ("competitor", "対象外(同業他社)", "Disqualified: a competitor", False),
            ("job_seeker_or_student", "対象外(求職者・学生・営業)", "Disqualified: applicant, student, seller", False),
            ("duplicate", "重複", "Duplicate", False),
            ("opt_out", "連絡拒否", "Asked not to be contacted", False),
            ("not_recorded", "記録なし(取り込んだ履歴)", "Not recorded (imported history)", False),
            ("other", "その他", "Other", False),
        ),
        "drop": _ending(
            ("no_opportunity", "未商談", "No opportunity", True),
            ("unfollowed", "未フォロー", "Unfollowed", True),
            ("unreachable", "連絡不通", "Cannot be reached", True),
            ("no_need", "課題・ニーズなし", "No need", True),
            ("no_budget", "予算なし", "No budget", True),
            ("timing", "時期尚早", "Too early", True),
            ("competitor_chosen", "他社に決定", "Chose a competitor", True),
            ("existing_contract", "他社契約中", "Bound by another contract", True),
            ("not_icp", "対象外(ターゲット外)", "Disqualified: not our target", False),
            ("opt_out", "連絡拒否", "Asked not to be contacted", False),
            ("duplicate", "重複", "Duplicate", False),
            ("other", "その他", "Other", True),
        ),
        "return": _ending(  # field sales' own list, for the words beside its codes
            ("no_budget", "予算がない", "no budget", True),
            ("no_authority", "決裁権のある人に届かない", "nobody who decides", True),
            ("no_need", "必要性がない", "no need", True),
            ("timing", "時期が合わない", "not the time", True),
            ("missing_information", "引き継ぎ情報の不足", "the hand-over lacks information", True),
            ("unreachable", "連絡がつかない", "cannot be reached", True),
            ("no_capacity", "対応枠がない", "no capacity", True),
            ("existing_customer", "既存顧客", "already a customer", False),
            ("duplicate", "重複している商談", "duplicate of another opportunity", False),
            ("not_icp", "対象外(理想の顧客像に合わない)", "not our kind of customer", False),
            ("other", "その他", "other", True),
        ),
        "budget": _list(
            ("secured", "予算確保済み", "Secured"),
            ("planned", "予算計上予定", "Planned"),
            ("requestable", "稟議で確保可能", "Can be requested"),
            ("undecided", "未定", "Undecided"),
            ("none", "予算なし", "None"),
        ),
        "authority": _list(
            ("decision_maker", "決裁者", "Decision maker"),
            ("recommender", "推進者・起案者", "Recommender who drafts the approval"),
            ("evaluator", "選定担当者", "Evaluator"),
            ("user", "利用担当者", "User only"),
            ("unknown", "不明", "Unknown"),
        ),
        "need": _list(
            ("explicit", "課題が明確", "Explicit"),
            ("latent", "課題が潜在的", "Latent"),
            ("information_only", "情報収集のみ", "Only collecting information"),
            ("none", "課題なし", "None"),
        ),
        "timing": _list(
            ("within_1_month", "1か月以内", "Within 1 month"),
            ("within_3_months", "3か月以内", "Within 3 months"),
            ("within_6_months", "6か月以内", "Within 6 months"),
            ("within_1_year", "1年以内", "Within 1 year"),
            ("over_1_year", "1年より先", "Later than 1 year"),
            ("undecided", "未定", "Undecided"),
        ),
        "size": _list(
            ("over_1000", "1,000名以上", "1,000 users or more"),
            ("up_to_999", "300〜999名", "300 to 999 users"),
            ("up_to_299", "100〜299名", "100 to 299 users"),
            ("up_to_99", "30〜99名", "30 to 99 users"),
            ("up_to_29", "29名以下", "Up to 29 users"),
        ),
        "kind": _list(
            ("call", "架電", "Call"),
            ("email", "メール", "E-mail"),
            ("meeting", "打ち合わせ", "Meeting"),
            ("note", "メモ", "Note"),
        ),
        "outcome": _list(
            ("connected", "接続", "Connected"),
            ("appointment_agreed", "アポ獲得", "Appointment agreed"),
            ("callback_requested", "折り返し依頼", "Asked to be called back"),
            ("material_sent", "資料送付", "Material sent"),
            ("sent", "送信済み", "Sent"),
            ("replied", "返信あり", "Replied"),
            ("held", "実施", "Held"),
            ("rescheduled", "リスケ", "Rescheduled"),
            ("no_show", "無断欠席", "No-show"),
            ("message_left", "伝言・留守電", "Message left"),
            ("gatekept", "受付で断り", "Refused at the reception"),
            ("no_answer", "不在・応答なし", "No answer"),
            ("declined", "断り", "Declined"),
            ("wrong_number", "番号違い", "Wrong number"),
            ("bounced", "不達", "Bounced"),
        ),
        "place": _list(
            ("online", "オンライン", "Online"),
            ("visit", "訪問", "Visit"),
            ("phone", "電話", "Phone"),
        ),
    }
)


@dataclass(frozen=True, slots=True)
class Coded:
    """A text that is one of the codes kept for `purpose`; the schema lists them."""

    purpose: str

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_after_validator_function(self._check, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {**handler(schema), "enum": list(REASONS.codes(self.purpose))}

    def _check(self, code: str) -> str:
        if code not in REASONS.codes(self.purpose):
            raise PydanticCustomError("code", "one of {codes}", {"codes": ", ".join(REASONS.codes(self.purpose))})
        return code
