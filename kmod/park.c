// SPDX-License-Identifier: GPL-2.0-only
/*
 * Parked leases: a holder leaves its lease idle, and uses it again, without a
 * system call. It shares a page with the kernel, and in there a word.
 *
 * Both sides change the word by single atomic instructions, so no wakeup is lost
 * and no thread has to be asked to stop. The holder sets TOKMUX_PARK_IDLE and
 * clears it, only while TOKMUX_PARK_LOOK is not set. The kernel sets
 * TOKMUX_PARK_LOOK whenever the next use of the lease has something to be told,
 * or another request is behind the lease. From then on the kernel knows whether
 * the lease is idle, and the holder cannot change that but by an ioctl.
 *
 * Keeps R8: what user space writes there is read once for each decision, and
 * any value but the expected one counts as a lease in use. Keeps R3: only the
 * address space that has mapped the page first sees it. A child that was forked
 * gets a page of its own, of zeros: there is no lease, and it has to ask.
 */
#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/sched/mm.h>
#include <linux/shm.h>
#include "internal.h"

/* What the holder is told each time, and not once. */
#define TOKMUX_PARK_GRANTED	(TOKMUX_GRANT_UNCLEAN | TOKMUX_GRANT_LOGIN)

/* The word is no data race: the holder's accesses are in user space. */
static atomic_t *tokmux_park_word(const struct tokmux_caller *caller)
{
	return (atomic_t *)&caller->park->word;
}

/*
 * Is a caller's lease idle, by the ioctl or as its holder says? With
 * TOKMUX_PARK_LOOK in @bits the holder cannot change that any more but by an
 * ioctl; with 0 the holder may have changed it already.
 */
bool tokmux_park_is_idle(const struct tokmux_caller *caller, u32 bits)
{
	u32 word = caller->park ? atomic_fetch_or(bits, tokmux_park_word(caller)) : 0;

	return caller->idle ||
	       (caller->held &&
		(word & ~TOKMUX_PARK_LOOK) == (caller->word | TOKMUX_PARK_IDLE));
}

/* Does the current thread use the caller's lease, which is not idle? */
bool tokmux_park_is_users(const struct tokmux_caller *caller)
{
	pid_t thread = caller->park ? READ_ONCE(caller->park->thread) : 0;

	return thread ? thread == task_pid_vnr(current) :
			caller->thread == task_pid_nr(current);
}

/* From here on the lists tell which leases are idle, not the holders' words. */
void tokmux_park_look_all(struct tokmux_token *token)
{
	struct tokmux_caller *caller, *next;

	lockdep_assert_held(&token->lock);
	list_for_each_entry_safe(caller, next, &token->parkers, holding) {
		caller->idle = tokmux_park_is_idle(caller, TOKMUX_PARK_LOOK);
		caller->idle_until_ns = 0;
		list_move(&caller->holding, &token->untold);
		if (caller->idle)
			list_add(&caller->idling, &token->idle);
	}
}

/**
 * tokmux_park_set() - a caller may use its lease, or has none any more
 * @caller: the caller
 * @arg: what it was told; the next use without an ioctl is told the same, but for
 *	what is told once. NULL if it has no lease.
 * @look: there will be something to be told
 *
 * Return: can the caller park the lease?
 */
bool tokmux_park_set(struct tokmux_caller *caller, const struct tokmux_acquire *arg,
		     bool look)
{
	struct tokmux_park *park = caller->park;

	if (!park)
		return false;
	caller->word = (caller->word | TOKMUX_PARK_BITS) + 1;
	if (arg) {
		caller->word |= arg->mode;
		WRITE_ONCE(park->thread, 0);
		WRITE_ONCE(park->granted, arg->granted & TOKMUX_PARK_GRANTED);
		WRITE_ONCE(park->epoch, arg->epoch);
	}
	/* Pairs with the holder's compare and exchange. */
	atomic_set_release(tokmux_park_word(caller),
			   caller->word | (look ? TOKMUX_PARK_LOOK : 0));
	return !look;
}

/* ---- the page ---- */

static vm_fault_t tokmux_park_fault(struct vm_fault *vmf)
{
	const struct tokmux_caller *caller = vmf->vma->vm_file->private_data;

	if (vmf->vma->vm_mm == caller->park_mm) {
		vmf->page = virt_to_page(caller->park);
		get_page(vmf->page);
	} else {
		vmf->page = alloc_page(GFP_KERNEL_ACCOUNT | __GFP_ZERO);
	}
	return vmf->page ? 0 : VM_FAULT_OOM;
}

static const struct vm_operations_struct tokmux_park_vm_ops = {
	.fault = tokmux_park_fault,
};

/*
 * The first mapping makes the page. Not for a token with a real device: only the
 * kernel can tell if that was touched before the lease is used again. Nor where
 * user space and the kernel may see different contents, by caches with aliases.
 */
int tokmux_park_mmap(struct file *file, struct vm_area_struct *vma)
{
	struct tokmux_caller *caller = file->private_data;
	struct tokmux_token *token = caller->token;
	unsigned long page = get_zeroed_page(GFP_KERNEL_ACCOUNT);
	int ret;

	if (!page)
		return -ENOMEM;
	vma->vm_ops = &tokmux_park_vm_ops;
	mutex_lock(&token->lock);
	ret = tokmux_caller_check(caller);
	if (!ret && !(vma->vm_flags & VM_SHARED))
		ret = -EINVAL;
	if (!ret && (token->device.kind != TOKMUX_DEVICE_NONE || SHMLBA != PAGE_SIZE))
		ret = -EOPNOTSUPP;
	if (!ret && !caller->park) {
		caller->park = (void *)page;
		page = 0;
		/* Kept, so that no later address space has the same address. */
		caller->park_mm = current->mm;
		mmgrab(caller->park_mm);
	}
	mutex_unlock(&token->lock);
	free_page(page);
	return ret;
}

void tokmux_park_free(struct tokmux_caller *caller)
{
	if (!caller->park)
		return;
	mmdrop(caller->park_mm);
	free_page((unsigned long)caller->park);
}
