// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Deadlines: when a wait of several steps has to end.
 */
#include <time.h>
#include "deadline.h"

int64_t deadline_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int64_t deadline_after(int timeout_ms)
{
	return timeout_ms < 0 ? -1 : deadline_now() + timeout_ms;
}

int deadline_left(int64_t deadline, int most)
{
	int64_t left;

	if (deadline < 0)
		return most;
	left = deadline - deadline_now();
	if (left <= 0)
		return 0;
	return left < most ? (int)left : most;
}
