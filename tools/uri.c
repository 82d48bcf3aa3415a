// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * A system token named by an RFC 7512 URI.
 *
 * Not read by p11-kit, whose values are a PKCS#11 token's, 32 or 16 bytes long:
 * ours are names of 63 bytes, and what udev says of the device.
 */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "uri.h"

#define SCHEME	"pkcs11:"

enum { TOKEN, MANUFACTURER, MODEL, SERIAL, NR_ATTRIBUTES };

static const struct {
	const char *name, *property;
} attributes[NR_ATTRIBUTES] = {
	[TOKEN]		= { "token",		NULL },
	[MANUFACTURER]	= { "manufacturer",	"ID_VENDOR" },
	[MODEL]		= { "model",		"ID_MODEL" },
	[SERIAL]	= { "serial",		"ID_SERIAL_SHORT" },
};

/* What the URI wants each to be; NULL if it doesn't say. */
struct wanted {
	char *values[NR_ATTRIBUTES];
};

bool uri_is_one(const char *what)
{
	return !strncasecmp(what, SCHEME, strlen(SCHEME));
}

/* ---- reading it ---------------------------------------------------------------- */

static int hex(char c)
{
	return isdigit((unsigned char)c) ? c - '0' : tolower(c) - 'a' + 10;
}

/* A copy without the percent signs; NULL if it is none, or has no end in C. */
static char *decode(const char *text, size_t length)
{
	char *value = malloc(length + 1), *to = value;
	const char *end = text + length;

	if (!value) {
		complain("out of memory");
		exit(STATUS_FAILED);
	}
	while (text < end) {
		if (*text != '%') {
			*to++ = *text++;
			continue;
		}
		if (end - text < 3 || !isxdigit((unsigned char)text[1]) ||
		    !isxdigit((unsigned char)text[2]) ||
		    !(*to = hex(text[1]) << 4 | hex(text[2]))) {
			free(value);
			return NULL;
		}
		to++;
		text += 3;
	}
	*to = '\0';
	return value;
}

static int attribute_of(const char *name, size_t length)
{
	int i;

	for (i = 0; i < NR_ATTRIBUTES; i++)
		if (strlen(attributes[i].name) == length &&
		    !strncmp(attributes[i].name, name, length))
			return i;
	return -1;
}

/* @text: "name=value". Returns an exit status. */
static int read_attribute(const char *uri, const char *text, size_t length,
			  struct wanted *wanted)
{
	size_t name = strcspn(text, "=");
	int attribute;

	if (name >= length) {
		complain("%s: '%.*s' is no attribute", uri, (int)length, text);
		return STATUS_USAGE;
	}
	attribute = attribute_of(text, name);
	if (attribute < 0) {
		complain("%s: '%.*s' is not known: it has to be token, manufacturer, model or serial",
			 uri, (int)name, text);
		return STATUS_USAGE;
	}
	if (wanted->values[attribute]) {
		complain("%s: it has two of %s", uri, attributes[attribute].name);
		return STATUS_USAGE;
	}
	wanted->values[attribute] = decode(text + name + 1, length - name - 1);
	if (!wanted->values[attribute]) {
		complain("%s: the %s is not encoded as in RFC 7512", uri,
			 attributes[attribute].name);
		return STATUS_USAGE;
	}
	return STATUS_OK;
}

/*
 * The path; what comes after a question mark is which module to take and where
 * the PIN is, of which there is none here.
 */
static int read_uri(const char *uri, struct wanted *wanted)
{
	const char *text = uri + strlen(SCHEME);
	size_t length;
	int status;

	for (;;) {
		length = strcspn(text, ";?");
		status = length ? read_attribute(uri, text, length, wanted) :
			 STATUS_OK;
		if (status || text[length] != ';')
			return status;
		text += length + 1;
	}
}

/* ---- finding the token --------------------------------------------------------- */

static bool matches(const struct wanted *wanted, const struct tokmux_token *token)
{
	const char *value;
	int i;

	for (i = 0; i < NR_ATTRIBUTES; i++) {
		if (!wanted->values[i])
			continue;
		value = i == TOKEN ? tokmux_token_name(token) :
			tokmux_token_property(token, attributes[i].property);
		if (strcmp(wanted->values[i], value ? value : ""))
			return false;
	}
	return true;
}

static int find_matching(const struct wanted *wanted, const char *text,
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
		if (!matches(wanted, *t))
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
	struct wanted wanted = {};
	int ret, i;

	ret = read_uri(text, &wanted);
	if (!ret)
		ret = find_matching(&wanted, text, token);
	for (i = 0; i < NR_ATTRIBUTES; i++)
		free(wanted.values[i]);
	return ret;
}
