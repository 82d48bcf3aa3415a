// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The clients of "p11-kit remote".
 *
 * Of a client that came by ssh, the environment of its process has the host, and names
 * sshd's file with the key ("ExposeAuthInfo yes"). Of one that came by a socket, the
 * kernel knows the other end.
 */
#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "process.h"
#include "remote_client.h"
#include "text.h"
#include "tool.h"
#include "trial.h"
#include "unix_sockets.h"

#define COMMAND	"p11-kit-remote"
#define SECONDS	2
/* Of a key without a comment: its end tells it from others. */
#define KEY_END	12

bool remote_client_serves(const char *command)
{
	return !strcmp(command, COMMAND);
}

/* ---- ssh: in a child, as the user whose process it is ---------------------------- */

/* What has been read, for free(), or NULL. @end: the character that ends it. */
static char *read_until(FILE *file, int end)
{
	char *text = NULL;
	size_t room = 0;
	ssize_t length = getdelim(&text, &room, end, file);

	if (length < 0) {
		free(text);
		return NULL;
	}
	if (length && text[length - 1] == end)
		text[length - 1] = '\0';
	return text;
}

/* The value of a variable in a process' environment, for free(), or NULL. */
static char *variable(pid_t pid, const char *name)
{
	FILE *file = process_file(pid, "environ");
	size_t length = strlen(name);
	char *text;

	if (!file)
		return NULL;
	while ((text = read_until(file, '\0'))) {
		if (!strncmp(text, name, length) && text[length] == '=') {
			memmove(text, text + length + 1, strlen(text + length));
			break;
		}
		free(text);
	}
	fclose(file);
	return text;
}

/* The first line of a file that has a word; a pointer behind the word, *line for free(). */
static char *behind(const char *path, const char *word, char **line)
{
	FILE *file = fopen(path, "re");
	char *found = NULL;

	*line = NULL;
	if (!file)
		return NULL;
	while (!found && (*line = read_until(file, '\n'))) {
		found = strstr(*line, word);
		if (found)
			found += strlen(word);
		else
			free(*line);
	}
	fclose(file);
	return found;
}

/* The comment that authorized_keys has behind the key, or the end of the key itself. */
static void print_key(FILE *result, const char *home, const char *type, const char *key)
{
	size_t length = strlen(key);
	char *path, *line, *comment;

	if (asprintf(&path, "%s/.ssh/authorized_keys", home) < 0)
		return;
	comment = behind(path, key, &line);
	if (comment && *comment == ' ' && comment[1])
		fputs(comment + 1, result);
	else
		fprintf(result, "%s …%s", type,
			length > KEY_END ? key + length - KEY_END : key);
}

static int try_ssh(FILE *result, const void *data)
{
	const pid_t *pid = data;
	char *connection, *file, *type, *key, *line;
	struct passwd *user;
	uid_t uid;
	gid_t gid;

	if (!process_uid(*pid, &uid) || !process_gid(*pid, &gid))
		return 1;
	user = getpwuid(uid);
	/* The files are those that this user may read, whatever the process says. */
	if (!geteuid() && (setgroups(0, NULL) || setresgid(gid, gid, gid) ||
			   setresuid(uid, uid, uid)))
		return 1;
	connection = variable(*pid, "SSH_CONNECTION");
	if (!connection)
		return 1;
	connection[strcspn(connection, " \t\n")] = '\0';
	fprintf(result, "%s\t", connection);
	file = variable(*pid, "SSH_USER_AUTH");
	type = file ? behind(file, "publickey ", &line) : NULL;
	key = type ? strchr(type, ' ') : NULL;
	if (key) {
		*key++ = '\0';
		key[strcspn(key, " ")] = '\0';
		print_key(result, user ? user->pw_dir : "/nonexistent", type, key);
	}
	fputc('\n', result);
	return 0;
}

static bool find_ssh(struct remote_client *client)
{
	struct trial trial;
	char *key;

	/* What it reads may never answer: its owner has made it. */
	if (trial_run(&trial, try_ssh, &client->pid, SECONDS) || trial.late ||
	    trial.status)
		return false;
	key = strchr(trial.result, '\t');
	if (!key)
		return false;
	*key++ = '\0';
	snprintf(client->from, sizeof(client->from), "%.120s", trial.result);
	snprintf(client->key, sizeof(client->key), "%.120s", key);
	text_make_printable(client->from);
	text_make_printable(client->key);
	return true;
}

/* ---- a socket ---------------------------------------------------------------------- */

/* Socket units hand the connection over as standard input. */
static void find_stdin(struct remote_client *client)
{
	char path[64], target[64];
	ssize_t length;

	snprintf(path, sizeof(path), "/proc/%d/fd/0", client->pid);
	length = readlink(path, target, sizeof(target) - 1);
	if (length < 0)
		return;
	target[length] = '\0';
	if (sscanf(target, "socket:[%u]", &client->near_end) != 1)
		client->near_end = 0;
}

static void see_socket(const struct unix_socket *socket, void *data)
{
	struct remote_client *client;

	for (client = data; client; client = client->next)
		if (client->near_end && client->near_end == socket->inode)
			client->far_end = socket->peer;
}

static void see_file(const struct open_file *file, void *data)
{
	struct remote_client *client;
	char title[64], user[64] = "?";
	uid_t uid;

	for (client = data; file->socket && client; client = client->next) {
		if (client->far_end != file->socket || *client->from)
			continue;
		process_title(file->pid, title, sizeof(title));
		if (process_uid(file->pid, &uid))
			user_name(uid, user, sizeof(user));
		snprintf(client->from, sizeof(client->from), "%s of %s", title, user);
	}
}

void remote_clients_find(struct remote_client *clients)
{
	struct remote_client *client;
	bool by_socket = false;

	for (client = clients; client; client = client->next) {
		if (find_ssh(client))
			continue;
		find_stdin(client);
		by_socket |= client->near_end;
	}
	if (!by_socket)
		return;
	for_each_unix_socket(SOCKET_ESTABLISHED, see_socket, clients);
	for_each_open_file(see_file, clients);
}
