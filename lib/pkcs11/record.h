/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef TOKMUX_RECORD_H
#define TOKMUX_RECORD_H

#include <stdatomic.h>

/*
 * What is known of a token's PINs in all processes of this user. Nothing of a PIN is
 * in it. Only words of 32 bits: these are atomic between processes on every machine.
 */
struct record {
	atomic_uint name;	/* the token's, hashed; 0: a free place */
	atomic_uint changes;	/* how often the user's PIN may have changed */
	atomic_uint wrong;	/* PINs in a row */
	atomic_uint last_ms;	/* when the last wrong one was shown */
	atomic_uint answer_ms;	/* when the last wrong one is answered */
};

struct record *record_of(const char *token);

#endif /* TOKMUX_RECORD_H */
