/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * mine: the functions that end, change or tell what a caller has (R9)
 *
 * MINE in functions.def. @caller is the caller's number, or NOBODY where the function
 * was called by its name: then it isn't known whose session it may be.
 */
#ifndef TOKMUX_MINE_H
#define TOKMUX_MINE_H

#include "../p11.h"
#include "arguments.h"

#define F(...)
#define MINE(version, function, first, more, file)			\
	CK_RV own_##function(unsigned int caller, P_##first P_##more);
#include "functions.def"

#endif /* TOKMUX_MINE_H */
