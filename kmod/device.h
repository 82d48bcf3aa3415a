/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef TOKMUX_DEVICE_H
#define TOKMUX_DEVICE_H

#include <linux/atomic.h>
#include <linux/fs.h>
#include <linux/types.h>
#include <linux/tokmux.h>

struct usb_device;

/**
 * struct tokmux_device - the real device behind a token
 * @kind: &enum tokmux_device_kind
 * @devt: the device number
 * @sentinel: the registrar's file; NULL once the token was removed
 *	(token->lock)
 * @usb_endpoints: as in &struct tokmux_create
 * @usb_interface: as in &struct tokmux_create
 * @usb_configuration: as in &struct tokmux_create
 * @usb: the USB device, or NULL; used by tokmux_device_touched()
 * @urbs: number of requests to @usb that lease fds have sent, or are known
 * @asleep: the device was suspended when its token was last granted
 */
struct tokmux_device {
	u32 kind;
	dev_t devt;
	struct file *sentinel;
	u32 usb_endpoints;
	u8 usb_interface;
	u8 usb_configuration;
	struct usb_device *usb;
	atomic_t urbs;
	bool asleep;
};

bool tokmux_device_valid(const struct tokmux_create *arg);
int tokmux_device_init(struct tokmux_device *device, const struct tokmux_create *arg,
		       const struct file_operations *token_fops);
void tokmux_device_close(struct tokmux_device *device);
void tokmux_device_exit(struct tokmux_device *device);
struct file *tokmux_device_open(struct tokmux_device *device, struct file *sentinel);
int tokmux_device_filter(const struct tokmux_device *device, unsigned int *cmd,
			 void __user *arg, bool *wait);
int tokmux_device_passed(const struct tokmux_device *device, unsigned int cmd,
			 void __user *arg, atomic_t *urbs);
int tokmux_device_check(struct file *sentinel);
bool tokmux_device_is_same(const struct tokmux_device *device,
			   const struct tokmux_device *other);
bool tokmux_device_touched(struct tokmux_device *device);
const char *tokmux_device_kind_name(const struct tokmux_device *device);

#endif /* TOKMUX_DEVICE_H */
