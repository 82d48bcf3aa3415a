# SPDX-License-Identifier: GPL-2.0-only
# The manuals, by Sphinx: html and man pages, without a warning.
TOP	:= .
include build.mk
OUT	?= $(TOP)/build/docs
SPHINX	= TOKMUX_VERSION=$(VERSION) sphinx-build -q -W --keep-going -d $(OUT)/doctrees

docs: html man
html:
	$(SPHINX) -b html Documentation $(OUT)/html
man:
	$(SPHINX) -b man Documentation $(OUT)/man

.PHONY: docs html man
