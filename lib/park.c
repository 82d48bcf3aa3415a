// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Parked leases: a lease that is left and used again by a word that the caller
 * shares with the kernel (struct tokmux_park in <linux/tokmux.h>). In a forked
 * child the word says that there is no lease, so the child asks, and is refused.
 */
#include <pthread.h>
#include <sys/mman.h>
#include <unistd.h>
#include "internal.h"

/*
 * gettid() is a system call, so its answer is kept. A forked child has another. Four bytes
 * fit in what a program keeps free for libraries that it loads later.
 */
static __thread pid_t thread __attribute__((tls_model("initial-exec")));

static void forget_thread(void)
{
	thread = 0;
}

__attribute__((constructor)) static void forget_at_fork(void)
{
	pthread_atfork(NULL, NULL, forget_thread);
}

int tokmux_park(struct tokmux_caller *caller)
{
	int saved = errno, ret = 0;
	void *page;

	if (caller->park)
		return 0;
	page = mmap(NULL, (size_t)sysconf(_SC_PAGESIZE), PROT_READ | PROT_WRITE,
		    MAP_SHARED, caller->fd, 0);
	if (page != MAP_FAILED)
		caller->park = page;
	else
		/* A kernel module that is older has no mmap(). */
		ret = errno == ENODEV ? -EOPNOTSUPP : -errno;
	errno = saved;
	return ret;
}

void tokmux_park_unmap(struct tokmux_caller *caller)
{
	if (caller->park)
		munmap(caller->park, (size_t)sysconf(_SC_PAGESIZE));
}

/* Does the word say @before? Then it says @after, if nobody else changes it. */
static bool change(struct tokmux_park *park, uint32_t before, uint32_t after,
		   int order)
{
	uint32_t word = __atomic_load_n(&park->word, __ATOMIC_RELAXED);

	return (word & TOKMUX_PARK_BITS) == before &&
	       __atomic_compare_exchange_n(&park->word, &word,
					   word ^ before ^ after, false, order,
					   __ATOMIC_RELAXED);
}

bool tokmux_park_use(struct tokmux_caller *caller, unsigned int mode,
		     struct tokmux_grant *grant)
{
	struct tokmux_park *park = caller->park;

	if (!park || (mode != TOKMUX_EXCLUSIVE && mode != TOKMUX_SHARED) ||
	    !change(park, mode | TOKMUX_PARK_IDLE, mode, __ATOMIC_ACQUIRE))
		return false;
	if (caller->group) {
		if (!thread)
			thread = gettid();
		__atomic_store_n(&park->thread, (uint32_t)thread,
				 __ATOMIC_RELAXED);
	}
	if (grant)
		*grant = (struct tokmux_grant){ .epoch = park->epoch,
						.flags = park->granted };
	return true;
}

bool tokmux_park_leave(struct tokmux_caller *caller)
{
	struct tokmux_park *park = caller->park;

	return park && (change(park, TOKMUX_EXCLUSIVE,
			       TOKMUX_EXCLUSIVE | TOKMUX_PARK_IDLE,
			       __ATOMIC_RELEASE) ||
			change(park, TOKMUX_SHARED,
			       TOKMUX_SHARED | TOKMUX_PARK_IDLE,
			       __ATOMIC_RELEASE));
}
