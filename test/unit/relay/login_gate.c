/*
 * Places for logins: the bound, the line, the turns, and who is displaced. At the end
 * chance does what it likes, beside a model that is too simple to be wrong.
 */
#include "relay/login_gate.h"

#include "base/clock.h"
#include "unit/base/kit.h"

enum { VISITORS = 12, TALE_LEN = 4096 };

struct visitor {
	struct login_ticket ticket; /* first */
	struct hall *hall;
	char letter;
};

/* What happened since: "a" had its turn, "-a" was displaced. */
struct hall {
	struct loop loop;
	struct login_gate gate;
	struct visitor visitors[VISITORS];
	char tale[TALE_LEN];
};

static void tell(struct hall *h, const char *what, char letter)
{
	size_t len = strlen(h->tale);

	assert_true(len + 4 < sizeof(h->tale));
	snprintf(h->tale + len, sizeof(h->tale) - len, "%s%c", what, letter);
}

static void on_turn(struct loop_task *task)
{
	struct visitor *v =
	    (struct visitor *)(void *)((char *)task -
				       offsetof(struct visitor, ticket.turn));

	tell(v->hall, "", v->letter);
}

static void on_displaced(struct login_ticket *ticket)
{
	struct visitor *v = (struct visitor *)ticket;

	tell(v->hall, "-", v->letter);
	login_gate_leave(&v->hall->gate, ticket);
}

static void open_hall(struct hall *h, size_t max)
{
	memset(h, 0, sizeof(*h));
	assert_int_equal(loop_init_without_events(&h->loop, 1000 * USEC_PER_SEC), 0);
	assert_int_equal(login_gate_init(&h->gate, &h->loop, max, on_displaced), 0);
	for (int i = 0; i < VISITORS; i++) {
		h->visitors[i].hall = h;
		h->visitors[i].letter = (char)('a' + i);
		h->visitors[i].ticket.turn.run = on_turn;
	}
}

/* Everybody leaves, and nothing is left. */
static void close_hall(struct hall *h)
{
	for (int i = 0; i < VISITORS; i++)
		login_gate_leave(&h->gate, &h->visitors[i].ticket);
	assert_int_equal(h->gate.count, 0);
	assert_int_equal(h->gate.line_len, 0);
	h->tale[0] = '\0';
	loop_turn(&h->loop, h->loop.now_us);
	assert_string_equal(h->tale, "");
	login_gate_fini(&h->gate);
	login_gate_fini(&h->gate);
	assert_int_equal(h->loop.deadline_count, 0);
	assert_int_equal(loop_next_deadline(&h->loop), CLOCK_NEVER);
	loop_fini(&h->loop);
}

static struct login_ticket *who(struct hall *h, char letter)
{
	return &h->visitors[letter - 'a'].ticket;
}

static void ask(struct hall *h, const char *letters)
{
	for (; *letters; letters++)
		login_gate_ask(&h->gate, who(h, *letters));
}

static void let_in(struct hall *h, const char *letters)
{
	ask(h, letters);
	loop_turn(&h->loop, h->loop.now_us);
}

static void wait_for_us(struct hall *h, char letter)
{
	login_gate_wait(&h->gate, who(h, letter));
}

static void resume(struct hall *h, char letter)
{
	login_gate_resume(&h->gate, who(h, letter));
}

static void go(struct hall *h, char letter)
{
	login_gate_leave(&h->gate, who(h, letter));
}

static void pass(struct hall *h, uint64_t us)
{
	loop_turn(&h->loop, h->loop.now_us + us);
}

#define ASSERT_TALE(hall, text)                                                          \
	do {                                                                             \
		assert_string_equal((hall)->tale, text);                                 \
		(hall)->tale[0] = '\0';                                                  \
	} while (0)

/* ---- the bound and the line ---- */

static void no_more_than_the_bound_are_inside(void **state)
{
	struct hall h;

	(void)state;
	open_hall(&h, 3);
	let_in(&h, "abcdef");
	ASSERT_TALE(&h, "abc");
	assert_int_equal(h.gate.count, 3);
	assert_int_equal(h.gate.line_len, 3);
	assert_int_equal(who(&h, 'd')->place, LOGIN_IN_LINE);
	close_hall(&h);
}

static void the_line_is_served_in_the_order_it_was_joined(void **state)
{
	struct hall h;

	(void)state;
	open_hall(&h, 1);
	let_in(&h, "adcb");
	ASSERT_TALE(&h, "a");
	/* Asking again gains nothing. */
	let_in(&h, "b");
	for (const char *at = "adcb"; *at; at++) {
		go(&h, *at);
		loop_turn(&h.loop, h.loop.now_us);
	}
	ASSERT_TALE(&h, "dcb");
	close_hall(&h);
}

static void each_message_is_one_turn_however_often_it_is_asked_for(void **state)
{
	struct hall h;

	(void)state;
	open_hall(&h, 2);
	let_in(&h, "aaba");
	ASSERT_TALE(&h, "ab");
	let_in(&h, "ba");
	ASSERT_TALE(&h, "ba");
	wait_for_us(&h, 'a');
	let_in(&h, "a"); /* it says more than it was asked for */
	ASSERT_TALE(&h, "a");
	assert_int_equal(who(&h, 'a')->place, LOGIN_WITH_US);
	close_hall(&h);
}

static void a_turn_that_is_not_wanted_any_more_does_not_come(void **state)
{
	struct hall h;

	(void)state;
	open_hall(&h, 2);
	ask(&h, "abc");
	go(&h, 'a');
	loop_turn(&h.loop, h.loop.now_us);
	ASSERT_TALE(&h, "bc");
	close_hall(&h);
}

static void one_can_leave_from_wherever_one_is(void **state)
{
	struct hall h;

	(void)state;
	open_hall(&h, 2);
	let_in(&h, "abcd");
	ASSERT_TALE(&h, "ab");
	go(&h, 'e'); /* has never asked */
	go(&h, 'c'); /* stands in the line */
	assert_int_equal(h.gate.count, 2);
	assert_int_equal(h.gate.line_len, 1);
	wait_for_us(&h, 'a');
	go(&h, 'a'); /* waits for us */
	loop_turn(&h.loop, h.loop.now_us);
	ASSERT_TALE(&h, "d");
	go(&h, 'b'); /* is inside */
	assert_int_equal(h.gate.count, 1);
	for (const char *at = "abce"; *at; at++)
		go(&h, *at); /* a second time */
	assert_int_equal(h.gate.count, 1);
	let_in(&h, "a"); /* and may come back */
	ASSERT_TALE(&h, "a");
	close_hall(&h);
}

static void waiting_and_resuming_are_for_those_inside(void **state)
{
	struct hall h;

	(void)state;
	open_hall(&h, 1);
	let_in(&h, "ab");
	wait_for_us(&h, 'b');
	assert_int_equal(who(&h, 'b')->place, LOGIN_IN_LINE);
	resume(&h, 'b');
	assert_int_equal(who(&h, 'b')->place, LOGIN_IN_LINE);
	wait_for_us(&h, 'c');
	resume(&h, 'c');
	assert_int_equal(who(&h, 'c')->place, LOGIN_OUTSIDE);
	resume(&h, 'a');
	assert_int_equal(who(&h, 'a')->place, LOGIN_INSIDE);
	assert_int_equal(h.gate.count, 1);
	close_hall(&h);
}

/* ---- another bound ---- */

static void a_higher_bound_lets_in_who_waits(void **state)
{
	struct hall h;

	(void)state;
	open_hall(&h, 1);
	let_in(&h, "abcd");
	ASSERT_TALE(&h, "a");
	login_gate_set_max(&h.gate, 3);
	loop_turn(&h.loop, h.loop.now_us);
	ASSERT_TALE(&h, "bc");
	assert_int_equal(h.gate.line_len, 1);
	close_hall(&h);
}

static void a_lower_bound_throws_nobody_out_and_lets_nobody_in(void **state)
{
	struct hall h;

	(void)state;
	open_hall(&h, 3);
	let_in(&h, "abcd");
	ASSERT_TALE(&h, "abc");
	login_gate_set_max(&h.gate, 1);
	assert_int_equal(h.gate.count, 3);
	go(&h, 'a');
	go(&h, 'b');
	loop_turn(&h.loop, h.loop.now_us);
	ASSERT_TALE(&h, "");
	go(&h, 'c');
	loop_turn(&h.loop, h.loop.now_us);
	ASSERT_TALE(&h, "d");
	close_hall(&h);
}

/* ---- the silent ---- */

static void the_silent_are_displaced_one_for_each_who_waits(void **state)
{
	struct hall h;

	(void)state;
	open_hall(&h, 3);
	let_in(&h, "abcde");
	ASSERT_TALE(&h, "abc");
	pass(&h, LOGIN_GATE_PATIENCE - 1);
	ASSERT_TALE(&h, "");
	pass(&h, 1);
	/* c has nobody to make room for. */
	ASSERT_TALE(&h, "-a-bde");
	pass(&h, 10 * LOGIN_GATE_PATIENCE);
	ASSERT_TALE(&h, "");
	close_hall(&h);
}

static void nobody_is_displaced_while_nobody_waits(void **state)
{
	struct hall h;

	(void)state;
	open_hall(&h, 2);
	let_in(&h, "ab");
	pass(&h, 100 * LOGIN_GATE_PATIENCE);
	ASSERT_TALE(&h, "ab");
	assert_int_equal(loop_next_deadline(&h.loop), CLOCK_NEVER);
	/* But then at once: they have had their time. */
	ask(&h, "c");
	pass(&h, 0);
	ASSERT_TALE(&h, "-ac");
	close_hall(&h);
}

static void who_goes_away_from_the_line_was_no_reason(void **state)
{
	struct hall h;

	(void)state;
	open_hall(&h, 1);
	let_in(&h, "ab");
	go(&h, 'b');
	pass(&h, 2 * LOGIN_GATE_PATIENCE);
	ASSERT_TALE(&h, "a");
	assert_int_equal(loop_next_deadline(&h.loop), CLOCK_NEVER);
	close_hall(&h);
}

static void who_says_something_has_its_patience_anew(void **state)
{
	struct hall h;

	(void)state;
	open_hall(&h, 2);
	let_in(&h, "abc");
	pass(&h, LOGIN_GATE_PATIENCE - 1);
	let_in(&h, "a");
	ASSERT_TALE(&h, "aba");
	pass(&h, 1);
	ASSERT_TALE(&h, "-bc");
	let_in(&h, "d");
	pass(&h, LOGIN_GATE_PATIENCE - 2);
	ASSERT_TALE(&h, "");
	pass(&h, 1);
	ASSERT_TALE(&h, "-ad");
	close_hall(&h);
}

/* A byte now and then, just before the patience ends. */
static void whoever_goes_on_for_too_long_is_displaced_all_the_same(void **state)
{
	struct hall h;

	(void)state;
	open_hall(&h, 1);
	let_in(&h, "ab");
	h.tale[0] = '\0';
	for (int i = 0; i < 5; i++) {
		pass(&h, LOGIN_GATE_PATIENCE - 1);
		let_in(&h, "a");
	}
	ASSERT_TALE(&h, "aaaaa");
	assert_int_equal(who(&h, 'a')->place, LOGIN_INSIDE);
	pass(&h, 5);
	let_in(&h, "a");
	ASSERT_TALE(&h, "a");
	pass(&h, LOGIN_GATE_PATIENCE - 6);
	ASSERT_TALE(&h, "");
	pass(&h, 1);
	ASSERT_TALE(&h, "-ab");
	close_hall(&h);
}

static void who_goes_on_for_long_stays_while_nobody_waits(void **state)
{
	struct hall h;

	(void)state;
	open_hall(&h, 1);
	let_in(&h, "a");
	for (int i = 0; i < 100; i++) {
		pass(&h, LOGIN_GATE_PATIENCE - 1);
		let_in(&h, "a");
	}
	assert_int_equal(who(&h, 'a')->place, LOGIN_INSIDE);
	close_hall(&h);
}

/* What we took our time for is not the client's fault. */
static void time_with_us_does_not_count_as_going_on(void **state)
{
	struct hall h;

	(void)state;
	open_hall(&h, 1);
	let_in(&h, "a");
	wait_for_us(&h, 'a');
	pass(&h, 2 * LOGIN_GATE_LONGEST);
	resume(&h, 'a');
	let_in(&h, "b");
	pass(&h, LOGIN_GATE_PATIENCE - 1);
	let_in(&h, "a");
	pass(&h, LOGIN_GATE_PATIENCE - 1);
	ASSERT_TALE(&h, "aa");
	pass(&h, 1);
	ASSERT_TALE(&h, "-ab");
	close_hall(&h);
}

static void who_waits_for_us_keeps_nobody_out_and_is_not_displaced(void **state)
{
	struct hall h;

	(void)state;
	open_hall(&h, 1);
	let_in(&h, "ab");
	ASSERT_TALE(&h, "a");
	wait_for_us(&h, 'a');
	loop_turn(&h.loop, h.loop.now_us);
	ASSERT_TALE(&h, "b");
	let_in(&h, "c");
	pass(&h, LOGIN_GATE_PATIENCE);
	ASSERT_TALE(&h, "-bc");
	/* There may be one more inside than places, and from now on it is the client's
	 * time. */
	resume(&h, 'a');
	assert_int_equal(h.gate.count, 2);
	let_in(&h, "d");
	pass(&h, LOGIN_GATE_PATIENCE - 1);
	ASSERT_TALE(&h, "");
	pass(&h, 1);
	ASSERT_TALE(&h, "-c-ad");
	close_hall(&h);
}

static void who_has_not_had_its_turn_is_not_displaced(void **state)
{
	struct hall h;

	(void)state;
	open_hall(&h, 2);
	let_in(&h, "abcd");
	ASSERT_TALE(&h, "ab");
	ask(&h, "a");
	/* A turn as long as the patience is our fault. */
	pass(&h, LOGIN_GATE_PATIENCE);
	ASSERT_TALE(&h, "-bac");
	assert_int_equal(who(&h, 'a')->place, LOGIN_INSIDE);
	assert_int_equal(who(&h, 'd')->place, LOGIN_IN_LINE);
	/* And its client has all its time to answer what it is told now. */
	pass(&h, LOGIN_GATE_PATIENCE - 1);
	ASSERT_TALE(&h, "");
	close_hall(&h);
}

static void a_higher_bound_brings_in_others_who_may_be_silent(void **state)
{
	struct hall h;

	(void)state;
	open_hall(&h, 1);
	let_in(&h, "abcd");
	login_gate_set_max(&h.gate, 2);
	loop_turn(&h.loop, h.loop.now_us);
	ASSERT_TALE(&h, "ab");
	pass(&h, LOGIN_GATE_PATIENCE);
	ASSERT_TALE(&h, "-a-bcd");
	close_hall(&h);
}

/* ---- chance ---- */

struct guess {
	enum login_place place;
	bool is_posted, has_gone_on;
	enum pacer_rank rank;
	uint64_t heard_us, heard_order; /* INSIDE: since when it is silent */
	uint64_t since_us;              /* INSIDE: since when */
	uint64_t line_order;            /* IN_LINE */
	uint64_t turn_order;            /* posted */
};

struct model {
	struct guess of[VISITORS];
	size_t max;
	uint64_t now_us, orders;
	unsigned rows[PACER_RANKS]; /* turns of betters since the last of that rank */
	char tale[TALE_LEN];
};

static size_t count_in(const struct model *m, enum login_place place)
{
	size_t count = 0;

	for (int i = 0; i < VISITORS; i++)
		count += m->of[i].place == place;
	return count;
}

static size_t taken(const struct model *m)
{
	return count_in(m, LOGIN_INSIDE);
}

static void model_tell(struct model *m, const char *what, int who)
{
	size_t len = strlen(m->tale);

	snprintf(m->tale + len, sizeof(m->tale) - len, "%s%c", what, 'a' + who);
}

static void model_heard(struct model *m, struct guess *g)
{
	g->heard_us = m->now_us;
	g->heard_order = ++m->orders;
}

static void model_post(struct model *m, struct guess *g, enum pacer_rank rank)
{
	if (g->is_posted)
		return;
	g->is_posted = true;
	g->rank = rank;
	g->turn_order = ++m->orders;
}

static void model_come_inside(struct model *m, struct guess *g)
{
	g->place = LOGIN_INSIDE;
	g->since_us = m->now_us;
	model_heard(m, g);
}

static void model_enter(struct model *m, struct guess *g)
{
	model_come_inside(m, g);
	g->has_gone_on = false;
	model_post(m, g, PACER_IS_NEW);
}

static void model_admit(struct model *m)
{
	while (taken(m) < m->max && count_in(m, LOGIN_IN_LINE) > 0) {
		struct guess *first = NULL;

		for (int i = 0; i < VISITORS; i++)
			if (m->of[i].place == LOGIN_IN_LINE &&
			    (!first || m->of[i].line_order < first->line_order))
				first = &m->of[i];
		model_enter(m, first);
	}
}

static void model_ask(struct model *m, struct guess *g)
{
	if (g->place == LOGIN_OUTSIDE && taken(m) < m->max) {
		model_enter(m, g);
	} else if (g->place == LOGIN_OUTSIDE) {
		g->place = LOGIN_IN_LINE;
		g->line_order = ++m->orders;
	} else if (g->place != LOGIN_IN_LINE) {
		if (g->place == LOGIN_INSIDE &&
		    m->now_us < g->since_us + LOGIN_GATE_LONGEST)
			model_heard(m, g);
		bool is_posted = g->is_posted;
		model_post(m, g, g->has_gone_on ? PACER_ENDS_SOON : PACER_GOES_ON);
		g->has_gone_on |= !is_posted;
	}
}

static void model_leave(struct model *m, struct guess *g)
{
	*g = (struct guess){.place = LOGIN_OUTSIDE};
	model_admit(m);
}

/* Who is silent for longest, and too long. */
static int model_silent(const struct model *m)
{
	int first = -1;

	for (int i = 0; i < VISITORS; i++)
		if (m->of[i].place == LOGIN_INSIDE &&
		    (first < 0 || m->of[i].heard_order < m->of[first].heard_order))
			first = i;
	if (first < 0 || m->of[first].heard_us + LOGIN_GATE_PATIENCE > m->now_us)
		return -1;
	return first;
}

static void model_displace(struct model *m)
{
	int silent;

	while (count_in(m, LOGIN_IN_LINE) > 0 && (silent = model_silent(m)) >= 0) {
		if (m->of[silent].is_posted) {
			model_heard(m, &m->of[silent]);
			continue;
		}
		model_tell(m, "-", silent);
		model_leave(m, &m->of[silent]);
	}
}

/* The first in order of that rank. */
static int model_next(const struct model *m, enum pacer_rank rank)
{
	int first = -1;

	for (int i = 0; i < VISITORS; i++)
		if (m->of[i].is_posted && m->of[i].rank == rank &&
		    (first < 0 || m->of[i].turn_order < m->of[first].turn_order))
			first = i;
	return first;
}

static void model_turns(struct model *m)
{
	for (;;) {
		int next = -1, ends = model_next(m, PACER_ENDS_SOON);
		int goes = model_next(m, PACER_GOES_ON),
		    new = model_next(m, PACER_IS_NEW);

		if (new >= 0 && m->rows[PACER_IS_NEW] >= PACER_ROW)
			next = new;
		else if (goes >= 0 && m->rows[PACER_GOES_ON] >= PACER_ROW)
			next = goes;
		else
			next = ends >= 0 ? ends : goes >= 0 ? goes : new;
		if (next < 0)
			return;
		m->rows[PACER_GOES_ON] =
		    next == goes ? 0 : m->rows[PACER_GOES_ON] + (next == ends);
		m->rows[PACER_IS_NEW] = next == new ? 0 : m->rows[PACER_IS_NEW] + 1;
		m->of[next].is_posted = false;
		model_tell(m, "", next);
	}
}

static void pass_both(struct hall *h, struct model *m, uint64_t us)
{
	m->now_us += us;
	model_displace(m);
	model_turns(m);
	pass(h, us);
}

static void do_both(struct hall *h, struct model *m, struct dice *dice)
{
	int i = (int)dice_of(dice, VISITORS);
	struct guess *g = &m->of[i];
	struct login_ticket *ticket = &h->visitors[i].ticket;

	switch (dice_of(dice, 9)) {
	case 0:
	case 1:
	case 2:
		model_ask(m, g);
		login_gate_ask(&h->gate, ticket);
		return;
	case 3:
		if (g->place == LOGIN_INSIDE) {
			g->place = LOGIN_WITH_US;
			model_admit(m);
		}
		login_gate_wait(&h->gate, ticket);
		return;
	case 4:
		if (g->place == LOGIN_WITH_US)
			model_come_inside(m, g);
		login_gate_resume(&h->gate, ticket);
		return;
	case 5:
		model_leave(m, g);
		login_gate_leave(&h->gate, ticket);
		return;
	case 6:
		m->max = 1 + dice_of(dice, dice_once_in(dice, 3) ? VISITORS : 4);
		model_admit(m);
		login_gate_set_max(&h->gate, m->max);
		return;
	default:
		pass_both(h, m, dice_of(dice, LOGIN_GATE_PATIENCE * 5 / 4));
		return;
	}
}

static void compare(const struct hall *h, const struct model *m)
{
	assert_string_equal(h->tale, m->tale);
	assert_int_equal(h->gate.count, taken(m));
	assert_int_equal(h->gate.line_len, count_in(m, LOGIN_IN_LINE));
	for (int i = 0; i < VISITORS; i++) {
		assert_int_equal(h->visitors[i].ticket.place, m->of[i].place);
		assert_int_equal(h->visitors[i].ticket.turn.is_posted,
				 m->of[i].is_posted);
	}
}

static void whatever_happens_it_is_as_the_model_says(void **state)
{
	unsigned displaced = 0;

	(void)state;
	for (uint64_t seed = 1; seed <= 300; seed++) {
		struct dice dice = {seed * 7919};
		struct model m = {.max = 1 + dice_of(&dice, 4)};
		struct hall h;

		open_hall(&h, m.max);
		m.now_us = h.loop.now_us;
		for (int step = 0; step < 1000; step++) {
			do_both(&h, &m, &dice);
			compare(&h, &m);
			displaced += strchr(h.tale, '-') != NULL;
			h.tale[0] = m.tale[0] = '\0';
		}
		close_hall(&h);
	}
	assert_true(displaced > 1000);
}

/* ---- a long line ---- */

struct guest {
	struct login_ticket ticket; /* first */
	struct login_gate *gate;
	unsigned *displaced;
};

static void on_guest_displaced(struct login_ticket *ticket)
{
	struct guest *guest = (struct guest *)ticket;

	++*guest->displaced;
	login_gate_leave(guest->gate, ticket);
}

static void on_guests_turn(struct loop_task *task)
{
	(void)task;
}

static void the_longer_the_line_the_shorter_the_patience(void **state)
{
	enum { GUESTS = 3 * LOGIN_GATE_LONG_LINE + 1 };
	struct guest *guests = calloc(GUESTS, sizeof(*guests));
	struct login_gate gate;
	struct loop loop;
	unsigned displaced = 0;

	(void)state;
	assert_int_equal(loop_init_without_events(&loop, USEC_PER_SEC), 0);
	assert_int_equal(login_gate_init(&gate, &loop, 1, on_guest_displaced), 0);
	for (int i = 0; i < GUESTS; i++) {
		guests[i].ticket.turn.run = on_guests_turn;
		guests[i].gate = &gate;
		guests[i].displaced = &displaced;
		login_gate_ask(&gate, &guests[i].ticket);
	}
	loop_turn(&loop, loop.now_us);
	loop_turn(&loop, loop.now_us + LOGIN_GATE_PATIENCE / 4 - 1);
	assert_int_equal(displaced, 0);
	loop_turn(&loop, loop.now_us + 1);
	assert_int_equal(displaced, 1);
	assert_int_equal(guests[1].ticket.place, LOGIN_INSIDE);
	for (int i = 0; i < GUESTS; i++)
		login_gate_leave(&gate, &guests[GUESTS - 1 - i].ticket);
	login_gate_fini(&gate);
	loop_fini(&loop);
	free(guests);
}

/* ---- memory goes back ---- */

static unsigned trims;

int __wrap_malloc_trim(size_t pad);

int __wrap_malloc_trim(size_t pad)
{
	(void)pad;
	trims++;
	return 1;
}

static void nobody_displaced(struct login_ticket *ticket)
{
	(void)ticket;
	fail();
}

static void nothing_to_do(struct loop_task *task)
{
	(void)task;
}

/* So many come, and go but for a few; how often memory was given back by then, and when
 * all was calm. */
static void rush(size_t count, unsigned at_once, unsigned when_calm)
{
	struct login_ticket *tickets = calloc(count, sizeof(*tickets));
	struct login_gate gate;
	struct loop loop;

	trims = 0;
	assert_int_equal(loop_init_without_events(&loop, USEC_PER_SEC), 0);
	assert_int_equal(login_gate_init(&gate, &loop, count, nobody_displaced), 0);
	for (size_t i = 0; i < count; i++) {
		tickets[i].turn.run = nothing_to_do;
		login_gate_ask(&gate, &tickets[i]);
	}
	for (size_t i = 1; i < count; i++)
		login_gate_leave(&gate, &tickets[i]);
	assert_int_equal(trims, at_once);
	loop_turn(&loop, loop.now_us + 60 * USEC_PER_SEC);
	loop_turn(&loop, loop.now_us + 60 * USEC_PER_SEC);
	assert_int_equal(trims, when_calm);
	login_gate_leave(&gate, &tickets[0]);
	login_gate_fini(&gate);
	loop_fini(&loop);
	free(tickets);
}

static void memory_goes_back_when_a_rush_is_over(void **state)
{
	(void)state;
	rush(10, 0, 0);
	rush(200, 0, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(no_more_than_the_bound_are_inside),
	    cmocka_unit_test(the_line_is_served_in_the_order_it_was_joined),
	    cmocka_unit_test(each_message_is_one_turn_however_often_it_is_asked_for),
	    cmocka_unit_test(a_turn_that_is_not_wanted_any_more_does_not_come),
	    cmocka_unit_test(one_can_leave_from_wherever_one_is),
	    cmocka_unit_test(waiting_and_resuming_are_for_those_inside),
	    cmocka_unit_test(a_higher_bound_lets_in_who_waits),
	    cmocka_unit_test(a_lower_bound_throws_nobody_out_and_lets_nobody_in),
	    cmocka_unit_test(the_silent_are_displaced_one_for_each_who_waits),
	    cmocka_unit_test(nobody_is_displaced_while_nobody_waits),
	    cmocka_unit_test(who_goes_away_from_the_line_was_no_reason),
	    cmocka_unit_test(who_says_something_has_its_patience_anew),
	    cmocka_unit_test(whoever_goes_on_for_too_long_is_displaced_all_the_same),
	    cmocka_unit_test(who_goes_on_for_long_stays_while_nobody_waits),
	    cmocka_unit_test(time_with_us_does_not_count_as_going_on),
	    cmocka_unit_test(who_waits_for_us_keeps_nobody_out_and_is_not_displaced),
	    cmocka_unit_test(who_has_not_had_its_turn_is_not_displaced),
	    cmocka_unit_test(a_higher_bound_brings_in_others_who_may_be_silent),
	    cmocka_unit_test(the_longer_the_line_the_shorter_the_patience),
	    cmocka_unit_test(memory_goes_back_when_a_rush_is_over),
	    cmocka_unit_test(whatever_happens_it_is_as_the_model_says),
	};

	return cmocka_run_group_tests_name("places for logins", tests, NULL, NULL);
}
