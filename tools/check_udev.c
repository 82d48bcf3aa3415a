// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * tokmux check: udev, its rules, the group, and what they made of each token.
 */
#include <errno.h>
#include <grp.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "check.h"

#define RULES	"69-tokmux.rules"
#define GROUP	"tokmux"

static void check_daemon(struct findings *findings)
{
	if (access("/run/udev/control", F_OK))
		finding(findings, "udev", WARNING,
			"in a container, that is as it should be; else, as root: systemctl start systemd-udevd",
			"udevd does not run: tokens get no links and permissions");
	else
		finding(findings, "udev", GOOD, NULL, "udevd runs");
}

/* Of the directories that have the rules, udev reads the first one's. */
static bool find_rules(char path[PATH_MAX])
{
	static const char * const dirs[] = {
		"/etc/udev/rules.d", "/run/udev/rules.d",
		"/usr/local/lib/udev/rules.d", "/usr/lib/udev/rules.d",
		"/lib/udev/rules.d",
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(dirs); i++) {
		snprintf(path, PATH_MAX, "%s/" RULES, dirs[i]);
		if (!access(path, R_OK))
			return true;
	}
	return false;
}

static void check_rules(struct findings *findings)
{
	char path[PATH_MAX];

	if (find_rules(path))
		finding(findings, "rules", GOOD, NULL, "%s", path);
	else
		finding(findings, "rules", BAD,
			"as root, in the sources of tokmux: make install; or install the package tokmux-tools",
			"there is no " RULES);
}

static void check_group(struct findings *findings)
{
	char path[PATH_MAX], advice[PATH_MAX + 128];
	int length;

	if (getgrnam(GROUP)) {
		finding(findings, "group", GOOD, NULL, "there is a group " GROUP);
		return;
	}
	length = snprintf(advice, sizeof(advice), "as root: groupadd --system " GROUP);
	/* udev ignores a group that it has not found, until a file is newer. */
	if (find_rules(path))
		snprintf(advice + length, sizeof(advice) - length,
			 " && touch %s && udevadm control --reload", path);
	finding(findings, "group", WARNING, advice,
		"there is no group " GROUP ": only root and the seat's user can use system tokens");
}

/* Does the link lead to this token? */
static bool has_link(const struct tokmux_token *token)
{
	char path[PATH_MAX];
	struct stat link, node;

	snprintf(path, sizeof(path), "/dev/tokmux/by-name/%s",
		 tokmux_token_name(token));
	return !stat(path, &link) &&
	       !stat(tokmux_token_devnode(token), &node) &&
	       link.st_rdev == node.st_rdev;
}

static void check_token(struct findings *findings,
			const struct tokmux_token *token)
{
	const char *node = tokmux_token_devnode(token);
	int err = !node ? ENOENT : access(node, R_OK | W_OK) ? errno : 0;
	char what[96];

	snprintf(what, sizeof(what), "token %s", tokmux_token_name(token));
	if (err == EPERM)
		finding(findings, what, BAD,
			"pass it in: DeviceAllow=char-tokmux rw for a systemd service, --device for a container",
			"%s is kept from this service or container", node);
	else if (err == EACCES)
		finding(findings, what, WARNING,
			"for a user who should use it, as root: adduser USER " GROUP,
			"%s is closed to you", node);
	else if (err)
		finding(findings, what, BAD,
			"is devtmpfs mounted on /dev? in a container, pass the device in",
			"%s is not there", node ? node : "its device");
	else if (!tokmux_token_ready(token) || !has_link(token))
		finding(findings, what, WARNING,
			"as root: udevadm trigger --subsystem-match=tokmux",
			"%s is open to you, but udev's rules have not seen it", node);
	else
		finding(findings, what, GOOD, NULL, "%s is open to you", node);
}

void check_udev(struct findings *findings)
{
	struct tokmux_token **tokens, **t;

	check_daemon(findings);
	check_rules(findings);
	check_group(findings);
	if (tokmux_list(&tokens) < 0)
		return;
	for (t = tokens; *t; t++)
		check_token(findings, *t);
	tokmux_list_free(tokens);
}
