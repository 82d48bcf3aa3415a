/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The parked lease (Documentation/parked-lease.rst) as a model for spin(1): the word that
 * the kernel shares with each holder, the kernel's side under token->lock, and three
 * processes that take a lease twice each, shared or exclusive.
 *
 * Modelled: acquire and release by the word and by ioctl; requests that wait, in turn, and
 * requests that don't (timeout 0); a change of mode; a process that is stopped for ever at
 * any step, or dies at any step; the hold limit; a forked child that looks at its parent's
 * word; an event, a login of another caller's, a suspend: all one event here, as a holder
 * has to be told of each.
 *
 * Not modelled: nesting and groups; linger times; interrupted waits; the order of memory
 * accesses, as both sides change the word by one atomic instruction; tokens with a device,
 * which don't park; sequence numbers, and words that are lies.
 *
 * What has to hold:
 *	R1	no process uses the token beside an exclusive one; none overtakes an
 *		exclusive request that waits
 *	R2	what a dead process held while it used the token is unclean, and the next
 *		one knows
 *	R4	nobody waits for ever: not for a process that is stopped, or has a lease that
 *		it doesn't use (else spin finds an invalid end state)
 *	told	by the word or by ioctl, who acquires is told all that has happened
 *
 * Each of the macros named BREAK_… leaves out one part of the design. See run.
 */
#define N		3
#define ROUNDS		2

#define NONE		0
#define HELD		1
#define PARKED		2

#define NOBODY		0
#define SHARED		1
#define EXCLUSIVE	2

/* The page that the kernel shares with a process. */
byte word[N];
bool look[N];			/* set by the kernel only */

/* The kernel's. */
byte lease[N];
byte waits[N];			/* for that mode */
chan queue = [N] of { byte };	/* in the order in which they came */
bool granted[N];
bool again = true;		/* an event is still to come */

/* What is true, which neither side looks at. */
byte uses[N];
bool gone[N];
bool untold[N];			/* something happened that the process doesn't know */

#define conflict(a, b)	((a) && (b) && ((a) == EXCLUSIVE || (b) == EXCLUSIVE))
#define other1(i)	(((i) + 1) % N)
#define other2(i)	(((i) + 2) % N)
#define excludes(i, mode) (conflict(lease[other1(i)], mode) || conflict(lease[other2(i)], mode))
#define in_use(j)	(lease[j] && word[j] == HELD)
#define exclusive_waits	(waits[0] == EXCLUSIVE || waits[1] == EXCLUSIVE || waits[2] == EXCLUSIVE)
#define in_the_way(j)	(conflict(lease[j], waits[other1(j)]) || conflict(lease[j], waits[other2(j)]))

#ifdef BREAK_FAST
#define must_ask(i)	false
#else
#define must_ask(i)	look[i]
#endif

/* Something has happened that each process has to be told of. */
inline tell_all()
{
	untold[0] = true; untold[1] = true; untold[2] = true;
#ifndef BREAK_LOOK
	look[0] = true; look[1] = true; look[2] = true;
#endif
}

inline reclaim_one(j)
{
	if
	:: in_the_way(j) ->
#ifndef BREAK_RECLAIM
		if
		:: word[j] == PARKED -> lease[j] = NOBODY; word[j] = NONE
		:: else
		fi;
#endif
#ifndef BREAK_WANTED
		look[j] = true
#endif
	:: else
	fi
}

/* Leases that are in a waiting request's way end if they are not in use. */
inline reclaim()
{
	reclaim_one(0); reclaim_one(1); reclaim_one(2)
}

inline grant_one(i, mode)
{
	lease[i] = mode;
	word[i] = HELD;
	look[i] = false;
	untold[i] = false
}

/* Those at the head of the queue, as far as they go together. */
inline grant()
{
	reclaim();
	do
	:: queue ? [head] ->
		queue ? <head>;
		if
		:: !excludes(head, waits[head]) ->
			queue ? head;
			grant_one(head, waits[head]);
			waits[head] = NOBODY;
			granted[head] = true
		:: else -> break
		fi
	:: empty(queue) -> break
	od;
	reclaim();
	head = 0
}

inline end_lease(i)
{
	lease[i] = NOBODY;
	word[i] = NONE
}

/* ---- what a process does ------------------------------------------------------- */

/* It goes on, or is stopped here for ever, or dies here. */
inline may_stop(i)
{
	if
	:: true
	:: goto stopped
	:: goto dies
	fi
}

proctype process(byte i)
{
	byte round = 0, mode, head = 0;
	bool by_word;

	do
	:: round < ROUNDS ->
		if
		:: mode = SHARED
		:: mode = EXCLUSIVE
		fi;
		may_stop(i);

		/* Acquire by the word: one compare and exchange. */
		atomic {
			by_word = false;
			if
			:: word[i] == PARKED && lease[i] == mode && !must_ask(i) ->
				word[i] = HELD;
				by_word = true;
				assert(!untold[i]);
				assert(mode == EXCLUSIVE || !exclusive_waits)
			:: else
			fi
		};

		/* Or by ioctl. A parked lease of another mode is given up first. */
		if
		:: by_word
		:: else ->
			atomic {
				if
				:: lease[i] == mode ->
					grant_one(i, mode);
					granted[i] = true;
					reclaim()
				:: else ->
					end_lease(i);
					waits[i] = mode;
					queue ! i;
					grant()
				fi;
				if
				:: true
				:: !granted[i] ->
					/* timeout 0: only a lease in use refuses it */
					assert(in_use(other1(i)) || in_use(other2(i)));
					queue ?? eval(i);
					waits[i] = NOBODY;
					grant();
					round++;
					goto next
				fi
			};
			/* It dies while it waits, or waits for as long as that takes. */
			if
			:: goto dies
			:: true
			fi;
			granted[i];
			granted[i] = false
		fi;

		may_stop(i);
		/* The token is used. The hold limit may have ended the lease. */
		atomic {
			if
			:: lease[i] -> uses[i] = mode;
				assert(!(gone[other1(i)] && lease[other1(i)]));
				assert(!(gone[other2(i)] && lease[other2(i)]));
				assert(!conflict(uses[i], uses[other1(i)]));
				assert(!conflict(uses[i], uses[other2(i)]))
			:: else
			fi
		};
		may_stop(i);
		uses[i] = NOBODY;

		/* Release by the word, or by ioctl. */
#ifdef BREAK_ATOMIC
		bool looked = look[i];

		if
		:: word[i] == HELD && !looked -> word[i] = PARKED
#else
		if
		:: atomic { word[i] == HELD && !look[i] -> word[i] = PARKED }
#endif
		:: else ->
			atomic {
				end_lease(i);
				grant()
			}
		fi;
		round++;
next:		skip
	:: else -> goto end
	od;

dies:
	atomic {
		gone[i] = true;
		if
		:: waits[i] -> queue ?? eval(i); waits[i] = NOBODY
		:: else
		fi;
		/* Any value but PARKED: it may have been using the token. */
		if
		:: lease[i] && word[i] == HELD ->
#ifndef BREAK_UNCLEAN
			tell_all()
#else
			skip
#endif
		:: else -> assert(!uses[i])
		fi;
#ifdef BREAK_UNCLEAN
		if
		:: uses[i] -> untold[other1(i)] = true; untold[other2(i)] = true
		:: else
		fi;
#endif
		uses[i] = NOBODY;
#ifndef BREAK_DEATH
		end_lease(i);
#endif
		grant()
	};
	goto end;

stopped:
	/* With all that it has, and with no request: it waits for nothing. */
end:	skip
}

/* Time: a lease that is in use, and in a waiting request's way, ends. */
active proctype limit()
{
	byte head = 0;

	/* It may always be that nothing is to be done any more. */
end:	do
#ifndef BREAK_LIMIT
	:: atomic { in_the_way(0) && word[0] == HELD ->
		end_lease(0); uses[0] = NOBODY; tell_all(); grant() }
	:: atomic { in_the_way(1) && word[1] == HELD ->
		end_lease(1); uses[1] = NOBODY; tell_all(); grant() }
	:: atomic { in_the_way(2) && word[2] == HELD ->
		end_lease(2); uses[2] = NOBODY; tell_all(); grant() }
#else
	:: false
#endif
	od
}

/* Another caller logs in, the machine is suspended, the token is unclean. */
active proctype event()
{
end:	if
	:: atomic { again -> again = false; tell_all() }
	fi
}

/* A child of the first process: what it sees of the word is NONE, so it asks, and is refused. */
active proctype child()
{
#ifdef BREAK_FORK
end:	if
	:: atomic { word[0] == PARKED && !look[0] ->
		word[0] = HELD;
		assert(!uses[0]);
		uses[0] = lease[0] };
		/* It works, and the parent can't tell. */
		assert(false)
	fi
#else
	skip
#endif
}

init {
	atomic {
		run process(0);
		run process(1);
		run process(2)
	}
}
