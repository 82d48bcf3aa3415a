// SPDX-License-Identifier: GPL-2.0-only
/*
 * The control device, /dev/tokmux-control: makes, finds and removes tokens.
 *
 * Keeps R7 for every ioctl of the module: tokmux_run_verb() is the only place
 * where a struct is copied from or to user space.
 */
#include <linux/anon_inodes.h>
#include <linux/ctype.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/uaccess.h>
#include "internal.h"

/* Every struct of the UAPI fits. */
#define TOKMUX_MAX_ARG	128

/**
 * tokmux_run_verb() - run an ioctl whose struct may grow (R7)
 * @verbs: the ones that there are
 * @nr_verbs: how many
 * @call: passed to the verb
 * @cmd: number, direction and size as the caller's header has them
 * @uarg: the struct in user space
 *
 * First the form of what is asked, which needs no look at a token: then who
 * asks, then the values. That the answer can be written is tried before the verb
 * runs, so that a bad pointer changes nothing.
 *
 * Return: -ENOTTY for an unknown verb, -EINVAL for a struct that was always
 * larger, -E2BIG for one with non-zero fields that this kernel doesn't know,
 * -EFAULT, else what tokmux_caller_check() or the verb says.
 */
long tokmux_run_verb(const struct tokmux_verb *verbs, size_t nr_verbs,
		     struct tokmux_call *call, unsigned int cmd,
		     unsigned long uarg)
{
	u64 arg[TOKMUX_MAX_ARG / sizeof(u64)] = {};
	void __user *uptr = (void __user *)uarg;
	const struct tokmux_verb *verb;
	size_t usize = _IOC_SIZE(cmd);
	size_t ksize, size;
	int ret;

	for (verb = verbs; verb < verbs + nr_verbs; verb++)
		if (_IOC_NR(cmd) == _IOC_NR(verb->cmd))
			break;
	if (verb == verbs + nr_verbs || _IOC_TYPE(cmd) != TOKMUX_IOC_MAGIC ||
	    _IOC_DIR(cmd) != _IOC_DIR(verb->cmd))
		return -ENOTTY;

	ksize = _IOC_SIZE(verb->cmd);
	size = min(ksize, usize);
	if (WARN_ON_ONCE(ksize > sizeof(arg)))
		return -ENOTTY;
	if (usize < verb->min_size)
		return -EINVAL;

	if (_IOC_DIR(cmd) & _IOC_WRITE) {
		ret = copy_struct_from_user(arg, ksize, uptr, usize);
		if (ret)
			return ret;
	}
	if (_IOC_DIR(cmd) & _IOC_READ && copy_to_user(uptr, arg, size))
		return -EFAULT;

	if (call->caller)
		ret = tokmux_caller_run(verb, call, arg);
	else
		ret = verb->run(call, arg);
	if (!ret && _IOC_DIR(cmd) & _IOC_READ &&
	    (copy_to_user(uptr, arg, size) ||
	     (usize > size && clear_user(uptr + size, usize - size))))
		ret = -EFAULT;

	if (call->file && ret) {
		put_unused_fd(call->fd);
		fput(call->file);
	} else if (call->file) {
		fd_install(call->fd, call->file);
	}
	return ret;
}

static int tokmux_check_name(const char *name)
{
	size_t len = strnlen(name, TOKMUX_NAME_SIZE);
	size_t i;

	if (len == TOKMUX_NAME_SIZE)
		return -ENAMETOOLONG;
	for (i = 0; i < len; i++)
		if (!isascii(name[i]) || !isgraph(name[i]) || name[i] == '/')
			return -EINVAL;
	if (!len || memchr_inv(name + len, 0, TOKMUX_NAME_SIZE - len))
		return -EINVAL;
	return 0;
}

/**
 * tokmux_new_file() - make the file that an ioctl answers with
 * @call: the ioctl; it installs the file once user space has been told, or
 *	gives it back
 * @name: as /proc shows it
 * @fops: its operations
 * @priv: its private data, the file's where this succeeds
 */
int tokmux_new_file(struct tokmux_call *call, const char *name,
		    const struct file_operations *fops, void *priv)
{
	struct file *file;
	int fd;

	fd = get_unused_fd_flags(O_CLOEXEC);
	if (fd < 0)
		return fd;
	file = anon_inode_getfile(name, fops, priv, O_RDWR);
	if (IS_ERR(file)) {
		put_unused_fd(fd);
		return PTR_ERR(file);
	}
	call->file = file;
	call->fd = fd;
	return 0;
}

/* Consumes the caller's file count on @token, also where it fails. */
static int tokmux_new_caller_file(struct tokmux_call *call,
				  struct tokmux_token *token)
{
	struct tokmux_caller *caller;
	int ret;

	caller = tokmux_caller_new(token, FMODE_READ | FMODE_WRITE);
	if (IS_ERR(caller)) {
		tokmux_token_put_file(token);
		return PTR_ERR(caller);
	}
	ret = tokmux_new_file(call, "[tokmux]", &tokmux_token_fops, caller);
	if (ret)
		tokmux_caller_free(caller);
	return ret;
}

static int tokmux_control_create(struct tokmux_call *call, void *argp)
{
	struct tokmux_create *arg = argp;
	struct tokmux_token *token;
	bool created = true;
	int ret;

	if (arg->flags & ~(TOKMUX_CREATE_USER | TOKMUX_CREATE_EXCL) ||
	    arg->index || arg->fd || arg->created ||
	    arg->max_sessions > TOKMUX_MAX_SESSIONS ||
	    arg->hold_limit_ms > TOKMUX_MAX_HOLD_MS || !tokmux_device_valid(arg))
		return -EINVAL;
	ret = tokmux_check_name(arg->name);
	if (ret)
		return ret;

	if (arg->flags & TOKMUX_CREATE_USER) {
		if (arg->device_kind != TOKMUX_DEVICE_NONE)
			return -EINVAL;
		token = tokmux_token_get_user(arg->name, arg, &created);
		if (IS_ERR(token))
			return PTR_ERR(token);
		ret = tokmux_new_caller_file(call, token);
		if (ret)
			return ret;
		arg->fd = call->fd;
		arg->index = TOKMUX_NO_INDEX;
	} else {
		if (!capable(CAP_SYS_ADMIN))
			return -EPERM;
		ret = tokmux_token_create_system(arg, &arg->index);
		if (ret)
			return ret;
		arg->fd = -1;
	}
	arg->created = created;
	return 0;
}

static int tokmux_control_open(struct tokmux_call *call, void *argp)
{
	struct tokmux_open *arg = argp;
	struct tokmux_token *token;
	int ret;

	if (arg->flags || arg->fd)
		return -EINVAL;
	ret = tokmux_check_name(arg->name);
	if (ret)
		return ret;

	token = tokmux_token_get_user(arg->name, NULL, NULL);
	if (IS_ERR(token))
		return PTR_ERR(token);
	ret = tokmux_new_caller_file(call, token);
	if (ret)
		return ret;
	arg->fd = call->fd;
	return 0;
}

static int tokmux_control_remove(struct tokmux_call *call, void *argp)
{
	const struct tokmux_remove *arg = argp;

	if (arg->flags)
		return -EINVAL;
	if (!capable(CAP_SYS_ADMIN))
		return -EPERM;
	return tokmux_token_remove_system(arg->index);
}

static const struct tokmux_verb tokmux_control_verbs[] = {
	{ TOKMUX_CTL_CREATE,	88, tokmux_control_create },
	{ TOKMUX_CTL_OPEN,	72, tokmux_control_open },
	{ TOKMUX_CTL_REMOVE,	8, tokmux_control_remove },
};

static long tokmux_control_ioctl(struct file *file, unsigned int cmd,
				 unsigned long arg)
{
	struct tokmux_call call = {};

	return tokmux_run_verb(tokmux_control_verbs,
			       ARRAY_SIZE(tokmux_control_verbs), &call, cmd, arg);
}

static const struct file_operations tokmux_control_fops = {
	.owner		= THIS_MODULE,
	.unlocked_ioctl	= tokmux_control_ioctl,
	.compat_ioctl	= compat_ptr_ioctl,
};

/* Fixed, so that the node can be there before the module and load it. */
#define TOKMUX_CONTROL_MINOR	243

static struct miscdevice tokmux_control = {
	.minor	= TOKMUX_CONTROL_MINOR,
	.name	= "tokmux-control",
	.fops	= &tokmux_control_fops,
	.mode	= 0666,
};

static int __init tokmux_init(void)
{
	int ret;

	tokmux_wq = alloc_workqueue("tokmux", WQ_UNBOUND, 0);
	if (!tokmux_wq)
		return -ENOMEM;
	ret = tokmux_tokens_init();
	if (ret)
		goto err_wq;
	ret = misc_register(&tokmux_control);
	if (ret)
		goto err_tokens;
	return 0;

err_tokens:
	tokmux_tokens_exit();
err_wq:
	destroy_workqueue(tokmux_wq);
	return ret;
}

static void __exit tokmux_exit(void)
{
	misc_deregister(&tokmux_control);
	tokmux_tokens_exit();
	destroy_workqueue(tokmux_wq);
}

module_init(tokmux_init);
module_exit(tokmux_exit);

MODULE_DESCRIPTION("Share smartcards and HSMs between processes");
MODULE_AUTHOR("The tokmux authors");
MODULE_LICENSE("GPL");
MODULE_ALIAS_MISCDEV(TOKMUX_CONTROL_MINOR);
MODULE_ALIAS("devname:tokmux-control");
