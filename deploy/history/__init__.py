"""History told in files: events as JSON lines, with outside ids, and what is not an event as fixtures."""
