/*
 * A leftist heap: the way down to the right is never longer than the logarithm, and that
 * is the way that joining, leaving and mending go.
 */
#include "pool/turns.h"

#include <stddef.h>

#include "base/check.h"

static unsigned rank_of(const struct turn *t)
{
	return t ? t->rank : 0;
}

bool turn_is_before(const struct turn *a, const struct turn *b)
{
	if (a->is_privileged != b->is_privileged)
		return a->is_privileged;
	if (a->due < b->due || a->due > b->due)
		return a->due < b->due;
	return a->ticket < b->ticket;
}

/* The shorter way belongs on the right. Says whether the rank has changed. */
static bool mend(struct turn *t)
{
	unsigned before = t->rank;

	if (rank_of(t->left) < rank_of(t->right)) {
		struct turn *left = t->left;

		t->left = t->right;
		t->right = left;
	}
	t->rank = rank_of(t->right) + 1;
	return t->rank != before;
}

/* As deep as both ways down to the right are long. */
static struct turn *merge(struct turn *a, struct turn *b)
{
	if (!a || !b)
		return a ? a : b;
	if (turn_is_before(b, a))
		return merge(b, a);
	a->right = merge(a->right, b);
	a->right->parent = a;
	mend(a);
	return a;
}

static void insert(struct turns *turns, struct turn *t)
{
	t->left = t->right = NULL;
	t->rank = 1;
	turns->first = merge(turns->first, t);
	turns->first->parent = NULL;
}

static void take_out(struct turns *turns, struct turn *t)
{
	struct turn *parent = t->parent, *rest = merge(t->left, t->right);

	if (rest)
		rest->parent = parent;
	if (!parent)
		turns->first = rest;
	else if (parent->left == t)
		parent->left = rest;
	else
		parent->right = rest;
	while (parent && mend(parent))
		parent = parent->parent;
	t->parent = NULL;
}

void turns_join(struct turns *turns, struct turn *t)
{
	CHECK(!turn_is_taken(t));
	t->ticket = ++turns->tickets;
	insert(turns, t);
}

void turns_leave(struct turns *turns, struct turn *t)
{
	CHECK(turn_is_taken(t));
	take_out(turns, t);
	t->ticket = 0;
}

void turns_change(struct turns *turns, struct turn *t, bool is_privileged, double due)
{
	CHECK(turn_is_taken(t));
	take_out(turns, t);
	t->is_privileged = is_privileged;
	t->due = due;
	insert(turns, t);
}

static bool is_sound(const struct turn *t, const struct turn *parent)
{
	if (!t)
		return true;
	if (t->parent != parent || !turn_is_taken(t) ||
	    (parent && turn_is_before(t, parent)))
		return false;
	if (rank_of(t->left) < rank_of(t->right) || t->rank != rank_of(t->right) + 1)
		return false;
	return is_sound(t->left, t) && is_sound(t->right, t);
}

bool turns_are_sound(const struct turns *turns)
{
	return is_sound(turns->first, NULL);
}
