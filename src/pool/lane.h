/*
 * Waiters of one class and one user, and the turns that such lanes take.
 *
 * Deficit round robin over server time: a lane is served while it has credit, each time
 * it pays what a server is held for on average, and settles the difference when the
 * server has come free. One that is out of credit goes to the end, and gets some for the
 * next round, by its weight. So a user who asks for long transactions gets fewer of them
 * than one who asks for short ones, and however many somebody has waiting, he is served
 * no more than the others.
 */
#ifndef POOLER_POOL_LANE_H
#define POOLER_POOL_LANE_H

#include <stdbool.h>
#include <stdint.h>

#include "pool/pace.h"
#include "pool/waiter.h"

struct flow;

struct lane {
	TAILQ_ENTRY(lane) turn; /* in the ring of its class, while somebody waits */
	struct waiters waiters; /* in order of arrival */
	unsigned count;         /* of these */
	int64_t credit_us;      /* of server time */
	struct pace pace;       /* at which they get servers */
	struct flow *flow;      /* the user's lanes, one per class */
};
TAILQ_HEAD(ring, lane);

/* What a server at work owes to the line. Zero is valid: nothing. */
struct work {
	struct lane *lane; /* that pays for it; NULL = none: it did not wait */
	uint64_t expected_us;
};

void lane_init(struct lane *l, struct flow *flow);

/* At the end of the lane, which joins the ring when it was empty. */
void lane_join(struct lane *l, struct ring *ring, struct waiter *w);
/* Any of it; the lane leaves the ring when nobody is left. */
void lane_leave(struct lane *l, struct ring *ring, struct waiter *w);

/* Whose turn it is in the ring, now in front of it; NULL when nobody waits. A round gives
 * each lane round_us times its weight. */
struct lane *lane_whose_turn(struct ring *ring, uint64_t round_us);

/* Somebody of it gets a server for what is thought to take so long. */
void lane_pay(struct lane *l, uint64_t expected_us);
/* It took so long in truth. */
void lane_settle(struct lane *l, uint64_t expected_us, uint64_t held_us);

#endif
