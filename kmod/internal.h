/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The objects that the module's files share, their lifetimes and their locks.
 *
 * Lifetimes:
 *	token	 its struct device is reference counted: the registry, each
 *		 caller and each lease file hold a reference
 *	caller	 one open file of a token; freed by ->release()
 *	party	 a holder of leases, which is one file or one thread group; freed
 *		 with the last caller that is bound to it
 *	session	 owned by one caller
 *
 * Locks, outermost first:
 *	tokmux_tokens_lock	the registry of tokens
 *	token->lock		the token, its callers and its parties
 *	wait_pidfd.lock		taken by the kernel, with interrupts off, round our
 *				callback, which only queues work
 *
 * No thread sleeps for another process while it holds one of the locks: a
 * thread that waits in a queue has dropped token->lock. So a process cannot
 * hang others (R8).
 */
#ifndef TOKMUX_INTERNAL_H
#define TOKMUX_INTERNAL_H

#include <linux/cdev.h>
#include <linux/device.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/pid.h>
#include <linux/rbtree.h>
#include <linux/uidgid.h>
#include <linux/workqueue.h>
#include <linux/xarray.h>
#include <linux/tokmux.h>
#include "call.h"
#include "device.h"
#include "event.h"
#include "queue.h"

/* Limits (R8). The module parameter user_tokens limits the tokens of a user. */
#define TOKMUX_MAX_TOKENS	65536
#define TOKMUX_MAX_SESSIONS	65536		/* also the default */
#define TOKMUX_MAX_HOLD_MS	(24 * 60 * 60 * 1000)

#define TOKMUX_NO_INDEX		(~0U)

struct tokmux_lease_file;

/* A uid that has tokens or callers. @tokens is under tokmux_tokens_lock. */
struct tokmux_user {
	kuid_t uid;
	unsigned int refs;		/* xa_lock of tokmux_users */
	unsigned int tokens;
	atomic_t requests;		/* in the queues of all tokens */
};

/* A smartcard, an HSM, or another thing that has one holder at a time. */
struct tokmux_token {
	/* these don't change once the token is in the registry */
	struct device dev;
	struct cdev cdev;
	char name[TOKMUX_NAME_SIZE];
	u32 index;			/* TOKMUX_NO_INDEX: a user token */
	kuid_t owner;
	struct pid_namespace *pid_ns;	/* of a user token, else NULL */
	struct tokmux_user *user;	/* likewise */
	bool no_scrub;
	u32 max_sessions;
	u32 hold_limit_ms;
	struct tokmux_device device;

	/* protected by tokmux_tokens_lock */
	struct hlist_node hash_node;
	unsigned int files;

	/*
	 * Protects all members below. No allocation under the lock may wait for
	 * a process' own memory limit, because all other processes would wait
	 * with it (R8).
	 */
	struct mutex lock;
	bool gone;
	struct list_head callers;
	struct xarray groups;		/* parties of thread groups, by pid */

	/* lease.c */
	struct rb_root_cached holders;	/* parties that hold a lease, by busy_ns */
	unsigned int nr_holders;
	struct tokmux_party *exclusive;	/* the holder if exclusive, or NULL */
	struct tokmux_queue lease_queue;
	struct list_head parkers;	/* holding callers that may park their leases */
	struct list_head untold;	/* holding callers without TOKMUX_EVENT_WANTED */
	struct list_head told;		/* holding callers that were sent it */
	struct list_head idle;		/* callers with idle leases */
	struct list_head want_free;	/* callers that get TOKMUX_EVENT_FREE */
	struct delayed_work hold_work;	/* R4 */
	u64 epoch;
	u64 last_party;			/* id of the last holder; 0: several */
	u64 next_party;
	bool unclean;
	bool reset_first;		/* an idle lease with a lease fd was ended */

	/* note.c */
	struct list_head watchers;	/* callers that get TOKMUX_EVENT_NOTE */
	struct tokmux_caller *note_by;	/* its exclusive lease goes on; or NULL */
	u64 note_ns;			/* 0: there is no note yet */
	u8 note[TOKMUX_NOTE_SIZE];

	/* session.c */
	struct xarray sessions;
	u32 next_session;		/* xa_lock of sessions */
	unsigned int nr_sessions;
	struct tokmux_queue session_queue;

	/* login.c, by enum tokmux_user_type */
	unsigned int nr_logins[TOKMUX_SO + 1];
	u64 login_party;		/* party with logins since mark clean; see login.c */

	/* lease_file.c */
	struct tokmux_lease_file *lease_file;	/* until the real file is closed */
	wait_queue_head_t lease_file_closed;

	/* scrub.c */
	bool touched;			/* a user had the device since its last scrub */
	kuid_t touched_by;		/* that user; INVALID_UID: several */
	bool scrub_failed;
	unsigned long scrub_until;	/* jiffies; 0: not asked for */
	struct tokmux_caller *scrubber;	/* has a lease fd, and no lease */

	/* counters that are never reset */
	u64 grants;
	u64 waits;
	u64 longest_wait_ns;
	u64 revocations;
	u64 uncleans;
};

/**
 * struct tokmux_party - a holder of leases: one file, or one thread group
 * @callers: the callers that are bound to the party
 * @holder_node: in token->holders while the party holds a lease
 * @tgid: the thread group; the callers have the references
 * @user: the uid that the thread group had when it bound the party
 * @group: the party is a thread group, and in token->groups
 * @id: never used again on the same token
 * @nr_exclusive: number of callers that hold an exclusive lease
 * @nr_shared: number of callers that hold a shared lease
 * @nr_logins: number of callers that are logged in
 * @nr_requests: number of requests in the token's queues
 * @nr_waiting: those in the lease queue
 * @granted: time at which the party became a holder
 * @busy_ns: the clock of the lease queue at that time. Its difference from the
 *	clock of today, less @own_ns, is how long others have waited for the
 *	party (R4).
 * @own_ns: for how long only the party's own requests were in the queue
 */
struct tokmux_party {
	struct list_head callers;
	struct rb_node holder_node;
	struct pid *tgid;
	struct tokmux_user *user;
	bool group;
	u64 id;
	unsigned int nr_exclusive;
	unsigned int nr_shared;
	unsigned int nr_logins;
	unsigned int nr_requests;
	unsigned int nr_waiting;
	ktime_t granted;
	u64 busy_ns;
	u64 own_ns;
};

/**
 * struct tokmux_caller - one open file of a token
 * @token: the token
 * @token_node: in token->callers
 * @may_bind: the file is open for writing. A file that is not can only use
 *	TOKMUX_INFO.
 * @wait: for poll() and read()
 * @tgid: the thread group that the caller is bound to; NULL before it is bound
 * @party: the party that holds the caller's lease; NULL before the caller is
 *	bound, and after it has ended
 * @party_node: in party->callers
 * @ended: the thread group has died or has closed the file; stays true (R2)
 * @lost: the lease was taken, and the answer of no ioctl has said so yet
 * @want_free: in token->want_free while TOKMUX_EVENT_FREE is to be sent
 * @holding: in token->parkers, ->untold or ->told while the caller holds a lease
 * @idling: in token->idle while the lease is idle
 * @watch: in token->watchers while TOKMUX_EVENT_NOTE is to be sent
 * @thread: pid of the thread that got the lease; only compared
 * @held: mode of the lease, or 0
 * @idle: the lease is idle. A parked lease gets there when the kernel looks at it.
 * @idle_until_ns: from then on another party can have the idle lease
 * @login: &enum tokmux_user_type, or 0
 * @nr_requests: number of threads that wait in a queue
 * @nr_sessions: length of @sessions
 * @sessions: the caller's sessions
 * @death_wait: entry in the thread group's wait_pidfd
 * @death_work: queued when @death_wait is woken
 * @events: the events that the caller has not read yet
 * @park: the page that is shared with the caller's owner, or NULL
 * @park_mm: the address space that sees it
 * @word: what the kernel wrote there last, without TOKMUX_PARK_LOOK
 */
struct tokmux_caller {
	struct tokmux_token *token;
	struct list_head token_node;
	wait_queue_head_t wait;
	struct pid *tgid;
	struct tokmux_party *party;
	struct list_head party_node;
	bool may_bind;
	bool ended;
	bool lost;
	struct list_head want_free;
	struct list_head holding;
	struct list_head idling;
	struct list_head watch;
	pid_t thread;
	u8 held;
	u8 login;
	bool idle;
	u64 idle_until_ns;
	unsigned int nr_requests;
	unsigned int nr_sessions;
	struct list_head sessions;
	wait_queue_entry_t death_wait;
	struct work_struct death_work;
	struct tokmux_events events;
	struct tokmux_park *park;
	struct mm_struct *park_mm;
	u32 word;
};

/* work.c */
extern struct workqueue_struct *tokmux_wq;

/* user.c */
struct tokmux_user *tokmux_user_get(void);
void tokmux_user_put(struct tokmux_user *user);

/* scrub.c */
void tokmux_scrub_touch(struct tokmux_token *token, const struct tokmux_user *user);
void tokmux_scrub_done(struct tokmux_token *token);
void tokmux_scrub_over(struct tokmux_token *token);
int tokmux_scrub_wait(struct tokmux_caller *caller);

/* token.c */
int tokmux_tokens_init(void);
void tokmux_tokens_exit(void);
int tokmux_token_create_system(const struct tokmux_create *arg,
			       const struct file_operations *fops, u32 *index);
int tokmux_token_remove_system(u32 index);
struct tokmux_token *tokmux_token_get_user(const char *name,
					   struct tokmux_create *create);
void tokmux_token_put_file(struct tokmux_token *token);

/* park.c */
bool tokmux_park_is_idle(const struct tokmux_caller *caller, u32 bits);
bool tokmux_park_is_users(const struct tokmux_caller *caller);
void tokmux_park_look_all(struct tokmux_token *token);
bool tokmux_park_set(struct tokmux_caller *caller, const struct tokmux_acquire *arg,
		     bool look);
int tokmux_park_mmap(struct file *file, struct vm_area_struct *vma);
void tokmux_park_free(struct tokmux_caller *caller);

/* caller.c */
struct tokmux_caller *tokmux_caller_new(struct tokmux_token *token, fmode_t mode);
void tokmux_caller_free(struct tokmux_caller *caller);
void tokmux_caller_withdrew(struct tokmux_caller *caller);
int tokmux_caller_flush(struct file *file, fl_owner_t id);
int tokmux_bind(struct tokmux_call *call, void *arg);
int tokmux_cancel(struct tokmux_call *call, void *arg);
int tokmux_eject(struct tokmux_call *call, void *arg);

/* dev.c */
extern const struct file_operations tokmux_token_fops;

/* party.c */
struct tokmux_party *tokmux_party_new(struct tokmux_token *token, bool group);
void tokmux_party_free(struct tokmux_token *token, struct tokmux_party *party);
int tokmux_party_join(struct tokmux_caller *caller, struct tokmux_party **fresh);
void tokmux_party_leave(struct tokmux_caller *caller);
pid_t tokmux_party_pid(struct tokmux_token *token);

/* lease.c */
int tokmux_lease_need_exclusive(struct tokmux_caller *caller);
int tokmux_acquire(struct tokmux_call *call, void *arg);
int tokmux_release(struct tokmux_call *call, void *arg);
int tokmux_mark_clean(struct tokmux_call *call, void *arg);
unsigned int tokmux_lease_nr_idle(struct tokmux_token *token);
bool tokmux_lease_soils(const struct tokmux_caller *caller);
bool tokmux_lease_take(struct tokmux_caller *caller);
void tokmux_lease_give_up(struct tokmux_caller *caller);
void tokmux_lease_dispatch(struct tokmux_token *token);
void tokmux_lease_soil(struct tokmux_token *token, struct tokmux_party *party);
void tokmux_lease_init(struct tokmux_token *token);
void tokmux_lease_set_suspended(bool suspended);

/* note.c */
int tokmux_note_get(struct tokmux_call *call, void *arg);
int tokmux_note_set(struct tokmux_call *call, void *arg);

/* session.c */
int tokmux_session_open(struct tokmux_call *call, void *arg);
int tokmux_session_close(struct tokmux_call *call, void *arg);
int tokmux_session_close_all(struct tokmux_call *call, void *arg);
unsigned int tokmux_session_end_all(struct tokmux_caller *caller);
void tokmux_session_dispatch(struct tokmux_token *token);

/* login.c */
int tokmux_login(struct tokmux_call *call, void *arg);
int tokmux_logout(struct tokmux_call *call, void *arg);
u32 tokmux_login_end(struct tokmux_caller *caller);
void tokmux_login_note(struct tokmux_token *token, struct tokmux_party *party);

/* lease_file.c */
struct tokmux_lease_file *tokmux_lease_file_new(struct tokmux_call *call);
int tokmux_lease_file_get_turn(struct tokmux_caller *caller);
int tokmux_lease_file_open(struct tokmux_lease_file *lf, struct tokmux_caller *caller);
void tokmux_lease_file_resume(struct tokmux_caller *caller);
bool tokmux_lease_file_kill(struct tokmux_caller *caller);

/* lease_fd.c */
int tokmux_lease_fd(struct tokmux_call *call, void *arg);

/* sysfs.c */
extern const struct attribute_group *tokmux_token_groups[];
void tokmux_fdinfo(struct seq_file *m, struct file *file);

#endif /* TOKMUX_INTERNAL_H */
