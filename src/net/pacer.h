/*
 * Work that is bigger than a message, such as a step of a login with its arithmetic: as
 * much of it a turn as a budget of time allows, first come first served. What is left
 * goes on in the next turn, which does not wait. So a rush of logins slows the others
 * down by a little per turn, never by its whole length.
 *
 * At least one task runs per turn, however long it takes; but a dear one waits while
 * somebody else is to hear something any moment, who would have to wait for all of it.
 */
#ifndef POOLER_NET_PACER_H
#define POOLER_NET_PACER_H

#include "net/loop.h"

/* Whose steps these are: what has begun comes before what is new, and what ends soon
 * before both, so that little is under way at a time. After PACER_ROW of its betters one
 * of each rank has its turn: nobody is kept out by others that go on for ever. Steps that
 * go on are the dear ones. */
enum pacer_rank { PACER_ENDS_SOON, PACER_GOES_ON, PACER_IS_NEW };
enum { PACER_RANKS = 3, PACER_ROW = 8 };

enum {
	/* What has not come so long after it was expected will take its time. */
	PACER_EXPECT_US = 200,
	/* No dear step waits for that longer than the last one took, or than this: so
	 * work that is paced goes on half as fast at worst. */
	PACER_HOLD_MOST_US = 500,
};

struct pacer {
	struct loop *loop;
	struct loop_tasks line;               /* by rank */
	struct loop_task *first[PACER_RANKS]; /* in the line; NULL: none of that rank */
	unsigned rows[PACER_RANKS]; /* so many of a rank's betters, and none of it */
	size_t count;               /* in the line */
	struct loop_task turn;      /* runs the line */
	uint64_t budget_us, quiet_budget_us;
	uint64_t turn_us;    /* the turn in which it ran last, by the loop's time */
	uint64_t spent_us;   /* in that turn */
	uint64_t dear_us;    /* how long the last dear step took */
	uint64_t dear_at_us; /* and when it was done */
	uint64_t expect_us;  /* when something was expected last */
	unsigned expected;   /* so much is, as far as is known */
	bool is_running;
};

/* quiet_budget_us: of a turn in which nobody else had anything to do. */
void pacer_init(struct pacer *pacer, struct loop *loop, uint64_t budget_us,
		uint64_t quiet_budget_us);
void pacer_fini(struct pacer *pacer);

/* Joins the line behind its like; harmless when it stands there already. Zero is a valid
 * task. */
void pacer_post(struct pacer *pacer, struct loop_task *task, enum pacer_rank rank);
void pacer_unpost(struct pacer *pacer, struct loop_task *task);

/* Others have asked for something, and have begun to hear of it. What never comes is
 * forgotten, so nobody needs to say that it will not. */
void pacer_expect(struct pacer *pacer);
void pacer_meet(struct pacer *pacer);

#endif
