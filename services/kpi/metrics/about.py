"""What the catalogue says of a metric beside its formula: whose it is, what one of it is, what to watch with it."""

from collections.abc import Mapping
from typing import NamedTuple

MARKETING, INSIDE, FIELD, SUCCESS = "marketing", "inside_sales", "field_sales", "customer_success"
OURS = "THE MODEL: each department turns its base into its goal at a rate"
WILSON = "interval: Wilson 1927"
PROMOTERS = "Reichheld 2003; interval: adjusted Wald (Rocks 2016)"
SURVIVAL = "Kaplan and Meier 1958"
COMPETING = "Aalen and Johansen 1978; interval of the variance by the delta method (Marubini and Valsecchi 1995)"
SHRUNK = "from the quality of the process after it; drawn towards the mean of all (empirical Bayes)"
RECURRING = "movements: new, expansion, contraction, churn, reactivation; an account without MRR has churned"


class About(NamedTuple):
    """`grain` is what one of it is; `counter` the metric that gets worse when only this one is pushed."""

    department: str
    grain: str
    counter: str | None = None
    source: str = OURS
    version: int = 1


ABOUT: Mapping[str, About] = {
    "visitors": About(MARKETING, "visitor of a day", "v2l"),
    "v2l": About(MARKETING, "new lead of a web channel", "l2m", WILSON),
    "v2l_all": About(MARKETING, "new lead", "l2m", WILSON),
    "spend": About(MARKETING, "day, channel and campaign", "cac"),
    "cpl": About(MARKETING, "new lead", "l2m"),
    "cpmql": About(MARKETING, "MQL", "mql_acc"),
    "lead_new": About(MARKETING, "person, once", "l2m"),
    "lead_rec": About(MARKETING, "cycle after the first", "recycled_to_opp"),
    "lead_cycles": About(MARKETING, "cycle", "l2m"),
    "mql": About(MARKETING, "cycle", "mql_acc"),
    "l2m": About(MARKETING, "cycle", "mql_acc", WILSON),
    "mql_acc": About(MARKETING, "cycle decided on", "eff_sql", WILSON),
    "score_lift": About(
        MARKETING, "MQL with a score", "mql", "AUC: Mann and Whitney 1947; Brier 1950; intervals: Wilson 1927"
    ),
    "mql_accepted": About(INSIDE, "cycle", "eff_sql"),
    "mql_rejected": About(INSIDE, "cycle", "recycle_rate"),
    "frt": About(INSIDE, "MQL", "eff_sql", SURVIVAL),
    "sla60": About(INSIDE, "MQL", "eff_sql", WILSON),
    "unfollowed": About(INSIDE, "MQL"),
    "appointments": About(INSIDE, "appointment", "show_rate"),
    "show_rate": About(INSIDE, "appointment decided on", "sql_acc", WILSON),
    "no_show_rate": About(INSIDE, "appointment decided on", "show_rate", WILSON),
    "reschedule_rate": About(INSIDE, "appointment", "show_rate", WILSON),
    "supply": About(INSIDE, "opportunity", "valid_opp"),
    "touches": About(MARKETING, "touch", "l2m"),
    "productivity": About(FIELD, "month of a full-time equivalent", "grr"),
    "valid_opp": About(INSIDE, "SQL decided on, or opportunity judged", "win_closed", WILSON),
    "sql": About(INSIDE, "cycle", "sql_acc"),
    "sql_rate": About(INSIDE, "cycle", "sql_acc", WILSON),
    "sql_per_lead": About(INSIDE, "cycle", "sql_acc", WILSON),
    "sql_per_contact": About(INSIDE, "cycle contacted", "sql_acc", WILSON),
    "sql_acc": About(INSIDE, "SQL decided on", "win_closed", WILSON),
    "eff_sql": About(INSIDE, "cycle", "win_closed", WILSON),
    "sql_returned": About(FIELD, "SQL", "recycle_rate"),
    "opportunity": About(FIELD, "opportunity", "opp_to_won"),
    "open_deals": About(FIELD, "opportunity"),
    "pipeline": About(FIELD, "opportunity", "win_value"),
    "weighted": About(FIELD, "opportunity", "win_closed", "Σ p(phase) x amount; learned chances by shrinkage"),
    "walk": About(FIELD, "opportunity", "win_value", "what came and went adds up to the difference, in every slice"),
    "slip": About(FIELD, "opportunity due", "win_closed", WILSON),
    "slip_value": About(FIELD, "opportunity due", "win_value"),
    "pushed_often": About(FIELD, "opportunity", "slip"),
    "coverage": About(FIELD, "opportunity due", "win_value"),
    "coverage_deals": About(FIELD, "opportunity due", "win_closed"),
    "stage_conv": About(FIELD, "entry of a deal into a phase", "win_closed", WILSON),
    "regress": About(FIELD, "change of phase", "stage_conv", WILSON),
    "age": About(FIELD, "opportunity", "stale"),
    "stale": About(FIELD, "opportunity", "win_closed"),
    "loss_reason": About(FIELD, "deal lost", "recycled_to_opp", WILSON),
    "velocity": About(
        FIELD, "day", None, "opportunities x win rate x mean won ÷ mean cycle; levers depend on each other"
    ),
    "won": About(FIELD, "deal", "onb"),
    "lost": About(FIELD, "deal", "recycle_rate"),
    "opp_to_won": About(FIELD, "opportunity", "onb", WILSON),
    "win_closed": About(FIELD, "deal closed", "open_deals", WILSON),
    "win_value": About(FIELD, "deal closed", "won_average"),
    "win_cohort": About(FIELD, "opportunity", "onb", COMPETING),
    "won_value": About(FIELD, "deal", "grr"),
    "won_average": About(FIELD, "deal", "win_closed"),
    "won_median": About(FIELD, "deal", "win_closed"),
    "won_per_mql": About(MARKETING, "MQL", "mql"),
    "cycle_days": About(FIELD, "deal won", "win_closed"),
    "cycle_days_lost": About(FIELD, "deal lost"),
    "cycle_days_all": About(FIELD, "deal closed"),
    "leadtime": About(FIELD, "deal won", "win_closed"),
    "lead_to_won": About(FIELD, "cycle", "onb", WILSON),
    "occupancy": About(MARKETING, "cycle"),
    "customer": About(SUCCESS, "deal taken over", "onb"),
    "onboarded": About(SUCCESS, "account", "onb"),
    "onb": About(SUCCESS, "deal won", "grr", WILSON),
    "mrr_mv": About(SUCCESS, "account", None, RECURRING),
    "new_mrr": About(FIELD, "account", "grr", RECURRING),
    "arr": About(SUCCESS, "account", "grr", RECURRING),
    "booked_live": About(SUCCESS, "account", "arr", "booked from the win, live from the first billing"),
    "nrr": About(SUCCESS, "account of the start", "logo_churn", RECURRING),
    "grr": About(SUCCESS, "account of the start", "nrr", RECURRING),
    "customers": About(SUCCESS, "account", "arpa", RECURRING),
    "gross_churn": About(SUCCESS, "account", "grr", RECURRING),
    "net_churn": About(SUCCESS, "account", "logo_churn", RECURRING),
    "quick": About(SUCCESS, "account", "grr", RECURRING),
    "logo_churn": About(SUCCESS, "account of the start", "grr", WILSON),
    "churn_hazard": About(SUCCESS, "customer-month", None, "events by exposure; Jeffreys-like half event without any"),
    "arpa": About(SUCCESS, "account", "customers", RECURRING),
    "upsell": About(SUCCESS, "account", "logo_churn", WILSON),
    "ltv": About(SUCCESS, "account", "payback", "ARPA x margin x expected lifetime (1 ÷ hazard)"),
    "cac": About(MARKETING, "new customer", "ltv_cac"),
    "ltv_cac": About(MARKETING, "new customer", "payback"),
    "payback": About(MARKETING, "new customer", "ltv_cac"),
    "renew": About(SUCCESS, "contract due", "renew_value", WILSON),
    "renew_value": About(SUCCESS, "contract due", "renew"),
    "recycle_rate": About(MARKETING, "way ended", "recycled_to_opp", WILSON),
    "recycled_to_opp": About(MARKETING, "cycle opened again", "recycled_won", WILSON),
    "dormant_days": About(MARKETING, "cycle opened again", "recycled_to_opp"),
    "recycled_won": About(MARKETING, "deal", "win_closed", WILSON),
    "recycled_won_value": About(MARKETING, "deal", "win_value"),
    "loops": About(MARKETING, "cycle"),
    "reverse_flow": About(SUCCESS, "hand-over", "closure"),
    "obligations": About(FIELD, "rejection, return, loss or churn", "closure", WILSON),
    "ack_72h": About(INSIDE, "feedback item", "acted", WILSON),
    "acted": About(INSIDE, "feedback item", "closure", WILSON),
    "closure": About(FIELD, "feedback item", "reverse_flow", WILSON),
    "two_way": About(SUCCESS, "feedback item", "obligations"),
    "voice_used": About(MARKETING, "feedback item", "l2m", WILSON),
    "note_gap": About(INSIDE, "field compared", "note_coverage", WILSON),
    "note_coverage": About(FIELD, "opportunity", "note_gap", WILSON),
    "joint_touch": About(SUCCESS, "deal won or contract renewed", "win_closed", WILSON),
    "shared_credit": About(SUCCESS, "account", "grr", RECURRING),
    "handoff_complete": About(INSIDE, "item of an SQL", "rework", WILSON),
    "rework": About(INSIDE, "MQL or SQL", "sql_acc", WILSON),
    "disputes": About(INSIDE, "MQL or SQL", "closure", WILSON),
    "mql_quality": About(MARKETING, "MQL", "mql", SHRUNK),
    "sql_quality": About(INSIDE, "SQL", "sql", SHRUNK),
    "won_quality": About(FIELD, "deal", "won_value", SHRUNK),
    "nps": About(SUCCESS, "answer", "logo_churn", PROMOTERS),
    "csat": About(SUCCESS, "score", "logo_churn", WILSON),
    "adoption": About(SUCCESS, "customer", "logo_churn", WILSON),
    "expectation_fit": About(FIELD, "promise", "win_closed", WILSON),
}
"""Of every metric of the catalogue."""
