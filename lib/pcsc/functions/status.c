// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * SCardStatus() and SCardGetAttrib(): what is known of a connection's reader and
 * card. Neither asks another process' card anything.
 */
#include <string.h>
#include "../context.h"
#include "../delegate.h"
#include "../output.h"

static DWORD state_of(const struct slot *slot)
{
	DWORD state = (DWORD)slot->events << 16;

	switch (slot->content) {
	case SLOT_CARD:
		state |= SCARD_PRESENT;
		if (slot->protocol != SCARD_PROTOCOL_UNDEFINED)
			state |= SCARD_POWERED | SCARD_NEGOTIABLE;
		return state;
	case SLOT_MUTE:
		return state | SCARD_PRESENT | SCARD_SWALLOWED;
	case SLOT_EMPTY:
		return state | SCARD_ABSENT;
	default:
		return state | SCARD_UNKNOWN;
	}
}

/* What there is to say now, or what the program has to be told instead. */
static LONG look(struct connection *connection, struct slot *slot)
{
	LONG rv;

	look_if_stale(connection);
	lock();
	rv = connection_event(connection);
	*slot = *connection->slot;
	unlock();
	return rv;
}

LONG SCardStatus(SCARDHANDLE handle, char *name, DWORD *name_len, DWORD *state,
		 DWORD *protocol, BYTE *atr, DWORD *atr_len)
{
	struct connection *connection;
	struct context *context;
	DWORD no_name = 0, no_atr = 0;
	struct slot slot;
	LONG rv, rv2;

	context = context_enter_connection(handle, &connection);
	if (!context)
		return SCARD_E_INVALID_HANDLE;
	if (connection->other) {
		rv = delegate()->Status(connection->other, name, name_len, state,
					protocol, atr, atr_len);
		goto out;
	}
	rv = look(connection, &slot);
	if (!rv) {
		if (state)
			*state = state_of(&slot);
		if (protocol)
			*protocol = slot.protocol;
		/* Without a length there is no room. */
		rv = output(slot.name, strlen(slot.name) + 1,
			    name_len ? name : NULL,
			    name_len ? name_len : &no_name);
		rv2 = output(slot.atr, slot.atr_len, atr_len ? atr : NULL,
			     atr_len ? atr_len : &no_atr);
		rv = rv ? rv : rv2;
	}
out:
	context_leave(context);
	return rv;
}

/* ---- attributes ---------------------------------------------------------------- */

static LONG output_number(uint32_t number, BYTE *value, DWORD *len)
{
	return output(&number, sizeof(number), value, len);
}

static LONG output_byte(uint8_t byte, BYTE *value, DWORD *len)
{
	return output(&byte, 1, value, len);
}

static LONG output_text(const char *text, BYTE *value, DWORD *len)
{
	if (!*text)
		return SCARD_E_UNSUPPORTED_FEATURE;
	return output(text, strlen(text) + 1, value, len);
}

/* Of a message, without CCID's header. It is known since the first lease. */
static LONG output_longest(const struct reader *reader, BYTE *value, DWORD *len)
{
	uint32_t size;

	lock();
	size = reader->about.max_message;
	unlock();
	return size ? output_number(size - 10, value, len) :
		      SCARD_E_UNSUPPORTED_FEATURE;
}

static LONG attribute(const struct slot *slot, DWORD id, BYTE *value, DWORD *len)
{
	const struct facts *facts = &slot->reader->facts;
	const bool present = slot->content == SLOT_CARD ||
			     slot->content == SLOT_MUTE;

	switch (id) {
	case SCARD_ATTR_ATR_STRING:
		return output(slot->atr, slot->atr_len, value, len);
	case SCARD_ATTR_VENDOR_NAME:
		return output_text(facts->maker, value, len);
	case SCARD_ATTR_VENDOR_IFD_SERIAL_NO:
		return output_text(facts->serial, value, len);
	case SCARD_ATTR_DEVICE_FRIENDLY_NAME:
	case SCARD_ATTR_DEVICE_SYSTEM_NAME:
		return output_text(slot->name, value, len);
	case SCARD_ATTR_VENDOR_IFD_VERSION:
		/* 0xMMmmbbbb, of which bcdDevice has the first half. */
		return output_number((uint32_t)facts->version << 16, value, len);
	case SCARD_ATTR_CHANNEL_ID:
		/* 0x20 is USB. */
		return output_number(0x20U << 16 | (uint32_t)facts->bus << 8 |
				     facts->device, value, len);
	case SCARD_ATTR_MAXINPUT:
		return output_longest(slot->reader, value, len);
	case SCARD_ATTR_CURRENT_PROTOCOL_TYPE:
		return output_number((uint32_t)slot->protocol, value, len);
	case SCARD_ATTR_ICC_PRESENCE:
		/* 2: in the slot. */
		return output_byte(present ? 2 : 0, value, len);
	case SCARD_ATTR_ICC_INTERFACE_STATUS:
		return output_byte(slot->protocol != SCARD_PROTOCOL_UNDEFINED,
				   value, len);
	case SCARD_ATTR_ICC_TYPE_PER_ATR:
		/* 1: asynchronous, as ISO/IEC 7816 has it. */
		return output_byte(present ? 1 : 0, value, len);
	default:
		return SCARD_E_UNSUPPORTED_FEATURE;
	}
}

LONG SCardGetAttrib(SCARDHANDLE handle, DWORD id, BYTE *value, DWORD *len)
{
	struct connection *connection;
	struct context *context;
	struct slot slot;
	LONG rv;

	if (!len)
		return SCARD_E_INVALID_PARAMETER;
	context = context_enter_connection(handle, &connection);
	if (!context)
		return SCARD_E_INVALID_HANDLE;
	rv = connection->other ?
	     delegate()->GetAttrib(connection->other, id, value, len) :
	     look(connection, &slot);
	if (!rv && !connection->other)
		rv = attribute(&slot, id, value, len);
	context_leave(context);
	return rv;
}

LONG SCardSetAttrib(SCARDHANDLE handle, DWORD id, const BYTE *value, DWORD len)
{
	struct connection *connection;
	struct context *context;
	LONG rv;

	if (!value || !len)
		return SCARD_E_INVALID_PARAMETER;
	context = context_enter_connection(handle, &connection);
	if (!context)
		return SCARD_E_INVALID_HANDLE;
	rv = connection->other ?
	     delegate()->SetAttrib(connection->other, id, value, len) :
	     SCARD_E_UNSUPPORTED_FEATURE;
	context_leave(context);
	return rv;
}
