"""Customer success (カスタマーサクセス): keeps and grows what field sales won.

Base: customers at the start of a period and those won in it. Goal: those of them still paying at its end.

In:  marketing.account_created, account_merged, lead_merged, lead_unmerged, lead_erased;
     field_sales.opportunity_opened, opportunity_updated, opportunity_linked, deal_won, deal_reopened.
Out: customer_success.customer_accepted, contract_started, subscription_changed, contract_renewed, customer_churned,
     customer_dormant, onboarding_completed, usage_summarised, pulse_recorded, ticket_opened, ticket_closed,
     health_changed, churn_risk_raised, churn_risk_cleared, promise_reviewed.
"""
