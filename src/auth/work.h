/*
 * One job of the workers: a copy of its order in one piece of memory, that is wiped when
 * the job is over; and doing it.
 */
#ifndef POOLER_AUTH_WORK_H
#define POOLER_AUTH_WORK_H

#include <sys/queue.h>

#include "auth/worker.h"

enum work_state {
	WORK_WAITING, /* in the line */
	WORK_AT_WORK, /* a thread has it */
	WORK_DONE     /* to be collected */
};

struct work {
	TAILQ_ENTRY(work) place; /* in the line, or among those that are done */
	enum work_state state;
	bool is_abandoned;
	work_done_fn on_done;
	void *context;
	struct work_answer answer;

	enum work_kind kind;
	uid_t uid;
	bool is_hopeless; /* nothing to ask about: never right */
	const char *user, *password, *service, *remote_host;
	const char **options; /* of LDAP; NULL at the end */
	size_t bytes_len;
	char bytes[]; /* what the pointers point to */
};

/* NULL when memory is short. */
struct work *work_create(const struct work_order *order);

/* Wipes. */
void work_destroy(struct work *work);

/* Blocks until the answer is there. */
void work_do(struct work *work);

#endif
