"""The kinds of feedback, as data with the words people read."""

from enum import StrEnum

from shared.http.reasons import Reason


class Kind(StrEnum):
    """What an item is about; `KINDS` has the words people read."""

    REJECT = "reject"
    GAP = "gap"
    LOSS = "loss"
    CHURN = "churn"
    EXPECTATION = "expectation"
    VOICE = "voice"
    PRAISE = "praise"
    PRODUCT = "product"
    RESOURCE_NEEDED = "resource_needed"
    PROGRAMME_NEEDED = "programme_needed"
    CAMPAIGN_WISH = "campaign_wish"


KINDS = (
    Reason(code=Kind.REJECT, ja="差し戻しの理由", en="Why it was returned"),
    Reason(code=Kind.GAP, ja="コメント乖離", en="Comment gap"),
    Reason(code=Kind.LOSS, ja="失注から学んだこと", en="Learned from a lost deal"),
    Reason(code=Kind.CHURN, ja="解約から学んだこと", en="Learned from a churned customer"),
    Reason(code=Kind.EXPECTATION, ja="期待値のずれ", en="Expectation not met"),
    Reason(code=Kind.VOICE, ja="お客様の声", en="Voice of the customer"),
    Reason(code=Kind.PRAISE, ja="感謝", en="Praise"),
    Reason(code=Kind.PRODUCT, ja="製品への要望", en="Product request"),
    Reason(code=Kind.RESOURCE_NEEDED, ja="必要な資料", en="Material needed"),
    Reason(code=Kind.PROGRAMME_NEEDED, ja="必要な施策", en="Programme needed"),
    Reason(code=Kind.CAMPAIGN_WISH, ja="キャンペーンの希望", en="Campaign wish"),
)
