// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * A CCID reader through libusb, on an open file: a usbfs node, or the lease fd
 * that stands for one.
 *
 * By itself libusb looks at all devices, also at those that this process may not
 * open, and has a thread that waits for more. It is told not to. Before 1.0.27 it
 * could be told so only for all contexts of the process at once, and the process
 * may use libusb for something else.
 */
#include <errno.h>
#include <libusb.h>
#include <stdlib.h>
#include <string.h>
#include "ccid_quirks.h"
#include "ccid_usb.h"
#include "deadline.h"

/* Class requests, CCID 1.1, 5.3. */
#define REQUEST_ABORT		0x01

struct ccid_usb {
	struct ccid_transport transport;
	libusb_device_handle *handle;
	bool claimed;
	struct ccid_interface interface;
	/*
	 * The interrupt endpoint's transfer stays submitted from the first
	 * wait on, or a notice between two waits would be lost.
	 */
	struct libusb_context *bus;
	struct libusb_transfer *notice;
	uint8_t bytes[CCID_NOTICE_MAX];
	bool listening;
	int noticed;		/* the transfer has completed */
};

static struct ccid_usb *to_usb(struct ccid_transport *t)
{
	return (struct ccid_usb *)t;
}

static int usb_error(int err)
{
	switch (err) {
	case LIBUSB_SUCCESS:
		return 0;
	case LIBUSB_ERROR_NO_DEVICE:
	case LIBUSB_ERROR_NOT_FOUND:
		return -ENODEV;
	case LIBUSB_ERROR_TIMEOUT:
		return -ETIMEDOUT;
	case LIBUSB_ERROR_PIPE:
		return -EPIPE;
	case LIBUSB_ERROR_OVERFLOW:
		return -EOVERFLOW;
	case LIBUSB_ERROR_ACCESS:
		return -EACCES;
	case LIBUSB_ERROR_BUSY:
		return -EBUSY;
	case LIBUSB_ERROR_NO_MEM:
		return -ENOMEM;
	case LIBUSB_ERROR_INTERRUPTED:
		return -EINTR;
	case LIBUSB_ERROR_NOT_SUPPORTED:
		return -EOPNOTSUPP;
	default:
		return -EIO;
	}
}

static int transfer(struct ccid_usb *usb, uint8_t endpoint, uint8_t *data,
		    size_t len, int timeout_ms)
{
	int done = 0, ret;

	ret = libusb_bulk_transfer(usb->handle, endpoint, data, (int)len, &done,
				   timeout_ms);
	/* Data that came before the timeout counts. */
	if (ret == LIBUSB_ERROR_TIMEOUT && done > 0 &&
	    (endpoint & LIBUSB_ENDPOINT_IN))
		ret = 0;
	if (ret == LIBUSB_ERROR_PIPE)
		libusb_clear_halt(usb->handle, endpoint);
	return ret ? usb_error(ret) : done;
}

static int usb_bulk_out(struct ccid_transport *t, const uint8_t *data,
			size_t len, int timeout_ms)
{
	struct ccid_usb *usb = to_usb(t);
	int ret;

	/* libusb doesn't write to what it sends. */
	ret = transfer(usb, usb->interface.out, (uint8_t *)data, len, timeout_ms);
	if (ret < 0)
		return ret;
	return (size_t)ret == len ? 0 : -EIO;
}

static int usb_bulk_in(struct ccid_transport *t, uint8_t *data, size_t size,
		       int timeout_ms)
{
	struct ccid_usb *usb = to_usb(t);

	return transfer(usb, usb->interface.in, data, size, timeout_ms);
}

/* ---- notices ---------------------------------------------------------- */

static void LIBUSB_CALL noticed(struct libusb_transfer *notice)
{
	struct ccid_usb *usb = notice->user_data;

	usb->noticed = 1;
}

static int start_listening(struct ccid_usb *usb)
{
	int ret;

	if (!usb->notice)
		usb->notice = libusb_alloc_transfer(0);
	if (!usb->notice)
		return -ENOMEM;
	libusb_fill_interrupt_transfer(usb->notice, usb->handle,
				       usb->interface.interrupt, usb->bytes,
				       (int)usb->interface.interrupt_packet,
				       noticed, usb, 0);
	usb->noticed = 0;
	ret = libusb_submit_transfer(usb->notice);
	usb->listening = !ret;
	return usb_error(ret);
}

/* Waits until the transfer has completed, or for @timeout_ms. */
static int await_notice(struct ccid_usb *usb, int timeout_ms)
{
	int64_t deadline = deadline_after(timeout_ms);
	int left = timeout_ms, ret;
	struct timeval time;

	for (;;) {
		time.tv_sec = left / 1000;
		time.tv_usec = left % 1000 * 1000;
		ret = libusb_handle_events_timeout_completed(usb->bus, &time,
							     &usb->noticed);
		if (usb->noticed)
			return 0;
		if (ret && ret != LIBUSB_ERROR_INTERRUPTED)
			return usb_error(ret);
		left = deadline_left(deadline, timeout_ms);
		if (!left)
			return -ETIMEDOUT;
	}
}

static int usb_interrupt_in(struct ccid_transport *t, uint8_t *data,
			    size_t size, int timeout_ms)
{
	struct ccid_usb *usb = to_usb(t);
	int ret = 0;

	if (!usb->listening)
		ret = start_listening(usb);
	if (!ret)
		ret = await_notice(usb, timeout_ms);
	if (ret)
		return ret;
	usb->listening = false;
	switch (usb->notice->status) {
	case LIBUSB_TRANSFER_COMPLETED:
		ret = usb->notice->actual_length;
		if ((size_t)ret > size)
			return -EOVERFLOW;
		memcpy(data, usb->bytes, (size_t)ret);
		/* If this fails, the next call fails, too. */
		start_listening(usb);
		return ret;
	case LIBUSB_TRANSFER_NO_DEVICE:
		return -ENODEV;
	case LIBUSB_TRANSFER_STALL:
		libusb_clear_halt(usb->handle, usb->interface.interrupt);
		return -EPIPE;
	case LIBUSB_TRANSFER_OVERFLOW:
		return -EOVERFLOW;
	default:
		return -EIO;
	}
}

/* The transfer's buffer must stay until the transfer has completed. */
static void stop_listening(struct ccid_usb *usb)
{
	if (!usb->listening)
		return;
	libusb_cancel_transfer(usb->notice);
	/* It completes at once; if not, closing the handle ends it. */
	await_notice(usb, 1000);
	usb->listening = false;
}

static int usb_abort(struct ccid_transport *t, uint8_t slot, uint8_t seq)
{
	struct ccid_usb *usb = to_usb(t);
	int ret;

	ret = libusb_control_transfer(usb->handle, LIBUSB_ENDPOINT_OUT |
				      LIBUSB_REQUEST_TYPE_CLASS |
				      LIBUSB_RECIPIENT_INTERFACE,
				      REQUEST_ABORT,
				      (uint16_t)(seq << 8 | slot),
				      usb->interface.number, NULL, 0, 500);
	return usb_error(ret);
}

static void usb_close(struct ccid_transport *t)
{
	struct ccid_usb *usb = to_usb(t);

	stop_listening(usb);
	/* The file stays open, and would keep the interface claimed. */
	if (usb->claimed)
		libusb_release_interface(usb->handle,
					 usb->interface.number);
	if (usb->handle)
		libusb_close(usb->handle);
	libusb_free_transfer(usb->notice);
	free(usb);
}

static const struct ccid_transport_ops usb_ops = {
	.bulk_out = usb_bulk_out,
	.bulk_in = usb_bulk_in,
	.interrupt_in = usb_interrupt_in,
	.abort = usb_abort,
	.close = usb_close,
};

static const struct ccid_transport_ops usb_ops_without_interrupt = {
	.bulk_out = usb_bulk_out,
	.bulk_in = usb_bulk_in,
	.abort = usb_abort,
	.close = usb_close,
};

/*
 * Claims the first interface that can be had. A lease fd allows one interface
 * of its device and refuses the others; libusb has no error of its own for
 * that. An interface that another program has is not skipped: the next one
 * would be another reader.
 */
static int claim_interface(struct ccid_usb *usb,
			   const struct libusb_config_descriptor *config)
{
	int ret, err, at = 0;

	do {
		ret = ccid_interface_next(config, &at, &usb->interface);
		if (ret)
			return ret;
		err = libusb_claim_interface(usb->handle,
					     usb->interface.number);
	} while (err == LIBUSB_ERROR_OTHER || err == LIBUSB_ERROR_ACCESS);
	usb->claimed = !err;
	usb->transport.desc = usb->interface.desc;
	usb->transport.in_packet = usb->interface.in_packet;
	usb->transport.interrupt_packet = usb->interface.interrupt_packet;
	return usb_error(err);
}

static int take_reader(struct ccid_usb *usb)
{
	libusb_device *device = libusb_get_device(usb->handle);
	struct libusb_config_descriptor *config;
	struct libusb_device_descriptor desc;
	int ret;

	ret = libusb_get_device_descriptor(device, &desc);
	if (ret)
		return usb_error(ret);
	ret = libusb_get_active_config_descriptor(device, &config);
	if (ret)
		return usb_error(ret);
	ret = claim_interface(usb, config);
	ccid_quirks_apply(desc.idVendor, desc.idProduct, desc.bcdDevice,
			  &usb->transport.desc);
	libusb_free_config_descriptor(config);
	return ret;
}

int ccid_usb_bus(struct libusb_context **bus)
{
#if LIBUSB_API_VERSION >= 0x0100010a
	const struct libusb_init_option only_ours = {
		.option = LIBUSB_OPTION_NO_DEVICE_DISCOVERY,
	};

	return usb_error(libusb_init_context(bus, &only_ours, 1));
#else
	return usb_error(libusb_init(bus));
#endif
}

void ccid_usb_bus_free(struct libusb_context *bus)
{
	/*
	 * For libusb NULL is the default context, which belongs to the
	 * process.
	 */
	if (bus)
		libusb_exit(bus);
}

int ccid_usb_open(struct libusb_context *bus, int fd,
		  struct ccid_transport **transport)
{
	struct ccid_usb *usb = calloc(1, sizeof(*usb));
	int ret;

	if (!usb)
		return -ENOMEM;
	usb->bus = bus;
	ret = libusb_wrap_sys_device(bus, fd, &usb->handle);
	if (ret) {
		usb->handle = NULL;
		/* The file is no USB device's: its ioctls failed. */
		ret = ret == LIBUSB_ERROR_NO_DEVICE ? -ENODEV :
		      ret == LIBUSB_ERROR_NO_MEM ? -ENOMEM : -EINVAL;
		goto fail;
	}
	ret = take_reader(usb);
	if (ret)
		goto fail;
	usb->transport.ops = usb->interface.interrupt ? &usb_ops :
			     &usb_ops_without_interrupt;
	*transport = &usb->transport;
	return 0;
fail:
	usb_close(&usb->transport);
	return ret;
}
