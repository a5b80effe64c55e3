"""What inside sales does: one use case per function; load, decide, store, announce."""
