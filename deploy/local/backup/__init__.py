"""Backups: one service's database with the others running, or topics and all databases as one consistent set.

A set is cut at one moment. Every database is looked at in the same instant, in which no offset moves and no outbox
changes; each topic is cut at the furthest offset any of them knows. What lies before it was committed by its publisher
before that instant, what lies behind it is still in an outbox of the set: nothing is lost, and nothing is on a topic
that nobody told.
"""
