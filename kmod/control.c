// SPDX-License-Identifier: GPL-2.0-only
/*
 * The control device, /dev/tokmux-control, which makes, finds and removes
 * tokens.
 */
#include <linux/ctype.h>
#include <linux/fs.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include "internal.h"

static int tokmux_check_name(const char *name)
{
	size_t len = strnlen(name, TOKMUX_NAME_SIZE);
	size_t i;

	if (len == TOKMUX_NAME_SIZE)
		return -ENAMETOOLONG;
	/* It ends up in links, tables and command lines: nothing misreads these. */
	for (i = 0; i < len; i++) {
		if (!isascii(name[i]) ||
		    (!isalnum(name[i]) &&
		     !strchr(i ? TOKMUX_NAME_PUNCTUATION : "_", name[i])))
			return -EINVAL;
	}
	if (!len || memchr_inv(name + len, 0, TOKMUX_NAME_SIZE - len))
		return -EINVAL;
	return 0;
}

/* Answer with a file of the current uid's token. It is made if @create is set. */
static int tokmux_user_file(struct tokmux_call *call, const char *name,
			    struct tokmux_create *create)
{
	struct tokmux_token *token = tokmux_token_get_user(name, create);
	struct tokmux_caller *caller;
	int ret;

	if (IS_ERR(token))
		return PTR_ERR(token);
	caller = tokmux_caller_new(token, FMODE_READ | FMODE_WRITE);
	if (IS_ERR(caller)) {
		tokmux_token_put_file(token);
		return PTR_ERR(caller);
	}
	ret = tokmux_call_new_file(call, "[tokmux]", &tokmux_token_fops, caller);
	if (ret)
		tokmux_caller_free(caller);
	return ret;
}

static int tokmux_create(struct tokmux_call *call, void *argp)
{
	struct tokmux_create *arg = argp;
	int ret;

	if (arg->index || arg->fd || arg->created ||
	    arg->max_sessions > TOKMUX_MAX_SESSIONS ||
	    arg->hold_limit_ms > TOKMUX_MAX_HOLD_MS || !tokmux_device_valid(arg))
		return -EINVAL;
	ret = tokmux_check_name(arg->name);
	if (ret)
		return ret;

	if (arg->flags & TOKMUX_CREATE_USER) {
		if (arg->device_kind != TOKMUX_DEVICE_NONE)
			return -EINVAL;
		ret = tokmux_user_file(call, arg->name, arg);
		arg->fd = call->fd;
		arg->index = TOKMUX_NO_INDEX;
		return ret;
	}
	if (!capable(CAP_SYS_ADMIN))
		return -EPERM;
	arg->fd = -1;
	arg->created = true;
	return tokmux_token_create_system(arg, &tokmux_token_fops, &arg->index);
}

static int tokmux_open(struct tokmux_call *call, void *argp)
{
	struct tokmux_open *arg = argp;
	int ret;

	if (arg->fd)
		return -EINVAL;
	ret = tokmux_check_name(arg->name) ?: tokmux_user_file(call, arg->name, NULL);
	arg->fd = call->fd;
	return ret;
}

static int tokmux_remove(struct tokmux_call *call, void *argp)
{
	const struct tokmux_remove *arg = argp;

	if (!capable(CAP_SYS_ADMIN))
		return -EPERM;
	return tokmux_token_remove_system(arg->index);
}

static const struct tokmux_verb tokmux_control_verbs[] = {
	{ TOKMUX_VERB(TOKMUX_CTL_CREATE, create, reserved, name),
	  .flags = TOKMUX_CREATE_USER | TOKMUX_CREATE_EXCL | TOKMUX_CREATE_NO_SCRUB },
	{ TOKMUX_VERB(TOKMUX_CTL_OPEN, open, name, name) },
	{ TOKMUX_VERB(TOKMUX_CTL_REMOVE, remove, index, index) },
	{}
};

static long tokmux_control_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	struct tokmux_call call = {};
	int ret;

	ret = tokmux_call_begin(&call, tokmux_control_verbs, cmd, arg);
	if (ret)
		return ret;
	return tokmux_call_end(&call, tokmux_call_run(&call));
}

static const struct file_operations tokmux_control_fops = {
	.owner		= THIS_MODULE,
	.unlocked_ioctl	= tokmux_control_ioctl,
	.compat_ioctl	= compat_ptr_ioctl,
};

/*
 * Fixed, so that the node can exist before the module, and load it. 243 to 254
 * are for local use.
 */
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
		goto err_work;
	ret = misc_register(&tokmux_control);
	if (ret == -EBUSY)
		pr_err("tokmux: misc minor %d is taken, /proc/misc says by which driver: unload that, or give it another minor\n",
		       TOKMUX_CONTROL_MINOR);
	if (ret)
		goto err_tokens;
	return 0;

err_tokens:
	tokmux_tokens_exit();
err_work:
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
