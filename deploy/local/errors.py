"""What stops a command."""


class CommandError(Exception):
    """One clear line for the person at the terminal: what stands in the way, and what to do about it."""
