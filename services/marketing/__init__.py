"""Marketing: from visitors (base) to MQLs (goal).

It owns companies, people and their cycles: only marketing mints the number of a cycle. It takes people in once, counts
their interest into a score, hands an MQL to inside sales by criteria that are data, and opens ended cycles again.

In: what inside sales, field sales and customer success tell of leads, opportunities and contracts.
Out: `marketing.account_created`, `account_merged`, `lead_created`, `lead_updated`, `touch_recorded`, `mql_created`,
`lead_recycled`, `lead_merged`, `lead_unmerged`, `lead_erased`, `visits_recorded`, `spend_recorded`.
"""
