# SPDX-License-Identifier: GPL-2.0-only
# The Debian packages, into build/deb, from a copy of the sources: what a build
# leaves behind stays out of the checkout.
TOP	:= .
include build.mk
DEB	:= build/deb
COPY	:= $(DEB)/tokmux-$(VERSION)

deb:
	rm -rf $(DEB)
	mkdir -p $(COPY)
	tar -c --exclude=./build --exclude-vcs --exclude-vcs-ignores . | \
		tar -x -C $(COPY)
	cd $(COPY) && env -u MAKEFLAGS -u MFLAGS -u MAKELEVEL \
		dpkg-buildpackage -us -uc
	rm -r $(COPY)

.PHONY: deb
