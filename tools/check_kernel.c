// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * tokmux check: the kernel module and its control device.
 */
#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/utsname.h>
#include "check.h"

/* Is it installed for the kernel that runs? */
static bool is_installed(const char *release)
{
	char path[PATH_MAX], line[4096];
	bool found = false;
	FILE *f;

	snprintf(path, sizeof(path), "/lib/modules/%s/modules.dep", release);
	f = fopen(path, "re");
	if (!f)
		return false;
	while (!found && fgets(line, sizeof(line), f)) {
		line[strcspn(line, ":")] = '\0';
		found = strstr(line, "/tokmux.ko");
	}
	fclose(f);
	return found;
}

void check_kernel(struct findings *findings)
{
	struct utsname uts = {};
	int present = tokmux_present();

	uname(&uts);
	switch (present) {
	case 1:
		finding(findings, "module", GOOD, NULL,
			"tokmux is loaded, kernel %s", uts.release);
		break;
	case 0:
		if (is_installed(uts.release))
			finding(findings, "module", BAD,
				"as root: modprobe tokmux; if that fails, dmesg says why (with Secure Boot, the key that signed it must be enrolled)",
				"tokmux is installed for %s, and not loaded",
				uts.release);
		else
			finding(findings, "module", BAD,
				"as root, in the sources of tokmux: make kmod-install; or install the package tokmux-dkms; until then only callers within one process are kept apart",
				"there is no tokmux for kernel %s", uts.release);
		break;
	case -EACCES:
		finding(findings, "module", BAD,
			"as root: chmod 666 /dev/tokmux-control; at boot udev's rules do that",
			"tokmux is loaded, but you may not open its control device");
		break;
	default:
		finding(findings, "module", BAD,
			"give this container or sandbox /dev/tokmux-control, the tokens' /dev/tokmuxN, and /sys",
			"%s",
			tokmux_strerror(present));
		break;
	}
}
