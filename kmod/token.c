// SPDX-License-Identifier: GPL-2.0-only
/*
 * Tokens: their registry, their devices, and how they are made and removed.
 *
 * A system token is made by a privileged process. It has a device, and stays
 * until it is removed. A user token belongs to a uid in its pid namespace, and
 * only there that uid finds it. It is removed with its last file, and the number
 * of a uid's tokens is limited (R8). It has no device: other users cannot probe a
 * token that they cannot see, and an unprivileged process cannot make udev work.
 */
#include <linux/cred.h>
#include <linux/fs.h>
#include <linux/hashtable.h>
#include <linux/module.h>
#include <linux/pid_namespace.h>
#include <linux/slab.h>
#include <linux/stringhash.h>
#include <linux/suspend.h>
#include "internal.h"

static unsigned int user_tokens = 64;
module_param(user_tokens, uint, 0644);
MODULE_PARM_DESC(user_tokens, "how many tokens a user may have");

/* Protects the two below, and some members of a token: see internal.h. */
static DEFINE_MUTEX(tokmux_tokens_lock);
static DEFINE_HASHTABLE(tokmux_by_name, 10);
static DEFINE_XARRAY_ALLOC(tokmux_by_index);

static dev_t tokmux_devt;
static struct class tokmux_class = {
	.name		= "tokmux",
	.dev_groups	= tokmux_token_groups,
};

/* With the user, so that a name that many users have makes no long chain. */
static u32 tokmux_name_hash(const char *name, kuid_t uid,
			    const struct pid_namespace *pid_ns)
{
	return full_name_hash(pid_ns, name, strlen(name)) ^ (pid_ns ? __kuid_val(uid) : 0);
}

/* Find a system token, or with a @pid_ns a user token. */
static struct tokmux_token *tokmux_find(const char *name, kuid_t uid,
					const struct pid_namespace *pid_ns)
{
	struct tokmux_token *token;

	lockdep_assert_held(&tokmux_tokens_lock);
	hash_for_each_possible(tokmux_by_name, token, hash_node,
			       tokmux_name_hash(name, uid, pid_ns)) {
		if (token->pid_ns == pid_ns && !strcmp(token->name, name) &&
		    (!pid_ns || uid_eq(token->owner, uid)))
			return token;
	}
	return NULL;
}

static void tokmux_add(struct tokmux_token *token)
{
	hash_add(tokmux_by_name, &token->hash_node,
		 tokmux_name_hash(token->name, token->owner, token->pid_ns));
}

static void tokmux_token_free(struct device *dev)
{
	struct tokmux_token *token = container_of(dev, struct tokmux_token, dev);

	WARN_ON(!list_empty(&token->callers) || token->nr_holders ||
		token->nr_sessions || token->lease_file);
	if (token->user)
		tokmux_user_put(token->user);
	if (token->pid_ns)
		put_pid_ns(token->pid_ns);
	tokmux_device_exit(&token->device);
	xa_destroy(&token->groups);
	xa_destroy(&token->sessions);
	mutex_destroy(&token->lock);
	kfree(token);
}

static struct tokmux_token *tokmux_token_new(const struct tokmux_create *arg)
{
	struct tokmux_token *token;

	token = kzalloc(sizeof(*token), GFP_KERNEL_ACCOUNT);
	if (!token)
		return NULL;
	strscpy(token->name, arg->name, sizeof(token->name));
	token->index = TOKMUX_NO_INDEX;
	token->owner = current_euid();
	token->max_sessions = arg->max_sessions ?: TOKMUX_MAX_SESSIONS;
	token->hold_limit_ms = arg->hold_limit_ms;
	token->no_scrub = arg->flags & TOKMUX_CREATE_NO_SCRUB;
	mutex_init(&token->lock);
	INIT_LIST_HEAD(&token->callers);
	INIT_LIST_HEAD(&token->watchers);
	xa_init(&token->groups);
	tokmux_lease_init(token);
	xa_init_flags(&token->sessions, XA_FLAGS_ALLOC1);
	INIT_LIST_HEAD(&token->session_queue.requests);
	device_initialize(&token->dev);
	token->dev.release = tokmux_token_free;
	if (arg->flags & TOKMUX_CREATE_USER) {
		token->pid_ns = get_pid_ns(task_active_pid_ns(current));
		token->user = tokmux_user_get();
		if (!token->user) {
			put_device(&token->dev);
			return NULL;
		}
	}
	return token;
}

/* With the name: when udev looks, the index may be that of another token. */
static void tokmux_token_announce(struct tokmux_token *token)
{
	char name[sizeof("TOKMUX_NAME=") + TOKMUX_NAME_SIZE];
	char *envp[2] = {};

	snprintf(name, sizeof(name), "TOKMUX_NAME=%s", token->name);
	envp[0] = name;
	dev_set_uevent_suppress(&token->dev, false);
	kobject_uevent_env(&token->dev.kobj, KOBJ_ADD, envp);
}

/* End all leases, sessions and logins. Later calls return -ENODEV. */
static void tokmux_token_shut_down(struct tokmux_token *token)
{
	struct tokmux_caller *caller;

	mutex_lock(&token->lock);
	WRITE_ONCE(token->gone, true);
	tokmux_queue_cancel(&token->lease_queue, NULL, -ENODEV);
	tokmux_queue_cancel(&token->session_queue, NULL, -ENODEV);
	list_for_each_entry(caller, &token->callers, token_node) {
		tokmux_lease_take(caller);
		tokmux_lease_file_kill(caller);
		tokmux_session_end_all(caller);
		tokmux_login_end(caller);
		tokmux_event_send(caller, TOKMUX_EVENT_REMOVED, 0);
	}
	tokmux_device_close(&token->device);
	mutex_unlock(&token->lock);
	cancel_delayed_work_sync(&token->hold_work);
}

/*
 * R18: one name is one token. The administrator's word counts for more, so the
 * user tokens of that name end, and no user can keep a name from a reader.
 */
static void tokmux_token_end_user_tokens(const char *name)
{
	struct tokmux_token *token;
	struct hlist_node *next;
	int bucket;

	lockdep_assert_held(&tokmux_tokens_lock);
	hash_for_each_safe(tokmux_by_name, bucket, next, token, hash_node) {
		if (!token->user || strcmp(token->name, name))
			continue;
		hash_del(&token->hash_node);
		tokmux_token_shut_down(token);
	}
}

/* Does a token lead to the same device? Two holders could use it then (R1). */
static bool tokmux_device_is_taken(const struct tokmux_device *device)
{
	struct tokmux_token *token;
	unsigned long index;

	lockdep_assert_held(&tokmux_tokens_lock);
	xa_for_each(&tokmux_by_index, index, token) {
		if (tokmux_device_is_same(&token->device, device))
			return true;
	}
	return false;
}

/**
 * tokmux_token_create_system() - make a system token and its device
 * @arg: the ioctl's struct, with valid values
 * @fops: operations of the device's files
 * @index: out: N of /dev/tokmuxN
 */
int tokmux_token_create_system(const struct tokmux_create *arg,
			       const struct file_operations *fops, u32 *index)
{
	struct tokmux_token *token;
	int ret;

	token = tokmux_token_new(arg);
	if (!token)
		return -ENOMEM;
	ret = tokmux_device_init(&token->device, arg, fops);
	if (ret) {
		put_device(&token->dev);
		return ret;
	}

	mutex_lock(&tokmux_tokens_lock);
	ret = -EEXIST;
	if (tokmux_find(arg->name, INVALID_UID, NULL))
		goto err_unlock;
	ret = -EBUSY;
	if (tokmux_device_is_taken(&token->device))
		goto err_unlock;
	ret = xa_alloc(&tokmux_by_index, &token->index, token,
		       XA_LIMIT(0, TOKMUX_MAX_TOKENS - 1), GFP_KERNEL);
	if (ret) {
		ret = ret == -EBUSY ? -ENOSPC : ret;
		goto err_unlock;
	}
	ret = dev_set_name(&token->dev, "tokmux%u", token->index);
	if (ret)
		goto err_index;
	token->dev.class = &tokmux_class;
	token->dev.devt = MKDEV(MAJOR(tokmux_devt), token->index);
	cdev_init(&token->cdev, fops);
	token->cdev.owner = THIS_MODULE;
	dev_set_uevent_suppress(&token->dev, true);
	tokmux_token_end_user_tokens(token->name);
	ret = cdev_device_add(&token->cdev, &token->dev);
	if (ret)
		goto err_index;
	tokmux_add(token);
	tokmux_token_announce(token);
	*index = token->index;
	mutex_unlock(&tokmux_tokens_lock);
	return 0;

err_index:
	xa_erase(&tokmux_by_index, token->index);
err_unlock:
	mutex_unlock(&tokmux_tokens_lock);
	put_device(&token->dev);
	return ret;
}

static void tokmux_token_remove(struct tokmux_token *token)
{
	lockdep_assert_held(&tokmux_tokens_lock);
	xa_erase(&tokmux_by_index, token->index);
	hash_del(&token->hash_node);
	cdev_device_del(&token->cdev, &token->dev);
	tokmux_token_shut_down(token);
	put_device(&token->dev);
}

int tokmux_token_remove_system(u32 index)
{
	struct tokmux_token *token;
	int ret = -ENOENT;

	mutex_lock(&tokmux_tokens_lock);
	token = xa_load(&tokmux_by_index, index);
	if (token) {
		tokmux_token_remove(token);
		ret = 0;
	}
	mutex_unlock(&tokmux_tokens_lock);
	return ret;
}

/*
 * Find a token of the current uid, and count one more file of it. It is looked
 * for in the current pid namespace only: root of a container without any
 * capability is not to meet the tokens of the host's root.
 */
static struct tokmux_token *tokmux_token_find_user(const char *name,
						   const struct tokmux_create *create)
{
	struct tokmux_token *token = tokmux_find(name, current_euid(),
						 task_active_pid_ns(current));

	if (!token)
		return ERR_PTR(tokmux_find(name, INVALID_UID, NULL) ? -EEXIST : -ENOENT);
	if (create && create->flags & TOKMUX_CREATE_EXCL)
		return ERR_PTR(-EEXIST);
	token->files++;
	return token;
}

/**
 * tokmux_token_get_user() - find a token of the current uid, or make it
 * @name: the token's name
 * @create: the ioctl's struct, which is told if the token was made; NULL if it is
 *	not to be made
 *
 * Memory is allocated before tokmux_tokens_lock is taken: the allocation may
 * wait for memory of this user, and other users must not wait with it (R8).
 *
 * Return: the token, with one more file for tokmux_token_put_file(); -ENOENT;
 * -EEXIST, also if a system token has the name (R18); -EDQUOT; -ENOMEM.
 */
struct tokmux_token *tokmux_token_get_user(const char *name, struct tokmux_create *create)
{
	struct tokmux_token *fresh = NULL, *token;

	if (create) {
		fresh = tokmux_token_new(create);
		if (!fresh)
			return ERR_PTR(-ENOMEM);
	}
	mutex_lock(&tokmux_tokens_lock);
	token = tokmux_token_find_user(name, create);
	if (fresh && token == ERR_PTR(-ENOENT)) {
		token = ERR_PTR(-EDQUOT);
		if (fresh->user->tokens < READ_ONCE(user_tokens)) {
			token = fresh;
			token->user->tokens++;
			token->files = 1;
			tokmux_add(token);
			create->created = true;
		}
	}
	mutex_unlock(&tokmux_tokens_lock);
	if (fresh && fresh != token)
		put_device(&fresh->dev);
	return token;
}

/* A user token is removed with its last file. */
void tokmux_token_put_file(struct tokmux_token *token)
{
	if (!token->user)
		return;

	mutex_lock(&tokmux_tokens_lock);
	if (--token->files) {
		mutex_unlock(&tokmux_tokens_lock);
		return;
	}
	hash_del(&token->hash_node);
	token->user->tokens--;
	mutex_unlock(&tokmux_tokens_lock);
	cancel_delayed_work_sync(&token->hold_work);
	put_device(&token->dev);
}

/*
 * A suspended device may have lost power, and with it the state in which its
 * last holder left it. So every token's epoch changes. A grant that races with
 * the beginning or the end of a suspend changes the epoch by itself. No lease can
 * be parked in between.
 */
static int tokmux_pm_event(struct notifier_block *nb, unsigned long event, void *unused)
{
	struct tokmux_token *token;
	bool begins = event == PM_SUSPEND_PREPARE || event == PM_HIBERNATION_PREPARE ||
		      event == PM_RESTORE_PREPARE;
	int bucket;

	if (begins)
		tokmux_lease_set_suspended(true);
	mutex_lock(&tokmux_tokens_lock);
	hash_for_each(tokmux_by_name, bucket, token, hash_node) {
		mutex_lock(&token->lock);
		token->epoch++;
		tokmux_park_look_all(token);
		mutex_unlock(&token->lock);
	}
	mutex_unlock(&tokmux_tokens_lock);
	if (!begins)
		tokmux_lease_set_suspended(false);
	return NOTIFY_OK;
}

static struct notifier_block tokmux_pm_notifier = {
	.notifier_call = tokmux_pm_event,
};

int tokmux_tokens_init(void)
{
	int ret;

	ret = alloc_chrdev_region(&tokmux_devt, 0, TOKMUX_MAX_TOKENS, "tokmux");
	if (ret)
		return ret;
	ret = class_register(&tokmux_class);
	if (ret)
		goto err_region;
	ret = register_pm_notifier(&tokmux_pm_notifier);
	if (ret)
		goto err_class;
	return 0;

err_class:
	class_unregister(&tokmux_class);
err_region:
	unregister_chrdev_region(tokmux_devt, TOKMUX_MAX_TOKENS);
	return ret;
}

/* No file is open any more, so all tokens that are left are system tokens. */
void tokmux_tokens_exit(void)
{
	struct tokmux_token *token;
	unsigned long index;

	unregister_pm_notifier(&tokmux_pm_notifier);
	mutex_lock(&tokmux_tokens_lock);
	xa_for_each(&tokmux_by_index, index, token)
		tokmux_token_remove(token);
	mutex_unlock(&tokmux_tokens_lock);
	/* The close work of a lease file may have the last reference. */
	flush_workqueue(tokmux_wq);
	xa_destroy(&tokmux_by_index);
	class_unregister(&tokmux_class);
	unregister_chrdev_region(tokmux_devt, TOKMUX_MAX_TOKENS);
}
