/*
 * What a server is asked about its parameters, and what it tells.
 */
#ifndef POOLER_TEST_SCENARIO_TELLING_H
#define POOLER_TEST_SCENARIO_TELLING_H

struct actor;

/* The server is asked a question, and nothing else, with these words in it. */
void is_asked(struct actor *s, const char *first, const char *second);

/* A row of its answer; a value of NULL for none. */
void push_row(struct actor *s, const char *kind, const char *name, const char *value);

#endif
