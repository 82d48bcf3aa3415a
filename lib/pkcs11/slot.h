/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef TOKMUX_SLOT_H
#define TOKMUX_SLOT_H

#include <pthread.h>
#include <stdatomic.h>
#include "arbiter/queue.h"
#include "backend.h"
#include "object.h"
#include "p11.h"
#include "pin.h"
#include "tries.h"
#include "turn.h"

struct lease;
struct session;

enum login {
	LOGIN_NONE,
	LOGIN_USER,
	LOGIN_SO,
};

/* What tells one token from another; C_InitToken doesn't change it. */
struct identity {
	unsigned char manufacturer[32];
	unsigned char model[16];
	unsigned char serial[16];
};

/*
 * One slot of one backend, under an id of ours that stays the same until the
 * last caller leaves.
 *
 * LOCK ORDER: a lease, @turn, @lock; a lease is never asked for by a thread that
 * has one of the others. @seats_lock, then the locks in struct keep and struct
 * objects, then @pin_lock come last. With any but @turn nobody calls the backend,
 * which may never return. See Documentation/pkcs11.rst, "Locks".
 */
struct slot {
	CK_SLOT_ID id;
	CK_SLOT_ID backend_id;
	struct backend *backend;
	const struct arbiter_ops *arbiter;

	/* Who asks for the token's name, logs in or out, changes a PIN. */
	struct turn turn;

	/* Sessions and seats coming and going. */
	pthread_mutex_t lock;
	struct arbiter_token *token;
	CK_FLAGS token_flags;		/* as they were when @token was opened */
	struct identity identity;	/* of the token in it */
	bool removable;			/* it may be exchanged at any time */
	atomic_bool suspect;		/* something has happened to it */
	atomic_uint logins;		/* how many callers are logged in */

	/* with @turn, or when the token is gone */
	atomic_int login;		/* what the backend is logged in as */
	atomic_ulong era;		/* counts up whenever that changes */
	unsigned long last_login;

	pthread_mutex_t pin_lock;
	struct pin *pin;		/* the user's, while logged in */
	unsigned char *login_name;	/* with C_LoginUser, else NULL */
	CK_ULONG login_name_length;
	struct tries *tries;		/* outlives it */
	unsigned long forgotten;	/* how often it was */

	pthread_mutex_t seats_lock;
	struct seat *seats;

	/* Who hasn't been told of an event yet, a bit a caller. */
	atomic_uchar events[MAX_CALLERS / 8];
};

/*
 * An exclusive lease that stays with a seat between calls (R14): while anything
 * is a reason to, and taken from it if it stays too long while others wait.
 */
struct keep {
	pthread_mutex_t lock;
	atomic_bool kept;
	unsigned int reasons;
	unsigned int calls;		/* that it covers at this moment */
	int64_t since_ms;
	atomic_uint lost;		/* how often it was taken */
};

/* One of them: an operation, a session, a security officer's login. */
struct reason {
	bool on;
	unsigned int lost;		/* of the keep when it became one */
};

/*
 * A caller's place on a slot: what R11 and R12 keep apart. Made with its first
 * session there, gone when the caller leaves and its last session is closed.
 */
struct seat {
	struct seat *next;
	struct slot *slot;
	unsigned int caller;		/* NOBODY: for calls about the slot */
	struct arbiter_token *token;
	struct arbiter_party *party;
	enum arbiter_mode mode;		/* of a call's lease */
	struct arbiter_queue *shares;	/* if a shared turn is all of it, or NULL */
	bool operations;		/* keep one: lease = operation */
	struct identity identity;	/* of the token it sits at */

	/* under the slot's lock */
	unsigned int references;
	bool abandoned;			/* the caller left, or the token */
	atomic_bool gone;		/* the token, and the backend's sessions */
	struct session *sessions;
	unsigned int open;		/* how many */
	unsigned int read_only;		/* of them */
	enum login coming;		/* while a PIN is looked at */

	atomic_int login;		/* enum login */
	atomic_ulong login_id;		/* which login, counting up */
	atomic_uint login_ends;		/* how often one was ended, or none */
	struct keep keep;
	struct reason so;		/* until the logout */
	atomic_uint ejects;		/* sessions opened before are dead */
	struct objects objects;
};

struct slot *slot_new(CK_SLOT_ID id, struct backend *backend,
		      CK_SLOT_ID backend_id, const struct arbiter_ops *arbiter);
void slot_free(struct slot *slot);

/* all with the slot's lock held, which seat_get() may let go of meanwhile */
CK_RV seat_get(struct slot *slot, unsigned int caller, struct seat **seat);
struct seat *seat_find(struct slot *slot, unsigned int caller);
void seat_put(struct seat *seat);
void seat_abandon(struct seat *seat);

void slot_forget_object(struct slot *slot, CK_OBJECT_HANDLE handle);
void slot_forget_stale(struct slot *slot, const struct object *object,
		       const struct seat *except);

/* with any locks but a pin's */
bool seat_end_login(struct seat *seat);
void seat_lose_login(struct seat *seat);
void slot_forget_pin(struct slot *slot);

unsigned int slot_logins(struct slot *slot);
bool slot_sessions(struct slot *slot, const struct seat *except);
void slot_token_changed(struct slot *slot);
void slot_token_gone(struct slot *slot);

/* with a lease of the seat's, without the slot's lock */
CK_RV slot_check_token(struct seat *seat, struct lease *lease);
bool slot_is_another(const struct seat *seat, const CK_TOKEN_INFO *info);
void slot_hear_error(struct seat *seat, CK_RV rv, bool locked);

/**
 * slot_hear() - what a call's result tells about the token
 * @seat: whose call it was; its lease is given back
 * @rv: the result
 * @locked: the slot is
 */
static inline void slot_hear(struct seat *seat, CK_RV rv, bool locked)
{
	if (rv != CKR_OK)
		slot_hear_error(seat, rv, locked);
}

/* ---- leases (lease.c) --------------------------------------------------- */

/* What one call holds; given back by whoever took it. */
struct lease {
	bool shared;			/* a turn in the seat's @shares */
	bool held;			/* one of the arbiter's, in @mode */
	bool covered;			/* by the one that its seat keeps */
	unsigned int lost;		/* of the keep when it was */
	enum arbiter_mode mode;
};

void keep_init(struct keep *keep);
void keep_destroy(struct keep *keep);

CK_RV lease_wait(struct seat *seat, struct lease *lease,
		 enum arbiter_mode mode);
void lease_give_back(struct seat *seat, struct lease *lease);
void lease_keep(struct seat *seat, struct lease *lease, struct reason *reason);
void lease_unkeep(struct seat *seat, struct reason *reason);
void lease_end_all(struct seat *seat);
bool lease_lost(struct seat *seat, struct reason *reason);
bool lease_join_keeper(struct slot *slot, struct seat **seat,
		       struct lease *lease);

static inline bool lease_has(const struct lease *lease)
{
	return lease->shared || lease->held || lease->covered;
}

/*
 * A shared lease, where nobody waits or keeps one and no other process is asked:
 * every call's, if it is anybody's. Return: false if it takes more than that.
 */
static inline bool lease_share(struct seat *seat, struct lease *lease)
{
	if (!seat->shares ||
	    atomic_load_explicit(&seat->keep.kept, memory_order_acquire) ||
	    !arbiter_queue_share(seat->shares))
		return false;
	*lease = (struct lease){ .shared = true };
	return true;
}

/* As the backend's configuration says. */
static inline CK_RV lease_take(struct seat *seat, struct lease *lease)
{
	return lease_share(seat, lease) ? CKR_OK :
					  lease_wait(seat, lease, seat->mode);
}

static inline CK_RV lease_take_exclusive(struct seat *seat, struct lease *lease)
{
	return lease_wait(seat, lease, ARBITER_EXCLUSIVE);
}

static inline void lease_give(struct seat *seat, struct lease *lease)
{
	if (lease->shared)
		arbiter_queue_unshare(seat->shares);
	else
		lease_give_back(seat, lease);
	lease->shared = false;
}

#endif /* TOKMUX_SLOT_H */
