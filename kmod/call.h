/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef TOKMUX_CALL_H
#define TOKMUX_CALL_H

#include <linux/build_bug.h>
#include <linux/fs.h>
#include <linux/stddef.h>
#include <linux/types.h>
#include <linux/tokmux.h>

struct tokmux_call;
struct tokmux_caller;

/* Room for the largest struct of the UAPI; TOKMUX_VERB() checks it. */
#define TOKMUX_MAX_ARG	144

/**
 * struct tokmux_verb - one ioctl
 * @cmd: the number
 * @size: size of the struct in this kernel
 * @min_size: size of the struct in the first version that was released
 * @in_size: size of what user space fills in; the rest must be zero
 * @flags: the flags that the verb knows; they are the struct's first member
 * @unbound: a caller that is not bound may use the verb as well
 * @run: does the work. The struct has been extended with zeros to @size; the
 *	answer is written there.
 *
 * A token's verb runs with token->lock held, for a caller that has been checked
 * (R3). A verb may drop the lock in order to wait. It then takes the lock
 * again, and checks the caller again: anything may have changed.
 */
struct tokmux_verb {
	unsigned int cmd;
	unsigned int size;
	unsigned int min_size;
	unsigned int in_size;
	u32 flags;
	bool unbound;
	int (*run)(struct tokmux_call *call, void *arg);
};

/*
 * A verb's struct and its function are both called tokmux_@_name. @_in is the last member
 * that user space fills in, @_last the last one that the struct had when it was
 * first released.
 */
#define TOKMUX_VERB(_cmd, _name, _in, _last)				\
	.cmd = (_cmd),							\
	.size = sizeof(struct tokmux_##_name) +				\
		BUILD_BUG_ON_ZERO(sizeof(struct tokmux_##_name) > TOKMUX_MAX_ARG), \
	.min_size = offsetofend(struct tokmux_##_name, _last),		\
	.in_size = offsetofend(struct tokmux_##_name, _in),		\
	.run = tokmux_##_name

/**
 * struct tokmux_call - an ioctl while it runs
 * @caller: the caller whose file it is on; NULL on the control device
 * @verb: the verb that user space asked for
 * @uptr: the struct in user space
 * @usize: the size that the struct has there
 * @withdrew: a request of the verb has left its queue and was not granted; the
 *	requests behind it must be looked at, with token->lock still held
 * @file: a file that the verb made, or NULL
 * @fd: the descriptor that is reserved for @file
 * @arg: the struct
 */
struct tokmux_call {
	struct tokmux_caller *caller;
	const struct tokmux_verb *verb;
	void __user *uptr;
	size_t usize;
	bool withdrew;
	struct file *file;
	int fd;
	u64 arg[TOKMUX_MAX_ARG / sizeof(u64)];
};

int tokmux_call_begin(struct tokmux_call *call, const struct tokmux_verb *verbs,
		      unsigned int cmd, unsigned long uarg);
int tokmux_call_run(struct tokmux_call *call);
long tokmux_call_end(struct tokmux_call *call, int ret);
int tokmux_call_new_file(struct tokmux_call *call, const char *name,
			 const struct file_operations *fops, void *priv);
int tokmux_caller_check(struct tokmux_caller *caller);

#endif /* TOKMUX_CALL_H */
