// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * What becomes of it all when the process forks or ends.
 */
#include "context.h"
#include "keeper.h"
#include "lease.h"
#include "readers.h"

static void before_fork(void)
{
	lock();
}

static void after_fork_in_parent(void)
{
	unlock();
}

/*
 * The kernel refuses the child all that is the parent's (R3). So the child has
 * no contexts, as with pcsc-lite, and may establish its own.
 */
static void after_fork_in_child(void)
{
	contexts_after_fork();
	readers_after_fork();
	keeper_after_fork();
	lock_after_fork();
}

static void __attribute__((constructor)) process_begins(void)
{
	pthread_atfork(before_fork, after_fork_in_parent, after_fork_in_child);
}

/*
 * A program that exits without releasing its contexts was not killed: its cards
 * are left in order, and the next holder isn't told of an accident (R2).
 */
static void __attribute__((destructor)) process_ends(void)
{
	struct reader *reader;

	/* Not for ever: exit() in a signal handler may have interrupted the lock's owner. */
	if (!lock_within_a_second())
		return;
	/* Without a context the keeper would free the readers after the last lease. */
	keeper_serve(1);
	for (reader = readers_first(); reader; reader = reader->next) {
		if (!reader->held || !reader_try(reader))
			continue;
		unlock();
		lease_give_back(reader, false);
		lock();
		reader_pass(reader);
	}
	unlock();
}
