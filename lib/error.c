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
	{ ENXIO,	"it is there, but this process can't reach it: its node in /dev, or /sys, is missing or closed to it, as in a sandbox" },
	{ EACCES,	"no permission to open the device" },
	{ EBADF,	"the program has closed the token's descriptor" },
	{ ENODEV,	"the token or its reader is gone, the lease was taken away, or the tokmux module is not loaded" },
	{ EINVAL,	"a name, flag, value or APDU is not valid, or the file is no reader's" },
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
	{ ETIMEDOUT,	"the time to wait for the token, its reader or its card ran out" },
	{ EINTR,	"the wait was interrupted by a signal" },
	{ ENOLCK,	"this needs a lease that the caller does not hold" },
	{ ESTALE,	"the lease was taken away" },
	{ ENOLINK,	"a login needs an open session" },
	{ EBUSY,	"another program has the reader, perhaps pcscd; or a caller is logged in as the other type of user" },
	{ ENOTTY,	"the kernel module is older than this request" },
	{ E2BIG,	"the kernel module is older than this request" },
	{ EOPNOTSUPP,	"the token has no real device, or that is no smartcard reader that supports the card" },
	{ ENOMEDIUM,	"there is no card in the reader" },
	{ ECONNRESET,	"the card has no power, or was taken out meanwhile" },
	{ EIO,		"the card does not answer, or the reader fails or refuses the command" },
	{ ECANCELED,	"cancelled: the wait, or the entry of a PIN at the reader" },
	{ ETIME,	"no PIN was entered at the reader in time" },
	{ ENODATA,	"the reader has named no error, or its holder has left no note" },
	{ EPROTO,	"the reader or the card answers nonsense" },
	{ EMSGSIZE,	"the command is longer than the reader takes" },
	{ EOVERFLOW,	"the answer is longer than the room for it" },
	{ ECONNABORTED,	"the card aborted the command" },
	{ EBADF,	"the program has closed this file, or it is another one" },
	{ EUCLEAN,	"another user has used it, and it was not scrubbed; see 'tokmux scrub'" },
	{ EDEADLK,	"this thread would wait for itself" },
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
