/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A finding of tokmux check: one thing that was looked at, and the verdict on it.
 */
#ifndef TOKMUX_TOOL_FINDING_H
#define TOKMUX_TOOL_FINDING_H

#include "view.h"

enum verdict { GOOD, WARNING, BAD };

struct findings;

/* NULL where the options are wrong, and *status says how tokmux ends. */
struct findings *findings_new(const struct view_options *options, int *status);

/*
 * Prints one finding, or keeps it for the table that the options ask for.
 *
 * @what: what was looked at, of the same name each time
 * @advice: what to do, or NULL
 */
void finding(struct findings *findings, const char *what, enum verdict verdict,
	     const char *advice, const char *format, ...)
	__attribute__((format(printf, 5, 6)));

/* Prints what was kept, frees @findings and returns tokmux' exit status. */
int findings_end(struct findings *findings);

#endif /* TOKMUX_TOOL_FINDING_H */
