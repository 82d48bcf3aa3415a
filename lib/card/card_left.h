/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a holder knows of a card that it leaves powered, for the next holder of the
 * same user: in a file that only this user can write.
 */
#ifndef TOKMUX_LIB_CARD_LEFT_H
#define TOKMUX_LIB_CARD_LEFT_H

#include <stdbool.h>
#include <stdint.h>
#include "atr.h"

struct tokmux_caller;

/* Which slot of which token of which boot. */
struct card_left_key {
	char format[8];
	uint64_t token;		/* its directory's inode number in sysfs */
	uint32_t index;
	uint32_t slot;
	char boot[40];
};

struct card_left {
	uint64_t epoch;		/* of the lease in which it was left */
	uint64_t power_id;	/* another one each time that the card gets power */
	int64_t used_ms;	/* CLOCK_MONOTONIC: when the card was used last */
	uint8_t protocol;
	uint8_t atr_len;
	uint8_t atr[ATR_MAX];
	uint8_t reserved[5];
};

/*
 * The slot's key, for the holder of its lease. -EOPNOTSUPP: nothing is left on this
 * token, because the kernel doesn't have its device reset for other users.
 */
int card_left_key(struct tokmux_caller *caller, unsigned int slot,
		  struct card_left_key *key);
/*
 * Both are for the holder of the lease only, so that no two processes have the file at
 * a time. What was taken is gone. False: there is nothing that can be trusted.
 */
bool card_left_take(const struct card_left_key *key, struct card_left *left);
int card_left_put(const struct card_left_key *key, const struct card_left *left);

#endif /* TOKMUX_LIB_CARD_LEFT_H */
