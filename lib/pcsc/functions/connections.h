/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef TOKMUX_PCSC_CONNECTIONS_H
#define TOKMUX_PCSC_CONNECTIONS_H

#include "../context.h"

/* In a call of the connection's context. Frees the connection. */
LONG disconnect(struct context *context, struct connection *connection,
		DWORD disposition);

#endif /* TOKMUX_PCSC_CONNECTIONS_H */
