/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What tokmux check looks at; each says what it found by finding().
 */
#ifndef TOKMUX_TOOL_CHECK_H
#define TOKMUX_TOOL_CHECK_H

#include "tool.h"

enum verdict { GOOD, WARNING, BAD };

struct findings;

/*
 * @what: what was looked at, of the same name each time
 * @advice: what to do, or NULL
 */
void finding(struct findings *findings, const char *what, enum verdict verdict,
	     const char *advice, const char *format, ...)
	__attribute__((format(printf, 5, 6)));

void check_kernel(struct findings *findings);		/* check_kernel.c */
void check_udev(struct findings *findings);		/* check_udev.c */
void check_readers(struct findings *findings);		/* check_readers.c */
/* @module: our PKCS#11 module */
void check_pkcs11(struct findings *findings, const char *module);

#endif /* TOKMUX_TOOL_CHECK_H */
