/*
 * The pooler: everything that runs hangs off this struct, which main keeps on its stack.
 */
#ifndef POOLER_APP_POOLER_H
#define POOLER_APP_POOLER_H

#include "app/options.h"
#include "app/ports.h"
#include "app/watch.h"
#include "console/console.h"
#include "net/loop.h"
#include "relay/dispatcher.h"
#include "stats/counter.h"

enum { POOLER_SIGNALS = 6 };

struct pooler_signal {
	struct loop_signal signal;
	struct pooler *pooler;
	int number;
};

struct pooler {
	const struct options *options;
	const struct config *config; /* the snapshot in force, counted */
	struct loop loop;
	struct resolver *resolver;
	struct ports ports;
	struct dispatcher dispatcher;
	struct console_service console;
	struct console_app_ops console_app;
	struct pooler_signal signals[POOLER_SIGNALS];
	struct watch watch;         /* of auth_file */
	struct deadline stats_due;  /* the line of statistics */
	struct counters stats_last; /* at the line before */
	uint64_t stats_last_us;
	struct deadline watchdog_due; /* systemd's */
	size_t descriptors;           /* how many we may open */
	bool has_dispatcher;
	bool has_pidfile;
};

/* Opens everything the configuration (counted) asks for; keyring is what its files hold,
 * and the pooler's from here on. 0, or -errno; what went wrong is
 * logged. pooler_fini() is due in either case. The struct must stay where it is. */
int pooler_init(struct pooler *p, const struct options *options,
		const struct config *config, struct keyring *keyring);
void pooler_fini(struct pooler *p);

/* Serves until a signal or an administrator ends it. */
void pooler_run(struct pooler *p);

/* Ends it when what mode waits for has happened; SHUTDOWN_NONE: at once. */
void pooler_shut_down(struct pooler *p, enum shutdown_mode mode);

#endif
