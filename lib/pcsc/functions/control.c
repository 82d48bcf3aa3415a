// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * SCardControl(): what a reader can do beside cards (PC/SC part 10).
 */
#include <errno.h>
#include "../context.h"
#include "../delegate.h"
#include "../error.h"
#include "../lease.h"
#include "../output.h"
#include "../policy.h"
#include "pin.h"

/* Each reader chooses its codes; a program looks them up by their features. */
#define CODE(feature)	(0x42330000U + (feature))
/* pcsc-lite's drivers have had this code for CCID's escape command for long. */
#define ESCAPE		(0x42000000U + 1)

/* A PIN is complete when the user presses the key for that. */
#define VALIDATION_KEY	2

/* Adds a feature: its number, and its code with the first byte first. */
static BYTE *put_feature(BYTE *at, BYTE feature)
{
	const uint32_t code = CODE(feature);

	*at++ = feature;
	*at++ = 4;
	*at++ = (BYTE)(code >> 24);
	*at++ = (BYTE)(code >> 16);
	*at++ = (BYTE)(code >> 8);
	*at++ = (BYTE)code;
	return at;
}

/* What the reader says of itself is known once this process had the lease. */
static LONG learn(struct connection *connection)
{
	bool known;
	LONG rv;

	lock();
	known = connection->slot->reader->about.slots;
	unlock();
	rv = known ? SCARD_S_SUCCESS : use_begin(connection);
	if (!known && !rv)
		turn_end(connection);
	return rv;
}

static LONG list_features(struct connection *connection, void *answer, DWORD *len)
{
	BYTE list[5 * 6], *at = list;
	LONG rv = learn(connection);

	if (rv)
		return rv;
	if (pin_can_verify(connection))
		at = put_feature(at, FEATURE_VERIFY_PIN_DIRECT);
	if (pin_can_modify(connection))
		at = put_feature(at, FEATURE_MODIFY_PIN_DIRECT);
	if (at != list)
		at = put_feature(at, FEATURE_IFD_PIN_PROPERTIES);
	at = put_feature(at, FEATURE_GET_TLV_PROPERTIES);
	if (policy.escape)
		at = put_feature(at, FEATURE_CCID_ESC_COMMAND);
	return output(list, (size_t)(at - list), answer, len);
}

/* PC/SC's PIN_PROPERTIES_STRUCTURE. */
static LONG pin_properties(struct connection *connection, void *answer, DWORD *len)
{
	struct {
		uint16_t lcd_layout;
		uint8_t validation, timeout_2;
	} properties = { .validation = VALIDATION_KEY };
	LONG rv = learn(connection);

	if (rv)
		return rv;
	properties.lcd_layout = connection->slot->reader->about.lcd_layout;
	return output(&properties, sizeof(properties), answer, len);
}

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
	const struct facts *facts = &connection->slot->reader->facts;
	const struct tokmux_card_reader *about = &connection->slot->reader->about;
	BYTE list[26], *at = list;
	int most;
	LONG rv;

	/* That depends on the reader, and on the card's protocol. */
	rv = use_begin(connection);
	if (rv)
		return rv;
	most = lease_apdu_max(connection->slot);
	turn_end(connection);
	/* 0: extended APDUs are not possible. */
	at = put(at, PCSCv2_PART10_PROPERTY_dwMaxAPDUDataSize,
		 most > 256 ? (uint32_t)most : 0, 4);
	if (about->pin_support) {
		at = put(at, PCSCv2_PART10_PROPERTY_wLcdLayout, about->lcd_layout, 2);
		at = put(at, PCSCv2_PART10_PROPERTY_bEntryValidationCondition,
			 VALIDATION_KEY, 1);
		at = put(at, PCSCv2_PART10_PROPERTY_bTimeOut2, 0, 1);
	}
	at = put(at, PCSCv2_PART10_PROPERTY_wIdVendor, facts->vendor, 2);
	at = put(at, PCSCv2_PART10_PROPERTY_wIdProduct, facts->product, 2);
	return output(list, (size_t)(at - list), answer, len);
}

static LONG escape(struct connection *connection, const BYTE *request, size_t len,
		   BYTE *answer, DWORD *answer_len)
{
	LONG rv;
	int ret;

	/* readers.conf has the reason. */
	if (!policy.escape)
		return SCARD_E_UNSUPPORTED_FEATURE;
	rv = use_begin(connection);
	if (rv)
		return rv;
	ret = lease_escape(connection->slot, request, len, answer, *answer_len);
	turn_end(connection);
	if (ret < 0)
		return ret == -EOPNOTSUPP ? SCARD_E_UNSUPPORTED_FEATURE :
					    error_of_command(ret);
	*answer_len = (DWORD)ret;
	return SCARD_S_SUCCESS;
}

static LONG control(struct connection *connection, DWORD code,
		    const BYTE *request, size_t request_len, BYTE *answer,
		    DWORD *len)
{
	LONG rv;

	lock();
	rv = connection->slot->reader->gone ? SCARD_E_READER_UNAVAILABLE :
					      SCARD_S_SUCCESS;
	unlock();
	if (rv)
		return rv;
	switch (code) {
	case CM_IOCTL_GET_FEATURE_REQUEST:
		return list_features(connection, answer, len);
	case CODE(FEATURE_GET_TLV_PROPERTIES):
		return properties(connection, answer, len);
	case CODE(FEATURE_IFD_PIN_PROPERTIES):
		return pin_properties(connection, answer, len);
	case CODE(FEATURE_VERIFY_PIN_DIRECT):
		return pin_verify(connection, request, request_len, answer, len);
	case CODE(FEATURE_MODIFY_PIN_DIRECT):
		return pin_modify(connection, request, request_len, answer, len);
	case CODE(FEATURE_CCID_ESC_COMMAND):
	case ESCAPE:
		return escape(connection, request, request_len, answer, len);
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
	} else if (!answer || size == SCARD_AUTOALLOCATE ||
		   (!request && request_len)) {
		rv = SCARD_E_INVALID_PARAMETER;
	} else {
		rv = control(connection, code, request, request_len, answer,
			     &room);
		if (!rv && len)
			*len = room;
	}
	context_leave(context);
	return rv;
}
