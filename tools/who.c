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
#include "pcscd.h"
#include "process.h"
#include "who.h"

enum { PID, USER, COMMAND, VIA, LEASE, SECONDS, WAITING, SESSIONS, LOGIN };

static const struct column columns[] = {
	[PID] = { "pid", NUMBER, "the process" },
	[USER] = { "user", TEXT, "whose it is" },
	[COMMAND] = { "command", TEXT, "what it runs" },
	[VIA] = { "via", TEXT, "token; or device, pcscd: it can use the real device without us" },
	[LEASE] = { "lease", TEXT, "exclusive or shared" },
	[SECONDS] = { "seconds", NUMBER, "how long it has had the lease" },
	[WAITING] = { "waiting", NUMBER, "how many requests of it wait" },
	[SESSIONS] = { "sessions", NUMBER, "its open sessions" },
	[LOGIN] = { "login", TEXT, "user or so" },
};

struct view *who_view(const struct view_options *options, int *status)
{
	return view_new(columns, ARRAY_SIZE(columns),
			"pid,user,command,via,lease,seconds,waiting,sessions,login",
			"users", options, status);
}

/* What one process has on the token, over all its files. */
struct user {
	struct user *next;
	pid_t pid;
	const char *via;
	bool exclusive, shared, detailed;
	int64_t held_ms;
	unsigned int waiting, sessions;
	char login[8];
};

struct search {
	struct user *users;
	const char *name;
	dev_t rdev, real_rdev;
	uid_t owner;
	/* Of pcscd's clients; may be NULL. */
	uint32_t *sockets;
};

static struct user *user_of(struct search *search, pid_t pid, const char *via)
{
	struct user **last, *user;

	for (last = &search->users; *last; last = &(*last)->next)
		if ((*last)->pid == pid && !strcmp((*last)->via, via))
			return *last;
	user = calloc(1, sizeof(*user));
	if (!user) {
		complain("out of memory");
		exit(STATUS_FAILED);
	}
	*user = (struct user){ .pid = pid, .via = via, .held_ms = -1 };
	*last = user;
	return user;
}

/* Without a device the name has to do, and the uid, whose name it is. */
static bool is_of_token(const struct search *search, const struct open_file *file)
{
	uid_t uid;

	if (!file->is_caller)
		return false;
	if (search->rdev)
		return file->rdev == search->rdev;
	return !file->rdev && !strcmp(file->token, search->name) &&
	       process_uid(file->pid, &uid) && uid == search->owner;
}

static bool is_client(const struct search *search, ino_t socket)
{
	const uint32_t *client;

	for (client = search->sockets; socket && client && *client; client++)
		if (*client == socket)
			return true;
	return false;
}

static void see(const struct open_file *file, void *data)
{
	struct search *search = data;
	struct user *user;

	if (is_client(search, file->socket)) {
		user_of(search, file->pid, "pcscd");
		return;
	}
	if (search->real_rdev && file->rdev == search->real_rdev) {
		user_of(search, file->pid, "device");
		return;
	}
	/* Its owner's alone: what a child has inherited is of no use to it. */
	if (!is_of_token(search, file) || file->owner != file->pid)
		return;
	user = user_of(search, file->pid, "token");
	user->detailed = true;
	user->exclusive |= file->exclusive;
	user->shared |= file->shared;
	if (file->held_ms > user->held_ms)
		user->held_ms = file->held_ms;
	user->waiting += file->waiting;
	user->sessions += file->sessions;
	if (file->login[0] && strcmp(file->login, "none"))
		memcpy(user->login, file->login, sizeof(user->login));
}

/* Those whose fdinfo we may not read: what sysfs says will have to do. */
static void add_pids(struct search *search, struct subject *subject,
		     const char *key, bool exclusive)
{
	char value[VALUE_SIZE], *rest = value, *word;
	struct user *user;
	pid_t pid;

	if (subject_value(subject, key, value, sizeof(value)))
		return;
	while ((word = strsep(&rest, " "))) {
		pid = strtol(word, NULL, 10);
		if (!pid)
			continue;
		user = user_of(search, pid, "token");
		if (user->detailed)
			continue;
		if (!strcmp(key, "waiter_pids"))
			user->waiting++;
		else if (exclusive)
			user->exclusive = true;
		else
			user->shared = true;
	}
}

static void add_holders(struct search *search, struct subject *subject)
{
	char value[VALUE_SIZE];
	bool exclusive;

	exclusive = !subject_value(subject, "exclusive", value, sizeof(value)) &&
		    *value == '1';
	/* Of a user's token the kernel names one holder. */
	add_pids(search, subject, subject_token(subject) ? "holder_pids" : "holder",
		 exclusive);
	add_pids(search, subject, "waiter_pids", false);
}

/* pcscd runs while somebody uses it, and then it has the readers. */
static void add_pcscd(struct search *search)
{
	pid_t pid = pcscd_pid();
	struct user *user;

	for (user = search->users; user; user = user->next)
		if (!strcmp(user->via, "device") && user->pid == pid)
			return;
	if (pid)
		user_of(search, pid, "pcscd");
}

static void add_row(struct view *view, const struct user *user)
{
	char text[64];
	uid_t uid;

	view_row(view);
	view_setf(view, PID, "%d", user->pid);
	if (process_uid(user->pid, &uid)) {
		user_name(uid, text, sizeof(text));
		view_set(view, USER, text);
	}
	if (process_command(user->pid, text, sizeof(text)))
		view_set(view, COMMAND, text);
	view_set(view, VIA, user->via);
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
}

int who_rows(struct view *view, struct subject *subject)
{
	struct search search = {
		.name = subject_name(subject),
		.rdev = subject_rdev(subject),
	};
	char value[VALUE_SIZE];
	struct user *user;
	int rows = 0;

	if (subject_value(subject, "owner", value, sizeof(value)))
		return -ENODEV;
	search.owner = strtoul(value, NULL, 10);
	if (!subject_real_device(subject, &search.real_rdev))
		search.real_rdev = 0;
	if (search.real_rdev)
		search.sockets = pcscd_clients();
	for_each_open_file(see, &search);
	add_holders(&search, subject);
	if (search.real_rdev)
		add_pcscd(&search);
	while ((user = search.users)) {
		add_row(view, user);
		rows++;
		search.users = user->next;
		free(user);
	}
	free(search.sockets);
	return rows;
}

static int who(const char *what, struct view *view)
{
	struct subject *subject;
	int ret, status;

	status = subject_find(what, &subject);
	if (status)
		return status;
	ret = who_rows(view, subject);
	status = ret < 0 ? failed(what, ret) : view_print(view);
	subject_free(subject);
	return status;
}

static int run(int argc, char **argv)
{
	static const struct option long_options[] = { VIEW_LONG, {} };
	struct view_options options = {};
	int option, status = STATUS_OK;
	struct view *view;

	while ((option = getopt_long(argc, argv, VIEW_SHORT, long_options,
				     NULL)) >= 0)
		if (!view_option(&options, option, optarg))
			return option_status(option);
	view = who_view(&options, &status);
	if (!view)
		return status;
	if (argc - optind == 1)
		status = who(argv[optind], view);
	else
		status = bad_usage("one TOKEN is needed");
	view_free(view);
	return status;
}

const struct verb who_verb = {
	.name		= "who",
	.run		= run,
	.synopsis	= "[OPTION…] TOKEN",
	.summary	= "the processes that use a token, or its device without us",
	.options	= VIEW_HELP,
};
