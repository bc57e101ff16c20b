/*
 * A counted list. The waiter knows its line, so that leaving needs nothing else.
 */
#include "pool/admission.h"

#include "base/check.h"
#include "base/clock.h"

void admission_init(struct admission *a, int max)
{
	*a = (struct admission){.max = max};
	TAILQ_INIT(&a->line);
}

bool admission_is_full(const struct admission *a, unsigned servers_coming)
{
	if (a->max == ADMISSION_UNBOUNDED)
		return false;
	return a->count >= (uint64_t)a->max + servers_coming;
}

void admission_join(struct admission *a, struct waiter *w, uint64_t now_us)
{
	CHECK(w->line == NULL);
	w->line = a;
	w->since_us = now_us;
	TAILQ_INSERT_TAIL(&a->line, w, place);
	a->count++;
}

void admission_leave(struct waiter *w)
{
	struct admission *a = w->line;

	if (!a)
		return;
	CHECK(a->count > 0);
	TAILQ_REMOVE(&a->line, w, place);
	a->count--;
	w->line = NULL;
}

struct waiter *admission_first(const struct admission *a)
{
	return TAILQ_FIRST(&a->line);
}

uint64_t admission_longest_wait(const struct admission *a, uint64_t now_us)
{
	const struct waiter *first = admission_first(a);

	return first ? clock_since(now_us, first->since_us) : 0;
}

bool admission_is_sound(const struct admission *a)
{
	const struct waiter *w;
	unsigned count = 0;
	uint64_t since_us = 0;

	TAILQ_FOREACH (w, &a->line, place) {
		if (w->line != a || w->since_us < since_us)
			return false;
		since_us = w->since_us;
		count++;
	}
	return count == a->count;
}
