/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A HID device that is this program: the kernel's own HID layer is what talks
 * to it, and makes its hidraw node.
 */
#ifndef UHID_H
#define UHID_H

#include <linux/input.h>
#include <linux/uhid.h>
#include "device.h"

#define REPORT	8	/* bytes, in and out */

static const unsigned char uhid_descriptor[] = {
	0x06, 0x00, 0xff,	/* usage page: vendor */
	0x09, 0x01, 0xa1, 0x01,	/* collection: application */
	0x15, 0x00, 0x26, 0xff, 0x00, 0x75, 0x08, 0x95, REPORT,
	0x09, 0x02, 0x81, 0x02,	/* input */
	0x09, 0x03, 0x91, 0x02,	/* output */
	0xc0,
};

static inline int uhid_send(int uhid, const struct uhid_event *event)
{
	return write(uhid, event, sizeof(*event)) < 0 ? -errno : 0;
}

static inline bool uhid_is_there(void)
{
	return !access("/dev/uhid", F_OK) || !system("modprobe uhid 2>/dev/null");
}

static inline int uhid_input(int uhid, unsigned char byte)
{
	struct uhid_event event = { .type = UHID_INPUT2,
				    .u.input2.size = REPORT };

	memset(event.u.input2.data, byte, REPORT);
	return uhid_send(uhid, &event);
}

/*
 * The node is there a moment before the device's driver lets input through: wait
 * until some has come.
 */
static inline bool uhid_awaits_input(int uhid, const char *node)
{
	struct pollfd pfd = { .events = POLLIN };
	bool came;

	pfd.fd = open(node, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (pfd.fd < 0)
		return false;
	came = EVENTUALLY(!uhid_input(uhid, 0) && poll(&pfd, 1, 0) == 1);
	close(pfd.fd);
	return came;
}

/* Makes the device and finds its hidraw node; it goes with the file. */
static inline int uhid_plug(char *node, size_t size)
{
	struct uhid_event event = { .type = UHID_CREATE2 };
	int uhid = open("/dev/uhid", O_RDWR | O_CLOEXEC);
	struct dirent *entry;
	int64_t end = now_ms() + SOON;
	char path[PATH_MAX];
	DIR *dir;

	if (uhid < 0)
		return -errno;
	snprintf((char *)event.u.create2.name, sizeof(event.u.create2.name),
		 "tokmux %s", own_name());
	snprintf((char *)event.u.create2.uniq, sizeof(event.u.create2.uniq),
		 "%.40s-%d", own_name(), uhid);
	memcpy(event.u.create2.rd_data, uhid_descriptor,
	       sizeof(uhid_descriptor));
	event.u.create2.rd_size = sizeof(uhid_descriptor);
	event.u.create2.bus = BUS_USB;
	if (uhid_send(uhid, &event))
		goto err;
	while (now_ms() < end) {
		dir = opendir("/sys/class/hidraw");
		while (dir && (entry = readdir(dir))) {
			FILE *file;
			char line[256];
			bool ours = false;

			snprintf(path, sizeof(path), "/sys/class/hidraw/%s/device/uevent",
				 entry->d_name);
			file = fopen(path, "re");
			while (file && fgets(line, sizeof(line), file)) {
				line[strcspn(line, "\n")] = 0;
				if (!strncmp(line, "HID_UNIQ=", 9) &&
				    !strcmp(line + 9, (char *)event.u.create2.uniq))
					ours = true;
			}
			if (file)
				fclose(file);
			if (ours) {
				snprintf(node, size, "/dev/%.32s", entry->d_name);
				closedir(dir);
				if (EVENTUALLY(!access(node, R_OK | W_OK)) &&
				    uhid_awaits_input(uhid, node))
					return uhid;
				goto err;
			}
		}
		if (dir)
			closedir(dir);
		usleep(1000);
	}
err:
	close(uhid);
	return -ENODEV;
}

static inline void uhid_unplug(int uhid)
{
	struct uhid_event event = { .type = UHID_DESTROY };

	uhid_send(uhid, &event);
}

/* A token of this test's own with it. Returns the index. */
static inline int register_hidraw(const char *node, unsigned int hold_limit_ms,
			   struct tokmux_create *arg)
{
	int ret;

	*arg = (struct tokmux_create){ .device_kind = TOKMUX_DEVICE_HIDRAW,
				       .hold_limit_ms = hold_limit_ms };
	arg->device_fd = open(node, O_RDWR | O_CLOEXEC);
	if (arg->device_fd < 0)
		return -errno;
	ret = register_token(arg);
	close(arg->device_fd);
	return ret;
}

#endif /* UHID_H */
