// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * tokmux check: the tokens' devices.
 */
#include <string.h>
#include <unistd.h>
#include <tokmux.h>
#include "check.h"

static bool says(const struct tokmux_token *token, const char *key, const char *value)
{
	char text[64];

	return tokmux_token_attribute(token, key, text, sizeof(text)) >= 0 &&
	       !strcmp(text, value);
}

/* Other users get no way to its device until it was reset. */
static void check_scrub(struct findings *findings, const struct tokmux_token *token)
{
	const char *name = tokmux_token_name(token);
	char what[128], advice[256];

	if (!says(token, "scrub_failed", "1"))
		return;
	snprintf(what, sizeof(what), "token %s", name);
	if (says(token, "device_kind", "usb"))
		snprintf(advice, sizeof(advice),
			 "as root: tokmux scrub %s; if that fails, plug the reader in again",
			 name);
	else
		snprintf(advice, sizeof(advice),
			 "plug it in again; if it keeps nothing of its user: tokmux register --no-scrub");
	finding(findings, what, BAD, advice,
		"its device was not reset after another user had it, so that no other user gets it");
}

void check_tokens(struct findings *findings)
{
	struct tokmux_token **tokens;
	int i, count = tokmux_list(&tokens);

	/* Of a sandbox: no token can be seen, whatever nodes there are. */
	if (tokmux_present() == 1 && access("/sys/class/tokmux", F_OK))
		finding(findings, "tokens", BAD,
			"give this container or sandbox /sys, read-only will do",
			"the kernel module is loaded, but /sys/class/tokmux is not here: system tokens can't be found");
	if (count < 0)
		return;
	for (i = 0; i < count; i++)
		check_scrub(findings, tokens[i]);
	tokmux_list_free(tokens);
}
