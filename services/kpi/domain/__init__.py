"""kpi's own rules: how the chain may be cut, what a period is, which decision holds on a day."""
