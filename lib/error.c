// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Errors: what an errno means when this library returns it.
 */
#include "internal.h"

static const struct {
	int err;
	const char *text;
} errors[] = {
	{ EPERM,	"not permitted: another process has bound it, or privilege is needed" },
	{ ENOENT,	"no such token, session or login" },
	{ EACCES,	"no permission to open the device" },
	{ ENODEV,	"the token is gone, or the tokmux module is not loaded" },
	{ EINVAL,	"a name, flag or value is not valid" },
	{ ENAMETOOLONG,	"a token's name has at most 63 characters" },
	{ EEXIST,	"a token of that name exists" },
	{ EDQUOT,	"this user has as many tokens as allowed" },
	{ ENOSPC,	"the system has as many tokens as allowed" },
	{ ENOBUFS,	"too many requests wait already" },
	{ ENOTCONN,	"the token was not bound to this process" },
	{ EISCONN,	"the token is bound already" },
	{ ESHUTDOWN,	"the process that bound the token has closed it" },
	{ EALREADY,	"this caller has a lease or a login already" },
	{ EAGAIN,	"another holder has the token, and no wait was asked for" },
	{ ETIMEDOUT,	"another holder has the token, and the time to wait ran out" },
	{ EINTR,	"the wait was interrupted by a signal" },
	{ ENOLCK,	"this needs a lease that the caller does not hold" },
	{ ESTALE,	"the lease was taken away" },
	{ ENOLINK,	"a login needs an open session" },
	{ EBUSY,	"another caller is logged in as the other type of user" },
	{ ENOTTY,	"the kernel module is older than this request" },
	{ E2BIG,	"the kernel module is older than this request" },
	{ EOPNOTSUPP,	"the token has no real device that a lease can lead to" },
	{ ENOMEM,	"out of memory" },
};

const char *tokmux_strerror(int err)
{
	const char *text;
	size_t i;

	if (err >= 0)
		return "no error";
	for (i = 0; i < sizeof(errors) / sizeof(errors[0]); i++)
		if (errors[i].err == -err)
			return errors[i].text;
	text = strerrordesc_np(-err);
	return text ? text : "an unknown error";
}
