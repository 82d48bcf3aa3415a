/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef TOKMUX_SEAT_H
#define TOKMUX_SEAT_H

#include <stdatomic.h>
#include "arbiter/arbiter.h"
#include "keep.h"
#include "object.h"
#include "p11.h"
#include "slot.h"
#include "tries.h"

struct session;

/*
 * A caller's place on a slot: what R11 and R12 keep apart. Made with the caller's
 * first session there, gone when the caller has left and its last session is
 * closed.
 */
struct seat {
	/* the slot's list; @at: what points here */
	struct seat *next, **at;
	/* the caller's seats there: before an abandoned one, a later one */
	struct seat *older, **older_at;
	struct slot *slot;
	unsigned int caller;		/* NOBODY: for calls about the slot */
	struct arbiter_token *token;
	struct arbiter_party *party;
	enum lease_kind lease;
	enum arbiter_mode mode;		/* of a call's lease */
	struct arbiter_queue *shares;	/* if a shared turn is all of it, or NULL */
	bool one_login;			/* login = process */
	bool operations;		/* lease = operation: they keep the lease */
	struct identity identity;	/* of the token that the seat is at */

	/* The first and the last one under the slot's lock. */
	atomic_uint references;

	/* under the slot's lock */
	bool abandoned;			/* the caller left, or the token */
	atomic_bool gone;		/* the token, and the backend's sessions */
	struct session *sessions;
	unsigned int open;		/* how many sessions */
	unsigned int read_only;		/* of them */
	enum login coming;		/* while a PIN is checked */

	atomic_int login;		/* enum login, see seat_login() */
	atomic_ulong login_id;		/* which login, counting up */
	atomic_uint login_ends;		/* how often it was ended, or there was none */
	struct keep keep;
	atomic_uint ejects;		/* sessions opened before the last are dead */
	struct known known;
	struct tries tries;
	struct record *record;		/* of the token that the seat is at */
};

/* without the slot's lock */
CK_RV seat_get(struct slot *slot, unsigned int caller, struct seat **seat);
void seat_put(struct seat *seat);
bool slot_has_sessions(struct slot *slot, const struct seat *except);
void slot_leave(struct slot *slot);

/* with the slot's lock */
struct seat *seat_first(const struct slot *slot, unsigned int caller);
void seat_abandon(struct seat *seat);

/* with any locks but a pin's */
bool seat_end_login(struct seat *seat, struct object **left);
void seat_lose_login(struct seat *seat);

/* What the caller is logged in as here, whatever the backend is. */
static inline enum login seat_login(const struct seat *seat)
{
	return (enum login)atomic_load(&seat->login);
}

#endif /* TOKMUX_SEAT_H */
