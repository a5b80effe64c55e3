"""Models over HTTP: their cards, and the customers whose leaving would cost most."""

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Annotated

from fastapi import APIRouter, Query, Request
from pydantic import Field

from services.kpi.api.learning import CHURN, LEAD_SCORE, Kept, Model, ModelAsked, Trained
from services.kpi.api.questions import Asked, viewing
from services.kpi.metrics.learning.fitting import SEED
from services.kpi.metrics.learning.judging import Quality
from services.kpi.metrics.learning.risks import MODEL, RULE, AtRisk
from services.kpi.metrics.learning.training import NOT_BETTER, NOT_JUDGED, TOO_FEW, Split
from services.kpi.metrics.records import names_of
from services.kpi.metrics.statistics import half_even
from services.kpi.schemas.learning import (
    AccountAtRiskOut,
    AccountsAtRiskOut,
    ContestOut,
    FloorOut,
    LeftOutOut,
    ModelOut,
    QualityOut,
    RiskReasonOut,
    SplitOut,
    WeightOut,
)
from shared.errors import Invalid
from shared.http.door import Door
from shared.money import Money

router = APIRouter(prefix="/v1", tags=["models"], route_class=Door)
INPUTS: Mapping[str, tuple[str, str]] = {
    "usage": ("利用状況", "Usage"),
    "onboarding": ("オンボーディング", "Onboarding"),
    "support": ("サポート", "Support"),
    "sentiment": ("満足度", "Sentiment"),
    "engagement": ("関係", "Engagement"),
    "billing": ("契約・支払い", "Contract and billing"),
    "outcome": ("期待値一致度", "Expectation fit"),
}
"""What the health score's own inputs are called; others by their code."""


@router.get("/models/lead-score")
async def get_lead_score(request: Request, asked: Annotated[ModelAsked, Query()]) -> ModelOut:
    """Does a model tell better than the score which MQLs become opportunities? The card says how that was judged."""
    return _card(LEAD_SCORE, await _trained(request).of(LEAD_SCORE, asked), asked)


@router.get("/models/churn")
async def get_churn(request: Request, asked: Annotated[ModelAsked, Query()]) -> ModelOut:
    """Does a model tell better than the health score who leaves? The card says how that was judged."""
    return _card(CHURN, await _trained(request).of(CHURN, asked), asked)


class AccountsAsked(ModelAsked):
    limit: int = Field(50, ge=1, le=500)
    cursor: str | None = Field(None, max_length=200)


@router.get("/models/churn/accounts")
async def list_accounts_at_risk(request: Request, asked: Annotated[AccountsAsked, Query()]) -> AccountsAtRiskOut:
    """Customers under contract by value at risk, with the reasons for their chance."""
    after = _after(asked.cursor)
    plain = ModelAsked.model_validate(asked.model_dump(exclude={"limit", "cursor"}))
    kept = await _trained(request).of(CHURN, plain)
    risks = kept.risks
    accounts = risks.accounts if risks else ()
    left = [each for each in accounts if after is None or each.place > after]
    shown = left[: asked.limit]
    async with viewing(request.app.state.runtime, Asked().question(request.app.state.runtime)) as view:
        names = await names_of(view, "account_id", [each.account_id for each in shown])
    mrr = sum((each.mrr for each in accounts if each.mrr is not None), Decimal(0))
    value = sum((each.value for each in accounts if each.value is not None), Decimal(0))
    return AccountsAtRiskOut.model_validate(
        {
            **kept.said,
            "used": risks.used if risks else CHURN.fallback,
            "reason": kept.learned.reason,
            "trained_at": kept.trained_at,
            "currency": kept.currency,
            "customers": len(accounts),
            "mrr": _money(mrr, kept),
            "value_at_risk": _money(value, kept),
            "unpriced": sum(each.mrr is None for each in accounts),
            "items": [_account(each, names.get(each.account_id), kept) for each in shown],
            "next_cursor": _cursor(shown[-1]) if len(left) > len(shown) else None,
        }
    )


def _trained(request: Request) -> Trained:
    found: Trained = request.app.state.trained
    return found


def _money(amount: Decimal | None, kept: Kept) -> Money | None:
    return None if amount is None else Money(amount=half_even(amount), currency=kept.currency)


def _account(found: AtRisk, name: str | None, kept: Kept) -> AccountAtRiskOut:
    return AccountAtRiskOut(
        account_id=found.account_id,
        account_external_id=name,
        segment=found.segment,
        mrr=_money(found.mrr, kept),
        chance=found.chance,
        value_at_risk=_money(found.value, kept),
        health_score=found.health,
        health_band=found.band,
        reasons=_by_model(found) if kept.learned.wins else _by_rule(found),
    )


def _by_model(found: AtRisk) -> list[RiskReasonOut]:
    names = CHURN.names
    return [
        RiskReasonOut(
            feature=reason.feature,
            ja=names[reason.feature].ja,
            en=names[reason.feature].en,
            value=reason.value,
            contribution=reason.contribution,
        )
        for reason in found.reasons
    ]


def _by_rule(found: AtRisk) -> list[RiskReasonOut]:
    reasons = []
    for told in found.points:
        code = str(told["input"])
        ja, en = INPUTS.get(code, (code, code))
        reasons.append(RiskReasonOut(feature=code, ja=ja, en=en, contribution=float(told["contribution"])))
    return reasons


def _card(model: Model, kept: Kept, asked: ModelAsked) -> ModelOut:
    learned, recipe = kept.learned, model.recipe
    used = MODEL if learned.wins else RULE if learned.rule else model.fallback
    says_ja, says_en = _says(kept)
    floor = FloorOut(
        needed_rows=recipe.least_rows,
        needed_events=recipe.least_events,
        **{name: getattr(learned.floor, name) for name in ("rows", "events", "missing_rows", "missing_events")},
    )
    return ModelOut.model_validate(
        {
            **kept.said,
            "model": model.id,
            "ja": model.ja,
            "en": model.en,
            "label": model.label,
            "horizon_days": recipe.horizon_days,
            "population": kept.population,
            "sampled": learned.floor.rows,
            "knowledge": asked.knowledge,
            "unknown_rule": kept.unknown_rule,
            "base_rate": learned.base_rate,
            "floor": floor,
            "used": used,
            "reason": learned.reason,
            "says_ja": says_ja,
            "says_en": says_en,
            "algorithm": learned.model.algorithm if learned.model else None,
            "calibration": "sigmoid" if learned.model else None,
            "seed": SEED,
            "split": _split(learned.split),
            "of_model": _quality(learned.of_model),
            "of_rule": _quality(learned.of_rule),
            "contest": ContestOut.model_validate(learned.contest) if learned.contest else None,
            "weights": [
                WeightOut(
                    feature=weight.feature,
                    ja=model.names[weight.feature].ja,
                    en=model.names[weight.feature].en,
                    size=weight.size,
                    rises=weight.rises,
                )
                for weight in learned.weights
            ],
            "left_out": [LeftOutOut(feature=name, ja=ja, en=en) for name, (ja, en) in model.left_out.items()],
            "drift": kept.risks.drift if kept.risks else None,
            "trained_at": kept.trained_at,
        }
    )


def _says(kept: Kept) -> tuple[str, str]:
    floor, learned = kept.learned.floor, kept.learned
    if learned.reason == TOO_FEW:
        return (
            f"データ不足のためルールのまま:あと{floor.missing_rows}件、うち成立があと{floor.missing_events}件必要です",
            f"Too few data, the rule stays: {floor.missing_rows} more rows, {floor.missing_events} more events needed",
        )
    if learned.reason == NOT_JUDGED:
        return (
            "時期で分けると片側の件数が足りず、良し悪しを判定できないためルールのままです",
            "Cut in time, one side has too few to judge a model by: the rule stays",
        )
    if learned.reason == NOT_BETTER:
        return (
            "見たことのないデータでルールより確かに良いとは言えないため、ルールのままです",
            "On data it had not seen the model is not surely better than the rule: the rule stays",
        )
    return (
        "見たことのないデータでルールより確かに良かったため、モデルを使います",
        "On data it had not seen the model was surely better than the rule: the model is used",
    )


def _split(split: Split | None) -> SplitOut | None:
    if split is None:
        return None
    return SplitOut(
        cut=datetime.fromtimestamp(split.cut, UTC),
        learned_rows=split.learned,
        judged_rows=split.judged,
        left_between=split.left_between,
        folds=split.folds,
    )


def _quality(found: Quality | None) -> QualityOut | None:
    return None if found is None else QualityOut.model_validate(found)


def _cursor(last: AtRisk) -> str:
    return f"{'' if last.value is None else last.value}_{last.account_id}"


def _after(cursor: str | None) -> tuple[bool, Decimal, str] | None:
    """Raises Invalid for what no answer of ours gave out."""
    if cursor is None:
        return None
    value, _, account = cursor.partition("_")
    try:
        known = Decimal(value or 0)
    except InvalidOperation as error:
        raise Invalid("cursor", "is the next_cursor of an earlier answer") from error
    if not account or not known.is_finite():
        raise Invalid("cursor", "is the next_cursor of an earlier answer")
    return not value, -known, account
