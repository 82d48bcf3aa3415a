// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * tokmux check: the tokens' devices.
 */
#include <string.h>
#include <unistd.h>
#include <tokmux.h>
#include "check.h"
#include "readers_conf.h"

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

/* PC/SC programs of one user don't share its card, though readers.conf allows it. */
static void check_isolation(struct findings *findings, const struct tokmux_token *token)
{
	char what[128];

	/* Others are no readers. */
	if (!says(token, "no_scrub", "1") || !says(token, "device_kind", "usb"))
		return;
	snprintf(what, sizeof(what), "token %s", tokmux_token_name(token));
	finding(findings, what, WARNING,
		"to have them pass it on, register it without --no-scrub",
		"its card is reset between programs of one user in spite of isolate = no, since nothing resets it between users");
}

void check_tokens(struct findings *findings)
{
	struct readers_conf conf;
	struct tokmux_token **tokens;
	int i, count = tokmux_list(&tokens);

	/* Of a sandbox: no token can be seen, whatever nodes there are. */
	if (tokmux_present() == 1 && access("/sys/class/tokmux", F_OK))
		finding(findings, "tokens", BAD,
			"give this container or sandbox /sys, read-only will do",
			"the kernel module is loaded, but /sys/class/tokmux is not here: system tokens can't be found");
	if (count < 0)
		return;
	readers_conf_read(&conf);
	for (i = 0; i < count; i++) {
		check_scrub(findings, tokens[i]);
		if (!conf.isolate)
			check_isolation(findings, tokens[i]);
	}
	tokmux_list_free(tokens);
}
