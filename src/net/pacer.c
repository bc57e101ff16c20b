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

/* Who is next, counting who is passed over. */
static struct loop_task *next_task(struct pacer *p)
{
	struct loop_task *first = TAILQ_FIRST(&p->line);

	if (p->first_new && (first == p->first_new || p->row >= PACER_ROW)) {
		p->row = 0;
		return p->first_new;
	}
	p->row++;
	return first;
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
	if (rank == PACER_GOES_ON && p->first_new) {
		TAILQ_INSERT_BEFORE(p->first_new, task, place);
		return;
	}
	TAILQ_INSERT_TAIL(&p->line, task, place);
	if (rank == PACER_IS_NEW && !p->first_new)
		p->first_new = task;
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
	if (task == p->first_new)
		p->first_new = TAILQ_NEXT(task, place);
	TAILQ_REMOVE(&p->line, task, place);
	if (TAILQ_EMPTY(&p->line) && !p->is_running)
		loop_unpost(p->loop, &p->turn);
}
