// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Parked leases: a lease that is left and used again by a word that the caller
 * shares with the kernel (struct tokmux_park in <linux/tokmux.h>). In a forked
 * child the word says that there is no lease, so the child asks, and is refused.
 */
#include <pthread.h>
#include <sys/mman.h>
#include <unistd.h>
#include "park.h"

/*
 * gettid() is a system call, so its answer is kept. A forked child has another. Four bytes
 * fit in what a program keeps free for libraries that it loads later.
 */
__thread pid_t tokmux_park_thread;

static void forget_thread(void)
{
	tokmux_park_thread = 0;
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
