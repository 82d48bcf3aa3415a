/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The words of PKCS#11, as everything here includes them.
 */
#ifndef TOKMUX_P11_H
#define TOKMUX_P11_H

#include <stdbool.h>
#include <stddef.h>
#include "cryptoki.h"

/* Enough for NSS, OpenSSL, GnuTLS, ssh and every plug-in of one process. */
#define MAX_CALLERS	256

/*
 * A function on the way of nearly every call. It is inline, also where a file has so many
 * of these that the compiler would rather not.
 */
#define EACH_CALL	static inline __attribute__((always_inline))

#endif /* TOKMUX_P11_H */
