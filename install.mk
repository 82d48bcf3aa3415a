# SPDX-License-Identifier: GPL-2.0-only
# make install and uninstall: the user side, by the directories of dirs.mk, all
# below DESTDIR. The kernel module is dkms' to build, or "make kmod".
#
# One list: what is installed is what is uninstalled.
TOP	:= .
include build.mk
include dirs.mk

I	:= $(DESTDIR)
LIBREAL	:= libtokmux.so.1.0.0
PKCS11CORE := libtokmux-pkcs11-$(VERSION).so
BUILT	= $(TOP)/build/install
MAN	= $(wildcard $(BUILT)/man/*.[1-9])
# The pages that are no man pages, and what they show: to be read as they are.
RST	= $(wildcard Documentation/*.rst Documentation/*.svg Documentation/*.txt)
DOT	= $(wildcard Documentation/pictures/*.dot)

# file, mode, directory, name
define FILES
$(BUILT)/tokmux 755 $(BINDIR) tokmux
$(BUILT)/$(LIBREAL) 644 $(LIBDIR) $(LIBREAL)
$(BUILT)/tokmux-pkcs11.so 644 $(PKCS11DIR) tokmux-pkcs11.so
$(BUILT)/$(PKCS11CORE) 644 $(LIBDIR) $(PKCS11CORE)
$(BUILT)/pcsc/libpcsclite.so.1 644 $(PCSCDIR) libpcsclite.so.1
$(BUILT)/libtokmux.pc 644 $(PKGCONFIGDIR) libtokmux.pc
$(BUILT)/tokmux-pkcs11.pc 644 $(PKGCONFIGDIR) tokmux-pkcs11.pc
$(BUILT)/tokmux.module 644 $(P11KITDIR) tokmux.module
$(BUILT)/69-tokmux.rules 644 $(UDEVRULESDIR) 69-tokmux.rules
udev/73-seat-enforce-tokmux.rules 644 $(UDEVRULESDIR) 73-seat-enforce-tokmux.rules
lib/tokmux.h 644 $(INCLUDEDIR) tokmux.h
lib/tokmux-card.h 644 $(INCLUDEDIR) tokmux-card.h
lib/pkcs11/tokmux-pkcs11.h 644 $(INCLUDEDIR) tokmux-pkcs11.h
include/uapi/linux/tokmux.h 644 $(INCLUDEDIR)/tokmux/linux tokmux.h
tools/completions/tokmux.bash 644 $(COMPLETIONDIR) tokmux
tools/completions/_tokmux 644 $(ZSHDIR) _tokmux
tools/completions/tokmux.fish 644 $(FISHDIR) tokmux.fish
udev/tokmux.sysusers.conf 644 $(SYSUSERSDIR) tokmux.conf
udev/readers.conf 644 $(DOCDIR)/examples readers.conf
lib/pkcs11/tokmux.conf.example 644 $(DOCDIR)/examples tokmux.conf
Documentation/ABI/sysfs-class-tokmux 644 $(DOCDIR)/ABI sysfs-class-tokmux
endef
define newline


endef
pages	= $(foreach page,$(MAN),$(page) 644 \
	$(MANDIR)/man$(subst .,,$(suffix $(page))) $(notdir $(page))$(newline)) \
	$(foreach page,$(sort $(RST)),$(page) 644 $(DOCDIR) $(notdir $(page))$(newline)) \
	$(foreach page,$(DOT),$(page) 644 $(DOCDIR)/pictures $(notdir $(page))$(newline))
# On this machine the linker's cache has to know the library, or nothing that was
# installed starts; and udev the rules. A package does both for itself, as it does with
# the group. (Others than root can't, and have a prefix of their own.)
HERE	= [ -n "$(I)" ] || [ "$$(id -u)" != 0 ] || PATH="$$PATH:/usr/sbin:/sbin"
UDEV	= [ ! -e /run/udev/control ] || udevadm control --reload || :
# udev ignores a group that it has not found, until a file of rules is newer.
GROUP	= getent group tokmux >/dev/null || groupadd --system tokmux && \
	  touch $(UDEVRULESDIR)/69-tokmux.rules

build:
	$(MAKE) -C lib B=$(BUILT) RPATH=
	$(MAKE) -C lib/pkcs11 B=$(BUILT) RPATH=
	$(MAKE) -C lib/pcsc B=$(BUILT) RPATH=
	$(MAKE) -C tools B=$(BUILT) RPATH=
	$(MAKE) -f docs.mk man OUT=$(BUILT)
	sed 's,@PKCS11DIR@,$(PKCS11DIR),' lib/pkcs11/tokmux.module.in \
		> $(BUILT)/tokmux.module
	sed 's,RUN+="tokmux ,RUN+="$(BINDIR)/tokmux ,' \
		udev/69-tokmux.rules > $(BUILT)/69-tokmux.rules

# A second make, which sees what the first has built.
install: build
	$(MAKE) -f install.mk copy
copy:
	@$(file >$(BUILT)/files,$(FILES)$(newline)$(pages))
	@while read -r file mode dir name; do \
		test -n "$$file" || continue; \
		install -D -m $$mode "$$file" "$(I)$$dir/$$name" || exit; \
	done < $(BUILT)/files
	ln -sf $(LIBREAL) $(I)$(LIBDIR)/libtokmux.so.1
	ln -sf libtokmux.so.1 $(I)$(LIBDIR)/libtokmux.so
	@$(HERE) sh -c 'ldconfig; $(GROUP); $(UDEV)'

# Configuration is the administrator's, and stays. Of the directories, those of
# our own go, and others if nobody else has anything in them.
uninstall:
	@test -e $(BUILT)/files || $(MAKE) -f install.mk build
	@$(file >$(BUILT)/files,$(FILES)$(newline)$(pages))
	@while read -r file mode dir name; do \
		test -n "$$file" || continue; \
		rm -f "$(I)$$dir/$$name"; \
		(cd "$(I)/" && rmdir -p --ignore-fail-on-non-empty \
			".$$dir" 2>/dev/null) || :; \
	done < $(BUILT)/files
	rm -f $(I)$(LIBDIR)/libtokmux.so.1 $(I)$(LIBDIR)/libtokmux.so
	@(cd "$(I)/" && rmdir -p --ignore-fail-on-non-empty .$(LIBDIR) \
		2>/dev/null) || :
	@$(HERE) sh -c 'ldconfig; $(UDEV)'

.PHONY: build install copy uninstall
