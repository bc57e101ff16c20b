/*
 * Making a server fit for the next client, and the pooler's own queries that this takes.
 */
#ifndef POOLER_RELAY_CLEAN_H
#define POOLER_RELAY_CLEAN_H

#include <stdint.h>

#include "base/slice.h"

struct server;

/* A server that has just lost its client, and is idle: reset, wait for a cancel, close,
 * or set free, as its state and the configuration ask. */
void clean_start(struct server *s);

/* It becomes CLEANING, and is closed if that is not over by then. */
void clean_enter(struct server *s, uint64_t end_us);

/* If its client is done with it, as the pool mode sees it, the two are parted and the
 * server goes to clean_start(). */
void clean_release_if_done(struct server *s);

/* Sends server_check_query to one that was idle for long; it is free, or closed, when the
 * answer is here. */
void clean_check(struct server *s);

/* connect_query for a new one; opened when the answer is here. */
void clean_connect(struct server *s, struct slice query);

/* The answer to the pooler's own query contains this ErrorResponse. */
void clean_task_error(struct server *s, struct slice body);
/* The answer to the pooler's own query is complete. */
void clean_task_done(struct server *s);

/* A cancel request to it has ended. */
void clean_cancel_ended(struct server *s);

#endif
