// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * tokmux check: a host whose tokens others use through p11-kit (R20).
 */
#include <errno.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <tokmux.h>
#include "check.h"
#include "text.h"
#include "trial.h"
#include "user_tokens.h"

#define SECONDS	30
/* In the line that the child prints, behind a user's name. */
#define NO_LIMIT	'!'

/* ---- in the child: users whose tokens are served, on one line ---------------------- */

static bool file_has(const char *path, const char *word)
{
	FILE *file = fopen(path, "re");
	char *line = NULL;
	bool found = false;
	size_t room = 0;

	if (!file)
		return false;
	while (!found && getline(&line, &room, file) >= 0)
		found = *line != '#' && strstr(line, word);
	fclose(file);
	free(line);
	return found;
}

/* What the program prints in its first line, for free(), or NULL. */
static char *first_line(const char *command)
{
	FILE *pipe = popen(command, "re");
	char *line = NULL;
	size_t room = 0;

	if (!pipe)
		return NULL;
	if (getline(&line, &room, pipe) < 0) {
		free(line);
		line = NULL;
	}
	pclose(pipe);
	if (line)
		line[strcspn(line, "\n")] = '\0';
	return line;
}

/* Does sshd leave a client that is silent for ever? Only root is told. */
static bool has_no_limit(const char *user)
{
	char *command, *line;
	bool none;

	/* The name goes to a shell, which would heed other characters. */
	if (user[strspn(user, "abcdefghijklmnopqrstuvwxyz0123456789_-.")] ||
	    asprintf(&command,
		     "PATH=$PATH:/usr/sbin; \"$(command -v sshd)\" -T -C user=%s,host=localhost,addr=127.0.0.1 2>/dev/null"
		     " | grep -Ex 'clientalive(interval|countmax) 0'", user) < 0)
		return false;
	line = first_line(command);
	none = line;
	free(command);
	free(line);
	return none;
}

static void print_owner(FILE *result, const struct passwd *user)
{
	char *path;

	if (asprintf(&path, "%s/.ssh/authorized_keys", user->pw_dir) < 0)
		return;
	if (file_has(path, "p11-kit remote "))
		fprintf(result, "%s%s ", user->pw_name,
			has_no_limit(user->pw_name) ? "!" : "");
	free(path);
}

static int try_owners(FILE *result, const void *data)
{
	struct passwd *user;

	(void)data;
	if (geteuid()) {
		user = getpwuid(geteuid());
		if (user)
			print_owner(result, user);
	} else {
		while ((user = getpwent()))
			print_owner(result, user);
		endpwent();
	}
	fputc('\n', result);
	return 0;
}

/* Of the packages' own tools: the library doesn't say. */
static int try_version(FILE *result, const void *data)
{
	char *line = first_line("dpkg-query -W -f '${Version}\\n' p11-kit 2>/dev/null || rpm -q --qf '%{VERSION}-%{RELEASE}\\n' p11-kit 2>/dev/null");

	(void)data;
	fprintf(result, "%s\n", line ? line : "");
	free(line);
	return 0;
}

/* ---- in the parent ------------------------------------------------------------------- */

static void check_limit(struct findings *findings, const char *user, bool none)
{
	char what[96], advice[256];

	snprintf(what, sizeof(what), "remote %s", user);
	snprintf(advice, sizeof(advice),
		 "in sshd_config: Match User %s, ClientAliveInterval 15, ClientAliveCountMax 3; tokmux remote enable owner writes that",
		 user);
	if (none)
		finding(findings, what, WARNING, advice,
			"sshd keeps a client that went silent, with its sessions and login, for ever");
	else
		finding(findings, what, GOOD, NULL,
			"keys in %s's authorized_keys use tokens from other hosts", user);
}

/* Returns how many there are. */
static unsigned int check_owners(struct findings *findings)
{
	struct trial trial;
	char *rest = trial.result, *word;
	unsigned int count = 0;
	size_t length;
	bool none;

	if (trial_run(&trial, try_owners, NULL, SECONDS) || trial.late)
		return 0;
	while ((word = strsep(&rest, " "))) {
		length = strlen(word);
		if (!length)
			continue;
		none = word[length - 1] == NO_LIMIT;
		if (none)
			word[length - 1] = '\0';
		check_limit(findings, word, none);
		count++;
	}
	return count;
}

/*
 * What a client may do to "p11-kit remote": of 0.23.21 and before CVE-2020-29361 to
 * 29363, from 0.25.4 on CVE-2026-13757, and from 0.25.6 on CVE-2026-2100.
 */
static const char *known_holes(unsigned int version)
{
	if (version < 2322)
		return "CVE-2020-29361, CVE-2020-29362 and CVE-2020-29363";
	if (version >= 2504 && version < 2506)
		return "CVE-2026-13757";
	if (version >= 2506 && version < 2602)
		return "CVE-2026-2100 and CVE-2026-13757";
	if (version == 2602)
		return "CVE-2026-13757";
	return NULL;
}

static void check_version(struct findings *findings)
{
	unsigned int minor, micro = 0;
	struct trial trial;
	const char *holes;

	if (trial_run(&trial, try_version, NULL, SECONDS) || trial.late)
		return;
	text_make_printable(trial.result);
	if (sscanf(trial.result, "0.%u.%u", &minor, &micro) < 1)
		return;
	holes = known_holes(minor * 100 + micro);
	if (holes)
		finding(findings, "remote p11-kit", WARNING,
			"has your distribution mended it in this version? else update p11-kit; until then give keys only to clients that you trust",
			"p11-kit %s: by %s a client can crash its process here, or worse",
			trial.result, holes);
	if (minor < 25)
		finding(findings, "remote p11-kit", WARNING,
			"0.25 passes on PKCS#11 3.0 and more mechanisms; on both hosts",
			"p11-kit %s passes on PKCS#11 2.40 only: without AES-GCM, ECDH and RSA-PSS with a hash, for example",
			trial.result);
	else if (!holes)
		finding(findings, "remote p11-kit", GOOD, NULL, "p11-kit %s",
			trial.result);
}

static unsigned int count_system_tokens(void)
{
	struct tokmux_token **tokens;
	int count = tokmux_list(&tokens);

	if (count < 0)
		return 0;
	tokmux_list_free(tokens);
	return count;
}

/* Each uid has its own token of a name, as long as the name is none of a system token. */
static void check_names(struct findings *findings)
{
	struct user_token *tokens;
	size_t count = user_tokens_find(&tokens), i, j;
	char what[96], advice[256], one[64], other[64];

	for (i = 0; i < count; i++) {
		/* Software has its own tokens for each user. */
		if (!strncmp(tokens[i].name, "p11_backend:", 12))
			continue;
		for (j = 0; j < i && strcmp(tokens[j].name, tokens[i].name); j++)
			;
		if (j == i)
			continue;
		user_name(tokens[j].owner, one, sizeof(one));
		user_name(tokens[i].owner, other, sizeof(other));
		snprintf(what, sizeof(what), "token %s", tokens[i].name);
		snprintf(advice, sizeof(advice),
			 "as root: tokmux register %s, and \"token = system:%s\" in /etc/tokmux/tokmux.conf; programs that run go on with the old one",
			 tokens[i].name, tokens[i].name);
		finding(findings, what, BAD, advice,
			"%s and %s have a user token each of this name: they don't wait for each other",
			one, other);
	}
	free(tokens);
}

void check_remote(struct findings *findings)
{
	unsigned int owners = check_owners(findings);

	if (owners)
		check_version(findings);
	if (owners > 1 && !count_system_tokens())
		finding(findings, "remote", WARNING,
			"as root: tokmux register NAME, and \"token = system:NAME\" in /etc/tokmux/tokmux.conf; or one account for all clients",
			"clients come as %u users, and there is no system token: each user has tokens of its own, and no user waits for another",
			owners);
	check_names(findings);
}
