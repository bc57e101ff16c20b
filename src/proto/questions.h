/*
 * The line of questions asked of a server, oldest first, run-length coded: so many
 * messages of one kind, asked by one side, are one entry. A few entries stand in the
 * struct; only more of them take memory, until the line is empty again.
 *
 * Knows nothing of what the kinds mean; that is the tracker's.
 */
#ifndef POOLER_PROTO_QUESTIONS_H
#define POOLER_PROTO_QUESTIONS_H

#include <stdbool.h>
#include <stdint.h>

enum asked_by {
	ASKED_BY_CLIENT,
	ASKED_BY_POOLER,
	ANSWERED_BY_POOLER, /* asked by the client, and never seen by the server */
};

/* So many messages of one kind, asked one after the other. */
struct question_run {
	uint8_t kind; /* enum of tracker.c */
	uint8_t by;   /* enum asked_by */
	uint16_t count;
};

enum { QUESTIONS_FEW = 8 };

/* Zero is a valid empty line. */
struct questions {
	struct question_run few[QUESTIONS_FEW];
	struct question_run *ring; /* NULL while few suffice */
	uint32_t head, cap;        /* cap is of the ring, a power of two */
	uint32_t runs;
	uint32_t messages; /* in all runs */
};

void questions_fini(struct questions *q);

/* One more at the end; false, and nothing changed, when memory is short. */
bool questions_push(struct questions *q, uint8_t kind, enum asked_by by);

/* The i-th run, 0 being the oldest; there must be one unless i is 0. */
static inline const struct question_run *questions_see(const struct questions *q,
						       uint32_t i)
{
	if (!q->ring)
		return &q->few[(q->head + i) % QUESTIONS_FEW];
	return &q->ring[(q->head + i) & (q->cap - 1)];
}

/* Makes the i-th run another, of as many messages. */
void questions_replace(struct questions *q, uint32_t i, uint8_t kind, enum asked_by by);

/* Drops one message, or all, of the i-th run, which is near the oldest. */
void questions_drop_one(struct questions *q, uint32_t i);
void questions_drop_run(struct questions *q, uint32_t i);

#endif
