// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * PC/SC's functions for contexts.
 */
#include "../context.h"
#include "../delegate.h"
#include "connections.h"

LONG SCardEstablishContext(DWORD scope, const void *reserved1,
			   const void *reserved2, SCARDCONTEXT *id)
{
	SCARDCONTEXT other;
	LONG rv;

	if (!id)
		return SCARD_E_INVALID_PARAMETER;
	*id = 0;
	if (scope > SCARD_SCOPE_GLOBAL)
		return SCARD_E_INVALID_VALUE;
	other = delegate_establish(scope);
	if (!other && tokmux_present() != 1)
		return SCARD_E_NO_SERVICE;
	rv = context_new(other, id);
	if (rv && other)
		delegate()->ReleaseContext(other);
	return rv;
}

LONG SCardReleaseContext(SCARDCONTEXT id)
{
	struct context *context;

	/* A thread that waits in it ends its wait. */
	context_cancel(id);
	context = context_enter(id);
	if (!context)
		return SCARD_E_INVALID_HANDLE;
	while (context->connections) {
		struct connection *connection = context->connections;

		/* pcsc-lite ends its own with the context. */
		if (connection->other)
			context_remove(context, connection);
		/* A program that ends in a transaction leaves it half done. */
		else
			disconnect(context, connection, connection->depth ?
				   SCARD_RESET_CARD : SCARD_LEAVE_CARD);
	}
	if (context->other)
		delegate()->ReleaseContext(context->other);
	context_free(context);
	return SCARD_S_SUCCESS;
}

LONG SCardIsValidContext(SCARDCONTEXT id)
{
	return context_exists(id) ? SCARD_S_SUCCESS : SCARD_E_INVALID_HANDLE;
}

LONG SCardCancel(SCARDCONTEXT id)
{
	return context_cancel(id);
}
