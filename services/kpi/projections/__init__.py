"""The pure fold: facts in, in any order and told any number of times; rows of the caches out, always the same."""

FOLDS = 5
"""Counts up whenever the same facts are folded into other rows: a running installation then folds all anew."""
