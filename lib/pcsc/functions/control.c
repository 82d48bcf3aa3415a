// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * SCardControl(): what a reader can do beside cards (PC/SC part 10).
 */
#include "../context.h"
#include "../delegate.h"

LONG SCardControl(SCARDHANDLE handle, DWORD code, const void *request,
		  DWORD request_len, void *answer, DWORD size, DWORD *len)
{
	struct connection *connection;
	struct context *context;
	LONG rv;

	if (len)
		*len = 0;
	context = context_enter_connection(handle, &connection);
	if (!context)
		return SCARD_E_INVALID_HANDLE;
	if (connection->other) {
		rv = delegate()->Control(connection->other, code, request,
					 request_len, answer, size, len);
		goto out;
	}
	lock();
	rv = connection->reader->gone ? SCARD_E_READER_UNAVAILABLE :
					SCARD_S_SUCCESS;
	unlock();
	/* The list of features is empty: no PIN pad, no display. */
	if (!rv && code != CM_IOCTL_GET_FEATURE_REQUEST)
		rv = SCARD_E_UNSUPPORTED_FEATURE;
out:
	context_leave(context);
	return rv;
}
