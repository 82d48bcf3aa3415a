/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef TOKMUX_ARBITER_H
#define TOKMUX_ARBITER_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include "p11.h"

/* What the configuration asks for. */
enum arbiter_kind {
	ARBITER_AUTO,
	ARBITER_KERNEL,
	ARBITER_LOCAL,
};

/* What to do with a token that its last holder left in an unknown state. */
enum unclean_policy {
	UNCLEAN_MARK,
	UNCLEAN_REFUSE,
};

/*
 * An arbiter decides which caller may use a token. Its functions return 0 or a
 * negative errno as Documentation/uapi.rst has it; arbiter_rv() gives the CKR for
 * it. Timeouts are in milliseconds.
 *
 * A party is one of our callers on one token. Any number of threads may
 * acquire for the same party at once: each has its own lease and releases it.
 *
 * LOCK ORDER: a thread asks for one lease at a time, and never while it holds
 * one. The lease of a backend, backend_lease_take(), is the exception and comes
 * last. The kernel counts a process as one holder but grants in turn: a second
 * request of the same process queues behind another process, which waits for the
 * first one to end. See Documentation/pkcs11.rst, "Locks".
 */
struct arbiter_queue;
struct arbiter_party;

/* Before the name of a token that has to be the administrator's. */
#define ARBITER_SYSTEM		"system:"

/* One token, for as long as a caller of this process uses it. */
struct arbiter_token {
	char name[64];
	bool system;			/* a user token is none */
	enum unclean_policy policy;
	int hold_ms;			/* for a token that has to be made */
	struct arbiter_queue *queue;
	unsigned int references;	/* under the slot's lock */

	/* what the local arbiter counts */
	pthread_mutex_t lock;
	atomic_uint last_id;
	unsigned int users;
	unsigned int sos;
};

enum arbiter_mode {
	ARBITER_EXCLUSIVE,
	ARBITER_SHARED,
};

enum arbiter_user {
	ARBITER_USER,
	ARBITER_SO,
};

/* What a party must know after a grant. */
enum arbiter_news {
	ARBITER_UNCLEAN		= 1 << 0, /* left in an unknown state */
	ARBITER_SESSIONS_ENDED	= 1 << 1, /* an eject closed its sessions */
	ARBITER_LOGIN_ENDED	= 1 << 2, /* an eject ended its login */
	ARBITER_LEASE_LOST	= 1 << 3, /* it was taken: too long, or eject */
};

/* What look() says instead of a time: no lease is needed any more. */
#define ARBITER_COVERED		1

/*
 * While a thread waits: @look is asked, with no lock held, when to ask again,
 * in milliseconds of now_ms(), and after each arbiter_queue_poke().
 */
struct arbiter_wait {
	int64_t (*look)(void *arg);
	void *arg;
};

struct arbiter_ops {
	const char *name;
	bool alone;		/* a turn in the queue is all there is to a lease */

	/* before the first party, and after the last; may be NULL */
	int (*start)(void);
	void (*stop)(void);

	int (*party_open)(struct arbiter_token *token,
			  struct arbiter_party **party);
	void (*party_close)(struct arbiter_party *party);

	/* a lease, if it takes no waiting and no system call; or false */
	bool (*at_once)(struct arbiter_party *party, enum arbiter_mode mode);
	/* 0, ARBITER_COVERED, or a negative errno */
	int (*acquire)(struct arbiter_party *party, enum arbiter_mode mode,
		       int timeout_ms, const struct arbiter_wait *wait,
		       unsigned int *news);
	void (*release)(struct arbiter_party *party, enum arbiter_mode mode);
	/* since the grant, for a lease that is kept; never waits */
	unsigned int (*news)(struct arbiter_party *party);

	int (*session_open)(struct arbiter_party *party, int timeout_ms,
			    uint32_t *id);
	void (*session_close)(struct arbiter_party *party, uint32_t id);

	/* would others' logins refuse it? takes no place, and never waits */
	int (*may_login)(struct arbiter_party *party, enum arbiter_user user);
	int (*login)(struct arbiter_party *party, enum arbiter_user user);
	void (*logout)(struct arbiter_party *party);

	/*
	 * The process exits, and no other thread of it is in a backend, or will be. Any
	 * thread's lease is good for one more call; then all leases end. May be NULL.
	 */
	int (*last_lease)(struct arbiter_party *party, enum arbiter_mode mode,
			  int timeout_ms);
	void (*leave)(struct arbiter_party *party);

	/* in the child after fork: let go of what is the parent's */
	void (*forked)(void);
};

extern const struct arbiter_ops arbiter_local;
extern const struct arbiter_ops arbiter_kernel;

CK_RV arbiter_choose(enum arbiter_kind kind, const struct arbiter_ops **ops);
CK_RV arbiter_rv(int error);

int arbiter_token_open(const char *name, enum unclean_policy policy,
		       int hold_ms, struct arbiter_token **token);
void arbiter_token_put(struct arbiter_token *token);

#endif /* TOKMUX_ARBITER_H */
