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

static void run_first(struct pacer *p)
{
	struct loop_task *task = TAILQ_FIRST(&p->line);
	uint64_t start_us = loop_clock(p->loop);

	pacer_unpost(p, task);
	task->run(task);
	p->spent_us += clock_since(loop_clock(p->loop), start_us);
}

static void on_turn(struct loop_task *task)
{
	struct pacer *p =
	    (struct pacer *)(void *)((char *)task - offsetof(struct pacer, turn));

	p->is_running = true;
	has_budget(p); /* a new turn starts with a whole one */
	do
		run_first(p);
	while (!TAILQ_EMPTY(&p->line) && p->spent_us < p->budget_us);
	p->is_running = false;
	if (!TAILQ_EMPTY(&p->line))
		loop_post_next(p->loop, &p->turn);
}

void pacer_init(struct pacer *p, struct loop *loop, uint64_t budget_us)
{
	/* No turn has this time. */
	*p = (struct pacer){.loop = loop,
			    .turn.run = on_turn,
			    .budget_us = budget_us,
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

void pacer_post(struct pacer *p, struct loop_task *task)
{
	if (task->is_posted)
		return;
	task->is_posted = true;
	TAILQ_INSERT_TAIL(&p->line, task, place);
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
	TAILQ_REMOVE(&p->line, task, place);
	if (TAILQ_EMPTY(&p->line) && !p->is_running)
		loop_unpost(p->loop, &p->turn);
}
