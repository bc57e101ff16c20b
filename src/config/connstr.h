/*
 * The value of an entry in [databases] or [users]: key=value pairs with blanks between
 * them. A value with blanks stands in single quotes, a quote inside is doubled.
 */
#ifndef POOLER_CONFIG_CONNSTR_H
#define POOLER_CONFIG_CONNSTR_H

#include <stdbool.h>
#include <stddef.h>

struct connstr_pair {
	const char *key;
	const char *value;
	/* The key may be a part of a password with blanks and without quotes: it must not
	 * be shown. */
	bool is_hidden;
};

/* What to say of a key that is hidden and unknown; returns -EINVAL. */
int connstr_refuse_hidden(char *why, size_t why_cap);

/* 0; -EINVAL with the reason in why, and the next pair comes all the same; -ENOMEM. */
typedef int (*connstr_fn)(void *owner, struct connstr_pair pair, char *why,
			  size_t why_cap);

/* Calls on_pair for each pair of the text. 0; -EINVAL with all reasons in why, its own
 * among them; -ENOMEM. */
int connstr_each(const char *text, connstr_fn on_pair, void *owner, char *why,
		 size_t why_cap);

#endif
