"""What marketing does: one use case per function. Load, decide, store, announce."""
