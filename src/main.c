/*
 * pooler: a connection pooler for PostgreSQL.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "app/daemon.h"
#include "app/options.h"
#include "app/pooler.h"
#include "app/reload.h"
#include "base/log.h"
#include "config/config.h"
#include "config/ini.h"
#include "net/sqlclient.h"
#include "relay/keyring.h"

enum { LINE_LEN = 1024 };

static void print_errors(const struct config_errors *errors)
{
	char line[LINE_LEN];

	for (size_t i = 0; i < errors->count; i++)
		fprintf(stderr, "%s\n",
			config_error_print(&errors->items[i], line, sizeof(line)));
	if (config_errors_dropped(errors) > 0)
		fprintf(stderr, "... and %zu more\n", config_errors_dropped(errors));
}

/* What the configuration's files hold; NULL when anything is wrong with them. */
static struct keyring *load_keyring(const struct config *config)
{
	struct config_errors errors = {0};
	struct keyring *keyring = keyring_load(config, &errors);

	print_errors(&errors);
	config_errors_fini(&errors);
	return keyring;
}

/* What --check prints: all that is in effect, and what it can add up to. */
static void print_check(const struct config *config)
{
	struct config_worst worst;

	config_print(config, stdout);
	if (config_worst_case(config, &worst) < 0)
		return;
	if (worst.unbounded == 0)
		printf("\n; server connections in the worst case: %llu\n",
		       (unsigned long long)worst.servers);
	else
		printf("\n; server connections in the worst case: no bound, for %s; all "
		       "others "
		       "together: %llu\n",
		       worst.unbounded_word, (unsigned long long)worst.servers);
}

/* Root has more rights than a process that talks to strangers should have. */
static int leave_root(const struct options *options, const struct config *config)
{
	const char *user = options->user ? options->user : config->settings.user;

	if (user[0]) {
		int err = daemon_become(user);
		if (err)
			log_fatal("cannot become user \"%s\": %s", user, strerror(-err));
		return err;
	}
	if (geteuid() == 0) {
		log_fatal(
		    "pooler should not run as root: name another user with -u or user=");
		return -1;
	}
	return 0;
}

static int serve(const struct options *options, const struct config *config,
		 struct keyring *keyring)
{
	struct pooler pooler = {0};
	int ready_fd = -1;
	int err = 0;

	if (options->is_daemon)
		err = daemon_fork(&ready_fd);
	if (err)
		keyring_unref(keyring);
	else
		err = pooler_init(&pooler, options, config, keyring);
	if (!err) {
		if (options->is_daemon) {
			daemon_ready(ready_fd);
			reload_log(options, config, true);
		}
		pooler_run(&pooler);
	}
	pooler_fini(&pooler);
	return err;
}

/* Everything between a good configuration and the end. */
static int start(const struct options *options, const struct config *config)
{
	int err = leave_root(options, config);

	if (err)
		return err;
	if (options->is_daemon && !config->settings.pidfile[0]) {
		log_fatal("pidfile must be set to run as a daemon");
		return -1;
	}
	err = reload_log(options, config, false);
	if (err) {
		log_fatal("cannot open logfile %s: %s", config->settings.logfile,
			  strerror(-err));
		return err;
	}
	/* With the rights that RELOAD will have, too. */
	struct keyring *keyring = load_keyring(config);
	err = keyring ? serve(options, config, keyring) : -1;
	log_reset();
	return err;
}

/* Everything that --check can find out without starting. */
static int check(const struct config *config)
{
	struct keyring *keyring = load_keyring(config);

	if (!keyring)
		return -1;
	keyring_unref(keyring);
	print_check(config);
	return 0;
}

int main(int argc, char **argv)
{
	struct options options;
	struct config_errors errors = {0};

	daemon_hold_standard();
	switch (options_parse(argc, argv, &options)) {
	case OPTIONS_DONE:
		return EXIT_SUCCESS;
	case OPTIONS_BAD:
		return EXIT_FAILURE;
	case OPTIONS_RUN:
		break;
	}
	ini_setup();
	sqlclient_clean_environment();
	const struct config *config = config_load(options.file, &errors);
	print_errors(&errors);
	config_errors_fini(&errors);
	if (!config)
		return EXIT_FAILURE;
	int err = 0;
	if (options.is_check)
		err = check(config);
	else
		err = start(&options, config);
	config_unref(config);
	return err ? EXIT_FAILURE : EXIT_SUCCESS;
}
