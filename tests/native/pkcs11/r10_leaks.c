// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * R10: coming and going costs nothing. Without the harness, so that a leak
 * checker has its say at exit, and all in one process.
 */
#include <malloc.h>
#include <stdint.h>
#include "world.h"

#define MOST	4096	/* in ten rounds */

static int round_of(CK_FUNCTION_LIST *a, CK_FUNCTION_LIST *b)
{
	CK_SESSION_HANDLE sessions[4], other;
	CK_OBJECT_HANDLE key, data;
	int i;

	if (a->C_Initialize(NULL) || b->C_Initialize(NULL))
		return 1;
	for (i = 0; i < 4; i++)
		if (open_rw(a, &sessions[i]))
			return 2;
	if (open_rw(b, &other) || login(a, sessions[0]) || login(b, other))
		return 3;
	if (find(a, sessions[1], CKO_PRIVATE_KEY, "key", &key) != 1)
		return 4;
	if (sign(a, sessions[2], key))
		return 5;
	if (make_data(a, sessions[3], "session", false, true, &data))
		return 6;
	if (a->C_CloseSession(sessions[3]) || a->C_Logout(sessions[0]))
		return 7;
	if (a->C_Finalize(NULL) || b->C_Finalize(NULL))
		return 8;
	return 0;
}

int main(void)
{
	size_t before, after, growth, least = SIZE_MAX;
	CK_FUNCTION_LIST *a, *b;
	int i, j, r = 0;

	printf("TAP version 13\n1..2\n");
	if (!world_begin())
		return 1;
	a = CALLER_A;
	b = CALLER_B;
	/* SoftHSM2 and what it uses fill their caches first. */
	for (i = 0; i < 10 && !r; i++)
		r = round_of(a, b);
	/*
	 * A leak grows in each ten rounds. What SoftHSM2 keeps of freed memory
	 * comes and goes by some kilobytes: ten without are enough.
	 */
	for (i = 0; i < 10 && !r && least > MOST; i++) {
		before = mallinfo2().uordblks;
		for (j = 0; j < 10 && !r; j++)
			r = round_of(a, b);
		after = mallinfo2().uordblks;
		growth = after > before ? after - before : 0;
		least = growth < least ? growth : least;
	}
	printf("%sok 1 rounds of two callers\n", r ? "not " : "");
	if (r)
		printf("# step %d\n", r);
	/* A sanitizer's malloc doesn't say; its leak checker does. */
	printf("%sok 2 the heap doesn't grow\n", least > MOST ? "not " : "");
	printf("# by %zu bytes in ten rounds\n", least);
	world_end();
	return r || least > MOST;
}
