// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * R10: coming and going costs nothing. Without the harness, so that a leak
 * checker has its say at exit, and all in one process.
 */
#include <malloc.h>
#include "world.h"

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
	struct mallinfo2 before, after;
	CK_FUNCTION_LIST *a, *b;
	int i, r = 0;

	printf("TAP version 13\n1..2\n");
	if (!world_begin())
		return 1;
	a = CALLER_A;
	b = CALLER_B;
	/* SoftHSM2 and what it uses fill their caches first. */
	for (i = 0; i < 20 && !r; i++)
		r = round_of(a, b);
	before = mallinfo2();
	for (i = 0; i < 10 && !r; i++)
		r = round_of(a, b);
	after = mallinfo2();
	printf("%sok 1 thirty rounds of two callers\n", r ? "not " : "");
	if (r)
		printf("# step %d\n", r);
	/* A sanitizer's malloc doesn't say; its leak checker does. */
	printf("%sok 2 the heap doesn't grow\n",
	       after.uordblks > before.uordblks + 4096 ? "not " : "");
	printf("# %zu, then %zu\n", before.uordblks, after.uordblks);
	world_end();
	return r || after.uordblks > before.uordblks + 4096;
}
