/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef TOKMUX_TRIES_H
#define TOKMUX_TRIES_H

#include <stdbool.h>
#include <stdint.h>
#include "p11.h"
#include "record.h"

/* Whose PIN. Who knows one of the two tries the other no faster. */
enum tried {
	TRIED_USER,
	TRIED_SO,
	TRIED,
};

/* The wrong PINs of one caller on one token. */
struct tries {
	atomic_uint wrong[TRIED];	/* in a row */
	_Atomic int64_t answer_ms;	/* when the last of them is answered */
};

int64_t tries_due_ms(const struct tries *tries);
int64_t tries_count(struct tries *tries, struct record *record,
		    enum tried tried, CK_RV rv);
void tries_wait(int64_t until_ms);

#endif /* TOKMUX_TRIES_H */
