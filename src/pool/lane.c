/*
 * The ring turns only when the lane in front is out of credit. Debt is bounded, so that
 * one long transaction costs a user so many turns and not all there are, and the ring
 * turns only so often.
 */
#include "pool/lane.h"

#include "base/check.h"
#include "pool/flow.h"

/* Rounds that a debt can last. */
enum { DEBT_ROUNDS = 64 };

void lane_init(struct lane *l, struct flow *flow)
{
	*l = (struct lane){.flow = flow};
	TAILQ_INIT(&l->waiters);
}

void lane_join(struct lane *l, struct ring *ring, struct waiter *w)
{
	w->lane = l;
	TAILQ_INSERT_TAIL(&l->waiters, w, place);
	if (l->count++ == 0)
		TAILQ_INSERT_TAIL(ring, l, turn);
}

void lane_leave(struct lane *l, struct ring *ring, struct waiter *w)
{
	CHECK(w->lane == l && l->count > 0);
	TAILQ_REMOVE(&l->waiters, w, place);
	w->lane = NULL;
	if (--l->count > 0)
		return;
	TAILQ_REMOVE(ring, l, turn);
	pace_stop(&l->pace);
	/* Credit is for those who wait. Debts stay. */
	if (l->credit_us > 0)
		l->credit_us = 0;
}

static int64_t share_of(const struct lane *l, uint64_t round_us)
{
	return (int64_t)(round_us * l->flow->weight);
}

struct lane *lane_whose_turn(struct ring *ring, uint64_t round_us)
{
	struct lane *l = TAILQ_FIRST(ring);

	/* Alone it owes nobody. */
	if (!l || !TAILQ_NEXT(l, turn))
		return l;
	while (l->credit_us <= 0) {
		int64_t share = share_of(l, round_us);

		if (l->credit_us < -share * DEBT_ROUNDS)
			l->credit_us = -share * DEBT_ROUNDS;
		l->credit_us += share;
		TAILQ_REMOVE(ring, l, turn);
		TAILQ_INSERT_TAIL(ring, l, turn);
		l = TAILQ_FIRST(ring);
	}
	return l;
}

void lane_pay(struct lane *l, uint64_t expected_us)
{
	l->credit_us -= (int64_t)expected_us;
}

void lane_settle(struct lane *l, uint64_t expected_us, uint64_t held_us)
{
	l->credit_us += (int64_t)expected_us - (int64_t)held_us;
}
