"""What every page shares: layout, words in Japanese and English, sign-in, problems as pages, lists with their acts.

A page is a declaration (`shared.web.lists.ListPage`): it reads and acts through the service's own HTTP API, inside the
process, as the person who is signed in. So a page can never show more, allow more or mean something else than the API.
"""

from shared.web.install import install

__all__ = ["install"]
