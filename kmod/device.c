// SPDX-License-Identifier: GPL-2.0-only
/*
 * The real device behind a token, and what a lease fd may do with it.
 *
 * A privileged registrar passes us an open file of the device. We send no
 * transfer through that file. Each lease opens the device again, by the same
 * path and with the registrar's credentials: with one shared file, a transfer
 * in flight could be reaped into the memory of the next holder. The registrar's
 * file tells whether the device that was opened is still the one that was
 * registered, because the minor number of an unplugged device is used again.
 *
 * For each kind of device there is a list of ioctls that are passed on. All
 * others are refused. An ioctl's struct is checked in the holder's memory, and
 * the device's driver reads it again. A holder that changes it in between can
 * do what usbfs allows with any open file of this device: use interfaces that
 * have no driver. It cannot use another device, or this one after its lease. An
 * ioctl that could block for ever is therefore never passed on, whatever its
 * struct contains.
 */
#include <linux/compat.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/poll.h>
#include <linux/uaccess.h>
#include <linux/usb.h>
#include <linux/usb/ch9.h>
#include <linux/usbdevice_fs.h>
#include "internal.h"

static const char * const tokmux_device_kinds[] = {
	[TOKMUX_DEVICE_NONE]	= "none",
	[TOKMUX_DEVICE_USB]	= "usb",
	[TOKMUX_DEVICE_HIDRAW]	= "hidraw",
};

/* ---- usbfs ---- */

/* The number of requests that were sent to the device, by any driver. */
static int tokmux_usb_urbs(const struct tokmux_device *device)
{
	return device->usb ? atomic_read(&device->usb->urbnum) : 0;
}

static int tokmux_usb_find(struct usb_device *usb, void *data)
{
	struct tokmux_device *device = data;

	if (usb->dev.devt != device->devt)
		return 0;
	device->usb = usb_get_dev(usb);
	return 1;
}

static int tokmux_usb_init(struct tokmux_device *device)
{
	if (!IS_REACHABLE(CONFIG_USB) || !usb_for_each_dev(device, tokmux_usb_find))
		return -ENODEV;
	atomic_set(&device->urbs, tokmux_usb_urbs(device));
	return 0;
}

static bool tokmux_usb_is_ours(const struct tokmux_device *device, unsigned int endpoint)
{
	unsigned int bit = endpoint & USB_ENDPOINT_NUMBER_MASK;

	if (endpoint & ~(USB_ENDPOINT_NUMBER_MASK | USB_DIR_IN))
		return false;
	if (endpoint & USB_DIR_IN)
		bit += 16;
	return device->usb_endpoints & BIT(bit);
}

/* Allow requests to our interface or its endpoints, and reads from the device. */
static int tokmux_usb_filter_setup(const struct tokmux_device *device,
				   const void __user *buffer)
{
	struct usb_ctrlrequest setup;
	unsigned int index;

	if (copy_from_user(&setup, buffer, sizeof(setup)))
		return -EFAULT;
	index = le16_to_cpu(setup.wIndex);
	switch (setup.bRequestType & USB_RECIP_MASK) {
	case USB_RECIP_INTERFACE:
		return (index & 0xff) == device->usb_interface ? 0 : -EPERM;
	case USB_RECIP_ENDPOINT:
		return tokmux_usb_is_ours(device, index & 0xff) ? 0 : -EPERM;
	case USB_RECIP_DEVICE:
		if ((setup.bRequestType & (USB_TYPE_MASK | USB_DIR_IN)) ==
		    (USB_TYPE_STANDARD | USB_DIR_IN))
			return 0;
	}
	return -EPERM;
}

static int tokmux_usb_filter_urb(const struct tokmux_device *device,
				 unsigned int type, unsigned int endpoint,
				 unsigned int signr, const void __user *buffer)
{
	/* A signal could be sent after the lease, when the transfer ends. */
	if (signr)
		return -EPERM;
	switch (type) {
	case USBDEVFS_URB_TYPE_CONTROL:
		return tokmux_usb_filter_setup(device, buffer);
	case USBDEVFS_URB_TYPE_BULK:
	case USBDEVFS_URB_TYPE_INTERRUPT:
		if (tokmux_usb_is_ours(device, endpoint))
			return 0;
	}
	return -EPERM;
}

/*
 * A synchronous transfer cannot be cancelled, and its user chooses the timeout.
 * So it is not passed on. libusb needs one of them, which reads the number of
 * the active configuration: it is answered here.
 */
static int tokmux_usb_answer_control(const struct tokmux_device *device,
				     unsigned int type, unsigned int request,
				     unsigned int length, u8 __user *data)
{
	if (type != USB_DIR_IN || request != USB_REQ_GET_CONFIGURATION || !length)
		return -EPERM;
	return put_user(device->usb_configuration, data) ? -EFAULT : 1;
}

static int tokmux_usb_filter(const struct tokmux_device *device,
			     unsigned int *cmd, void __user *arg, bool *wait)
{
#ifdef CONFIG_COMPAT
	struct usbdevfs_ctrltransfer32 ctrl32;
	struct usbdevfs_urb32 urb32;
#endif
	struct usbdevfs_ctrltransfer ctrl;
	struct usbdevfs_urb urb;
	unsigned int number;

	switch (*cmd) {
#ifdef CONFIG_COMPAT
	case USBDEVFS_CONTROL32:
		if (copy_from_user(&ctrl32, arg, sizeof(ctrl32)))
			return -EFAULT;
		return tokmux_usb_answer_control(device, ctrl32.bRequestType,
						 ctrl32.bRequest, ctrl32.wLength,
						 compat_ptr(ctrl32.data));
	case USBDEVFS_SUBMITURB32:
		if (copy_from_user(&urb32, arg, sizeof(urb32)))
			return -EFAULT;
		return tokmux_usb_filter_urb(device, urb32.type, urb32.endpoint,
					     urb32.signr, compat_ptr(urb32.buffer));
	case USBDEVFS_REAPURB32:
		*cmd = USBDEVFS_REAPURBNDELAY32;
		*wait = true;
		return 0;
	case USBDEVFS_REAPURBNDELAY32:
		return 0;
#endif
	case USBDEVFS_CONTROL:
		if (copy_from_user(&ctrl, arg, sizeof(ctrl)))
			return -EFAULT;
		return tokmux_usb_answer_control(device, ctrl.bRequestType,
						 ctrl.bRequest, ctrl.wLength, ctrl.data);
	case USBDEVFS_SUBMITURB:
		if (copy_from_user(&urb, arg, sizeof(urb)))
			return -EFAULT;
		return tokmux_usb_filter_urb(device, urb.type, urb.endpoint,
					     urb.signr, urb.buffer);
	case USBDEVFS_REAPURB:
		*cmd = USBDEVFS_REAPURBNDELAY;
		*wait = true;
		return 0;
	/* The structs of these begin with the interface. */
	case USBDEVFS_DISCONNECT_CLAIM:
		*cmd = USBDEVFS_CLAIMINTERFACE;		/* no driver is unbound */
		fallthrough;
	case USBDEVFS_SETINTERFACE:
	case USBDEVFS_CLAIMINTERFACE:
	case USBDEVFS_RELEASEINTERFACE:
		if (get_user(number, (unsigned int __user *)arg))
			return -EFAULT;
		return number == device->usb_interface ? 0 : -EPERM;
	case USBDEVFS_RESETEP:
	case USBDEVFS_CLEAR_HALT:
		if (get_user(number, (unsigned int __user *)arg))
			return -EFAULT;
		return tokmux_usb_is_ours(device, number) ? 0 : -EPERM;
	case USBDEVFS_REAPURBNDELAY:
	case USBDEVFS_DISCARDURB:
	case USBDEVFS_GETDRIVER:
	case USBDEVFS_CONNECTINFO:
	case USBDEVFS_GET_CAPABILITIES:
	case USBDEVFS_GET_SPEED:
		return 0;
	/* These affect more than the interface, or may block. */
	case USBDEVFS_BULK:
	case USBDEVFS_RESET:
	case USBDEVFS_SETCONFIGURATION:
	case USBDEVFS_DISCSIGNAL:
	case USBDEVFS_IOCTL:
	case USBDEVFS_CLAIM_PORT:
	case USBDEVFS_RELEASE_PORT:
		return -EPERM;
	default:
		return -ENOTTY;
	}
}

/* ---- all kinds ---- */

const char *tokmux_device_kind_name(const struct tokmux_device *device)
{
	return tokmux_device_kinds[device->kind];
}

/* What usbfs can do, and a lease fd passes on. */
#define TOKMUX_USB_CAPS	(USBDEVFS_CAP_ZERO_PACKET |			\
			 USBDEVFS_CAP_BULK_CONTINUATION |		\
			 USBDEVFS_CAP_NO_PACKET_SIZE_LIM |		\
			 USBDEVFS_CAP_BULK_SCATTER_GATHER |		\
			 USBDEVFS_CAP_REAP_AFTER_DISCONNECT)

/**
 * tokmux_device_passed() - finish an ioctl that was passed on and succeeded
 * @device: the device
 * @cmd: the ioctl, as it was passed on
 * @arg: the ioctl's argument in user space
 * @urbs: number of requests that the lease fd has sent
 *
 * Only ioctls that send exactly one request are counted. See
 * tokmux_device_touched().
 *
 * Return: 0 or a negative errno.
 */
int tokmux_device_passed(const struct tokmux_device *device, unsigned int cmd,
			 void __user *arg, atomic_t *urbs)
{
	u32 __user *caps = arg;
	u32 value;

	if (device->kind != TOKMUX_DEVICE_USB)
		return 0;
	switch (cmd) {
	case USBDEVFS_GET_CAPABILITIES:
		if (get_user(value, caps) || put_user(value & TOKMUX_USB_CAPS, caps))
			return -EFAULT;
		break;
	case USBDEVFS_SUBMITURB:
#ifdef CONFIG_COMPAT
	case USBDEVFS_SUBMITURB32:
#endif
		atomic_inc(urbs);
	}
	return 0;
}

/**
 * tokmux_device_touched() - may the device have changed since the last holder?
 * @device: the device of a token that is being granted; token->lock is held
 *
 * A driver that only uses usbfs is not told of a reset. But the USB core counts
 * the requests that are sent to a device, and we count those of lease fds. If
 * the core has counted more, the device may have been reset, since the core
 * then reads its descriptors, or resumed, or used through another file. The
 * change may have been harmless. A request of a lease fd is counted after it was
 * sent, and only as long as the lease lasts. So one that is still under way then
 * looks like a change, and hides none.
 *
 * Return: true if the device may have changed since the function was last
 * called.
 */
bool tokmux_device_touched(struct tokmux_device *device)
{
	bool was_asleep = READ_ONCE(device->asleep), asleep;
	int urbs;

	if (device->kind != TOKMUX_DEVICE_USB)
		return false;
	urbs = tokmux_usb_urbs(device);
	/* Written under a USB lock. A later change is noticed next time. */
	asleep = data_race(READ_ONCE(device->usb->state)) == USB_STATE_SUSPENDED;
	WRITE_ONCE(device->asleep, asleep);
	return atomic_xchg(&device->urbs, urbs) != urbs || (asleep && !was_asleep);
}

/* Is the device that the registrar opened still there? */
int tokmux_device_check(struct file *sentinel)
{
	return vfs_poll(sentinel, NULL) & (EPOLLHUP | EPOLLERR) ? -ENODEV : 0;
}

/* Is @device what @other is, and not an unplugged one that had its number? */
bool tokmux_device_is_same(const struct tokmux_device *device,
			   const struct tokmux_device *other)
{
	return device->kind && other->kind && device->devt == other->devt &&
	       device->usb_interface == other->usb_interface &&
	       !tokmux_device_check(device->sentinel);
}

/* Are the device members of the registrar's struct consistent? */
bool tokmux_device_valid(const struct tokmux_create *arg)
{
	if (arg->device_kind >= ARRAY_SIZE(tokmux_device_kinds) || arg->reserved)
		return false;
	if (arg->device_kind == TOKMUX_DEVICE_NONE &&
	    (arg->device_fd || arg->flags & TOKMUX_CREATE_NO_SCRUB))
		return false;
	return arg->device_kind == TOKMUX_DEVICE_USB ||
	       (!arg->usb_endpoints && !arg->usb_interface && !arg->usb_configuration);
}

/**
 * tokmux_device_init() - take over the real device from its registrar
 * @device: the device, to be filled in
 * @arg: the registrar's struct, which tokmux_device_valid() has checked
 * @token_fops: operations of a token's files: a token is no device of a token
 *
 * Return: 0; -EBADF; -EINVAL if the file is not a device of that kind, or not
 * open for reading and writing; -ENODEV if the device is gone already.
 */
int tokmux_device_init(struct tokmux_device *device, const struct tokmux_create *arg,
		       const struct file_operations *token_fops)
{
	struct file *file;
	int ret = -EINVAL;

	if (arg->device_kind == TOKMUX_DEVICE_NONE)
		return 0;
	file = fget(arg->device_fd);
	if (!file)
		return -EBADF;
	if (!S_ISCHR(file_inode(file)->i_mode) ||
	    !(file->f_mode & FMODE_READ) || !(file->f_mode & FMODE_WRITE) ||
	    file->f_op == token_fops || !file_can_poll(file))
		goto err;
	if (arg->device_kind == TOKMUX_DEVICE_USB &&
	    imajor(file_inode(file)) != USB_DEVICE_MAJOR)
		goto err;
	device->kind = arg->device_kind;
	device->usb_endpoints = arg->usb_endpoints;
	device->usb_interface = arg->usb_interface;
	device->usb_configuration = arg->usb_configuration;
	device->devt = file_inode(file)->i_rdev;
	if (device->kind == TOKMUX_DEVICE_USB) {
		ret = tokmux_usb_init(device);
		if (ret)
			goto err;
	}
	/* Still there: so the device number was not used again meanwhile. */
	ret = tokmux_device_check(file);
	if (ret)
		goto err;
	device->sentinel = file;
	return 0;

err:
	fput(file);
	return ret;
}

/* The token was removed: no lease fd can be opened any more. */
void tokmux_device_close(struct tokmux_device *device)
{
	if (device->sentinel)
		fput(device->sentinel);
	device->sentinel = NULL;
}

/* The last reference to the token is gone, so no lease fd is left. */
void tokmux_device_exit(struct tokmux_device *device)
{
	tokmux_device_close(device);
	if (IS_REACHABLE(CONFIG_USB))
		usb_put_dev(device->usb);
}

/**
 * tokmux_device_open() - open the real device for one lease
 * @device: the device
 * @sentinel: the registrar's file
 *
 * The file is non-blocking: calls that block do so in lease_file.c.
 */
struct file *tokmux_device_open(struct tokmux_device *device, struct file *sentinel)
{
	int urbs = tokmux_usb_urbs(device);
	struct file *file;
	int ret;

	file = dentry_open(&sentinel->f_path, O_RDWR | O_NONBLOCK, sentinel->f_cred);
	if (IS_ERR(file))
		return file;
	ret = tokmux_device_check(sentinel);
	if (ret) {
		fput(file);
		return ERR_PTR(ret);
	}
	/*
	 * The open has resumed the device. The requests of a resume are not
	 * counted as a touch: that it was suspended has been told already. Nor
	 * are those that others have sent in these few milliseconds.
	 */
	if (READ_ONCE(device->asleep)) {
		WRITE_ONCE(device->asleep, false);
		atomic_add(tokmux_usb_urbs(device) - urbs, &device->urbs);
	}
	return file;
}

/**
 * tokmux_device_filter() - may an ioctl be passed on?
 * @device: the device
 * @cmd: in, out: the ioctl; one that blocks is replaced by one that returns
 *	-EAGAIN
 * @arg: the ioctl's argument in user space
 * @wait: out: if the device returns -EAGAIN, wait and try again
 *
 * Return: 0 if the ioctl may be passed on, else the return value of the ioctl.
 */
int tokmux_device_filter(const struct tokmux_device *device, unsigned int *cmd,
			 void __user *arg, bool *wait)
{
	*wait = false;
	if (device->kind == TOKMUX_DEVICE_USB)
		return tokmux_usb_filter(device, cmd, arg, wait);
	/*
	 * HID drivers limit the time of every request, so all of hidraw's ioctls
	 * are passed on. If the registrar calls another device a hidraw, it is
	 * useless, not dangerous.
	 */
	return _IOC_TYPE(*cmd) == 'H' ? 0 : -ENOTTY;
}
