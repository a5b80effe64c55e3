"""The rules of field sales, pure: time and ids are arguments."""
