"""kpi's gauges: the figures of its tables, for Prometheus."""

from prometheus_client import Gauge

from shared.instruments import registry


def _gauge(name: str, text: str, *labels: str) -> Gauge:
    return Gauge(f"themodel_{name}", text, list(labels), registry=registry)


base = _gauge("funnel_base", "Base of a stage in the current month", "stage")
goal = _gauge("funnel_goal", "Goal of a stage reached in the current month", "stage")
rate = _gauge("funnel_rate", "Goal by base of a stage in the current month", "stage")
target = _gauge("funnel_target", "Goal a stage is to reach in the current month", "stage")
mrr = _gauge("mrr", "MRR of the current month in minor units: start, end and movements", "movement")
nrr = _gauge("nrr_ratio", "Net revenue retention over the last 12 months")
grr = _gauge("grr_ratio", "Gross revenue retention over the last 12 months")
arr = _gauge("arr", "Twelve times the MRR paid now, in minor units", "basis")
pipeline = _gauge("pipeline_amount", "Value of all open deals, in minor units")
feedback_open = _gauge("feedback_open", "Feedback given and not yet closed or declined", "from", "to")
churn_risk_open = _gauge("churn_risk_open", "Customers whose alarm has not been cleared")
churn_risk_mrr = _gauge("churn_risk_mrr", "What these customers pay monthly, in minor units")
sla_waiting = _gauge("sla_waiting", "MQLs without a first contact, by the response SLA", "state")
valve_threshold = _gauge("valve_threshold", "Score an MQL needs to be released for work")
utilisation = _gauge("field_sales_utilisation_ratio", "Open work of field sales by its slots")
recycle_overdue = _gauge("recycle_overdue", "Ended cycles waiting past the day they were to be taken up again")
freshness = _gauge(
    "metric_freshness_seconds", "Since the moment up to which all a department told is known", "publisher"
)
unconserved = _gauge("conservation_broken", "Cycles, deals or stages of the chain that do not add up", "check")
gaps = _gauge("sequence_gaps_open", "Streams with a number missing for more than a minute")
