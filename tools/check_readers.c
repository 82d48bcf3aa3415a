// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * tokmux check: the smartcard readers, and who has them.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "check.h"
#include "origin.h"
#include "pcscd.h"
#include "process.h"
#include "readers_conf.h"

#define TRIGGER		"plug it in again, or, as root: udevadm trigger --action=add --subsystem-match=usb"
/* It is started by the first one that connects to its socket. */
#define MASK_PCSCD	"systemctl mask --now pcscd.socket pcscd.service"

struct scan {
	struct findings *findings;
	const struct reader *reader;
	struct readers_conf conf;
	unsigned int readers, enforced;
	pid_t holder;
};

static void see_file(const struct open_file *file, void *data)
{
	struct scan *scan = data;

	if (file->rdev == scan->reader->rdev)
		scan->holder = file->pid;
}

/* By readers.conf, as udev took it in. */
static bool is_enforced(const struct reader *reader)
{
	const char *enforce = udev_device_get_property_value(reader->device,
							     "TOKMUX_ENFORCE");

	return enforce && !strcmp(enforce, "yes");
}

/* The reader is a token, under @name. */
static void check_token(struct scan *scan, const struct reader *reader,
			const char *what, const char *title, const char *name)
{
	char twin[TOKMUX_NAME_SIZE], devpath[PATH_MAX], test[PATH_MAX];

	snprintf(test, sizeof(test),
		 "find the udev rule that opens it: udevadm test $(udevadm info -q path -n %s)",
		 reader->node);
	if (scan->holder)
		finding(scan->findings, what, BAD,
			"stop it (" MASK_PCSCD "; gpgconf --kill scdaemon): the reader is enforced",
			"%s has it, past the token %s", title, name);
	else if (!reader_is_closed(reader))
		finding(scan->findings, what, BAD,
			test,
			"%s is not closed, so that others get past the token %s",
			reader->node, name);
	else if (origin_twin(reader, twin, devpath))
		finding(scan->findings, what, WARNING,
			"a device can say what it likes: is each of them yours?",
			"it is the token %s, and another reader says the same of itself: the token %s",
			name, twin);
	else
		finding(scan->findings, what, GOOD, NULL, "it is the token %s",
			name);
}

static void see_reader(const struct reader *reader, void *data)
{
	struct scan *scan = data;
	char what[128], title[64] = "", name[TOKMUX_NAME_SIZE];
	struct tokmux_token *token;
	const char *why_not;

	scan->readers++;
	scan->reader = reader;
	scan->holder = 0;
	for_each_open_file(see_file, scan);
	if (scan->holder)
		process_title(scan->holder, title, sizeof(title));
	snprintf(what, sizeof(what), "reader %.100s", reader->id);
	why_not = reader_why_not(reader);
	if (why_not) {
		finding(scan->findings, what, GOOD,
			"pcscd may be able to; its driver says which readers it knows",
			"%s is left to others%s%s: tokmux can't drive it: %s",
			reader->node, scan->holder ? ": " : "", title, why_not);
		return;
	}
	if (!is_enforced(reader)) {
		if (scan->conf.enforce == ENFORCE_YES) {
			finding(scan->findings, what, BAD, TRIGGER,
				"%s is left to others%s%s, though " READERS_CONF " says enforce = yes",
				reader->node, scan->holder ? ": " : "", title);
			return;
		}
		finding(scan->findings, what, GOOD,
			"enforce = yes in /etc/tokmux/readers.conf would make it a token of its own",
			"%s is left to others%s%s", reader->node,
			scan->holder ? ": " : "", title);
		return;
	}
	if (!origin_find(udev_device_get_devpath(reader->interface), name) ||
	    tokmux_token_find(name, &token)) {
		finding(scan->findings, what, BAD,
			TRIGGER,
			"%s is closed to others, but its token is gone",
			reader->node);
		return;
	}
	tokmux_token_free(token);
	scan->enforced++;
	check_token(scan, reader, what, title, name);
}

/* What the rules don't understand changes nothing: that must not go unnoticed. */
static void check_conf(struct findings *findings, const struct readers_conf *conf,
		       bool enforced)
{
	if (conf->line)
		finding(findings, "readers.conf", BAD,
			"tokmux-readers.conf(5) has the keys of this file, and what they may be",
			READERS_CONF ", line %u, is not understood: %s", conf->line,
			conf->text);
	else if (conf->error && (conf->error != ENOENT || enforced))
		finding(findings, "readers.conf", BAD,
			"put it back; until then what was closed stays closed, and what is plugged in is open",
			READERS_CONF ": %s", strerror(conf->error));
	else if (conf->enforce == ENFORCE_NO && enforced)
		finding(findings, "readers.conf", WARNING, TRIGGER,
			"it says enforce = no, and there are readers that are closed");
}

void check_readers(struct findings *findings)
{
	struct scan scan = { .findings = findings };
	struct udev *udev = udev_new();

	readers_conf_read(&scan.conf);
	for_each_reader(udev, see_reader, &scan);
	udev_unref(udev);
	check_conf(findings, &scan.conf, scan.enforced);
	/* A closed node is open to root. */
	if (scan.enforced && pcscd_listens())
		finding(findings, "pcscd", BAD, MASK_PCSCD,
			"pcscd runs as root: it opens enforced readers, and lets every user use them");
	if (!scan.readers)
		finding(findings, "readers", GOOD, NULL,
			"there is no smartcard reader (USB, CCID)");
}
