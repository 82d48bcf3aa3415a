// SPDX-License-Identifier: GPL-2.0-only
/*
 * The lease fd on usbfs: what is passed on to a card reader, what is refused,
 * and that transfers in flight end with the lease. Needs a reader, the emulated
 * one of the guest; its ioctls are called bare, as libusb would.
 */
#include <stddef.h>
#include <linux/usb/ch9.h>
#include <linux/usbdevice_fs.h>
#include "usb.h"
#include "kselftest_harness.h"

#define LIMIT	100	/* ms */

FIXTURE(usb)
{
	struct reader reader;
	struct tokmux_create create;
	int index;
	int fd;
};

static int register_reader(const struct reader *reader, struct tokmux_create *arg)
{
	int ret;

	*arg = (struct tokmux_create){
		.hold_limit_ms = LIMIT,
		.device_kind = TOKMUX_DEVICE_USB,
		.usb_endpoints = reader->endpoints,
		.usb_interface = reader->interface,
		.usb_configuration = reader->configuration,
	};
	arg->device_fd = open(reader->node, O_RDWR | O_CLOEXEC);
	if (arg->device_fd < 0)
		return -errno;
	ioctl(arg->device_fd, USBDEVFS_ALLOW_SUSPEND);
	ret = register_token(arg);
	close(arg->device_fd);
	return ret;
}

FIXTURE_SETUP(usb)
{
	if (!find_reader(&self->reader))
		SKIP(return, "no card reader");
	self->index = register_reader(&self->reader, &self->create);
	ASSERT_GE(self->index, 0);
	self->fd = open_index_bound(self->index, 0);
	ASSERT_GE(self->fd, 0);
}

/*
 * The next test registers the reader as a token of its own, which does not wait for
 * the last lease fd of this one. A lease fd of this token does: when it is there, the
 * interface has been released.
 */
FIXTURE_TEARDOWN(usb)
{
	int fd;

	close(self->fd);
	fd = open_index_bound(self->index, 0);
	acquire_lease_fd(fd);
	close(fd);
	unregister_token(self->index);
}

static int claim(int lfd, unsigned int interface)
{
	return verb(lfd, USBDEVFS_CLAIMINTERFACE, &interface);
}

static int submit(int lfd, struct usbdevfs_urb *urb, unsigned char type,
		  unsigned char endpoint, void *buffer, int length)
{
	*urb = (struct usbdevfs_urb){ .type = type, .endpoint = endpoint,
				      .buffer = buffer, .buffer_length = length };
	return verb(lfd, USBDEVFS_SUBMITURB, urb);
}

static int reap_urb(int lfd, struct usbdevfs_urb **urb)
{
	return verb(lfd, USBDEVFS_REAPURB, urb);
}

/* A transfer from beginning to end. Returns its length. */
static int transfer(int lfd, unsigned char endpoint, void *buffer, int length)
{
	struct usbdevfs_urb urb, *done = NULL;
	int ret = submit(lfd, &urb, USBDEVFS_URB_TYPE_BULK, endpoint, buffer, length);

	while (!ret && done != &urb)
		ret = reap_urb(lfd, &done);
	return ret ? ret : urb.status ? urb.status : urb.actual_length;
}

/* The message type of the answer to a CCID command without data. */
static int ccid(int lfd, const struct reader *reader, unsigned char type)
{
	static unsigned char sequence;
	unsigned char message[271] = { type };
	int ret;

	message[6] = ++sequence;
	ret = transfer(lfd, reader->out, message, 10);
	if (ret != 10)
		return ret < 0 ? ret : -EIO;
	do {
		ret = transfer(lfd, reader->in, message, sizeof(message));
	} while (ret >= 0 && (ret < 10 || message[6] != sequence));
	return ret < 0 ? ret : message[0];
}

#define POWER_ON	0x62
#define DATA_BLOCK	0x80

TEST_F(usb, passes_on)
{
	unsigned char direct[512], passed[512], configuration = 0;
	struct usbdevfs_ctrltransfer ctrl = {
		.bRequestType = USB_DIR_IN, .bRequest = USB_REQ_GET_CONFIGURATION,
		.wLength = 1, .data = &configuration,
	};
	int node = open(self->reader.node, O_RDONLY | O_CLOEXEC);
	int lfd = acquire_lease_fd(self->fd);
	struct usbdevfs_disconnect_claim mine = { .interface = self->reader.interface };
	unsigned int caps;

	ASSERT_GE(lfd, 0);
	ASSERT_GE(node, 0);
	ASSERT_GE(read(node, direct, sizeof(direct)), 18);
	ASSERT_EQ(pread(node, direct, sizeof(direct), 0), read(lfd, passed, sizeof(passed)));
	EXPECT_EQ(0, memcmp(direct, passed, 18));
	EXPECT_EQ(4, lseek(lfd, 4, SEEK_SET));
	EXPECT_EQ(2, read(lfd, passed, 2));
	EXPECT_EQ(0, memcmp(direct + 4, passed, 2));
	close(node);

	EXPECT_EQ(1, verb(lfd, USBDEVFS_CONTROL, &ctrl));
	EXPECT_EQ(self->reader.configuration, configuration);
	EXPECT_EQ(0, verb(lfd, USBDEVFS_GET_CAPABILITIES, &caps));
	/* what is refused is not offered */
	EXPECT_NE(0, caps & USBDEVFS_CAP_REAP_AFTER_DISCONNECT);
	EXPECT_EQ(0, caps & (USBDEVFS_CAP_MMAP | USBDEVFS_CAP_DROP_PRIVILEGES |
			     USBDEVFS_CAP_CONNINFO_EX | USBDEVFS_CAP_SUSPEND));
	EXPECT_EQ(0, verb(lfd, USBDEVFS_DISCONNECT_CLAIM, &mine));
	mine.interface++;
	EXPECT_EQ(-EPERM, verb(lfd, USBDEVFS_DISCONNECT_CLAIM, &mine));
	ASSERT_EQ(0, claim(lfd, self->reader.interface));
	EXPECT_EQ(DATA_BLOCK, ccid(lfd, &self->reader, POWER_ON));
}

/* A line of a file's fdinfo, without its name. */
static bool fdinfo_is(int fd, const char *key, const char *value)
{
	char path[64], line[256], wanted[256];
	bool found = false;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	snprintf(wanted, sizeof(wanted), "%s:\t%s\n", key, value);
	f = fopen(path, "r");
	while (f && !found && fgets(line, sizeof(line), f))
		found = !strcmp(line, wanted);
	if (f)
		fclose(f);
	return found;
}

TEST_F(usb, fdinfo)
{
	int lfd = acquire_lease_fd(self->fd);
	char pid[16], device[32];
	struct stat st;

	ASSERT_GE(lfd, 0);
	ASSERT_EQ(0, stat(self->reader.node, &st));
	snprintf(pid, sizeof(pid), "%d", getpid());
	snprintf(device, sizeof(device), "%u:%u", major(st.st_rdev),
		 minor(st.st_rdev));
	EXPECT_TRUE(fdinfo_is(lfd, "token", own_name()));
	EXPECT_TRUE(fdinfo_is(lfd, "owner-pid", pid));
	EXPECT_TRUE(fdinfo_is(lfd, "device-kind", "usb"));
	EXPECT_TRUE(fdinfo_is(lfd, "real-device", device));
	EXPECT_TRUE(fdinfo_is(lfd, "ended", "0"));
	ASSERT_EQ(0, release(self->fd));
	EXPECT_TRUE(fdinfo_is(lfd, "ended", "1"));
	close(lfd);
}

TEST_F(usb, refuses_what_reaches_further)
{
	static const unsigned long refused[] = {
		USBDEVFS_BULK, USBDEVFS_RESET, USBDEVFS_SETCONFIGURATION,
		USBDEVFS_DISCSIGNAL, USBDEVFS_IOCTL, USBDEVFS_CLAIM_PORT,
		USBDEVFS_RELEASE_PORT,
	};
	unsigned char interface = self->reader.interface;
	unsigned int other = interface + 1, stray = 0x0f, i;
	struct usbdevfs_setinterface set = { .interface = other };
	struct usbdevfs_ctrltransfer ctrl = {
		.bRequestType = USB_DIR_IN, .bRequest = USB_REQ_GET_DESCRIPTOR,
		.wValue = USB_DT_DEVICE << 8, .wLength = 18,
	};
	struct usbdevfs_urb urb;
	int lfd = acquire_lease_fd(self->fd);
	char buf[256] = {};

	ASSERT_GE(lfd, 0);
	for (i = 0; i < sizeof(refused) / sizeof(*refused); i++)
		EXPECT_EQ(-EPERM, verb(lfd, refused[i], buf));
	EXPECT_EQ(-ENOTTY, verb(lfd, USBDEVFS_ALLOC_STREAMS, buf));
	EXPECT_EQ(-ENOTTY, verb(lfd, USBDEVFS_ALLOW_SUSPEND, buf));
	EXPECT_EQ(-ENOTTY, verb(lfd, TOKMUX_BIND, buf));
	EXPECT_EQ(-EPERM, claim(lfd, other));
	EXPECT_EQ(-EPERM, verb(lfd, USBDEVFS_RELEASEINTERFACE, &other));
	EXPECT_EQ(-EPERM, verb(lfd, USBDEVFS_SETINTERFACE, &set));
	EXPECT_EQ(-EPERM, verb(lfd, USBDEVFS_CLEAR_HALT, &stray));
	EXPECT_EQ(-EPERM, verb(lfd, USBDEVFS_RESETEP, &stray));
	/* a synchronous transfer could not be ended with the lease */
	EXPECT_EQ(-EPERM, verb(lfd, USBDEVFS_CONTROL, &ctrl));
	EXPECT_EQ(-EFAULT, verb(lfd, USBDEVFS_CONTROL, NULL));
	EXPECT_EQ(-EFAULT, verb(lfd, USBDEVFS_SUBMITURB, NULL));
	EXPECT_EQ(-EFAULT, verb(lfd, USBDEVFS_CLAIMINTERFACE, NULL));

	ASSERT_EQ(0, claim(lfd, interface));
	EXPECT_EQ(-EPERM, submit(lfd, &urb, USBDEVFS_URB_TYPE_BULK, 0x8f, buf, 64));
	EXPECT_EQ(-EPERM, submit(lfd, &urb, USBDEVFS_URB_TYPE_BULK,
				 self->reader.in | 0x40, buf, 64));
	EXPECT_EQ(-EPERM, submit(lfd, &urb, USBDEVFS_URB_TYPE_ISO,
				 self->reader.in, buf, 64));
	EXPECT_EQ(-EPERM, submit(lfd, &urb, 17, self->reader.in, buf, 64));
	EXPECT_EQ(-EFAULT, submit(lfd, &urb, USBDEVFS_URB_TYPE_CONTROL, 0, NULL, 8));
	urb = (struct usbdevfs_urb){ .type = USBDEVFS_URB_TYPE_BULK,
				     .endpoint = self->reader.in, .buffer = buf,
				     .buffer_length = 64, .signr = SIGUSR1 };
	EXPECT_EQ(-EPERM, verb(lfd, USBDEVFS_SUBMITURB, &urb));

#define SETUP(...) ({							\
	struct usb_ctrlrequest setup_ = { __VA_ARGS__ };		\
	memcpy(buf, &setup_, sizeof(setup_));				\
	submit(lfd, &urb, USBDEVFS_URB_TYPE_CONTROL, 0, buf,		\
	       sizeof(setup_) + setup_.wLength);			\
})
	EXPECT_EQ(-EPERM, SETUP(.bRequest = USB_REQ_SET_CONFIGURATION, .wValue = 1));
	EXPECT_EQ(-EPERM, SETUP(.bRequestType = USB_TYPE_VENDOR | USB_DIR_IN,
				.wLength = 8));
	EXPECT_EQ(-EPERM, SETUP(.bRequestType = USB_RECIP_INTERFACE | USB_DIR_IN,
				.wIndex = other, .wLength = 2));
	EXPECT_EQ(-EPERM, SETUP(.bRequestType = USB_RECIP_ENDPOINT | USB_DIR_IN,
				.wIndex = 0x8f, .wLength = 2));
	EXPECT_EQ(-EPERM, SETUP(.bRequestType = USB_RECIP_OTHER | USB_DIR_IN,
				.wLength = 2));
	EXPECT_EQ(0, SETUP(.bRequestType = USB_DIR_IN, .wLength = 18,
			   .bRequest = USB_REQ_GET_DESCRIPTOR,
			   .wValue = USB_DT_DEVICE << 8));
}

/* The structs of a 32-bit program, whose pointers are smaller. */
struct usbdevfs_urb32 {
	unsigned char type;
	unsigned char endpoint;
	int32_t status;
	uint32_t flags;
	uint32_t buffer;
	int32_t buffer_length;
	int32_t actual_length;
	int32_t start_frame;
	int32_t number_of_packets;
	int32_t error_count;
	uint32_t signr;
	uint32_t usercontext;
};

struct usbdevfs_ctrltransfer32 {
	uint8_t type, request;
	uint16_t value, index, length;
	uint32_t timeout;
	uint32_t data;
};

TEST_F(usb, from_32_bits)
{
	struct {
		struct usbdevfs_urb32 urb;
		struct usbdevfs_ctrltransfer32 ctrl;
		uint32_t done;
		uint32_t interface;
		unsigned char message[10];
		unsigned char configuration;
	} *m = memory32(4096);
	int lfd = acquire_lease_fd(self->fd);

	ASSERT_NE(MAP_FAILED, (void *)m);
	ASSERT_GE(lfd, 0);
	m->interface = self->reader.interface;
	if (verb32(lfd, USBDEVFS_CLAIMINTERFACE, &m->interface) == -ENOSYS)
		SKIP(return, "no 32-bit programs here");
	EXPECT_EQ(-EALREADY, verb32(self->fd, TOKMUX_LEASE_FD,
				    memset(m->message, 0, 8)));
	m->ctrl = (struct usbdevfs_ctrltransfer32){
		.type = USB_DIR_IN, .request = USB_REQ_GET_CONFIGURATION,
		.length = 1, .data = (uintptr_t)&m->configuration,
	};
	EXPECT_EQ(1, verb32(lfd, USBDEVFS_CONTROL32, &m->ctrl));
	EXPECT_EQ(self->reader.configuration, m->configuration);
	m->ctrl.request = USB_REQ_GET_DESCRIPTOR;
	EXPECT_EQ(-EPERM, verb32(lfd, USBDEVFS_CONTROL32, &m->ctrl));

	m->message[0] = POWER_ON;
	m->urb = (struct usbdevfs_urb32){
		.type = USBDEVFS_URB_TYPE_BULK, .endpoint = 0x0f,
		.buffer = (uintptr_t)m->message, .buffer_length = 10,
	};
	EXPECT_EQ(-EPERM, verb32(lfd, USBDEVFS_SUBMITURB32, &m->urb));
	m->urb.endpoint = self->reader.out;
	m->urb.signr = SIGUSR1;
	EXPECT_EQ(-EPERM, verb32(lfd, USBDEVFS_SUBMITURB32, &m->urb));
	m->urb.signr = 0;
	ASSERT_EQ(0, verb32(lfd, USBDEVFS_SUBMITURB32, &m->urb));
	/* it waits, although the real file is only asked what is there */
	EXPECT_EQ(0, verb32(lfd, USBDEVFS_REAPURB32, &m->done));
	EXPECT_EQ((uint32_t)(uintptr_t)&m->urb, m->done);
	EXPECT_EQ(10, m->urb.actual_length);
	EXPECT_EQ(-EAGAIN, verb32(lfd, USBDEVFS_REAPURBNDELAY32, &m->done));
	EXPECT_EQ(-EPERM, verb32(lfd, USBDEVFS_RESET, NULL));
	ASSERT_EQ(0, release(self->fd));
	EXPECT_EQ(-ENODEV, verb32(lfd, USBDEVFS_REAPURB32, &m->done));
}

struct reaper {
	int lfd;
	int result;
	atomic_int tid;
};

static void *reap_blocked(void *arg)
{
	struct reaper *reaper = arg;
	struct usbdevfs_urb *urb;

	reaper->tid = syscall(SYS_gettid);
	do {
		reaper->result = reap_urb(reaper->lfd, &urb);
	} while (!reaper->result);
	return NULL;
}

/*
 * A transfer that never ends by itself, and a thread that waits for it: both end
 * with the lease, and the next holder finds the interface free at once.
 */
TEST_F(usb, transfers_in_flight_end)
{
	unsigned char status[8], block[271];
	struct usbdevfs_urb interrupt, bulk, *done;
	struct tokmux_eject counts;
	int next = open_index_bound(self->index, 0);
	enum { RELEASED, EJECTED, LIMITED, CLOSED, NR } end;

	for (end = 0; end < NR; end++) {
		int fd = open_index_bound(self->index, 0);
		int lfd = acquire_lease_fd(fd), other;
		struct reaper reaper = { .lfd = lfd };
		pthread_t thread;
		int64_t start;

		TH_LOG("%d", end);
		ASSERT_GE(lfd, 0);
		ASSERT_EQ(0, claim(lfd, self->reader.interface));
		ASSERT_EQ(0, submit(lfd, &interrupt, USBDEVFS_URB_TYPE_INTERRUPT,
				    self->reader.interrupt, status, sizeof(status)));
		ASSERT_EQ(0, submit(lfd, &bulk, USBDEVFS_URB_TYPE_BULK,
				    self->reader.in, block, sizeof(block)));
		pthread_create(&thread, NULL, reap_blocked, &reaper);
		EXPECT_TRUE(EVENTUALLY(sleeps(&reaper.tid)));
		start = now_ms();
		switch (end) {
		case RELEASED:
			ASSERT_EQ(0, release(fd));
			break;
		case EJECTED:
			ASSERT_EQ(0, eject(next, &counts));
			break;
		case CLOSED:
			close(fd);
			break;
		default:	/* LIMITED: by the next one's waiting */
			break;
		}
		ASSERT_EQ(0, acquire(next, TOKMUX_EXCLUSIVE, SOON));
		other = lease_fd(next);
		ASSERT_GE(other, 0);
		EXPECT_EQ(0, claim(other, self->reader.interface));
		TH_LOG("the next holder has the interface after %d ms",
		       (int)(now_ms() - start));
		pthread_join(thread, NULL);
		EXPECT_EQ(-ENODEV, reaper.result);
		EXPECT_TRUE(is_dead(lfd));
		EXPECT_EQ(-EAGAIN, verb(other, USBDEVFS_REAPURBNDELAY, &done));
		EXPECT_EQ(DATA_BLOCK, ccid(other, &self->reader, POWER_ON));
		close(lfd);
		close(other);
		ASSERT_EQ(0, release(next));
		if (end != CLOSED)
			close(fd);
	}
}

/* A transfer of each kind, of which the lease's end cancels one. */
static int use_reader(const struct reader *reader, int lfd)
{
	struct usb_ctrlrequest setup = {
		.bRequestType = USB_DIR_IN, .bRequest = USB_REQ_GET_DESCRIPTOR,
		.wValue = USB_DT_DEVICE << 8, .wLength = 18,
	};
	unsigned char buf[sizeof(setup) + 18], status[8];
	struct usbdevfs_urb control, interrupt, *done;
	int ret = claim(lfd, reader->interface);

	memcpy(buf, &setup, sizeof(setup));
	ret = ret ? ret : submit(lfd, &control, USBDEVFS_URB_TYPE_CONTROL, 0, buf,
				 sizeof(buf));
	ret = ret ? ret : reap_urb(lfd, &done);
	ret = ret ? ret : ccid(lfd, reader, POWER_ON);
	if (ret != DATA_BLOCK)
		return ret < 0 ? ret : -EIO;
	return submit(lfd, &interrupt, USBDEVFS_URB_TYPE_INTERRUPT,
		      reader->interrupt, status, sizeof(status));
}

static __u64 epoch(int fd)
{
	struct tokmux_acquire arg = {};

	if (acquire_told(fd, TOKMUX_EXCLUSIVE, 0, &arg) || release(fd))
		return 0;
	return arg.epoch;
}

/*
 * After a reset the card has no power. Who had it last is not told that all is as
 * it was; and is, after nothing but its own requests.
 */
TEST_F(usb, a_reset_changes_the_epoch)
{
	int node = open(self->reader.node, O_RDWR | O_CLOEXEC);
	__u64 first, next;
	int lfd, i;

	ASSERT_GE(node, 0);
	first = epoch(self->fd);
	for (i = 0; i < 3; i++) {
		lfd = acquire_lease_fd(self->fd);
		ASSERT_GE(lfd, 0);
		ASSERT_EQ(0, use_reader(&self->reader, lfd));
		ASSERT_EQ(0, release(self->fd));
		close(lfd);
		EXPECT_EQ(first, epoch(self->fd));
	}

	ASSERT_EQ(0, verb(node, USBDEVFS_RESET, NULL));
	next = epoch(self->fd);
	EXPECT_NE(first, next);
	EXPECT_EQ(next, epoch(self->fd));

	/* also while the holder has it */
	lfd = acquire_lease_fd(self->fd);
	ASSERT_GE(lfd, 0);
	ASSERT_EQ(0, claim(lfd, self->reader.interface));
	ASSERT_EQ(DATA_BLOCK, ccid(lfd, &self->reader, POWER_ON));
	ASSERT_EQ(0, verb(node, USBDEVFS_RESET, NULL));
	ASSERT_EQ(0, release(self->fd));
	close(lfd);
	first = epoch(self->fd);
	EXPECT_NE(next, first);
	EXPECT_EQ(first, epoch(self->fd));

	/* and somebody who has the device past its token is noticed */
	ASSERT_EQ(0, claim(node, self->reader.interface));
	ASSERT_EQ(DATA_BLOCK, ccid(node, &self->reader, POWER_ON));
	close(node);
	EXPECT_NE(first, epoch(self->fd));
}

/* A lease that was idle: its holder's own requests are no change, others' are one. */
TEST_F(usb, an_idle_lease_and_the_epoch)
{
	int node = open(self->reader.node, O_RDWR | O_CLOEXEC);
	struct tokmux_acquire first, again;
	int lfd, i;

	ASSERT_GE(node, 0);
	ASSERT_EQ(0, acquire_told(self->fd, TOKMUX_EXCLUSIVE, 0, &first));
	lfd = lease_fd(self->fd);
	ASSERT_GE(lfd, 0);
	ASSERT_EQ(0, claim(lfd, self->reader.interface));
	for (i = 0; i < 3; i++) {
		ASSERT_EQ(DATA_BLOCK, ccid(lfd, &self->reader, POWER_ON));
		ASSERT_EQ(0, leave(self->fd, 0));
		ASSERT_EQ(0, acquire_told(self->fd, TOKMUX_EXCLUSIVE, 0, &again));
		EXPECT_EQ(first.epoch, again.epoch);
	}
	ASSERT_EQ(0, leave(self->fd, 0));
	ASSERT_EQ(0, verb(node, USBDEVFS_RESET, NULL));
	ASSERT_EQ(0, acquire_told(self->fd, TOKMUX_EXCLUSIVE, 0, &again));
	EXPECT_NE(first.epoch, again.epoch);
	ASSERT_EQ(0, release(self->fd));
	/* what was counted already is not counted again */
	EXPECT_EQ(again.epoch, epoch(self->fd));
	close(lfd);
	close(node);
}

static bool runtime_status_is(const struct reader *reader, const char *status)
{
	char path[300];

	snprintf(path, sizeof(path), "%s/power/runtime_status", reader->sysfs);
	return !strcmp(sysfs_read(path), status);
}

static int power_write(const struct reader *reader, const char *name,
		       const char *value)
{
	char path[300];

	snprintf(path, sizeof(path), "%s/power/%s", reader->sysfs, name);
	return sysfs_write(path, value);
}

/* A reader that nobody uses may be suspended, and may take the card's power. */
TEST_F(usb, its_suspend_changes_the_epoch)
{
	__u64 first = epoch(self->fd), next;
	int lfd;

	if (power_write(&self->reader, "autosuspend_delay_ms", "0") ||
	    power_write(&self->reader, "control", "auto"))
		SKIP(return, "no power management of USB devices");
	ASSERT_TRUE(EVENTUALLY(runtime_status_is(&self->reader, "suspended")));
	next = epoch(self->fd);
	EXPECT_NE(first, next);
	EXPECT_EQ(next, epoch(self->fd));
	lfd = acquire_lease_fd(self->fd);
	ASSERT_GE(lfd, 0);
	EXPECT_TRUE(runtime_status_is(&self->reader, "active"));
	ASSERT_EQ(0, use_reader(&self->reader, lfd));
	/* that it woke up is no news */
	ASSERT_EQ(0, release(self->fd));
	EXPECT_EQ(next, epoch(self->fd));
	/* that it slept once more is */
	close(lfd);
	ASSERT_TRUE(EVENTUALLY(runtime_status_is(&self->reader, "suspended")));
	EXPECT_NE(next, epoch(self->fd));
	ASSERT_EQ(0, power_write(&self->reader, "control", "on"));
}

/* epoll entries of a lease fd that is dead outlive the real file. */
TEST_F(usb, epoll_entries_outlive_the_lease)
{
	struct epoll_event event = { .events = EPOLLIN | EPOLLOUT };
	struct usbdevfs_urb urb;
	unsigned char status[8];
	int epoll = epoll_create1(EPOLL_CLOEXEC);
	int rounds;

	for (rounds = 0; rounds < 20; rounds++) {
		int lfd = acquire_lease_fd(self->fd), next;

		ASSERT_GE(lfd, 0);
		ASSERT_EQ(0, claim(lfd, self->reader.interface));
		ASSERT_EQ(0, submit(lfd, &urb, USBDEVFS_URB_TYPE_INTERRUPT,
				    self->reader.interrupt, status, sizeof(status)));
		ASSERT_EQ(0, epoll_ctl(epoll, EPOLL_CTL_ADD, lfd, &event));
		ASSERT_EQ(0, release(self->fd));
		ASSERT_EQ(1, epoll_wait(epoll, &event, 1, SOON));
		EXPECT_TRUE(event.events & EPOLLHUP);
		/* with the next lease fd there, the last real file is closed */
		next = acquire_lease_fd(self->fd);
		ASSERT_GE(next, 0);
		if (rounds & 1)
			ASSERT_EQ(0, epoll_ctl(epoll, EPOLL_CTL_DEL, lfd, NULL));
		close(lfd);
		close(next);
		ASSERT_EQ(0, release(self->fd));
	}
	close(epoll);
}

static int hand(const char *what)
{
	char command[PATH_MAX];

	snprintf(command, sizeof(command), "tests/guest/reader %s", what);
	return system(command);
}

/* The reader is there again, and registered anew, as udev would. */
static bool plug_again(struct reader *reader, struct tokmux_create *create, int *index,
		       int *fd)
{
	close(*fd);
	if (hand("plug") || unregister_token(*index) ||
	    !EVENTUALLY(find_reader(reader) && !access(reader->node, R_OK)))
		return false;
	*index = register_reader(reader, create);
	if (*index < 0)
		return false;
	*fd = open_index_bound(*index, 0);
	return *fd >= 0;
}

TEST_F_TIMEOUT(usb, unplugged_in_mid_transfer, 60)
{
	unsigned char status[8];
	struct usbdevfs_urb urb;
	int lfd = acquire_lease_fd(self->fd);
	struct reaper reaper = { .lfd = lfd };

	if (access("tests/guest/reader", X_OK) || access("/run/tokmux/hand", F_OK))
		SKIP(return, "no hand at the reader");
	ASSERT_GE(lfd, 0);
	ASSERT_EQ(0, claim(lfd, self->reader.interface));
	ASSERT_EQ(0, submit(lfd, &urb, USBDEVFS_URB_TYPE_INTERRUPT,
			    self->reader.interrupt, status, sizeof(status)));
	ASSERT_EQ(0, hand("unplug"));
	/* The kernel gives the transfer back, then says that nothing more comes. */
	reap_blocked(&reaper);
	EXPECT_EQ(-ENODEV, reaper.result);
	EXPECT_TRUE(poll_now(lfd) & POLLHUP);
	close(lfd);
	EXPECT_EQ(-ENODEV, lease_fd(self->fd));
	EXPECT_EQ(0, release(self->fd));
	ASSERT_TRUE(plug_again(&self->reader, &self->create, &self->index, &self->fd));
	lfd = acquire_lease_fd(self->fd);
	ASSERT_GE(lfd, 0);
	ASSERT_EQ(0, claim(lfd, self->reader.interface));
	EXPECT_EQ(DATA_BLOCK, ccid(lfd, &self->reader, POWER_ON));
}

static void *submit_from(void *arg)
{
	struct hung *hung = arg;
	const struct reader *reader = hung->device;
	struct usbdevfs_urb urb;

	hung->tid = syscall(SYS_gettid);
	claim(hung->lfd, reader->interface);
	/* With the device's lock, and for ever. */
	submit(hung->lfd, &urb, USBDEVFS_URB_TYPE_BULK, reader->out, hung->page, 10);
	return NULL;
}

/* A holder that hangs is in the way of an unplug for a bounded time only. */
TEST_F_TIMEOUT(usb, unplugged_while_a_page_is_missing, 120)
{
	int64_t start;
	pid_t pid;

	if (access("tests/guest/reader", X_OK) || access("/run/tokmux/hand", F_OK))
		SKIP(return, "no hand at the reader");
	if (!undelivered_page())
		SKIP(return, "no userfaultfd");
	pid = hung_holder(self->index, &self->reader, submit_from);
	ASSERT_LT(0, pid);
	start = now_ms();
	hand("unplug");
	EXPECT_TRUE(EVENTUALLY(access(self->reader.node, F_OK)));
	TH_LOG("unplugged after %lld ms", (long long)(now_ms() - start));
	EXPECT_EQ(128 + SIGKILL, reap(pid));
	ASSERT_TRUE(plug_again(&self->reader, &self->create, &self->index, &self->fd));
	EXPECT_LE(0, acquire_lease_fd(self->fd));
}

struct storm {
	const struct reader *reader;
	atomic_int lfd;
	/*
	 * What the user is at. While it is, the number is not given to another
	 * lease's: it could submit to the one and reap from the other, which it
	 * would wait for in vain.
	 */
	atomic_int used;
	atomic_bool stop;
	atomic_uint answers;
};

static void *storm_user(void *arg)
{
	struct storm *storm = arg;
	static unsigned char status[8];
	static struct usbdevfs_urb urb;

	while (!storm->stop) {
		int lfd = storm->lfd;

		storm->used = lfd;
		if (lfd != storm->lfd || claim(lfd, storm->reader->interface))
			continue;
		submit(lfd, &urb, USBDEVFS_URB_TYPE_INTERRUPT,
		       storm->reader->interrupt, status, sizeof(status));
		if (ccid(lfd, storm->reader, POWER_ON) == DATA_BLOCK)
			storm->answers++;
	}
	return NULL;
}

static void *storm_poller(void *arg)
{
	struct storm *storm = arg;
	struct pollfd pfd = { .events = POLLIN | POLLOUT };

	while (!storm->stop) {
		pfd.fd = storm->lfd;
		poll(&pfd, 1, 10);
	}
	return NULL;
}

TEST_F_TIMEOUT(usb, revoked_at_random_moments, 600)
{
	struct storm storm = { .reader = &self->reader, .lfd = -1, .used = -1 };
	unsigned int rounds = env("TOKMUX_REVOKE_ROUNDS", 100), before;
	pthread_t threads[2];
	struct tokmux_eject arg;
	unsigned int i;
	int lfd;

	pthread_create(&threads[0], NULL, storm_user, &storm);
	pthread_create(&threads[1], NULL, storm_poller, &storm);
	for (i = 0; i < rounds; i++) {
		lfd = acquire_lease_fd(self->fd);
		ASSERT_GE(lfd, 0);
		storm.lfd = lfd;
		usleep(rand() % 20000);
		/*
		 * Now and then after one more answer, so that there are some; and
		 * because QEMU's reader keeps eight that nobody has read, and
		 * forgets what comes beyond: one may be left by each lease.
		 */
		if (i % 4 == 3) {
			before = storm.answers;
			ASSERT_TRUE(EVENTUALLY(storm.answers != before));
		}
		ASSERT_EQ(0, i & 1 ? eject(self->fd, &arg) : release(self->fd));
		storm.lfd = -1;
		if (i & 2)
			ASSERT_TRUE(poll_now(lfd) & POLLHUP);
		/* it does not wait on one that is dead */
		ASSERT_TRUE(EVENTUALLY(storm.used != lfd));
		close(lfd);
	}
	storm.stop = true;
	pthread_join(threads[0], NULL);
	pthread_join(threads[1], NULL);
	TH_LOG("%u revocations, %u answers", rounds, (unsigned int)storm.answers);
	EXPECT_LE(rounds / 4, storm.answers);
	/* and the reader is as good as before */
	lfd = acquire_lease_fd(self->fd);
	ASSERT_GE(lfd, 0);
	ASSERT_EQ(0, claim(lfd, self->reader.interface));
	EXPECT_EQ(DATA_BLOCK, ccid(lfd, &self->reader, POWER_ON));
}

/* ---- anything ---- */

struct fuzz {
	const struct reader *reader;
	atomic_int lfd;
	atomic_bool stop;
	atomic_uint calls, passed;
	unsigned int wanted;
	union fuzz_arg *arg;	/* of all threads: each rewrites what another asks */
};

union fuzz_arg {
	struct usbdevfs_urb urb;
	struct usbdevfs_ctrltransfer ctrl;
	struct usbdevfs_bulktransfer bulk;
	struct usbdevfs_setinterface setintf;
	struct usbdevfs_getdriver driver;
	struct usbdevfs_ioctl nested;
	struct usbdevfs_disconnect_claim claim;
	unsigned int number;
	unsigned char bytes[256];
};

/*
 * Not the signal that a transfer ends with. One that is rewritten between the check
 * and usbfs would come to this process, and it may be SIGSTOP.
 */
#define FUZZ_BYTES	offsetof(struct usbdevfs_urb, signr)

static const unsigned long fuzz_verbs[] = {
	USBDEVFS_CONTROL, USBDEVFS_BULK, USBDEVFS_RESETEP, USBDEVFS_SETINTERFACE,
	USBDEVFS_GETDRIVER, USBDEVFS_SUBMITURB, USBDEVFS_DISCARDURB,
	USBDEVFS_REAPURBNDELAY, USBDEVFS_DISCSIGNAL, USBDEVFS_CLAIMINTERFACE,
	USBDEVFS_RELEASEINTERFACE, USBDEVFS_CONNECTINFO, USBDEVFS_IOCTL,
	USBDEVFS_RESET, USBDEVFS_CLEAR_HALT, USBDEVFS_CLAIM_PORT,
	USBDEVFS_GET_CAPABILITIES, USBDEVFS_DISCONNECT_CLAIM, USBDEVFS_ALLOC_STREAMS,
	USBDEVFS_DROP_PRIVILEGES, USBDEVFS_GET_SPEED, USBDEVFS_FORBID_SUSPEND,
	USBDEVFS_HUB_PORTINFO, USBDEVFS_SETCONFIGURATION,
};

#define NR_FUZZ_VERBS	(sizeof(fuzz_verbs) / sizeof(fuzz_verbs[0]))

static void *fuzz_pointer(unsigned int choice, void *memory)
{
	switch (choice % 8) {
	case 0:
		return NULL;
	case 1:
		return (void *)-4096UL;
	default:
		return memory;
	}
}

static void *fuzz_thread(void *arg_)
{
	static unsigned char memory[70000];
	struct fuzz *fuzz = arg_;
	unsigned int seed = syscall(SYS_gettid);

	while (!fuzz->stop) {
		union fuzz_arg *arg = &fuzz->arg[rand_r(&seed) % 4];
		int lfd = fuzz->lfd;
		unsigned long cmd = fuzz_verbs[rand_r(&seed) % NR_FUZZ_VERBS];
		const unsigned char endpoints[] = {
			fuzz->reader->in, fuzz->reader->out, fuzz->reader->interrupt,
			0, 0x80, rand_r(&seed),
		};

		if (lfd < 0) {
			sched_yield();
			continue;
		}
		if (!(rand_r(&seed) % 16))
			cmd = _IOC(rand_r(&seed), 'U', rand_r(&seed) % 40, rand_r(&seed) % 300);
		if (cmd == USBDEVFS_SUBMITURB)
			arg->urb = (struct usbdevfs_urb){
				.type = rand_r(&seed) % 5,
				.endpoint = endpoints[rand_r(&seed) % 6],
				.flags = rand_r(&seed) % 4 ? 0 : rand_r(&seed),
				.buffer = fuzz_pointer(rand_r(&seed), memory),
				.buffer_length = rand_r(&seed) % (rand_r(&seed) % 4 ? 512 : 70000),
			};
		else if (cmd == USBDEVFS_CONTROL)
			arg->ctrl = (struct usbdevfs_ctrltransfer){
				.bRequestType = rand_r(&seed) % 4 ? USB_DIR_IN : rand_r(&seed),
				.bRequest = rand_r(&seed) % 16,
				.wLength = rand_r(&seed) % 64,
				.timeout = rand_r(&seed) % 100,
				.data = fuzz_pointer(rand_r(&seed), memory),
			};
		else if (rand_r(&seed) % 2)
			arg->number = endpoints[rand_r(&seed) % 6] % 8;
		else
			arg->bytes[rand_r(&seed) % FUZZ_BYTES] = rand_r(&seed);
		/* what leads to the whole device is not to be configured away */
		memory[0] = USB_RECIP_INTERFACE | (rand_r(&seed) & USB_DIR_IN);
		if (!verb(lfd, cmd, arg))
			fuzz->passed++;
		fuzz->calls++;
	}
	return NULL;
}

/*
 * R8: requests of all kinds, whose structs other threads rewrite meanwhile, on a
 * file that is revoked at any moment. The kernel has no complaint, and the reader is
 * there for the next holder.
 */
TEST_F_TIMEOUT(usb, requests_at_random, 900)
{
	struct fuzz fuzz = { .reader = &self->reader, .lfd = -1,
			     .wanted = env("TOKMUX_USB_FUZZ_CALLS", 20000) };
	unsigned int rounds = 0;
	struct tokmux_eject arg;
	pthread_t threads[4];
	int lfd, i;

	fuzz.arg = calloc(4, sizeof(*fuzz.arg));
	ASSERT_NE(NULL, fuzz.arg);
	for (i = 0; i < 4; i++)
		pthread_create(&threads[i], NULL, fuzz_thread, &fuzz);
	while (fuzz.calls < fuzz.wanted) {
		unsigned int until = fuzz.calls + 1 + rand() % 500;

		lfd = acquire_lease_fd(self->fd);
		ASSERT_GE(lfd, 0);
		claim(lfd, self->reader.interface);
		fuzz.lfd = lfd;
		ASSERT_TRUE(EVENTUALLY(fuzz.calls >= until));
		ASSERT_EQ(0, rounds++ & 1 ? eject(self->fd, &arg) : release(self->fd));
		EXPECT_TRUE(poll_now(lfd) & POLLHUP);
		fuzz.lfd = -1;
		close(lfd);
	}
	fuzz.stop = true;
	for (i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	TH_LOG("%u calls, %u passed on, %u revocations", (unsigned int)fuzz.calls,
	       (unsigned int)fuzz.passed, rounds);
	EXPECT_GT((unsigned int)fuzz.passed, 0);
	lfd = acquire_lease_fd(self->fd);
	ASSERT_GE(lfd, 0);
	EXPECT_EQ(0, claim(lfd, self->reader.interface));
	free(fuzz.arg);
}

TEST_HARNESS_MAIN
