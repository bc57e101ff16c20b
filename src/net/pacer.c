/*
 * Work that is bigger than a message, a budget's worth of it per turn.
 *
 * A turn is told from the next by the loop's time, which is read once per turn: what is
 * posted when this turn's budget is spent waits, even if the line was empty meanwhile.
 */
#include "net/pacer.h"

#include <sched.h>

#include "base/check.h"
#include "base/clock.h"

static bool has_budget(struct pacer *p)
{
	if (p->turn_us != p->loop->now_us) {
		p->turn_us = p->loop->now_us;
		p->spent_us = 0;
	}
	return p->spent_us < p->budget_us;
}

static bool is_expecting(const struct pacer *p, uint64_t now_us)
{
	return p->expected > 0 && clock_since(now_us, p->expect_us) < PACER_EXPECT_US;
}

/* Whether a dear step has to wait: for what others expect, or for a turn in which there
 * is more time left. */
static bool holds_dear(const struct pacer *p, uint64_t budget_us)
{
	uint64_t now_us = loop_clock(p->loop);

	if (p->spent_us > 0 && p->spent_us + p->dear_us > budget_us)
		return true;
	uint64_t most_us =
	    p->dear_us < PACER_HOLD_MOST_US ? p->dear_us : PACER_HOLD_MOST_US;
	return is_expecting(p, now_us) && clock_since(now_us, p->dear_at_us) < most_us;
}

/* The rank of who is next: one that has seen enough of its betters pass, or the best.
 * PACER_RANKS when nobody may go on now. */
static unsigned next_rank(const struct pacer *p, uint64_t budget_us)
{
	unsigned best = PACER_RANKS;

	for (unsigned rank = PACER_RANKS; rank-- > 0;) {
		if (!p->first[rank] ||
		    (rank == PACER_GOES_ON && holds_dear(p, budget_us)))
			continue;
		if (p->rows[rank] >= PACER_ROW)
			return rank;
		best = rank;
	}
	return best;
}

static void run_first(struct pacer *p, unsigned next)
{
	struct loop_task *task = p->first[next];
	uint64_t start_us = loop_clock(p->loop);

	p->rows[next] = 0;
	for (unsigned rank = next + 1; rank < PACER_RANKS; rank++)
		p->rows[rank]++;
	pacer_unpost(p, task);
	task->run(task);
	uint64_t end_us = loop_clock(p->loop), took_us = clock_since(end_us, start_us);
	p->spent_us += took_us;
	if (next == PACER_GOES_ON) {
		p->dear_us = took_us;
		p->dear_at_us = end_us;
	}
}

/* The turn began when the loop read its time. Finding out who has something to say takes
 * a little even when there is nobody. */
enum { QUIET_US = 20 };

static bool is_quiet(const struct pacer *p)
{
	return clock_since(loop_clock(p->loop), p->loop->now_us) < QUIET_US;
}

static void on_turn(struct loop_task *task)
{
	struct pacer *p =
	    (struct pacer *)(void *)((char *)task - offsetof(struct pacer, turn));

	uint64_t budget_us = is_quiet(p) ? p->quiet_budget_us : p->budget_us;
	unsigned rank;

	p->is_running = true;
	has_budget(p); /* a new turn starts with a whole one */
	if ((rank = next_rank(p, budget_us)) == PACER_RANKS)
		sched_yield(); /* who is to answer may wait for this processor */
	while (rank < PACER_RANKS) {
		run_first(p, rank);
		if (TAILQ_EMPTY(&p->line) || p->spent_us >= budget_us)
			break;
		rank = next_rank(p, budget_us);
	}
	p->is_running = false;
	if (!TAILQ_EMPTY(&p->line))
		loop_post_next(p->loop, &p->turn);
}

void pacer_init(struct pacer *p, struct loop *loop, uint64_t budget_us,
		uint64_t quiet_budget_us)
{
	/* No turn has this time. */
	*p = (struct pacer){.loop = loop,
			    .turn.run = on_turn,
			    .budget_us = budget_us,
			    .quiet_budget_us = quiet_budget_us,
			    .turn_us = CLOCK_NEVER};
	TAILQ_INIT(&p->line);
}

void pacer_fini(struct pacer *p)
{
	if (!p->loop)
		return;
	CHECK(!p->is_running);
	while (!TAILQ_EMPTY(&p->line))
		pacer_unpost(p, TAILQ_FIRST(&p->line));
	*p = (struct pacer){0};
}

static void join(struct pacer *p, struct loop_task *task, enum pacer_rank rank)
{
	struct loop_task *behind = NULL;

	for (unsigned worse = rank + 1; !behind && worse < PACER_RANKS; worse++)
		behind = p->first[worse];
	if (behind)
		TAILQ_INSERT_BEFORE(behind, task, place);
	else
		TAILQ_INSERT_TAIL(&p->line, task, place);
	if (!p->first[rank])
		p->first[rank] = task;
	p->count++;
}

static bool is_a_first(const struct pacer *p, const struct loop_task *task)
{
	for (unsigned rank = 0; rank < PACER_RANKS; rank++)
		if (p->first[rank] == task)
			return true;
	return false;
}

static void leave(struct pacer *p, struct loop_task *task)
{
	struct loop_task *next = TAILQ_NEXT(task, place);

	if (is_a_first(p, next))
		next = NULL;
	for (unsigned rank = 0; rank < PACER_RANKS; rank++)
		if (p->first[rank] == task)
			p->first[rank] = next;
	TAILQ_REMOVE(&p->line, task, place);
	p->count--;
}

void pacer_post(struct pacer *p, struct loop_task *task, enum pacer_rank rank)
{
	if (task->is_posted)
		return;
	task->is_posted = true;
	join(p, task, rank);
	if (p->is_running)
		return;
	if (has_budget(p))
		loop_post(p->loop, &p->turn);
	else
		loop_post_next(p->loop, &p->turn);
}

void pacer_unpost(struct pacer *p, struct loop_task *task)
{
	if (!task->is_posted)
		return;
	task->is_posted = false;
	leave(p, task);
	if (TAILQ_EMPTY(&p->line) && !p->is_running)
		loop_unpost(p->loop, &p->turn);
}

void pacer_expect(struct pacer *p)
{
	/* What is still missing from before will take its time, or not come at all. */
	if (clock_since(p->loop->now_us, p->expect_us) >= PACER_EXPECT_US)
		p->expected = 0;
	p->expected++;
	p->expect_us = p->loop->now_us;
}

void pacer_meet(struct pacer *p)
{
	if (p->expected > 0)
		p->expected--;
}
