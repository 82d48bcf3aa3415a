// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The files of sshd, systemd and p11-kit that make a host the owner of its tokens, or
 * its client (R20).
 */
#include <ctype.h>
#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "remote_files.h"
#include "tool.h"

#define MODULE		PKCS11DIR "/tokmux-pkcs11.so"
/* No shell, no forwarding, no terminal, and this module only. */
#define RESTRICTED	"restrict,command=\"exec p11-kit remote " MODULE "\" "
#define SOCKET		"/run/tokmux/pkcs11"

static int no_memory(void)
{
	complain("%s", strerror(ENOMEM));
	return STATUS_FAILED;
}

static const struct passwd *user(const char *name)
{
	const struct passwd *pw = getpwnam(name);

	if (!pw)
		complain("there is no user '%s'", name);
	return pw;
}

/* A name goes into files that other programs take apart: no blanks, no line's end. */
static bool is_plain(const char *name)
{
	const char *c;

	for (c = name; *c; c++)
		if (!isalnum((unsigned char)*c) && !strchr("._-@:", *c))
			break;
	if (*name && *name != '-' && !*c)
		return true;
	complain("'%s' is no name of a user or a host", name);
	return false;
}

/* ---- the owner, by ssh ------------------------------------------------------ */

static bool is_key(const char *line)
{
	return !strncmp(line, "ssh-", 4) || !strncmp(line, "ecdsa-", 6) ||
	       !strncmp(line, "sk-", 3);
}

/* For free(); NULL and a complaint if there is none. */
static char *authorized(const char *path)
{
	char *line = NULL, *text = NULL;
	size_t room = 0, size;
	unsigned int number = 0;
	FILE *file, *out;
	bool bad = false;

	file = fopen(path, "re");
	if (!file) {
		failed(path, -errno);
		return NULL;
	}
	out = open_memstream(&text, &size);
	while (out && !bad && getline(&line, &room, file) >= 0) {
		number++;
		line[strcspn(line, "\r\n")] = '\0';
		if (!*line || *line == '#')
			continue;
		bad = !is_key(line);
		fprintf(out, RESTRICTED "%s\n", line);
	}
	fclose(file);
	free(line);
	if (!out || fclose(out)) {
		no_memory();
	} else if (bad) {
		complain("%s:%u: this is no public key; ssh-keygen writes those to a file that ends in .pub",
			 path, number);
	} else if (!*text) {
		complain("%s has no key", path);
	} else {
		return text;
	}
	free(text);
	return NULL;
}

static int owner(struct remote_file *files, const char *peer, const char *keys)
{
	const struct passwd *pw = is_plain(peer) ? user(peer) : NULL;

	if (!pw)
		return STATUS_FAILED;
	if (asprintf(&files[0].path, "%s/.ssh/authorized_keys", pw->pw_dir) < 0 ||
	    asprintf(&files[1].path, "/etc/ssh/sshd_config.d/50-tokmux-%s.conf",
		     peer) < 0)
		return no_memory();
	files[0].shared = true;
	files[0].uid = pw->pw_uid;
	files[0].gid = pw->pw_gid;
	if (!keys)
		return STATUS_OK;
	files[0].text = authorized(keys);
	if (!files[0].text)
		return STATUS_FAILED;
	/*
	 * Else the sessions and the login of a client that is gone stay for ever, and
	 * "tokmux who" knows the host of a client and not its key. How many may log in
	 * at once can't be said for one user.
	 */
	return asprintf(&files[1].text,
			"# By default sshd turns some away where more than ten log in at once.\n"
			"MaxStartups 32:30:100\n"
			"Match User %s\n"
			"\tClientAliveInterval 15\n"
			"\tClientAliveCountMax 3\n"
			"\tExposeAuthInfo yes\n", peer) < 0 ? no_memory() : STATUS_OK;
}

/* ---- the owner, by a socket ------------------------------------------------- */

static int local_socket(struct remote_file *files, const char *peer, const char *keys)
{
	files[0].path = strdup("/etc/systemd/system/tokmux-pkcs11.socket");
	files[1].path = strdup("/etc/systemd/system/tokmux-pkcs11@.service");
	if (!files[0].path || !files[1].path)
		return no_memory();
	if (!peer)
		return STATUS_OK;
	if (!is_plain(peer) || !user(peer))
		return STATUS_FAILED;
	files[0].text = strdup("[Unit]\n"
			       "Description=PKCS#11 tokens for this host's containers and sandboxes\n"
			       "\n"
			       "[Socket]\n"
			       "ListenStream=" SOCKET "\n"
			       "SocketMode=0660\n"
			       "SocketGroup=tokmux\n"
			       "Accept=yes\n"
			       "MaxConnections=64\n"
			       "\n"
			       "[Install]\n"
			       "WantedBy=sockets.target\n");
	if (!files[0].text)
		return no_memory();
	return asprintf(&files[1].text,
			"[Unit]\n"
			"Description=PKCS#11 tokens for one connection\n"
			"\n"
			"[Service]\n"
			"User=%s\n"
			"ExecStart=/usr/bin/p11-kit remote " MODULE "\n"
			"StandardInput=socket\n"
			"StandardOutput=socket\n"
			"StandardError=journal\n", peer) < 0 ? no_memory() : STATUS_OK;
}

/* ---- a client --------------------------------------------------------------- */

static int client(struct remote_file *files, const char *peer, const char *keys)
{
	const char *home = getenv("HOME"), *host = strchr(peer, '@');

	if (!is_plain(peer))
		return STATUS_FAILED;
	host = host ? host + 1 : peer;
	if (!geteuid()) {
		/* p11-kit doesn't look into root's home. */
		if (asprintf(&files[0].path, "/etc/pkcs11/modules/tokmux-%s.module",
			     host) < 0)
			return no_memory();
	} else if (!home || !*home) {
		complain("HOME is not set");
		return STATUS_FAILED;
	} else if (asprintf(&files[0].path,
			    "%s/.config/pkcs11/modules/tokmux-%s.module", home,
			    host) < 0) {
		return no_memory();
	}
	/* An owner that is away is told in seconds, and is no reason to fail. */
	return asprintf(&files[0].text,
			"remote: |ssh -T -o BatchMode=yes -o ConnectTimeout=5 -o ServerAliveInterval=5 -o ServerAliveCountMax=2 %s\n"
			"critical: no\n", peer) < 0 ? no_memory() : STATUS_OK;
}

const struct remote_role remote_roles[] = {
	{
		.name = "owner",
		.peer_is = "the user that has the token",
		.keys_are = "the file with the clients' public keys",
		.files = owner,
		.next = "sshd reads its file after \"systemctl reload ssh\". So that nobody keeps a token for ever:\n"
			"    tokmux register --hold-limit 20 --max-sessions 16 NAME\n"
			"and \"token = system:NAME\" in the backend's section of /etc/tokmux/tokmux.conf.\n",
	},
	{
		.name = "client",
		.peer_is = "the owner, as ssh knows it",
		.files = client,
		.next = "Does it answer? \"p11-kit list-modules\" says so.\n",
	},
	{
		.name = "socket",
		.one_only = true,
		.peer_is = "the user that has the token",
		.files = local_socket,
		.next = "Then: systemctl daemon-reload && systemctl enable --now tokmux-pkcs11.socket\n"
			"Programs have P11_KIT_SERVER_ADDRESS=unix:path=" SOCKET "\n"
			"and the module p11-kit-client.so.\n",
	},
	{}
};

void remote_files_free(struct remote_file *files)
{
	int i;

	for (i = 0; i < REMOTE_FILES; i++) {
		free(files[i].path);
		free(files[i].text);
	}
}
