// SPDX-License-Identifier: GPL-2.0-only
/*
 * A file on which nobody gets an answer to stat(), by a user without privilege:
 * on FUSE, in a user namespace, below overlayfs, which asks as the user who
 * mounted it. It is open in a process, until this one, the file system, is killed.
 *
 * usage: unanswered DIRECTORY	prints "open PID FD"; "opened" is the file's name
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_INODE	2

/* Set when the file is open: from then on nothing is answered. */
static volatile int *mute;

static _Noreturn void fatal(const char *what)
{
	perror(what);
	exit(1);
}

static void write_file(const char *path, const char *format, ...)
{
	va_list args;
	FILE *f = fopen(path, "we");

	if (!f)
		fatal(path);
	va_start(args, format);
	vfprintf(f, format, args);
	va_end(args);
	if (fclose(f))
		fatal(path);
}

static struct fuse_attr attributes(uint64_t inode)
{
	return (struct fuse_attr){
		.ino = inode,
		.nlink = 1,
		.mode = inode == FILE_INODE ? S_IFREG | 0644 : S_IFDIR | 0755,
	};
}

/* Returns the length of the answer, a negative errno, or 0 for none. */
static int answer(const struct fuse_in_header *request, void *to)
{
	struct fuse_init_out *init = to;
	struct fuse_entry_out *entry = to;
	struct fuse_attr_out *attr = to;

	switch (request->opcode) {
	case FUSE_INIT:
		*init = (struct fuse_init_out){ .major = 7, .minor = 31,
						.max_write = 4096 };
		return sizeof(*init);
	case FUSE_LOOKUP:
		if (strcmp((const char *)(request + 1), "opened"))
			return -ENOENT;
		*entry = (struct fuse_entry_out){
			.nodeid = FILE_INODE,
			.attr = attributes(FILE_INODE),
		};
		return sizeof(*entry);
	case FUSE_GETATTR:
		if (*mute) {
			fprintf(stderr, "asked by %u\n", request->pid);
			return 0;
		}
		*attr = (struct fuse_attr_out){ .attr = attributes(request->nodeid) };
		return sizeof(*attr);
	case FUSE_OPEN:
	case FUSE_OPENDIR:
		return sizeof(struct fuse_open_out);
	case FUSE_STATFS:
		return sizeof(struct fuse_statfs_out);
	case FUSE_FORGET:
	case FUSE_BATCH_FORGET:
	case FUSE_INTERRUPT:
		return 0;
	case FUSE_GETXATTR:
		return -ENODATA;
	default:
		return -ENOSYS;
	}
}

static _Noreturn void serve(int fuse)
{
	static char request[1 << 18] __attribute__((aligned(8)));
	const struct fuse_in_header *in = (const void *)request;
	static struct {
		struct fuse_out_header header;
		char bytes[4096];
	} out;
	int n;

	for (;;) {
		if (read(fuse, request, sizeof(request)) < 0) {
			if (errno == EINTR || errno == ENOENT)
				continue;
			exit(0);
		}
		memset(&out, 0, sizeof(out));
		n = answer(in, out.bytes);
		if (!n)
			continue;
		out.header.unique = in->unique;
		out.header.error = n < 0 ? n : 0;
		out.header.len = sizeof(out.header) + (n < 0 ? 0 : (uint32_t)n);
		if (write(fuse, &out, out.header.len) < 0 && errno != ENOENT)
			fatal("answer");
	}
}

static _Noreturn void use(int fuse)
{
	int fd;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	close(fuse);
	if (mount("overlay", "o", "overlay", MS_RDONLY, "lowerdir=m:l"))
		fatal("overlay");
	fd = open("o/opened", O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		fatal("o/opened");
	*mute = 1;
	printf("open %d %d\n", getpid(), fd);
	fflush(stdout);
	for (;;)
		pause();
}

int main(int argc, char **argv)
{
	uid_t uid = getuid();
	gid_t gid = getgid();
	char options[64];
	int fuse;

	if (argc != 2 || chdir(argv[1]))
		fatal("usage: unanswered DIRECTORY");
	mute = mmap(NULL, sizeof(*mute), PROT_READ | PROT_WRITE,
		    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (mute == MAP_FAILED || mkdir("m", 0755) || mkdir("l", 0755) ||
	    mkdir("o", 0755))
		fatal(argv[1]);
	if (unshare(CLONE_NEWUSER | CLONE_NEWNS))
		fatal("unshare");
	write_file("/proc/self/setgroups", "deny");
	write_file("/proc/self/uid_map", "0 %u 1", uid);
	write_file("/proc/self/gid_map", "0 %u 1", gid);
	fuse = open("/dev/fuse", O_RDWR | O_CLOEXEC);
	if (fuse < 0)
		fatal("/dev/fuse");
	snprintf(options, sizeof(options),
		 "fd=%d,rootmode=40000,user_id=0,group_id=0", fuse);
	if (mount("fuse", "m", "fuse", MS_NOSUID | MS_NODEV, options))
		fatal("fuse");
	switch (fork()) {
	case -1:
		fatal("fork");
	case 0:
		use(fuse);
	}
	serve(fuse);
}
