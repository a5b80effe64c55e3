"""Reads of what kpi decided, and of single journeys."""
