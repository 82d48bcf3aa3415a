// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Readers, as sysfs describes their USB devices.
 */
#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <tokmux-card.h>
#include "facts.h"

/* bInterfaceClass */
#define CCID_CLASS	0x0b
/* No reader has more. One that says so doesn't fill the list of all. */
#define SLOTS_MAX	16

/* The file's first line. Other bytes than text are shown as '?'. */
static void read_line(const char *dir, const char *file, char *line, size_t size)
{
	char path[400];
	ssize_t len = -1;
	size_t i;
	int fd;

	snprintf(path, sizeof(path), "%s/%s", dir, file);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0) {
		len = read(fd, line, size - 1);
		close(fd);
	}
	line[len > 0 ? len : 0] = '\0';
	line[strcspn(line, "\n")] = '\0';
	for (i = 0; line[i]; i++)
		if (iscntrl((unsigned char)line[i]))
			line[i] = '?';
	while (i && line[i - 1] == ' ')
		line[--i] = '\0';
}

static unsigned long read_number(const char *dir, const char *file, int base)
{
	char line[16];

	read_line(dir, file, line, sizeof(line));
	return strtoul(line, NULL, base);
}

/* What the device calls its first interface of CCID's class. */
static void read_interface(const char *dir, char *name, size_t size)
{
	char path[320];
	struct dirent *entry;
	DIR *device;

	name[0] = '\0';
	device = opendir(dir);
	while (device && (entry = readdir(device))) {
		snprintf(path, sizeof(path), "%s/%s", dir, entry->d_name);
		if (!strchr(entry->d_name, ':') ||
		    read_number(path, "bInterfaceClass", 16) != CCID_CLASS)
			continue;
		read_line(path, "interface", name, size);
		break;
	}
	if (device)
		closedir(device);
}

static unsigned int count_slots(const char *dir)
{
	const int slots = tokmux_card_reader_slots(dir, -1);

	return slots < 1 ? 1 : slots > SLOTS_MAX ? SLOTS_MAX : (unsigned int)slots;
}

bool facts_of_token(const struct tokmux_token *token, struct facts *facts)
{
	char kind[16], device[32], dir[64];

	/* The device of a USB token is a reader's. */
	if (tokmux_token_attribute(token, "device_kind", kind, sizeof(kind)) < 0 ||
	    strcmp(kind, "usb") ||
	    tokmux_token_attribute(token, "real_device", device,
				   sizeof(device)) < 0)
		return false;
	snprintf(dir, sizeof(dir), "/sys/dev/char/%s", device);
	read_line(dir, "manufacturer", facts->maker, sizeof(facts->maker));
	read_line(dir, "product", facts->model, sizeof(facts->model));
	read_interface(dir, facts->interface, sizeof(facts->interface));
	read_line(dir, "serial", facts->serial, sizeof(facts->serial));
	facts->vendor = (uint16_t)read_number(dir, "idVendor", 16);
	facts->product = (uint16_t)read_number(dir, "idProduct", 16);
	facts->version = (uint16_t)read_number(dir, "bcdDevice", 16);
	facts->bus = (uint8_t)read_number(dir, "busnum", 10);
	facts->device = (uint8_t)read_number(dir, "devnum", 10);
	facts->slots = count_slots(dir);
	/* What it doesn't say has a number. */
	if (!*facts->maker)
		read_line(dir, "idVendor", facts->maker, sizeof(facts->maker));
	if (!*facts->model)
		read_line(dir, "idProduct", facts->model, sizeof(facts->model));
	return true;
}

void facts_name(const struct facts *facts, unsigned int index, unsigned int slot,
		char name[static SCARD_READER_NAME_MAX])
{
	char words[160], interface[32] = "", serial[32] = "";

	if (*facts->interface)
		snprintf(interface, sizeof(interface), " [%.24s]",
			 facts->interface);
	if (*facts->serial)
		snprintf(serial, sizeof(serial), " (%.24s)", facts->serial);
	snprintf(words, sizeof(words), "%.40s %.40s%s%s", facts->maker,
		 facts->model, interface, serial);
	/* The numbers come last and must not be cut off. */
	snprintf(name, SCARD_READER_NAME_MAX, "%.*s %02X %02X",
		 SCARD_READER_NAME_MAX - 16, words, index, slot);
}
