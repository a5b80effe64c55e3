"""The pure fold: facts in, in any order and told any number of times; rows of the caches out, always the same."""
