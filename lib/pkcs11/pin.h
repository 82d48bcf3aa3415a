/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef TOKMUX_PIN_H
#define TOKMUX_PIN_H

#include "p11.h"

/* What is kept of the PIN that opened a token: a keyed hash, and its key. */
struct pin;

CK_RV pin_remember(struct pin **pin, const unsigned char *text,
		   unsigned long length);
CK_RV pin_check(const struct pin *pin, const unsigned char *text,
		unsigned long length);
void pin_forget(struct pin **pin);

#endif /* TOKMUX_PIN_H */
