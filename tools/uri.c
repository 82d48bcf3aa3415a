// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * A system token named by an RFC 7512 URI; p11-kit reads it.
 */
#include <errno.h>
#include <string.h>
#include <p11-kit/p11-kit.h>
#include <p11-kit/uri.h>
#include "uri.h"

bool uri_is_one(const char *what)
{
	return !strncmp(what, P11_KIT_URI_SCHEME, P11_KIT_URI_SCHEME_LEN) &&
	       what[P11_KIT_URI_SCHEME_LEN] == ':';
}

/* As PKCS#11 has it: padded with blanks, without an end. */
static void pad(unsigned char *field, size_t size, const char *text)
{
	size_t length = text ? strnlen(text, size) : 0;

	memset(field, ' ', size);
	memcpy(field, text ? text : "", length);
}

static bool matches(P11KitUri *uri, const struct tokmux_token *token)
{
	CK_TOKEN_INFO info = {};

	pad(info.label, sizeof(info.label), tokmux_token_name(token));
	pad(info.manufacturerID, sizeof(info.manufacturerID),
	    tokmux_token_property(token, "ID_VENDOR"));
	pad(info.model, sizeof(info.model),
	    tokmux_token_property(token, "ID_MODEL"));
	pad(info.serialNumber, sizeof(info.serialNumber),
	    tokmux_token_property(token, "ID_SERIAL_SHORT"));
	return p11_kit_uri_match_token_info(uri, &info);
}

static int find_matching(P11KitUri *uri, const char *text,
			 struct tokmux_token **token)
{
	struct tokmux_token **list, **t;
	const char *found = NULL;
	int ret;

	ret = tokmux_list(&list);
	if (ret < 0)
		return ret;
	ret = -ENOENT;
	for (t = list; *t; t++) {
		if (!matches(uri, *t))
			continue;
		if (found) {
			complain("%s: fits more than one token, %s and %s among them",
				 text, found, tokmux_token_name(*t));
			ret = STATUS_USAGE;
			break;
		}
		found = tokmux_token_name(*t);
	}
	if (found && ret != STATUS_USAGE)
		ret = tokmux_token_find(found, token);
	tokmux_list_free(list);
	return ret;
}

int uri_find(const char *text, struct tokmux_token **token)
{
	P11KitUri *uri = p11_kit_uri_new();
	int ret;

	if (!uri)
		return -ENOMEM;
	ret = p11_kit_uri_parse(text, P11_KIT_URI_FOR_TOKEN, uri);
	if (ret != P11_KIT_URI_OK) {
		complain("%s: %s", text, p11_kit_uri_message(ret));
		ret = STATUS_USAGE;
	} else if (p11_kit_uri_any_unrecognized(uri)) {
		complain("%s: it has an attribute that is not known", text);
		ret = STATUS_USAGE;
	} else {
		ret = find_matching(uri, text, token);
	}
	p11_kit_uri_free(uri);
	return ret;
}
