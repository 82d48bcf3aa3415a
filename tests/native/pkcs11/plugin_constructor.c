// SPDX-License-Identifier: LGPL-2.1-or-later
/* A library whose constructor does what the program says, with the loader's lock. */
extern void (*in_constructor)(void) __attribute__((weak));

__attribute__((constructor)) static void construct(void)
{
	if (&in_constructor && in_constructor)
		in_constructor();
}
