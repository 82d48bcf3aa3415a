// SPDX-License-Identifier: GPL-2.0-only
/*
 * TOKMUX_LEASE_FD, which gives the holder of an exclusive lease a lease fd, and
 * the privileged process that scrubs the device one without a lease.
 */
#include <linux/capability.h>
#include <linux/err.h>
#include "internal.h"
#include "trace.h"

/*
 * Drops token->lock while the lease file of the last lease is being closed, and
 * while the device is scrubbed. The holder cannot use the device meanwhile, so
 * its clock stands still (R4).
 */
static int tokmux_lease_fd_get_turn(struct tokmux_caller *caller, bool scrub)
{
	struct tokmux_token *token = caller->token;
	int ret;

	tokmux_queue_tick(&token->lease_queue);
	token->lease_queue.paused++;
	do {
		ret = tokmux_caller_check(caller) ?:
		      (scrub ? 0 : tokmux_lease_need_exclusive(caller)) ?:
		      tokmux_lease_file_get_turn(caller) ?:
		      (scrub ? 0 : tokmux_scrub_wait(caller));
	} while (ret == -EAGAIN);
	tokmux_queue_tick(&token->lease_queue);
	token->lease_queue.paused--;
	tokmux_lease_dispatch(token);
	return ret;
}

int tokmux_lease_fd(struct tokmux_call *call, void *argp)
{
	struct tokmux_caller *caller = call->caller;
	struct tokmux_token *token = caller->token;
	struct tokmux_lease_fd *arg = argp;
	bool scrub = arg->flags & TOKMUX_LEASE_FD_SCRUB;
	struct tokmux_lease_file *lf;
	int ret;

	if (!token->device.kind)
		return -EOPNOTSUPP;
	if (scrub && !capable(CAP_SYS_ADMIN))
		return -EPERM;

	mutex_unlock(&token->lock);
	lf = tokmux_lease_file_new(call);
	mutex_lock(&token->lock);
	if (IS_ERR(lf))
		return PTR_ERR(lf);
	ret = tokmux_lease_fd_get_turn(caller, scrub);
	if (ret)
		return ret;
	if (scrub)
		token->scrubber = caller;
	else
		tokmux_scrub_touch(token, caller->party->user);
	ret = tokmux_lease_file_open(lf, caller);
	if (ret == -ESTALE)
		return tokmux_caller_check(caller) ?:
		       tokmux_lease_need_exclusive(caller) ?: -ESTALE;
	if (ret)
		return ret;
	trace_tokmux_lease_fd(caller, token->device.kind);
	arg->fd = call->fd;
	return 0;
}
