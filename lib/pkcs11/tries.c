// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * tries: wrong PINs, and how long their answer takes (R12)
 *
 * The answer to a wrong PIN comes late: after 100 ms, then twice as long each time.
 * The wrong PINs of all callers on a token count together, in all processes of the
 * user. Their answers come one after the other. So it doesn't help to try in several
 * threads, callers or processes. A right PIN is answered at once, so nobody waits
 * for what others have tried.
 *
 * A caller's next PIN isn't looked at before its last wrong one was answered. Else
 * another thread of it would know a right PIN by the time that it takes.
 */
#include <errno.h>
#include <time.h>

#include "now.h"
#include "tries.h"

#define FIRST_DELAY_MS	100
#define MAX_DELAY_MS	5000
#define DOUBLINGS	6	/* then it is more than that */

/* Nobody waits for longer than this, however many have shown wrong PINs. */
#define MAX_WAIT_MS	30000

/* Without a wrong PIN for so long, the count begins anew. */
#define QUIET_MS	60000

/* Return: when the last wrong PIN of this caller is answered, or in the past. */
int64_t tries_due_ms(const struct tries *tries)
{
	return atomic_load(&tries->answer_ms);
}

/*
 * Sleeps until then. The thread has no lease, turn, lock or session meanwhile, so
 * no other thread waits for it, nor does C_Finalize.
 */
void tries_wait(int64_t until_ms)
{
	struct timespec until = {
		.tv_sec = until_ms / 1000,
		.tv_nsec = until_ms % 1000 * 1000000,
	};

	if (until_ms <= now_ms())
		return;
	/* A signal handler that returns shortens no wait. */
	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL) ==
	       EINTR)
		;
}

/* A right PIN makes up for this caller's wrong ones for it, and for nobody else's. */
static void forgive(struct tries *tries, struct record *record,
		    enum tried tried)
{
	unsigned int mine = atomic_exchange(&tries->wrong[tried], 0);
	unsigned int all = atomic_load(&record->wrong);

	while (mine && !atomic_compare_exchange_weak(&record->wrong, &all,
						     all > mine ? all - mine : 0))
		;
}

/* Return: how many wrong ones came before this one. */
static unsigned int add(struct tries *tries, struct record *record,
			enum tried tried, unsigned int now)
{
	unsigned int last = atomic_exchange(&record->last_ms, now);

	if (now - last > QUIET_MS)
		atomic_store(&record->wrong, 0);
	atomic_fetch_add(&tries->wrong[tried], 1);
	return atomic_fetch_add(&record->wrong, 1);
}

/* In line behind the other answers. Return: how long that is from now. */
static unsigned int line_up(struct record *record, unsigned int now,
			    unsigned int delay)
{
	unsigned int last = atomic_load(&record->answer_ms);
	unsigned int wait;

	do {
		/* In the past, or from before the computer was started? */
		wait = last - now > MAX_WAIT_MS ? delay : last - now + delay;
		if (wait > MAX_WAIT_MS)
			wait = MAX_WAIT_MS;
	} while (!atomic_compare_exchange_weak(&record->answer_ms, &last,
					       now + wait));
	return wait;
}

/**
 * tries_count() - a PIN was shown
 * @tries: of the caller
 * @record: of the token
 * @tried: whose PIN it should have been
 * @rv: the result
 *
 * Return: when the result may be told, for tries_wait().
 */
int64_t tries_count(struct tries *tries, struct record *record,
		    enum tried tried, CK_RV rv)
{
	int64_t now = now_ms();
	unsigned int before, delay;

	if (rv == CKR_OK)
		forgive(tries, record, tried);
	if (rv != CKR_PIN_INCORRECT)
		return now;
	before = add(tries, record, tried, (unsigned int)now);
	delay = before < DOUBLINGS ? FIRST_DELAY_MS << before : MAX_DELAY_MS;
	now += line_up(record, (unsigned int)now, delay);
	atomic_store(&tries->answer_ms, now);
	return now;
}
