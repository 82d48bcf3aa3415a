/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A token's RFC 7512 URI. p11-kit parses it, and its header is one of PKCS#11 as
 * well, which cannot be included beside ours: so nothing of it is in here.
 */
#ifndef TOKMUX_TOKEN_URI_H
#define TOKMUX_TOKEN_URI_H

#include <stdbool.h>

struct token_uri;

/* The members of CK_TOKEN_INFO that a URI can name: blank padded, no NUL. */
struct token_uri_fields {
	unsigned char label[32];
	unsigned char manufacturer[32];
	unsigned char model[16];
	unsigned char serial[16];
};

struct token_uri *token_uri_new(const char *text, const char **reason);
void token_uri_free(struct token_uri *uri);
bool token_uri_matches(const struct token_uri *uri,
		       const struct token_uri_fields *fields);

#endif /* TOKMUX_TOKEN_URI_H */
