/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* NSS, for together.c: its headers and p11-kit's don't go together. */
#ifndef TOGETHER_H
#define TOGETHER_H

#include <stdbool.h>

bool nss_begin(const char *library, const char *token);
bool nss_login(const char *pin);	/* and finds a private key */
bool nss_sign(void);
void nss_logout(void);
bool nss_end(void);

#endif /* TOGETHER_H */
