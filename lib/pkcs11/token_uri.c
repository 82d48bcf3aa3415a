// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * token_uri: a token's RFC 7512 URI, parsed by p11-kit (R16)
 *
 * The one file that includes p11-kit's headers. None of those that include
 * cryptoki.h can be included here.
 */
#include <string.h>
#include <p11-kit/uri.h>

#include "token_uri.h"

/* p11-kit's own type under a name that needs none of its headers. */
static P11KitUri *of(const struct token_uri *uri)
{
	return (P11KitUri *)uri;
}

/**
 * token_uri_new() - parse a URI that names a token
 * @text: the URI
 * @reason: out: where NULL is returned, what is wrong with @text; NULL if
 *	there is no memory
 */
struct token_uri *token_uri_new(const char *text, const char **reason)
{
	P11KitUri *uri = p11_kit_uri_new();
	int r;

	*reason = NULL;
	if (!uri)
		return NULL;
	r = p11_kit_uri_parse(text, P11_KIT_URI_FOR_TOKEN, uri);
	if (r == P11_KIT_URI_OK)
		return (struct token_uri *)uri;
	if (r != P11_KIT_URI_UNEXPECTED)
		*reason = p11_kit_uri_message(r);
	p11_kit_uri_free(uri);
	return NULL;
}

void token_uri_free(struct token_uri *uri)
{
	p11_kit_uri_free(of(uri));
}

bool token_uri_matches(const struct token_uri *uri,
		       const struct token_uri_fields *fields)
{
	CK_TOKEN_INFO info = { 0 };

	memcpy(info.label, fields->label, sizeof(info.label));
	memcpy(info.manufacturerID, fields->manufacturer,
	       sizeof(info.manufacturerID));
	memcpy(info.model, fields->model, sizeof(info.model));
	memcpy(info.serialNumber, fields->serial, sizeof(info.serialNumber));
	return p11_kit_uri_match_token_info(of(uri), &info);
}
