// SPDX-License-Identifier: GPL-2.0-only
/*
 * What user space can see of a token, in sysfs, and of a caller, in fdinfo. A
 * pid is that of the reader's pid namespace, or 0 if the process has none
 * there.
 */
#include <linux/cred.h>
#include <linux/fs.h>
#include <linux/ktime.h>
#include <linux/math64.h>
#include <linux/seq_file.h>
#include <linux/sysfs.h>
#include "internal.h"

#define TOKMUX_ATTR(_name, _format, _value...)				\
static ssize_t _name##_show(struct device *dev,				\
			    struct device_attribute *attr, char *buf)	\
{									\
	struct tokmux_token *token =					\
		container_of(dev, struct tokmux_token, dev);		\
	ssize_t len;							\
									\
	mutex_lock(&token->lock);					\
	len = sysfs_emit(buf, _format "\n", _value);			\
	mutex_unlock(&token->lock);					\
	return len;							\
}									\
static DEVICE_ATTR_RO(_name)

TOKMUX_ATTR(name, "%s", token->name);
TOKMUX_ATTR(owner, "%u", from_kuid_munged(current_user_ns(), token->owner));
TOKMUX_ATTR(epoch, "%llu", token->epoch);
TOKMUX_ATTR(unclean, "%d", token->unclean);
TOKMUX_ATTR(exclusive, "%d", !!token->exclusive);
TOKMUX_ATTR(holder, "%d", tokmux_party_pid(token));
TOKMUX_ATTR(holders, "%u", token->nr_holders);
TOKMUX_ATTR(idle, "%u", tokmux_lease_nr_idle(token));
TOKMUX_ATTR(waiters, "%u", token->lease_queue.length);
TOKMUX_ATTR(hold_limit_ms, "%u", token->hold_limit_ms);
TOKMUX_ATTR(sessions, "%u", token->nr_sessions);
TOKMUX_ATTR(max_sessions, "%u", token->max_sessions);
TOKMUX_ATTR(users, "%u", token->nr_logins[TOKMUX_USER]);
TOKMUX_ATTR(sos, "%u", token->nr_logins[TOKMUX_SO]);
TOKMUX_ATTR(grants, "%llu", token->grants);
TOKMUX_ATTR(waits, "%llu", token->waits);
TOKMUX_ATTR(longest_wait_us, "%llu", div_u64(token->longest_wait_ns, NSEC_PER_USEC));
TOKMUX_ATTR(revocations, "%llu", token->revocations);
TOKMUX_ATTR(device_kind, "%s", tokmux_device_kind_name(&token->device));
TOKMUX_ATTR(real_device, "%u:%u", MAJOR(token->device.devt), MINOR(token->device.devt));
TOKMUX_ATTR(uncleans, "%llu", token->uncleans);
TOKMUX_ATTR(scrub_failed, "%d", token->scrub_failed);
TOKMUX_ATTR(no_scrub, "%d", token->no_scrub);

/* Room for one more pid and the newline, so that no pid is cut. */
#define TOKMUX_PID_ROOM	(sizeof(" 4194304\n"))

/* A list of pids, of each @pos from @_first on; it is cut at the end of the page. */
#define TOKMUX_ATTR_PIDS(_name, _type, _first, _next, _tgid)		\
static ssize_t _name##_show(struct device *dev,				\
			    struct device_attribute *attr, char *buf)	\
{									\
	struct tokmux_token *token =					\
		container_of(dev, struct tokmux_token, dev);		\
	_type pos;							\
	ssize_t len = 0;						\
									\
	mutex_lock(&token->lock);					\
	for (pos = _first; pos; pos = _next) {				\
		if (len > PAGE_SIZE - TOKMUX_PID_ROOM)			\
			break;						\
		len += sysfs_emit_at(buf, len, "%s%d", len ? " " : "",	\
				     pid_vnr(_tgid));			\
	}								\
	mutex_unlock(&token->lock);					\
	return len + sysfs_emit_at(buf, len, "\n");			\
}									\
static DEVICE_ATTR_RO(_name)

TOKMUX_ATTR_PIDS(holder_pids, struct rb_node *,
		 rb_first_cached(&token->holders), rb_next(pos),
		 rb_entry(pos, struct tokmux_party, holder_node)->tgid);
TOKMUX_ATTR_PIDS(waiter_pids, struct tokmux_request *,
		 list_first_entry_or_null(&token->lease_queue.requests,
					  struct tokmux_request, node),
		 list_is_last(&pos->node, &token->lease_queue.requests) ? NULL :
		 list_next_entry(pos, node),
		 pos->caller->tgid);

static struct attribute *tokmux_token_attrs[] = {
	&dev_attr_name.attr,
	&dev_attr_owner.attr,
	&dev_attr_epoch.attr,
	&dev_attr_unclean.attr,
	&dev_attr_exclusive.attr,
	&dev_attr_holder.attr,
	&dev_attr_holders.attr,
	&dev_attr_holder_pids.attr,
	&dev_attr_idle.attr,
	&dev_attr_waiters.attr,
	&dev_attr_waiter_pids.attr,
	&dev_attr_hold_limit_ms.attr,
	&dev_attr_sessions.attr,
	&dev_attr_max_sessions.attr,
	&dev_attr_users.attr,
	&dev_attr_sos.attr,
	&dev_attr_grants.attr,
	&dev_attr_waits.attr,
	&dev_attr_longest_wait_us.attr,
	&dev_attr_revocations.attr,
	&dev_attr_uncleans.attr,
	&dev_attr_scrub_failed.attr,
	&dev_attr_no_scrub.attr,
	&dev_attr_device_kind.attr,
	&dev_attr_real_device.attr,
	NULL
};

static const struct attribute_group tokmux_token_group = {
	.attrs = tokmux_token_attrs,
};

const struct attribute_group *tokmux_token_groups[] = {
	&tokmux_token_group,
	NULL
};

static const char * const tokmux_mode_names[] = {
	"none", [TOKMUX_EXCLUSIVE] = "exclusive", [TOKMUX_SHARED] = "shared",
};

static const char * const tokmux_login_names[] = {
	"none", [TOKMUX_USER] = "user", [TOKMUX_SO] = "so",
};

void tokmux_fdinfo(struct seq_file *m, struct file *file)
{
	struct tokmux_caller *caller = file->private_data;
	struct tokmux_token *token = caller->token;

	mutex_lock(&token->lock);
	seq_printf(m, "token:\t%s\nowner-pid:\t%d\nlease:\t%s\n", token->name,
		   caller->tgid ? pid_vnr(caller->tgid) : 0,
		   tokmux_mode_names[caller->held]);
	if (caller->held)
		seq_printf(m, "held-ms:\t%lld\nidle:\t%d\n",
			   ktime_ms_delta(ktime_get_coarse(), caller->party->granted),
			   tokmux_park_is_idle(caller, 0));
	seq_printf(m, "waiting:\t%u\nsessions:\t%u\nlogin:\t%s\nended:\t%d\n",
		   caller->nr_requests, caller->nr_sessions,
		   tokmux_login_names[caller->login], caller->ended);
	mutex_unlock(&token->lock);
}
