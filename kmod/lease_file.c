// SPDX-License-Identifier: GPL-2.0-only
/*
 * The file that a lease fd refers to. It leads to the real device, for as long
 * as the lease lasts.
 *
 * The file passes ioctl, read, write and poll on to a file of the real device,
 * the backing file, which is opened for this lease. When the lease ends, for
 * whatever reason, the lease file is dead for good, also through copies of its
 * descriptor in other processes: calls return -ENODEV, calls that sleep are
 * woken, and poll() returns EPOLLHUP. Once the last call has returned, the
 * backing file is closed, which cancels its transfers. Only then can the next
 * holder get a lease fd. So two lease fds of a token are never open at a time.
 *
 * Calls in progress are counted. No lock is held during a call, because a call
 * can take long. A call that takes too long delays the next holder. It sleeps
 * where we cannot wake it, most likely in a page fault on memory of its own
 * process that another process does not deliver. Its process is killed (R4).
 *
 * The poll table of a process is not passed on to the backing file, because an
 * epoll entry would outlive that file. Instead the wait queue of the backing
 * file has one entry of ours, the hook, which passes wakeups on to our wait
 * queue.
 */
#include <linux/compat.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/poll.h>
#include <linux/security.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include "internal.h"

/**
 * struct tokmux_lease_file - the file that a lease fd refers to
 * @ref: one reference for the file, one for the token until @backing is closed
 * @users: calls in progress, and one while the lease file is alive
 * @dead: true before the lease file is opened, and for good after the lease
 * @token: the token; there is a reference to its device
 * @caller: the caller that has the lease; NULL while @dead
 * @tgid: the thread group that may use the file (R3)
 * @backing: the file of the real device; NULL if it could not be opened
 * @wait: for poll() and for calls that block
 * @wakes: number of wakeups that came from @backing
 * @pt: finds the wait queues of @backing
 * @nr_queues: their number
 * @hook: our entry in @hooked
 * @hooked: the first of them
 * @close_work: closes @backing after the last user
 * @late_work: while the lease file is alive, ends it if the device was
 *	unplugged; then kills the process if it does not return from a call
 * @urbs: number of requests that were sent through the file
 */
struct tokmux_lease_file {
	refcount_t ref;
	refcount_t users;
	bool dead;
	struct tokmux_token *token;
	struct tokmux_caller *caller;
	struct pid *tgid;
	struct file *backing;
	wait_queue_head_t wait;
	atomic_t wakes;
	poll_table pt;
	unsigned int nr_queues;
	wait_queue_entry_t hook;
	wait_queue_head_t *hooked;
	struct work_struct close_work;
	struct delayed_work late_work;
	atomic_t urbs;
};

/* Longer than any request to a device: USB's time out after 5 s. */
#define TOKMUX_LATE	(10 * HZ)

/* How often a lease file looks whether its device was unplugged. */
#define TOKMUX_LOOK	(3 * HZ)

static void tokmux_lease_file_put(struct tokmux_lease_file *lf)
{
	if (!refcount_dec_and_test(&lf->ref))
		return;
	put_device(&lf->token->dev);
	put_pid(lf->tgid);
	kfree(lf);
}

/*
 * Runs in a kernel thread, where __fput_sync() is allowed. fput() might close
 * the backing file later, and the interface would still be claimed when the
 * next holder claims it.
 */
static void tokmux_lease_file_close(struct work_struct *work)
{
	struct tokmux_lease_file *lf =
		container_of(work, struct tokmux_lease_file, close_work);
	struct tokmux_token *token = lf->token;

	cancel_delayed_work_sync(&lf->late_work);
	if (lf->hooked)
		remove_wait_queue(lf->hooked, &lf->hook);
	if (lf->backing)
		__fput_sync(lf->backing);

	mutex_lock(&token->lock);
	WRITE_ONCE(token->lease_file, NULL);
	mutex_unlock(&token->lock);
	wake_up_all(&token->lease_file_closed);
	tokmux_lease_file_put(lf);
}

static void tokmux_lease_file_leave(struct tokmux_lease_file *lf)
{
	if (refcount_dec_and_test(&lf->users))
		queue_work(tokmux_wq, &lf->close_work);
}

static void tokmux_lease_file_die(struct tokmux_lease_file *lf)
{
	lockdep_assert_held(&lf->token->lock);
	if (lf->dead)
		return;
	WRITE_ONCE(lf->dead, true);
	if (lf->token->scrubber && lf->token->scrubber == lf->caller) {
		lf->token->scrubber = NULL;
		tokmux_scrub_over(lf->token);
	}
	lf->caller = NULL;
	atomic_add(atomic_read(&lf->urbs), &lf->token->device.urbs);
	wake_up_poll(&lf->wait, EPOLLHUP | EPOLLERR);
	/* Must be queued before the close work can run, which cancels it. */
	mod_delayed_work(tokmux_wq, &lf->late_work, TOKMUX_LATE);
	tokmux_lease_file_leave(lf);
}

/*
 * A call may keep the lock of a USB device while it sleeps on a page, and the
 * kernel cannot go on with the unplug (nor with anything on that hub). So a
 * lease file whose device was unplugged dies, and a process that then stays in
 * a call is killed.
 */
static void tokmux_lease_file_late(struct work_struct *work)
{
	struct tokmux_lease_file *lf = container_of(to_delayed_work(work),
						    struct tokmux_lease_file, late_work);
	bool dead;

	mutex_lock(&lf->token->lock);
	dead = lf->dead;
	if (!dead && tokmux_device_check(lf->token->device.sentinel))
		tokmux_lease_file_die(lf);
	mutex_unlock(&lf->token->lock);
	if (!dead) {
		queue_delayed_work(tokmux_wq, &lf->late_work, TOKMUX_LOOK);
		return;
	}
	pr_warn_ratelimited("tokmux: %s: process %d uses its lease fd 10 s after its lease: killed\n",
			    lf->token->name, pid_nr(lf->tgid));
	kill_pid(lf->tgid, SIGKILL, 1);
}

/* Begin a call, if the current thread may use the file. */
static int tokmux_lease_file_enter(struct tokmux_lease_file *lf)
{
	bool mine = lf->tgid == task_tgid(current);

	if (!mine && !READ_ONCE(lf->dead))
		return -EPERM;
	if (!mine || !refcount_inc_not_zero(&lf->users))
		return -ENODEV;
	if (READ_ONCE(lf->dead)) {
		tokmux_lease_file_leave(lf);
		return -ENODEV;
	}
	return 0;
}

/*
 * @caller uses its idle lease again: what its lease file has sent to the device was no
 * change by others.
 */
void tokmux_lease_file_resume(struct tokmux_caller *caller)
{
	struct tokmux_lease_file *lf = caller->token->lease_file;

	lockdep_assert_held(&caller->token->lock);
	if (lf && lf->caller == caller)
		atomic_add(atomic_xchg(&lf->urbs, 0), &lf->token->device.urbs);
}

/* The lease of @caller has ended: so has its lease file. False if it has none. */
bool tokmux_lease_file_kill(struct tokmux_caller *caller)
{
	struct tokmux_lease_file *lf = caller->token->lease_file;

	lockdep_assert_held(&caller->token->lock);
	if (!lf || lf->caller != caller)
		return false;
	tokmux_lease_file_die(lf);
	return true;
}

/* ---- file operations ---- */

/* Sleep until the backing file wakes us, or the lease ends. */
static int tokmux_lease_file_wait(struct tokmux_lease_file *lf, int wakes)
{
	int ret = wait_event_interruptible(lf->wait,
					   READ_ONCE(lf->dead) ||
					   atomic_read(&lf->wakes) != wakes);

	if (ret)
		return ret;
	return READ_ONCE(lf->dead) ? -ENODEV : 0;
}

static long tokmux_lease_file_pass(struct file *backing, unsigned int cmd,
				   unsigned long arg, bool compat)
{
	const struct file_operations *fops = backing->f_op;
	long (*ioctl)(struct file *backing, unsigned int cmd, unsigned long arg) =
		compat ? fops->compat_ioctl : fops->unlocked_ioctl;
	long ret = compat ? security_file_ioctl_compat(backing, cmd, arg) :
			    security_file_ioctl(backing, cmd, arg);

	if (ret)
		return ret;
	ret = ioctl ? ioctl(backing, cmd, arg) : -ENOTTY;
	return ret == -ENOIOCTLCMD ? -ENOTTY : ret;
}

static long tokmux_lease_file_ioctl(struct file *file, unsigned int cmd,
				    unsigned long arg)
{
	struct tokmux_lease_file *lf = file->private_data;
	bool compat = in_compat_syscall(), wait;
	void __user *uarg = compat ? compat_ptr(arg) : (void __user *)arg;
	int wakes;
	long ret;

	ret = tokmux_lease_file_enter(lf);
	if (ret)
		return ret;
	ret = tokmux_device_filter(&lf->token->device, &cmd, uarg, &wait);
	while (!ret) {
		wakes = atomic_read(&lf->wakes);
		ret = tokmux_lease_file_pass(lf->backing, cmd, arg, compat);
		if (!ret)
			ret = tokmux_device_passed(&lf->token->device, cmd, uarg,
						   &lf->urbs);
		if (ret != -EAGAIN || !wait)
			break;
		ret = tokmux_lease_file_wait(lf, wakes);
	}
	tokmux_lease_file_leave(lf);
	return ret;
}

static ssize_t tokmux_lease_file_read(struct file *file, char __user *buf,
				      size_t count, loff_t *ppos)
{
	struct tokmux_lease_file *lf = file->private_data;
	ssize_t ret;
	int wakes;

	ret = tokmux_lease_file_enter(lf);
	if (ret)
		return ret;
	do {
		wakes = atomic_read(&lf->wakes);
		ret = -EINVAL;
		if (lf->backing->f_op->read)
			ret = lf->backing->f_op->read(lf->backing, buf, count, ppos);
		if (ret != -EAGAIN || file->f_flags & O_NONBLOCK)
			break;
		ret = tokmux_lease_file_wait(lf, wakes);
	} while (!ret);
	tokmux_lease_file_leave(lf);
	return ret;
}

static ssize_t tokmux_lease_file_write(struct file *file, const char __user *buf,
				       size_t count, loff_t *ppos)
{
	struct tokmux_lease_file *lf = file->private_data;
	ssize_t ret;

	ret = tokmux_lease_file_enter(lf);
	if (ret)
		return ret;
	ret = -EINVAL;
	if (lf->backing->f_op->write)
		ret = lf->backing->f_op->write(lf->backing, buf, count, ppos);
	tokmux_lease_file_leave(lf);
	return ret;
}

static __poll_t tokmux_lease_file_poll(struct file *file, poll_table *wait)
{
	struct tokmux_lease_file *lf = file->private_data;
	__poll_t mask;
	int ret;

	poll_wait(file, &lf->wait, wait);
	ret = tokmux_lease_file_enter(lf);
	if (ret)
		return ret == -ENODEV ? EPOLLHUP | EPOLLERR : EPOLLERR;
	mask = vfs_poll(lf->backing, NULL);
	tokmux_lease_file_leave(lf);
	return mask;
}

static int tokmux_lease_file_release(struct inode *inode, struct file *file)
{
	struct tokmux_lease_file *lf = file->private_data;

	mutex_lock(&lf->token->lock);
	tokmux_lease_file_die(lf);
	mutex_unlock(&lf->token->lock);
	tokmux_lease_file_put(lf);
	return 0;
}

static void tokmux_lease_file_show(struct seq_file *m, struct file *file)
{
	struct tokmux_lease_file *lf = file->private_data;

	seq_printf(m, "token:\t%s\nowner-pid:\t%d\ndevice-kind:\t%s\nreal-device:\t%u:%u\nended:\t%d\n",
		   lf->token->name, pid_vnr(lf->tgid),
		   tokmux_device_kind_name(&lf->token->device),
		   MAJOR(lf->token->device.devt), MINOR(lf->token->device.devt),
		   READ_ONCE(lf->dead));
}

static const struct file_operations tokmux_lease_file_fops = {
	.owner		= THIS_MODULE,
	.unlocked_ioctl	= tokmux_lease_file_ioctl,
	.compat_ioctl	= tokmux_lease_file_ioctl,
	.read		= tokmux_lease_file_read,
	.write		= tokmux_lease_file_write,
	.llseek		= no_seek_end_llseek,
	.poll		= tokmux_lease_file_poll,
	.release	= tokmux_lease_file_release,
	.show_fdinfo	= tokmux_lease_file_show,
};

/* ---- open ---- */

/* Called with interrupts off, under the lock of @hooked. */
static int tokmux_lease_file_wake(wait_queue_entry_t *hook, unsigned int mode,
				  int sync, void *key)
{
	struct tokmux_lease_file *lf = container_of(hook, struct tokmux_lease_file, hook);

	atomic_inc(&lf->wakes);
	__wake_up(&lf->wait, TASK_NORMAL, 0, key);
	return 0;
}

static void tokmux_lease_file_hook(struct file *backing, wait_queue_head_t *head,
				   poll_table *pt)
{
	struct tokmux_lease_file *lf = container_of(pt, struct tokmux_lease_file, pt);

	if (lf->nr_queues++)
		return;
	init_waitqueue_func_entry(&lf->hook, tokmux_lease_file_wake);
	lf->hooked = head;
	add_wait_queue(head, &lf->hook);
}

static int tokmux_lease_file_open_backing(struct tokmux_lease_file *lf,
					  struct file *sentinel)
{
	struct file *backing = tokmux_device_open(&lf->token->device, sentinel);

	if (IS_ERR(backing))
		return PTR_ERR(backing);
	lf->backing = backing;
	init_poll_funcptr(&lf->pt, tokmux_lease_file_hook);
	vfs_poll(backing, &lf->pt);
	/* All kinds of device that we know have one wait queue. */
	return lf->nr_queues > 1 ? -EOPNOTSUPP : 0;
}

/**
 * tokmux_lease_file_new() - make the file that TOKMUX_LEASE_FD answers with
 * @call: the ioctl; token->lock is not held, because memory is allocated
 *
 * The file is dead until tokmux_lease_file_open() opens it.
 */
struct tokmux_lease_file *tokmux_lease_file_new(struct tokmux_call *call)
{
	struct tokmux_token *token = call->caller->token;
	struct tokmux_lease_file *lf;
	int ret;

	lf = kzalloc(sizeof(*lf), GFP_KERNEL_ACCOUNT);
	if (!lf)
		return ERR_PTR(-ENOMEM);
	refcount_set(&lf->ref, 1);
	lf->dead = true;
	lf->token = token;
	get_device(&token->dev);
	lf->tgid = get_pid(call->caller->tgid);
	init_waitqueue_head(&lf->wait);
	INIT_WORK(&lf->close_work, tokmux_lease_file_close);
	INIT_DELAYED_WORK(&lf->late_work, tokmux_lease_file_late);
	ret = tokmux_call_new_file(call, "[tokmux-lease]", &tokmux_lease_file_fops, lf);
	if (ret) {
		tokmux_lease_file_put(lf);
		return ERR_PTR(ret);
	}
	return lf;
}

/**
 * tokmux_lease_file_get_turn() - wait until the token has no lease file
 * @caller: the holder of an exclusive lease, or a scrubber; token->lock is held
 *
 * Return: 0 if the token has no lease file; -EALREADY if the caller has one;
 * -EBUSY if another caller of the same party has one; -EAGAIN after a wait for
 * the last one to be closed. The lock is dropped during the wait, so the lease
 * must be checked again. -ERESTARTSYS.
 */
int tokmux_lease_file_get_turn(struct tokmux_caller *caller)
{
	struct tokmux_token *token = caller->token;
	struct tokmux_lease_file *last = token->lease_file;
	bool held = caller->held;
	int ret;

	lockdep_assert_held(&token->lock);
	if (!last)
		return 0;
	if (last->caller == caller)
		return -EALREADY;
	if (!last->dead && last->caller != token->scrubber)
		return -EBUSY;
	mutex_unlock(&token->lock);
	ret = wait_event_interruptible(token->lease_file_closed,
				       !READ_ONCE(token->lease_file) ||
				       (held && !READ_ONCE(caller->held)));
	mutex_lock(&token->lock);
	return ret ?: -EAGAIN;
}

/**
 * tokmux_lease_file_open() - open the real device for a lease
 * @lf: the file, from tokmux_lease_file_new()
 * @caller: the holder; token->lock is held, and tokmux_lease_file_get_turn()
 *	has returned 0 under the same hold of it
 *
 * The lock is dropped while the device is opened, which may take long. If the
 * lease ends meanwhile, the open counts as a call in progress.
 *
 * Return: 0; -ESTALE if the lease has ended; the error of the device.
 */
int tokmux_lease_file_open(struct tokmux_lease_file *lf, struct tokmux_caller *caller)
{
	struct tokmux_token *token = caller->token;
	struct file *sentinel = get_file(token->device.sentinel);
	int ret;

	lockdep_assert_held(&token->lock);
	refcount_inc(&lf->ref);
	refcount_set(&lf->users, 2);
	lf->caller = caller;
	WRITE_ONCE(lf->dead, false);
	WRITE_ONCE(token->lease_file, lf);
	queue_delayed_work(tokmux_wq, &lf->late_work, TOKMUX_LOOK);

	mutex_unlock(&token->lock);
	ret = tokmux_lease_file_open_backing(lf, sentinel);
	fput(sentinel);
	mutex_lock(&token->lock);

	tokmux_lease_file_leave(lf);
	if (ret) {
		tokmux_lease_file_die(lf);
		return ret;
	}
	return lf->dead ? -ESTALE : 0;
}
