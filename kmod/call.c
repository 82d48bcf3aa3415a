// SPDX-License-Identifier: GPL-2.0-only
/*
 * What every ioctl of the module begins and ends with.
 *
 * Keeps R7: the struct of an ioctl is copied from and to user space only here.
 * Keeps R3: tokmux_caller_check() says whether a thread group may use a caller.
 */
#include <linux/anon_inodes.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/string.h>
#include <linux/uaccess.h>
#include "internal.h"

/**
 * tokmux_call_begin() - find the verb of an ioctl, and copy its struct (R7)
 * @call: the ioctl, with its caller; all else is zero, and filled in here
 * @verbs: the verbs of the file; the last row is empty
 * @cmd: the ioctl's number, with the size of the struct in the program's header
 * @uarg: the struct in user space
 *
 * Only the size of the struct is checked here. The caller is checked next, and
 * the values last. If the verb has an answer, the struct is written once before
 * the verb runs, so that an ioctl with a bad pointer changes nothing.
 *
 * Return: 0; -ENOTTY if there is no such verb; -EINVAL if the struct is smaller
 * than it was in its first version; -E2BIG if a member that this kernel lacks is
 * not zero; -EFAULT.
 */
int tokmux_call_begin(struct tokmux_call *call, const struct tokmux_verb *verbs,
		      unsigned int cmd, unsigned long uarg)
{
	size_t ksize;
	int ret;

	while (verbs->run && (cmd ^ verbs->cmd) & ~IOCSIZE_MASK)
		verbs++;
	if (!verbs->run)
		return -ENOTTY;
	call->verb = verbs;
	call->uptr = (void __user *)uarg;
	call->usize = _IOC_SIZE(cmd);
	if (call->usize < call->verb->min_size)
		return -EINVAL;

	ksize = call->verb->size;
	if (_IOC_DIR(cmd) & _IOC_WRITE) {
		ret = copy_struct_from_user(call->arg, ksize, call->uptr, call->usize);
		if (ret)
			return ret;
	}
	if (_IOC_DIR(cmd) & _IOC_READ &&
	    copy_to_user(call->uptr, call->arg, min(ksize, call->usize)))
		return -EFAULT;
	return 0;
}

/* Run the verb. Flags that this kernel lacks are refused (R7). */
int tokmux_call_run(struct tokmux_call *call)
{
	const struct tokmux_verb *verb = call->verb;
	void *arg = call->arg;

	if (*(u32 *)arg & ~verb->flags ||
	    memchr_inv(arg + verb->in_size, 0, verb->size - verb->in_size))
		return -EINVAL;
	return verb->run(call, arg);
}

/* Copy the answer to user space. Members that this kernel lacks are zero. */
static int tokmux_call_answer(struct tokmux_call *call)
{
	size_t size = min_t(size_t, call->verb->size, call->usize);

	if (!(_IOC_DIR(call->verb->cmd) & _IOC_READ))
		return 0;
	if (copy_to_user(call->uptr, call->arg, size) ||
	    clear_user(call->uptr + size, call->usize - size))
		return -EFAULT;
	return 0;
}

/**
 * tokmux_call_end() - answer an ioctl (R7)
 * @call: the ioctl, for which tokmux_call_begin() has returned 0
 * @ret: the verb's return value
 *
 * A file that the verb made is installed only after its descriptor was written
 * to user space. If that fails, the file and the descriptor are given back.
 *
 * Return: the ioctl's return value.
 */
long tokmux_call_end(struct tokmux_call *call, int ret)
{
	if (!ret)
		ret = tokmux_call_answer(call);
	if (call->file && ret) {
		put_unused_fd(call->fd);
		fput(call->file);
	} else if (call->file) {
		fd_install(call->fd, call->file);
	}
	return ret;
}

/**
 * tokmux_call_new_file() - make the file that an ioctl answers with
 * @call: the ioctl; tokmux_call_end() installs the file or gives it back
 * @name: the file's name in /proc
 * @fops: the file's operations
 * @priv: the file's private data, which the file owns if this succeeds
 *
 * Return: 0 or a negative errno.
 */
int tokmux_call_new_file(struct tokmux_call *call, const char *name,
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

/**
 * tokmux_caller_check() - may the current thread group use a caller?
 * @caller: the caller; token->lock is held
 *
 * Return: 0; -EPERM if the caller is bound to another thread group (R3),
 * whatever else is true; -ENODEV if the token was removed; -ESHUTDOWN if the
 * caller has ended; -ENOTCONN if it is not bound.
 */
int tokmux_caller_check(struct tokmux_caller *caller)
{
	lockdep_assert_held(&caller->token->lock);
	if (caller->tgid && caller->tgid != task_tgid(current))
		return -EPERM;
	if (caller->token->gone)
		return -ENODEV;
	if (caller->ended)
		return -ESHUTDOWN;
	if (!caller->tgid)
		return -ENOTCONN;
	return 0;
}
