/*
 * The line of questions: a ring that grows by doubling and is given back when empty.
 */
#include "proto/questions.h"

#include <stdlib.h>

#include "base/check.h"

enum { MOST_IN_RUN = UINT16_MAX };

void questions_fini(struct questions *q)
{
	free(q->ring);
	*q = (struct questions){0};
}

static struct question_run *run_at(struct questions *q, uint32_t i)
{
	if (!q->ring)
		return &q->few[(q->head + i) % QUESTIONS_FEW];
	return &q->ring[(q->head + i) & (q->cap - 1)];
}

static bool grow(struct questions *q)
{
	uint32_t cap = q->ring ? 2 * q->cap : 4 * QUESTIONS_FEW;
	struct question_run *ring = malloc(cap * sizeof(*ring));

	if (!ring)
		return false;
	for (uint32_t i = 0; i < q->runs; i++)
		ring[i] = *run_at(q, i);
	free(q->ring);
	q->ring = ring;
	q->cap = cap;
	q->head = 0;
	return true;
}

bool questions_push(struct questions *q, uint8_t kind, enum asked_by by)
{
	struct question_run *last = q->runs ? run_at(q, q->runs - 1) : NULL;

	if (last && last->kind == kind && last->by == by && last->count < MOST_IN_RUN) {
		last->count++;
	} else {
		if (q->runs == (q->ring ? q->cap : QUESTIONS_FEW) && !grow(q))
			return false;
		*run_at(q, q->runs++) =
		    (struct question_run){.kind = kind, .by = (uint8_t)by, .count = 1};
	}
	q->messages++;
	return true;
}

void questions_replace(struct questions *q, uint32_t i, uint8_t kind, enum asked_by by)
{
	struct question_run *run = run_at(q, i);

	CHECK(i < q->runs);
	run->kind = kind;
	run->by = (uint8_t)by;
}

void questions_drop_run(struct questions *q, uint32_t i)
{
	CHECK(i < q->runs);
	q->messages -= run_at(q, i)->count;
	for (; i > 0; i--)
		*run_at(q, i) = *run_at(q, i - 1);
	q->head++;
	q->runs--;
	if (q->runs > 0 || !q->ring)
		return;
	free(q->ring);
	q->ring = NULL;
	q->cap = q->head = 0;
}

void questions_drop_one(struct questions *q, uint32_t i)
{
	struct question_run *run = run_at(q, i);

	CHECK(i < q->runs);
	if (run->count == 1) {
		questions_drop_run(q, i);
		return;
	}
	run->count--;
	q->messages--;
}
