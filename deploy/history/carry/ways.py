"""Which event is carried in which way, and which are a department's own conclusions, that it draws again itself."""

from deploy.history.carry import contracts, customers, feedback, field_sales, inside_sales, marketing
from deploy.history.carry.case import Ways
from shared.contracts import Event
from shared.contracts import customer_success as cs
from shared.contracts import field_sales as fs
from shared.contracts import inside_sales as sales
from shared.contracts import marketing as mk

WAYS: Ways = {
    **marketing.WAYS,
    **inside_sales.WAYS,
    **field_sales.WAYS,
    **customers.WAYS,
    **contracts.WAYS,
    **feedback.WAYS,
}
CONCLUSIONS: dict[type[Event], str] = {
    mk.AccountMerged: "marketing merges companies it finds to be one",
    sales.ValveMoved: "inside sales moves its valve by field sales' capacity",
    fs.SqlReceived: "field sales says so of what it loads itself; the SQL is told by inside sales",
    cs.CustomerAccepted: "customer success takes a customer over when the deal is won or the contract begins",
    cs.CustomerDormant: "customer success finds customers quiet by their use",
    cs.UsageSummarised: "customer success adds use up itself: import the rows of use",
    cs.HealthChanged: "customer success judges health itself",
    cs.ChurnRiskRaised: "customer success raises the alarm itself",
    cs.ChurnRiskCleared: "customer success clears the alarm itself",
}
KPI = "kpi decides this by its own calls: tell it there"
