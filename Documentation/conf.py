# SPDX-License-Identifier: GPL-2.0-only
"""Sphinx: the manuals as html and as man pages. See docs.mk."""

import glob
import os
import re

project = "tokmux"
author = "The tokmux authors"
copyright = author
release = version = os.environ.get("TOKMUX_VERSION", "")

root_doc = "index"
exclude_patterns = ["ABI"]
highlight_language = "none"
html_theme = "alabaster"
html_copy_source = False
smartquotes = False
# A fixed date: the same source makes the same pages.
today_fmt = "%Y-%m-%d"


def man_page(path):
    """Each man/NAME.SECTION.rst; its summary is a comment in it."""
    name, section = re.match(r".*/(.+)\.(\d)\.rst$", path).groups()
    with open(path, encoding="utf-8") as f:
        summary = re.search(r"^\.\. summary: (.*)$", f.read(), re.M)
    return (path[:-len(".rst")], name, summary.group(1) if summary else name,
            author, section)


os.chdir(os.path.dirname(os.path.abspath(__file__)))
man_pages = [man_page(path) for path in sorted(glob.glob("man/*.[1-9].rst"))]
man_show_urls = True
