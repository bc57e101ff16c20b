/*
 * The console: a database that the pooler itself answers for. A client of it is a client
 * whose server is us.
 *
 * Simple queries, and the extended protocol without parameters, are answered one after
 * the other. Long results are written in slices as the client reads them; PAUSE and
 * WAIT_CLOSE keep their client, and nobody else, waiting.
 */
#ifndef POOLER_CONSOLE_CONSOLE_H
#define POOLER_CONSOLE_CONSOLE_H

#include "relay/dispatcher.h"

/* What the console asks of those above it. All must be there. */
struct console_app_ops {
	/* "pooler 0.1.0": the first line of --version. */
	const char *version;
	/* Reads the configuration file again and puts it in force; false, with why in
	 * problem and nothing changed, when that is not possible. */
	bool (*reload)(void *context, char *problem, size_t cap);
	/* Changes one setting; false, with why, when that is not possible. */
	bool (*set)(void *context, const char *key, const char *value, char *problem,
		    size_t cap);
	/* Ends the program when what `mode` says has happened; SHUTDOWN_NONE waits for
	 * nothing. Must return to its caller: the loop ends the program. */
	void (*shut_down)(void *context, enum shutdown_mode mode);
	/* Something has progressed (as console_ops.on_progress), after
	 * console_watch_for_app(). */
	void (*on_progress)(void *context);
	/* Microseconds since 1970: clock_wall_now(). */
	uint64_t (*wall_now)(void *context);
	void *context;
};

struct console;
TAILQ_HEAD(consoles, console);

/* Outlives the dispatcher, which closes its clients; needs no end of its own. */
struct console_service {
	struct dispatcher *dispatcher;
	const struct console_app_ops *app;
	struct consoles waiting; /* their command is not done yet */
	struct tally tally;      /* what was asked of the console itself */
	bool app_watches;
};

/* The dispatcher need not be initialised yet; app and it outlive the service's use. */
void console_service_init(struct console_service *service, struct dispatcher *dispatcher,
			  const struct console_app_ops *app);

/* What the dispatcher is to be given: dispatcher_ground.console. */
struct console_ops console_service_ops(struct console_service *service);

/* Calls app->on_progress from now on (or not any more): for a shutdown that waits. To be
 * used instead of dispatcher_watch_progress(), which the console needs for itself. */
void console_watch_for_app(struct console_service *service, bool watch);

#endif
