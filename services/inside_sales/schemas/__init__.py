"""HTTP bodies of inside sales, and the coded reasons it keeps."""
