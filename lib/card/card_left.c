// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * What a holder knows of a card that it leaves powered, for the next holder of the
 * same user.
 *
 * A reader tells a card's ATR at a reset only, and a token's note may be another
 * user's. So this is in a file of the user's, in a directory that nobody else may
 * write. It holds no secret. The file is taken once: a holder that is killed leaves
 * none.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include "../internal.h"
#include "card_left.h"

#define FORMAT		"tokmux1"
#define BOOT_ID		"/proc/sys/kernel/random/boot_id"
#define DIRECTORY	"tokmux"

struct file {
	struct card_left_key key;
	struct card_left left;
};

_Static_assert(sizeof(struct file) == 128, "a file without gaps");

static bool read_boot_id(char *id, size_t size)
{
	return tokmux_sysfs_read(AT_FDCWD, BOOT_ID, id, size) > 0;
}

int card_left_key(struct tokmux_caller *caller, unsigned int slot,
		  struct card_left_key *key)
{
	struct tokmux_state state;
	char sysname[32], no_scrub[4];
	ino_t id = 0;
	int dir, ret;

	ret = tokmux_info(caller, &state, sizeof(state));
	if (ret)
		return ret;
	if (!(state.flags & TOKMUX_INFO_HOLDING))
		return -ENOLCK;
	snprintf(sysname, sizeof(sysname), "tokmux%u", state.index);
	dir = tokmux_sysfs_open(sysname, &id);
	if (dir < 0)
		return dir;
	/* An older module doesn't say. */
	ret = tokmux_sysfs_read(dir, "no_scrub", no_scrub, sizeof(no_scrub));
	close(dir);
	if (ret < 0 || strcmp(no_scrub, "0"))
		return -EOPNOTSUPP;
	memset(key, 0, sizeof(*key));
	memcpy(key->format, FORMAT, sizeof(FORMAT));
	key->token = id;
	key->index = state.index;
	key->slot = slot;
	return read_boot_id(key->boot, sizeof(key->boot)) ? 0 : -ENOENT;
}

/* A directory that is this user's alone. */
static int open_own(int at, const char *name)
{
	struct stat st;
	int fd;

	fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return -1;
	if (!fstat(fd, &st) && st.st_uid == geteuid() && !(st.st_mode & 077))
		return fd;
	close(fd);
	return -1;
}

static int open_directory(bool make)
{
	const char *name = secure_getenv("XDG_RUNTIME_DIR");
	char path[32];
	int at, fd;

	if (!name || *name != '/') {
		snprintf(path, sizeof(path), "/run/user/%u", geteuid());
		name = path;
	}
	at = open_own(AT_FDCWD, name);
	if (at < 0)
		return -1;
	if (make)
		mkdirat(at, DIRECTORY, 0700);
	fd = open_own(at, DIRECTORY);
	close(at);
	return fd;
}

static void name_file(const struct card_left_key *key, char name[static 48])
{
	snprintf(name, 48, "card-%u-%u", key->index, key->slot);
}

static bool read_file(int dir, const char *name, struct file *file)
{
	struct stat st;
	bool good;
	int fd;

	/* What others put there, a pipe say, isn't waited for. */
	fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return false;
	good = !fstat(fd, &st) && S_ISREG(st.st_mode) &&
	       st.st_uid == geteuid() && !(st.st_mode & 077) &&
	       st.st_nlink == 1 && st.st_size == sizeof(*file) &&
	       read(fd, file, sizeof(*file)) == sizeof(*file);
	close(fd);
	return good;
}

bool card_left_take(const struct card_left_key *key, struct card_left *left)
{
	int dir = open_directory(false);
	struct file file;
	char name[48];
	bool good;

	if (dir < 0)
		return false;
	name_file(key, name);
	good = read_file(dir, name, &file) &&
	       !memcmp(&file.key, key, sizeof(*key)) && file.left.power_id &&
	       file.left.protocol <= 1 && file.left.atr_len >= 2 &&
	       file.left.atr_len <= ATR_MAX;
	/* One that stays would be found again. */
	if (unlinkat(dir, name, 0) && errno != ENOENT)
		good = false;
	close(dir);
	if (good)
		*left = file.left;
	return good;
}

static int write_file(int dir, const char *name, const struct file *file)
{
	ssize_t len;
	int fd;

	/* Of one that was killed while it wrote. */
	unlinkat(dir, name, 0);
	fd = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
		    0600);
	if (fd < 0)
		return -errno;
	len = write(fd, file, sizeof(*file));
	if (close(fd) || len != sizeof(*file))
		return -EIO;
	return 0;
}

int card_left_put(const struct card_left_key *key, const struct card_left *left)
{
	struct file file = { .key = *key, .left = *left };
	int dir = open_directory(true), ret;
	char name[48], fresh[56];

	if (dir < 0)
		return -ENOENT;
	name_file(key, name);
	snprintf(fresh, sizeof(fresh), "%s.new", name);
	ret = write_file(dir, fresh, &file);
	if (!ret && renameat(dir, fresh, dir, name))
		ret = -errno;
	if (ret)
		unlinkat(dir, fresh, 0);
	close(dir);
	return ret;
}
