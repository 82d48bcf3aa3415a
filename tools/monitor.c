// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * tokmux monitor: system tokens as they come, go and change, and for root, the
 * use of all tokens; of one token, until it goes.
 */
#include <errno.h>
#include <getopt.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "ending.h"
#include "process.h"
#include "subject.h"
#include "trace.h"
#include "view.h"

enum {
	TIME, EVENT, NAME, PID, COMMAND, WHAT, LEASE, LOGIN, WAITERS, SESSIONS,
	SYSNAME, DEVICE, LOST,
};

static const struct column columns[] = {
	[TIME] = { "time", TIMESTAMP, "when it was told; in JSON with the date, UTC" },
	[EVENT] = { "event", TEXT, "what happened; see tokmux(8)" },
	[NAME] = { "name", LONG_TEXT, "the token's name" },
	[PID] = { "pid", NUMBER, "whose lease or login it is" },
	[COMMAND] = { "command", LONG_TEXT, "what that process runs" },
	[WHAT] = { "what", TEXT, "lease, login, sessions or lost, whichever it is about" },
	[LEASE] = { "lease", TEXT, "exclusive or shared" },
	[LOGIN] = { "login", TEXT, "user or so" },
	[WAITERS] = { "waiters", NUMBER, "how many requests wait then" },
	[SESSIONS] = { "sessions", NUMBER, "how many the caller has then" },
	[SYSNAME] = { "sysname", TEXT, "tokmuxN; none for a user token" },
	[DEVICE] = { "device", TEXT, "its device" },
	[LOST] = { "lost", NUMBER, "how many events were lost, if that is known" },
};

/* A PKCS#11 token's name has 31 characters most of the time. */
static unsigned int widths[] = {
	[TIME] = 12, [EVENT] = 8, [NAME] = 31, [PID] = 6, [COMMAND] = 9,
	[WHAT] = 9, [LEASE] = 9, [LOGIN] = 5, [WAITERS] = 7, [SESSIONS] = 8, [SYSNAME] = 8,
	[DEVICE] = 13, [LOST] = 6,
};

/* The last name of a process, for what is shown of it when it is gone. */
struct name {
	pid_t pid;
	char command[PROCESS_NAME_SIZE];
};

/* What is watched. */
struct watch {
	struct view *view;
	/* A process has the place of its pid, modulo their number, until another takes it. */
	struct name names[256];
	/* Of one token only, or NULL. */
	struct subject *only;
	/* Sessions and logins as well. */
	bool all;
	struct tokmux_monitor *monitor;
	/* NULL if use can't be watched. */
	struct trace *trace;
	bool beginning;
};

/* ---- tokens that come and go ------------------------------------------------- */

static const char *change_name(int change, bool beginning)
{
	switch (change) {
	case TOKMUX_TOKEN_ADDED:
		return beginning ? "present" : "added";
	case TOKMUX_TOKEN_REMOVED:
		return "removed";
	default:
		return "changed";
	}
}

static void show_change(const struct watch *watch, int change,
			const struct tokmux_token *token)
{
	struct view *view = watch->view;

	view_row(view);
	view_set_now(view, TIME);
	view_set(view, EVENT, change_name(change, watch->beginning));
	view_set(view, SYSNAME, tokmux_token_sysname(token));
	if (*tokmux_token_name(token))
		view_set(view, NAME, tokmux_token_name(token));
	view_set(view, DEVICE, tokmux_token_devnode(token));
	view_print_row(view);
}

/* An exit status if this is the end, else -1. */
static int take_change(const struct watch *watch, int change,
		       const struct tokmux_token *token)
{
	bool is_only = watch->only && subject_token(watch->only) &&
		       !strcmp(subject_name(watch->only), tokmux_token_name(token));

	if (!watch->only || is_only)
		show_change(watch, change, token);
	if (is_only && change == TOKMUX_TOKEN_REMOVED)
		return failed(subject_name(watch->only), -ENODEV);
	return -1;
}

/* All that there are now. Returns as take_change(). */
static int take_changes(struct watch *watch)
{
	struct tokmux_token *token;
	int change, status = -1;

	while (status < 0) {
		change = tokmux_monitor_next(watch->monitor, 0, &token);
		if (change == -EAGAIN) {
			watch->beginning = false;
			break;
		}
		if (change == -EINTR)
			continue;
		if (change < 0)
			return failed("tokens", change);
		status = take_change(watch, change, token);
		tokmux_token_free(token);
	}
	return status;
}

/* ---- their use ------------------------------------------------------------------ */

static const struct {
	const char *traced, *shown;
	/* Of sessions and logins. */
	bool detail;
} uses[] = {
	{ "wait",	"waits",	false },
	{ "grant",	"granted",	false },
	{ "release",	"released",	false },
	{ "idle",	"keeps",	false },
	{ "revoke",	"taken",	false },
	{ "end",	"died",		false },
	{ "login",	"login",	true },
	{ "logout",	"logout",	true },
	{ "session",	"sessions",	true },
	{ "lost",	"lost",		false },
};

/* Of a lease its mode, of a login its user type; see kmod/trace.h. */
static void set_arg(struct view *view, const struct use *use)
{
	if (!strcmp(use->event, "session")) {
		view_setf(view, SESSIONS, "%u", use->arg);
		view_setf(view, WHAT, "%u", use->arg);
	} else if (!strncmp(use->event, "log", 3)) {
		view_set(view, LOGIN, use->arg == TOKMUX_SO ? "so" : "user");
		view_set(view, WHAT, view_get(view, LOGIN));
	} else if (strcmp(use->event, "end")) {
		view_set(view, LEASE, use->arg == TOKMUX_SHARED ? "shared" :
			 "exclusive");
		view_set(view, WHAT, view_get(view, LEASE));
	}
}

/* Return: NULL if the process was gone before its name was read. */
static const char *name_of(struct watch *watch, pid_t pid)
{
	struct name *name = &watch->names[pid % ARRAY_SIZE(watch->names)];
	char command[PROCESS_NAME_SIZE];

	if (process_command(pid, command, sizeof(command))) {
		name->pid = pid;
		strcpy(name->command, command);
	}
	return name->pid == pid ? name->command : NULL;
}

static void show_use(struct watch *watch, const struct use *use,
		     const char *shown)
{
	struct view *view = watch->view;
	const char *command;

	view_row(view);
	view_set_now(view, TIME);
	view_set(view, EVENT, shown);
	if (!strcmp(use->event, "lost")) {
		if (use->arg) {
			view_setf(view, LOST, "%u", use->arg);
			view_setf(view, WHAT, "%u", use->arg);
		}
		view_print_row(view);
		return;
	}
	view_set(view, NAME, use->name);
	if (use->system) {
		view_setf(view, SYSNAME, "tokmux%u", use->index);
		view_setf(view, DEVICE, "/dev/tokmux%u", use->index);
	}
	view_setf(view, PID, "%d", use->pid);
	command = name_of(watch, use->pid);
	if (command)
		view_set(view, COMMAND, command);
	set_arg(view, use);
	view_setf(view, WAITERS, "%u", use->waiters);
	view_print_row(view);
}

static bool is_watched(const struct watch *watch, const struct use *use)
{
	char owner[VALUE_SIZE];
	uid_t uid;

	if (!watch->only || !strcmp(use->event, "lost"))
		return true;
	if (strcmp(use->name, subject_name(watch->only)) ||
	    use->system != !!subject_token(watch->only))
		return false;
	/* Other users may have a token of that name. */
	return use->system || !process_uid(use->pid, &uid) ||
	       subject_value(watch->only, "owner", owner, sizeof(owner)) ||
	       uid == strtoul(owner, NULL, 10);
}

static void take_uses(struct watch *watch)
{
	struct use use;
	size_t i;

	while (!ferror(stdout) && trace_next(watch->trace, &use)) {
		for (i = 0; i < ARRAY_SIZE(uses); i++)
			if (!strcmp(use.event, uses[i].traced))
				break;
		/* A caller that goes in good order has given everything back. */
		if (i == ARRAY_SIZE(uses) || (uses[i].detail && !watch->all) ||
		    (!strcmp(use.event, "end") && !use.arg) ||
		    !is_watched(watch, &use))
			continue;
		show_use(watch, &use, uses[i].shown);
	}
}

static struct trace *the_trace;

static void end_trace(void)
{
	trace_close(the_trace);
}

/* Others than root see tokens come and go; on a terminal they are told why. */
static void open_trace(struct watch *watch)
{
	int ret = trace_open(&watch->trace);

	if (!ret) {
		the_trace = watch->trace;
		ending_catch(end_trace);
	} else if (!isatty(STDERR_FILENO)) {
		return;
	} else if (!tokmux_present()) {
		failed("leases, sessions and logins", -ENODEV);
	} else {
		complain(ret == -EACCES || ret == -EPERM ?
			 "leases, sessions and logins are shown to root only" :
			 "leases, sessions and logins can't be shown: tracefs: %s",
			 strerror(-ret));
	}
}

/* ---- the verb ------------------------------------------------------------------- */

static int watch_all(struct watch *watch)
{
	struct pollfd fds[] = {
		{ .fd = tokmux_monitor_fd(watch->monitor), .events = POLLIN },
		{ .fd = watch->trace ? trace_fd(watch->trace) : -1,
		  .events = POLLIN },
	};
	int status;

	for (;;) {
		/* First what was there before it was used. */
		status = take_changes(watch);
		if (status < 0 && watch->trace)
			take_uses(watch);
		if (ferror(stdout))
			return cannot_write();
		if (status >= 0)
			return status;
		poll(fds, ARRAY_SIZE(fds), -1);
	}
}

static int monitor(struct watch *watch, const char *what)
{
	int ret, status = STATUS_OK;

	/* Before it is looked for, so that its end isn't missed. */
	ret = tokmux_monitor_open(&watch->monitor);
	if (ret)
		return failed("tokens", ret);
	if (what)
		status = subject_find(what, &watch->only);
	if (!status)
		open_trace(watch);
	if (!status && watch->only && !subject_token(watch->only) &&
	    !watch->trace) {
		complain("%s: only root can watch the use of a user token", what);
		status = STATUS_NOPERM;
	}
	if (!status)
		status = watch_all(watch);
	/* A signal's handler has nothing to close from here on. */
	the_trace = NULL;
	trace_close(watch->trace);
	free(watch->trace);
	subject_free(watch->only);
	tokmux_monitor_close(watch->monitor);
	return status;
}

static int run(int argc, char **argv)
{
	static const struct option long_options[] = {
		VIEW_LONG,
		{ "all",	no_argument,	NULL, 'a' },
		{}
	};
	struct watch watch = { .beginning = true };
	struct view_options options = {};
	int option, status = STATUS_OK;

	while ((option = getopt_long(argc, argv, VIEW_SHORT "a", long_options,
				     NULL)) >= 0) {
		if (option == 'a')
			watch.all = true;
		else if (!view_option(&options, option, optarg))
			return option_status(option);
	}
	watch.view = view_new(columns, ARRAY_SIZE(columns),
			      !watch.all ? "time,event,name,pid,command,lease" :
			      view_columns(&options,
					   "time,event,name,pid,command,lease,login,sessions",
					   "time,event,name,pid,command,what"),
			      "events", &options, &status);
	if (!watch.view)
		return status;
	/* As long as a command's name can be, where there is room. */
	if (*view_columns(&options, "wide", "narrow") == 'w')
		widths[COMMAND] = 15;
	view_set_widths(watch.view, widths);
	if (argc - optind > 1)
		status = bad_usage("one TOKEN at most");
	else
		status = monitor(&watch, argv[optind]);
	view_free(watch.view);
	return status;
}

const struct verb monitor_verb = {
	.name		= "monitor",
	.run		= run,
	.synopsis	= "[OPTION…] [TOKEN]",
	.summary	= "tokens as they come and go, and their use",
	.options	=
	"  -a, --all             sessions and logins as well\n"
	VIEW_HELP,
};
