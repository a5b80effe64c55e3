"""The HTTP side every service shares: the door each write goes through, problems, paging, bodies, the app itself."""
