"""The rules of inside sales, free of IO."""
