/*
 * The run-time parameters that a client's texts may have altered in its server: which to
 * ask for by name, and whether to ask for all. Read from the texts of SET, RESET and
 * set_config(); too many names are no harm, a name too few would be.
 */
#ifndef POOLER_RELAY_ALTERED_H
#define POOLER_RELAY_ALTERED_H

#include "base/buffer.h"

/* What has become of a name. */
enum altered_how {
	ALTERED_SET,
	ALTERED_RESET,
	ALTERED_LOCALLY, /* for a transaction; but the session knows the name by now */
};

/* A text of SQL, as much of it as has arrived. */
struct sql_text {
	struct slice text;
	size_t unseen;  /* bytes behind it, still to come */
	uint32_t hints; /* enum sql_hint */
};

/* Zero is valid: none. */
struct altered {
	struct buffer names; /* of each: a flag, a length, the name, a NUL */
	size_t values_len;   /* bytes that the values of the names may have, added */
	bool all;            /* what else is set nobody knows: ask for everything */
	bool resets;         /* something goes back to what the session began with... */
	bool resets_all;     /* ...and that is everything... */
	bool discards;       /* ...even who one is */
	bool is_beyond;      /* there may be names that cannot be asked for */
	bool may_be_undone;  /* something has failed, or was rolled back */
};

/* Adds what a text may alter. */
void altered_note(struct altered *a, const struct sql_text *t);

/* Adds what the arguments of a Bind may name, for a text that calls set_config() with a
 * name that is not in it: all that look like a parameter of one's own ("my.tenant"),
 * which the server does not list. rest is what has arrived of the Bind behind its names.
 */
void altered_note_arguments(struct altered *a, struct slice rest, enum altered_how how);

/* Adds the same of what stands behind SET in code, as in DO, and of literals in it. */
void altered_note_code(struct altered *a, struct slice text);

/* What a Bind may say by its arguments, of a text that has SQL_READS_BY_ARGUMENT: of
 * enum sql_hint, what the names among them do. */
uint32_t altered_hints_of_arguments(struct slice rest);

/* Whether texts may be read otherwise for it; see meaning.h. */
bool altered_reads(const struct altered *a);

/* Adds one name, as PostgreSQL knows it. */
void altered_add(struct altered *a, struct slice name, enum altered_how how);
/* One that gets a value of no more than this many bytes; of several times the longest. */
void altered_add_value(struct altered *a, struct slice name, size_t value_len);

bool altered_is_empty(const struct altered *a);
/* Whether nothing is there that lasts longer than its transaction, but names. */
bool altered_is_passing(const struct altered *a);

/* The names one after the other, by *at from 0; false behind the last. The name is
 * borrowed. */
bool altered_next(const struct altered *a, size_t *at, struct slice *out_name,
		  enum altered_how *out_how);
/* Of such a name: how long its value may be; 0 when it is not known. */
size_t altered_value_len(struct slice name);

/* Whether the name is among those that got a value; how long that may be, 0 when it is
 * not known. */
bool altered_has_value(const struct altered *a, struct slice name, size_t *out_len);

/* Whether this name was altered so. */
bool altered_has(const struct altered *a, struct slice name, enum altered_how how);

/* Whether this name goes back to what the session began with. */
bool altered_has_reset(const struct altered *a, struct slice name);

/* What went back has been dealt with, or has been undone. */
void altered_drop_resets(struct altered *a);

/* Moves all of it in front of what `to` holds; `from` is empty then. */
void altered_move(struct altered *from, struct altered *to);

void altered_clear(struct altered *a);

#endif
