// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Leases: the right to talk to the token now. The kernel keeps R1, R2 and R4.
 */
#include <unistd.h>
#include "park.h"

int tokmux_acquire(struct tokmux_caller *caller, unsigned int mode,
		   int timeout_ms, struct tokmux_grant *grant)
{
	struct tokmux_acquire arg = { .mode = mode, .timeout_ms = timeout_ms };
	int ret;

	if (caller->park && caller->group && !tokmux_park_thread)
		tokmux_park_thread = gettid();
	if (tokmux_park_use(caller, mode, grant))
		return 0;
	ret = tokmux_ioctl(caller->fd, TOKMUX_ACQUIRE, &arg);
	if (!ret && grant)
		*grant = (struct tokmux_grant){ .epoch = arg.epoch,
						.flags = arg.granted };
	return ret;
}

int tokmux_reuse(struct tokmux_caller *caller, unsigned int mode,
		 struct tokmux_grant *grant)
{
	return tokmux_park_use(caller, mode, grant) ? 0 : -EAGAIN;
}

static __attribute__((noinline)) int release(struct tokmux_caller *caller)
{
	struct tokmux_release arg = {};

	return tokmux_ioctl(caller->fd, TOKMUX_RELEASE, &arg);
}

int tokmux_release(struct tokmux_caller *caller)
{
	return tokmux_park_leave(caller) ? 0 : release(caller);
}

int tokmux_idle(struct tokmux_caller *caller, unsigned int linger_ms)
{
	struct tokmux_release arg = { .flags = TOKMUX_RELEASE_IDLE,
				      .linger_ms = linger_ms };

	if (!linger_ms && tokmux_park_leave(caller))
		return 0;
	return tokmux_ioctl(caller->fd, TOKMUX_RELEASE, &arg);
}

int tokmux_cancel(struct tokmux_caller *caller)
{
	struct tokmux_cancel arg = {};
	int ret;

	ret = tokmux_ioctl(caller->fd, TOKMUX_CANCEL, &arg);
	return ret ? ret : (int)arg.requests;
}

int tokmux_mark_clean(struct tokmux_caller *caller)
{
	struct tokmux_mark_clean arg = {};

	return tokmux_ioctl(caller->fd, TOKMUX_MARK_CLEAN, &arg);
}
