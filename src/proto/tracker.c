/*
 * Questions asked of a server, oldest first, and what answers each.
 *
 * COPY IN is the hard part. Syncs that stand right behind the COPY are read by it and get
 * no answer; but when the COPY fails, some of them may not have been read yet and are
 * answered after all. Those become SYNC_MAYBE entries at the head, which a ReadyForQuery
 * may answer and which are dropped when an answer to something behind them comes.
 */
#include "proto/tracker.h"

#include "proto/tracker_internal.h"

enum reaction {
	WRONG, /* not an answer to this question */
	MORE,  /* part of the answer */
	LAST,  /* ends the answer */
};

enum { MOST_OUTSTANDING = 65536 };

/* Which messages answer which question ("Message Flow"). */
/* clang-format off */
static const uint8_t reactions[128][KIND_COUNT] = {
	['1'] = {[PARSE] = LAST},
	['2'] = {[BIND] = LAST},
	['3'] = {[CLOSE] = LAST},
	['t'] = {[DESCRIBE] = MORE},
	['n'] = {[DESCRIBE] = LAST},
	['T'] = {[DESCRIBE] = LAST, [QUERY] = MORE},
	['D'] = {[QUERY] = MORE, [EXECUTE] = MORE},
	['C'] = {[QUERY] = MORE, [EXECUTE] = LAST},
	['I'] = {[QUERY] = MORE, [EXECUTE] = LAST},
	['s'] = {[QUERY] = MORE, [EXECUTE] = LAST},
	['G'] = {[QUERY] = MORE, [EXECUTE] = MORE},
	['H'] = {[QUERY] = MORE, [EXECUTE] = MORE},
	['W'] = {[QUERY] = MORE, [EXECUTE] = MORE},
	['d'] = {[QUERY] = MORE, [EXECUTE] = MORE},
	['c'] = {[QUERY] = MORE, [EXECUTE] = MORE},
	['V'] = {[FUNCTION] = MORE},
	['Z'] = {[QUERY] = LAST, [FUNCTION] = LAST, [SYNC] = LAST},
	/* An error at Sync is one of the commit, and skips nothing. */
	['E'] = {[QUERY] = MORE, [FUNCTION] = MORE, [SYNC] = MORE, [PARSE] = LAST,
		 [BIND] = LAST, [DESCRIBE] = LAST, [EXECUTE] = LAST, [CLOSE] = LAST},
};
/* clang-format on */

/* Ends of a COPY that are read outside of one are ignored by the server. */
static void drop_late_copy_ends(struct tracker *t)
{
	while (kind_at(t, 0) == COPY_END)
		questions_drop_run(&t->asked, 0);
	if (kind_at(t, 0) != SYNC_MAYBE)
		return;
	while (kind_at(t, behind_doubt(t, 0)) == COPY_END)
		questions_drop_run(&t->asked, behind_doubt(t, 0));
}

/* Whether anything queued behind the head gives a ReadyForQuery. */
static bool has_boundary(const struct tracker *t)
{
	for (uint32_t i = 1; i < t->asked.runs; i++) {
		enum kind kind = kind_at(t, i);

		if (kind == SYNC || kind == QUERY || kind == FUNCTION)
			return true;
	}
	return false;
}

/* Nobody will ever know what is outstanding. */
static void lose(struct tracker *t)
{
	uint64_t sent = t->sent;
	uint8_t status = t->transaction_status;

	tracker_fini(t);
	t->sent = t->batch = t->turn = t->open = sent;
	t->transaction_status = status;
	t->lost = true;
}

void tracker_fini(struct tracker *t)
{
	questions_fini(&t->asked);
	*t = (struct tracker){0};
}

bool tracker_has_room(const struct tracker *t)
{
	return t->asked.messages < MOST_OUTSTANDING;
}

/* ---- what is sent ---- */

static enum kind kind_of(uint8_t letter)
{
	switch (letter) {
	case 'Q':
		return QUERY;
	case 'F':
		return FUNCTION;
	case 'P':
		return PARSE;
	case 'B':
		return BIND;
	case 'D':
		return DESCRIBE;
	case 'E':
		return EXECUTE;
	case 'C':
		return CLOSE;
	case 'S':
		return SYNC;
	case 'c':
	case 'f':
		return COPY_END;
	default:
		return NO_QUESTION; /* Flush, CopyData, Terminate */
	}
}

/* The server skips what comes until a Sync; while a Sync is in doubt, it may. */
static void sent_while_skipping(struct tracker *t, enum kind kind)
{
	if (kind != COPY_END && t->asked.runs > 0)
		lose(t);
}

static void sent_copy_end(struct tracker *t)
{
	if (t->copy == COPY_IN)
		t->copy = COPY_IN_ENDED;
	else if (t->copy == COPY_BOTH)
		t->copy = COPY_BOTH_ENDED;
	else if (t->copy == COPY_BOTH_SERVER_DONE)
		t->copy = COPY_NONE;
}

static void note_bounds(struct tracker *t, enum kind kind)
{
	if (t->unsynced) {
		t->open = t->sent;
		return;
	}
	t->turn = t->sent;
	if (kind == SYNC)
		t->open = 0;
	if (t->open <= tracker_oldest(t))
		t->batch = t->sent;
}

bool tracker_sent(struct tracker *t, uint8_t letter, enum asked_by who)
{
	enum kind kind = kind_of(letter);

	if (kind == NO_QUESTION || t->lost)
		return true;
	if (t->skipping && kind != SYNC) {
		sent_while_skipping(t, kind);
		return true;
	}
	/* Nothing is asked: there is no COPY that it could end. */
	if (kind == COPY_END && t->asked.runs == 0)
		return true;
	if (!questions_push(&t->asked, (uint8_t)kind, who))
		return false;
	t->sent++;
	if (kind == COPY_END) {
		sent_copy_end(t);
		drop_late_copy_ends(t);
		return true;
	}
	/* A Query ends an implicit transaction as a Sync does. */
	t->unsynced = kind != SYNC && kind != QUERY && kind != FUNCTION;
	note_bounds(t, kind);
	if (kind == SYNC)
		t->skipping = false;
	return true;
}

bool tracker_probe_sent(struct tracker *t)
{
	return tracker_sent(t, 'Q', ASKED_BY_POOLER);
}

/* ---- what comes back ---- */

static enum tracker_answer answer_for(uint8_t by)
{
	return by == ASKED_BY_POOLER ? TRACKER_FOR_POOLER : TRACKER_FOR_CLIENT;
}

static bool client_may_copy(const struct tracker *t)
{
	return tracker_is_in_copy(t);
}

/* The end of a COPY may have been sent ahead of the server's consent. */
static void copy_begin(struct tracker *t, uint8_t letter)
{
	bool is_ended = false;

	t->copy = letter == 'H' ? COPY_OUT : letter == 'G' ? COPY_IN : COPY_BOTH;
	for (uint32_t i = 1; i < t->asked.runs && !is_ended; i++)
		is_ended = kind_at(t, i) == COPY_END;
	if (is_ended && t->copy != COPY_OUT)
		sent_copy_end(t);
}

/* The COPY has read up to its end: no Sync before that will be answered. */
static void copy_succeeded(struct tracker *t)
{
	bool has_eaten = false;

	if (client_may_copy(t) && questions_see(&t->asked, 0)->count == 1) {
		for (; kind_at(t, 1) == SYNC; has_eaten = true)
			questions_drop_run(&t->asked, 1);
		if (kind_at(t, 1) == COPY_END)
			questions_drop_one(&t->asked, 1);
	}
	if (has_eaten && kind_at(t, 0) == EXECUTE && !has_boundary(t))
		t->unsynced = true;
	t->copy = COPY_NONE;
}

/* Turns the Syncs right behind the head into Syncs in doubt. */
static bool doubt_syncs(struct tracker *t)
{
	uint32_t i = 1;

	for (; kind_at(t, i) == SYNC; i++)
		questions_replace(&t->asked, i, SYNC_MAYBE, ASKED_BY_CLIENT);
	return i > 1;
}

/*
 * Nobody knows how far the COPY has read. Behind Syncs in doubt there may be no more than
 * other Syncs: anything else may have been eaten too or, in an extended query, skipped.
 * Returns false when that leaves no way to find out.
 */
static bool copy_failed(struct tracker *t)
{
	bool is_extended = kind_at(t, 0) == EXECUTE;
	bool is_alone = questions_see(&t->asked, 0)->count == 1;
	bool has_doubt = is_alone && doubt_syncs(t);
	uint32_t next = behind_doubt(t, 1);
	bool is_ended = is_alone && kind_at(t, next) == COPY_END;

	if (is_ended)
		next++;
	bool is_followed =
	    !is_alone || (next < t->asked.runs && kind_at(t, next) != SYNC);
	return !is_followed || (is_extended ? !has_doubt : is_ended);
}

/* After an error in an extended query everything up to a Sync is skipped. */
static void skip_to_sync(struct tracker *t)
{
	while (t->asked.runs > 0 && kind_at(t, 0) != SYNC && kind_at(t, 0) != SYNC_MAYBE)
		questions_drop_run(&t->asked, 0);
	drop_late_copy_ends(t);
	/* A Sync in doubt alone does not end it for certain. */
	t->skipping = kind_at(t, behind_doubt(t, 0)) != SYNC;
}

static enum tracker_answer received_error(struct tracker *t)
{
	struct question_run head = *questions_see(&t->asked, 0);
	bool is_known = !client_may_copy(t) || copy_failed(t);

	t->copy = COPY_NONE;
	if (!is_known) {
		lose(t);
	} else if (reactions['E'][head.kind] == LAST) {
		questions_drop_one(&t->asked, 0);
		skip_to_sync(t);
	}
	return answer_for(head.by);
}

static void received_copy_done(struct tracker *t)
{
	t->copy = t->copy == COPY_BOTH ? COPY_BOTH_SERVER_DONE : COPY_NONE;
}

static bool server_may_copy(const struct tracker *t)
{
	return t->copy == COPY_OUT || t->copy == COPY_BOTH || t->copy == COPY_BOTH_ENDED;
}

/* While a COPY is open only its data, its end and an error may come. */
static bool fits_copy(const struct tracker *t, uint8_t letter)
{
	if (letter == 'd' || letter == 'c')
		return server_may_copy(t);
	return t->copy == COPY_NONE || letter == 'C';
}

/* An answer, other than an error, to the question at the head. */
static enum tracker_answer received_answer(struct tracker *t, uint8_t letter,
					   uint8_t status)
{
	struct question_run head = *questions_see(&t->asked, 0);
	enum reaction reaction = reactions[letter][head.kind];

	if (reaction == WRONG || head.by == ANSWERED_BY_POOLER || !fits_copy(t, letter))
		return TRACKER_UNEXPECTED;
	if (letter == 'G' || letter == 'H' || letter == 'W')
		copy_begin(t, letter);
	else if (letter == 'c')
		received_copy_done(t);
	else if (letter == 'C' && t->copy != COPY_NONE)
		copy_succeeded(t);
	else if (letter == 'Z')
		t->transaction_status = status;
	if (reaction == LAST) {
		questions_drop_one(&t->asked, 0);
		drop_late_copy_ends(t);
	}
	return answer_for(head.by);
}

/*
 * The head is Syncs in doubt, perhaps with certain ones behind. Which of them a
 * ReadyForQuery answers makes no difference; taking the certain ones first leaves the
 * doubt for the end. Says TRACKER_UNEXPECTED also for the first answer to what stands
 * behind, which settles the doubt: the head then is another.
 */
static enum tracker_answer received_in_doubt(struct tracker *t, uint8_t letter,
					     uint8_t status)
{
	uint32_t place = behind_doubt(t, 0);
	enum kind behind = kind_at(t, place);

	if (letter == 'Z') {
		questions_drop_one(&t->asked, behind == SYNC ? place : 0);
		drop_late_copy_ends(t);
		t->skipping = false;
		t->transaction_status = status;
		return TRACKER_FOR_CLIENT;
	}
	if (behind == SYNC || behind == NO_QUESTION)
		return letter == 'E' ? TRACKER_FOR_CLIENT : TRACKER_UNEXPECTED;
	while (kind_at(t, 0) == SYNC_MAYBE)
		questions_drop_run(&t->asked, 0);
	return TRACKER_UNEXPECTED;
}

static enum tracker_answer received_when_lost(struct tracker *t, uint8_t letter,
					      uint8_t status)
{
	if (letter == 'Z')
		t->transaction_status = status;
	for (int kind = 0; letter < 128 && kind < KIND_COUNT; kind++)
		if (reactions[letter][kind] != WRONG)
			return TRACKER_FOR_CLIENT;
	return TRACKER_UNEXPECTED;
}

static enum tracker_answer received_unasked(struct tracker *t, uint8_t letter)
{
	if (letter != 'E')
		return TRACKER_UNEXPECTED;
	/* Unless it is the server's last word: between extended messages it skips. */
	t->skipping = t->skipping || t->unsynced;
	return TRACKER_ASIDE;
}

static enum tracker_answer received_slowly(struct tracker *t, uint8_t letter,
					   uint8_t status)
{
	if (letter == 'N' || letter == 'S' || letter == 'A')
		return TRACKER_ASIDE;
	if (t->lost)
		return received_when_lost(t, letter, status);
	if (t->asked.runs == 0)
		return received_unasked(t, letter);
	if (kind_at(t, 0) == SYNC_MAYBE) {
		enum tracker_answer answer = received_in_doubt(t, letter, status);

		if (answer != TRACKER_UNEXPECTED || kind_at(t, 0) == SYNC_MAYBE ||
		    t->asked.runs == 0)
			return answer;
	}
	if (letter == 'E')
		return received_error(t);
	if (letter >= 128)
		return TRACKER_UNEXPECTED;
	return received_answer(t, letter, status);
}

enum tracker_answer tracker_received(struct tracker *t, uint8_t letter, uint8_t status)
{
	const struct question_run *head = questions_see(&t->asked, 0);

	/* Once per row of a result. */
	if ((letter == 'D' || letter == 'd') && t->asked.runs > 0 &&
	    reactions['D'][head->kind] == MORE && fits_copy(t, letter))
		return answer_for(head->by);
	return received_slowly(t, letter, status);
}

/* ---- what the pooler answers ---- */

uint8_t tracker_due(const struct tracker *t)
{
	const struct question_run *head = questions_see(&t->asked, 0);

	if (t->asked.runs == 0 || head->by != ANSWERED_BY_POOLER)
		return 0;
	return head->kind == PARSE ? '1' : '3';
}

void tracker_take_due(struct tracker *t)
{
	questions_drop_one(&t->asked, 0);
	drop_late_copy_ends(t);
}

bool tracker_awaits_nothing(const struct tracker *t)
{
	for (uint32_t i = 0; i < t->asked.runs; i++)
		if (questions_see(&t->asked, i)->by != ANSWERED_BY_POOLER)
			return false;
	return true;
}
