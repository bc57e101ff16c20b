/*
 * Channels, members, and what is kept for listeners.
 */
#include "pool/channels.h"

#include <stdlib.h>

#include "unit/base/kit.h"
#include "unit/proto/failing_memory.h"

static struct slice text(const char *s)
{
	return slice_of_text(s);
}

static const char *ask(struct channels *ch, unsigned most)
{
	static char out[512];
	struct buffer sql = {0};

	assert_true(channels_ask(ch, most, &sql) >= 0);
	snprintf(out, sizeof(out), "%.*s", (int)buffer_len(&sql),
		 buffer_len(&sql) ? (const char *)buffer_bytes(&sql).data : "");
	buffer_fini(&sql);
	assert_true(channels_are_sound(ch));
	return out;
}

struct heard {
	unsigned count;
	char names[128];
};

static void on_listened(struct channel *c, void *context)
{
	struct heard *h = context;

	h->count++;
	strncat(h->names, c->name, sizeof(h->names) - strlen(h->names) - 1);
}

static void answer(struct channels *ch, bool has_worked, struct heard *out)
{
	*out = (struct heard){0};
	channels_answered(ch, has_worked, on_listened, out);
	assert_true(channels_are_sound(ch));
}

static void a_channel_is_listened_to_while_it_has_members(void **state)
{
	struct listener one, two;
	struct channels ch;
	struct heard h;

	(void)state;
	channels_init(&ch);
	listener_init(&one);
	listener_init(&two);
	struct member *a = channels_join(&ch, &one, text("a"));
	struct member *b = channels_join(&ch, &two, text("a"));
	assert_ptr_equal(a->channel, b->channel);
	assert_ptr_equal(channels_join(&ch, &one, text("a")), a);
	assert_false(a->is_certain);
	assert_string_equal(ask(&ch, 10), "LISTEN \"a\";");
	answer(&ch, true, &h);
	assert_string_equal(h.names, "a");
	assert_true(channels_are_settled(&ch));
	channels_leave(&ch, a);
	assert_true(channels_are_settled(&ch));
	channels_leave(&ch, b);
	assert_string_equal(ask(&ch, 10), "UNLISTEN \"a\";");
	answer(&ch, true, &h);
	assert_int_equal(h.count, 0);
	assert_int_equal(ch.count, 0);
	channels_fini(&ch);
}

static void names_are_quoted_and_bounded(void **state)
{
	char longest[CHANNEL_NAME_MAX + 1], too_long[CHANNEL_NAME_MAX + 2];
	struct listener l;
	struct channels ch;

	(void)state;
	channels_init(&ch);
	listener_init(&l);
	memset(longest, '"', sizeof(longest) - 1);
	longest[CHANNEL_NAME_MAX] = '\0';
	memset(too_long, 'x', sizeof(too_long) - 1);
	too_long[CHANNEL_NAME_MAX + 1] = '\0';
	assert_null(channels_join(&ch, &l, text("")));
	assert_null(channels_join(&ch, &l, text(too_long)));
	assert_null(channels_join(&ch, &l, slice_of("a\0b", 3)));
	struct member *m = channels_join(&ch, &l, text("A \"b\";"));
	assert_string_equal(ask(&ch, 10), "LISTEN \"A \"\"b\"\";\";");
	channels_lost(&ch);
	channels_leave(&ch, m);
	m = channels_join(&ch, &l, text(longest));
	assert_int_equal(strlen(ask(&ch, 10)),
			 strlen("LISTEN \"\";") + 2 * CHANNEL_NAME_MAX);
	channels_lost(&ch);
	channels_leave(&ch, m);
	channels_fini(&ch);
}

static void what_changes_while_it_is_asked_is_asked_again(void **state)
{
	struct listener l;
	struct channels ch;
	struct heard h;

	(void)state;
	channels_init(&ch);
	listener_init(&l);
	struct member *m = channels_join(&ch, &l, text("a"));
	ask(&ch, 10);
	channels_leave(&ch, m);
	answer(&ch, true, &h);
	assert_int_equal(h.count, 0);
	assert_string_equal(ask(&ch, 10), "UNLISTEN \"a\";");
	m = channels_join(&ch, &l, text("a"));
	answer(&ch, true, &h);
	assert_int_equal(h.count, 0);
	assert_string_equal(ask(&ch, 10), "LISTEN \"a\";");
	answer(&ch, true, &h);
	assert_int_equal(h.count, 1);
	channels_leave(&ch, m);
	/* Joined again before anything was said: nothing has to be. */
	m = channels_join(&ch, &l, text("a"));
	assert_true(channels_are_settled(&ch));
	channels_leave(&ch, m);
	channels_fini(&ch);
}

static void many_are_asked_in_parts(void **state)
{
	struct listener l;
	struct channels ch;
	struct heard h;

	(void)state;
	channels_init(&ch);
	listener_init(&l);
	channels_join(&ch, &l, text("a"));
	channels_join(&ch, &l, text("b"));
	channels_join(&ch, &l, text("c"));
	assert_string_equal(ask(&ch, 2), "LISTEN \"a\";LISTEN \"b\";");
	answer(&ch, false, &h);
	assert_int_equal(h.count, 0);
	/* Those that failed come behind the others. */
	assert_string_equal(ask(&ch, 1), "LISTEN \"c\";");
	answer(&ch, true, &h);
	assert_string_equal(h.names, "c");
	while (l.count > 0)
		channels_leave(&ch, TAILQ_FIRST(&l.channels));
	channels_fini(&ch);
}

static void a_channel_can_be_asked_for_again(void **state)
{
	struct listener one, two;
	struct channels ch;
	struct heard h;

	(void)state;
	channels_init(&ch);
	listener_init(&one);
	listener_init(&two);
	struct member *m = channels_join(&ch, &one, text("a"));
	assert_false(m->is_late);
	ask(&ch, 10);
	/* Who comes now comes too late for that answer. */
	struct member *late = channels_join(&ch, &two, text("a"));
	assert_true(late->is_late);
	channels_touch(&ch, late->channel);
	answer(&ch, true, &h);
	assert_int_equal(h.count, 1);
	assert_string_equal(ask(&ch, 10), "LISTEN \"a\";");
	/* What failed must be asked again. */
	answer(&ch, false, &h);
	assert_string_equal(ask(&ch, 10), "LISTEN \"a\";");
	answer(&ch, true, &h);
	assert_int_equal(h.count, 1);
	assert_true(channels_are_settled(&ch));
	channels_touch(&ch, m->channel);
	assert_false(channels_are_settled(&ch));
	/* Without members there is nothing to ask for, but to UNLISTEN. */
	channels_leave(&ch, m);
	channels_leave(&ch, late);
	assert_string_equal(ask(&ch, 10), "UNLISTEN \"a\";");
	answer(&ch, true, &h);
	assert_int_equal(ch.count, 0);
	channels_fini(&ch);
}

static void a_lost_connection_has_to_be_told_everything_again(void **state)
{
	struct listener l;
	struct channels ch;
	struct heard h;

	(void)state;
	channels_init(&ch);
	listener_init(&l);
	struct member *a = channels_join(&ch, &l, text("a"));
	struct member *b = channels_join(&ch, &l, text("b"));
	ask(&ch, 10);
	answer(&ch, true, &h);
	channels_leave(&ch, b);
	channels_join(&ch, &l, text("c"));
	ask(&ch, 1);
	channels_lost(&ch);
	assert_true(channels_are_sound(&ch));
	assert_int_equal(ch.count, 2);
	assert_non_null(strstr(ask(&ch, 10), "LISTEN \"a\";"));
	answer(&ch, true, &h);
	assert_int_equal(h.count, 2);
	channels_leave(&ch, a);
	channels_leave(&ch, TAILQ_FIRST(&l.channels));
	channels_fini(&ch);
}

static void keep(struct listener *l, struct member *m, const char *what)
{
	struct notification *n = notification_make(text(what));

	assert_true(listener_keep(l, m, n));
	notification_unref(n);
}

static void assert_next(struct listener *l, const char *what)
{
	struct notification *n = listener_next(l);

	assert_non_null(n);
	assert_int_equal(n->len, strlen(what));
	assert_memory_equal(n->bytes, what, n->len);
	listener_drop(l);
}

static void what_is_kept_comes_in_order(void **state)
{
	struct listener l;
	struct channels ch;

	(void)state;
	channels_init(&ch);
	listener_init(&l);
	struct member *a = channels_join(&ch, &l, text("a"));
	struct member *b = channels_join(&ch, &l, text("b"));
	a->is_certain = true;
	keep(&l, a, "one");
	keep(&l, b, "two");
	keep(&l, a, "three");
	keep(&l, NULL, "four");
	assert_true(l.kept_len > strlen("onetwothreefour"));
	assert_next(&l, "one");
	/* It is not known whether the second is for it, and the others do not overtake.
	 */
	assert_null(listener_next(&l));
	b->is_certain = true;
	assert_next(&l, "two");
	assert_next(&l, "three");
	assert_next(&l, "four");
	assert_null(listener_next(&l));
	assert_int_equal(l.kept_len, 0);
	channels_leave(&ch, a);
	channels_leave(&ch, b);
	listener_fini(&l);
	channels_fini(&ch);
}

static void leaving_drops_what_was_kept_and_nothing_else(void **state)
{
	struct listener l;
	struct channels ch;

	(void)state;
	channels_init(&ch);
	listener_init(&l);
	struct member *a = channels_join(&ch, &l, text("a"));
	struct member *b = channels_join(&ch, &l, text("b"));
	a->is_certain = true;
	keep(&l, b, "zero");
	keep(&l, a, "one");
	keep(&l, b, "two");
	keep(&l, a, "three");
	keep(&l, b, "four");
	channels_leave(&ch, b);
	keep(&l, a, "five");
	assert_next(&l, "one");
	assert_next(&l, "three");
	assert_next(&l, "five");
	assert_int_equal(l.kept_len, 0);
	keep(&l, a, "six");
	member_forget_kept(a);
	assert_int_equal(a->kept, 0);
	assert_null(listener_next(&l));
	keep(&l, NULL, "seven");
	channels_leave(&ch, a);
	listener_fini(&l);
	channels_fini(&ch);
}

static void payloads_are_shared(void **state)
{
	struct notification *n = notification_make(text("news"));
	struct listener l[3];

	(void)state;
	for (int i = 0; i < 3; i++) {
		listener_init(&l[i]);
		assert_true(listener_keep(&l[i], NULL, n));
	}
	assert_int_equal(n->refs, 4);
	notification_unref(n);
	for (int i = 0; i < 3; i++)
		assert_ptr_equal(listener_next(&l[i]), n);
	for (int i = 0; i < 3; i++)
		listener_fini(&l[i]);
}

static void a_lack_of_memory_changes_nothing(void **state)
{
	struct listener l;
	struct channels ch;

	(void)state;
	channels_init(&ch);
	listener_init(&l);
	for (size_t n = 1;; n++) {
		memory_fails_at(n);
		struct member *m = channels_join(&ch, &l, text("a"));
		bool has_failed = memory_has_failed();
		memory_fails_at(0);
		assert_true(channels_are_sound(&ch));
		assert_int_equal(m != NULL, !has_failed);
		if (!has_failed)
			break;
		assert_int_equal(ch.count, 0);
		assert_int_equal(l.count, 0);
	}
	memory_fails_at(1);
	struct buffer sql = {0};
	assert_int_equal(channels_ask(&ch, 10, &sql), -1);
	memory_fails_at(0);
	assert_true(channels_are_sound(&ch));
	struct notification *n = notification_make(text("x"));
	memory_fails_at(1);
	assert_false(listener_keep(&l, NULL, n));
	memory_fails_at(0);
	assert_int_equal(l.kept_len, 0);
	notification_unref(n);
	buffer_fini(&sql);
	channels_leave(&ch, TAILQ_FIRST(&l.channels));
	channels_fini(&ch);
}

/* Against a model: who is a member, and what the connection listens to. */
static void random_changes_agree_with_a_model(void **state)
{
	enum { LISTENERS = 4, NAMES = 5 };
	static const char *const names[NAMES] = {"a", "b", "c", "d", "e"};
	bool is_member[LISTENERS][NAMES] = {{false}}, is_listened[NAMES] = {false};
	struct listener l[LISTENERS];
	struct channels ch;
	struct heard h;

	(void)state;
	channels_init(&ch);
	for (int i = 0; i < LISTENERS; i++)
		listener_init(&l[i]);
	srand(17);
	for (int step = 0; step < 20000; step++) {
		int who = rand() % LISTENERS, what = rand() % NAMES;
		struct member *m = listener_find(&l[who], text(names[what]));
		assert_int_equal(m != NULL, is_member[who][what]);
		switch (rand() % 8) {
		case 0:
			channels_lost(&ch);
			memset(is_listened, 0, sizeof(is_listened));
			break;
		case 1:
		case 2: {
			bool has_worked = rand() % 4 != 0;
			struct buffer sql = {0};
			channels_ask(&ch, 1 + (unsigned)rand() % 3, &sql);
			struct channel *c;
			TAILQ_FOREACH (c, &ch.asked, place) {
				int i = c->name[0] - 'a';
				assert_true(c->is_wanted || is_listened[i]);
				if (has_worked)
					is_listened[i] = c->is_wanted;
			}
			buffer_fini(&sql);
			answer(&ch, has_worked, &h);
			break;
		}
		case 3:
			if (m)
				channels_touch(&ch, m->channel);
			break;
		default:
			if (m)
				channels_leave(&ch, m);
			else
				assert_non_null(
				    channels_join(&ch, &l[who], text(names[what])));
			is_member[who][what] = !m;
			break;
		}
		assert_true(channels_are_sound(&ch));
		for (int i = 0; i < NAMES; i++) {
			struct channel *c = channels_find(&ch, text(names[i]));
			assert_int_equal(c && c->is_listened, is_listened[i]);
		}
	}
	for (int i = 0; i < LISTENERS; i++)
		while (l[i].count > 0)
			channels_leave(&ch, TAILQ_FIRST(&l[i].channels));
	channels_fini(&ch);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_channel_is_listened_to_while_it_has_members),
	    cmocka_unit_test(names_are_quoted_and_bounded),
	    cmocka_unit_test(what_changes_while_it_is_asked_is_asked_again),
	    cmocka_unit_test(many_are_asked_in_parts),
	    cmocka_unit_test(a_channel_can_be_asked_for_again),
	    cmocka_unit_test(a_lost_connection_has_to_be_told_everything_again),
	    cmocka_unit_test(what_is_kept_comes_in_order),
	    cmocka_unit_test(leaving_drops_what_was_kept_and_nothing_else),
	    cmocka_unit_test(payloads_are_shared),
	    cmocka_unit_test(a_lack_of_memory_changes_nothing),
	    cmocka_unit_test(random_changes_agree_with_a_model),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
