/*
 * A binary heap of pointers; each deadline knows its place, so that one in the middle can
 * leave in O(log n).
 */
#include "base/deadlines.h"

#include <stdlib.h>

#include "base/check.h"
#include "base/clock.h"

void deadlines_fini(struct deadlines *d)
{
	free(d->heap);
	*d = (struct deadlines){0};
}

bool deadlines_reserve(struct deadlines *d, size_t count)
{
	size_t cap = d->cap ? d->cap : 64;

	if (count <= d->cap)
		return true;
	while (cap < count)
		cap *= 2;
	struct deadline **heap = realloc(d->heap, cap * sizeof(*heap));
	if (!heap)
		return false;
	d->heap = heap;
	d->cap = cap;
	return true;
}

static void put(struct deadlines *d, size_t i, struct deadline *due)
{
	d->heap[i] = due;
	due->place = (uint32_t)i + 1;
}

static void sift_up(struct deadlines *d, size_t i, struct deadline *due)
{
	while (i > 0 && d->heap[(i - 1) / 2]->heap_us > due->heap_us) {
		put(d, i, d->heap[(i - 1) / 2]);
		i = (i - 1) / 2;
	}
	put(d, i, due);
}

static void sift_down(struct deadlines *d, size_t i, struct deadline *due)
{
	for (;;) {
		size_t child = 2 * i + 1;

		if (child >= d->count)
			break;
		if (child + 1 < d->count &&
		    d->heap[child + 1]->heap_us < d->heap[child]->heap_us)
			child++;
		if (d->heap[child]->heap_us >= due->heap_us)
			break;
		put(d, i, d->heap[child]);
		i = child;
	}
	put(d, i, due);
}

void deadlines_disarm(struct deadlines *d, struct deadline *due)
{
	if (due->place == 0)
		return;
	size_t i = due->place - 1;
	CHECK(i < d->count && d->heap[i] == due);
	due->place = 0;
	d->count--;
	struct deadline *last = d->heap[d->count];
	if (last == due)
		return;
	if (i > 0 && d->heap[(i - 1) / 2]->heap_us > last->heap_us)
		sift_up(d, i, last);
	else
		sift_down(d, i, last);
}

void deadlines_arm(struct deadlines *d, struct deadline *due, uint64_t at_us)
{
	if (at_us == CLOCK_NEVER) {
		deadlines_disarm(d, due);
		return;
	}
	due->at_us = at_us;
	if (due->place != 0 && at_us >= due->heap_us)
		return;
	due->heap_us = at_us;
	if (due->place == 0) {
		CHECK(d->count < d->cap);
		d->count++;
		sift_up(d, d->count - 1, due);
	} else {
		sift_up(d, due->place - 1, due);
	}
}

uint64_t deadlines_next(const struct deadlines *d)
{
	return d->count ? d->heap[0]->heap_us : CLOCK_NEVER;
}

bool deadlines_expire(struct deadlines *d, uint64_t now_us, size_t most)
{
	while (d->count > 0 && d->heap[0]->heap_us <= now_us) {
		struct deadline *due = d->heap[0];

		if (most-- == 0)
			return true;
		if (due->at_us > now_us) {
			due->heap_us = due->at_us;
			sift_down(d, 0, due);
			continue;
		}
		deadlines_disarm(d, due);
		due->on_due(due, now_us);
	}
	return false;
}
