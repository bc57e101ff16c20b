/*
 * Conversations with a server as scripts, the hard cases of PostgreSQL among them (each
 * was watched on PostgreSQL 15).
 *
 *   >Q  >*Q   the client, the pooler sends
 *   >=P =1    the client asks what the pooler answers; that answer is due, and given
 *   <C  <*C   comes, for the client, for the pooler
 *   <~N  <!N  comes, as an aside, unexpected
 *   idle busy probe   what the tracker says: idle, not idle, not idle and in need of a
 *             probe
 *   >?        the probe is sent
 */
#include "proto/tracker.h"

#include "unit/base/kit.h"
#include "unit/proto/failing_memory.h"

static const char *const scripts[] = {
    /* simple queries */
    "idle >Q busy <T <D <D <C busy <ZI idle",
    ">Q <I <ZI idle",
    ">Q <E busy <ZE idle >Q <E <ZE idle >Q <C <ZI idle",
    ">Q <T <D <C <T <C <C <E <ZI idle",
    ">Q >Q >Q <C <ZI busy <E <ZI busy <T <C <ZI idle",
    ">Q <ZI idle",
    ">Q <s <C <ZT idle",
    ">X idle >H idle >d idle",
    /* asides anywhere */
    "<~N <~S <~A <~E idle >Q <~N <T <~S <D <~A <C <~N <ZI idle <~N",
    ">P >S <~A <1 <~S busy <ZI idle",
    /* extended queries */
    ">P >B >D >E >S busy <1 <2 <T <D <C busy <ZI idle",
    ">P >D >S <1 <t <n <ZI idle >B >E >S <2 <C <ZI idle",
    ">P >D >S <1 <t <T <ZI idle",
    ">B >E >S <2 <D <s <ZT idle >E >S <D <C <ZT idle",
    ">C >S <3 <ZI idle",
    ">P >B >E >S <1 <2 <I <ZI idle",
    ">S <ZI idle",
    ">P busy <1 busy >H busy >S busy <ZI idle",
    ">P >H >B >E >H <1 <2 <C busy >S <ZI idle",
    /* a Sync may fail: a commit with a deferred constraint */
    ">P >B >E >S <1 <2 <C <E busy <ZI idle",
    ">P >B >E >S >Q <1 <2 <C <E <ZI <T <C <ZI idle",
    /* pipelines over several Syncs */
    ">P >B >E >S >B >E >S >S <1 <2 <C <ZI <2 <D <C <ZI busy <ZI idle",
    ">B >E >B >E >B >E >S <2 <C <2 <C <2 <C <ZI idle",
    ">P >B >E >S >P >B >E >S >P >B >E >S <1 <2 <C <ZI <E <ZI <1 <2 <C <ZI idle",
    /* errors in the middle skip up to a Sync, Query and FunctionCall included */
    ">P >B >D >E >S <1 <E busy <ZI idle",
    ">P >B >E >P >B >E >S <1 <2 <E <ZI idle",
    ">P >Q >F >B >S >Q <E busy <ZI busy <C <ZI idle",
    ">P <E busy >Q busy >B >E busy >S busy <ZI idle",
    ">P >H <E busy >H busy >F >Q >S <ZI idle",
    ">B >E >S >B >E >S <2 <E <ZE <E <ZE idle",
    ">D >S <E <ZI idle >C >S <E <ZI idle >E >S <E <ZI idle",
    ">D >S <t <E <ZI idle",
    ">P >c >f >S <E <ZI idle",
    /* an error between extended messages, which the server had not been asked for */
    ">P <1 <~E busy >Q busy >S <ZI idle",
    /* a Query ends what extended messages began */
    ">P >B >E <1 <2 <C busy >Q <T <C <ZI idle",
    ">P >Q <E busy >S <ZI idle",
    ">P >F <1 <V <ZI idle",
    /* function calls */
    ">F <V <ZI idle",
    ">F <~N <V <ZT idle >F <E <ZE idle",
    ">F >F >S <V <ZI <E <ZI <ZI idle",
    /* COPY OUT */
    ">Q <H <d <d <c <C <ZI idle",
    ">P >B >E >S <1 <2 <H <d <~N <d <c <C <ZI idle",
    ">Q <H <d <E <ZI idle",
    ">P >B >E >S <1 <2 <H <E <ZI idle",
    ">Q <H <d <c <C <H <c <C <ZI idle",
    ">Q >Q <H <d <c <C <ZI <C <ZI idle",
    ">Q <H >d >c <d <c <C <ZI idle",
    /* COPY IN */
    ">Q <G busy >d >d >c busy <C <ZI idle",
    ">Q <G busy >d >f busy <E <ZI idle",
    ">Q <G busy >d <E busy <ZI idle >d >c idle",
    ">Q <G busy >d <E >d >c busy <ZI idle",
    ">Q <G <~N busy >c <~N <C <ZI idle",
    ">Q >d >c busy <G busy <C <ZI idle",
    ">Q >d >c <E <ZI idle",
    ">Q >d >c >Q <G <C <ZI busy <C <ZI idle",
    ">Q >d >c >Q <G <E <ZI busy <C <ZI idle",
    ">Q <G >d >c <C <G busy >d >c <C <ZI idle",
    ">Q >d >c >d >c <G <C <G busy <C <ZI idle",
    ">Q >d >c >S >d >c >S <G <C <G <C <ZI busy <ZI idle",
    ">Q <H <d <c <C <G busy >c <C <ZI idle",
    ">Q <G >H >H busy >c <C <ZI idle",
    /* extended COPY IN, as libpq does it: the first Sync is eaten */
    ">P >B >D >E >S <1 <2 <n <G busy >d >c busy >S <C busy <ZI idle",
    ">P >B >E >S <1 <2 <G busy >d >c <C busy >S busy <ZI idle",
    ">P >B >E >S >S >S <1 <2 <G busy >c >S >S <C <ZI busy <ZI idle",
    ">P >B >E >S <1 <2 <G >S busy >S >d >c >S <C <ZI idle",
    ">P >B >E >S <1 <2 <G >c >Q <C busy <C <ZI idle",
    ">P >B >E >H >d >c >S <1 <2 <G <C <ZI idle",
    ">P >B >E >H <1 <2 <G >d >c >P >B >E >S <C <1 <2 <C <ZI idle",
    ">P >B >E >H <1 <2 <G >f >S <E busy <ZI idle",
    ">P >B >E >H <1 <2 <G >d <E busy >c busy >Q busy >S busy <ZI idle",
    /* the COPY is never begun, so the Sync is answered */
    ">P >B >E >S <1 <2 <E busy <ZI idle",
    ">P >B >E >S >d >c >S <1 <2 <E <ZI busy <ZI idle",
    /* it fails: was the first Sync eaten? */
    ">P >B >E >S <1 <2 <G <E busy <ZI idle",
    ">P >B >E >S <1 <2 <G <E busy >d >c >S busy <ZI probe >? busy <*I busy <*ZI idle",
    ">P >B >E >S <1 <2 <G <E >c >S <ZI probe <ZI idle",
    ">P >B >E >S <1 <2 <G <E >c >S <ZI probe >? <ZI busy <*I <*ZI idle",
    ">P >B >E >S <1 <2 <G >c >S <E <ZI probe >? <*I <*ZI idle",
    ">P >B >E >S <1 <2 <G <E <ZI idle >d >c >S <ZI idle",
    ">P >B >E >S >S >S <1 <2 <G <E busy <ZI probe >? <ZI <*I <*ZI idle",
    ">P >B >E >S >S >S <1 <2 <G <E <ZI <ZI <ZI idle",
    ">P >B >E >S >c >S >c >S <1 <2 <G <E <ZI <ZI probe <ZI idle",
    /* the next question settles it */
    ">P >B >E >S <1 <2 <G >c >S <E <ZI probe >Q busy <T <C <ZI idle",
    ">P >B >E >S <1 <2 <G >c >S <E <ZI >Q busy <ZI busy <T <C <ZI idle",
    ">P >B >E >S <1 <2 <G >c >S >P >B >E >S <E <ZI <ZI <1 <2 <C <ZI idle",
    ">P >B >E >S <1 <2 <G >c >S >P >B >E >S <E <ZI <1 <2 <C <ZI idle",
    ">P >B >E >S <1 <2 <G >c >S >P >B >E >S <E <ZI <E <ZI idle",
    ">P >B >E >S <1 <2 <G >c >S >*Q <E <ZI <*C <*ZI idle",
    /* the same in a simple query: there nothing is skipped */
    ">Q >S <G busy >c <C <ZI idle",
    ">Q >S <G <E busy <ZI probe >? <*I <*ZI idle",
    ">Q >S <G <E <ZI <ZI idle >c idle",
    ">Q >S <G >c <E >c <ZI probe >c probe <ZI idle",
    ">Q >S >d >c >Q <G <E <ZI <C <ZI idle",
    ">Q >S >d >c >Q <G <E <ZI <ZI <C <ZI idle",
    ">Q >S <G <E <~N <ZI <~S probe",
    /* a client that pipelines into a COPY: nobody will ever know */
    ">Q >Q <G <E <ZI busy <C <ZI busy >Q busy <C <ZI busy",
    ">Q <G >Q busy <E busy <ZI busy",
    ">P <!G >S <1 <!G <ZI idle >Q <G <!G busy",
    ">P >B >E >S >P >B >E >S <1 <2 <G <E <ZI <1 <2 <C <ZI busy",
    ">P >B >E >S <1 <2 <G >c >P <E busy <ZI busy",
    ">P >B >E >S <1 <2 <G <E >P busy >S <ZI busy <ZI busy",
    /* but behind no Sync at all everything is skipped, read or not */
    ">P >B >E >P >B >E >S <1 <2 <G <E <ZI idle",
    ">P >B >E >E >S <1 <2 <G <E <ZI idle",
    ">P >B >E >E >E >S >S <1 <2 <G <E <ZI <ZI idle",
    /* COPY BOTH */
    ">Q <W busy <d >d <d >c busy <d <c <C <ZI idle",
    ">Q <W busy <d <c busy >d >c busy <C <ZI idle",
    ">Q <W <c >c <T <D <C <C <ZI idle",
    ">Q <W <d <E <ZI idle >c idle",
    ">Q <W <d <C <ZI idle",
    ">Q >d >c <W busy <d <c <C <ZI idle",
    /* the pooler's own questions */
    ">*Q <*C <*C <*ZI idle >Q <C <ZI idle",
    ">*Q >Q <*C <*ZI <T <C <ZI idle",
    ">*P >B >E >S <*1 <2 <C <ZI idle",
    ">P >*P >B >E >*C >S <1 <*1 <2 <C <*3 <ZI idle",
    ">*P >B >E >S <*E <ZI idle",
    ">P >*C >S <E <ZI idle",
    ">Q >*Q <~N <C <ZI <~N <*E <*ZI idle",
    ">*Q <*T <*D <*C <*ZI idle",
    ">*S >S <*ZI <ZI idle",
    /* what the pooler answers */
    ">=P =1 >S <ZI idle",
    ">=P >B >E >S =1 <2 <C <ZI idle",
    ">=P >=P >=C >S =1 =1 =3 <ZI idle",
    ">B >E >=C >S <2 <C =3 <ZI idle",
    ">P >=C >S <1 =3 <ZI idle",
    ">*P >=P >B >S <*1 =1 <2 <ZI idle",
    ">=C busy =3 busy >S <ZI idle",
    ">Q >=P >S <C <ZI =1 <ZI idle",
    /* but not where the server skips */
    ">B >=P >E >S <E busy <ZI idle",
    ">B <E >=P >=C busy >S <ZI idle",
    ">B >=P >S >=C >S <E <ZI =3 <ZI idle",
    ">=P >B >=C >S =1 <E <ZI idle",
    ">P >B >E >=C >S <1 <2 <G <E <ZI idle",
    ">P >B >E >H >=C >c >S <1 <2 <G <C =3 <ZI idle",
    /* what no server may say */
    ">=P <!1 =1 >S <ZI idle",
    "<!Z <!C <!D <!1 <!R <!K <!v <!x <!d <!G idle",
    ">Q <!1 <!2 <!3 <!n <!t <!V <!R <!K",
    ">P <!2 <!Z <!D <!C >S <1 <!1 <!C <!I <ZI idle",
    ">B <!1 >E <2 <!T <!n",
    ">D <!1 <t <!D <n",
    ">S <!C <!D <!I <!T <ZI idle",
    ">F <!C <!D <!T <V <ZI idle",
    ">Q <G <!d <!D <!Z <!G <!c <!H >c <C <ZI idle",
    ">Q <H <!D <!G <!T <!Z <d <c <!d <!c <C <ZI idle",
    ">Q <!d <!c <C <ZI",
    ">P >B >E >S <1 <2 <G <E <!C <!1 <ZI idle",
};

struct run {
	struct tracker t;
	const char *script;
	const char *at;
};

static void run_fails(const struct run *r, const char *why)
{
	fail_msg("%s: %s at \"%s\"", r->script, why, r->at);
}

static void run_send(struct run *r, const char *word)
{
	bool is_own = word[1] == '*', is_answered = word[1] == '=';

	if (word[1] == '?') {
		if (!tracker_probe_sent(&r->t))
			run_fails(r, "no memory");
		return;
	}
	if (!tracker_sent(&r->t, (uint8_t)word[1 + is_own + is_answered],
			  is_own        ? ASKED_BY_POOLER
			  : is_answered ? ANSWERED_BY_POOLER
					: ASKED_BY_CLIENT))
		run_fails(r, "no memory");
}

static void run_give_due(struct run *r, const char *word)
{
	uint64_t question = tracker_oldest(&r->t);

	if (tracker_due(&r->t) != (uint8_t)word[1]) {
		run_fails(r, "that is not due");
		return;
	}
	if (tracker_asker(&r->t) != ASKED_BY_CLIENT)
		run_fails(r, "what is due is not the client's");
	tracker_take_due(&r->t);
	if (tracker_oldest(&r->t) <= question)
		run_fails(r, "it is not done");
}

/* Whether any question of the pooler's own is outstanding. */
static bool has_own(const struct tracker *t)
{
	for (uint32_t i = 0; i < t->asked.runs; i++)
		if (questions_see(&t->asked, i)->by == ASKED_BY_POOLER)
			return true;
	return false;
}

static void run_receive(struct run *r, const char *word)
{
	static const char marks[] = {[TRACKER_FOR_POOLER] = '*',
				     [TRACKER_ASIDE] = '~',
				     [TRACKER_UNEXPECTED] = '!'};
	enum tracker_answer expected = TRACKER_FOR_CLIENT;

	for (size_t i = 1; i < COUNT_OF(marks); i++)
		if (word[1] == marks[i])
			expected = (enum tracker_answer)i;
	const char *letter = word + 1 + (expected != TRACKER_FOR_CLIENT);
	bool was_own = has_own(&r->t);
	if (tracker_due(&r->t) && expected == TRACKER_FOR_CLIENT)
		run_fails(r, "something is due before");
	if (tracker_received(&r->t, (uint8_t)letter[0], (uint8_t)letter[1]) != expected)
		run_fails(r, "wrong answer");
	if (expected == TRACKER_FOR_POOLER && !was_own)
		run_fails(r, "not known to be the pooler's");
	if (letter[0] == 'Z' && expected != TRACKER_UNEXPECTED &&
	    tracker_transaction_status(&r->t) != (uint8_t)letter[1])
		run_fails(r, "wrong status");
}

static void run_expect(struct run *r, const char *word)
{
	bool is_idle = tracker_is_idle(&r->t);

	if (is_idle != (strncmp(word, "idle", 4) == 0))
		run_fails(r, is_idle ? "is idle" : "is not idle");
	if (tracker_needs_probe(&r->t) != (strncmp(word, "probe", 5) == 0))
		run_fails(r, "probe or no probe");
	if (is_idle && (r->t.asked.ring || r->t.asked.messages))
		run_fails(r, "idle owns something");
	if (is_idle && tracker_asker(&r->t) != ASKED_BY_CLIENT)
		run_fails(r, "idle serves the pooler");
}

static void run_words(struct run *r)
{
	for (r->at = r->script; *r->at; r->at += strspn(r->at, " ")) {
		if (*r->at == '>')
			run_send(r, r->at);
		else if (*r->at == '<')
			run_receive(r, r->at);
		else if (*r->at == '=')
			run_give_due(r, r->at);
		else
			run_expect(r, r->at);
		r->at += strcspn(r->at, " ");
	}
}

static void run_script(const char *script)
{
	struct run r = {.script = script};

	run_words(&r);
	tracker_fini(&r.t);
}

/* What is left open behind a conversation: letters as in left_open_by(). */
static const struct {
	const char *script, *open;
} endings[] = {
    {"idle", "0"},
    {">Q", "1"},
    {">Q >Q >F >S", "4"},
    {">Q >Q <C <ZI", "1"},
    {">P", "u0"},
    {">P >B >E >S", "1"},
    {">P >B >E >S >Q >P", "u2"},
    {">P >B >E >H <1 <2 <C", "u0"},
    {">P >B >E >H <1 <E", "u0"},
    {">P >Q <1", "1"},
    {">*Q >Q", "2"},
    {">Q <H <d", "1"},
    {">Q >d >c", "1"},
    {">Q <G >d", "c1"},
    {">Q <G >d >c", "1"},
    {">Q <G >d >f", "1"},
    {">Q <G >d <E", "1"},
    {">Q <G >c <C <G", "c1"},
    {">P >B >E >S <1 <2 <G", "c1"},
    {">P >B >E >S <1 <2 <G >c", "1"},
    {">P >B >E >S <1 <2 <G >c <C", "u0"},
    {">P >B >E >H <1 <2 <G", "cu0"},
    {">Q <W", "cb1"},
    {">Q <W >c", "b1"},
    {">Q <W <c", "cb1"},
    {">Q <W <c >c", "1"},
    {">Q >Q <G", "c2"},
    {">Q >Q <G <E", "l0"},
};

/* c: a COPY awaits data, b: it goes both ways, u: no Sync, l: lost; and the requests. */
static void left_open_by(const struct tracker *t, char out[16])
{
	size_t len = 0;

	if (tracker_awaits_copy(t))
		out[len++] = 'c';
	if (tracker_copies_both_ways(t))
		out[len++] = 'b';
	if (tracker_is_unsynced(t))
		out[len++] = 'u';
	if (tracker_is_lost(t))
		out[len++] = 'l';
	snprintf(out + len, 16 - len, "%u", tracker_requests(t));
}

static void what_is_left_open_is_told(void **state)
{
	char open[16];

	(void)state;
	for (size_t i = 0; i < COUNT_OF(endings); i++) {
		struct run r = {.script = endings[i].script};

		run_words(&r);
		left_open_by(&r.t, open);
		if (strcmp(open, endings[i].open) != 0)
			fail_msg("%s: \"%s\", not \"%s\"", endings[i].script, open,
				 endings[i].open);
		tracker_fini(&r.t);
	}
}

static void conversations_are_followed(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(scripts); i++)
		run_script(scripts[i]);
}

static void the_oldest_question_tells_who_is_served(void **state)
{
	struct tracker t = {0};

	(void)state;
	assert_int_equal(tracker_asker(&t), ASKED_BY_CLIENT);
	assert_true(tracker_sent(&t, 'Q', ASKED_BY_POOLER));
	assert_true(tracker_sent(&t, 'Q', ASKED_BY_CLIENT));
	assert_int_equal(tracker_asker(&t), ASKED_BY_POOLER);
	assert_true(has_own(&t));
	tracker_received(&t, 'Z', 'I');
	assert_int_equal(tracker_asker(&t), ASKED_BY_CLIENT);
	assert_false(has_own(&t));
	tracker_fini(&t);
}

static void skipped_questions_of_the_pooler_are_forgotten(void **state)
{
	struct tracker t = {0};

	(void)state;
	assert_true(tracker_sent(&t, 'P', ASKED_BY_CLIENT));
	assert_true(tracker_sent(&t, 'P', ASKED_BY_POOLER));
	assert_true(tracker_sent(&t, 'S', ASKED_BY_CLIENT));
	assert_int_equal(t.asked.messages, 3);
	tracker_received(&t, 'E', 0);
	assert_false(has_own(&t));
	assert_int_equal(t.asked.messages, 1);
	tracker_fini(&t);
}

static void questions_are_numbered_and_done_in_order(void **state)
{
	struct tracker t = {0};

	(void)state;
	for (int i = 0; i < 3; i++) {
		assert_int_equal(tracker_next(&t), (uint64_t)i);
		assert_true(tracker_sent(&t, 'B', ASKED_BY_CLIENT));
	}
	assert_true(tracker_sent(&t, 'H', ASKED_BY_CLIENT));
	assert_true(tracker_sent(&t, 'S', ASKED_BY_CLIENT));
	assert_int_equal(tracker_next(&t), 4);
	assert_int_equal(tracker_oldest(&t), 0);
	tracker_received(&t, '2', 0);
	assert_int_equal(tracker_oldest(&t), 1);
	/* the rest up to the Sync is skipped */
	tracker_received(&t, 'E', 0);
	assert_int_equal(tracker_oldest(&t), 3);
	assert_false(tracker_is_skipping(&t));
	tracker_received(&t, 'Z', 'I');
	assert_int_equal(tracker_oldest(&t), tracker_next(&t));
	tracker_fini(&t);
}

static void what_is_certain_to_be_answered_is_told(void **state)
{
	static const struct {
		const char *sent;
		uint64_t batch, turn;
	} rows[] = {{"B", 0, 0},   {"BS", 2, 2},   {"Q", 1, 1},
		    {"QB", 1, 1},  {"BQ", 0, 2},   {"BQQ", 0, 3},
		    {"BQS", 3, 3}, {"BSQB", 3, 3}, {"BQSB", 3, 3}};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct tracker t = {0};
		for (const char *at = rows[i].sent; *at; at++)
			assert_true(tracker_sent(&t, (uint8_t)*at, ASKED_BY_CLIENT));
		assert_int_equal(tracker_batch(&t), rows[i].batch);
		assert_int_equal(tracker_turn(&t), rows[i].turn);
		tracker_fini(&t);
	}
}

static void what_is_skipped_has_no_number(void **state)
{
	struct tracker t = {0};

	(void)state;
	assert_true(tracker_sent(&t, 'P', ASKED_BY_CLIENT));
	tracker_received(&t, 'E', 0);
	assert_true(tracker_is_skipping(&t));
	assert_true(tracker_sent(&t, 'P', ANSWERED_BY_POOLER));
	assert_true(tracker_sent(&t, 'B', ASKED_BY_CLIENT));
	assert_int_equal(tracker_next(&t), 1);
	assert_int_equal(tracker_due(&t), 0);
	tracker_fini(&t);
}

static void nothing_is_awaited_of_a_server_that_was_asked_nothing(void **state)
{
	struct tracker t = {0};

	(void)state;
	assert_true(tracker_awaits_nothing(&t));
	assert_true(tracker_sent(&t, 'P', ANSWERED_BY_POOLER));
	assert_true(tracker_sent(&t, 'C', ANSWERED_BY_POOLER));
	assert_true(tracker_awaits_nothing(&t));
	assert_true(tracker_sent(&t, 'S', ASKED_BY_CLIENT));
	assert_false(tracker_awaits_nothing(&t));
	tracker_fini(&t);
}

static void the_status_is_idle_before_the_first_word(void **state)
{
	struct tracker t = {0};

	(void)state;
	assert_int_equal(tracker_transaction_status(&t), 'I');
	assert_true(tracker_is_idle(&t));
	tracker_fini(&t);
}

static void many_messages_cost_little(void **state)
{
	struct tracker t = {0};
	unsigned count = 0;

	(void)state;
	for (; tracker_has_room(&t); count++)
		assert_true(tracker_sent(&t, 'Q', ASKED_BY_CLIENT));
	assert_true(count >= 20000);
	assert_null(t.asked.ring);
	for (; count > 0; count--) {
		assert_false(tracker_is_idle(&t));
		tracker_received(&t, 'C', 0);
		tracker_received(&t, 'Z', 'I');
	}
	assert_true(tracker_is_idle(&t));
	tracker_fini(&t);
}

static void a_long_pipeline_is_followed_and_its_memory_given_back(void **state)
{
	struct tracker t = {0};
	int sent = 0;

	(void)state;
	for (int round = 0; round < 3; round++) {
		for (sent = 0; sent < 5000; sent++) {
			tracker_sent(&t, 'P', ASKED_BY_CLIENT);
			tracker_sent(&t, 'B', ASKED_BY_CLIENT);
			tracker_sent(&t, 'E', ASKED_BY_CLIENT);
		}
		tracker_sent(&t, 'S', ASKED_BY_CLIENT);
		assert_non_null(t.asked.ring);
		assert_true(t.asked.cap * sizeof(*t.asked.ring) <= 128 * 1024);
		for (; sent > 0; sent--) {
			assert_int_equal(tracker_received(&t, '1', 0),
					 TRACKER_FOR_CLIENT);
			assert_int_equal(tracker_received(&t, '2', 0),
					 TRACKER_FOR_CLIENT);
			assert_int_equal(tracker_received(&t, 'C', 0),
					 TRACKER_FOR_CLIENT);
		}
		assert_int_equal(tracker_received(&t, 'Z', 'T'), TRACKER_FOR_CLIENT);
		assert_true(tracker_is_idle(&t));
		assert_null(t.asked.ring);
	}
	tracker_fini(&t);
}

static void short_memory_changes_nothing(void **state)
{
	(void)state;
	for (size_t n = 1; n < 4; n++) {
		struct tracker t = {0};
		bool went_well = true;

		memory_fails_at(n);
		for (int i = 0; i < 200 && went_well; i++) {
			uint32_t outstanding = t.asked.messages;

			went_well = tracker_sent(&t, i % 2 ? 'B' : 'E', ASKED_BY_CLIENT);
			assert_int_equal(t.asked.messages, outstanding + went_well);
		}
		assert_int_equal(went_well, !memory_has_failed());
		assert_false(went_well);
		memory_fails_at(0);
		for (uint32_t left = t.asked.messages, i = 0; i < left; i++)
			assert_int_equal(tracker_received(&t, i % 2 ? '2' : 'C', 0),
					 TRACKER_FOR_CLIENT);
		assert_int_equal(t.asked.messages, 0);
		tracker_fini(&t);
	}
}

static void a_flood_of_syncs_into_a_copy_is_counted(void **state)
{
	struct tracker t = {0};

	(void)state;
	tracker_sent(&t, 'E', ASKED_BY_CLIENT);
	for (int i = 0; i < 200000; i++)
		tracker_sent(&t, 'S', i % 2000 ? ASKED_BY_CLIENT : ASKED_BY_POOLER);
	assert_false(tracker_has_room(&t));
	tracker_received(&t, 'G', 0);
	tracker_received(&t, 'E', 0);
	assert_false(tracker_is_idle(&t));
	assert_false(has_own(&t));
	tracker_fini(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(conversations_are_followed),
	    cmocka_unit_test(the_oldest_question_tells_who_is_served),
	    cmocka_unit_test(skipped_questions_of_the_pooler_are_forgotten),
	    cmocka_unit_test(questions_are_numbered_and_done_in_order),
	    cmocka_unit_test(what_is_certain_to_be_answered_is_told),
	    cmocka_unit_test(what_is_skipped_has_no_number),
	    cmocka_unit_test(nothing_is_awaited_of_a_server_that_was_asked_nothing),
	    cmocka_unit_test(what_is_left_open_is_told),
	    cmocka_unit_test(the_status_is_idle_before_the_first_word),
	    cmocka_unit_test(many_messages_cost_little),
	    cmocka_unit_test(a_long_pipeline_is_followed_and_its_memory_given_back),
	    cmocka_unit_test(short_memory_changes_nothing),
	    cmocka_unit_test(a_flood_of_syncs_into_a_copy_is_counted),
	};

	return cmocka_run_group_tests_name("tracker", tests, NULL, NULL);
}
