/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The reader of tests/card on the kernel's USB, by way of vhci_hcd. Needs root,
 * and a guest: nobody's own USB is to be meddled with.
 */
#ifndef USB_READER_H
#define USB_READER_H

#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include "../../card/card.h"
#include "apdus.h"

/*
 * What is not to be waited for takes no longer, on the slowest machine: in ms.
 * That is what the library allows itself, 10 s to get in step with a reader and
 * 20 s for its card to wake up. How long it took is in the log.
 */
#define SOON	30000

/* Five seconds. */
UNUSED static const uint8_t slow[] = { 0x80, 0x14, 0x13, 0x88 };

static inline double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1e3 + t.tv_nsec / 1e6;
}

struct usb_reader {
	pid_t pid;
	char dir[32], node[64], log[64], fifo[64];
};

static inline bool have_vhci(void)
{
	const char *attach = "/sys/devices/platform/vhci_hcd.0/attach";

	/* built in, or a module */
	return getenv("TOKMUX_GUEST") &&
	       (!access(attach, W_OK) ||
		(!system("modprobe -q vhci_hcd") && !access(attach, W_OK)));
}

/*
 * False with the reason printed. @level "second", "activates", "silent", "two": extended,
 * and so are "pad DIGITS" and the lies that begin with "hostile "; "pad-t1 DIGITS"; see
 * usbip.c.
 */
static inline bool plug(struct usb_reader *r, const char *level)
{
	char program[4096], *end;
	unsigned int bus, device;
	ssize_t len;
	FILE *out;
	int fds[2], i;

	len = readlink("/proc/self/exe", program, sizeof(program) - 32);
	if (len < 0)
		return false;
	program[len] = '\0';
	/* …/tests/card/usb and …/tests/card-usbip */
	for (i = 0; i < 2; i++) {
		end = strrchr(program, '/');
		*end = '\0';
	}
	strcat(program, "/card-usbip");
	if (pipe(fds))
		return false;
	r->pid = fork();
	if (!r->pid) {
		dup2(fds[1], 1);
		close(fds[0]);
		close(fds[1]);
		if (!strcmp(level, "second") || !strcmp(level, "activates") ||
		    !strcmp(level, "silent") || !strcmp(level, "two")) {
			char option[16];

			snprintf(option, sizeof(option), "--%s", level);
			execl(program, program, option, "extended", r->log,
			      r->fifo, NULL);
		} else if (!strncmp(level, "pad ", 4)) {
			execl(program, program, "--pad", level + 4, "extended",
			      r->log, r->fifo, NULL);
		} else if (!strncmp(level, "pad-t1 ", 7)) {
			execl(program, program, "--pad", level + 7, "t1",
			      r->log, r->fifo, NULL);
		} else if (!strncmp(level, "hostile ", 8)) {
			execl(program, program, "--hostile", level + 8, "extended",
			      r->log, r->fifo, NULL);
		} else {
			execl(program, program, level, r->log, r->fifo, NULL);
		}
		perror(program);
		_exit(127);
	}
	close(fds[1]);
	out = fdopen(fds[0], "r");
	i = fscanf(out, "ready %u %u", &bus, &device);
	fclose(out);
	snprintf(r->node, sizeof(r->node), "/dev/bus/usb/%03u/%03u", bus, device);
	/* udev makes the node. */
	return i == 2 && !system("udevadm settle --timeout=10");
}

static inline void unplug(struct usb_reader *r)
{
	if (!r->pid)
		return;
	kill(r->pid, SIGKILL);
	waitpid(r->pid, NULL, 0);
	r->pid = 0;
}

static inline bool make_reader(struct usb_reader *r, const char *level)
{
	strcpy(r->dir, "/tmp/reader.XXXXXX");
	if (!mkdtemp(r->dir))
		return false;
	snprintf(r->log, sizeof(r->log), "%s/log", r->dir);
	snprintf(r->fifo, sizeof(r->fifo), "%s/fifo", r->dir);
	return !mkfifo(r->fifo, 0600) && plug(r, level);
}

static inline void destroy_reader(struct usb_reader *r)
{
	char second[sizeof(r->log) + 2];

	snprintf(second, sizeof(second), "%s.2", r->log);
	unlink(second);
	unplug(r);
	unlink(r->log);
	unlink(r->fifo);
	rmdir(r->dir);
}

/* How often the log says so. */
static inline int logged(const struct usb_reader *r, const char *what)
{
	char line[256];
	int n = 0;
	FILE *f = fopen(r->log, "r");

	while (f && fgets(line, sizeof(line), f))
		n += !strncmp(line, what, strlen(what));
	if (f)
		fclose(f);
	return n;
}

static inline void tell(const struct usb_reader *r, const char *what)
{
	double start = now();
	char told[64];
	FILE *f;
	int n;

	snprintf(told, sizeof(told), "told %s", what);
	n = logged(r, told);
	f = fopen(r->fifo, "w");
	fprintf(f, "%s\n", what);
	fclose(f);
	while (logged(r, told) == n && now() - start < SOON)
		usleep(10000);
}

/* How many messages the reader has been sent. */
static inline int messages_to(const struct usb_reader *r)
{
	char line[256];
	int n = -1;
	FILE *f;

	tell(r, "messages");
	f = fopen(r->log, "r");
	while (f && fgets(line, sizeof(line), f))
		sscanf(line, "messages %d", &n);
	if (f)
		fclose(f);
	return n;
}

static inline bool await_log(const struct usb_reader *r, const char *what)
{
	double start = now();

	while (!logged(r, what)) {
		if (now() - start > SOON)
			return false;
		usleep(10000);
	}
	return true;
}

#endif /* USB_READER_H */
