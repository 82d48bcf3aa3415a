// SPDX-License-Identifier: GPL-2.0-only
/*
 * R1, R2, R5, R6 against a model: random sequences of everything that callers
 * can do, in several processes, each step checked against a small sequential
 * model of the arbiter: who is granted, in which order, what each is told
 * (epoch, unclean, lost, joined), the quota, who is logged in. A sequence that
 * fails is shrunk and printed.
 *
 * TOKMUX_MODEL_STEPS and TOKMUX_MODEL_SEED change what is done.
 */
#include <pthread.h>
#include "token.h"
#include "kselftest_harness.h"

#define PROCESSES	3
#define FILES		2	/* of each process, each with a thread of its own */
#define CALLERS		(PROCESSES * FILES)
#define QUOTA		3
#define SEQUENCE	60

enum op {
	TRY, WAIT, RELEASE, LEAVE, MARK_CLEAN,
	OPEN, OPEN_WAIT, CLOSE, CLOSE_ALL,
	LOGIN, LOGOUT, EJECT, KILL, INTERRUPT, NR_OPS
};

static const char * const op_names[NR_OPS] = {
	"try", "wait", "release", "leave-idle", "mark-clean",
	"open", "open-wait", "close", "close-all",
	"login", "logout", "eject", "kill", "interrupt"
};

struct step {
	enum op op;
	int caller;
	int arg;	/* mode, or user type */
};

/* An answer, of the kernel or of the model. */
struct answer {
	int ret;
	uint32_t told;
	uint64_t epoch;
};

/* ---- the model: rules in the order of Documentation/uapi.rst ---- */

struct caller {
	int party;
	int held;
	bool idle;
	int login;
	int sessions;
	bool lost;
	bool tried;		/* in vain, and is to be told when the token is free */
	bool waits;		/* for anything */
	struct answer answer;	/* when it is not NULL any more */
	bool answered;
};

static struct {
	struct caller callers[CALLERS];
	int lease_queue[CALLERS], modes[CALLERS], nr_lease_queue;
	int session_queue[CALLERS], nr_session_queue;
	uint64_t epoch;
	int last;		/* party, 0 for several or none */
	int next_party;
	bool unclean;
	int login_party;	/* who logged in since it was clean, 0 or SEVERAL */
} m;

/* Callers 0 and 1 are one thread group's, bound as such. */
static bool is_group(int c)
{
	return c / FILES == 0;
}

static int holders_but(int party)
{
	int seen[CALLERS], n = 0, i, j;

	for (i = 0; i < CALLERS; i++) {
		if (!m.callers[i].held || m.callers[i].party == party)
			continue;
		for (j = 0; j < n && seen[j] != m.callers[i].party; j++)
			;
		if (j == n)
			seen[n++] = m.callers[i].party;
	}
	return n;
}

static bool party_holds(int party, int but)
{
	for (int i = 0; i < CALLERS; i++)
		if (i != but && m.callers[i].held && m.callers[i].party == party)
			return true;
	return false;
}

static void end_lease(int c)
{
	m.callers[c].held = 0;
	m.callers[c].idle = false;
}

static bool soils(int c)
{
	return (m.callers[c].held == TOKMUX_EXCLUSIVE && !m.callers[c].idle) ||
	       m.callers[c].login;
}

/* As if the holders had released them. */
static void end_idle_leases(int but_party)
{
	for (int i = 0; i < CALLERS; i++)
		if (m.callers[i].idle && m.callers[i].party != but_party)
			end_lease(i);
}

static bool is_free(int c, int mode)
{
	for (int i = 0; i < CALLERS; i++)
		if (m.callers[i].held && m.callers[i].party != m.callers[c].party &&
		    (mode == TOKMUX_EXCLUSIVE || m.callers[i].held == TOKMUX_EXCLUSIVE))
			return false;
	return true;
}

static bool make_free(int c, int mode)
{
	if (!is_free(c, mode))
		end_idle_leases(m.callers[c].party);
	return is_free(c, mode);
}

static int all_sessions(void)
{
	int n = 0;

	for (int i = 0; i < CALLERS; i++)
		n += m.callers[i].sessions;
	return n;
}

static int logins(int type)
{
	int n = 0;

	for (int i = 0; i < CALLERS; i++)
		n += m.callers[i].login == type;
	return n;
}

#define SEVERAL	(-1)

/* A party that is logged in may present its PIN again whenever it has the token. */
static void note_login(int party, bool anew)
{
	bool logged_in = anew;

	for (int i = 0; i < CALLERS; i++)
		logged_in |= m.callers[i].login && m.callers[i].party == party;
	if (logged_in)
		m.login_party = m.login_party && m.login_party != party ? SEVERAL : party;
}

static void answer(int c, int ret, uint32_t told, uint64_t epoch)
{
	m.callers[c].answer = (struct answer){ ret, told, epoch };
	m.callers[c].answered = true;
	m.callers[c].waits = false;
}

static void grant(int c, int mode)
{
	struct caller *caller = &m.callers[c];
	int others = holders_but(caller->party);
	uint32_t told = 0;

	if (party_holds(caller->party, c))
		told |= TOKMUX_GRANT_JOINED;
	if (m.last != caller->party || others)
		m.epoch++;
	m.last = others ? 0 : caller->party;
	if (m.unclean)
		told |= TOKMUX_GRANT_UNCLEAN;
	if (m.login_party && m.login_party != caller->party)
		told |= TOKMUX_GRANT_LOGIN;
	note_login(caller->party, false);
	if (caller->lost)
		told |= TOKMUX_GRANT_LOST;
	caller->lost = false;
	caller->tried = false;
	caller->held = mode;
	caller->idle = false;
	answer(c, 0, told, m.epoch);
}

static void dispatch(void)
{
	while (m.nr_lease_queue && make_free(m.lease_queue[0], m.modes[0])) {
		int c = m.lease_queue[0], mode = m.modes[0];

		m.nr_lease_queue--;
		memmove(m.lease_queue, m.lease_queue + 1, m.nr_lease_queue * sizeof(int));
		memmove(m.modes, m.modes + 1, m.nr_lease_queue * sizeof(int));
		grant(c, mode);
	}
	for (int i = 0; i < CALLERS && !m.nr_lease_queue; i++)
		if (m.callers[i].tried) {
			end_idle_leases(-1);
			m.callers[i].tried = holders_but(-1);
		}
	while (m.nr_session_queue && all_sessions() < QUOTA) {
		int c = m.session_queue[0];

		m.nr_session_queue--;
		memmove(m.session_queue, m.session_queue + 1,
			m.nr_session_queue * sizeof(int));
		m.callers[c].sessions++;
		answer(c, 0, 0, 0);
	}
}

static void leave_queues(int c)
{
	int i;

	for (i = 0; i < m.nr_lease_queue; i++)
		if (m.lease_queue[i] == c) {
			m.nr_lease_queue--;
			memmove(m.lease_queue + i, m.lease_queue + i + 1,
				(m.nr_lease_queue - i) * sizeof(int));
			memmove(m.modes + i, m.modes + i + 1,
				(m.nr_lease_queue - i) * sizeof(int));
			break;
		}
	for (i = 0; i < m.nr_session_queue; i++)
		if (m.session_queue[i] == c) {
			m.nr_session_queue--;
			memmove(m.session_queue + i, m.session_queue + i + 1,
				(m.nr_session_queue - i) * sizeof(int));
			break;
		}
	m.callers[c].waits = false;
}

static int end_login(int c)
{
	int type = m.callers[c].login;

	if (!type)
		return 0;
	m.callers[c].login = 0;
	return TOKMUX_CLOSED_LOGIN | (logins(type) ? 0 : TOKMUX_CLOSED_LAST_LOGIN);
}

static void new_caller(int c)
{
	m.callers[c] = (struct caller){};
	if (!is_group(c))
		m.callers[c].party = ++m.next_party;
	else if (c % FILES)
		m.callers[c].party = m.callers[c - 1].party;
	else
		m.callers[c].party = ++m.next_party;
}

static int missing(struct caller *caller)
{
	int ret = caller->lost ? -ESTALE : -ENOLCK;

	caller->lost = false;
	return ret;
}

static void model_step(const struct step *step)
{
	int c = step->caller, i;
	struct caller *caller = &m.callers[c];
	int other;

	switch (step->op) {
	case TRY:
	case WAIT:
		if (caller->held && !caller->idle) {
			answer(c, -EALREADY, 0, 0);
			break;
		}
		if (caller->held == step->arg) {
			grant(c, step->arg);
			break;
		}
		if (caller->held) {
			end_lease(c);
			dispatch();
		}
		if (!m.nr_lease_queue && make_free(c, step->arg)) {
			grant(c, step->arg);
		} else if (step->op == TRY) {
			answer(c, -EAGAIN, 0, 0);
			caller->tried = true;
		} else {
			m.lease_queue[m.nr_lease_queue] = c;
			m.modes[m.nr_lease_queue++] = step->arg;
			caller->waits = true;
		}
		break;
	case RELEASE:
		if (!caller->held) {
			answer(c, missing(caller), 0, 0);
			break;
		}
		end_lease(c);
		answer(c, 0, 0, 0);
		break;
	case LEAVE:
		if (caller->held)
			caller->idle = true;
		answer(c, caller->held ? 0 : missing(caller), 0, 0);
		break;
	case MARK_CLEAN:
		if (caller->held == TOKMUX_EXCLUSIVE && !caller->idle) {
			m.unclean = false;
			m.login_party = 0;
			note_login(caller->party, false);
			answer(c, 0, 0, 0);
		} else {
			answer(c, caller->held ? -ENOLCK : missing(caller), 0, 0);
		}
		break;
	case OPEN:
	case OPEN_WAIT:
		if (!m.nr_session_queue && all_sessions() < QUOTA) {
			caller->sessions++;
			answer(c, 0, 0, 0);
		} else if (step->op == OPEN) {
			answer(c, -EAGAIN, 0, 0);
		} else {
			m.session_queue[m.nr_session_queue++] = c;
			caller->waits = true;
		}
		break;
	case CLOSE:
		if (!caller->sessions) {
			answer(c, -ENOENT, 0, 0);
			break;
		}
		caller->sessions--;
		answer(c, caller->sessions ? 0 : end_login(c), 0, 0);
		break;
	case CLOSE_ALL:
		caller->sessions = 0;
		answer(c, end_login(c), 0, 0);
		break;
	case LOGIN:
		other = step->arg == TOKMUX_USER ? TOKMUX_SO : TOKMUX_USER;
		if (!caller->sessions)
			answer(c, -ENOLINK, 0, 0);
		else if (caller->login)
			answer(c, -EALREADY, 0, 0);
		else if (logins(other))
			answer(c, -EBUSY, 0, 0);
		else {
			answer(c, logins(step->arg), 0, 0);
			caller->login = step->arg;
			note_login(caller->party, true);
		}
		break;
	case LOGOUT:
		answer(c, caller->login ? end_login(c) : -ENOENT, 0, 0);
		break;
	case EJECT:
		for (i = 0; i < CALLERS; i++) {
			if (soils(i))
				m.unclean = true;
			if (m.callers[i].held)
				m.callers[i].lost = !m.callers[i].idle;
			end_lease(i);
			m.callers[i].sessions = 0;
			m.callers[i].login = 0;
		}
		answer(c, 0, 0, 0);
		break;
	case KILL:	/* its process: all its callers */
		c -= c % FILES;
		for (i = c; i < c + FILES; i++) {
			leave_queues(i);
			if (soils(i))
				m.unclean = true;
		}
		for (i = c; i < c + FILES; i++)
			new_caller(i);
		break;
	case INTERRUPT:
		if (caller->waits) {
			leave_queues(c);
			answer(c, -EINTR, 0, 0);
		}
		break;
	case NR_OPS:
		break;
	}
	dispatch();
}

/* ---- the real ones ---- */

struct order {
	enum op op;
	int arg;
};

static struct real {
	pid_t pid;
	int sock[FILES];
	pid_t *tids;
} real[PROCESSES];

static char name[TOKMUX_NAME_SIZE];

struct actor {
	int fd;
	int sock;
	pid_t *tid;
	int sessions[QUOTA], nr_sessions;
};

static struct answer do_order(struct actor *a, const struct order *order)
{
	struct tokmux_acquire acq = { .mode = order->arg };
	struct tokmux_eject hit;
	struct answer result = {};

	switch (order->op) {
	case TRY:
	case WAIT:
		acq.timeout_ms = order->op == TRY ? 0 : FOREVER;
		result.ret = verb(a->fd, TOKMUX_ACQUIRE, &acq);
		if (!result.ret) {
			/* The model knows nothing of events. */
			result.told = acq.granted & ~TOKMUX_GRANT_EVENTS;
			result.epoch = acq.epoch;
		}
		break;
	case RELEASE:
		result.ret = release(a->fd);
		break;
	case LEAVE:
		result.ret = leave(a->fd, 0);
		break;
	case MARK_CLEAN:
		result.ret = mark_clean(a->fd);
		break;
	case OPEN:
	case OPEN_WAIT:
		result.ret = session_open(a->fd, order->op == OPEN ? 0 : FOREVER);
		if (result.ret > 0) {
			/* what an eject closed is forgotten as the room is needed */
			if (a->nr_sessions == QUOTA) {
				memmove(a->sessions, a->sessions + 1,
					sizeof(a->sessions) - sizeof(int));
				a->nr_sessions--;
			}
			a->sessions[a->nr_sessions++] = result.ret;
			result.ret = 0;
		}
		break;
	case CLOSE:
		/* the newest that is still open */
		result.ret = -ENOENT;
		while (a->nr_sessions && result.ret == -ENOENT)
			result.ret = session_close(a->fd, a->sessions[--a->nr_sessions]);
		break;
	case CLOSE_ALL:
		a->nr_sessions = 0;
		result.ret = session_close_all(a->fd);
		break;
	case LOGIN:
		result.ret = login(a->fd, order->arg);
		break;
	case LOGOUT:
		result.ret = logout(a->fd);
		break;
	case EJECT:
		result.ret = eject(a->fd, &hit);
		break;
	default:
		result.ret = -ENOSYS;
	}
	return result;
}

static void *act(void *arg)
{
	struct actor *a = arg;
	struct order order;
	struct answer result;

	*a->tid = syscall(SYS_gettid);
	while (read(a->sock, &order, sizeof(order)) == sizeof(order)) {
		result = do_order(a, &order);
		if (write(a->sock, &result, sizeof(result)) != sizeof(result))
			break;
	}
	return NULL;
}

static void nothing(UNUSED int sig)
{
}

static void start(int p)
{
	struct real *r = &real[p];
	int sock[FILES][2], i;

	if (!r->tids)
		r->tids = shared_memory(FILES * sizeof(*r->tids));
	for (i = 0; i < FILES; i++) {
		r->tids[i] = 0;
		if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sock[i]))
			exit(1);
	}
	r->pid = child();
	if (!r->pid) {
		struct sigaction act_ = { .sa_handler = nothing };
		struct actor *actors = calloc(FILES, sizeof(*actors));
		pthread_t thread;

		sigaction(SIGUSR1, &act_, NULL);
		for (i = 0; i < FILES; i++) {
			close(sock[i][0]);
			actors[i].fd = open_bound(name, p == 0 ? TOKMUX_BIND_GROUP : 0);
			if (actors[i].fd < 0)
				_exit(1);
			actors[i].sock = sock[i][1];
			actors[i].tid = &r->tids[i];
			pthread_create(&thread, NULL, act, &actors[i]);
		}
		stop_here();
	}
	for (i = 0; i < FILES; i++) {
		close(sock[i][1]);
		r->sock[i] = sock[i][0];
	}
	EVENTUALLY(*(volatile pid_t *)&r->tids[0] && *(volatile pid_t *)&r->tids[FILES - 1]);
}

static void stop(int p)
{
	kill(real[p].pid, SIGKILL);
	reap(real[p].pid);
	for (int i = 0; i < FILES; i++)
		close(real[p].sock[i]);
}

/* ---- both ---- */

static char complaint[512];

#define COMPLAIN(...) ({ snprintf(complaint, sizeof(complaint), __VA_ARGS__); false; })

static bool check_answers(void)
{
	for (int c = 0; c < CALLERS; c++) {
		struct caller *caller = &m.callers[c];
		struct pollfd pfd = { .fd = real[c / FILES].sock[c % FILES],
				      .events = POLLIN };
		struct answer got;

		if (!caller->answered) {
			/* one that should wait, and one that has nothing to do */
			if (poll(&pfd, 1, 0))
				return COMPLAIN("caller %d got an answer too early", c);
			continue;
		}
		if (poll(&pfd, 1, SOON) != 1)
			return COMPLAIN("caller %d got no answer", c);
		if (read(pfd.fd, &got, sizeof(got)) != sizeof(got))
			return COMPLAIN("caller %d has died", c);
		if (memcmp(&got, &caller->answer, sizeof(got)))
			return COMPLAIN("caller %d got %d, told %x, epoch %llu; the model says %d, told %x, epoch %llu",
					c, got.ret, got.told, (unsigned long long)got.epoch,
					caller->answer.ret, caller->answer.told,
					(unsigned long long)caller->answer.epoch);
		caller->answered = false;
	}
	return true;
}

static bool check_info(int watch)
{
	struct tokmux_info i;
	unsigned int idle = 0;
	bool exclusive = false;
	int c;

	for (c = 0; c < CALLERS; c++) {
		exclusive |= m.callers[c].held == TOKMUX_EXCLUSIVE;
		idle += m.callers[c].idle;
	}
	/* who waits may not have reached its queue yet */
	if (!EVENTUALLY((i = info(watch)).waiters == (unsigned int)m.nr_lease_queue))
		return COMPLAIN("%u wait, the model says %d", i.waiters, m.nr_lease_queue);
	if (i.holders != (unsigned int)holders_but(-1))
		return COMPLAIN("%u hold, the model says %d", i.holders, holders_but(-1));
	if (i.idle != idle)
		return COMPLAIN("%u are idle, the model says %u", i.idle, idle);
	if (!!(i.flags & TOKMUX_INFO_EXCLUSIVE) != exclusive)
		return COMPLAIN("exclusive: the model says %d", exclusive);
	if (!!(i.flags & TOKMUX_INFO_UNCLEAN) != m.unclean)
		return COMPLAIN("unclean: the model says %d", m.unclean);
	if (i.epoch != m.epoch)
		return COMPLAIN("epoch %llu, the model says %llu",
				(unsigned long long)i.epoch, (unsigned long long)m.epoch);
	if (i.sessions != (unsigned int)all_sessions())
		return COMPLAIN("%u sessions, the model says %d", i.sessions, all_sessions());
	if (i.users != (unsigned int)logins(TOKMUX_USER) ||
	    i.sos != (unsigned int)logins(TOKMUX_SO))
		return COMPLAIN("%u users, %u SOs, the model says %d and %d", i.users,
				i.sos, logins(TOKMUX_USER), logins(TOKMUX_SO));
	return true;
}

/* Asleep where it should be: waiting for a session is not counted in info. */
static bool is_asleep(int c)
{
	char path[64], state = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/syscall", real[c / FILES].pid,
		 real[c / FILES].tids[c % FILES]);
	f = fopen(path, "r");
	if (f) {
		unsigned long nr = 0, fd = 0, cmd = 0;

		/* running, or in another call than ours, is not there yet */
		if (fscanf(f, "%lu %lx %lx", &nr, &fd, &cmd) == 3 && nr == SYS_ioctl)
			state = 'S';
		fclose(f);
	}
	return state == 'S';
}

/* Runs a sequence on a token of its own. Returns the step that failed, or -1. */
static int run(const struct step *steps, int nr)
{
	static int runs;
	struct tokmux_create arg = { .flags = TOKMUX_CREATE_USER | TOKMUX_CREATE_EXCL,
				     .max_sessions = QUOTA };
	int i, c, failed = -1, watch;

	snprintf(name, sizeof(name), "model-%d-%d", getpid(), runs++);
	if (create(name, &arg))
		exit(1);
	watch = arg.fd;
	memset(&m, 0, sizeof(m));
	for (i = 0; i < PROCESSES; i++)
		start(i);
	for (c = 0; c < CALLERS; c++)
		new_caller(c);

	for (i = 0; i < nr && failed < 0; i++) {
		const struct step *s = &steps[i];
		int p = s->caller / FILES, f = s->caller % FILES;
		struct order order = { s->op, s->arg };

		/* a thread that waits takes no orders */
		if (m.callers[s->caller].waits && s->op != INTERRUPT && s->op != KILL)
			continue;
		if (s->op == INTERRUPT && !m.callers[s->caller].waits)
			continue;
		if (s->op == KILL) {
			stop(p);
			start(p);
		} else if (s->op == INTERRUPT) {
			syscall(SYS_tgkill, real[p].pid, real[p].tids[f], SIGUSR1);
		} else if (write(real[p].sock[f], &order, sizeof(order)) != sizeof(order)) {
			exit(1);
		}
		model_step(s);
		if (!check_answers() || !check_info(watch))
			failed = i;
		else if (m.callers[s->caller].waits && !EVENTUALLY(is_asleep(s->caller)))
			failed = i;
	}
	for (i = 0; i < PROCESSES; i++)
		stop(i);
	close(watch);
	return failed;
}

/* Leaves out what isn't needed to fail. */
static int shrink(struct step *steps, int nr)
{
	struct step less[SEQUENCE];

	for (int i = nr - 1; i >= 0; i--) {
		memcpy(less, steps, nr * sizeof(*steps));
		memmove(less + i, less + i + 1, (nr - i - 1) * sizeof(*steps));
		if (run(less, nr - 1) >= 0) {
			nr--;
			memcpy(steps, less, nr * sizeof(*steps));
		}
	}
	return nr;
}

FIXTURE(model)
{
	int unused;
};

FIXTURE_SETUP(model)
{
}

FIXTURE_TEARDOWN(model)
{
}

TEST_F_TIMEOUT(model, random_sequences, 3000)
{
	unsigned int wanted = env("TOKMUX_MODEL_STEPS", 6000);
	unsigned int seed = env("TOKMUX_MODEL_SEED", getpid() ^ time(NULL));
	struct step steps[SEQUENCE];
	unsigned int done;
	int i, failed;

	TH_LOG("%u steps, TOKMUX_MODEL_SEED=%u", wanted, seed);
	srandom(seed);
	for (done = 0; done < wanted; done += SEQUENCE) {
		for (i = 0; i < SEQUENCE; i++) {
			steps[i].op = random() % NR_OPS;
			/* fewer of those that end everything */
			if ((steps[i].op == KILL || steps[i].op == EJECT) && random() % 3)
				steps[i].op = WAIT;
			steps[i].caller = random() % CALLERS;
			steps[i].arg = 1 + random() % 2;
		}
		failed = run(steps, SEQUENCE);
		if (failed < 0)
			continue;
		TH_LOG("step %u: %s", done + failed, complaint);
		failed = shrink(steps, failed + 1);
		TH_LOG("shrunk to %d steps:", failed);
		for (i = 0; i < failed; i++)
			TH_LOG("  caller %d: %s %d", steps[i].caller,
			       op_names[steps[i].op], steps[i].arg);
		i = run(steps, failed);
		TH_LOG("=> at the %s: %s", i < 0 ? "next run not at all" : op_names[steps[i].op],
		       complaint);
		ASSERT_TRUE(false);
	}
	TH_LOG("%u steps, each as the model says", done);
}

TEST_HARNESS_MAIN
