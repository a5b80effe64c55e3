"""Models learned from what became of leads and customers, judged before they are believed (metrics.md section 4)."""
