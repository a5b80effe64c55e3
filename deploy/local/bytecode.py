"""Compiled modules are kept even where PYTHONDONTWRITEBYTECODE forbids it beside the sources, as images and some CI do.

Compiling everything anew takes every process here 1 to 2 s of processor time, seven of them at every start.
"""

import os
import sys

from deploy.local.home import Home


def keep() -> None:
    """For this process and its children: under the home's cache."""
    if sys.dont_write_bytecode and not sys.pycache_prefix:
        sys.pycache_prefix = os.environ["PYTHONPYCACHEPREFIX"] = str(Home.locate().cache / "python")
        sys.dont_write_bytecode = False
        os.environ["PYTHONDONTWRITEBYTECODE"] = ""
