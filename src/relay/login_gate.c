/*
 * Places for logins in progress.
 */
#include "relay/login_gate.h"

#include <errno.h>
#include <malloc.h>

#include "base/check.h"
#include "base/clock.h"

/* So much of a turn may go into logins: less than the dear steps take, so that there is
 * one of those per turn and the others wait for that only. Where there are no others, a
 * turn for each step would be a waste. */
enum { LOGIN_BUDGET_US = 50, LOGIN_QUIET_BUDGET_US = 150 };

/* So many logins at once are a rush. */
enum { LOGIN_RUSH = 64 };
/* And so long after its end all is calm. */
#define LOGIN_CALM_US (2 * USEC_PER_SEC)

static struct login_gate *gate_of_deadline(struct deadline *due)
{
	return (struct login_gate *)(void *)((char *)due -
					     offsetof(struct login_gate, patience));
}

/* ---- displacing the silent ---- */

static uint64_t patience_of(const struct login_gate *gate)
{
	return LOGIN_GATE_PATIENCE / (1 + gate->line_len / LOGIN_GATE_LONG_LINE);
}

static void arm(struct login_gate *gate)
{
	struct login_ticket *first = TAILQ_FIRST(&gate->inside);

	if (!TAILQ_EMPTY(&gate->line) && first)
		loop_arm(gate->loop, &gate->patience,
			 first->heard_us + patience_of(gate));
}

static void note_heard(struct login_gate *gate, struct login_ticket *ticket)
{
	TAILQ_REMOVE(&gate->inside, ticket, at);
	ticket->heard_us = gate->loop->now_us;
	TAILQ_INSERT_TAIL(&gate->inside, ticket, at);
}

/* Its client has gone on; but none goes on for ever. */
static void hear(struct login_gate *gate, struct login_ticket *ticket)
{
	if (gate->loop->now_us < ticket->since_us + LOGIN_GATE_LONGEST)
		note_heard(gate, ticket);
}

static void on_patience(struct deadline *due, uint64_t now_us)
{
	struct login_gate *gate = gate_of_deadline(due);
	struct login_ticket *first;

	while (!TAILQ_EMPTY(&gate->line) && (first = TAILQ_FIRST(&gate->inside)) &&
	       first->heard_us + patience_of(gate) <= now_us) {
		/* It is we who are slow: its step has not had its turn yet. */
		if (first->turn.is_posted) {
			note_heard(gate, first);
			continue;
		}
		gate->on_displaced(first);
		CHECK(first->place == LOGIN_OUTSIDE);
	}
	arm(gate);
}

/* ---- giving memory back ---- */

static bool is_over(const struct login_gate *gate)
{
	return gate->peak >= LOGIN_RUSH && gate->count <= gate->peak / 4;
}

/* A handshake needs ten times what is left of it, and malloc() would keep the holes for
 * ever. To give them back takes some milliseconds: so only after a rush, and not while
 * those who came with it ask their first questions. */
static void on_calm(struct deadline *due, uint64_t now_us)
{
	struct login_gate *gate =
	    (struct login_gate *)(void *)((char *)due -
					  offsetof(struct login_gate, calm));

	(void)now_us;
	if (!is_over(gate))
		return;
	gate->peak = gate->count;
	malloc_trim(0);
}

static void note_end(struct login_gate *gate)
{
	if (is_over(gate) && gate->calm.place == 0)
		loop_arm(gate->loop, &gate->calm, gate->loop->now_us + LOGIN_CALM_US);
}

/* ---- beginning and end ---- */

int login_gate_init(struct login_gate *gate, struct loop *loop, size_t max,
		    login_gate_fn on_displaced)
{
	*gate =
	    (struct login_gate){.loop = loop, .max = max, .on_displaced = on_displaced};
	TAILQ_INIT(&gate->line);
	TAILQ_INIT(&gate->inside);
	pacer_init(&gate->pacer, loop, LOGIN_BUDGET_US, LOGIN_QUIET_BUDGET_US);
	gate->patience.on_due = on_patience;
	gate->calm.on_due = on_calm;
	gate->reserved = loop_reserve_deadline(loop);
	gate->reserved += loop_reserve_deadline(loop);
	return gate->reserved == 2 ? 0 : -ENOMEM;
}

void login_gate_fini(struct login_gate *gate)
{
	if (!gate->loop)
		return;
	CHECK(gate->count == 0 && TAILQ_EMPTY(&gate->line));
	pacer_fini(&gate->pacer);
	if (gate->reserved > 0)
		loop_release_deadline(gate->loop, &gate->patience);
	if (gate->reserved > 1)
		loop_release_deadline(gate->loop, &gate->calm);
	gate->loop = NULL;
}

/* ---- places ---- */

static void come_inside(struct login_gate *gate, struct login_ticket *ticket)
{
	ticket->place = LOGIN_INSIDE;
	ticket->since_us = ticket->heard_us = gate->loop->now_us;
	TAILQ_INSERT_TAIL(&gate->inside, ticket, at);
}

static void take_place(struct login_gate *gate)
{
	gate->count++;
	if (gate->peak < gate->count)
		gate->peak = gate->count;
}

static void enter(struct login_gate *gate, struct login_ticket *ticket)
{
	take_place(gate);
	come_inside(gate, ticket);
	ticket->has_gone_on = false;
	pacer_post(&gate->pacer, &ticket->turn, PACER_IS_NEW);
}

static void leave_line(struct login_gate *gate, struct login_ticket *ticket)
{
	TAILQ_REMOVE(&gate->line, ticket, at);
	gate->line_len--;
}

static void admit(struct login_gate *gate)
{
	struct login_ticket *first;

	while (gate->count < gate->max && (first = TAILQ_FIRST(&gate->line))) {
		leave_line(gate, first);
		enter(gate, first);
	}
	/* Those who came in may be the first of whom there is something to wait for. */
	arm(gate);
}

static void give_back_place(struct login_gate *gate)
{
	gate->count--;
	note_end(gate);
	admit(gate);
}

void login_gate_set_max(struct login_gate *gate, size_t max)
{
	gate->max = max;
	admit(gate);
}

static void join_line(struct login_gate *gate, struct login_ticket *ticket)
{
	ticket->place = LOGIN_IN_LINE;
	TAILQ_INSERT_TAIL(&gate->line, ticket, at);
	gate->line_len++;
	arm(gate);
}

/* The dear step of a login by TLS is the first after the one that is new; those who have
 * it behind them end soon. */
static void go_on(struct login_gate *gate, struct login_ticket *ticket)
{
	if (ticket->turn.is_posted)
		return;
	pacer_post(&gate->pacer, &ticket->turn,
		   ticket->has_gone_on ? PACER_ENDS_SOON : PACER_GOES_ON);
	ticket->has_gone_on = true;
}

bool login_gate_ask(struct login_gate *gate, struct login_ticket *ticket)
{
	bool ends_soon = ticket->has_gone_on;

	switch ((enum login_place)ticket->place) {
	case LOGIN_OUTSIDE:
		if (gate->count >= gate->max) {
			join_line(gate, ticket);
			return false;
		}
		enter(gate, ticket);
		break;
	case LOGIN_IN_LINE:
		return false;
	case LOGIN_INSIDE:
		hear(gate, ticket);
		go_on(gate, ticket);
		break;
	case LOGIN_WITH_US:
		go_on(gate, ticket);
		break;
	}
	return ends_soon || gate->pacer.count <= PACER_ROW;
}

void login_gate_wait(struct login_gate *gate, struct login_ticket *ticket)
{
	if (ticket->place != LOGIN_INSIDE)
		return;
	TAILQ_REMOVE(&gate->inside, ticket, at);
	ticket->place = LOGIN_WITH_US;
	give_back_place(gate);
}

void login_gate_resume(struct login_gate *gate, struct login_ticket *ticket)
{
	if (ticket->place != LOGIN_WITH_US)
		return;
	take_place(gate);
	come_inside(gate, ticket);
	arm(gate);
}

void login_gate_leave(struct login_gate *gate, struct login_ticket *ticket)
{
	enum login_place place = (enum login_place)ticket->place;

	ticket->place = LOGIN_OUTSIDE;
	pacer_unpost(&gate->pacer, &ticket->turn);
	switch (place) {
	case LOGIN_OUTSIDE:
	case LOGIN_WITH_US:
		return;
	case LOGIN_IN_LINE:
		leave_line(gate, ticket);
		return;
	case LOGIN_INSIDE:
		TAILQ_REMOVE(&gate->inside, ticket, at);
		give_back_place(gate);
		return;
	}
}
