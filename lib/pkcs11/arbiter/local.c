// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * local: the arbiter for the callers of this process
 *
 * R1 (exclusion), R5 (session ids) and R6 (user and security officer exclude
 * each other) as the kernel keeps them, among the callers of one process. It
 * keeps no other process away: that takes the kernel.
 */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "arbiter/arbiter.h"
#include "arbiter/queue.h"
#include "log.h"

struct arbiter_party {
	struct arbiter_token *token;
	atomic_uint sessions;
	unsigned int *login;	/* the counter of the token that counts it */
};

static int local_party_open(struct arbiter_token *token,
			    struct arbiter_party **party)
{
	struct arbiter_party *opened;

	if (token->system) {
		log_error("token %s: it has to be the administrator's, and the arbiter local knows none",
			  token->name);
		return -ENXIO;
	}
	opened = calloc(1, sizeof(*opened));
	if (!opened)
		return -ENOMEM;
	opened->token = token;
	*party = opened;
	return 0;
}

static void local_logout(struct arbiter_party *party)
{
	pthread_mutex_lock(&party->token->lock);
	if (party->login)
		--*party->login;
	party->login = NULL;
	pthread_mutex_unlock(&party->token->lock);
}

static void local_party_close(struct arbiter_party *party)
{
	local_logout(party);
	free(party);
}

static bool local_at_once(struct arbiter_party *party, enum arbiter_mode mode)
{
	return arbiter_queue_try(party->token->queue, mode);
}

static int local_acquire(struct arbiter_party *party, enum arbiter_mode mode,
			 int timeout_ms, const struct arbiter_wait *wait,
			 unsigned int *news)
{
	*news = 0;
	return arbiter_queue_acquire(party->token->queue, mode, timeout_ms,
				     wait);
}

/* Leases are taken away by lease.c only. */
static unsigned int local_news(struct arbiter_party *party)
{
	return 0;
}

static void local_release(struct arbiter_party *party, enum arbiter_mode mode)
{
	arbiter_queue_release(party->token->queue, mode);
}

static int local_session_open(struct arbiter_party *party, int timeout_ms,
			      uint32_t *id)
{
	atomic_fetch_add(&party->sessions, 1);
	do
		*id = atomic_fetch_add(&party->token->last_id, 1) + 1;
	while (!*id);
	return 0;
}

static void local_session_close(struct arbiter_party *party, uint32_t id)
{
	if (atomic_fetch_sub(&party->sessions, 1) == 1)
		local_logout(party);
}

static unsigned int *others(struct arbiter_token *token, enum arbiter_user user)
{
	return user == ARBITER_SO ? &token->users : &token->sos;
}

static int local_may_login(struct arbiter_party *party, enum arbiter_user user)
{
	struct arbiter_token *token = party->token;
	bool excluded;

	pthread_mutex_lock(&token->lock);
	excluded = *others(token, user);
	pthread_mutex_unlock(&token->lock);
	return excluded ? -EBUSY : 0;
}

static int local_login(struct arbiter_party *party, enum arbiter_user user)
{
	struct arbiter_token *token = party->token;
	unsigned int *mine = user == ARBITER_SO ? &token->sos : &token->users;
	int r = 0;

	pthread_mutex_lock(&token->lock);
	if (!party->sessions) {
		r = -ENOLINK;
	} else if (party->login) {
		r = -EALREADY;
	} else if (*others(token, user)) {
		r = -EBUSY;
	} else {
		party->login = mine;
		++*mine;
	}
	pthread_mutex_unlock(&token->lock);
	return r;
}

static void local_forked(void)
{
}

const struct arbiter_ops arbiter_local = {
	.name		= "local",
	.alone		= true,
	.party_open	= local_party_open,
	.party_close	= local_party_close,
	.at_once	= local_at_once,
	.acquire	= local_acquire,
	.release	= local_release,
	.news		= local_news,
	.session_open	= local_session_open,
	.session_close	= local_session_close,
	.may_login	= local_may_login,
	.login		= local_login,
	.logout		= local_logout,
	.forked		= local_forked,
};
