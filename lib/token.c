// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * System tokens as udev knows them: found, listed, looked at. User tokens are
 * not to be found here; see Documentation/design.rst.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include "token.h"

/* Owns @device, also where it fails. */
static int token_new(struct udev_device *device, struct tokmux_token **token)
{
	struct tokmux_token *t = calloc(1, sizeof(*t));
	int ret = -ENOMEM;

	if (!t)
		goto err;
	ret = -ENOENT;
	if (!tokmux_parse_sysname(udev_device_get_sysname(device), &t->index))
		goto err;
	atomic_init(&t->refs, 1);
	t->device = device;
	*token = t;
	return 0;
err:
	udev_device_unref(device);
	free(t);
	return ret;
}

static const char *udev_name(const struct tokmux_token *token)
{
	return udev_device_get_property_value(token->device, TOKEN_NAME_PROPERTY);
}

static uint64_t first_seen(const struct tokmux_token *token)
{
	const char *since;

	since = udev_device_get_property_value(token->device, "USEC_INITIALIZED");
	return since ? strtoull(since, NULL, 10) : 0;
}

int token_from_message(struct udev_device *device, struct tokmux_token **token)
{
	char name[TOKMUX_NAME_SIZE];
	struct tokmux_token *t;
	const char *told;
	int ret;

	ret = token_new(device, &t);
	if (ret)
		return ret;
	/* The kernel's own message has the name, and udev passes it on. */
	told = udev_name(t);
	t->remembered = true;
	t->since_us = first_seen(t);
	/* The token may have gone since, and its index be another one's. */
	if (tokmux_sysfs_name(tokmux_token_sysname(t), &t->id, name) ||
	    (told && strcmp(name, told)))
		t->id = 0;
	else if (!told)
		told = name;
	if (told)
		snprintf(t->name, sizeof(t->name), "%s", told);
	*token = t;
	return 0;
}

/*
 * A token that is there now, with the name that the kernel has. udev may be
 * behind: if it remembers another name, all that it remembers is another token's.
 *
 * Owns @device, also where it fails. -ENOENT if the token has gone.
 */
static int token_from_kernel(struct udev_device *device,
			     struct tokmux_token **token)
{
	struct tokmux_token *t;
	const char *told;
	int ret;

	ret = token_new(device, &t);
	if (ret)
		return ret;
	ret = tokmux_sysfs_name(tokmux_token_sysname(t), &t->id, t->name);
	if (ret) {
		tokmux_token_free(t);
		return ret == -ENODEV ? -ENOENT : ret;
	}
	told = udev_name(t);
	t->remembered = !told || !strcmp(told, t->name);
	if (t->remembered)
		t->since_us = first_seen(t);
	*token = t;
	return 0;
}

struct tokmux_token *token_get(struct tokmux_token *token)
{
	atomic_fetch_add(&token->refs, 1);
	return token;
}

bool token_exists(const struct tokmux_token *token)
{
	ino_t id = token->id;
	int dir;

	if (!id)
		return false;
	dir = tokmux_sysfs_open(tokmux_token_sysname(token), &id);
	if (dir >= 0)
		close(dir);
	return dir >= 0;
}

void tokmux_token_free(struct tokmux_token *token)
{
	int saved = errno;

	if (token && atomic_fetch_sub(&token->refs, 1) == 1) {
		udev_device_unref(token->device);
		free(token);
	}
	errno = saved;
}

static int compare_tokens(const void *a, const void *b)
{
	const struct tokmux_token *const *x = a, *const *y = b;

	return ((*x)->index > (*y)->index) - ((*x)->index < (*y)->index);
}

/* Adds @token, or the NULL that ends the list. */
static int list_add(struct tokmux_token ***list, int count,
		    struct tokmux_token *token)
{
	struct tokmux_token **grown;

	/* The list is full at each power of two: double it. */
	if (!(count & (count - 1))) {
		grown = reallocarray(*list, count ? 2 * (size_t)count : 1,
				     sizeof(**list));
		if (!grown)
			return -ENOMEM;
		*list = grown;
	}
	(*list)[count] = token;
	return 0;
}

static int list_scan(struct udev *udev, struct udev_enumerate *scan,
		     struct tokmux_token ***list, int *count)
{
	struct udev_list_entry *entry;
	struct udev_device *device;
	struct tokmux_token *token;
	int ret;

	ret = udev_enumerate_add_match_subsystem(scan, TOKEN_SUBSYSTEM);
	if (ret >= 0)
		ret = udev_enumerate_scan_devices(scan);
	if (ret < 0)
		return ret;
	udev_list_entry_foreach(entry, udev_enumerate_get_list_entry(scan)) {
		device = udev_device_new_from_syspath(udev,
				udev_list_entry_get_name(entry));
		/* It has gone since the scan. */
		if (!device)
			continue;
		ret = token_from_kernel(device, &token);
		if (ret == -ENOENT)
			continue;
		if (ret)
			return ret;
		ret = list_add(list, *count, token);
		if (ret) {
			tokmux_token_free(token);
			return ret;
		}
		(*count)++;
	}
	return list_add(list, *count, NULL);
}

int token_list(struct udev *udev, struct tokmux_token ***tokens)
{
	struct udev_enumerate *scan = udev_enumerate_new(udev);
	struct tokmux_token **list = NULL;
	int count = 0;
	int ret, i;

	if (!scan)
		return -ENOMEM;
	ret = list_scan(udev, scan, &list, &count);
	udev_enumerate_unref(scan);
	if (ret) {
		for (i = 0; i < count; i++)
			tokmux_token_free(list[i]);
		free(list);
		return ret;
	}
	qsort(list, count, sizeof(*list), compare_tokens);
	*tokens = list;
	return count;
}

int tokmux_list(struct tokmux_token ***tokens)
{
	int saved = errno;
	struct udev *udev = udev_new();
	int ret = -ENOMEM;

	if (udev) {
		ret = token_list(udev, tokens);
		udev_unref(udev);
	}
	errno = saved;
	return ret;
}

void tokmux_list_free(struct tokmux_token **tokens)
{
	struct tokmux_token **t;

	if (!tokens)
		return;
	for (t = tokens; *t; t++)
		tokmux_token_free(*t);
	free(tokens);
}

static int find_device(struct udev *udev, struct udev_device *device,
		       struct tokmux_token **token)
{
	const char *subsystem;

	if (!device)
		return -ENOENT;
	subsystem = udev_device_get_subsystem(device);
	if (!subsystem || strcmp(subsystem, TOKEN_SUBSYSTEM)) {
		udev_device_unref(device);
		return -EINVAL;
	}
	return token_from_kernel(device, token);
}

/* @path is a token's node, or a link to it that udev has made. */
static int find_path(struct udev *udev, const char *path,
		     struct tokmux_token **token)
{
	const char *name = tokmux_link_name(path);
	struct stat st;
	int ret;

	if (stat(path, &st))
		return -errno;
	if (!S_ISCHR(st.st_mode))
		return -EINVAL;
	ret = find_device(udev, udev_device_new_from_devnum(udev, 'c',
							    st.st_rdev), token);
	if (!ret && name && strcmp(name, (*token)->name)) {
		tokmux_token_free(*token);
		return -ENOENT;
	}
	return ret;
}

static int find_name(struct udev *udev, const char *name,
		     struct tokmux_token **token)
{
	struct tokmux_token **list, **t;
	int ret;

	ret = token_list(udev, &list);
	if (ret < 0)
		return ret;
	ret = -ENOENT;
	for (t = list; *t; t++) {
		if (strcmp((*t)->name, name))
			continue;
		*token = token_get(*t);
		ret = 0;
		break;
	}
	tokmux_list_free(list);
	return ret;
}

static int find(struct udev *udev, const char *what, struct tokmux_token **token)
{
	unsigned int index;
	int ret;

	if (strchr(what, '/'))
		return find_path(udev, what, token);
	ret = tokmux_check_name(what);
	if (ret)
		return ret;
	ret = -ENOENT;
	if (tokmux_parse_sysname(what, &index))
		ret = find_device(udev, udev_device_new_from_subsystem_sysname(
					udev, TOKEN_SUBSYSTEM, what), token);
	return ret == -ENOENT ? find_name(udev, what, token) : ret;
}

int tokmux_token_find(const char *what, struct tokmux_token **token)
{
	int saved = errno;
	struct udev *udev = udev_new();
	int ret = -ENOMEM;

	if (udev) {
		ret = find(udev, what, token);
		udev_unref(udev);
	}
	errno = saved;
	return ret;
}

const char *tokmux_token_name(const struct tokmux_token *token)
{
	return token->name;
}

unsigned int tokmux_token_index(const struct tokmux_token *token)
{
	return token->index;
}

const char *tokmux_token_sysname(const struct tokmux_token *token)
{
	return udev_device_get_sysname(token->device);
}

const char *tokmux_token_devnode(const struct tokmux_token *token)
{
	return udev_device_get_devnode(token->device);
}

int tokmux_token_ready(const struct tokmux_token *token)
{
	return token->since_us;
}

const char *tokmux_token_property(const struct tokmux_token *token,
				  const char *key)
{
	int saved = errno;
	const char *value = NULL;

	if (token->remembered)
		value = udev_device_get_property_value(token->device, key);
	errno = saved;
	return value;
}

/* libudev would return what it has read before, so this reads the file. */
int tokmux_token_attribute(const struct tokmux_token *token, const char *key,
			   char *value, size_t size)
{
	ino_t id = token->id;
	int saved = errno;
	int dir, ret;

	if (!size || !*key || strchr(key, '/') || *key == '.')
		return -EINVAL;
	if (!id)
		return -ENOENT;
	dir = tokmux_sysfs_open(tokmux_token_sysname(token), &id);
	ret = dir;
	if (dir >= 0) {
		ret = tokmux_sysfs_read(dir, key, value, size);
		close(dir);
	}
	errno = saved;
	return ret;
}
