# SPDX-License-Identifier: GPL-2.0-only
# make dist: the release as a tarball, and an RPM package of it, into build/dist. The
# tarball is what is committed, and whoever makes it from that commit gets the same
# bytes.
TOP	:= .
include build.mk
DIST	:= build/dist
NAME	:= tokmux-$(VERSION)

dist:
	@git rev-parse --git-dir >/dev/null 2>&1 || { echo "make dist is for a checkout" \
	"of git's: a tarball is made of what is committed." >&2; exit 1; }
	@mkdir -p $(DIST)
	git archive --format=tar --prefix=$(NAME)/ HEAD | gzip -9n > $(DIST)/$(NAME).tar.gz

# --nodeps: elsewhere than on a system of RPM's nothing is known to be there.
rpm: dist
	rm -rf $(DIST)/rpm
	rpmbuild -ba --nodeps --define '_topdir $(abspath $(DIST))/rpm' \
		--define '_sourcedir $(abspath $(DIST))' packaging/tokmux.spec

.PHONY: dist rpm
