/*
 * Work that is bigger than a message, such as a step of a login with its arithmetic: as
 * much of it a turn as a budget of time allows, first come first served. What is left
 * goes on in the next turn, which does not wait. So a rush of logins slows the others
 * down by a little per turn, never by its whole length.
 *
 * At least one task runs per turn, however long it takes.
 */
#ifndef POOLER_NET_PACER_H
#define POOLER_NET_PACER_H

#include "net/loop.h"

struct pacer {
	struct loop *loop;
	struct loop_tasks line;
	struct loop_task turn; /* runs the line */
	uint64_t budget_us;
	uint64_t turn_us;  /* the turn in which it ran last, by the loop's time */
	uint64_t spent_us; /* in that turn */
	bool is_running;
};

void pacer_init(struct pacer *pacer, struct loop *loop, uint64_t budget_us);
void pacer_fini(struct pacer *pacer);

/* Joins the line's end; harmless when it stands there already. Zero is a valid task. */
void pacer_post(struct pacer *pacer, struct loop_task *task);
void pacer_unpost(struct pacer *pacer, struct loop_task *task);

#endif
