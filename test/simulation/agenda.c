#include "simulation/agenda.h"

#include "unit/base/kit.h"

static bool is_before(const struct entry *a, const struct entry *b)
{
	return a->at_us != b->at_us ? a->at_us < b->at_us : a->number < b->number;
}

static void grow(struct agenda *a)
{
	a->cap = a->cap ? 2 * a->cap : 1024;
	a->entries = realloc(a->entries, a->cap * sizeof(*a->entries));
	assert_non_null(a->entries);
}

void agenda_add(struct agenda *a, uint64_t at_us, unsigned what, unsigned who,
		uint64_t ticket)
{
	struct entry e = {at_us, a->number++, what, who, ticket};
	unsigned i;

	if (a->count == a->cap)
		grow(a);
	for (i = a->count++; i > 0 && is_before(&e, &a->entries[(i - 1) / 2]);
	     i = (i - 1) / 2)
		a->entries[i] = a->entries[(i - 1) / 2];
	a->entries[i] = e;
}

static unsigned earlier_child(const struct agenda *a, unsigned i)
{
	unsigned child = 2 * i + 1;

	if (child + 1 < a->count && is_before(&a->entries[child + 1], &a->entries[child]))
		child++;
	return child;
}

bool agenda_next(struct agenda *a, struct entry *out)
{
	struct entry last;
	unsigned i, child;

	if (a->count == 0)
		return false;
	*out = a->entries[0];
	last = a->entries[--a->count];
	for (i = 0; (child = earlier_child(a, i)) < a->count; i = child) {
		if (!is_before(&a->entries[child], &last))
			break;
		a->entries[i] = a->entries[child];
	}
	a->entries[i] = last;
	return true;
}

void agenda_fini(struct agenda *a)
{
	free(a->entries);
	*a = (struct agenda){0};
}
