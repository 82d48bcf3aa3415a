/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef TOKMUX_OBJECT_H
#define TOKMUX_OBJECT_H

#include <pthread.h>
#include <stdatomic.h>
#include "p11.h"

struct known;

enum object_flags {
	OBJECT_PRIVATE	= 1 << 0, /* CKA_PRIVATE: needs the user's login */
	OBJECT_SESSION	= 1 << 1, /* not on the token */
	OBJECT_KEY	= 1 << 2, /* a private key */
	OBJECT_ASKS	= 1 << 3, /* the token asked a login for its use */
};

/* What a caller knows of an object. */
struct object_view {
	CK_OBJECT_HANDLE handle;	/* the backend's */
	unsigned int flags;
	unsigned long login;		/* that a private one was given to */
};

/*
 * What a thread has found last, of the objects that a caller knows. It holds while
 * @object_changes is what it was before: that counts whenever a caller comes to know
 * something else of an object than before, or nothing any more. So a thread that finds
 * the same key again and again takes no lock for it.
 *
 * @busy: this thread is just looking here. A signal's handler that calls us in the
 * middle of that keeps away.
 */
struct object_last {
	bool busy;
	const struct known *known;
	struct object_view view;
	unsigned long changes;
};

extern __thread struct object_last object_last
	__attribute__((visibility("hidden")));
extern atomic_ulong object_changes __attribute__((visibility("hidden")));

struct object;

/*
 * The backend's handles up to here are its callers' handles, too. For an object with a
 * higher one they get a number above this, so that theirs are positive in an int.
 */
#define OBJECT_PLAIN	0x3ffffffful

/* Open addressing; a power of two entries. */
struct object_table {
	struct object_entry *entries;
	size_t size;
	size_t used;
};

/* The objects of a slot that any caller knows. */
struct objects {
	pthread_mutex_t lock;
	struct object_table table;
	struct object_table names;	/* by those above OBJECT_PLAIN */
	unsigned long last_name;
	atomic_size_t made;		/* session objects among them */
};

/* The objects that one caller may name on one slot. */
struct known {
	struct objects *all;		/* of the slot; its lock comes last */
	pthread_mutex_t lock;
	struct object_table table;
	atomic_size_t made;		/* session objects among them */
	struct object *private;		/* private session objects */
	unsigned long ended;		/* the last login that is over */
	bool closed;			/* nothing comes to it any more */
};

/* A session of the backend's, and the session objects that go with it. */
struct made {
	atomic_ulong session;
	atomic_bool used;		/* there was ever anything below */
	struct object *objects;

	/* of a caller's session: the backend's sessions that came before */
	struct made *older;
	size_t older_count;
	size_t due;			/* to look which have no objects left */
};

void objects_init(struct objects *objects);
void objects_destroy(struct objects *objects);
CK_OBJECT_HANDLE objects_name(struct objects *objects, CK_OBJECT_HANDLE handle);
CK_OBJECT_HANDLE objects_named(struct objects *objects, CK_OBJECT_HANDLE name);
bool objects_is_session_object(struct objects *objects,
			       CK_OBJECT_HANDLE handle);

void known_init(struct known *known, struct objects *all);
void known_destroy(struct known *known);
CK_RV known_add(struct known *known, const struct object_view *view,
		struct made *made, CK_SESSION_HANDLE session);
bool known_find_slow(struct known *known, CK_OBJECT_HANDLE handle,
		     struct object_view *view);
void known_asks_login(struct known *known, CK_OBJECT_HANDLE handle);
void known_forget(struct known *known, CK_OBJECT_HANDLE handle);
void known_forget_all(struct known *known, bool close);

void known_end_login(struct known *known, unsigned long login,
		     struct object **left);
bool known_take_left(struct known *known, struct object **left,
		     CK_OBJECT_HANDLE *handle);

void known_renew(struct known *known, struct made *made, struct made *old,
		 CK_SESSION_HANDLE fresh);
struct made *known_take_older(struct known *known, struct made *made,
			      bool all);
void known_forget_made_slow(struct known *known, struct made *made);

/*
 * All of @view but the handle. Whether the login of a private one is the current one
 * is for the calling function to see.
 *
 * Inline, as it is on the way of most calls with a key: most look for the object that
 * their thread has found last, and nothing has changed since.
 */
static inline bool known_find(struct known *known, CK_OBJECT_HANDLE handle,
			      struct object_view *view)
{
	struct object_last *last = &object_last;
	bool found;

	if (last->busy)
		return known_find_slow(known, handle, view);
	last->busy = true;
	atomic_signal_fence(memory_order_seq_cst);
	found = last->known == known && last->view.handle == handle &&
		last->changes == atomic_load_explicit(&object_changes,
						      memory_order_acquire);
	if (found) {
		view->flags = last->view.flags;
		view->login = last->view.login;
	}
	atomic_signal_fence(memory_order_seq_cst);
	last->busy = false;
	return found || known_find_slow(known, handle, view);
}

/* Are there session objects on the slot, and none of this caller's? */
static inline bool known_only_others_made(const struct known *known)
{
	return atomic_load(&known->all->made) && !atomic_load(&known->made);
}

/* The session is closed, and what was made in it is gone. Most make nothing. */
static inline void known_forget_made(struct known *known, struct made *made)
{
	if (atomic_load_explicit(&made->used, memory_order_acquire))
		known_forget_made_slow(known, made);
}

#endif /* TOKMUX_OBJECT_H */
