/*
 * What all connections together hold of bytes that are under way: received and not gone
 * on, queued and not sent. And how much of that one of them may hold.
 *
 * While there is room for all, a stream holds what it is allowed anyway. As the limit
 * comes near, what one may hold is a fraction of what is left, so that who holds most is
 * stopped first and who holds little does not notice, without anybody being looked at but
 * the one who wants more. Who holds nothing may always read a little (LEDGER_LEAST), so
 * nobody waits for another's memory: whoever was stopped goes on when his own bytes have
 * gone.
 *
 * So the limit may be passed by LEDGER_LEAST for each stream that holds something, and by
 * messages that have to be whole.
 */
#ifndef POOLER_NET_LEDGER_H
#define POOLER_NET_LEDGER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	/* May be read even when nothing is left. */
	LEDGER_LEAST = 8 * 1024,
	/* One may take this part of what is left. */
	LEDGER_PART = 8,
};

/* Zero is valid: nothing held, no limit. */
struct ledger {
	uint64_t limit;        /* bytes; 0: none */
	uint64_t client_share; /* that one client may leave unread */
	uint64_t held;         /* by all streams */
	uint64_t peak;         /* the most that was held */
	size_t holders;        /* streams that hold something */
	size_t stopped;        /* streams that are not read because of what they feed */
	uint64_t stop_count;   /* times that one was stopped */
	uint64_t short_count;  /* of these, because the limit was near */
};

/* A stream that held *held holds so many bytes now. */
void ledger_change(struct ledger *l, uint32_t *held, size_t now);

/* What is left of the limit. */
static inline uint64_t ledger_left(const struct ledger *l)
{
	if (l->limit == 0)
		return UINT64_MAX;
	return l->held < l->limit ? l->limit - l->held : 0;
}

/* How much one may hold, who may hold `most` while there is room for all. */
static inline size_t ledger_share(const struct ledger *l, size_t most)
{
	uint64_t share = ledger_left(l) / LEDGER_PART;

	return share < most ? (size_t)share : most;
}

/* How much to read at once, if it would be len while there is room for all. */
static inline size_t ledger_read_len(const struct ledger *l, size_t len)
{
	size_t share = len > LEDGER_LEAST ? ledger_share(l, len) : len;

	return share < LEDGER_LEAST && len > LEDGER_LEAST ? LEDGER_LEAST : share;
}

/* A stream is not read any more; is_short: it would be while there is room for all. */
static inline void ledger_stop(struct ledger *l, bool is_short)
{
	l->stopped++;
	l->stop_count++;
	l->short_count += is_short;
}
/* It goes on. */
static inline void ledger_go_on(struct ledger *l)
{
	l->stopped--;
}

#endif
