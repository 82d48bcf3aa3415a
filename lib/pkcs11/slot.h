/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef TOKMUX_SLOT_H
#define TOKMUX_SLOT_H

#include <pthread.h>
#include <stdatomic.h>
#include "arbiter/arbiter.h"
#include "backend.h"
#include "object.h"
#include "p11.h"
#include "pin.h"
#include "record.h"
#include "turn.h"

struct seat;

enum login {
	LOGIN_NONE,
	LOGIN_USER,
	LOGIN_SO,
};

/* What a token may ask a login for though PKCS#11 doesn't, see asks.c. */
enum asks {
	ASKS_SESSION_OBJECT,		/* to make or change one that is public */
	ASKS_TOKEN_OBJECT,
	ASKS_RANDOM,
	ASKS_SEED,
	ASKS_DIGEST,
	ASKS
};

/* Tells one token from another; C_InitToken doesn't change it. */
struct identity {
	unsigned char manufacturer[32];
	unsigned char model[16];
	unsigned char serial[16];
};

/*
 * One slot of one backend, under an id of ours, see slots.c.
 *
 * LOCK ORDER: a lease, @turn, @lock. No thread asks for a lease while it has @turn
 * or @lock. @seats_lock, then the locks in struct keep, struct known and struct
 * objects, then @pin_lock come last. A thread that has any of these locks calls no backend,
 * which may never return; with @turn it may. See Documentation/pkcs11.rst,
 * "Locks".
 */
struct slot {
	CK_SLOT_ID id;
	CK_SLOT_ID backend_id;
	struct backend *backend;
	size_t number;			/* in struct slots */
	const struct arbiter_ops *arbiter;

	/* To ask for the token's name, to log in or out, to change a PIN. */
	struct turn turn;

	/* Sessions and seats come and go under it. */
	pthread_mutex_t lock;
	struct arbiter_token *token;
	CK_FLAGS token_flags;		/* as they were when @token was opened */
	struct record *record;		/* of its PINs */
	struct identity identity;	/* of the token in it */
	bool removable;			/* the token may be exchanged at any time */
	enum lease_kind lease;		/* of callers that come now */
	atomic_bool suspect;		/* something has happened to the token */
	atomic_bool asks_login[ASKS];
	atomic_uint logins;		/* how many callers are logged in */

	/* changed with @turn, or when the token is gone */
	atomic_int login;		/* enum login: the backend's own */
	atomic_ulong era;		/* counts the changes of @login */
	unsigned long last_login;

	pthread_mutex_t pin_lock;
	struct pin *pin;		/* the user's, while a user is logged in */
	unsigned char *login_name;	/* with C_LoginUser, else NULL */
	CK_ULONG login_name_length;
	unsigned int pin_changes;	/* of @record, before @pin was shown */

	pthread_mutex_t seats_lock;
	struct seat *seats;
	struct seat **of_caller;	/* by number, NOBODY's last; under @lock */
	atomic_uint keepers;		/* seats that keep a lease */

	struct objects objects;

	/* A bit for each caller that hasn't been told of an event yet. */
	atomic_uchar events[MAX_CALLERS / 8];
};

struct slot *slot_new(CK_SLOT_ID id, struct backend *backend,
		      CK_SLOT_ID backend_id);
void slot_free(struct slot *slot);

/* without the slot's turn and lock, which it takes */
CK_RV slot_find_token(struct slot *slot);
void slot_identify(struct identity *identity, const CK_TOKEN_INFO *info);

/* with any locks but a pin's */
void slot_forget_pin(struct slot *slot);

/* How many callers are logged in here. */
static inline unsigned int slot_logins(struct slot *slot)
{
	return atomic_load(&slot->logins);
}

#endif /* TOKMUX_SLOT_H */
