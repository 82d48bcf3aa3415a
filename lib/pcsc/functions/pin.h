/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Entering a PIN at the reader (PC/SC part 10).
 */
#ifndef TOKMUX_PCSC_PIN_H
#define TOKMUX_PCSC_PIN_H

#include "../use.h"

/* Has its reader a PIN pad that can do this with a card? The lease was held. */
bool pin_can_verify(const struct connection *connection);
bool pin_can_modify(const struct connection *connection);
/*
 * FEATURE_VERIFY_PIN_DIRECT and FEATURE_MODIFY_PIN_DIRECT: @request is what PC/SC
 * has for it. The answer is a status word.
 */
LONG pin_verify(struct connection *connection, const BYTE *request, size_t len,
		BYTE *answer, DWORD *answer_len);
LONG pin_modify(struct connection *connection, const BYTE *request, size_t len,
		BYTE *answer, DWORD *answer_len);

#endif /* TOKMUX_PCSC_PIN_H */
