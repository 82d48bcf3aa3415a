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
#include "who.h"

enum { PID, USER, COMMAND, VIA, LEASE, SECONDS, WAITING, SESSIONS, LOGIN };

static const struct column columns[] = {
	[PID] = { "pid", NUMBER, "the process" },
	[USER] = { "user", TEXT, "whose it is" },
	[COMMAND] = { "command", TEXT, "what it runs" },
	[VIA] = { "via", TEXT, "token; or device, pcscd: it can use the real device without tokmux" },
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
	char name[64], command[PROCESS_NAME_SIZE];
	const char *via;
	bool exclusive, shared, detailed;
	int64_t held_ms;
	unsigned int waiting, sessions;
	char login[8];
};

struct who {
	struct user *users;
	struct subject *subject;
	dev_t rdev, real_rdev;
	uid_t owner;
	/* Of pcscd's clients; may be NULL. */
	uint32_t *sockets;
};

static struct user *user_of(struct who *who, pid_t pid, const char *via)
{
	struct user **last, *user;
	uid_t uid;

	for (last = &who->users; *last; last = &(*last)->next)
		if ((*last)->pid == pid && !strcmp((*last)->via, via))
			return *last;
	user = calloc(1, sizeof(*user));
	if (!user) {
		complain("out of memory");
		exit(STATUS_FAILED);
	}
	*user = (struct user){ .pid = pid, .via = via, .held_ms = -1 };
	/* Now: it may end as soon as it is told that its lease is gone. */
	if (process_uid(pid, &uid))
		user_name(uid, user->name, sizeof(user->name));
	process_command(pid, user->command, sizeof(user->command));
	*last = user;
	return user;
}

/* Without a device the name has to do, and the uid, whose name it is. */
static bool is_of_token(const struct who *who, const struct open_file *file)
{
	uid_t uid;

	if (!file->is_caller)
		return false;
	if (who->rdev)
		return file->rdev == who->rdev;
	return !file->rdev && !strcmp(file->token, subject_name(who->subject)) &&
	       process_uid(file->pid, &uid) && uid == who->owner;
}

static bool is_client(const struct who *who, ino_t socket)
{
	const uint32_t *client;

	for (client = who->sockets; socket && client && *client; client++)
		if (*client == socket)
			return true;
	return false;
}

static void see(const struct open_file *file, void *data)
{
	struct who *who = data;
	struct user *user;

	/* eject, which has opened the token itself. */
	if (file->pid == getpid())
		return;
	if (is_client(who, file->socket)) {
		user_of(who, file->pid, "pcscd");
		return;
	}
	if (who->real_rdev && file->rdev == who->real_rdev) {
		user_of(who, file->pid, "device");
		return;
	}
	/* Its owner's alone: what a child has inherited is of no use to it. */
	if (!is_of_token(who, file) || file->owner != file->pid)
		return;
	user = user_of(who, file->pid, "token");
	if (!user->detailed)
		user->waiting = 0;
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

/* Of those whose fdinfo we may not read, this is all there is. */
static void add_pids(struct who *who, const char *key, bool exclusive)
{
	char value[VALUE_SIZE], *rest = value, *word;
	struct user *user;
	pid_t pid;

	if (subject_value(who->subject, key, value, sizeof(value)))
		return;
	while ((word = strsep(&rest, " "))) {
		pid = strtol(word, NULL, 10);
		if (!pid)
			continue;
		user = user_of(who, pid, "token");
		if (!strcmp(key, "waiter_pids"))
			user->waiting++;
		else if (exclusive)
			user->exclusive = true;
		else
			user->shared = true;
	}
}

static void add_holders(struct who *who)
{
	char value[VALUE_SIZE];
	bool exclusive;

	exclusive = !subject_value(who->subject, "exclusive", value,
				   sizeof(value)) && *value == '1';
	/* Of a user's token the kernel names one holder. */
	add_pids(who, subject_token(who->subject) ? "holder_pids" : "holder",
		 exclusive);
	add_pids(who, "waiter_pids", false);
}

/* pcscd runs while somebody uses it, and then it has the readers. */
static void add_pcscd(struct who *who)
{
	pid_t pid = pcscd_pid();
	struct user *user;

	for (user = who->users; user; user = user->next)
		if (!strcmp(user->via, "device") && user->pid == pid)
			return;
	if (pid)
		user_of(who, pid, "pcscd");
}

static void add_row(struct view *view, const struct user *user)
{
	view_row(view);
	view_setf(view, PID, "%d", user->pid);
	if (user->name[0])
		view_set(view, USER, user->name);
	if (user->command[0])
		view_set(view, COMMAND, user->command);
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

int who_begin(struct subject *subject, struct who **who)
{
	char value[VALUE_SIZE];
	struct who *w;

	if (subject_value(subject, "owner", value, sizeof(value)))
		return -ENODEV;
	w = calloc(1, sizeof(*w));
	if (!w)
		return -ENOMEM;
	w->subject = subject;
	w->rdev = subject_rdev(subject);
	w->owner = strtoul(value, NULL, 10);
	if (!subject_real_device(subject, &w->real_rdev))
		w->real_rdev = 0;
	add_holders(w);
	*who = w;
	return 0;
}

int who_finish(struct who *who, struct view *view)
{
	struct user *user;
	int rows = 0;

	if (who->real_rdev)
		who->sockets = pcscd_clients();
	for_each_open_file(see, who);
	if (who->real_rdev)
		add_pcscd(who);
	while ((user = who->users)) {
		add_row(view, user);
		rows++;
		who->users = user->next;
		free(user);
	}
	free(who->sockets);
	free(who);
	return rows;
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
		who_finish(who, view);
		status = view_print(view);
	}
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
		status = say_who(argv[optind], view);
	else
		status = bad_usage("one TOKEN is needed");
	view_free(view);
	return status;
}

const struct verb who_verb = {
	.name		= "who",
	.run		= run,
	.synopsis	= "[OPTION…] TOKEN",
	.summary	= "the processes that use a token, or its device without tokmux",
	.options	= VIEW_HELP,
};
