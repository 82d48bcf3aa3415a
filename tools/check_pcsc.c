// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * tokmux check: our PC/SC library, and what uses it.
 */
#include <stdlib.h>
#include <string.h>
#include "check.h"
#include "conf_region.h"
#include "pcsc_library.h"
#include "pcsc_users.h"

/* Does its file say so? */
static bool is_enabled(const struct pcsc_user *user)
{
	char *file = user->file(), *old = NULL;
	struct conf conf;
	bool enabled;

	enabled = file && !conf_read(&conf, file) && !conf_remove(&conf, &old) &&
		  old;
	if (file)
		conf_free(&conf);
	free(old);
	free(file);
	return enabled;
}

void check_pcsc(struct findings *findings)
{
	char dir[PCSC_PATH_SIZE], names[64] = "";
	const struct pcsc_user *user;

	if (!pcsc_directory(dir)) {
		finding(findings, "pcsc", GOOD,
			"the package libtokmux-pcsc1 has it",
			"tokmux' PC/SC library is not installed: PC/SC programs need pcscd");
		return;
	}
	for (user = pcsc_users; user->name; user++) {
		if (!is_enabled(user))
			continue;
		strcat(names, *names ? ", " : "");
		strcat(names, user->name);
	}
	if (*names)
		finding(findings, "pcsc", GOOD, NULL,
			"PC/SC without pcscd is enabled for: %s", names);
	else
		finding(findings, "pcsc", GOOD,
			"tokmux run, or tokmux pcsc enable: PC/SC programs then use tokens without pcscd",
			"%s/" PCSC_LIBRARY " is used where tokmux run says so", dir);
}
