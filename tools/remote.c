// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * tokmux remote: other hosts, containers and sandboxes use this host's tokens, or this
 * host another one's.
 */
#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "conf_region.h"
#include "remote_files.h"
#include "tool.h"

struct request {
	const struct remote_role *role;
	bool enable;
	bool dry_run;
	bool look;			/* no more than whether it can be done */
	const char *root;
};

static const struct remote_role *find_role(const char *name)
{
	const struct remote_role *role = remote_roles;

	while (role->name && strcmp(role->name, name))
		role++;
	return role->name ? role : NULL;
}

/* sshd reads a user's file as that user. */
static int give(const char *path, const struct remote_file *file)
{
	return !geteuid() && lchown(path, file->uid, file->gid) ? -errno : 0;
}

/* The directories that a file is in. ssh wants its own to be nobody else's. */
static int make_parents(char *path, const struct remote_file *file)
{
	char *end = path;
	int ret = 0;
	bool is_ssh;

	while (!ret && (end = strchr(end + 1, '/'))) {
		*end = '\0';
		is_ssh = end - path >= 5 && !strcmp(end - 5, "/.ssh");
		if (!mkdir(path, is_ssh ? 0700 : 0755))
			ret = is_ssh ? give(path, file) : 0;
		else if (errno != EEXIST)
			ret = -errno;
		*end = '/';
	}
	return ret;
}

static int write_it(const struct request *request, const struct remote_file *file,
		    struct conf *conf, const char *text, const char *old)
{
	bool is_new = access(conf->path, F_OK);
	int ret;

	if (request->dry_run) {
		printf("%s %s:\n%s", conf->path,
		       text ? "would get" : "would lose", text ? text : old);
		return STATUS_OK;
	}
	ret = text ? make_parents(conf->path, file) : 0;
	if (!ret)
		ret = conf_write(conf);
	if (!ret && text && is_new)
		ret = give(conf->path, file);
	if (ret)
		return failed(conf->path, ret);
	printf("%s %s\n", text ? "wrote" : "removed it from", conf->path);
	return STATUS_OK;
}

static int change(const struct request *request, const struct remote_file *file)
{
	const char *text = request->enable ? file->text : NULL;
	char *path, *old = NULL;
	int ret, status = STATUS_OK;
	struct conf conf;

	if (asprintf(&path, "%s%s", request->root, file->path) < 0)
		return failed(file->path, -ENOMEM);
	ret = conf_read(&conf, path);
	if (!ret)
		ret = conf_remove(&conf, &old);
	if (!ret && text && !file->shared && *conf.text) {
		complain("%s is there already, and not written by tokmux; rename it first",
			 path);
		status = STATUS_FAILED;
	} else if (!ret && text) {
		ret = conf_insert(&conf, 0, text);
	}
	if (ret)
		status = failed(path, ret);
	else if (status == STATUS_OK && (text || old) && !request->look)
		status = write_it(request, file, &conf, text, old);
	free(old);
	conf_free(&conf);
	free(path);
	return status;
}

/* All of it or nothing, as far as that can be seen before. */
static int change_all(struct request *request, const char *peer, const char *keys)
{
	struct remote_file files[REMOTE_FILES] = {};
	int i, status;

	status = request->role->files(files, peer, keys);
	for (i = 0; i < 2 * REMOTE_FILES && status == STATUS_OK; i++) {
		request->look = i < REMOTE_FILES;
		if (files[i % REMOTE_FILES].path)
			status = change(request, &files[i % REMOTE_FILES]);
	}
	remote_files_free(files);
	if (status == STATUS_OK && request->enable && !request->dry_run)
		fputs(request->role->next, stdout);
	return status;
}

static int run(int argc, char **argv)
{
	static const struct option options[] = {
		{ "dry-run", no_argument, NULL, 'd' },
		{ "root", required_argument, NULL, 'r' },
		{ "help", no_argument, NULL, 'h' },
		{},
	};
	struct request request = { .root = "" };
	const struct remote_role *role;
	int option, given, least, most;

	while ((option = getopt_long(argc, argv, "h", options, NULL)) >= 0) {
		if (option == 'd')
			request.dry_run = true;
		else if (option == 'r')
			request.root = optarg;
		else
			return option_status(option);
	}
	argv += optind;
	given = argc - optind;
	if (given < 2)
		return bad_usage("enable or disable it, and for what?");
	request.enable = !strcmp(argv[0], "enable");
	if (!request.enable && strcmp(argv[0], "disable"))
		return bad_usage("'%s' is neither enable nor disable", argv[0]);
	role = find_role(argv[1]);
	if (!role)
		return bad_usage("'%s' is none of owner, client and socket", argv[1]);
	request.role = role;
	most = request.enable && role->keys_are ? 4 : 3;
	least = role->one_only && !request.enable ? 2 : most;
	if (given < least)
		return bad_usage("say %s", given < 3 ? role->peer_is : role->keys_are);
	if (given > most)
		return bad_usage("'%s' is too much", argv[most]);
	/* A missing argument is the NULL at the end of argv. */
	return change_all(&request, argv[2], most == 4 ? argv[3] : NULL);
}

const struct verb remote_verb = {
	.name = "remote",
	.run = run,
	.synopsis = "enable|disable owner USER [KEYS] | client HOST | socket [USER] [OPTION...]",
	.summary = "let other hosts and containers use tokens",
	.options =
	"      --dry-run         only say what would be done\n"
	"      --root DIR        write below DIR, as for the image of a machine\n",
};
