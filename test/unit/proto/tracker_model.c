/*
 * The tracker against a naive model of a backend's reading loop: random messages, random
 * errors, and random interleaving of what is sent, served and received. Whatever happens,
 * a tracker that says idle must be right, and every answer must go to who asked.
 */
#include "proto/tracker.h"

#include "unit/base/kit.h"

enum { MOST_QUEUED = 4096, SCRIPT_LEN = 12 };

struct asked {
	uint8_t letter;
	enum asked_by by;
	/* What Query and Execute give: letters of the server; G opens a COPY, g one that
	 * fails before it reads anything. */
	char script[SCRIPT_LEN];
};

struct said {
	uint8_t letter, status;
	enum asked_by by;
};

/* The backend, the wires in both directions, and the tracker that watches them. */
struct world {
	uint64_t seed;
	struct dice dice;
	struct tracker tracker;
	struct asked in[MOST_QUEUED];
	size_t in_read, in_written;
	struct said out[MOST_QUEUED];
	size_t out_read, out_written;
	struct asked serving;
	const char *script_at; /* of what is served, when in COPY */
	bool is_skipping, is_unsynced, is_in_copy, is_dead;
	bool is_old;    /* before 14: a wrong message in COPY does not end the session */
	bool has_doubt; /* a COPY failed since the tracker was last idle */
	/* What the client may send next, so that nothing but Syncs comes in doubt. */
	bool is_wild;
	unsigned copies_open;
	bool owes_sync;
	bool is_extended_copy;
};

/* ---- the backend ---- */

static void say(struct world *w, char letter, enum asked_by by)
{
	static const char statuses[] = "ITE";

	assert_true(w->out_written < MOST_QUEUED);
	w->out[w->out_written++] =
	    (struct said){.letter = (uint8_t)letter,
			  .status = (uint8_t)statuses[dice_of(&w->dice, 3)],
			  .by = by};
	if (dice_once_in(&w->dice, 12))
		w->out[w->out_written++] =
		    (struct said){.letter = (uint8_t) "NSA"[dice_of(&w->dice, 3)]};
}

static void fail_serving(struct world *w)
{
	say(w, 'E', w->serving.by);
	w->has_doubt = w->has_doubt || w->is_in_copy;
	w->is_in_copy = false;
	if (w->serving.letter == 'Q')
		say(w, 'Z', w->serving.by);
	else
		w->is_skipping = true;
}

/* Goes on with a Query or an Execute until it ends or waits for a COPY. */
static void serve_script(struct world *w)
{
	while (*w->script_at) {
		char letter = *w->script_at++;

		if (letter == 'E') {
			fail_serving(w);
			return;
		}
		say(w, letter == 'g' ? 'G' : letter, w->serving.by);
		w->is_in_copy = letter == 'G' || letter == 'g';
		if (letter == 'g')
			fail_serving(w);
		if (letter == 'g' || letter == 'G')
			return;
	}
	if (w->serving.letter == 'Q')
		say(w, 'Z', w->serving.by);
}

static void serve_in_copy(struct world *w, const struct asked *m)
{
	switch (m->letter) {
	case 'S':
	case 'H':
		return;
	case 'd':
		if (dice_once_in(&w->dice, 4))
			fail_serving(w);
		return;
	case 'f':
		fail_serving(w);
		return;
	case 'c':
		w->is_in_copy = false;
		say(w, 'C', w->serving.by);
		serve_script(w);
		return;
	default:
		fail_serving(w);
		w->is_dead = !w->is_old;
	}
}

static void serve_extended(struct world *w, char last)
{
	w->is_unsynced = true;
	if (dice_once_in(&w->dice, 6)) {
		fail_serving(w);
		return;
	}
	if (last == 'T') {
		if (dice_once_in(&w->dice, 2))
			say(w, 't', w->serving.by);
		last = dice_once_in(&w->dice, 2) ? 'n' : 'T';
	}
	say(w, last, w->serving.by);
}

static void serve(struct world *w, const struct asked *m)
{
	if (w->is_skipping && m->letter != 'S')
		return;
	if (strchr("dcfH", m->letter))
		return;
	w->serving = *m;
	w->script_at = w->serving.script;
	bool has_work = w->is_unsynced && !w->is_skipping;
	if (strchr("QFS", m->letter))
		w->is_unsynced = false;
	switch (m->letter) {
	case 'Q':
		serve_script(w);
		return;
	case 'E':
		w->is_unsynced = true;
		serve_script(w);
		return;
	case 'F':
		say(w, dice_once_in(&w->dice, 3) ? 'E' : 'V', m->by);
		say(w, 'Z', m->by);
		return;
	case 'S':
		w->is_skipping = false;
		if (has_work && dice_once_in(&w->dice, 5))
			say(w, 'E', m->by);
		say(w, 'Z', m->by);
		return;
	case 'P':
		serve_extended(w, '1');
		return;
	case 'B':
		serve_extended(w, '2');
		return;
	case 'C':
		serve_extended(w, '3');
		return;
	case 'D':
		serve_extended(w, 'T');
		return;
	default:
		fail_msg("no message: %c", m->letter);
	}
}

static void backend_step(struct world *w)
{
	if (w->is_dead || w->in_read == w->in_written)
		return;
	/* A cancel, or a trigger that fails before it reads on. */
	if (w->is_in_copy && dice_once_in(&w->dice, 8)) {
		fail_serving(w);
		return;
	}
	const struct asked *m = &w->in[w->in_read++];
	if (w->is_in_copy)
		serve_in_copy(w, m);
	else
		serve(w, m);
}

/* Nothing unread but what is ignored outside of COPY, nothing unsaid, nothing owed. */
static bool backend_is_idle(const struct world *w)
{
	for (size_t i = w->in_read; i < w->in_written; i++)
		if (!strchr("dcfH", w->in[i].letter))
			return false;
	for (size_t i = w->out_read; i < w->out_written; i++)
		if (!strchr("NSA", w->out[i].letter))
			return false;
	return !w->is_in_copy && !w->is_skipping && !w->is_unsynced;
}

/* ---- the wires ---- */

static void send(struct world *w, const struct asked *m)
{
	assert_true(w->in_written < MOST_QUEUED);
	assert_true(tracker_sent(&w->tracker, m->letter, m->by));
	w->in[w->in_written++] = *m;
}

static void send_letter(struct world *w, char letter)
{
	send(w, &(struct asked){.letter = (uint8_t)letter});
}

static void check_idle(struct world *w)
{
	if (!tracker_is_idle(&w->tracker))
		return;
	if (!w->is_dead && !backend_is_idle(w))
		fail_msg("seed %llx: says idle and is wrong",
			 (unsigned long long)w->seed);
	assert_null(w->tracker.asked.ring);
	assert_int_equal(w->tracker.asked.messages, 0);
	w->has_doubt = false;
}

static void receive(struct world *w)
{
	if (w->out_read == w->out_written)
		return;
	const struct said *m = &w->out[w->out_read++];
	enum tracker_answer answer = tracker_received(&w->tracker, m->letter, m->status);
	enum tracker_answer expected = strchr("NSA", m->letter)   ? TRACKER_ASIDE
				       : m->by == ASKED_BY_POOLER ? TRACKER_FOR_POOLER
								  : TRACKER_FOR_CLIENT;

	if (m->letter == 'Z')
		assert_int_equal(tracker_transaction_status(&w->tracker), m->status);
	if (answer != expected && !(w->has_doubt && answer == TRACKER_FOR_CLIENT) &&
	    !w->is_dead)
		fail_msg("seed %llx: %c is %d and not %d", (unsigned long long)w->seed,
			 m->letter, answer, expected);
}

/* ---- the client and the pooler ---- */

static const char *random_script(struct world *w, bool is_query)
{
	static const char *const queries[] = {"TDDC",  "C",  "I",    "E",      "TE",
					      "HddcC", "HE", "G",    "GTDC",   "GG",
					      "CG",    "g",  "HcCG", "TDCTDC", "GE"};
	static const char *const executes[] = {"DDC", "C", "I", "s", "E",     "DE",
					       "DDs", "G", "G", "g", "HddcC", "HE"};

	return is_query ? queries[dice_of(&w->dice, COUNT_OF(queries))]
			: executes[dice_of(&w->dice, COUNT_OF(executes))];
}

static unsigned count_copies(const char *script)
{
	unsigned count = 0;

	for (; *script; script++)
		count += *script == 'G' || *script == 'g';
	return count;
}

static const char *letters_allowed(const struct world *w)
{
	if (w->is_wild)
		return "QQFPBDECSSSHdcf";
	if (w->copies_open > 0)
		return "SHddcf";
	if (w->owes_sync)
		return "SHdcf";
	return "QQFPBDECSSHdcf";
}

static void note_sent(struct world *w, const struct asked *m)
{
	if ((m->letter == 'c' || m->letter == 'f') && w->copies_open > 0) {
		w->copies_open--;
		w->owes_sync = w->is_extended_copy && w->copies_open == 0;
	} else if (m->letter == 'S' && w->copies_open == 0) {
		w->owes_sync = false;
	} else if (m->letter == 'Q' || m->letter == 'E') {
		w->copies_open = count_copies(m->script);
		w->is_extended_copy = m->letter == 'E';
	}
}

static void send_something(struct world *w)
{
	const char *letters = letters_allowed(w);
	struct asked m = {
	    .letter = (uint8_t)letters[dice_of(&w->dice, (unsigned)strlen(letters))]};

	if (m.letter == 'Q' || m.letter == 'E')
		snprintf(m.script, sizeof(m.script), "%s",
			 random_script(w, m.letter == 'Q'));
	bool is_in_copy = w->copies_open > 0 || w->owes_sync || w->is_wild;
	if (!is_in_copy && dice_once_in(&w->dice, 4))
		m.by = ASKED_BY_POOLER;
	note_sent(w, &m);
	send(w, &m);
}

static void settle(struct world *w)
{
	while (w->in_read < w->in_written && !w->is_dead)
		backend_step(w);
	while (w->out_read < w->out_written) {
		receive(w);
		check_idle(w);
	}
}

/* All is said: a client that ends what it began must leave an idle tracker, unless it
 * pipelined into a COPY. */
static void end(struct world *w)
{
	settle(w);
	while (w->is_in_copy && !w->is_dead) {
		send_letter(w, 'c');
		settle(w);
	}
	send_letter(w, 'S');
	settle(w);
	if (w->is_dead)
		return;
	assert_true(backend_is_idle(w));
	if (tracker_needs_probe(&w->tracker)) {
		assert_false(tracker_is_idle(&w->tracker));
		assert_true(tracker_probe_sent(&w->tracker));
		w->in[w->in_written++] =
		    (struct asked){.letter = 'Q', .by = ASKED_BY_POOLER, .script = "I"};
		settle(w);
	}
	if (!w->is_wild)
		assert_true(tracker_is_idle(&w->tracker));
}

static void play(uint64_t seed, bool is_wild, bool is_old)
{
	struct world *w = calloc(1, sizeof(*w));

	assert_non_null(w);
	*w = (struct world){
	    .seed = seed, .dice = {.state = seed}, .is_wild = is_wild, .is_old = is_old};
	unsigned steps = 10 + dice_of(&w->dice, 150);
	unsigned haste = 1 + dice_of(&w->dice, 4);

	for (unsigned i = 0; i < steps; i++) {
		unsigned what = dice_of(&w->dice, 2 + 2 * haste);

		if (what < 2)
			send_something(w);
		else if (what < 2 + haste)
			backend_step(w);
		else
			receive(w);
		check_idle(w);
	}
	end(w);
	tracker_fini(&w->tracker);
	free(w);
}

static void play_many(bool is_wild, bool is_old, uint64_t first)
{
	for (uint64_t i = 0; i < 4000; i++) {
		uint64_t seed = (first + i) * 0x9e3779b97f4a7c15u;

		play(seed, is_wild, is_old);
	}
}

static void sensible_clients_are_followed_exactly(void **state)
{
	(void)state;
	play_many(false, false, 1);
}

static void wild_clients_never_make_it_say_idle_wrongly(void **state)
{
	(void)state;
	play_many(true, false, 100001);
}

static void wild_clients_of_old_servers_do_not_either(void **state)
{
	(void)state;
	play_many(true, true, 200001);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(sensible_clients_are_followed_exactly),
	    cmocka_unit_test(wild_clients_never_make_it_say_idle_wrongly),
	    cmocka_unit_test(wild_clients_of_old_servers_do_not_either),
	};

	return cmocka_run_group_tests_name("tracker and a model", tests, NULL, NULL);
}
