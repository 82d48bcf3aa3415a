// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * arbiter_local: who may use a token, decided within this process
 *
 * R1 (first come first served, a later shared request never overtakes a
 * waiting exclusive one), R5 (session ids) and R6 (user and security officer
 * exclude each other) as the kernel keeps them, among the callers of one
 * process. It keeps no other process away: that takes the kernel.
 */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

#include "arbiter.h"

/* ---- the queue ------------------------------------------------------------ */

/*
 * All of the state is one word, so that a lease costs one atomic operation
 * while nobody waits. Once somebody does, QUEUED is set: then the word grows
 * under the lock only, and whoever shrinks it looks after the queue.
 */
#define HELD_EXCLUSIVE	(1u << 31)
#define QUEUED		(1u << 30)
#define SHARERS		(QUEUED - 1)

struct waiter {
	struct waiter *next;
	enum arbiter_mode mode;
	bool granted;
	pthread_cond_t wake;
};

struct arbiter_queue {
	atomic_uint word;
	pthread_mutex_t lock;
	struct waiter *first;
	struct waiter **last;
};

struct arbiter_queue *arbiter_queue_new(void)
{
	struct arbiter_queue *queue = calloc(1, sizeof(*queue));

	if (!queue)
		return NULL;
	pthread_mutex_init(&queue->lock, NULL);
	queue->last = &queue->first;
	return queue;
}

void arbiter_queue_free(struct arbiter_queue *queue)
{
	if (!queue)
		return;
	pthread_mutex_destroy(&queue->lock);
	free(queue);
}

/* With QUEUED set and the lock held nobody else grants, others may release. */
static bool grant(struct arbiter_queue *queue, enum arbiter_mode mode)
{
	unsigned int word = atomic_load(&queue->word);

	if (word & HELD_EXCLUSIVE)
		return false;
	if (mode == ARBITER_SHARED) {
		atomic_fetch_add(&queue->word, 1);
		return true;
	}
	if (word & SHARERS)
		return false;
	atomic_fetch_or(&queue->word, HELD_EXCLUSIVE);
	return true;
}

/* Called with the lock held. */
static void serve(struct arbiter_queue *queue)
{
	struct waiter *waiter;

	while ((waiter = queue->first) && grant(queue, waiter->mode)) {
		queue->first = waiter->next;
		if (!queue->first)
			queue->last = &queue->first;
		waiter->granted = true;
		pthread_cond_signal(&waiter->wake);
	}
	if (!queue->first)
		atomic_fetch_and(&queue->word, ~QUEUED);
}

static void leave_queue(struct arbiter_queue *queue, struct waiter *waiter)
{
	struct waiter **at = &queue->first;

	while (*at != waiter)
		at = &(*at)->next;
	*at = waiter->next;
	if (!*at)
		queue->last = at;
}

static int acquire_slow(struct arbiter_queue *queue, enum arbiter_mode mode,
			int timeout_ms)
{
	struct waiter waiter = { .mode = mode };
	pthread_condattr_t attr;
	struct timespec until;
	int r = 0;

	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&waiter.wake, &attr);
	pthread_condattr_destroy(&attr);
	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += timeout_ms / 1000;
	until.tv_nsec += timeout_ms % 1000 * 1000000L;
	if (until.tv_nsec >= 1000000000L) {
		until.tv_sec++;
		until.tv_nsec -= 1000000000L;
	}

	pthread_mutex_lock(&queue->lock);
	atomic_fetch_or(&queue->word, QUEUED);
	*queue->last = &waiter;
	queue->last = &waiter.next;
	serve(queue);
	while (!waiter.granted && r != ETIMEDOUT)
		r = timeout_ms ? pthread_cond_timedwait(&waiter.wake,
							&queue->lock, &until) :
				 ETIMEDOUT;
	if (!waiter.granted) {
		leave_queue(queue, &waiter);
		serve(queue);
	}
	pthread_mutex_unlock(&queue->lock);
	pthread_cond_destroy(&waiter.wake);

	if (waiter.granted)
		return 0;
	return timeout_ms ? -ETIMEDOUT : -EAGAIN;
}

int arbiter_queue_acquire(struct arbiter_queue *queue, enum arbiter_mode mode,
			  int timeout_ms)
{
	unsigned int word = atomic_load_explicit(&queue->word,
						 memory_order_relaxed);
	unsigned int wanted;

	do {
		if (word & (HELD_EXCLUSIVE | QUEUED) ||
		    (mode == ARBITER_EXCLUSIVE && word))
			return acquire_slow(queue, mode, timeout_ms);
		wanted = mode == ARBITER_SHARED ? word + 1 : HELD_EXCLUSIVE;
	} while (!atomic_compare_exchange_weak(&queue->word, &word, wanted));
	return 0;
}

void arbiter_queue_release(struct arbiter_queue *queue, enum arbiter_mode mode)
{
	unsigned int before;

	if (mode == ARBITER_SHARED)
		before = atomic_fetch_sub(&queue->word, 1);
	else
		before = atomic_fetch_and(&queue->word, ~HELD_EXCLUSIVE);
	if (before & QUEUED) {
		pthread_mutex_lock(&queue->lock);
		serve(queue);
		pthread_mutex_unlock(&queue->lock);
	}
}

/* ---- tokens and parties ----------------------------------------------------- */

struct arbiter_token {
	struct arbiter_queue *queue;
	pthread_mutex_t lock;
	uint32_t last_id;
	unsigned int users;
	unsigned int sos;
};

struct arbiter_party {
	struct arbiter_token *token;
	unsigned int sessions;
	unsigned int *login;	/* the counter of the token that counts it */
};

static int local_token_open(const char *name, enum unclean_policy policy,
			    struct arbiter_token **token)
{
	struct arbiter_token *opened = calloc(1, sizeof(*opened));

	if (!opened)
		return -ENOMEM;
	opened->queue = arbiter_queue_new();
	if (!opened->queue) {
		free(opened);
		return -ENOMEM;
	}
	pthread_mutex_init(&opened->lock, NULL);
	*token = opened;
	return 0;
}

static void local_token_close(struct arbiter_token *token)
{
	arbiter_queue_free(token->queue);
	pthread_mutex_destroy(&token->lock);
	free(token);
}

static int local_party_open(struct arbiter_token *token,
			    struct arbiter_party **party)
{
	struct arbiter_party *opened = calloc(1, sizeof(*opened));

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

static int local_acquire(struct arbiter_party *party, enum arbiter_mode mode,
			 int timeout_ms, unsigned int *news)
{
	*news = 0;
	return arbiter_queue_acquire(party->token->queue, mode, timeout_ms);
}

static void local_release(struct arbiter_party *party, enum arbiter_mode mode)
{
	arbiter_queue_release(party->token->queue, mode);
}

static int local_session_open(struct arbiter_party *party, int timeout_ms,
			      uint32_t *id)
{
	pthread_mutex_lock(&party->token->lock);
	party->sessions++;
	do
		*id = ++party->token->last_id;
	while (!*id);
	pthread_mutex_unlock(&party->token->lock);
	return 0;
}

static void local_session_close(struct arbiter_party *party, uint32_t id)
{
	bool last;

	pthread_mutex_lock(&party->token->lock);
	last = !--party->sessions;
	pthread_mutex_unlock(&party->token->lock);
	if (last)
		local_logout(party);
}

static int local_login(struct arbiter_party *party, enum arbiter_user user)
{
	struct arbiter_token *token = party->token;
	unsigned int *mine = user == ARBITER_SO ? &token->sos : &token->users;
	unsigned int *other = user == ARBITER_SO ? &token->users : &token->sos;
	int r = 0;

	pthread_mutex_lock(&token->lock);
	if (!party->sessions) {
		r = -ENOLINK;
	} else if (party->login) {
		r = -EALREADY;
	} else if (*other) {
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
	.token_open	= local_token_open,
	.token_close	= local_token_close,
	.party_open	= local_party_open,
	.party_close	= local_party_close,
	.acquire	= local_acquire,
	.release	= local_release,
	.session_open	= local_session_open,
	.session_close	= local_session_close,
	.login		= local_login,
	.logout		= local_logout,
	.forked		= local_forked,
};
