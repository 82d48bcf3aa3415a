/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/*
 * tokmux: share one smartcard or HSM between processes
 *
 * The only header that the kernel module and user space share. See
 * Documentation/uapi.rst for the whole interface with its errno tables.
 *
 * Conventions (rule R7):
 *
 * - Fixed-width types only; every struct is a multiple of 8 bytes and has the
 *   same layout for 32-bit and 64-bit callers.
 * - Every struct can grow at its end. The ioctl number contains the size of the
 *   struct that the program was built with. The kernel finds the ioctl by the
 *   rest of the number. Members that an older program does not have count as
 *   zero. Members that an older kernel does not have must be zero, else the
 *   ioctl returns -E2BIG. An answer is cut to the size of the program's struct.
 * - Unknown flags, non-zero reserved fields and unknown enum values are
 *   refused with -EINVAL; an unknown ioctl with -ENOTTY.
 * - A timeout is in milliseconds, as in poll(2). A negative one waits for ever.
 *   0 does not wait: the ioctl returns -EAGAIN. After any other timeout the
 *   ioctl returns -ETIMEDOUT.
 */
#ifndef _UAPI_LINUX_TOKMUX_H
#define _UAPI_LINUX_TOKMUX_H

#include <linux/ioctl.h>
#include <linux/types.h>

/** TOKMUX_NAME_SIZE: room for a token's name and its terminating NUL. */
#define TOKMUX_NAME_SIZE	64

/**
 * TOKMUX_NAME_PUNCTUATION: what a token's name may have besides letters and digits.
 *
 * Names are typed into shells, shown on terminals and made links of by udev; none of
 * these reads anything else into them.
 */
#define TOKMUX_NAME_PUNCTUATION	"#+,-.:=@_"

/* ---- /dev/tokmux-control ------------------------------------------- */

/**
 * enum tokmux_create_flags - how to make a token
 * @TOKMUX_CREATE_USER: make a user token. It belongs to the effective uid of
 *	the process in its pid namespace, and only there that uid finds it.
 *	-EEXIST if a system token has the name. It has no device and no
 *	directory in sysfs. It is removed with its last file. Without this flag
 *	a system token is made, which needs CAP_SYS_ADMIN.
 * @TOKMUX_CREATE_EXCL: return -EEXIST if a token of that name exists. Without
 *	this flag a user token that exists is opened, and @hold_limit_ms and
 *	@max_sessions are ignored. A system token must never exist already.
 * @TOKMUX_CREATE_NO_SCRUB: the real device keeps nothing of one user that
 *	another one must not reach. Without this flag a device that one user
 *	has touched is scrubbed before another one gets a lease fd: a uevent
 *	"change" with TOKMUX_SCRUB=1 asks for a process that does so, see
 *	&enum tokmux_lease_fd_flags.
 */
enum tokmux_create_flags {
	TOKMUX_CREATE_USER	= 1 << 0,
	TOKMUX_CREATE_EXCL	= 1 << 1,
	TOKMUX_CREATE_NO_SCRUB	= 1 << 2
};

/**
 * enum tokmux_device_kind - kinds of the real device behind a system token
 * @TOKMUX_DEVICE_NONE: the kernel does not know the real device
 * @TOKMUX_DEVICE_USB: a USB device, by its usbfs node
 * @TOKMUX_DEVICE_HIDRAW: a HID device, by its hidraw node
 */
enum tokmux_device_kind {
	TOKMUX_DEVICE_NONE	= 0,
	TOKMUX_DEVICE_USB	= 1,
	TOKMUX_DEVICE_HIDRAW	= 2
};

/**
 * struct tokmux_create - TOKMUX_CTL_CREATE: make a token
 * @flags: in: TOKMUX_CREATE_*
 * @max_sessions: in: how many sessions all processes may have; 0 for the
 *	default
 * @hold_limit_ms: in: for how long other holders may have to wait, all in all,
 *	while one lease is held (R4); 0 for no limit
 * @index: out: N of /dev/tokmuxN; ~0 for a user token
 * @fd: out: an open file of a user token (O_CLOEXEC); -1 for a system token
 * @created: out: 1 if the token is new, 0 if it existed
 * @name: in: 1 to 63 letters, digits and TOKMUX_NAME_PUNCTUATION, of which only
 *	'_' comes first; NUL-terminated and NUL-padded
 * @device_kind: in: &enum tokmux_device_kind; TOKMUX_DEVICE_NONE for a user
 *	token
 * @device_fd: in: the node of the real device, open for reading and writing
 *	(-EBADF; -ENODEV if the device is gone); 0 if there is none. The kernel
 *	keeps the file open until the token is removed.
 * @usb_endpoints: in: for a USB device: the endpoints of the interface, bit N
 *	for OUT endpoint N, bit 16 + N for IN endpoint N
 * @usb_interface: in: for a USB device: number of the interface that a lease fd
 *	may claim
 * @usb_configuration: in: for a USB device: bConfigurationValue of the active
 *	configuration
 * @reserved: in: 0
 *
 * The name of a system token is unique among all tokens. User tokens that have
 * the name already are removed, as by TOKMUX_CTL_REMOVE. The name of a user
 * token is unique among the user tokens of its uid in its pid namespace. A real
 * device, or the one interface of it, belongs to one token (-EBUSY).
 */
struct tokmux_create {
	__u32 flags;
	__u32 max_sessions;
	__u32 hold_limit_ms;
	__u32 index;
	__s32 fd;
	__u32 created;
	char name[TOKMUX_NAME_SIZE];
	__u32 device_kind;
	__s32 device_fd;
	__u32 usb_endpoints;
	__u8 usb_interface;
	__u8 usb_configuration;
	__u16 reserved;
};

/**
 * struct tokmux_open - TOKMUX_CTL_OPEN: open a user token that exists
 * @flags: in: 0
 * @fd: out: an open file of the token (O_CLOEXEC)
 * @name: in: as in &struct tokmux_create
 *
 * Only the tokens of the effective uid in its pid namespace are found; for all
 * others the ioctl returns -ENOENT. -EEXIST if a system token has the name: it
 * is opened by its device node, which has permissions.
 */
struct tokmux_open {
	__u32 flags;
	__s32 fd;
	char name[TOKMUX_NAME_SIZE];
};

/**
 * struct tokmux_remove - TOKMUX_CTL_REMOVE: remove a system token
 * @flags: in: 0
 * @index: in: N of /dev/tokmuxN
 *
 * Needs CAP_SYS_ADMIN. All leases, sessions and logins end. Waiting ioctls and
 * later ones return -ENODEV. Every caller gets TOKMUX_EVENT_REMOVED.
 */
struct tokmux_remove {
	__u32 flags;
	__u32 index;
};

#define TOKMUX_IOC_MAGIC	0xBD

#define TOKMUX_CTL_CREATE	_IOWR(TOKMUX_IOC_MAGIC, 0x00, struct tokmux_create)
#define TOKMUX_CTL_OPEN		_IOWR(TOKMUX_IOC_MAGIC, 0x01, struct tokmux_open)
#define TOKMUX_CTL_REMOVE	_IOW(TOKMUX_IOC_MAGIC, 0x02, struct tokmux_remove)

/* ---- a token's file -------------------------------------------------- */

/**
 * enum tokmux_bind_flags - the holder of the leases that a file acquires
 * @TOKMUX_BIND_GROUP: the thread group is the holder: all files that the
 *	process binds with this flag count as one holder. Without it: the file
 *	alone.
 */
enum tokmux_bind_flags {
	TOKMUX_BIND_GROUP	= 1 << 0
};

/**
 * struct tokmux_bind - TOKMUX_BIND: bind a file to the calling thread group
 * @flags: in: TOKMUX_BIND_*
 * @reserved: in: 0
 *
 * Must be the first ioctl on a file: all others but TOKMUX_INFO return
 * -ENOTCONN before it. The file must be open for writing (-EBADF), and is bound
 * only once (-EISCONN). From then on all ioctls from other thread groups return
 * -EPERM (R3).
 *
 * When the thread group ends, or closes its last descriptor of the file, the
 * file's lease, sessions, login and requests end for good (R2), also if another
 * process has a copy of the descriptor. If a copy is passed back to the thread
 * group, ioctls on it return -ESHUTDOWN. If there was an exclusive lease or a
 * login, the token is unclean.
 */
struct tokmux_bind {
	__u32 flags;
	__u32 reserved;
};

/**
 * enum tokmux_info_flags - the state of a token
 * @TOKMUX_INFO_USER: the token is a user token
 * @TOKMUX_INFO_UNCLEAN: the last holder left the token in an unknown state
 * @TOKMUX_INFO_EXCLUSIVE: the token is held exclusively at this moment
 * @TOKMUX_INFO_BOUND: this file is bound
 * @TOKMUX_INFO_HOLDING: this file holds a lease
 * @TOKMUX_INFO_IDLE: the lease of this file is idle
 */
enum tokmux_info_flags {
	TOKMUX_INFO_USER	= 1 << 0,
	TOKMUX_INFO_UNCLEAN	= 1 << 1,
	TOKMUX_INFO_EXCLUSIVE	= 1 << 2,
	TOKMUX_INFO_BOUND	= 1 << 3,
	TOKMUX_INFO_HOLDING	= 1 << 4,
	TOKMUX_INFO_IDLE	= 1 << 5
};

/**
 * struct tokmux_info - TOKMUX_INFO: a snapshot of the token
 * @flags: out: TOKMUX_INFO_*
 * @index: out: N of /dev/tokmuxN; ~0 for a user token
 * @epoch: out: see &struct tokmux_acquire
 * @owner_uid: out: the uid that made the token, in the caller's user namespace
 * @holder_pid: out: the first holder's pid in the caller's pid namespace; 0 if
 *	there is no holder, or if it has no pid there
 * @holders: out: number of holders
 * @waiters: out: number of requests in the queue
 * @sessions: out: number of sessions of all callers
 * @max_sessions: out: how many sessions all callers may have
 * @users: out: number of callers logged in as user
 * @sos: out: number of callers logged in as security officer
 * @hold_limit_ms: out: 0 for none
 * @idle: out: number of leases that are idle
 * @grants: out: number of leases that were granted so far
 * @name: out: the token's name, NUL-padded
 */
struct tokmux_info {
	__u32 flags;
	__u32 index;
	__u64 epoch;
	__u32 owner_uid;
	__s32 holder_pid;
	__u32 holders;
	__u32 waiters;
	__u32 sessions;
	__u32 max_sessions;
	__u32 users;
	__u32 sos;
	__u32 hold_limit_ms;
	__u32 idle;
	__u64 grants;
	char name[TOKMUX_NAME_SIZE];
};

/**
 * enum tokmux_mode - kinds of lease
 * @TOKMUX_EXCLUSIVE: one holder
 * @TOKMUX_SHARED: any number of holders, none of them exclusive
 */
enum tokmux_mode {
	TOKMUX_EXCLUSIVE	= 1,
	TOKMUX_SHARED		= 2
};

/**
 * enum tokmux_grant_flags - what a new holder must know
 * @TOKMUX_GRANT_UNCLEAN: a caller died, or was thrown out, while it had an
 *	exclusive lease or a login, and TOKMUX_MARK_CLEAN was not called since
 * @TOKMUX_GRANT_LOST: this caller's previous lease was taken from it
 * @TOKMUX_GRANT_JOINED: the thread group held the token already
 * @TOKMUX_GRANT_LOGIN: another holder has logged in since TOKMUX_MARK_CLEAN was
 *	last called: the card may still be logged in, for any program that talks
 *	to it
 * @TOKMUX_GRANT_EVENTS: this caller has events to read
 * @TOKMUX_GRANT_RESET: the kernel ended an idle lease that had a lease fd, and
 *	TOKMUX_MARK_CLEAN was not called since. Its holder had no chance to put
 *	the real device in order: reset the device before you use it.
 */
enum tokmux_grant_flags {
	TOKMUX_GRANT_UNCLEAN	= 1 << 0,
	TOKMUX_GRANT_LOST	= 1 << 1,
	TOKMUX_GRANT_JOINED	= 1 << 2,
	TOKMUX_GRANT_LOGIN	= 1 << 3,
	TOKMUX_GRANT_EVENTS	= 1 << 4,
	TOKMUX_GRANT_RESET	= 1 << 5
};

/**
 * struct tokmux_acquire - TOKMUX_ACQUIRE: get a lease, first come first served
 * @flags: in: 0
 * @mode: in: &enum tokmux_mode
 * @timeout_ms: in: see the conventions above
 * @granted: out: TOKMUX_GRANT_*
 * @epoch: out: a counter. It differs from the one that this holder was told
 *	last if another holder may have used the token since, or the machine was
 *	suspended, or the USB device behind the token may have been reset, was
 *	suspended, or was used without a lease fd.
 *
 * A caller holds one lease at a time (-EALREADY). If its lease is idle and of the
 * same mode, the ioctl returns at once, and the lease is in use again. If it is of
 * the other mode, it is given back first.
 *
 * -ECANCELED after TOKMUX_CANCEL. After a signal handler has run the ioctl
 * returns -EINTR, or is restarted if it has no timeout and the handler has
 * SA_RESTART. A thread that is stopped or frozen restarts the ioctl when it
 * continues. In each case it loses its place in the queue.
 *
 * All files that a thread group has bound with TOKMUX_BIND_GROUP are one
 * holder. A second one is granted a lease beside the first, but it waits in
 * turn. There is one exception: a thread that holds the token through another
 * of these files does not wait in the queue, because it would wait for itself.
 */
struct tokmux_acquire {
	__u32 flags;
	__u32 mode;
	__s32 timeout_ms;
	__u32 granted;
	__u64 epoch;
};

/** TOKMUX_MAX_LINGER_MS: for how long others may have to wait for an idle lease. */
#define TOKMUX_MAX_LINGER_MS	2000

/**
 * enum tokmux_release_flags - how to end the use of a lease
 * @TOKMUX_RELEASE_IDLE: keep the lease, but do not use it now: it is idle. The
 *	next TOKMUX_ACQUIRE uses it again. If another holder wants the token
 *	before that, the kernel ends the lease, without the help of its holder.
 */
enum tokmux_release_flags {
	TOKMUX_RELEASE_IDLE	= 1 << 0
};

/**
 * struct tokmux_release - TOKMUX_RELEASE: give the lease back, or leave it idle
 * @flags: in: TOKMUX_RELEASE_*
 * @linger_ms: in: with TOKMUX_RELEASE_IDLE: for how long from now on the lease is
 *	kept although others wait; at most TOKMUX_MAX_LINGER_MS; else 0. What others
 *	have waited already, since the lease was granted, is taken off from
 *	TOKMUX_MAX_LINGER_MS.
 *
 * -ENOLCK if the caller holds no lease; -ESTALE, once, if its lease was taken
 * while it was in use.
 *
 * An idle lease ends as if its holder had given it back: the token is not
 * unclean. The holder gets TOKMUX_EVENT_LEASE_LOST. The epoch of its next grant
 * says if another holder may have used the token. A lease fd stays open while the
 * lease is idle, and dies with it; see TOKMUX_GRANT_RESET.
 */
struct tokmux_release {
	__u32 flags;
	__u32 linger_ms;
};

/**
 * enum tokmux_park_bits - the low bits of a &struct tokmux_park's word
 * @TOKMUX_PARK_MODE: &enum tokmux_mode of the lease; 0 if there is none
 * @TOKMUX_PARK_IDLE: the lease is idle. Set and cleared by the caller.
 * @TOKMUX_PARK_LOOK: the caller has to use the ioctls. Set by the kernel.
 * @TOKMUX_PARK_BITS: all of them. The others are the kernel's, and change with
 *	each lease.
 */
enum tokmux_park_bits {
	TOKMUX_PARK_MODE	= 3,
	TOKMUX_PARK_IDLE	= 1 << 2,
	TOKMUX_PARK_LOOK	= 1 << 3,
	TOKMUX_PARK_BITS	= 15
};

/**
 * struct tokmux_park - a caller's lease, to be used and left without an ioctl
 * @word: TOKMUX_PARK_*
 * @thread: the thread that uses the lease, as gettid(2) says; 0 if it used
 *	TOKMUX_ACQUIRE. Set by the caller, and of use for TOKMUX_BIND_GROUP only.
 * @granted: as in the answer to TOKMUX_ACQUIRE
 * @reserved: 0
 * @epoch: as in the answer to TOKMUX_ACQUIRE
 *
 * It is at offset 0 of a bound file, for mmap(2) with MAP_SHARED (-EINVAL).
 * -EOPNOTSUPP if the token has a real device, or the processor's cache does not
 * allow it; else the errors of every ioctl.
 *
 * While TOKMUX_PARK_LOOK is not set, the caller leaves a lease idle by an atomic
 * compare and exchange that sets TOKMUX_PARK_IDLE. This is TOKMUX_RELEASE_IDLE
 * with no linger time. It uses the lease again by one that clears the bit. This
 * is TOKMUX_ACQUIRE of the same mode: @granted and @epoch are its answer. If the
 * word has another value, or has changed meanwhile, the caller uses the ioctl.
 *
 * The epoch of a shared lease does not tell of those that share the token at the
 * same time.
 *
 * In a forked child the page is another one, of zeros, and without effect.
 */
struct tokmux_park {
	__u32 word;
	__u32 thread;
	__u32 granted;
	__u32 reserved;
	__u64 epoch;
};

/**
 * struct tokmux_cancel - TOKMUX_CANCEL: end the waits of other threads
 * @flags: in: 0
 * @requests: out: number of requests that were cancelled
 *
 * The threads that wait for a lease or a session on this file return -ECANCELED.
 */
struct tokmux_cancel {
	__u32 flags;
	__u32 requests;
};

/**
 * struct tokmux_mark_clean - TOKMUX_MARK_CLEAN: the token has been reset
 * @flags: in: 0
 * @reserved: in: 0
 *
 * Needs the exclusive lease (-ENOLCK, also while it is idle; -ESTALE if it was
 * taken), or a lease fd with TOKMUX_LEASE_FD_SCRUB. Only with the latter does the
 * ioctl let other users use the device.
 */
struct tokmux_mark_clean {
	__u32 flags;
	__u32 reserved;
};

/**
 * struct tokmux_session_open - TOKMUX_SESSION_OPEN: open one more session
 * @flags: in: 0
 * @timeout_ms: in: how long to wait, in turn, while the token's quota is used
 *	up
 * @id: out: the session; unique among the open sessions of the token, never 0
 * @reserved: out: 0
 */
struct tokmux_session_open {
	__u32 flags;
	__s32 timeout_ms;
	__u32 id;
	__u32 reserved;
};

/**
 * enum tokmux_closed_flags - what a close or a logout ended (R6)
 * @TOKMUX_CLOSED_LOGIN: this call ended the caller's login
 * @TOKMUX_CLOSED_LAST_LOGIN: that was the last login of its type on the token
 */
enum tokmux_closed_flags {
	TOKMUX_CLOSED_LOGIN		= 1 << 0,
	TOKMUX_CLOSED_LAST_LOGIN	= 1 << 1
};

/**
 * struct tokmux_session_close - TOKMUX_SESSION_CLOSE: close one session
 * @flags: in: 0
 * @id: in: the session; -ENOENT if the caller has no such session
 * @closed: out: TOKMUX_CLOSED_*
 * @sessions: out: how many sessions the caller has left
 */
struct tokmux_session_close {
	__u32 flags;
	__u32 id;
	__u32 closed;
	__u32 sessions;
};

/**
 * struct tokmux_session_close_all - TOKMUX_SESSION_CLOSE_ALL: close the
 * caller's sessions
 * @flags: in: 0
 * @closed: out: TOKMUX_CLOSED_*
 * @sessions: out: how many sessions were closed
 * @reserved: out: 0
 */
struct tokmux_session_close_all {
	__u32 flags;
	__u32 closed;
	__u32 sessions;
	__u32 reserved;
};

/**
 * enum tokmux_user_type - types of users
 * @TOKMUX_USER: the token's normal user
 * @TOKMUX_SO: the security officer
 */
enum tokmux_user_type {
	TOKMUX_USER		= 1,
	TOKMUX_SO		= 2
};

/**
 * struct tokmux_login - TOKMUX_LOGIN: note that this caller logged in
 * @flags: in: 0
 * @user_type: in: &enum tokmux_user_type
 * @others: out: number of other callers that are logged in as the same type
 * @reserved: out: 0
 *
 * The kernel keeps account of logins; it never sees a PIN. -ENOLINK if the
 * caller has no session; -EALREADY if it is logged in; -EBUSY while another
 * caller is logged in as the other type.
 */
struct tokmux_login {
	__u32 flags;
	__u32 user_type;
	__u32 others;
	__u32 reserved;
};

/**
 * struct tokmux_logout - TOKMUX_LOGOUT: end this caller's login
 * @flags: in: 0
 * @closed: out: TOKMUX_CLOSED_*
 *
 * -ENOENT if the caller is not logged in.
 */
struct tokmux_logout {
	__u32 flags;
	__u32 closed;
};

/**
 * struct tokmux_eject - TOKMUX_EJECT: end all leases, sessions and logins
 * @flags: in: 0
 * @leases: out: how many leases were taken
 * @sessions: out: how many sessions were closed
 * @logins: out: how many logins were ended
 *
 * No other ioctl closes the sessions of other callers. Only the owner of the
 * token and CAP_SYS_ADMIN may do it (-EPERM). The token is unclean if a caller
 * held it exclusively or was logged in. Waiting requests stay in the queue.
 */
struct tokmux_eject {
	__u32 flags;
	__u32 leases;
	__u32 sessions;
	__u32 logins;
};

/**
 * enum tokmux_lease_fd_flags - what a lease fd is for
 * @TOKMUX_LEASE_FD_SCRUB: to reset the device for its next user. Needs
 *	CAP_SYS_ADMIN (-EPERM), and no lease. The holder of the lease gets no
 *	lease fd meanwhile. After the reset TOKMUX_MARK_CLEAN says so.
 */
enum tokmux_lease_fd_flags {
	TOKMUX_LEASE_FD_SCRUB	= 1 << 0
};

/**
 * struct tokmux_lease_fd - TOKMUX_LEASE_FD: open the real device
 * @flags: in: TOKMUX_LEASE_FD_*
 * @fd: out: a file that passes read, write, ioctl and poll on to the real
 *	device (O_CLOEXEC)
 *
 * Needs the exclusive lease (-ENOLCK, also while it is idle; -ESTALE if it was
 * taken). A caller has one lease fd at a time (-EALREADY; -EBUSY while another file
 * of the same holder has one). -EOPNOTSUPP if the token has no real device; -ENODEV if the
 * device was unplugged. The ioctl waits until the lease fd of the previous
 * lease is closed for good (-EINTR if a signal comes first). If another user has
 * used the device, or was logged in, it then waits until the device is scrubbed
 * (-EUCLEAN if nobody does it within 20 s, or if the scrub has failed). The time
 * does not count for the hold limit.
 *
 * The moment the lease ends, for whatever reason, the lease fd and all its
 * copies are dead for good: calls return -ENODEV, poll() returns EPOLLHUP, and
 * transfers in progress are cancelled. A process that is still in a call on it
 * 10 s later is killed. Only the process that holds the lease can use the lease
 * fd (-EPERM, R3). Ioctls that affect more than the interface, or block in a
 * way that the end of the lease could not end, return -EPERM; see
 * Documentation/uapi.rst.
 */
struct tokmux_lease_fd {
	__u32 flags;
	__s32 fd;
};

/** TOKMUX_NOTE_SIZE: how long a token's note is. */
#define TOKMUX_NOTE_SIZE	128

/**
 * enum tokmux_note_flags - what else is asked for with a note
 * @TOKMUX_NOTE_WATCH: send this caller TOKMUX_EVENT_NOTE, once, when the note
 *	changes or the lease of its writer ends. The caller must be bound
 *	(-ENOTCONN).
 */
enum tokmux_note_flags {
	TOKMUX_NOTE_WATCH	= 1 << 0
};

/**
 * enum tokmux_noted_flags - what the kernel says of a note
 * @TOKMUX_NOTED_HELD: the lease in which it was written goes on
 */
enum tokmux_noted_flags {
	TOKMUX_NOTED_HELD	= 1 << 0
};

/**
 * struct tokmux_note_get - TOKMUX_NOTE_GET: read the note of the last holder
 * that left one
 * @flags: in: TOKMUX_NOTE_*
 * @noted: out: TOKMUX_NOTED_*
 * @time_ns: out: when it was written, CLOCK_MONOTONIC; 0 if there is none yet
 * @note: out: the note, all 0 if there is none yet
 *
 * A note says what its writer likes: the kernel doesn't look at it. Reading a note
 * needs no lease and changes no epoch, and the holder does not notice.
 */
struct tokmux_note_get {
	__u32 flags;
	__u32 noted;
	__u64 time_ns;
	__u8 note[TOKMUX_NOTE_SIZE];
};

/**
 * struct tokmux_note_set - TOKMUX_NOTE_SET: leave a note for those who look
 * @flags: in: 0
 * @note: in: the note
 * @reserved: in: 0
 *
 * Needs the exclusive lease (-ENOLCK; -ESTALE if the lease was taken). The note
 * stays until the next one is written. All who may open the token may read it.
 */
struct tokmux_note_set {
	__u32 flags;
	__u8 note[TOKMUX_NOTE_SIZE];
	__u32 reserved;
};

#define TOKMUX_BIND		_IOW(TOKMUX_IOC_MAGIC, 0x10, struct tokmux_bind)
#define TOKMUX_INFO		_IOR(TOKMUX_IOC_MAGIC, 0x11, struct tokmux_info)
#define TOKMUX_ACQUIRE		_IOWR(TOKMUX_IOC_MAGIC, 0x12, struct tokmux_acquire)
#define TOKMUX_RELEASE		_IOW(TOKMUX_IOC_MAGIC, 0x13, struct tokmux_release)
#define TOKMUX_MARK_CLEAN	_IOW(TOKMUX_IOC_MAGIC, 0x14, struct tokmux_mark_clean)
#define TOKMUX_SESSION_OPEN	_IOWR(TOKMUX_IOC_MAGIC, 0x15, struct tokmux_session_open)
#define TOKMUX_SESSION_CLOSE	_IOWR(TOKMUX_IOC_MAGIC, 0x16, struct tokmux_session_close)
#define TOKMUX_SESSION_CLOSE_ALL _IOWR(TOKMUX_IOC_MAGIC, 0x17, struct tokmux_session_close_all)
#define TOKMUX_LOGIN		_IOWR(TOKMUX_IOC_MAGIC, 0x18, struct tokmux_login)
#define TOKMUX_LOGOUT		_IOWR(TOKMUX_IOC_MAGIC, 0x19, struct tokmux_logout)
#define TOKMUX_EJECT		_IOWR(TOKMUX_IOC_MAGIC, 0x1a, struct tokmux_eject)
#define TOKMUX_LEASE_FD		_IOWR(TOKMUX_IOC_MAGIC, 0x1b, struct tokmux_lease_fd)
#define TOKMUX_NOTE_GET		_IOWR(TOKMUX_IOC_MAGIC, 0x1c, struct tokmux_note_get)
#define TOKMUX_NOTE_SET		_IOW(TOKMUX_IOC_MAGIC, 0x1d, struct tokmux_note_set)
#define TOKMUX_CANCEL		_IOWR(TOKMUX_IOC_MAGIC, 0x1e, struct tokmux_cancel)

/* ---- events: read(2) from a bound token file ------------------------- */

/**
 * enum tokmux_event_type - what happened
 * @TOKMUX_EVENT_WANTED: another holder waits for this caller's lease, which may be
 *	idle. Sent once for each lease, and again if the queue was empty or the
 *	lease was idle in between.
 * @TOKMUX_EVENT_LEASE_LOST: this caller's lease was taken; @arg is 1 if it was
 *	idle, else 0
 * @TOKMUX_EVENT_SESSIONS_ENDED: an eject closed the sessions of this caller;
 *	@arg is their number
 * @TOKMUX_EVENT_LOGIN_ENDED: an eject ended this caller's login
 * @TOKMUX_EVENT_REMOVED: the token was removed
 * @TOKMUX_EVENT_FREE: the token is free. Sent to a caller whose last request
 *	for a lease with timeout 0 was refused.
 * @TOKMUX_EVENT_NOTE: the note changed, or its writer's lease ended. Sent once to
 *	a caller that has read the note with TOKMUX_NOTE_WATCH.
 */
enum tokmux_event_type {
	TOKMUX_EVENT_WANTED		= 1,
	TOKMUX_EVENT_LEASE_LOST		= 2,
	TOKMUX_EVENT_SESSIONS_ENDED	= 3,
	TOKMUX_EVENT_LOGIN_ENDED	= 4,
	TOKMUX_EVENT_REMOVED		= 5,
	TOKMUX_EVENT_FREE		= 6,
	TOKMUX_EVENT_NOTE		= 7
};

/**
 * enum tokmux_event_flags - marks on an event
 * @TOKMUX_EVENT_OVERFLOW: older events were dropped before this one
 */
enum tokmux_event_flags {
	TOKMUX_EVENT_OVERFLOW	= 1 << 0
};

/**
 * struct tokmux_event - one record of read(2)
 * @type: &enum tokmux_event_type
 * @flags: TOKMUX_EVENT_OVERFLOW
 * @time_ns: time of the event, CLOCK_MONOTONIC
 * @arg: depends on the type
 *
 * read(2) returns whole records, as many as fit (-EINVAL if none fits). If they
 * are not read in time, the oldest records are dropped.
 */
struct tokmux_event {
	__u32 type;
	__u32 flags;
	__u64 time_ns;
	__u64 arg;
};

#endif /* _UAPI_LINUX_TOKMUX_H */
