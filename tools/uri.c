// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * A token named by an RFC 7512 URI: a system token, by what udev says of its
 * device, or one that tokmux-pkcs11.so has, by what that says of it.
 *
 * Not read by p11-kit, whose values are a PKCS#11 token's, 32 or 16 bytes long:
 * names of system tokens have 63 bytes, and so may what udev says.
 */
#include <ctype.h>
#include <dlfcn.h>
#include <errno.h>
#include <pkcs11/cryptoki.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include "text.h"
#include "trial.h"
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

static void forget(struct wanted *wanted)
{
	int i;

	for (i = 0; i < NR_ATTRIBUTES; i++)
		free(wanted->values[i]);
}

int uri_find(const char *text, struct tokmux_token **token)
{
	struct wanted wanted = {};
	int ret;

	ret = read_uri(text, &wanted);
	if (!ret)
		ret = find_matching(&wanted, text, token);
	forget(&wanted);
	return ret;
}

/* ---- tokens of tokmux-pkcs11.so ------------------------------------------------- */

#define MODULE		PKCS11DIR "/tokmux-pkcs11.so"
#define SECONDS		30
#define MAX_SLOTS	256

typedef CK_RV (*token_name)(CK_SLOT_ID slot, char *name, CK_ULONG size);

static bool is_field(const char *wanted, const unsigned char *field, size_t size)
{
	while (size && (field[size - 1] == ' ' || !field[size - 1]))
		size--;
	return !wanted || (strlen(wanted) == size && !memcmp(wanted, field, size));
}

static bool fits(const struct wanted *wanted, const CK_TOKEN_INFO *info)
{
	return is_field(wanted->values[TOKEN], info->label, sizeof(info->label)) &&
	       is_field(wanted->values[MANUFACTURER], info->manufacturerID,
			sizeof(info->manufacturerID)) &&
	       is_field(wanted->values[MODEL], info->model, sizeof(info->model)) &&
	       is_field(wanted->values[SERIAL], info->serialNumber,
			sizeof(info->serialNumber));
}

/* In a child: the names of the tokens that fit, on one line. */
static int try_module(FILE *result, const void *data)
{
	CK_RV (*get)(CK_FUNCTION_LIST **list);
	CK_ULONG count = MAX_SLOTS, i;
	CK_SLOT_ID slots[MAX_SLOTS];
	CK_FUNCTION_LIST *p11;
	CK_TOKEN_INFO info;
	token_name name_of;
	char name[64];
	void *dl;

	setenv("TOKMUX_LOG", "errors", 1);
	dl = dlopen(MODULE, RTLD_NOW | RTLD_LOCAL);
	if (!dl) {
		fprintf(result, "%s\n", dlerror());
		return 1;
	}
	*(void **)&get = dlsym(dl, "C_GetFunctionList");
	*(void **)&name_of = dlsym(dl, "tokmux_pkcs11_token_name");
	if (!get || !name_of || get(&p11) || p11->C_Initialize(NULL) ||
	    p11->C_GetSlotList(CK_TRUE, slots, &count)) {
		fprintf(result, "%s does not work\n", MODULE);
		return 1;
	}
	for (i = 0; i < count; i++)
		if (!p11->C_GetTokenInfo(slots[i], &info) && fits(data, &info) &&
		    !name_of(slots[i], name, sizeof(name)))
			fprintf(result, "%s ", name);
	fputc('\n', result);
	p11->C_Finalize(NULL);
	return 0;
}

/* The names in @list, which is changed; more than one if they differ. */
static int one_of(const char *uri, char *list, char name[static TOKMUX_NAME_SIZE])
{
	char *word;

	*name = '\0';
	while ((word = strsep(&list, " "))) {
		if (!*word || !strcmp(word, name))
			continue;
		if (*name) {
			complain("%s: fits more than one token, %s and %s among them",
				 uri, name, word);
			return STATUS_USAGE;
		}
		snprintf(name, TOKMUX_NAME_SIZE, "%.*s", TOKMUX_NAME_SIZE - 1,
			 word);
	}
	if (*name)
		return STATUS_OK;
	complain("%s: no device and no PKCS#11 token fits; see tokmux list, tokmux check",
		 uri);
	return STATUS_NOTOKEN;
}

int uri_name(const char *uri, char name[static TOKMUX_NAME_SIZE])
{
	struct wanted wanted = {};
	struct trial trial;
	int ret, status;

	if (!tokmux_present())
		return failed(uri, -ENOENT);
	/* Without our module there are no other tokens. */
	if (access(MODULE, R_OK))
		return one_of(uri, NULL, name);
	status = read_uri(uri, &wanted);
	if (status)
		return status;
	ret = trial_run(&trial, try_module, &wanted, SECONDS);
	forget(&wanted);
	if (ret)
		return failed(uri, ret);
	if (!trial.late && WIFEXITED(trial.status) && !WEXITSTATUS(trial.status))
		return one_of(uri, trial.result, name);
	text_make_printable(trial.said);
	complain("%s: no device fits, and PKCS#11 tokens can't be looked at: %s; see tokmux check",
		 uri, *trial.said ? trial.said :
		 trial.late ? "a backend hangs" : "a backend crashes");
	return STATUS_FAILED;
}
