"""Every figure, one module a family. Rates are never stored: they are counted from the folded rows when asked for."""
