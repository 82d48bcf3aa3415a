/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * libtokmux: share a smartcard or HSM through the tokmux kernel module
 *
 * Conventions:
 *
 * - Every function that can fail returns 0 or a positive answer, or a negative
 *   errno; tokmux_strerror() says in a sentence what it means here. Nothing is
 *   printed and errno is left alone.
 * - An out parameter is written only on success.
 * - A struct tokmux_caller is opaque, made by one of the tokmux_open*()
 *   functions and owned by who opened it until tokmux_close(). Any number of
 *   threads may use it at once, as long as none uses it after tokmux_close().
 * - Timeouts are in milliseconds: negative waits for ever, 0 does not wait
 *   (-EAGAIN), else -ETIMEDOUT.
 * - After fork() the child's copy answers -EPERM to everything (rule R3) and
 *   has no effect on the parent; tokmux_close() is all it is good for.
 * - A struct of this header stays as it is, with one exception: a struct that is
 *   passed with its size may grow at its end. The library writes no more than
 *   that size, and fills what it does not know with zeros. The structs of
 *   <linux/tokmux.h> may grow as well. No function here takes one of those, but
 *   for struct tokmux_event, which stays as it is.
 *
 * The constants TOKMUX_* and the rules R1..R8 that the kernel keeps are
 * described in <linux/tokmux.h> and Documentation/uapi.rst.
 */
#ifndef TOKMUX_H
#define TOKMUX_H

#include <stddef.h>
#include <stdint.h>
#include <linux/tokmux.h>

/**
 * TOKMUX_VERSION: the version of this header, as a number that grows, and its
 * parts; tokmux_version() is the version of the library.
 */
#define TOKMUX_VERSION_MAJOR	0
#define TOKMUX_VERSION_MINOR	1
#define TOKMUX_VERSION_PATCH	0
#define TOKMUX_VERSION		(TOKMUX_VERSION_MAJOR * 0x10000 + \
				 TOKMUX_VERSION_MINOR * 0x100 + \
				 TOKMUX_VERSION_PATCH)

#ifdef __cplusplus
extern "C" {
#endif

/**
 * tokmux_version() - the version of the library that the program runs with
 *
 * Return: as "0.1.0", static.
 */
const char *tokmux_version(void);

/**
 * struct tokmux_caller - one party on one token
 *
 * Owns at most one lease, any number of sessions and one login on the token
 * that it was opened on. A process may have many, on the same token or not.
 */
struct tokmux_caller;

/* ---- open and close -------------------------------------------------- */

/**
 * tokmux_present() - is there a kernel to ask?
 *
 * Return: 1 if the control device can be opened, 0 if the kernel module is not
 * loaded, -ENXIO if it is and the control device is not in this process' /dev,
 * -EACCES or another errno if the device can't be used.
 */
int tokmux_present(void);

/**
 * tokmux_check_name() - can a token have this name?
 * @name: the name
 *
 * Return: 0; -ENAMETOOLONG, -EINVAL.
 */
int tokmux_check_name(const char *name);

/**
 * tokmux_open() - open a token by whatever name it has
 * @token: "/dev/tokmux3", "tokmux3", the name of a system token, or the name of
 *	a user token of this uid; looked for in this order
 * @caller: out: the new caller, not bound yet
 *
 * A name, also as a link of udev's below /dev/tokmux/, opens the token that the
 * kernel knows by that name, or none: udev may be behind.
 *
 * Return: 0; -ENOENT if there is no such token, -ENXIO if there is one, or may be
 * one, and this process does not have its node in /dev, the control device or
 * /sys: in a sandbox; -ENAMETOOLONG or -EINVAL for a name that no token can have,
 * -EACCES, -ENODEV if the kernel module is not loaded, -ENOMEM, -EMFILE.
 */
int tokmux_open(const char *token, struct tokmux_caller **caller);

/**
 * tokmux_open_user() - open this uid's token of that name, make it if need be
 * @name: 1 to 63 letters, digits and TOKMUX_NAME_PUNCTUATION, of which only '_'
 *	comes first
 * @hold_limit_ms: if it is made: how long a lease is kept while others wait
 *	(R4), 0 for ever
 * @max_sessions: if it is made: quota of sessions, 0 for the default
 * @caller: out: the new caller, not bound yet
 *
 * A user token is seen by its uid only and goes with its last caller, so any
 * program can use one to coordinate with the other programs of its user.
 *
 * Return: 1 if it was made, 0 if it was there; -ENAMETOOLONG, -EINVAL,
 * -EEXIST if a system token has the name, -EDQUOT if the uid has too many tokens,
 * -EACCES, -ENXIO if the control device is not in this process' /dev, -ENODEV if
 * the kernel module is not loaded, -ENOMEM, -EMFILE.
 */
int tokmux_open_user(const char *name, unsigned int hold_limit_ms,
		     unsigned int max_sessions, struct tokmux_caller **caller);

/**
 * tokmux_control_open() - open the control device, for tokmux_open_user_at()
 *
 * Return: a file descriptor, closed on exec, for close(2); -EACCES, -ENODEV if the
 * kernel module is not loaded, -ENXIO if it is and the device is not in this process'
 * /dev, -EMFILE.
 */
int tokmux_control_open(void);

/**
 * tokmux_open_user_at() - tokmux_open_user() through an open control device
 * @control: from tokmux_control_open()
 * @name: see tokmux_open_user()
 * @hold_limit_ms: see tokmux_open_user()
 * @max_sessions: see tokmux_open_user()
 * @caller: see tokmux_open_user()
 *
 * For a program that was started with the device and can't reach it by its path any
 * more, after chroot(2) for example.
 *
 * Return: as tokmux_open_user(); -EBADF or -ENOTTY if @control is another file.
 */
int tokmux_open_user_at(int control, const char *name,
			unsigned int hold_limit_ms, unsigned int max_sessions,
			struct tokmux_caller **caller);

/**
 * tokmux_close() - give everything back and free the caller
 * @caller: may be NULL
 *
 * Ends its login and sessions and releases its lease first, in good order: the
 * token is not left unclean. (The same file closed by the death of the process
 * does leave it so, R2.) A descriptor that the program has closed itself, and uses
 * for another file by now, stays open. errno is kept.
 */
void tokmux_close(struct tokmux_caller *caller);

/**
 * tokmux_fd() - the file descriptor, for poll(2)
 * @caller: the caller
 *
 * It stays the caller's. POLLIN: tokmux_read_event() has something. POLLHUP:
 * the token is gone.
 */
int tokmux_fd(const struct tokmux_caller *caller);

/**
 * tokmux_bind() - bind to this process; comes before all but tokmux_info()
 * @caller: the caller
 * @flags: TOKMUX_BIND_GROUP if all of this process' callers bound so count as
 *	one holder, else 0
 *
 * Return: 0; -EISCONN if it is bound already, -EINVAL for unknown flags.
 */
int tokmux_bind(struct tokmux_caller *caller, unsigned int flags);

/**
 * struct tokmux_state - what a token looks like at one moment
 * @flags: TOKMUX_INFO_*
 * @index: N of /dev/tokmuxN; ~0 for a user token
 * @epoch: see &struct tokmux_grant
 * @owner_uid: the uid that made the token, in the caller's user namespace
 * @holder_pid: the first holder's pid in the caller's pid namespace; 0 if there
 *	is no holder, or if it has no pid there
 * @holders: how many hold the token
 * @waiters: how many requests wait for it
 * @sessions: how many sessions all callers have
 * @max_sessions: how many they may have
 * @users: how many callers are logged in as user
 * @sos: how many callers are logged in as security officer
 * @hold_limit_ms: how long a lease is kept while others wait, 0 for ever
 * @idle: how many leases are idle
 * @grants: how many leases were granted so far
 * @name: the token's name, NUL-padded
 *
 * May grow at its end.
 */
struct tokmux_state {
	uint32_t flags;
	uint32_t index;
	uint64_t epoch;
	uint32_t owner_uid;
	int32_t holder_pid;
	uint32_t holders;
	uint32_t waiters;
	uint32_t sessions;
	uint32_t max_sessions;
	uint32_t users;
	uint32_t sos;
	uint32_t hold_limit_ms;
	uint32_t idle;
	uint64_t grants;
	char name[TOKMUX_NAME_SIZE];
};

/**
 * tokmux_info() - what the token looks like now
 * @caller: the caller; need not be bound
 * @state: out: the token's state
 * @size: sizeof(*@state)
 *
 * Return: 0; -ENODEV if the token is gone.
 */
int tokmux_info(struct tokmux_caller *caller, struct tokmux_state *state,
		size_t size);

/* ---- leases (R1, R2, R4) --------------------------------------------- */

/**
 * struct tokmux_grant - what a new holder must know
 * @epoch: changes whenever another holder may have touched the token, the machine
 *	was suspended, or the USB device behind it reset, suspended or used past it
 * @flags: TOKMUX_GRANT_*
 * @reserved: 0
 */
struct tokmux_grant {
	uint64_t epoch;
	uint32_t flags;
	uint32_t reserved;
};

/**
 * tokmux_acquire() - wait in turn for the lease
 * @caller: the caller
 * @mode: TOKMUX_EXCLUSIVE or TOKMUX_SHARED
 * @timeout_ms: see the conventions
 * @grant: out: may be NULL
 *
 * If this caller's lease is idle and of the same mode, it goes on at once. If it
 * is of the other mode, it is given back first.
 *
 * Return: 0; -EALREADY if this caller has a lease, -EAGAIN, -ETIMEDOUT, -EINTR,
 * -ECANCELED after tokmux_cancel(), -ENODEV if the token is gone, -EPERM in
 * another process, -ENOTCONN unbound, -ENOBUFS if the queue is full.
 */
int tokmux_acquire(struct tokmux_caller *caller, unsigned int mode,
		   int timeout_ms, struct tokmux_grant *grant);

/**
 * tokmux_release() - give the lease back
 * @caller: the caller
 *
 * Return: 0; -ENOLCK if it has none, -ESTALE if it was taken from it (R4,
 * eject), -ENODEV, -EPERM, -ENOTCONN.
 */
int tokmux_release(struct tokmux_caller *caller);

/**
 * tokmux_idle() - keep the lease, but don't use it now
 * @caller: the caller
 * @linger_ms: how long others that want the token wait for it from now on, up to
 *	TOKMUX_MAX_LINGER_MS; 0: not at all. What they have waited already while
 *	this caller had its lease is taken off from TOKMUX_MAX_LINGER_MS.
 *
 * The next tokmux_acquire() uses the lease again. When another holder wants the
 * token before that, the kernel ends the lease in time, as by tokmux_release(),
 * also if this process is stopped or busy. It then tells by
 * TOKMUX_EVENT_LEASE_LOST, and the epoch of the next grant says if another one
 * has had the token: while it is the same, nothing was lost. A file of
 * tokmux_lease_fd() stays open until the lease ends.
 *
 * Return: 0; -EINVAL if @linger_ms is too long, -ENOLCK if it has no lease,
 * -ESTALE if it was taken from it while it was in use, -ENODEV, -EPERM,
 * -ENOTCONN; -EINVAL if the kernel module is too old.
 */
int tokmux_idle(struct tokmux_caller *caller, unsigned int linger_ms);

/**
 * tokmux_park() - make it fast to acquire the lease and to release it
 * @caller: the caller, bound; no other thread uses it meanwhile
 *
 * From then on tokmux_release() does the same as tokmux_idle() without a linger
 * time: the lease is kept until another holder wants the token. As long as none
 * does, and nothing happens that a grant has to tell, neither tokmux_release() nor
 * the next tokmux_acquire() of the same mode is a system call. The epoch of a
 * shared lease does not tell then of those that share the token at the same time.
 * It costs a page of memory.
 *
 * Return: 0; -EOPNOTSUPP if the token has a real device, or this kernel can't do it;
 * -ENOMEM, -ENODEV, -EPERM, -ENOTCONN. If it fails, nothing has changed.
 */
int tokmux_park(struct tokmux_caller *caller);

/**
 * tokmux_reuse() - tokmux_acquire() of a parked lease, if that is no system call
 * @caller: the caller
 * @mode: TOKMUX_EXCLUSIVE or TOKMUX_SHARED
 * @grant: out: may be NULL
 *
 * For a program that has to prepare for a wait.
 *
 * Return: 0; -EAGAIN if only tokmux_acquire() can tell.
 */
int tokmux_reuse(struct tokmux_caller *caller, unsigned int mode,
		 struct tokmux_grant *grant);

/**
 * tokmux_cancel() - end the waits of this caller's other threads
 * @caller: the caller
 *
 * Those that wait in tokmux_acquire() or tokmux_session_open() at this moment
 * return -ECANCELED.
 *
 * Return: their number; -ENODEV, -EPERM, -ENOTCONN, -ENOTTY if the kernel module
 * is too old.
 */
int tokmux_cancel(struct tokmux_caller *caller);

/**
 * tokmux_mark_clean() - say that the token has been reset
 * @caller: the caller, holding the exclusive lease
 *
 * Return: 0; -ENOLCK, -ESTALE, -ENODEV, -EPERM, -ENOTCONN.
 */
int tokmux_mark_clean(struct tokmux_caller *caller);

/**
 * tokmux_lease_fd() - get at the real device
 * @caller: the caller, holding the exclusive lease
 *
 * The file passes read, write, ioctl and poll on to the token's real device, a
 * usbfs or hidraw node, and is good for libusb_wrap_sys_device(). It is the
 * caller's to close. When the lease ends, for whatever reason, it is dead: all
 * is -ENODEV, with every copy of it. A caller has one at a time.
 *
 * If the last user of the device was another one, the kernel first has a
 * privileged process scrub the device, and this waits for it ("tokmux scrub").
 *
 * Return: the file, close-on-exec; -EUCLEAN if nobody scrubs it; -ENOLCK without the exclusive lease, -ESTALE
 * if it was taken away, -EOPNOTSUPP if the token has no real device, -EALREADY
 * if it has one, -EBUSY if another caller of this process that shares the lease
 * has it, -ENODEV if the device was unplugged, -EINTR, -EPERM, -ENOTCONN,
 * -EMFILE, -ENOMEM.
 */
int tokmux_lease_fd(struct tokmux_caller *caller);

/* ---- sessions and logins (R5, R6) ------------------------------------ */

/**
 * tokmux_session_open() - count one more session
 * @caller: the caller
 * @timeout_ms: how long to wait, in turn, while the token's quota is used up
 * @id: out: the session's id, unique on the token, never 0
 *
 * Return: 0; -EAGAIN, -ETIMEDOUT, -EINTR, -ENODEV, -EPERM, -ENOTCONN, -ENOMEM.
 */
int tokmux_session_open(struct tokmux_caller *caller, int timeout_ms,
			uint32_t *id);

/**
 * tokmux_session_close() - close one of the caller's sessions
 * @caller: the caller
 * @id: from tokmux_session_open()
 *
 * Return: TOKMUX_CLOSED_* flags (0 if no login ended); -ENOENT if it is not an
 * open session of this caller, -ENODEV, -EPERM, -ENOTCONN.
 */
int tokmux_session_close(struct tokmux_caller *caller, uint32_t id);

/**
 * tokmux_session_close_all() - close all the caller's sessions, nobody else's
 * @caller: the caller
 *
 * Return: TOKMUX_CLOSED_* flags (0 if no login ended); -ENODEV, -EPERM,
 * -ENOTCONN.
 */
int tokmux_session_close_all(struct tokmux_caller *caller);

/**
 * tokmux_login() - note that this caller has logged in
 * @caller: the caller, with at least one session
 * @user_type: TOKMUX_USER or TOKMUX_SO
 *
 * The PIN is shown to the token, never to the kernel.
 *
 * Return: how many other callers are logged in as the same; -ENOLINK without a
 * session, -EALREADY if it is logged in, -EBUSY while another is logged in as
 * the other type, -EINVAL, -ENODEV, -EPERM, -ENOTCONN.
 */
int tokmux_login(struct tokmux_caller *caller, unsigned int user_type);

/**
 * tokmux_logout() - end this caller's login
 * @caller: the caller
 *
 * Return: TOKMUX_CLOSED_* flags; -ENOENT if it is not logged in, -ENODEV,
 * -EPERM, -ENOTCONN.
 */
int tokmux_logout(struct tokmux_caller *caller);

/**
 * struct tokmux_ejected - what an eject has ended
 * @leases: how many leases were taken
 * @sessions: how many sessions were closed
 * @logins: how many logins were ended
 */
struct tokmux_ejected {
	uint32_t leases;
	uint32_t sessions;
	uint32_t logins;
};

/**
 * tokmux_eject() - end everybody's leases, sessions and logins
 * @caller: the caller; its user owns the token or has CAP_SYS_ADMIN
 * @ejected: out: what was ended; may be NULL
 *
 * Return: 0; -EPERM, -ENODEV, -ENOTCONN.
 */
int tokmux_eject(struct tokmux_caller *caller, struct tokmux_ejected *ejected);

/* ---- events ---------------------------------------------------------- */

/**
 * tokmux_read_event() - read one event
 * @caller: the caller, bound
 * @timeout_ms: see the conventions
 * @event: out: the event
 *
 * Return: 0; -EAGAIN, -ETIMEDOUT, -EINTR, -ENODEV if the token is gone and all
 * its events are read, -EPERM, -ENOTCONN, -EBADF if the program has closed the
 * descriptor.
 */
int tokmux_read_event(struct tokmux_caller *caller, int timeout_ms,
		      struct tokmux_event *event);

/* ---- notes ----------------------------------------------------------- */

/**
 * struct tokmux_note - what a holder has left for those who look
 * @flags: TOKMUX_NOTED_*
 * @reserved: 0
 * @time_ns: when it was written, CLOCK_MONOTONIC; 0 if there is none yet
 * @bytes: what it says: the writer's word, which nobody has checked
 */
struct tokmux_note {
	uint32_t flags;
	uint32_t reserved;
	uint64_t time_ns;
	uint8_t bytes[TOKMUX_NOTE_SIZE];
};

/**
 * tokmux_read_note() - read the last note, without a lease
 * @caller: the caller; need not be bound
 * @flags: TOKMUX_NOTE_WATCH to be sent TOKMUX_EVENT_NOTE, once, when it changes or
 *	its writer's lease ends; 0
 * @note: out: the note
 *
 * Return: 0; -ENOTCONN if the caller isn't bound, for TOKMUX_NOTE_WATCH; -EPERM,
 * -ENODEV, -EINVAL for unknown flags.
 */
int tokmux_read_note(struct tokmux_caller *caller, unsigned int flags,
		     struct tokmux_note *note);

/**
 * tokmux_write_note() - leave a note for all who may open the token
 * @caller: the holder of the exclusive lease
 * @bytes: what it says
 * @len: at most TOKMUX_NOTE_SIZE; zeros follow
 *
 * Return: 0; -ENOLCK, -ESTALE, -EINVAL, -EPERM, -ENODEV, -ENOTCONN.
 */
int tokmux_write_note(struct tokmux_caller *caller, const void *bytes, size_t len);

/* ---- system tokens (privileged) -------------------------------------- */

/**
 * tokmux_create_system() - make a system token
 * @name: 1 to 63 letters, digits and TOKMUX_NAME_PUNCTUATION, of which only '_'
 *	comes first
 * @hold_limit_ms: how long a lease is kept while others wait, 0 for ever
 * @max_sessions: quota of sessions, 0 for the default
 * @index: out: N of /dev/tokmuxN; may be NULL
 *
 * Return: 0; -EPERM without CAP_SYS_ADMIN, -EEXIST, -ENAMETOOLONG, -EINVAL,
 * -ENOSPC if there are too many, -ENODEV if the kernel module is not loaded.
 */
int tokmux_create_system(const char *name, unsigned int hold_limit_ms,
			 unsigned int max_sessions, unsigned int *index);

/**
 * tokmux_create_device() - make a system token with a real device behind it
 * @name: 1 to 63 letters, digits and TOKMUX_NAME_PUNCTUATION, of which only '_'
 *	comes first
 * @flags: 0, or TOKMUX_CREATE_NO_SCRUB: the device keeps nothing of one user that
 *	another one must not have, or can't be reset; see tokmux_lease_fd()
 * @hold_limit_ms: how long a lease is kept while others wait, 0 for ever
 * @max_sessions: quota of sessions, 0 for the default
 * @node: its node, /dev/bus/usb/BBB/DDD or /dev/hidrawN
 * @interface: of a USB device: the number of the interface that a lease fd may
 *	claim, or -1 for its first one that is a smartcard reader's; else -1
 * @index: out: N of /dev/tokmuxN; may be NULL
 *
 * The kernel keeps the device open, and gives whoever holds the exclusive lease
 * a way to it (tokmux_lease_fd()). That nobody else has one is up to the
 * permissions of @node.
 *
 * Return: 0; what tokmux_create_system() returns; -EOPNOTSUPP if it is no such
 * device or has no such interface, -ENOENT, -EACCES or another errno if @node
 * can't be opened, -EBUSY if another token leads to it, -ENODEV if the device is
 * gone.
 */
int tokmux_create_device(const char *name, unsigned int flags,
			 unsigned int hold_limit_ms, unsigned int max_sessions,
			 const char *node, int interface, unsigned int *index);

/**
 * tokmux_create_device_fd() - the same of a device that is open already
 * @name: 1 to 63 letters, digits and TOKMUX_NAME_PUNCTUATION, of which only '_'
 *	comes first
 * @flags: 0, or TOKMUX_CREATE_NO_SCRUB: the device keeps nothing of one user that
 *	another one must not have, or can't be reset; see tokmux_lease_fd()
 * @hold_limit_ms: how long a lease is kept while others wait, 0 for ever
 * @max_sessions: quota of sessions, 0 for the default
 * @fd: of its node, for reading and writing; stays the caller's
 * @interface: as of tokmux_create_device()
 * @index: out: N of /dev/tokmuxN; may be NULL
 *
 * To open a device may wake it, and that may take its time. This asks the device
 * nothing.
 *
 * Return: what tokmux_create_device() returns.
 */
int tokmux_create_device_fd(const char *name, unsigned int flags,
			    unsigned int hold_limit_ms, unsigned int max_sessions,
			    int fd, int interface, unsigned int *index);

/**
 * tokmux_remove_system() - remove a system token, whoever uses it
 * @index: N of /dev/tokmuxN
 *
 * Return: 0; -EPERM without CAP_SYS_ADMIN, -ENOENT, -ENODEV if the kernel
 * module is not loaded.
 */
int tokmux_remove_system(unsigned int index);

/* ---- discovery: system tokens over libudev --------------------------- */

/**
 * struct tokmux_token - a system token as it was at one moment
 *
 * Owned by the program that got it, until tokmux_token_free(). Its name is the kernel's, its
 * properties are udev's, both of that moment; its attributes are of now. Used by one
 * thread at a time, as are all that one monitor gave. User tokens are not
 * found this way: tokmux_open() opens them by name.
 */
struct tokmux_token;

/**
 * tokmux_token_find() - find a system token
 * @what: "tokmux3", its name, or any path of its device, also a link to it;
 *	looked for in this order
 * @token: out: the token
 *
 * Return: 0; -ENOENT if there is none, -EINVAL for another device or a name that
 * no token can have, -ENAMETOOLONG, -ENOMEM.
 */
int tokmux_token_find(const char *what, struct tokmux_token **token);

/**
 * tokmux_open_token() - open the very token that was found
 * @token: from one of the functions here
 * @caller: out: the new caller, not bound yet
 *
 * An index and a name are used again by later tokens. This opens no other token
 * than the one that @token is.
 *
 * Return: 0; -ENODEV if it is gone, -EACCES, -ENOMEM, -EMFILE.
 */
int tokmux_open_token(const struct tokmux_token *token,
		      struct tokmux_caller **caller);

/**
 * tokmux_remove_token() - remove the very token that was found
 * @token: from one of the functions here
 *
 * tokmux_remove_system() removes the token that has the index now.
 *
 * Return: 0; -ENODEV if it is gone, -EPERM without CAP_SYS_ADMIN.
 */
int tokmux_remove_token(const struct tokmux_token *token);

/**
 * tokmux_list() - all system tokens
 * @tokens: out: by their index, with a NULL at the end, for tokmux_list_free()
 *
 * Return: how many there are; -ENOMEM.
 */
int tokmux_list(struct tokmux_token ***tokens);

/**
 * tokmux_list_free() - free a list and the tokens in it
 * @tokens: may be NULL
 */
void tokmux_list_free(struct tokmux_token **tokens);

/**
 * tokmux_token_free() - free a token
 * @token: may be NULL
 */
void tokmux_token_free(struct tokmux_token *token);

/**
 * tokmux_token_name() - its name
 * @token: the token
 *
 * Return: a string that lives as long as @token; "" if a monitor tells of a
 * token that had gone before udev could look at it.
 */
const char *tokmux_token_name(const struct tokmux_token *token);

/**
 * tokmux_token_index() - N of /dev/tokmuxN
 * @token: the token
 */
unsigned int tokmux_token_index(const struct tokmux_token *token);

/**
 * tokmux_token_sysname() - "tokmuxN", as in /sys/class/tokmux/
 * @token: the token
 *
 * Return: a string that lives as long as @token.
 */
const char *tokmux_token_sysname(const struct tokmux_token *token);

/**
 * tokmux_token_devnode() - its device
 * @token: the token
 *
 * By the time that it is opened it may be another token's: tokmux_open_token()
 * opens this one or none.
 *
 * Return: a path that lives as long as @token.
 */
const char *tokmux_token_devnode(const struct tokmux_token *token);

/**
 * tokmux_token_ready() - has udev done with it?
 * @token: the token
 *
 * Until then its device may lack its permissions and links.
 *
 * Return: 1 if it has, else 0.
 */
int tokmux_token_ready(const struct tokmux_token *token);

/**
 * tokmux_token_property() - what udev's rules say of it
 * @token: the token
 * @key: as "ID_MODEL"
 *
 * Return: a string that lives as long as @token, NULL if there is none, or if
 * udev has not seen this token yet.
 */
const char *tokmux_token_property(const struct tokmux_token *token,
				  const char *key);

/**
 * tokmux_token_attribute() - read one of its files in sysfs, now
 * @token: the token
 * @key: as "waiters", see Documentation/ABI/sysfs-class-tokmux
 * @value: out: the value without its newline
 * @size: of @value; 4097 bytes are always enough
 *
 * Return: the value's length; -ENOENT if there is no such file or the token is
 * gone, -ENODEV if it went meanwhile, -ENOBUFS if it does not fit, -EINVAL.
 */
int tokmux_token_attribute(const struct tokmux_token *token, const char *key,
			   char *value, size_t size);

/**
 * struct tokmux_monitor - watches system tokens come, go and change
 *
 * Used by one thread at a time.
 */
struct tokmux_monitor;

/**
 * enum tokmux_change - what happened to a token
 * @TOKMUX_TOKEN_ADDED: it is there, and udev has done with it
 * @TOKMUX_TOKEN_REMOVED: it is gone
 * @TOKMUX_TOKEN_CHANGED: udev has looked at it anew
 */
enum tokmux_change {
	TOKMUX_TOKEN_ADDED	= 1,
	TOKMUX_TOKEN_REMOVED	= 2,
	TOKMUX_TOKEN_CHANGED	= 3
};

/**
 * tokmux_monitor_open() - begin to watch
 * @monitor: out: for tokmux_monitor_close()
 *
 * Without udevd running nothing is told but what is there at first.
 *
 * Return: 0; -ENOMEM, -EMFILE.
 */
int tokmux_monitor_open(struct tokmux_monitor **monitor);

/**
 * tokmux_monitor_close() - end it
 * @monitor: may be NULL
 */
void tokmux_monitor_close(struct tokmux_monitor *monitor);

/**
 * tokmux_monitor_fd() - the file descriptor, for poll(2)
 * @monitor: the monitor
 *
 * It stays the monitor's. POLLIN: call tokmux_monitor_next() until -EAGAIN.
 */
int tokmux_monitor_fd(const struct tokmux_monitor *monitor);

/**
 * tokmux_monitor_next() - what happened next
 * @monitor: the monitor
 * @timeout_ms: see the conventions
 * @token: out: to whom, for tokmux_token_free()
 *
 * The tokens that are there at first are told as added. However slow the
 * reader is, it is told of each token that stays, and that one it was told of
 * is gone; only of one that came and went meanwhile it may never hear.
 *
 * Return: &enum tokmux_change; -EAGAIN, -ETIMEDOUT, -EINTR, -ENOMEM.
 */
int tokmux_monitor_next(struct tokmux_monitor *monitor, int timeout_ms,
			struct tokmux_token **token);

/* ---- errors ---------------------------------------------------------- */

/**
 * tokmux_strerror() - what an error of this library means
 * @err: a negative errno as returned here, or by the functions of tokmux-card.h
 *
 * Return: a static sentence without a full stop, never NULL.
 */
const char *tokmux_strerror(int err);

#ifdef __cplusplus
}
#endif

#endif /* TOKMUX_H */
