/*
 * What a client may claim of a line: its class and how long it waits. Both come from the
 * configuration, and from what the client says of itself: pooler.priority,
 * pooler.deadline, application_name and statement_timeout, as parameters of its start-up
 * or by SET, where servers are shared.
 */
#ifndef POOLER_RELAY_STANDING_H
#define POOLER_RELAY_STANDING_H

#include <stdbool.h>

#include "pool/waiter.h"
#include "proto/notice.h"

struct client;
struct params;

enum standing_limit {
	STANDING_BY_WAIT_TIMEOUT,      /* query_wait_timeout */
	STANDING_BY_MAX_QUEUE_WAIT,    /* max_queue_wait */
	STANDING_BY_DEADLINE,          /* pooler.deadline */
	STANDING_BY_STATEMENT_TIMEOUT, /* statement_timeout */
};

struct standing {
	struct asker asker;
	enum standing_limit limit_of; /* where asker.limit_us is from */
};

void standing_of(const struct client *c, struct standing *out);

/* How limit_of is called in messages. */
const char *standing_limit_name(enum standing_limit limit);

/* When a wait that began then ends: after query_wait_timeout, a fifth more or less, so
 * that those who began together do not end together; a little after max_queue_wait, in
 * which somebody who was let in should have been served (time in which nobody is, by
 * PAUSE or hold_on_failure, does not count); exactly at a client's own deadline.
 * CLOCK_NEVER: it does not end. */
uint64_t standing_due(const struct client *c, uint64_t since_us);

/* So long, a fifth more or less by the seed. */
uint64_t standing_spread(uint64_t around_us, uint64_t seed);

/* Whether the value can be given to this parameter; true for all that are not the
 * pooler's own. Otherwise *out says what is wrong; it points into why. */
enum { STANDING_WHY_LEN = 160 };
bool standing_accepts(struct slice name, struct slice value, char why[STANDING_WHY_LEN],
		      struct notice *out);

/* Warns a client that has given one of them a value that is not accepted, since its
 * parameters were those: it has no effect. */
void standing_warn(struct client *c, const struct params *had);

#endif
