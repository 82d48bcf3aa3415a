/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef TOKMUX_BACKEND_H
#define TOKMUX_BACKEND_H

#include <pthread.h>
#include <stdatomic.h>
#include "arbiter/arbiter.h"
#include "cancel.h"
#include "config.h"
#include "p11.h"
#include "quiesce.h"
#include "site.h"
#include "turn.h"

struct backend {
	const char *name;		/* as it is configured */
	const struct config_backend *config;
	const struct arbiter_ops *arbiter;
	void *object;
	CK_FUNCTION_LIST_3_2 functions;	/* what it has; else NULL */
	bool finalize;		/* initialized by us, so finalized by us */
	bool guarded;		/* it can't lock, or is remote: see backend_guard() */
	bool serialize;		/* it cannot lock: one call at a time */
	CK_FLAGS flags;		/* it was initialized with */
	atomic_bool shares;	/* shared leases are taken for its tokens */
	struct {
		int (*set_mark)(void);
		int (*pop_to_mark)(void);
	} openssl;		/* that it shares with the program; NULL: with none */
	struct turn serial;
	struct turn listing;	/* its slots */
	struct turn events;	/* asking for them */
	struct turn anew;	/* it is begun anew */
};

/* A lease on what all processes share of a backend, beside its tokens. */
struct backend_lease {
	enum arbiter_mode mode;
	struct arbiter_token *token;
	struct arbiter_party *party;	/* NULL: none is held */
};

CK_RV backend_load(const struct config_backend *config,
		   struct backend **backend);
void backend_lease_take(const struct backend *backend, enum arbiter_mode mode,
			struct backend_lease *lease);
void backend_lease_give(const struct backend *backend,
			struct backend_lease *lease);
CK_RV backend_initialize(struct backend *backend, CK_FLAGS flags, bool forked);
CK_RV backend_begin_anew(struct backend *backend);
void backend_abandon(struct backend *backend);
void backend_free(struct backend *backend);

/* By default; and a turn isn't had for less than that, as hashes take time. */
#define BACKEND_WAIT_MS		30000	/* as config.c has it */
#define BACKEND_TURN_MS		1000

int backend_wait_ms(const struct config_backend *config);
CK_RV backend_turn(const struct backend *backend, struct turn *turn);
void backend_name_hung(const struct backend *backend);
void backend_cancelled(void *backend);

CK_RV backend_guard(struct backend *backend);
void backend_unguard(struct backend *backend);

EACH_CALL CK_RV backend_enter(struct backend *backend)
{
	return backend->guarded ? backend_guard(backend) : CKR_OK;
}

EACH_CALL void backend_leave(struct backend *backend)
{
	if (backend->guarded)
		backend_unguard(backend);
}

/**
 * BACKEND() - call one function of a backend
 * @of: which
 * @function: the name, as in C_Sign; what the backend leaves out is
 *	CKR_FUNCTION_NOT_SUPPORTED; one that is in use and can't lock for longer
 *	than its wait, or that is about to be destroyed as the process exits,
 *	CKR_FUNCTION_FAILED
 *
 * The only way from here into a backend once it is initialized.
 */
#define BACKEND(of, function, ...) ({				\
	struct backend *b_ = (of);						\
	CK_RV rv_ = CKR_FUNCTION_NOT_SUPPORTED;				\
									\
	if (b_->functions.function)					\
		rv_ = backend_enter(b_);				\
	if (b_->functions.function && rv_ == CKR_OK) {			\
		struct site *site_ = site_of_thread();			\
									\
		site_enter(site_, b_->name, #function);		\
		rv_ = quiesce_passes(site_) ?				\
			CANCEL_UNDOES(backend_cancelled, b_,		\
				      b_->functions.function(__VA_ARGS__)) : \
			CKR_FUNCTION_FAILED;				\
		site_leave(site_);					\
		backend_leave(b_);					\
	}								\
	rv_;								\
})

#endif /* TOKMUX_BACKEND_H */
