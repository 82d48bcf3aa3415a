/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A reader's lease and the cards behind it, through libtokmux.
 *
 * All of it is called without the lock, and what is for a slot with the slot's turn,
 * unless it is said. What is learnt of a slot is noted in it. Errors are negative
 * errnos; -ESTALE: the kernel took the lease away.
 */
#ifndef TOKMUX_PCSC_LEASE_H
#define TOKMUX_PCSC_LEASE_H

#include "reader.h"

/* Opens the token, if it isn't open. Takes no turn. */
int lease_open(struct reader *reader);
/*
 * Gets the lease, unless this process has it, for a use of the slot that lasts until
 * lease_leave(). The card may have no power.
 */
int lease_take(struct slot *slot, int timeout_ms);
/* The same, if this process has the lease and it is only idle. False: it has none. */
bool lease_use_own(struct slot *slot);
/* Gives the card power, unless it has it; @how as lease_reset(). */
int lease_power(struct slot *slot, unsigned int how);
/* Resets the card; @how: of enum tokmux_card_reset_flags. */
int lease_reset(struct slot *slot, unsigned int how);
/* Takes the card's power. */
int lease_unpower(struct slot *slot);
/*
 * With the turns of all slots: gives the lease back. The cards forget what they were shown,
 * with @off for certain, else unless isolate = no leaves them to programs of the same user.
 */
void lease_give_back(struct reader *reader, bool off);
/*
 * A use ends, unless the program @keeps the card: other processes are told what has
 * changed. If no other slot is used, the lease is idle then, or given back where others
 * have waited long enough.
 */
void lease_leave(struct slot *slot, bool keeps);
/* When others that want it have to have it, see policies.def. Under the lock. */
int64_t lease_due(const struct reader *reader);
/* Takes no turn. Do other processes still wait for the lease, and is its time over? */
bool lease_is_wanted(struct reader *reader);
/* An answer's length. @raw: the command is what the reader takes, whatever that is. */
int lease_transmit(struct slot *slot, const void *command, size_t len,
		   void *answer, size_t size, bool raw);
/* Lets the user enter a PIN at the reader: as lease_transmit(), -ECANCELED, -ETIME. */
int lease_secure(struct slot *slot, const void *pin, size_t len,
		 void *answer, size_t size, int timeout_ms);
/* A command for the reader itself. */
int lease_escape(struct slot *slot, const void *command, size_t len,
		 void *answer, size_t size);
/* As tokmux_card_apdu_max(). */
int lease_apdu_max(struct slot *slot);
/*
 * Looks what is in the slot. If another process has the reader, the slot is what the
 * note of that process says. If there is no note, what was known is left as it is; where
 * nothing was known, the reader is waited for, for a moment.
 */
void lease_look(struct slot *slot);
/* With the turn and the lock, which is given up meanwhile: looks, passes the turn. */
void lease_look_and_pass(struct slot *slot);

/*
 * For the keeper, without a turn: takes in what the reader has told, and asks it where
 * it has, or in order to be @sure. False if a program talks to a card right now.
 */
bool lease_listen(struct reader *reader, bool sure);

/*
 * One more connection that isn't exclusive, and one less. The first of them opens the
 * session by which other processes know of this one, and the last one closes the session.
 */
int lease_share(struct reader *reader);
void lease_unshare(struct reader *reader);
/*
 * After the event that an eject has ended the session. If the event is old, the session is
 * a newer one, and ends here. There is another one with the next lease. Under the lock.
 */
void lease_close_session(struct reader *reader);

/* What the kernel knows of other processes on the token. */
struct lease_others {
	unsigned int sessions;	/* of all processes, this one included */
	unsigned int waiters;	/* requests for the lease */
	bool held;		/* by another process */
};
int lease_others(struct reader *reader, struct lease_others *others);

#endif /* TOKMUX_PCSC_LEASE_H */
