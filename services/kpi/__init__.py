"""kpi: what every department told, folded into one chain of figures.

Base and goal: every department's. Events in: everything marketing, inside sales, field sales and customer success
tell. Events out: how the stages were cut, which targets were set.
"""
