# SPDX-License-Identifier: GPL-2.0-only
# Where things are installed: the GNU conventions, and what others look for at
# places of their own. Each can be given to make; all are below DESTDIR.
PREFIX		?= /usr/local
BINDIR		?= $(PREFIX)/bin
LIBDIR		?= $(PREFIX)/lib
INCLUDEDIR	?= $(PREFIX)/include
DATADIR		?= $(PREFIX)/share
MANDIR		?= $(DATADIR)/man
DOCDIR		?= $(DATADIR)/doc/tokmux
PKGCONFIGDIR	?= $(LIBDIR)/pkgconfig
# ssh-agent loads modules from below /usr/lib and /usr/local/lib only.
PKCS11DIR	?= $(LIBDIR)/pkcs11
# A program has this one in the place of pcsc-lite's only where somebody says so.
PCSCDIR		?= $(LIBDIR)/tokmux/pcsc
COMPLETIONDIR	?= $(DATADIR)/bash-completion/completions
ZSHDIR		?= $(DATADIR)/zsh/site-functions
FISHDIR		?= $(DATADIR)/fish/vendor_completions.d
UDEVRULESDIR	?= $(PREFIX)/lib/udev/rules.d
SYSUSERSDIR	?= $(PREFIX)/lib/sysusers.d
# These have one place each, whatever the prefix: it is compiled in.
SYSCONFDIR	:= /etc
P11KITDIR	?= $(or $(shell $(PKG_CONFIG) --variable=p11_module_configs p11-kit-1),/usr/share/p11-kit/modules)

# What has their values in it is made anew when they change: it depends on this.
DIRS	= PREFIX=$(PREFIX) LIBDIR=$(LIBDIR) INCLUDEDIR=$(INCLUDEDIR) \
	  PKCS11DIR=$(PKCS11DIR) PCSCDIR=$(PCSCDIR) P11KITDIR=$(P11KITDIR)
$(B)/dirs: FORCE
	@mkdir -p $(@D)
	@echo '$(DIRS)' | cmp -s - $@ || echo '$(DIRS)' > $@
FORCE:
.PHONY: FORCE
# None of these is what a Makefile makes if it isn't told.
.DEFAULT_GOAL :=
# A pkg-config file from its template.
PC	= sed -e 's,@PREFIX@,$(PREFIX),' -e 's,@LIBDIR@,$(LIBDIR),' \
	  -e 's,@INCLUDEDIR@,$(INCLUDEDIR),' -e 's,@PKCS11DIR@,$(PKCS11DIR),' \
	  -e 's,@VERSION@,$(VERSION),'
