"""The coded lists of marketing, with the words people read."""

from shared.http.reasons import Reason, Reasons

REASONS = Reasons(
    {
        "cycle_source": [
            Reason(code="mql_rejected", ja="MQLの差し戻し", en="MQL rejected"),
            Reason(code="no_opportunity", ja="未商談", en="No opportunity"),
            Reason(code="unfollowed", ja="未フォロー", en="Unfollowed"),
            Reason(code="sql_returned", ja="SQLの差し戻し", en="SQL returned"),
            Reason(code="deal_lost", ja="失注", en="Deal lost"),
            Reason(code="dormant_customer", ja="休眠顧客", en="Dormant customer"),
        ],
        "stage": [
            Reason(code="nurturing", ja="育成中", en="Nurturing"),
            Reason(code="mql_waiting", ja="MQL(対応待ち)", en="MQL, waiting"),
            Reason(code="mql_working", ja="MQL(対応中)", en="MQL, in work"),
            Reason(code="sql", ja="SQL(引き渡し済み)", en="SQL, handed over"),
            Reason(code="opportunity", ja="商談", en="Opportunity"),
            Reason(code="won", ja="受注", en="Won"),
            Reason(code="rejected", ja="MQLの差し戻し", en="MQL rejected"),
            Reason(code="dropped", ja="商談なし", en="Dropped"),
            Reason(code="returned", ja="SQLの差し戻し", en="SQL returned"),
            Reason(code="lost", ja="失注", en="Lost"),
            Reason(code="disqualified", ja="対象外", en="Disqualified"),
            Reason(code="dormant", ja="休眠顧客", en="Dormant customer"),
            Reason(code="churned", ja="解約", en="Churned"),
        ],
        "campaign_status": [
            Reason(code="planned", ja="計画中", en="Planned"),
            Reason(code="active", ja="実施中", en="Active"),
            Reason(code="paused", ja="休止中", en="Paused"),
            Reason(code="completed", ja="終了", en="Completed"),
            Reason(code="cancelled", ja="中止", en="Cancelled"),
        ],
        "company_work": [
            Reason(code="contract", ja="契約", en="Contract"),
            Reason(code="opportunity", ja="商談", en="Open opportunity"),
            Reason(code="claimed_lead", ja="担当ありのリード", en="Claimed lead"),
        ],
    }
)
