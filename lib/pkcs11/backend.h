/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef TOKMUX_BACKEND_H
#define TOKMUX_BACKEND_H

#include <pthread.h>
#include "arbiter.h"
#include "config.h"
#include "p11.h"
#include "site.h"

struct backend {
	const struct config_backend *config;
	const struct arbiter_ops *arbiter;
	void *object;
	const CK_FUNCTION_LIST_3_2 *list;
	CK_FUNCTION_LIST_3_2 functions;	/* what it has; else NULL */
	bool finalize;		/* initialized by us, so finalized by us */
	bool serialize;		/* it cannot lock: one call at a time */
	pthread_mutex_t serial;
};

/* A lease on what all processes share of a backend, beside its tokens. */
struct backend_lease {
	enum arbiter_mode mode;
	struct arbiter_token *token;
	struct arbiter_party *party;	/* NULL: none is held */
};

CK_RV backend_load(const struct config_backend *config,
		   const struct arbiter_ops *arbiter, struct backend **backend);
void backend_lease_take(const struct backend *backend, enum arbiter_mode mode,
			struct backend_lease *lease);
void backend_lease_give(const struct backend *backend,
			struct backend_lease *lease);
CK_RV backend_initialize(struct backend *backend, CK_FLAGS flags, bool forked);
void backend_free(struct backend *backend);

static inline void backend_enter(struct backend *backend)
{
	if (backend->serialize)
		pthread_mutex_lock(&backend->serial);
}

static inline void backend_leave(struct backend *backend)
{
	if (backend->serialize)
		pthread_mutex_unlock(&backend->serial);
}

/**
 * BACKEND() - call one function of a backend
 * @of: which
 * @function: the name, as in C_Sign; what the backend leaves out is
 *	CKR_FUNCTION_NOT_SUPPORTED
 *
 * The only way from here into a backend once it is initialized.
 */
#define BACKEND(of, function, ...) ({				\
	struct backend *b_ = (of);						\
	CK_RV rv_ = CKR_FUNCTION_NOT_SUPPORTED;				\
									\
	if (b_->list->function) {					\
		struct site_before site_;				\
									\
		backend_enter(b_);					\
		site_ = site_enter(b_->config->name, #function);	\
		rv_ = b_->list->function(__VA_ARGS__);			\
		site_leave(&site_);					\
		backend_leave(b_);					\
	}								\
	rv_;								\
})

#endif /* TOKMUX_BACKEND_H */
