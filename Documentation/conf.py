# SPDX-License-Identifier: GPL-2.0-only
"""Sphinx: the manuals as html and as man pages. See docs.mk."""

import glob
import os
import re

from docutils import nodes
from sphinx import addnodes

project = "tokmux"
author = "The tokmux authors"
copyright = author
release = version = os.environ.get("TOKMUX_VERSION", "")

root_doc = "index"
exclude_patterns = ["ABI"]
highlight_language = "none"
html_copy_source = False
smartquotes = False
# A fixed date: the same source makes the same pages.
today_fmt = "%Y-%m-%d"

# Debian 12 and 13 have it. It has a menu on a phone, and fetches nothing from the web.
html_theme = "furo"
html_title = f"tokmux {version}".strip()
html_static_path = ["_static"]
html_css_files = ["tokmux.css"]

extensions = ["sphinx.ext.graphviz"]
graphviz_output_format = "svg"


def scale_pictures(app, exception):
    """Graphviz gives a picture a size in points. Without one it is as wide as its
    place, and as high as that makes it."""
    for path in glob.glob(os.path.join(app.outdir, "_images", "graphviz-*.svg")):
        with open(path, encoding="utf-8") as f:
            svg = f.read()
        with open(path, "w", encoding="utf-8") as f:
            f.write(re.sub(r'<svg width="\d+pt" height="\d+pt"', "<svg", svg, count=1))


def link_manual_pages(app, doctree, docname):
    """A manual page of ours that another page names is a link to it."""
    if app.builder.format != "html":
        return
    for node in list(doctree.findall(addnodes.manpage)):
        target = "man/" + re.sub(r"\((\d)\)$", r".\1", node.astext())
        if target in app.env.found_docs and target != docname:
            link = nodes.reference(
                refuri=app.builder.get_relative_uri(docname, target), internal=True)
            node.replace_self(link)
            link += node


def setup(app):
    app.connect("build-finished", scale_pictures)
    app.connect("doctree-resolved", link_manual_pages)


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
