// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * SCardTransmit(): a command to the card, and its answer.
 */
#include <errno.h>
#include "../context.h"
#include "../delegate.h"
#include "../error.h"
#include "../lease.h"

const SCARD_IO_REQUEST g_rgSCardT0Pci = { SCARD_PROTOCOL_T0, sizeof(SCARD_IO_REQUEST) };
const SCARD_IO_REQUEST g_rgSCardT1Pci = { SCARD_PROTOCOL_T1, sizeof(SCARD_IO_REQUEST) };
const SCARD_IO_REQUEST g_rgSCardRawPci = { SCARD_PROTOCOL_RAW, sizeof(SCARD_IO_REQUEST) };

/* With the turn: the program may mean the card's protocol, or any. */
static LONG check_protocol(const struct slot *slot, DWORD wanted)
{
	DWORD protocol;

	lock();
	protocol = slot->protocol;
	unlock();
	if (wanted == protocol || wanted == SCARD_PROTOCOL_RAW ||
	    wanted == SCARD_PROTOCOL_ANY_OLD)
		return SCARD_S_SUCCESS;
	return SCARD_E_PROTO_MISMATCH;
}

static LONG transmit(struct connection *connection, DWORD wanted,
		     const BYTE *command, DWORD len, BYTE *answer,
		     DWORD *answer_len)
{
	struct slot *slot = connection->slot;
	LONG rv;
	int ret;

	rv = check_protocol(slot, wanted);
	if (rv)
		return rv;
	ret = lease_transmit(slot, command, len, answer, *answer_len,
			     wanted == SCARD_PROTOCOL_RAW);
	*answer_len = ret > 0 ? (DWORD)ret : 0;
	if (ret >= 0)
		return SCARD_S_SUCCESS;
	/* A card that was pulled, or a lease that was taken, says more. */
	lock();
	rv = connection_event(connection);
	unlock();
	return rv == SCARD_W_REMOVED_CARD || rv == SCARD_E_READER_UNAVAILABLE ||
	       ret == -ESTALE ? rv : error_of_command(ret);
}

LONG SCardTransmit(SCARDHANDLE handle, const SCARD_IO_REQUEST *send_pci,
		   const BYTE *command, DWORD command_len,
		   SCARD_IO_REQUEST *answer_pci, BYTE *answer,
		   DWORD *answer_len)
{
	struct connection *connection;
	struct context *context;
	LONG rv;

	if (!command || !answer || !answer_len || !send_pci)
		return SCARD_E_INVALID_PARAMETER;
	context = context_enter_connection(handle, &connection);
	if (!context) {
		*answer_len = 0;
		return SCARD_E_INVALID_HANDLE;
	}
	if (connection->other) {
		rv = delegate()->Transmit(connection->other, send_pci, command,
					  command_len, answer_pci, answer,
					  answer_len);
		context_leave(context);
		return rv;
	}
	if (*answer_len < 2)
		rv = SCARD_E_INSUFFICIENT_BUFFER;
	else
		rv = use_begin(connection);
	if (rv) {
		*answer_len = 0;
	} else {
		rv = transmit(connection, send_pci->dwProtocol, command,
			      command_len, answer, answer_len);
		turn_end(connection);
	}
	if (!rv && answer_pci) {
		answer_pci->dwProtocol = send_pci->dwProtocol;
		answer_pci->cbPciLength = sizeof(*answer_pci);
	}
	context_leave(context);
	return rv;
}
