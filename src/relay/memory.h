/*
 * Refusing new work before the kernel ends the process for the memory it takes.
 *
 * Looked at when somebody wants something new, at most once a second, and seldom while
 * little is taken and nothing grows: there is no timer. What is under way goes on:
 * clients with a server, and the console.
 */
#ifndef POOLER_RELAY_MEMORY_H
#define POOLER_RELAY_MEMORY_H

#include <stdbool.h>

#include "base/footprint.h"

struct client;
struct dispatcher;

struct memory {
	struct footprint footprint;
	uint64_t high;      /* the limit in force; 0: none */
	uint64_t taken;     /* when last looked at */
	uint64_t counted;   /* what we can add up ourselves, at that time */
	uint64_t looked_us; /* 0: never */
	bool is_high;
	bool is_told;                      /* which limit is in force */
	uint64_t login_count, query_count; /* refused */
	uint64_t unread_count;             /* clients sent away that did not read */
};

void memory_init(struct memory *m);

/* memory_high, or what stands for it. */
void memory_take_settings(struct dispatcher *d);

/* Whether new work must be refused now. Logs when that begins and ends. */
bool memory_refuses(struct dispatcher *d);

/* Refuse them: a login ends, a query gets an ERROR and the session goes on. */
void memory_refuse_login(struct client *c);
void memory_refuse_query(struct client *c);

#endif
