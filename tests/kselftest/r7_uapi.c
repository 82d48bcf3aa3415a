// SPDX-License-Identifier: GPL-2.0-only
/*
 * R7: unknown ioctls, flags, values and sizes are refused with their documented
 * errno; structs are extensible by size; nothing leaks in padding; a refused
 * request changes nothing.
 */
#include <stddef.h>
#include "device.h"
#include "kselftest_harness.h"

FIXTURE(r7)
{
	int fd;
	int watch;
};

FIXTURE_SETUP(r7)
{
	self->fd = open_bound(own_name(), 0);
	ASSERT_GE(self->fd, 0);
	self->watch = open_token(own_name());
	ASSERT_GE(self->watch, 0);
}

FIXTURE_TEARDOWN(r7)
{
	struct tokmux_info i = info(self->watch);

	EXPECT_EQ(0, i.holders);
	EXPECT_EQ(0, i.waiters);
	EXPECT_EQ(0, i.sessions);
	EXPECT_EQ(0, i.users);
	close(self->fd);
	close(self->watch);
}

/* Every verb of a token's file, and where its struct must be 0. */
static const struct {
	unsigned long cmd;
	size_t size;
	size_t in;	/* bytes of the struct that are read; the rest is reserved or out */
} verbs[] = {
	{ TOKMUX_BIND, sizeof(struct tokmux_bind), 4 },
	{ TOKMUX_ACQUIRE, sizeof(struct tokmux_acquire), 12 },
	{ TOKMUX_RELEASE, sizeof(struct tokmux_release), 4 },
	{ TOKMUX_MARK_CLEAN, sizeof(struct tokmux_mark_clean), 4 },
	{ TOKMUX_SESSION_OPEN, sizeof(struct tokmux_session_open), 8 },
	{ TOKMUX_SESSION_CLOSE, sizeof(struct tokmux_session_close), 8 },
	{ TOKMUX_SESSION_CLOSE_ALL, sizeof(struct tokmux_session_close_all), 4 },
	{ TOKMUX_LOGIN, sizeof(struct tokmux_login), 8 },
	{ TOKMUX_LOGOUT, sizeof(struct tokmux_logout), 4 },
	{ TOKMUX_EJECT, sizeof(struct tokmux_eject), 4 },
	{ TOKMUX_LEASE_FD, sizeof(struct tokmux_lease_fd), 4 },
	{ TOKMUX_NOTE_GET, sizeof(struct tokmux_note_get), 4 },
	{ TOKMUX_NOTE_SET, sizeof(struct tokmux_note_set), 4 + TOKMUX_NOTE_SIZE },
	{ TOKMUX_CANCEL, sizeof(struct tokmux_cancel), 4 },
};

#define NR_VERBS	(sizeof(verbs) / sizeof(verbs[0]))
#define WITH_SIZE(cmd, size) \
	_IOC(_IOC_DIR(cmd), _IOC_TYPE(cmd), _IOC_NR(cmd), size)

/* Pinned: what is released stays compatible. */
TEST(layout)
{
	EXPECT_EQ(104, sizeof(struct tokmux_create));
	EXPECT_EQ(24, offsetof(struct tokmux_create, name));
	EXPECT_EQ(88, offsetof(struct tokmux_create, device_kind));
	EXPECT_EQ(8, sizeof(struct tokmux_lease_fd));
	EXPECT_EQ(144, sizeof(struct tokmux_note_get));
	EXPECT_EQ(16, offsetof(struct tokmux_note_get, note));
	EXPECT_EQ(136, sizeof(struct tokmux_note_set));
	EXPECT_EQ(72, sizeof(struct tokmux_open));
	EXPECT_EQ(8, sizeof(struct tokmux_remove));
	EXPECT_EQ(8, sizeof(struct tokmux_bind));
	EXPECT_EQ(128, sizeof(struct tokmux_info));
	EXPECT_EQ(56, offsetof(struct tokmux_info, grants));
	EXPECT_EQ(24, sizeof(struct tokmux_acquire));
	EXPECT_EQ(16, offsetof(struct tokmux_acquire, epoch));
	EXPECT_EQ(16, sizeof(struct tokmux_session_open));
	EXPECT_EQ(16, sizeof(struct tokmux_session_close));
	EXPECT_EQ(16, sizeof(struct tokmux_session_close_all));
	EXPECT_EQ(16, sizeof(struct tokmux_login));
	EXPECT_EQ(8, sizeof(struct tokmux_logout));
	EXPECT_EQ(16, sizeof(struct tokmux_eject));
	EXPECT_EQ(8, sizeof(struct tokmux_release));
	EXPECT_EQ(8, sizeof(struct tokmux_cancel));
	EXPECT_EQ(24, sizeof(struct tokmux_park));
	EXPECT_EQ(16, offsetof(struct tokmux_park, epoch));
	EXPECT_EQ(24, sizeof(struct tokmux_event));
	EXPECT_EQ(0xC018BD12, TOKMUX_ACQUIRE);
}

TEST_F(r7, unknown_ioctl)
{
	uint64_t buf[16] = {};
	int control = open(CONTROL, O_RDWR);

	ASSERT_GE(control, 0);
	for (unsigned int nr = 0; nr < 256; nr++) {
		bool token = nr >= 0x10 && nr <= _IOC_NR(TOKMUX_CANCEL);

		if (!token)
			EXPECT_EQ(-ENOTTY, verb(self->fd,
						_IOWR(TOKMUX_IOC_MAGIC, nr, buf[0]), buf));
		if (nr > 2)
			EXPECT_EQ(-ENOTTY, verb(control, _IOWR(TOKMUX_IOC_MAGIC, nr, buf[0]), buf));
	}
	/* another magic, another direction */
	EXPECT_EQ(-ENOTTY, verb(self->fd, _IOWR('T', 0x12, struct tokmux_acquire), buf));
	EXPECT_EQ(-ENOTTY, verb(self->fd,
				_IOR(TOKMUX_IOC_MAGIC, 0x12, struct tokmux_acquire), buf));
	EXPECT_EQ(-ENOTTY, verb(self->fd, _IO(TOKMUX_IOC_MAGIC, 0x12), buf));
	close(control);
}

TEST_F(r7, wrong_sizes)
{
	char buf[16384] = {};
	size_t i, size;

	for (i = 0; i < NR_VERBS; i++) {
		for (size = 0; size < verbs[i].size; size++)
			EXPECT_EQ(-EINVAL, verb(self->fd, WITH_SIZE(verbs[i].cmd, size), buf));
		/* larger, with something that this kernel doesn't know */
		for (size = verbs[i].size + 1; size < sizeof(buf); size = size * 2 + 1) {
			buf[size - 1] = 1;
			EXPECT_EQ(-E2BIG, verb(self->fd, WITH_SIZE(verbs[i].cmd, size), buf));
			buf[size - 1] = 0;
		}
	}
	for (size = 0; size < sizeof(struct tokmux_info); size++)
		EXPECT_EQ(-EINVAL, verb(self->fd, WITH_SIZE(TOKMUX_INFO, size), buf));
}

/* Larger with zeros is the same request; what comes after the answer is 0. */
TEST_F(r7, larger_with_zeros)
{
	struct {
		struct tokmux_acquire arg;
		char more[100];
	} big = { .arg = { .mode = TOKMUX_EXCLUSIVE } };
	struct {
		struct tokmux_info arg;
		char more[100];
	} look;
	size_t i;

	EXPECT_EQ(0, verb(self->fd, WITH_SIZE(TOKMUX_ACQUIRE, sizeof(big)), &big));
	EXPECT_GT(big.arg.epoch, 0);
	EXPECT_EQ(0, release(self->fd));
	memset(&look, 0xff, sizeof(look));
	EXPECT_EQ(0, verb(self->fd, WITH_SIZE(TOKMUX_INFO, sizeof(look)), &look));
	for (i = 0; i < sizeof(look.more); i++)
		EXPECT_EQ(0, look.more[i]);
}

TEST_F(r7, nonzero_padding_and_flags)
{
	size_t i, byte;

	for (i = 0; i < NR_VERBS; i++) {
		unsigned char buf[256] = {};

		/* valid where it must be, so that only the byte is to blame */
		if (verbs[i].cmd == TOKMUX_ACQUIRE)
			buf[4] = TOKMUX_EXCLUSIVE;
		if (verbs[i].cmd == TOKMUX_LOGIN)
			buf[4] = TOKMUX_USER;
		for (byte = 0; byte < verbs[i].size; byte++) {
			if (byte >= 4 && byte < verbs[i].in)
				continue;
			buf[byte] |= 0x80;
			EXPECT_EQ(-EINVAL, verb(self->fd, verbs[i].cmd, buf)) {
				TH_LOG("verb %zu byte %zu", i, byte);
			}
			buf[byte] &= ~0x80;
		}
	}
}

TEST_F(r7, unknown_values)
{
	EXPECT_EQ(-EINVAL, acquire(self->fd, 0, 0));
	EXPECT_EQ(-EINVAL, acquire(self->fd, 3, 0));
	EXPECT_EQ(-EINVAL, acquire(self->fd, ~0U, 0));
	EXPECT_EQ(-EINVAL, login(self->fd, 0));
	EXPECT_EQ(-EINVAL, login(self->fd, 3));
}

TEST_F(r7, bad_pointer_changes_nothing)
{
	struct tokmux_acquire *read_only;
	size_t i;

	for (i = 0; i < NR_VERBS; i++) {
		EXPECT_EQ(-EFAULT, verb(self->fd, verbs[i].cmd, NULL));
		EXPECT_EQ(-EFAULT, verb(self->fd, verbs[i].cmd, (void *)-4096L));
	}
	read_only = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	read_only->mode = TOKMUX_EXCLUSIVE;
	mprotect(read_only, 4096, PROT_READ);
	EXPECT_EQ(-EFAULT, verb(self->fd, TOKMUX_ACQUIRE, read_only));
	EXPECT_EQ(-ENOLCK, release(self->fd));
}

TEST_F(r7, unbound_and_bound_twice)
{
	struct tokmux_eject hit;
	struct tokmux_event event;
	int fd = open_token(own_name());

	EXPECT_EQ(-ENOTCONN, acquire(fd, TOKMUX_EXCLUSIVE, 0));
	EXPECT_EQ(-ENOTCONN, release(fd));
	EXPECT_EQ(-ENOTCONN, mark_clean(fd));
	EXPECT_EQ(-ENOTCONN, session_open(fd, 0));
	EXPECT_EQ(-ENOTCONN, session_close(fd, 1));
	EXPECT_EQ(-ENOTCONN, session_close_all(fd));
	EXPECT_EQ(-ENOTCONN, login(fd, TOKMUX_USER));
	EXPECT_EQ(-ENOTCONN, logout(fd));
	EXPECT_EQ(-ENOTCONN, eject(fd, &hit));
	EXPECT_EQ(-1, read(fd, &event, sizeof(event)));
	EXPECT_EQ(ENOTCONN, errno);
	EXPECT_EQ(-EISCONN, bind_token(self->fd, 0));
	close(fd);
}

static int create_named(const void *name, size_t len)
{
	struct tokmux_create arg = { .flags = TOKMUX_CREATE_USER };
	int ret;

	memcpy(arg.name, name, len);
	ret = control_verb(TOKMUX_CTL_CREATE, &arg);
	return ret ? ret : close(arg.fd);
}

TEST_F(r7, names)
{
	char longest[TOKMUX_NAME_SIZE + 1];
	struct tokmux_open open_arg = {};
	const char *p;

	memset(longest, 'x', sizeof(longest));
	EXPECT_EQ(-ENAMETOOLONG, create_named(longest, TOKMUX_NAME_SIZE));
	EXPECT_EQ(0, create_named(longest, TOKMUX_NAME_SIZE - 1));
	EXPECT_EQ(-EINVAL, create_named("", 0));
	EXPECT_EQ(-EINVAL, create_named("a b", 3));
	EXPECT_EQ(-EINVAL, create_named("a/b", 3));
	EXPECT_EQ(-EINVAL, create_named("a\nb", 3));
	EXPECT_EQ(-EINVAL, create_named("a\177", 2));
	EXPECT_EQ(-EINVAL, create_named("\303\244", 2));
	EXPECT_EQ(-EINVAL, create_named("a\0b", 3));
	EXPECT_EQ(0, create_named("a:b@c=d,e.f_g-h+i#j", 19));
	EXPECT_EQ(0, create_named("_1", 2));
	/* A shell, udev or a terminal would read something into these. */
	for (p = " !\"$%&'()*;<>?[\\]^`{|}~\033\t"; *p; p++) {
		char name[] = { 'a', *p, 'b' };

		EXPECT_EQ(-EINVAL, create_named(name, 3)) {
			TH_LOG("'%c'", *p);
		}
	}
	for (p = "-.#~=+:@,"; *p; p++)
		EXPECT_EQ(-EINVAL, create_named((char []){ *p, 'a' }, 2)) {
			TH_LOG("'%c' comes first", *p);
		}

	EXPECT_EQ(-EINVAL, control_verb(TOKMUX_CTL_OPEN, &open_arg));
	strcpy(open_arg.name, "no-such-token");
	EXPECT_EQ(-ENOENT, control_verb(TOKMUX_CTL_OPEN, &open_arg));
	open_arg.flags = 1;
	EXPECT_EQ(-EINVAL, control_verb(TOKMUX_CTL_OPEN, &open_arg));
	memset(open_arg.name, 'x', sizeof(open_arg.name));
	open_arg.flags = 0;
	EXPECT_EQ(-ENAMETOOLONG, control_verb(TOKMUX_CTL_OPEN, &open_arg));
}

TEST_F(r7, create)
{
	struct tokmux_create arg = { .flags = TOKMUX_CREATE_USER | TOKMUX_CREATE_EXCL };

	EXPECT_EQ(-EEXIST, create(own_name(), &arg));
	arg.flags = 1 << 2;
	EXPECT_EQ(-EINVAL, create(own_name(), &arg));
	arg.flags = TOKMUX_CREATE_USER;
	arg.max_sessions = ~0U;
	EXPECT_EQ(-EINVAL, create(own_name(), &arg));
	arg.max_sessions = 0;
	arg.hold_limit_ms = ~0U;
	EXPECT_EQ(-EINVAL, create(own_name(), &arg));
	arg.hold_limit_ms = 0;
	arg.created = 1;
	EXPECT_EQ(-EINVAL, create(own_name(), &arg));
	arg.created = 0;
	EXPECT_EQ(0, create(own_name(), &arg));
	EXPECT_EQ(0, arg.created);
	EXPECT_EQ(FD_CLOEXEC, fcntl(arg.fd, F_GETFD));
	close(arg.fd);
}

TEST_F(r7, read_wants_room_for_a_record)
{
	char small[sizeof(struct tokmux_event) - 1];

	EXPECT_EQ(-1, read(self->fd, small, sizeof(small)));
	EXPECT_EQ(EINVAL, errno);
}

/* The same structs, and the same answers, for a program of 32 bits. */
TEST_F(r7, from_32_bits)
{
	union {
		struct tokmux_info info;
		struct tokmux_acquire acquire;
		struct tokmux_release release;
		struct tokmux_mark_clean mark_clean;
		struct tokmux_session_open open;
		struct tokmux_login login;
		struct tokmux_logout logout;
		struct tokmux_session_close close;
		struct tokmux_session_close_all close_all;
		struct tokmux_eject eject;
		struct tokmux_note_get note_get;
		struct tokmux_note_set note_set;
		struct tokmux_create create;
	} *arg = memory32(sizeof(*arg));
	int fd = open_bound(own_name(), 0), control;
	struct tokmux_acquire told;
	uint32_t session;

	ASSERT_NE(MAP_FAILED, arg);
	if (verb32(fd, TOKMUX_INFO, &arg->info) == -ENOSYS)
		SKIP(return, "this kernel runs no program of 32 bits");
	EXPECT_STREQ(own_name(), arg->info.name);
	EXPECT_EQ(TOKMUX_INFO_USER | TOKMUX_INFO_BOUND, arg->info.flags);

#define VERB32(cmd, member, ...) ({					\
	memset(arg, 0, sizeof(*arg));					\
	arg->member = (typeof(arg->member)){ __VA_ARGS__ };		\
	verb32(fd, cmd, &arg->member);					\
})
	ASSERT_EQ(0, acquire_told(fd, TOKMUX_EXCLUSIVE, 0, &told));
	ASSERT_EQ(0, release(fd));
	ASSERT_EQ(0, VERB32(TOKMUX_ACQUIRE, acquire, .mode = TOKMUX_EXCLUSIVE));
	EXPECT_EQ(told.epoch, arg->acquire.epoch);
	EXPECT_EQ(-EAGAIN, acquire(self->fd, TOKMUX_SHARED, 0));
	EXPECT_EQ(0, VERB32(TOKMUX_MARK_CLEAN, mark_clean, 0));
	EXPECT_EQ(0, VERB32(TOKMUX_NOTE_SET, note_set, .note = { 1, 2 }));
	EXPECT_EQ(0, VERB32(TOKMUX_NOTE_GET, note_get, 0));
	EXPECT_EQ(TOKMUX_NOTED_HELD, arg->note_get.noted);
	EXPECT_EQ(2, arg->note_get.note[1]);
	EXPECT_EQ(0, VERB32(TOKMUX_RELEASE, release, 0));
	EXPECT_EQ(-ENOLCK, VERB32(TOKMUX_RELEASE, release, 0));
	ASSERT_EQ(0, VERB32(TOKMUX_SESSION_OPEN, open, .timeout_ms = -1));
	session = arg->open.id;
	EXPECT_NE(0, session);
	ASSERT_EQ(0, VERB32(TOKMUX_LOGIN, login, .user_type = TOKMUX_USER));
	EXPECT_EQ(0, VERB32(TOKMUX_LOGOUT, logout, 0));
	EXPECT_EQ(TOKMUX_CLOSED_LOGIN | TOKMUX_CLOSED_LAST_LOGIN, arg->logout.closed);
	EXPECT_EQ(0, VERB32(TOKMUX_SESSION_CLOSE, close, .id = session));
	EXPECT_EQ(0, arg->close.sessions);
	EXPECT_EQ(0, VERB32(TOKMUX_SESSION_CLOSE_ALL, close_all, 0));
	ASSERT_GT(session_open(self->fd, 0), 0);
	EXPECT_EQ(0, VERB32(TOKMUX_EJECT, eject, 0));
	EXPECT_EQ(1, arg->eject.sessions);
	EXPECT_EQ(-EINVAL, VERB32(TOKMUX_ACQUIRE, acquire, .mode = 3));
	EXPECT_EQ(-EISCONN, verb32(fd, TOKMUX_BIND, memset(arg, 0, sizeof(*arg))));

	control = open(CONTROL, O_RDWR | O_CLOEXEC);
	memset(arg, 0, sizeof(*arg));
	arg->create.flags = TOKMUX_CREATE_USER;
	strcpy(arg->create.name, own_name());
	ASSERT_EQ(0, verb32(control, TOKMUX_CTL_CREATE, &arg->create));
	EXPECT_EQ(0, arg->create.created);
	close(arg->create.fd);
	close(control);
	close(fd);
}

TEST_HARNESS_MAIN
