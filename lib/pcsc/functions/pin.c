// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Entering a PIN at the reader: PC/SC's structures (part 10, 2.6) are made into
 * CCID's (CCID 1.1, 6.1.11), which have the same fields but for a few.
 */
#include <errno.h>
#include <string.h>
#include "../error.h"
#include "../lease.h"
#include "pin.h"

/* bPINSupport */
#define CAN_VERIFY	0x01
#define CAN_MODIFY	0x02

/* Where the fields of PC/SC's structures are that CCID's have not, or not always. */
#define TIMEOUT_2	1
#define VERIFY_LENGTH	15		/* of the command, 32 bits */
#define VERIFY_SIZE	19
#define MODIFY_MESSAGES	11		/* how many the reader shows */
#define MODIFY_INDEX_2	15		/* which is the second one, the third one */
#define MODIFY_INDEX_3	16
#define MODIFY_LENGTH	20
#define MODIFY_SIZE	24
/* A card's command: no longer than a short one. */
#define COMMAND_MAX	261
/* No reader waits longer of itself; and what comes on top. */
#define ENTRY_S		90
#define MORE_S		15

bool pin_can_verify(const struct connection *connection)
{
	return connection->slot->reader->about.pin_support & CAN_VERIFY;
}

bool pin_can_modify(const struct connection *connection)
{
	return connection->slot->reader->about.pin_support & CAN_MODIFY;
}

/* Is the length at @at that of all that is left? Numbers are in the host's order. */
static bool is_whole(const BYTE *request, size_t len, size_t at, size_t size)
{
	uint32_t command;

	if (len < size)
		return false;
	memcpy(&command, request + at, sizeof(command));
	return command >= 4 && command <= COMMAND_MAX && command == len - size;
}

/* The reader tells of these by itself, the card was not asked. */
static int status_word(BYTE *answer, BYTE low)
{
	answer[0] = 0x64;
	answer[1] = low;
	return 2;
}

static LONG enter(struct connection *connection, const BYTE *pin, size_t len,
		  BYTE *answer, DWORD *answer_len)
{
	const int seconds = (pin[1] ? pin[1] : ENTRY_S) + MORE_S;
	LONG rv;
	int ret;

	if (*answer_len < 2)
		return SCARD_E_INSUFFICIENT_BUFFER;
	rv = use_begin(connection);
	if (rv)
		return rv;
	ret = lease_secure(connection->slot, pin, len, answer, *answer_len,
			   seconds * 1000);
	turn_end(connection);
	if (ret == -ETIME)
		ret = status_word(answer, 0);
	else if (ret == -ECANCELED)
		ret = status_word(answer, 1);
	if (ret < 0)
		return ret == -EOPNOTSUPP ? SCARD_E_UNSUPPORTED_FEATURE :
					    error_of_command(ret);
	*answer_len = (DWORD)ret;
	return SCARD_S_SUCCESS;
}

/* Numbers of two bytes are in the host's order here, and little-endian there. */
static void put16(BYTE *pin, const BYTE *request)
{
	uint16_t value;

	memcpy(&value, request, sizeof(value));
	pin[0] = (BYTE)value;
	pin[1] = (BYTE)(value >> 8);
}

LONG pin_verify(struct connection *connection, const BYTE *request, size_t len,
		BYTE *answer, DWORD *answer_len)
{
	BYTE pin[1 + VERIFY_SIZE + COMMAND_MAX] = { TOKMUX_CARD_PIN_VERIFY };
	size_t to = 1, at;

	if (!is_whole(request, len, VERIFY_LENGTH, VERIFY_SIZE))
		return SCARD_E_INVALID_PARAMETER;
	for (at = 0; at < len; at++)
		if (at != TIMEOUT_2 &&
		    (at < VERIFY_LENGTH || at >= VERIFY_SIZE))
			pin[to++] = request[at];
	put16(pin + 5, request + 5);		/* wPINMaxExtraDigit */
	put16(pin + 9, request + 9);		/* wLangId */
	return enter(connection, pin, to, answer, answer_len);
}

/* CCID has as many indices of messages as there are messages, and one at least. */
static bool is_left_out(size_t at, BYTE messages)
{
	return at == TIMEOUT_2 ||
	       (at == MODIFY_INDEX_2 && !messages) ||
	       (at == MODIFY_INDEX_3 && messages != 3) ||
	       (at >= MODIFY_LENGTH && at < MODIFY_SIZE);
}

LONG pin_modify(struct connection *connection, const BYTE *request, size_t len,
		BYTE *answer, DWORD *answer_len)
{
	BYTE pin[1 + MODIFY_SIZE + COMMAND_MAX] = { TOKMUX_CARD_PIN_MODIFY };
	size_t to = 1, at;

	if (!is_whole(request, len, MODIFY_LENGTH, MODIFY_SIZE))
		return SCARD_E_INVALID_PARAMETER;
	for (at = 0; at < len; at++)
		if (!is_left_out(at, request[MODIFY_MESSAGES]))
			pin[to++] = request[at];
	put16(pin + 7, request + 7);		/* wPINMaxExtraDigit */
	put16(pin + 12, request + 12);		/* wLangId */
	return enter(connection, pin, to, answer, answer_len);
}
