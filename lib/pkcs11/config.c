// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * config: what the administrator and the user asked for (R16)
 *
 * /etc/tokmux/tokmux.conf is read first, then the user's tokmux/tokmux.conf, where a
 * later word replaces an earlier one. $TOKMUX_CONF replaces both. A setuid program
 * reads the first file only, and root reads no other user's. A file that can't be
 * read is as good as none, unless $TOKMUX_CONF names it. A bad line is refused with
 * file, line and reason, and then nothing is loaded: nobody wants half of a
 * configuration.
 *
 * Without any file the well-known backends are loaded that are found on the system.
 * But a setuid program loads no backend that the administrator has not named: OpenSC,
 * for one, reads the file in its user's $OPENSC_CONF, and loads what that names.
 */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/stat.h>
#include <unistd.h>

#include <tokmux.h>
#include "config.h"
#include "log.h"
#include "token_uri.h"

#define SYSTEM_FILE	"/etc/tokmux/tokmux.conf"
#define USER_FILE	"tokmux/tokmux.conf"
#define DEFAULT_WAIT_MS	30000
/* For a session of another process to be closed, where the quota is full. */
#define DEFAULT_SESSION_WAIT_MS	2000
/* Shorter, so that a waiter outlasts a caller that keeps its lease. */
#define DEFAULT_HOLD_MS	20000

/*
 * Where PKCS#11 modules are kept: where p11-kit looks for them and where the
 * libraries of this machine's architecture are, which pkg-config says; then what
 * distributions have. lib64 comes before lib, which may be another architecture's.
 */
static const char *const module_dirs[] = {
	P11_MODULE_DIR,
	LIBRARY_DIR,
	(LIBRARY_DIR "/softhsm"),
	"/usr/lib64/pkcs11",
	"/usr/lib64",
	"/usr/lib64/softhsm",
	"/usr/lib/softhsm",
	"/usr/lib/pkcs11",
	"/usr/lib",
};

/*
 * Backends that are looked for when no file names any, and how their tokens are
 * shared. A card is driven by one process at a time; what keeps its own state
 * per process, or is a server that takes parallel work, is shared.
 */
static const struct {
	const char *name;
	const char *module;
	enum lease_kind lease;
} well_known[] = {
	{ "softhsm2", "libsofthsm2.so", LEASE_SHARED },
	{ "opensc", "opensc-pkcs11.so", LEASE_CALL },
	{ "ykcs11", "libykcs11.so", LEASE_CALL },
	{ "tpm2", "libtpm2_pkcs11.so", LEASE_SHARED },
};

/* Those that only pass calls on to another process. */
static const char *const remotes[] = {
	"p11-kit-client.so",
	"p11-kit-proxy.so",
};

/* One file while it is read. */
struct reader {
	struct config *config;
	const char *path;
	unsigned int line;
	bool global;
	struct config_backend *backend;
};

static CK_RV refuse(const struct reader *reader, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static CK_RV refuse(const struct reader *reader, const char *format, ...)
{
	char reason[256];
	va_list args;

	va_start(args, format);
	vsnprintf(reason, sizeof(reason), format, args);
	va_end(args);
	log_error("%s:%u: %s", reader->path, reader->line, reason);
	return CKR_GENERAL_ERROR;
}

/* ---- values ----------------------------------------------------------- */

struct word {
	const char *text;
	int value;
};

static CK_RV parse_word(struct reader *reader, const char *key,
			const char *value, const struct word *words, int *out)
{
	for (; words->text; words++) {
		if (strcmp(words->text, value))
			continue;
		*out = words->value;
		return CKR_OK;
	}
	return refuse(reader, "%s cannot be \"%s\"", key, value);
}

static CK_RV parse_ms(struct reader *reader, const char *key,
		      const char *value, int *out)
{
	char *end;
	long ms;

	errno = 0;
	ms = strtol(value, &end, 10);
	if (errno || end == value || *end || ms < 0 || ms > INT_MAX)
		return refuse(reader,
			      "%s is a number of milliseconds, not \"%s\"",
			      key, value);
	*out = (int)ms;
	return CKR_OK;
}

static void token_free(struct config_token *token)
{
	if (token->uri)
		token_uri_free(token->uri);
	free(token);
}

static CK_RV parse_token(struct reader *reader, char *value)
{
	struct config_token **at = &reader->backend->tokens;
	struct config_token *token;
	char *name = value, *bare;
	CK_RV rv;

	token = calloc(1, sizeof(*token));
	if (!token)
		return CKR_HOST_MEMORY;

	if (!strncmp(value, "pkcs11:", 7)) {
		char *blank = value + strcspn(value, " \t");
		const char *reason;

		name = blank + strspn(blank, " \t");
		*blank = '\0';
		token->uri = token_uri_new(value, &reason);
		if (!token->uri) {
			rv = CKR_HOST_MEMORY;
			if (reason)
				rv = refuse(reader, "\"%s\" is not a token's URI: %s",
					    value, reason);
			goto err;
		}
	}
	rv = CKR_GENERAL_ERROR;
	bare = name;
	if (!strncmp(name, ARBITER_SYSTEM, strlen(ARBITER_SYSTEM)))
		bare += strlen(ARBITER_SYSTEM);
	if (tokmux_check_name(bare)) {
		refuse(reader, "\"%s\" is not a token's name: 1 to 63 letters, digits and " TOKMUX_NAME_PUNCTUATION ", of which only _ comes first",
		       bare);
		goto err;
	}
	strcpy(token->name, name);

	while (*at)
		at = &(*at)->next;
	*at = token;
	return CKR_OK;

err:
	token_free(token);
	return rv;
}

static CK_RV parse_module(struct reader *reader, const char *value)
{
	struct config_backend *backend = reader->backend;
	char *module = NULL;
	char *file;
	size_t i;

	/*
	 * Nothing is left to the loader: it would look into the working directory, or
	 * where the user's LD_LIBRARY_PATH says.
	 */
	if (strchr(value, '/') && *value != '/')
		return refuse(reader, "module is the relative path \"%s\"; write the whole path",
			      value);
	/* A bare name is looked for where PKCS#11 modules are kept. */
	for (i = 0; *value != '/' && !module &&
		    i < sizeof(module_dirs) / sizeof(*module_dirs); i++) {
		if (asprintf(&module, "%s/%s", module_dirs[i], value) < 0)
			return CKR_HOST_MEMORY;
		if (access(module, R_OK)) {
			free(module);
			module = NULL;
		}
	}
	if (!module && *value != '/')
		return refuse(reader, "there is no \"%s\" where PKCS#11 modules are kept; write the whole path",
			      value);
	if (!module)
		module = strdup(value);
	file = strdup(reader->path);
	if (!module || !file) {
		free(module);
		free(file);
		return CKR_HOST_MEMORY;
	}
	free(backend->module);
	free(backend->file);
	backend->module = module;
	backend->file = file;
	backend->line = reader->line;
	return CKR_OK;
}

static CK_RV parse_string(const char *value, char **out)
{
	char *text = strdup(value);

	if (!text)
		return CKR_HOST_MEMORY;
	free(*out);
	*out = text;
	return CKR_OK;
}

/* ---- keys -------------------------------------------------------------- */

static const struct word logs[] = {
	{ "none", LOG_NONE },
	{ "errors", LOG_ERROR },
	{ "info", LOG_INFO },
	{ "calls", LOG_CALLS },
	{ }
};

/* In [global] for all backends, or for one. */
static const struct word logins[] = {
	{ "caller", false },
	{ "process", true },
	{ }
};

static CK_RV global_key(struct reader *reader, const char *key,
			const char *value)
{
	static const struct word arbiters[] = {
		{ "auto", ARBITER_AUTO },
		{ "kernel", ARBITER_KERNEL },
		{ "local", ARBITER_LOCAL },
		{ }
	};
	static const struct word initializes[] = {
		{ "counted", false },
		{ "strict", true },
		{ }
	};
	static const struct word so_logins[] = {
		{ "beside", false },
		{ "alone", true },
		{ }
	};
	struct config *config = reader->config;
	int word = 0;
	CK_RV rv;

	if (!strcmp(key, "arbiter")) {
		rv = parse_word(reader, key, value, arbiters, &word);
		config->arbiter = word;
	} else if (!strcmp(key, "initialize")) {
		rv = parse_word(reader, key, value, initializes, &word);
		config->strict_initialize = word;
	} else if (!strcmp(key, "so-login")) {
		rv = parse_word(reader, key, value, so_logins, &word);
		config->so_alone = word;
	} else if (!strcmp(key, "login")) {
		rv = parse_word(reader, key, value, logins, &word);
		config->one_login = word;
	} else if (!strcmp(key, "log")) {
		rv = parse_word(reader, key, value, logs, &word);
		/* At once: a complaint about a later line goes there, too. */
		if (rv == CKR_OK && !config->log_given)
			log_choose(word, true);
	} else {
		rv = refuse(reader, "[global] has no key \"%s\"", key);
	}
	return rv;
}

static CK_RV backend_key(struct reader *reader, const char *key, char *value)
{
	static const struct word leases[] = {
		{ "shared", LEASE_SHARED },
		{ "call", LEASE_CALL },
		{ "operation", LEASE_OPERATION },
		{ "session", LEASE_SESSION },
		{ }
	};
	static const struct word policies[] = {
		{ "mark", UNCLEAN_MARK },
		{ "refuse", UNCLEAN_REFUSE },
		{ }
	};
	static const struct word vendors[] = {
		{ "refuse", false },
		{ "pass", true },
		{ }
	};
	static const struct word write_logins[] = {
		{ "seen", WRITE_LOGIN_SEEN },
		{ "own", WRITE_LOGIN_OWN },
		{ "any", WRITE_LOGIN_ANY },
		{ }
	};
	static const struct word key_logins[] = {
		{ "private", false },
		{ "all", true },
		{ }
	};
	static const struct word yes_or_no[] = {
		{ "no", false },
		{ "yes", true },
		{ }
	};
	struct config_backend *backend = reader->backend;
	int word = 0;
	CK_RV rv;

	if (!strcmp(key, "module"))
		return parse_module(reader, value);
	if (!strcmp(key, "init-args"))
		return parse_string(value, &backend->init_args);
	if (!strcmp(key, "wait"))
		return parse_ms(reader, key, value, &backend->wait_ms);
	if (!strcmp(key, "session-wait"))
		return parse_ms(reader, key, value, &backend->session_wait_ms);
	if (!strcmp(key, "hold"))
		return parse_ms(reader, key, value, &backend->hold_ms);
	if (!strcmp(key, "token"))
		return parse_token(reader, value);
	if (!strcmp(key, "lease")) {
		rv = parse_word(reader, key, value, leases, &word);
		backend->lease = word;
		backend->lease_given = true;
	} else if (!strcmp(key, "on-unclean")) {
		rv = parse_word(reader, key, value, policies, &word);
		backend->unclean = word;
	} else if (!strcmp(key, "login")) {
		rv = parse_word(reader, key, value, logins, &word);
		backend->one_login = word;
	} else if (!strcmp(key, "key-login")) {
		rv = parse_word(reader, key, value, key_logins, &word);
		backend->keys_need_login = word;
	} else if (!strcmp(key, "write-login")) {
		rv = parse_word(reader, key, value, write_logins, &word);
		backend->write_login = word;
	} else if (!strcmp(key, "vendor-mechanisms")) {
		rv = parse_word(reader, key, value, vendors, &word);
		backend->vendor_mechanisms = word;
	} else if (!strcmp(key, "remote")) {
		rv = parse_word(reader, key, value, yes_or_no, &word);
		backend->remote = word;
		backend->remote_given = true;
	} else {
		rv = refuse(reader, "[backend %s] has no key \"%s\"",
			    backend->name, key);
	}
	return rv;
}

/* ---- sections and lines ------------------------------------------------ */

static struct config_backend *backend_add(struct config *config,
					  const char *name)
{
	struct config_backend **at = &config->backends;
	struct config_backend *backend;

	for (; *at; at = &(*at)->next)
		if (!strcmp((*at)->name, name))
			return *at;

	backend = calloc(1, sizeof(*backend));
	if (!backend)
		return NULL;
	backend->name = strdup(name);
	if (!backend->name) {
		free(backend);
		return NULL;
	}
	backend->wait_ms = DEFAULT_WAIT_MS;
	backend->session_wait_ms = DEFAULT_SESSION_WAIT_MS;
	backend->hold_ms = DEFAULT_HOLD_MS;
	*at = backend;
	return backend;
}

static void backend_free(struct config_backend *backend)
{
	while (backend->tokens) {
		struct config_token *token = backend->tokens;

		backend->tokens = token->next;
		token_free(token);
	}
	free(backend->name);
	free(backend->module);
	free(backend->init_args);
	free(backend->file);
	free(backend);
}

static char *trim(char *text)
{
	char *end;

	text += strspn(text, " \t\r\n");
	end = text + strlen(text);
	while (end > text && strchr(" \t\r\n", end[-1]))
		end--;
	*end = '\0';
	return text;
}

static CK_RV parse_section(struct reader *reader, char *line)
{
	size_t length = strlen(line);
	char *name;

	if (line[length - 1] != ']')
		return refuse(reader, "a section ends with \"]\"");
	line[length - 1] = '\0';
	name = trim(line + 1);

	reader->backend = NULL;
	reader->global = !strcmp(name, "global");
	if (reader->global)
		return CKR_OK;
	if (strncmp(name, "backend", 7) || !strchr(" \t", name[7]))
		return refuse(reader, "no section is called \"%s\", only [global] and [backend NAME]",
			      name);
	name = trim(name + 7);
	if (!*name)
		return refuse(reader, "a backend has a name: [backend NAME]");
	reader->backend = backend_add(reader->config, name);
	if (!reader->backend)
		return CKR_HOST_MEMORY;
	if (!reader->backend->file) {
		/* for the complaint that no module was named */
		reader->backend->file = strdup(reader->path);
		reader->backend->line = reader->line;
		if (!reader->backend->file)
			return CKR_HOST_MEMORY;
	}
	return CKR_OK;
}

static CK_RV parse_line(struct reader *reader, char *line)
{
	char *equals;
	char *value;
	char *key;

	line = trim(line);
	if (!*line || *line == '#')
		return CKR_OK;
	if (*line == '[')
		return parse_section(reader, line);

	equals = strchr(line, '=');
	if (!equals)
		return refuse(reader, "expected \"key = value\"");
	*equals = '\0';
	key = trim(line);
	value = trim(equals + 1);
	if (!*value)
		return refuse(reader, "%s has no value", key);
	if (reader->global)
		return global_key(reader, key, value);
	if (reader->backend)
		return backend_key(reader, key, value);
	return refuse(reader, "%s stands before any section", key);
}

static CK_RV parse_text(struct config *config, const char *path, char *text)
{
	struct reader reader = { .config = config, .path = path };
	CK_RV rv = CKR_OK;
	char *line;

	while (rv == CKR_OK && (line = strsep(&text, "\n"))) {
		reader.line++;
		rv = parse_line(&reader, line);
	}
	return rv;
}

/* Return: all of it, to be freed; NULL if it can't be read, see errno. */
static char *read_all(FILE *file)
{
	char *text = NULL;
	size_t size = 0;

	errno = 0;
	/* An empty one is no error. */
	if (getdelim(&text, &size, '\0', file) >= 0)
		return text;
	free(text);
	return ferror(file) ? NULL : strdup("");
}

/* One that has to be there. */
static CK_RV parse_named_file(struct config *config, const char *path)
{
	FILE *file = fopen(path, "re");
	char *text = file ? read_all(file) : NULL;
	CK_RV rv = CKR_GENERAL_ERROR;

	if (text)
		rv = parse_text(config, path, text);
	else
		log_error("%s: %s", path, strerror(errno));
	free(text);
	if (file)
		fclose(file);
	return rv;
}

/*
 * One that needn't be there. What can't be read, for whatever reason, is as good as
 * none; nobody is kept waiting by what is no file at all.
 */
static CK_RV parse_optional_file(struct config *config, const char *path,
				 bool (*trusted)(const struct stat *info),
				 bool *found)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct stat info;
	FILE *file = NULL;
	char *text = NULL;
	CK_RV rv = CKR_OK;

	if (fd >= 0 && !fstat(fd, &info) && S_ISREG(info.st_mode) &&
	    trusted(&info))
		file = fdopen(fd, "r");
	if (file)
		text = read_all(file);
	if (text) {
		*found = true;
		rv = parse_text(config, path, text);
	}
	free(text);
	if (file)
		fclose(file);
	else if (fd >= 0)
		close(fd);
	return rv;
}

/* ---- the whole ---------------------------------------------------------- */

static bool always(const struct stat *info)
{
	return true;
}

/* A process of root's may still have another user's HOME. */
static bool not_anothers(const struct stat *info)
{
	return geteuid() || !info->st_uid;
}

/* Return: where it would be, to be freed; NULL for nobody's. */
static char *user_file(void)
{
	const char *dir = secure_getenv("XDG_CONFIG_HOME");
	const char *home = secure_getenv("HOME");
	const char *between = "";
	struct stat info;
	char *path;

	if (!dir || *dir != '/') {
		dir = home;
		between = ".config/";
	}
	if (!dir || *dir != '/' || stat(dir, &info) || !not_anothers(&info))
		return NULL;
	return asprintf(&path, "%s/%s" USER_FILE, dir, between) < 0 ? NULL :
								      path;
}

/* For one run: what a tool or a user wants to see. */
static CK_RV choose_log(struct config *config)
{
	const char *value = secure_getenv("TOKMUX_LOG");
	const struct word *word = logs;

	log_choose(LOG_ERROR, false);
	if (!value || !*value)
		return CKR_OK;
	while (word->text && strcmp(word->text, value))
		word++;
	if (!word->text) {
		log_error("$TOKMUX_LOG cannot be \"%s\"", value);
		return CKR_GENERAL_ERROR;
	}
	log_choose(word->value, true);
	config->log_given = true;
	return CKR_OK;
}

static CK_RV find_well_known(struct config *config)
{
	struct config_backend *backend;
	size_t i, dir;
	char *path;

	for (i = 0; i < sizeof(well_known) / sizeof(*well_known); i++) {
		for (dir = 0; dir < sizeof(module_dirs) / sizeof(*module_dirs);
		     dir++) {
			if (asprintf(&path, "%s/%s", module_dirs[dir],
				     well_known[i].module) < 0)
				return CKR_HOST_MEMORY;
			if (!access(path, R_OK))
				break;
			free(path);
			path = NULL;
		}
		if (!path)
			continue;
		backend = backend_add(config, well_known[i].name);
		if (!backend) {
			free(path);
			return CKR_HOST_MEMORY;
		}
		backend->module = path;
	}
	return CKR_OK;
}

static CK_RV complete(struct config *config)
{
	struct config_backend *backend;
	const char *base;
	size_t i;

	for (backend = config->backends; backend; backend = backend->next) {
		if (!backend->module) {
			log_error("%s:%u: [backend %s] names no module",
				  backend->file, backend->line, backend->name);
			return CKR_GENERAL_ERROR;
		}
		backend->one_login |= config->one_login;
		base = strrchr(backend->module, '/');
		base = base ? base + 1 : backend->module;
		for (i = 0; i < sizeof(remotes) / sizeof(*remotes); i++)
			if (!backend->remote_given && !strcmp(base, remotes[i]))
				backend->remote = true;
		if (backend->lease_given)
			continue;
		backend->lease = LEASE_BY_SLOT;
		for (i = 0; i < sizeof(well_known) / sizeof(*well_known); i++)
			if (!strcmp(base, well_known[i].module))
				backend->lease = well_known[i].lease;
	}
	return CKR_OK;
}

/**
 * config_load() - read what there is
 * @config: out: the configuration, complete
 *
 * Return: CKR_OK; CKR_GENERAL_ERROR where a file was refused, which has been
 * logged; CKR_HOST_MEMORY.
 */
CK_RV config_load(struct config **config)
{
	const char *only = secure_getenv("TOKMUX_CONF");
	struct config *loaded;
	char *user = NULL;
	bool found = false;
	CK_RV rv;

	loaded = calloc(1, sizeof(*loaded));
	if (!loaded)
		return CKR_HOST_MEMORY;

	rv = choose_log(loaded);
	if (rv == CKR_OK && only && *only) {
		rv = parse_named_file(loaded, only);
		found = true;
	} else if (rv == CKR_OK) {
		rv = parse_optional_file(loaded, SYSTEM_FILE, always, &found);
		user = user_file();
		if (rv == CKR_OK && user)
			rv = parse_optional_file(loaded, user, not_anothers,
						 &found);
		free(user);
	}
	if (rv == CKR_OK && !loaded->backends && !found && getauxval(AT_SECURE))
		log_error("a setuid program loads what " SYSTEM_FILE " names, and there is no such file");
	else if (rv == CKR_OK && !loaded->backends && !found)
		rv = find_well_known(loaded);
	if (rv == CKR_OK)
		rv = complete(loaded);
	if (rv != CKR_OK) {
		config_free(loaded);
		return rv;
	}
	*config = loaded;
	return CKR_OK;
}

void config_free(struct config *config)
{
	if (!config)
		return;
	while (config->backends) {
		struct config_backend *backend = config->backends;

		config->backends = backend->next;
		backend_free(backend);
	}
	free(config);
}

/**
 * config_token_name() - what the arbiter calls a token, if the file says
 * @backend: whose token it is
 * @info: what the backend says of it
 *
 * Return: the name of the first "token =" line that matches, or NULL.
 */
const char *config_token_name(const struct config_backend *backend,
			      const CK_TOKEN_INFO *info)
{
	const struct config_token *token;
	struct token_uri_fields fields;

	memcpy(fields.label, info->label, sizeof(fields.label));
	memcpy(fields.manufacturer, info->manufacturerID,
	       sizeof(fields.manufacturer));
	memcpy(fields.model, info->model, sizeof(fields.model));
	memcpy(fields.serial, info->serialNumber, sizeof(fields.serial));
	for (token = backend->tokens; token; token = token->next)
		if (!token->uri || token_uri_matches(token->uri, &fields))
			return token->name;
	return NULL;
}
