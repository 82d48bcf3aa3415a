# SPDX-License-Identifier: GPL-2.0-only
# The kernel module, for the kernel whose build tree KDIR is: built, and installed
# below /lib/modules. Or given to dkms, which builds it anew for each kernel that is
# installed. As root; INSTALL_MOD_PATH and DESTDIR are for who makes a package of it.
TOP	:= .
include build.mk
KDIR	?= /lib/modules/$(shell uname -r)/build
# Where dkms looks for sources.
DKMSDIR	= $(DESTDIR)/usr/src/tokmux-$(VERSION)

KERNEL	= $(MAKE) -C $(KDIR) M=$(CURDIR)/kmod
# Not kernel.release: in Debian 6.1's headers that is the version of the source.
release	= $(shell sed -n 's/.*UTS_RELEASE "\(.*\)".*/\1/p' $(KDIR)/include/generated/utsrelease.h)
modules	= $(INSTALL_MOD_PATH)/lib/modules/$(release)
# A distribution's headers come without the key that its own modules are signed with.
SIGN	= $(if $(wildcard $(KDIR)/certs/signing_key.x509),,CONFIG_MODULE_SIG_ALL=)
# modules_install leaves that out where KDIR is what a distribution's headers are.
DEPMOD	= PATH="$$PATH:/usr/sbin:/sbin" depmod $(if $(INSTALL_MOD_PATH),-b $(INSTALL_MOD_PATH)) $(release)

kmod:
	@test -e $(KDIR)/Makefile || { echo "There is no $(KDIR): install the kernel's \
	headers, see make install-deps, or name another build tree: KDIR=…" >&2; exit 1; }
	$(KERNEL) modules
kmod-install: kmod
	$(KERNEL) modules_install $(SIGN)
	$(DEPMOD)
kmod-uninstall:
	find $(modules) -name 'tokmux.ko*' -delete
	$(DEPMOD)

dkms-copy:
	install -d $(DKMSDIR)/kmod $(DKMSDIR)/include/uapi/linux
	install -m 644 kmod/*.[ch] kmod/Kbuild $(DKMSDIR)/kmod
	install -m 644 include/uapi/linux/tokmux.h $(DKMSDIR)/include/uapi/linux
	sed 's/#MODULE_VERSION#/$(VERSION)/' debian/tokmux-dkms.dkms > $(DKMSDIR)/dkms.conf
dkms-install:
	@command -v dkms >/dev/null || { echo "There is no dkms: install the package of \
	that name, or use make kmod-install." >&2; exit 1; }
	$(MAKE) -f kmod.mk dkms-copy
	dkms install tokmux/$(VERSION)
dkms-uninstall:
	-dkms remove tokmux/$(VERSION) --all
	rm -rf $(DKMSDIR)

.PHONY: kmod kmod-install kmod-uninstall dkms-copy dkms-install dkms-uninstall
