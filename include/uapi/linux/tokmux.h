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
 * - Every struct can grow at its end. The size that user space was built with
 *   is part of the ioctl number, the kernel looks at the number alone: what an
 *   older program leaves out reads as zero, what a newer program adds must be
 *   zero for an older kernel (else -E2BIG). Answers are cut to the caller's
 *   size.
 * - Unknown flags, non-zero reserved fields and unknown enum values are
 *   refused with -EINVAL; an unknown ioctl with -ENOTTY.
 * - A timeout is in milliseconds with poll(2)'s meaning: negative waits for
 *   ever, 0 does not wait (-EAGAIN), else -ETIMEDOUT when it has run out.
 */
#ifndef _UAPI_LINUX_TOKMUX_H
#define _UAPI_LINUX_TOKMUX_H

#include <linux/ioctl.h>
#include <linux/types.h>

/** TOKMUX_NAME_SIZE: room for a token's name and its terminating NUL. */
#define TOKMUX_NAME_SIZE	64

/* ---- /dev/tokmux-control ------------------------------------------- */

/**
 * enum tokmux_create_flags - how to make a token
 * @TOKMUX_CREATE_USER: a user token: belongs to the caller's effective uid, is
 *	found by that uid only, has no device and no sysfs, and goes with its
 *	last file. Without it: a system token (needs CAP_SYS_ADMIN).
 * @TOKMUX_CREATE_EXCL: fail with -EEXIST where a token of that name exists.
 *	Without it, a user token that exists is opened as it is and @hold_limit_ms
 *	and @max_sessions are not applied; a system token is always exclusive.
 */
enum tokmux_create_flags {
	TOKMUX_CREATE_USER	= 1 << 0,
	TOKMUX_CREATE_EXCL	= 1 << 1,
};

/**
 * enum tokmux_device_kind - what the real device behind a system token is
 * @TOKMUX_DEVICE_NONE: none that the kernel knows of
 * @TOKMUX_DEVICE_USB: a USB device, by its node of usbfs
 * @TOKMUX_DEVICE_HIDRAW: a HID device, by its hidraw node
 */
enum tokmux_device_kind {
	TOKMUX_DEVICE_NONE	= 0,
	TOKMUX_DEVICE_USB	= 1,
	TOKMUX_DEVICE_HIDRAW	= 2,
};

/**
 * struct tokmux_create - TOKMUX_CTL_CREATE: make a token
 * @flags: in: TOKMUX_CREATE_*
 * @max_sessions: in: quota of sessions over all processes, 0 for the default
 * @hold_limit_ms: in: for how long others may have waited, all in all, while a
 *	lease is kept (R4), 0 for no limit
 * @index: out: N of /dev/tokmuxN; ~0 for a user token
 * @fd: out: for a user token an open file of it (O_CLOEXEC), else -1
 * @created: out: 1 if the token is new, 0 if it was there
 * @name: in: 1 to 63 printable ASCII characters, no blank and no '/',
 *	NUL-terminated and NUL-padded
 * @device_kind: in: &enum tokmux_device_kind; of a user token it is none
 * @device_fd: in: the real device's node, open for reading and writing (-EBADF;
 *	-ENODEV if the device is gone); 0 if there is none. Only the kernel uses
 *	it, and keeps it open until the token is removed.
 * @usb_endpoints: in: of a USB device: which endpoints belong to the interface,
 *	bit N for OUT endpoint N, bit 16 + N for IN endpoint N
 * @usb_interface: in: likewise: number of the one interface that a lease fd
 *	may claim
 * @usb_configuration: in: likewise: bConfigurationValue of the active one
 * @reserved: in: 0
 *
 * A system token's name is unique among system tokens, a user token's among
 * those of its uid.
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
 * @fd: out: an open file of it (O_CLOEXEC)
 * @name: in: as in &struct tokmux_create
 *
 * Only the caller's own tokens are found; all others are -ENOENT. A system
 * token is opened by its device node, whose permissions decide.
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
 * Needs CAP_SYS_ADMIN. Leases, sessions and logins on it end, waiters and
 * later calls get -ENODEV, every caller gets TOKMUX_EVENT_REMOVED.
 */
struct tokmux_remove {
	__u32 flags;
	__u32 index;
};

#define TOKMUX_IOC_MAGIC	0xBA

#define TOKMUX_CTL_CREATE	_IOWR(TOKMUX_IOC_MAGIC, 0x00, struct tokmux_create)
#define TOKMUX_CTL_OPEN		_IOWR(TOKMUX_IOC_MAGIC, 0x01, struct tokmux_open)
#define TOKMUX_CTL_REMOVE	_IOW(TOKMUX_IOC_MAGIC, 0x02, struct tokmux_remove)

/* ---- a token's file -------------------------------------------------- */

/**
 * enum tokmux_bind_flags - who holds what is acquired through a file
 * @TOKMUX_BIND_GROUP: the thread group: all files that this process bound with
 *	this flag count as one holder. Without it: this file alone.
 */
enum tokmux_bind_flags {
	TOKMUX_BIND_GROUP	= 1 << 0,
};

/**
 * struct tokmux_bind - TOKMUX_BIND: bind a file to the calling thread group
 * @flags: in: TOKMUX_BIND_*
 * @reserved: in: 0
 *
 * Comes first, once (-EISCONN), on a file that is open for writing (-EBADF): all
 * other verbs but TOKMUX_INFO are -ENOTCONN without it. From then on every verb
 * from another thread group is -EPERM (R3), and when the thread group ends, or
 * closes its last descriptor of the file, lease, sessions, login and queue place
 * are gone for good (R2), also where a copy of the descriptor lives on elsewhere
 * (and -ESHUTDOWN if one comes back). What has a lease or login then leaves the token unclean.
 */
struct tokmux_bind {
	__u32 flags;
	__u32 reserved;
};

/**
 * enum tokmux_info_flags - what is true of a token
 * @TOKMUX_INFO_USER: it is a user token
 * @TOKMUX_INFO_UNCLEAN: its last holder left it in an unknown state
 * @TOKMUX_INFO_EXCLUSIVE: it is held exclusively at this moment
 * @TOKMUX_INFO_BOUND: this file is bound
 * @TOKMUX_INFO_HOLDING: this file holds a lease
 */
enum tokmux_info_flags {
	TOKMUX_INFO_USER	= 1 << 0,
	TOKMUX_INFO_UNCLEAN	= 1 << 1,
	TOKMUX_INFO_EXCLUSIVE	= 1 << 2,
	TOKMUX_INFO_BOUND	= 1 << 3,
	TOKMUX_INFO_HOLDING	= 1 << 4,
};

/**
 * struct tokmux_info - TOKMUX_INFO: a snapshot of the token
 * @flags: out: TOKMUX_INFO_*
 * @index: out: N of /dev/tokmuxN; ~0 for a user token
 * @epoch: out: see &struct tokmux_acquire
 * @owner_uid: out: who made it, as seen in the caller's user namespace
 * @holder_pid: out: the (first) holder's process, as seen in the caller's pid
 *	namespace; 0 if there is none or it can't be seen from there
 * @holders: out: number of holders
 * @waiters: out: number of requests in the queue
 * @sessions: out: number of sessions of all callers
 * @max_sessions: out: their quota
 * @users: out: number of callers logged in as user
 * @sos: out: number of callers logged in as security officer
 * @hold_limit_ms: out: 0 for none
 * @reserved: out: 0
 * @grants: out: leases granted so far
 * @name: out: its name, NUL-padded
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
	__u32 reserved;
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
	TOKMUX_SHARED		= 2,
};

/**
 * enum tokmux_grant_flags - what a new holder must know
 * @TOKMUX_GRANT_UNCLEAN: somebody died, or was thrown out, while holding an
 *	exclusive lease or a login, and nobody has said TOKMUX_MARK_CLEAN since
 * @TOKMUX_GRANT_LOST: this caller's previous lease was taken from it
 * @TOKMUX_GRANT_JOINED: the thread group held the token already
 * @TOKMUX_GRANT_LOGIN: another holder has logged in since the token was last
 *	said to be clean: a card may still be open to whoever talks to it
 * @TOKMUX_GRANT_EVENTS: this caller has events to read
 */
enum tokmux_grant_flags {
	TOKMUX_GRANT_UNCLEAN	= 1 << 0,
	TOKMUX_GRANT_LOST	= 1 << 1,
	TOKMUX_GRANT_JOINED	= 1 << 2,
	TOKMUX_GRANT_LOGIN	= 1 << 3,
	TOKMUX_GRANT_EVENTS	= 1 << 4,
};

/**
 * struct tokmux_acquire - TOKMUX_ACQUIRE: get a lease, first come first served
 * @flags: in: 0
 * @mode: in: &enum tokmux_mode
 * @timeout_ms: in: see the conventions above
 * @granted: out: TOKMUX_GRANT_*
 * @epoch: out: changes whenever another holder may have touched the token, or
 *	the machine was suspended, since this holder was last told the epoch; also
 *	when the USB device behind it may have been reset, was suspended, or was
 *	used otherwise than by lease fds
 *
 * A caller holds one lease at a time (-EALREADY). A wait ends with -EINTR when a
 * signal's handler has run, unless it has no timeout and SA_RESTART says to go
 * on. A thread that is stopped or frozen asks anew when it continues. Either
 * way its place in the queue is given up.
 *
 * Files of one thread group that are bound as such are one holder: another one
 * is granted beside the first, yet in turn, behind who waits already. Only a
 * thread that holds the token through another of them does not queue, because
 * it would wait for itself.
 */
struct tokmux_acquire {
	__u32 flags;
	__u32 mode;
	__s32 timeout_ms;
	__u32 granted;
	__u64 epoch;
};

/**
 * struct tokmux_release - TOKMUX_RELEASE: give the lease back
 * @flags: in: 0
 * @reserved: in: 0
 *
 * -ENOLCK if the caller holds none, -ESTALE (once) if it was taken from it.
 */
struct tokmux_release {
	__u32 flags;
	__u32 reserved;
};

/**
 * struct tokmux_mark_clean - TOKMUX_MARK_CLEAN: the token has been reset
 * @flags: in: 0
 * @reserved: in: 0
 *
 * Needs the exclusive lease (-ENOLCK, or -ESTALE if it was taken).
 */
struct tokmux_mark_clean {
	__u32 flags;
	__u32 reserved;
};

/**
 * struct tokmux_session_open - TOKMUX_SESSION_OPEN: count one more session
 * @flags: in: 0
 * @timeout_ms: in: how long to wait, in turn, while the quota is used up
 * @id: out: unique on the token among the open ones, never 0
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
 * @TOKMUX_CLOSED_LAST_LOGIN: it was the last login of its type on the token
 */
enum tokmux_closed_flags {
	TOKMUX_CLOSED_LOGIN		= 1 << 0,
	TOKMUX_CLOSED_LAST_LOGIN	= 1 << 1,
};

/**
 * struct tokmux_session_close - TOKMUX_SESSION_CLOSE: close one session
 * @flags: in: 0
 * @id: in: the session; -ENOENT if it is not open or not this caller's
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
 * struct tokmux_session_close_all - TOKMUX_SESSION_CLOSE_ALL: the caller's
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
 * enum tokmux_user_type - who is logged in
 * @TOKMUX_USER: the token's normal user
 * @TOKMUX_SO: the security officer
 */
enum tokmux_user_type {
	TOKMUX_USER		= 1,
	TOKMUX_SO		= 2,
};

/**
 * struct tokmux_login - TOKMUX_LOGIN: note that this caller logged in
 * @flags: in: 0
 * @user_type: in: &enum tokmux_user_type
 * @others: out: how many other callers are logged in as the same
 * @reserved: out: 0
 *
 * The kernel keeps who is logged in; it never sees a PIN. -ENOLINK if the
 * caller has no session, -EALREADY if it is logged in, -EBUSY while another
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
 * struct tokmux_eject - TOKMUX_EJECT: end everybody's leases, sessions, logins
 * @flags: in: 0
 * @leases: out: how many leases were taken
 * @sessions: out: how many sessions were closed
 * @logins: out: how many logins were ended
 *
 * The deliberate act that closes other callers' sessions. Needs the token's
 * owner or CAP_SYS_ADMIN (-EPERM). The token is unclean if anybody held it
 * exclusively or was logged in. Waiting requests stay in the queue.
 */
struct tokmux_eject {
	__u32 flags;
	__u32 leases;
	__u32 sessions;
	__u32 logins;
};

/**
 * struct tokmux_lease_fd - TOKMUX_LEASE_FD: get at the real device
 * @flags: in: 0
 * @fd: out: a file that passes read, write, ioctl and poll on to the real
 *	device (O_CLOEXEC)
 *
 * Needs the exclusive lease (-ENOLCK, or -ESTALE if it was taken); a caller has
 * one such file at a time (-EALREADY; -EBUSY while another file of this process
 * has it). -EOPNOTSUPP if the token has no real device, -ENODEV if that was
 * unplugged. It waits until the previous one is closed for good, -EINTR if a
 * signal comes first. A process that is in a call on it 10 s after its lease ended
 * is killed.
 *
 * The moment the lease ends, for whatever reason, the file is dead for good,
 * with all its copies: -ENODEV, EPOLLHUP, transfers under way are cancelled.
 * Only the process that holds the lease can use it (-EPERM, R3). Ioctls that
 * would reach beyond the interface, or block what a revocation could not end,
 * are refused with -EPERM; see Documentation/uapi.rst.
 */
struct tokmux_lease_fd {
	__u32 flags;
	__s32 fd;
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

/* ---- events: read(2) from a bound token file ------------------------- */

/**
 * enum tokmux_event_type - what happened
 * @TOKMUX_EVENT_WANTED: somebody waits for the lease that this caller holds; said
 *	once a lease, and again when all had given up and another comes
 * @TOKMUX_EVENT_LEASE_LOST: this caller's lease was taken; @arg is 0
 * @TOKMUX_EVENT_SESSIONS_ENDED: an eject closed this caller's @arg sessions
 * @TOKMUX_EVENT_LOGIN_ENDED: an eject ended this caller's login
 * @TOKMUX_EVENT_REMOVED: the token is gone
 * @TOKMUX_EVENT_FREE: nobody holds the token, and this caller's last request
 *	for it with timeout 0 was refused
 */
enum tokmux_event_type {
	TOKMUX_EVENT_WANTED		= 1,
	TOKMUX_EVENT_LEASE_LOST		= 2,
	TOKMUX_EVENT_SESSIONS_ENDED	= 3,
	TOKMUX_EVENT_LOGIN_ENDED	= 4,
	TOKMUX_EVENT_REMOVED		= 5,
	TOKMUX_EVENT_FREE		= 6,
};

/**
 * enum tokmux_event_flags - marks on an event
 * @TOKMUX_EVENT_OVERFLOW: older events were dropped before this one
 */
enum tokmux_event_flags {
	TOKMUX_EVENT_OVERFLOW	= 1 << 0,
};

/**
 * struct tokmux_event - one record of read(2)
 * @type: &enum tokmux_event_type
 * @flags: TOKMUX_EVENT_OVERFLOW
 * @time_ns: when, CLOCK_MONOTONIC
 * @arg: see the type
 *
 * read(2) returns whole records, as many as fit (-EINVAL if none does). A slow
 * reader loses the oldest ones.
 */
struct tokmux_event {
	__u32 type;
	__u32 flags;
	__u64 time_ns;
	__u64 arg;
};

#endif /* _UAPI_LINUX_TOKMUX_H */
