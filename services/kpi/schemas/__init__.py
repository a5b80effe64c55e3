"""What goes over HTTP: what kpi is told to decide, and the figures it answers."""
