/*
 * The line of questions, against a naive one with an entry per message.
 */
#include "proto/questions.h"

#include "unit/base/kit.h"
#include "unit/proto/failing_memory.h"

enum { MOST = 3000, KINDS = 3 };

struct naive {
	struct question_run messages[MOST]; /* count is not used */
	size_t count;
};

/* The first message of the i-th run; count when there is none. */
static size_t naive_run(const struct naive *n, size_t i)
{
	size_t at = 0;

	for (; at < n->count; at++) {
		bool is_new = at == 0 ||
			      n->messages[at].kind != n->messages[at - 1].kind ||
			      n->messages[at].by != n->messages[at - 1].by;

		if (is_new && i-- == 0)
			break;
	}
	return at;
}

static void naive_drop(struct naive *n, size_t at, size_t count)
{
	memmove(n->messages + at, n->messages + at + count,
		(n->count - at - count) * sizeof(n->messages[0]));
	n->count -= count;
}

static void assert_same(const struct questions *q, const struct naive *n)
{
	size_t at = 0;

	assert_int_equal(q->messages, n->count);
	for (uint32_t i = 0; i < q->runs; i++) {
		const struct question_run *run = questions_see(q, i);

		assert_int_not_equal(run->count, 0);
		for (unsigned j = 0; j < run->count; j++, at++) {
			assert_int_equal(run->kind, n->messages[at].kind);
			assert_int_equal(run->by, n->messages[at].by);
		}
	}
	assert_int_equal(at, n->count);
	if (n->count == 0)
		assert_null(q->ring);
}

static void random_use_agrees_with_a_naive_line(void **state)
{
	static struct naive n;
	struct questions q = {0};
	struct dice dice = {.state = 11};

	(void)state;
	for (int round = 0; round < 100000; round++) {
		bool is_growing = round / 3000 % 2 == 0;
		size_t first_len = n.count ? questions_see(&q, 0)->count : 0;

		if (n.count < MOST && !dice_once_in(&dice, is_growing ? 3 : 2)) {
			uint8_t kind = (uint8_t)dice_of(&dice, KINDS);
			enum asked_by by =
			    dice_once_in(&dice, 4) ? ASKED_BY_POOLER : ASKED_BY_CLIENT;

			n.messages[n.count++] =
			    (struct question_run){.kind = kind, .by = (uint8_t)by};
			assert_true(questions_push(&q, kind, by));
		} else if (n.count > 0 && dice_once_in(&dice, 2)) {
			questions_drop_one(&q, 0);
			naive_drop(&n, 0, 1);
		} else if (n.count > 0) {
			questions_drop_run(&q, 0);
			naive_drop(&n, 0, first_len);
			for (int i = 0; !is_growing && i < 3 && n.count > 0; i++) {
				first_len = questions_see(&q, 0)->count;
				questions_drop_run(&q, 0);
				naive_drop(&n, 0, first_len);
			}
		}
		if (round % 16 == 0 || n.count < 12)
			assert_same(&q, &n);
	}
	questions_fini(&q);
}

static void runs_are_as_long_as_can_be(void **state)
{
	static const char kinds[] = "aaabbcaaaa";
	struct questions q = {0};
	struct naive n = {0};

	(void)state;
	for (const char *at = kinds; *at; at++) {
		assert_true(questions_push(&q, (uint8_t)*at, ASKED_BY_CLIENT));
		n.messages[n.count++] = (struct question_run){.kind = (uint8_t)*at};
	}
	assert_int_equal(q.runs, 4);
	assert_null(q.ring);
	for (uint32_t i = 0; i < q.runs; i++)
		assert_int_equal(naive_run(&n, i + 1) - naive_run(&n, i),
				 questions_see(&q, i)->count);
	questions_fini(&q);
}

static void one_behind_the_oldest_can_leave(void **state)
{
	struct questions q = {0};

	(void)state;
	for (const char *at = "abbcd"; *at; at++)
		assert_true(questions_push(&q, (uint8_t)*at, *at == 'b'));
	questions_drop_one(&q, 1);
	assert_int_equal(questions_see(&q, 1)->count, 1);
	questions_drop_one(&q, 1);
	assert_int_equal(questions_see(&q, 0)->kind, 'a');
	assert_int_equal(questions_see(&q, 1)->kind, 'c');
	questions_drop_run(&q, 2);
	assert_int_equal(questions_see(&q, 0)->kind, 'a');
	assert_int_equal(questions_see(&q, 1)->kind, 'c');
	assert_int_equal(q.runs, 2);
	questions_replace(&q, 1, 'x', ASKED_BY_POOLER);
	assert_int_equal(questions_see(&q, 1)->kind, 'x');
	assert_int_equal(questions_see(&q, 1)->by, ASKED_BY_POOLER);
	questions_fini(&q);
	questions_fini(&q);
}

static void a_very_long_run_is_cut_in_two(void **state)
{
	struct questions q = {0};

	(void)state;
	for (int i = 0; i < 70000; i++)
		assert_true(questions_push(&q, 1, ASKED_BY_CLIENT));
	assert_int_equal(q.runs, 2);
	assert_int_equal(q.messages, 70000);
	questions_drop_run(&q, 0);
	questions_drop_run(&q, 0);
	assert_int_equal(q.messages, 0);
	questions_fini(&q);
}

static void short_memory_changes_nothing(void **state)
{
	struct questions q = {0};

	(void)state;
	for (uint8_t i = 0; i < QUESTIONS_FEW; i++)
		assert_true(questions_push(&q, i, ASKED_BY_CLIENT));
	memory_fails_at(1);
	assert_false(questions_push(&q, QUESTIONS_FEW, ASKED_BY_POOLER));
	assert_true(memory_has_failed());
	memory_fails_at(0);
	assert_int_equal(q.messages, QUESTIONS_FEW);
	assert_true(questions_push(&q, QUESTIONS_FEW, ASKED_BY_POOLER));
	for (uint8_t i = 0; i <= QUESTIONS_FEW; i++)
		assert_int_equal(questions_see(&q, i)->kind, i);
	questions_fini(&q);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(random_use_agrees_with_a_naive_line),
	    cmocka_unit_test(runs_are_as_long_as_can_be),
	    cmocka_unit_test(one_behind_the_oldest_can_leave),
	    cmocka_unit_test(a_very_long_run_is_cut_in_two),
	    cmocka_unit_test(short_memory_changes_nothing),
	};

	return cmocka_run_group_tests_name("questions", tests, NULL, NULL);
}
