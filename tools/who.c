// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * tokmux who: the processes that use a token, and those that have the real
 * device behind it without us.
 *
 * Sysfs names the pids that hold and wait. What each has beyond that is in its
 * fdinfo, which its user and root may read.
 */
#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "pcscd.h"
#include "process.h"
#include "remote_client.h"
#include "who.h"

enum {
	TOKEN, PID, USER, COMMAND, VIA, LEASE, SECONDS, WAITING, SESSIONS, LOGIN, STATE,
	FROM, KEY
};

static const struct column columns[] = {
	[TOKEN] = { "token", LONG_TEXT, "the token" },
	[PID] = { "pid", NUMBER, "the process" },
	[USER] = { "user", TEXT, "whose it is" },
	[COMMAND] = { "command", LONG_TEXT, "what it runs" },
	[VIA] = { "via", TEXT, "token; or device, pcscd: it can use the real device without tokmux" },
	[LEASE] = { "lease", TEXT, "exclusive or shared" },
	[SECONDS] = { "seconds", NUMBER, "how long it has had the lease" },
	[WAITING] = { "waiting", NUMBER, "how many requests of it wait" },
	[SESSIONS] = { "sessions", NUMBER, "its open sessions" },
	[LOGIN] = { "login", TEXT, "user or so" },
	[STATE] = { "state", TEXT, "exclusive or shared, kept (a lease that is idle), waits, or idle; as via, if it isn't token" },
	[FROM] = { "from", LONG_TEXT, "a remote client's host, or the process at the socket" },
	[KEY] = { "key", LONG_TEXT, "a remote client's ssh key, as authorized_keys calls it" },
};

#define OF_ONE	"pid,user,command,via,lease,seconds,waiting,sessions,login,from,key"
#define NARROW	"token,pid,user,command,state,sessions,login,from"

/* A process outside of this pid namespace: the kernel gives its pid as 0. */
#define OUTSIDE	0

struct view *who_view(const struct view_options *options, int *status)
{
	return view_new(columns, ARRAY_SIZE(columns), OF_ONE, "users", options,
			status);
}

/* What one process has on a token, over all its files. */
struct user {
	struct user *next;
	pid_t pid;
	char name[64], command[PROCESS_NAME_SIZE];
	const char *via;
	bool exclusive, shared, uses, detailed;
	int64_t held_ms;
	unsigned int waiting, sessions;
	char login[8];
	struct remote_client client;
};

struct used_token {
	struct used_token *next;
	struct user *users;
	/* Of a user token, or of who made a system token. */
	struct user_token id;
	/* 0 for a user token; 0 without a real device. */
	dev_t rdev, real_rdev;
};

struct who {
	struct used_token *first, **last;
	/* User tokens that are found on the way are of interest, too. */
	bool all;
	/* Of pcscd's clients; may be NULL. */
	uint32_t *sockets;
};

static void *need(void *p)
{
	if (p)
		return p;
	complain("out of memory");
	exit(STATUS_FAILED);
}

static struct used_token *add_token(struct who *who, const struct user_token *id)
{
	struct used_token *token = need(calloc(1, sizeof(*token)));

	token->id = *id;
	*who->last = token;
	who->last = &token->next;
	return token;
}

static struct user *user_of(struct used_token *token, pid_t pid, const char *via)
{
	struct user **last, *user;
	uid_t uid;

	for (last = &token->users; *last; last = &(*last)->next)
		if ((*last)->pid == pid && !strcmp((*last)->via, via))
			return *last;
	user = need(calloc(1, sizeof(*user)));
	*user = (struct user){ .pid = pid, .via = via, .held_ms = -1, .client.pid = pid };
	*last = user;
	if (pid == OUTSIDE) {
		snprintf(user->command, sizeof(user->command), "outside");
		return user;
	}
	/* Now: it may end as soon as it is told that its lease is gone. */
	if (process_uid(pid, &uid))
		user_name(uid, user->name, sizeof(user->name));
	process_command(pid, user->command, sizeof(user->command));
	return user;
}

/* ---- what the kernel says of a token ------------------------------------------- */

/* Of those whose fdinfo we may not read, this is all there is. */
static void add_pids(struct used_token *token, struct subject *subject,
		     const char *key, bool exclusive)
{
	char value[VALUE_SIZE], *rest = value, *word;
	struct user *user;
	pid_t pid;

	if (subject_value(subject, key, value, sizeof(value)))
		return;
	while ((word = strsep(&rest, " "))) {
		pid = strtol(word, NULL, 10);
		/* A user token without a holder says the same, and is its namespace's own. */
		if (pid == OUTSIDE && (!*word || !subject_token(subject)))
			continue;
		user = user_of(token, pid, "token");
		if (!strcmp(key, "waiter_pids"))
			user->waiting++;
		else if (exclusive)
			user->exclusive = true;
		else
			user->shared = true;
	}
}

static int add_subject(struct who *who, struct subject *subject)
{
	struct used_token *token;
	char value[VALUE_SIZE];
	struct user_token id;
	bool exclusive;

	if (subject_value(subject, "owner", value, sizeof(value)))
		return -ENODEV;
	id.owner = strtoul(value, NULL, 10);
	snprintf(id.name, sizeof(id.name), "%s", subject_name(subject));
	token = add_token(who, &id);
	token->rdev = subject_rdev(subject);
	if (!subject_real_device(subject, &token->real_rdev))
		token->real_rdev = 0;
	exclusive = !subject_value(subject, "exclusive", value,
				   sizeof(value)) && *value == '1';
	/* Of a user token the kernel names one holder. */
	add_pids(token, subject,
		 subject_token(subject) ? "holder_pids" : "holder", exclusive);
	add_pids(token, subject, "waiter_pids", false);
	return 0;
}

static struct who *who_new(void)
{
	struct who *who = need(calloc(1, sizeof(*who)));

	who->last = &who->first;
	return who;
}

int who_begin(struct subject *subject, struct who **who)
{
	struct who *w = who_new();
	int ret = add_subject(w, subject);

	if (ret)
		free(w);
	else
		*who = w;
	return ret;
}

/* User tokens come with the processes that use them. */
static int begin_all(struct who **who)
{
	struct tokmux_token **tokens, **t;
	struct subject *subject;
	int ret;

	if (!tokmux_present())
		return -ENODEV;
	ret = tokmux_list(&tokens);
	if (ret < 0)
		return ret;
	*who = who_new();
	(*who)->all = true;
	for (t = tokens; *t; t++) {
		subject = subject_of(*t);
		add_subject(*who, subject);
		subject_free(subject);
	}
	/* Each has gone with its subject. */
	*tokens = NULL;
	tokmux_list_free(tokens);
	return 0;
}

/* ---- what the processes have ---------------------------------------------------- */

static bool is_client(const struct who *who, ino_t socket)
{
	const uint32_t *client;

	for (client = who->sockets; socket && client && *client; client++)
		if (*client == socket)
			return true;
	return false;
}

/* Without a device the name has to do, and the uid, whose name it is. */
static struct used_token *token_of(struct who *who, const struct open_file *file)
{
	struct used_token *token;
	struct user_token id;
	bool of_user;

	if (!file->is_caller)
		return NULL;
	of_user = user_token_of(file, &id);
	if (!file->rdev && !of_user)
		return NULL;
	for (token = who->first; token; token = token->next)
		if (of_user ? !token->rdev && user_token_is(&token->id, id.name, id.owner) :
		    token->rdev == file->rdev)
			return token;
	return who->all && of_user ? add_token(who, &id) : NULL;
}

static void see_caller(struct used_token *token, const struct open_file *file)
{
	struct user *user = user_of(token, file->pid, "token");

	if (!user->detailed)
		user->waiting = 0;
	user->detailed = true;
	user->exclusive |= file->exclusive;
	user->shared |= file->shared;
	user->uses |= file->uses;
	if (file->held_ms > user->held_ms)
		user->held_ms = file->held_ms;
	user->waiting += file->waiting;
	user->sessions += file->sessions;
	if (file->login[0] && strcmp(file->login, "none"))
		memcpy(user->login, file->login, sizeof(user->login));
}

/* A file that leads to a reader without us may lead to several tokens' one. */
static bool see_device(struct who *who, const struct open_file *file)
{
	bool client = is_client(who, file->socket), seen = client;
	struct used_token *token;

	for (token = who->first; token; token = token->next) {
		if (client && token->real_rdev)
			user_of(token, file->pid, "pcscd");
		if (token->real_rdev && file->rdev == token->real_rdev) {
			user_of(token, file->pid, "device");
			seen = true;
		}
	}
	return seen;
}

static void see(const struct open_file *file, void *data)
{
	struct used_token *token;

	/* This process may have opened the token itself. */
	if (file->pid == getpid() || see_device(data, file))
		return;
	/* Its owner's alone: what a child has inherited is of no use to it. */
	token = token_of(data, file);
	if (token && file->owner == file->pid)
		see_caller(token, file);
}

/* pcscd runs while somebody uses it, and then it has the readers. */
static void add_pcscd(struct used_token *token, pid_t pid)
{
	struct user *user;

	for (user = token->users; user; user = user->next)
		if (!strcmp(user->via, "device") && user->pid == pid)
			return;
	if (pid)
		user_of(token, pid, "pcscd");
}

/* ---- as rows --------------------------------------------------------------------- */

static void add_row(struct view *view, const struct used_token *token,
		    const struct user *user)
{
	view_row(view);
	view_set(view, TOKEN, token->id.name);
	if (user->pid != OUTSIDE)
		view_setf(view, PID, "%d", user->pid);
	if (user->name[0])
		view_set(view, USER, user->name);
	if (user->command[0])
		view_set(view, COMMAND, user->command);
	view_set(view, VIA, user->via);
	view_set(view, STATE, strcmp(user->via, "token") ? user->via :
		 user->held_ms >= 0 && !user->uses ? "kept" :
		 user->exclusive ? "exclusive" : user->shared ? "shared" :
		 user->waiting ? "waits" : "idle");
	if (strcmp(user->via, "token"))
		return;
	if (user->exclusive || user->shared)
		view_set(view, LEASE, user->exclusive ? "exclusive" : "shared");
	if (user->held_ms >= 0)
		view_setf(view, SECONDS, "%.3f", user->held_ms / 1000.0);
	view_setf(view, WAITING, "%u", user->waiting);
	if (user->detailed)
		view_setf(view, SESSIONS, "%u", user->sessions);
	if (user->login[0])
		view_set(view, LOGIN, user->login);
	if (*user->client.from)
		view_set(view, FROM, user->client.from);
	if (*user->client.key)
		view_set(view, KEY, user->client.key);
}

static bool has_device(const struct who *who)
{
	const struct used_token *token;

	for (token = who->first; token; token = token->next)
		if (token->real_rdev)
			return true;
	return false;
}

static void find_remote_clients(struct who *who)
{
	struct remote_client *clients = NULL;
	struct used_token *token;
	struct user *user;

	for (token = who->first; token; token = token->next) {
		for (user = token->users; user; user = user->next) {
			if (!remote_client_serves(user->command))
				continue;
			user->client.next = clients;
			clients = &user->client;
		}
	}
	remote_clients_find(clients);
}

int who_finish(struct who *who, struct view *view)
{
	struct used_token *token;
	pid_t pcscd = 0;
	struct user *user;
	int rows = 0;

	if (has_device(who)) {
		who->sockets = pcscd_clients();
		pcscd = pcscd_pid();
	}
	for_each_open_file(see, who);
	find_remote_clients(who);
	while ((token = who->first)) {
		if (token->real_rdev)
			add_pcscd(token, pcscd);
		while ((user = token->users)) {
			add_row(view, token, user);
			rows++;
			token->users = user->next;
			free(user);
		}
		who->first = token->next;
		free(token);
	}
	free(who->sockets);
	free(who);
	return rows;
}

static int finish_and_print(struct who *who, struct view *view,
			    const char *nobody)
{
	int status;

	/* For a person: a program sees that there is nothing. */
	if (!who_finish(who, view) && view_is_for_person(view)) {
		puts(nobody);
		status = STATUS_OK;
	} else {
		status = view_print(view);
	}
	return status;
}

static int say_who(const char *what, struct view *view)
{
	struct subject *subject;
	struct who *who;
	int ret, status;

	status = subject_find(what, &subject);
	if (status)
		return status;
	ret = who_begin(subject, &who);
	if (ret) {
		status = failed(what, ret);
	} else {
		status = finish_and_print(who, view,
			"No process that you may see uses this token.");
	}
	subject_free(subject);
	return status;
}

static int say_all(struct view *view)
{
	struct who *who;
	int ret = begin_all(&who);

	if (ret)
		return failed("tokens", ret);
	return finish_and_print(who, view,
				"No process that you may see uses a token.");
}

static int run(int argc, char **argv)
{
	static const struct option long_options[] = { VIEW_LONG, {} };
	struct view_options options = {};
	int option, status = STATUS_OK;
	struct view *view;
	bool all;

	while ((option = getopt_long(argc, argv, VIEW_SHORT, long_options,
				     NULL)) >= 0)
		if (!view_option(&options, option, optarg))
			return option_status(option);
	all = optind == argc;
	view = view_new(columns, ARRAY_SIZE(columns),
			all ? view_columns(&options, "token," OF_ONE, NARROW) :
			OF_ONE, "users", &options,
			&status);
	if (!view)
		return status;
	if (all)
		status = say_all(view);
	else if (argc - optind == 1)
		status = say_who(argv[optind], view);
	else
		status = bad_usage("one TOKEN at most");
	view_free(view);
	return status;
}

const struct verb who_verb = {
	.name		= "who",
	.run		= run,
	.synopsis	= "[OPTION…] [TOKEN]",
	.summary	= "the processes that use a token or any, or its device without tokmux",
	.options	= VIEW_HELP,
};
