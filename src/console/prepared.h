/*
 * What the extended protocol keeps for one console: prepared commands by name, and one
 * portal. There are no parameters, so a prepared command is its text. A second Bind
 * replaces the portal, whatever its name.
 */
#ifndef POOLER_CONSOLE_PREPARED_H
#define POOLER_CONSOLE_PREPARED_H

#include <sys/queue.h>

#include "console/command.h"

struct prepared_command;
TAILQ_HEAD(prepared_commands, prepared_command);

enum { PREPARED_MOST = 256, PREPARED_NAME_MAX = 63 };

struct portal {
	bool is_open;
	bool is_started; /* its command has been carried out, or has rows left */
	bool is_done;
	bool is_empty; /* of an empty command */
	char name[PREPARED_NAME_MAX + 1];
	struct command command;
	uint64_t binary; /* a bit per column of its result */
};

struct prepared {
	struct prepared_commands commands;
	size_t count;
	struct portal portal;
};

void prepared_init(struct prepared *p);
void prepared_fini(struct prepared *p);

/* Keeps the text; the unnamed one is replaced. 0; -EEXIST, -ENOSPC when there are too
 * many; -ENOMEM. */
int prepared_add(struct prepared *p, struct slice name, struct slice text);
/* False when there is none of that name. */
bool prepared_find(const struct prepared *p, struct slice name, struct slice *out_text);
/* Harmless when there is none. */
void prepared_drop(struct prepared *p, struct slice name);

#endif
