// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * SCardControl(): what a reader can do beside cards (PC/SC part 10).
 */
#include "../context.h"
#include "../delegate.h"
#include "../error.h"
#include "../lease.h"
#include "../output.h"

/* Each reader chooses its codes; a program looks them up by their features. */
#define GET_PROPERTIES	(0x42330000 + FEATURE_GET_TLV_PROPERTIES)

/* A feature's number, and its code with the first byte first. */
static const BYTE features[] = {
	FEATURE_GET_TLV_PROPERTIES, 4, GET_PROPERTIES >> 24,
	GET_PROPERTIES >> 16 & 0xff, GET_PROPERTIES >> 8 & 0xff,
	GET_PROPERTIES & 0xff,
};

/* Adds a property: its number, and its value with the last byte first. */
static BYTE *put(BYTE *at, BYTE property, uint32_t value, BYTE bytes)
{
	*at++ = property;
	*at++ = bytes;
	for (; bytes; bytes--, value >>= 8)
		*at++ = (BYTE)value;
	return at;
}

static LONG properties(struct connection *connection, void *answer, DWORD *len)
{
	const struct facts *facts = &connection->reader->facts;
	BYTE list[16], *at = list;
	int most;
	LONG rv;

	/* That depends on the reader, and on the card's protocol. */
	rv = use_begin(connection);
	if (rv)
		return rv;
	most = tokmux_card_apdu_max(connection->reader->card);
	turn_end(connection);
	/* 0: extended APDUs are not possible. */
	at = put(at, PCSCv2_PART10_PROPERTY_dwMaxAPDUDataSize,
		 most > 256 ? (uint32_t)most : 0, 4);
	at = put(at, PCSCv2_PART10_PROPERTY_wIdVendor, facts->vendor, 2);
	at = put(at, PCSCv2_PART10_PROPERTY_wIdProduct, facts->product, 2);
	return output(list, (size_t)(at - list), answer, len);
}

static LONG control(struct connection *connection, DWORD code, void *answer,
		    DWORD *len)
{
	LONG rv;

	lock();
	rv = connection->reader->gone ? SCARD_E_READER_UNAVAILABLE :
					SCARD_S_SUCCESS;
	unlock();
	if (rv)
		return rv;
	switch (code) {
	case CM_IOCTL_GET_FEATURE_REQUEST:
		return output(features, sizeof(features), answer, len);
	case GET_PROPERTIES:
		return properties(connection, answer, len);
	default:
		return SCARD_E_UNSUPPORTED_FEATURE;
	}
}

LONG SCardControl(SCARDHANDLE handle, DWORD code, const void *request,
		  DWORD request_len, void *answer, DWORD size, DWORD *len)
{
	struct connection *connection;
	struct context *context;
	DWORD room = size;
	LONG rv;

	if (len)
		*len = 0;
	context = context_enter_connection(handle, &connection);
	if (!context)
		return SCARD_E_INVALID_HANDLE;
	if (connection->other) {
		rv = delegate()->Control(connection->other, code, request,
					 request_len, answer, size, len);
	} else if (!answer || size == SCARD_AUTOALLOCATE) {
		rv = SCARD_E_INVALID_PARAMETER;
	} else {
		rv = control(connection, code, answer, &room);
		if (!rv && len)
			*len = room;
	}
	context_leave(context);
	return rv;
}
