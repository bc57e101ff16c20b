/*
 * Work that is bigger than a message, a budget's worth of it per turn.
 *
 * A turn is told from the next by the loop's time, which is read once per turn: what is
 * posted when this turn's budget is spent waits, even if the line was empty meanwhile.
 */
#include "net/pacer.h"

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

/* The rank of who is next: one that has seen enough of its betters pass, or the best. */
static enum pacer_rank next_rank(const struct pacer *p)
{
	unsigned best = PACER_RANKS;

	for (unsigned rank = PACER_RANKS; rank-- > 0;) {
		if (p->first[rank] && p->rows[rank] >= PACER_ROW)
			return (enum pacer_rank)rank;
		if (p->first[rank])
			best = rank;
	}
	CHECK(best < PACER_RANKS);
	return (enum pacer_rank)best;
}

static struct loop_task *next_task(struct pacer *p)
{
	enum pacer_rank next = next_rank(p);

	p->rows[next] = 0;
	for (unsigned rank = next + 1; rank < PACER_RANKS; rank++)
		p->rows[rank]++;
	return p->first[next];
}

static void run_next(struct pacer *p)
{
	struct loop_task *task = next_task(p);
	uint64_t start_us = loop_clock(p->loop);

	pacer_unpost(p, task);
	task->run(task);
	p->spent_us += clock_since(loop_clock(p->loop), start_us);
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

	p->is_running = true;
	has_budget(p); /* a new turn starts with a whole one */
	do
		run_next(p);
	while (!TAILQ_EMPTY(&p->line) && p->spent_us < budget_us);
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
