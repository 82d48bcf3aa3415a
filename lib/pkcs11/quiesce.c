// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * quiesce: no thread is inside a backend for a while (R10)
 *
 * A child of fork() gets a copy of each backend as it is at that moment. exit() runs
 * the backends' destructors. If another thread is inside a backend then, the child
 * finds locks that nobody gives back, and the destructor frees what that thread uses.
 * No backend can help that: it doesn't know of the fork before its child does.
 *
 * So calls that come are held back for a moment, and calls under way are waited for.
 * That takes as long as a call takes, and never longer than QUIESCE_PATIENCE_MS. A
 * call that hangs is named in the log, once, and not waited for by the next fork.
 */
#include <linux/membarrier.h>
#include <pthread.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "now.h"
#include "quiesce.h"
#include "turn.h"

#define LOOK_NS		100000		/* at the calls under way */

/* In quiesce_held. */
#define FOR_GOOD	1u		/* the process exits */
#define GONE		2u		/* the backends' destructors have run */
#define A_THREAD	4u		/* one forks, or begins a backend anew */

/* Written with @lock, and read without it. */
atomic_uint quiesce_held;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;

/* This thread holds the others back, and is not held back itself. */
static __thread bool holds;

/* Each other thread has read @quiesce_held after this, or has its site in memory. */
static void order(void)
{
	static atomic_bool registered;

	if (!atomic_load(&registered) &&
	    !syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0))
		atomic_store(&registered, true);
	if (!atomic_load(&registered) ||
	    syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0))
		__sync_synchronize();
}

/*
 * New calls are held back from here on; waits for those under way. Return: is no
 * other thread inside?
 */
static bool begin(unsigned int why)
{
	const struct timespec look = { .tv_nsec = LOOK_NS };
	int64_t until_ms = now_ms() + QUIESCE_PATIENCE_MS;
	int cancel;

	holds = true;
	pthread_mutex_lock(&lock);
	atomic_fetch_add(&quiesce_held, why);
	pthread_mutex_unlock(&lock);
	order();
	site_watch(NULL);
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel);
	while (site_others(QUIESCE_PATIENCE_MS)) {
		if (now_ms() >= until_ms) {
			site_name_hung(NULL, QUIESCE_PATIENCE_MS / 2);
			break;
		}
		nanosleep(&look, NULL);
	}
	pthread_setcancelstate(cancel, NULL);
	return !site_others(INT64_MAX);
}

/*
 * Before a fork, and before a backend is begun anew. A backend that forks from within a
 * call, to start a program of its own, has that thread inside. No wait would help: others
 * may wait for that call. Return: is no other thread inside?
 */
bool quiesce_begin(void)
{
	return !site_here() && begin(A_THREAD);
}

/* Whatever quiesce_begin() said; after a fork in the parent. */
void quiesce_end(void)
{
	if (!holds)
		return;
	holds = false;
	pthread_mutex_lock(&lock);
	atomic_fetch_sub(&quiesce_held, A_THREAD);
	pthread_cond_broadcast(&changed);
	pthread_mutex_unlock(&lock);
}

/* In the child, where no other thread forks. */
void quiesce_forked(void)
{
	holds = false;
	atomic_store(&quiesce_held, 0);
	pthread_mutex_init(&lock, NULL);
	pthread_cond_init(&changed, NULL);
}

/*
 * The process exits. What this thread still calls in other handlers goes through.
 * Return: may it call a backend? Only the first time, and if it isn't inside one.
 */
bool quiesce_for_good(void)
{
	return !(atomic_load(&quiesce_held) & FOR_GOOD) && begin(FOR_GOOD) &&
	       !site_here();
}

/* Has quiesce_for_good() been called? */
bool quiesce_is_for_good(void)
{
	return atomic_load(&quiesce_held) & FOR_GOOD;
}

/* After the backends' destructors: no thread calls them any more. */
void quiesce_abandon(void)
{
	holds = true;
	atomic_fetch_or(&quiesce_held, FOR_GOOD | GONE);
}

/* Return: false if the process exits. */
static bool wait_until_free(void)
{
	int64_t until_ms = now_ms() + QUIESCE_PATIENCE_MS;
	unsigned int held;
	int cancel;

	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel);
	pthread_mutex_lock(&lock);
	while ((held = atomic_load(&quiesce_held)))
		if (!turn_wait(&changed, &lock, until_ms) && (held & FOR_GOOD))
			break;
	pthread_mutex_unlock(&lock);
	pthread_setcancelstate(cancel, NULL);
	return !held;
}

/* For quiesce_lets_in(). */
bool quiesce_hold(void)
{
	return holds || wait_until_free();
}

/* Does the process exit, by another thread? */
bool quiesce_keeps_out(void)
{
	return quiesce_is_for_good() && !holds;
}

/**
 * quiesce_wait() - the rest of quiesce_passes(): wait while calls are held back
 * @site: the thread's
 *
 * While the thread waits it isn't inside. A process that exits keeps the thread
 * waiting for QUIESCE_PATIENCE_MS: most processes are gone by then, and the program
 * reports no error at its last moment. Not longer, as a destructor may wait for the
 * thread.
 */
bool quiesce_wait(struct site *site)
{
	const char *backend, *function;

	if (holds || site->depth)
		return !(atomic_load(&quiesce_held) & GONE);
	backend = atomic_load(&site->backend);
	function = atomic_load(&site->function);
	do {
		atomic_store(&site->function, NULL);
		if (!wait_until_free())
			return false;
		site_go(site, backend, function);
		__sync_synchronize();
	} while (atomic_load(&quiesce_held));
	return true;
}
