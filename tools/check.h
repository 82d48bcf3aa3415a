/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What tokmux check looks at. Each function tells what it found by finding().
 */
#ifndef TOKMUX_TOOL_CHECK_H
#define TOKMUX_TOOL_CHECK_H

#include "finding.h"

void check_kernel(struct findings *findings);		/* check_kernel.c */
void check_udev(struct findings *findings);		/* check_udev.c */
void check_readers(struct findings *findings);		/* check_readers.c */
void check_tokens(struct findings *findings);		/* check_tokens.c */
void check_remote(struct findings *findings);		/* check_remote.c */
void check_pcsc(struct findings *findings);		/* check_pcsc.c */
/* @module: our PKCS#11 module; @seconds: how long it may take to answer */
void check_pkcs11(struct findings *findings, const char *module,
		  unsigned int seconds);

#endif /* TOKMUX_TOOL_CHECK_H */
