// SPDX-License-Identifier: GPL-2.0-only
/*
 * TOKMUX_LEASE_FD, which gives the holder of an exclusive lease a lease fd.
 */
#include <linux/err.h>
#include "internal.h"
#include "trace.h"

/* Drops token->lock while the lease file of the last lease is being closed. */
static int tokmux_lease_fd_get_turn(struct tokmux_caller *caller)
{
	int ret;

	do {
		ret = tokmux_caller_check(caller) ?:
		      tokmux_lease_need_exclusive(caller) ?:
		      tokmux_lease_file_get_turn(caller);
	} while (ret == -EAGAIN);
	return ret;
}

int tokmux_lease_fd_open(struct tokmux_call *call, void *argp)
{
	struct tokmux_caller *caller = call->caller;
	struct tokmux_token *token = caller->token;
	struct tokmux_lease_fd *arg = argp;
	struct tokmux_lease_file *lf;
	int ret;

	if (arg->flags || arg->fd)
		return -EINVAL;
	if (!token->device.kind)
		return -EOPNOTSUPP;
	ret = tokmux_lease_fd_get_turn(caller);
	if (ret)
		return ret;

	mutex_unlock(&token->lock);
	lf = tokmux_lease_file_new(call);
	mutex_lock(&token->lock);
	if (IS_ERR(lf))
		return PTR_ERR(lf);
	ret = tokmux_lease_fd_get_turn(caller);
	if (ret)
		return ret;
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
