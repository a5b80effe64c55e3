"""The coded lists of field sales. Phases and discovery codes are rules with versions and come from the database."""

from shared.http.reasons import Reason, Reasons

NOT_ICP = "not_icp"  # the one reason that never lets a cycle begin anew, whatever a caller asks for
NOT_RECORDED = "not_recorded"

_NOT_ICP = Reason(code=NOT_ICP, ja="対象外(理想の顧客像に合わない)", en="not our kind of customer", recyclable=False)
_OTHER = Reason(code="other", ja="その他", en="other", recyclable=True)
_NO_BUDGET = Reason(code="no_budget", ja="予算がない", en="no budget", recyclable=True)
_NO_AUTHORITY = Reason(code="no_authority", ja="決裁権のある人に届かない", en="nobody who decides", recyclable=True)
_NO_NEED = Reason(code="no_need", ja="必要性がない", en="no need", recyclable=True)
_BAD_TIMING = Reason(code="bad_timing", ja="時期尚早", en="too early", recyclable=True)
_DUPLICATE = Reason(code="duplicate", ja="重複している商談", en="duplicate of another opportunity", recyclable=False)

RETURN = (
    Reason(code="insufficient_information", ja="ヒアリング不足", en="discovery items missing", recyclable=True),
    _NO_BUDGET,
    _NO_AUTHORITY,
    _NO_NEED,
    _BAD_TIMING,
    Reason(code="no_show", ja="無断欠席", en="nobody came", recyclable=True),
    Reason(code="unreachable", ja="連絡がつかない", en="cannot be reached", recyclable=True),
    Reason(code="no_capacity", ja="対応枠がない", en="no capacity", recyclable=True),
    Reason(code="existing_customer", ja="既存顧客", en="already a customer", recyclable=False),
    _DUPLICATE,
    _NOT_ICP,
    _OTHER,
)
LOSE = (
    Reason(code="price", ja="価格", en="price", recyclable=True),
    Reason(code="competitor", ja="競合に負けた", en="lost to a competitor", recyclable=True),
    _NO_BUDGET,
    Reason(code="budget_frozen", ja="予算凍結", en="budget frozen", recyclable=True),
    _NO_AUTHORITY,
    _NO_NEED,
    Reason(code="timing", ja="時期が合わない", en="not the time", recyclable=True),
    Reason(code="no_decision", ja="見送り(決定されず)", en="no decision", recyclable=True),
    Reason(code="missing_feature", ja="機能不足", en="missing feature", recyclable=True),
    Reason(code="unresponsive", ja="返答がなくなった", en="no answer any more", recyclable=True),
    Reason(code="out_of_business", ja="先方の廃業・統合", en="the company is gone", recyclable=False),
    _DUPLICATE,
    _NOT_ICP,
    Reason(code=NOT_RECORDED, ja="記録なし(取り込んだ履歴)", en="not recorded (imported history)", recyclable=False),
    _OTHER,
)
CANCEL = (
    Reason(code="customer_request", ja="先方の都合", en="the customer asked for it"),
    Reason(code="our_request", ja="当方の都合", en="we asked for it"),
    Reason(code="no_interest", ja="関心がなくなった", en="no interest any more"),
    Reason(code="double_booked", ja="予定の重複", en="double booked"),
    Reason(code="other", ja="その他", en="other"),
)
FIRST_VISIT = (_NO_BUDGET, _NO_AUTHORITY, _NO_NEED, _BAD_TIMING, _DUPLICATE, _NOT_ICP, _OTHER)
FORECAST_CATEGORIES = (
    Reason(code="commit", ja="コミット", en="commit"),
    Reason(code="most_likely", ja="最有力", en="most likely"),
    Reason(code="best_case", ja="ベストケース", en="best case"),
    Reason(code="pipeline", ja="パイプライン", en="pipeline"),
    Reason(code="omitted", ja="除外", en="omitted"),
)
ORIGINS = (
    Reason(code="sql", ja="インサイドセールスからのSQL", en="SQL from inside sales"),
    Reason(code="self_sourced", ja="自己開拓", en="self-sourced"),
    Reason(code="partner", ja="代理店", en="partner"),
    Reason(code="referral", ja="紹介", en="referral"),
    Reason(code="expansion", ja="拡大", en="expansion"),
    Reason(code="renewal", ja="更新", en="renewal"),
)
STATUSES = (
    Reason(code="offered", ja="受け入れ待ち", en="offered"),
    Reason(code="open", ja="商談中", en="open"),
    Reason(code="returned", ja="差し戻し", en="returned"),
    Reason(code="won", ja="受注", en="won"),
    Reason(code="lost", ja="失注", en="lost"),
)

LISTS = {
    "return": RETURN,
    "lose": LOSE,
    "cancel": CANCEL,
    "first_visit": FIRST_VISIT,
    "forecast_category": FORECAST_CATEGORIES,
    "origin": ORIGINS,
    "status": STATUSES,
}
REASONS = Reasons(LISTS)


def recyclable(reason: Reason, given: bool | None) -> bool:
    """Whether the ended cycle may begin anew: as the caller says, else as the reason's data says; never for not_icp."""
    if reason.code == NOT_ICP:
        return False
    return bool(reason.recyclable) if given is None else given
