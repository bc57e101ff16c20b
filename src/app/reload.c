/*
 * Putting another configuration in force while running.
 */
#include "app/reload.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "app/notify.h"
#include "app/pooler.h"
#include "app/statistics.h"
#include "app/watch.h"
#include "base/log.h"
#include "config/config.h"
#include "relay/control.h"
#include "relay/keyring.h"

enum { LINE_LEN = 1024 };

int reload_log(const struct options *options, const struct config *config, bool is_ready)
{
	const struct settings *settings = &config->settings;
	struct log_settings to = {
	    .file = settings->logfile,
	    .to_stderr = !options->is_quiet && !(options->is_daemon && is_ready),
	    .to_syslog = settings->syslog,
	    .syslog_ident = settings->syslog_ident,
	    .syslog_facility = settings->syslog_facility,
	    .verbose = options->verbose + settings->verbose,
	};

	return log_apply(&to);
}

static void log_errors(const struct config_errors *errors)
{
	char line[LINE_LEN];

	for (size_t i = 0; i < errors->count; i++) {
		const struct config_error *error = &errors->items[i];
		enum log_level level =
		    error->severity == CONFIG_ERROR ? LOG_LEVEL_ERROR : LOG_LEVEL_WARNING;
		log_write(level, NULL, "%s",
			  config_error_print(error, line, sizeof(line)));
	}
}

static void say_first(const struct config_errors *errors, char *problem, size_t cap)
{
	size_t i = 0;

	while (i < errors->count && errors->items[i].severity != CONFIG_ERROR)
		i++;
	if (i == errors->count) {
		snprintf(problem, cap, "out of memory");
		return;
	}
	config_error_print(&errors->items[i], problem, cap);
	size_t len = strlen(problem);
	if (errors->errors > 1)
		snprintf(problem + len, cap - len, " (and %zu more, see the log)",
			 errors->errors - 1);
}

void reload_watch(struct pooler *p)
{
	const char *path = p->config->settings.auth_file;
	int err = watch_follow(&p->watch, path);

	if (err)
		log_error(
		    "cannot watch auth_file %s, it is read again by RELOAD only: %s",
		    path, strerror(-err));
}

/* Takes over the snapshot when there is one, and what its files hold. */
static void take(struct pooler *p, const struct config *config, struct keyring *keyring)
{
	int err = reload_log(p->options, config, true);

	if (err)
		log_error("cannot open logfile %s: %s", config->settings.logfile,
			  strerror(-err));
	control_apply(&p->dispatcher, config, keyring);
	config_unref(p->config);
	p->config = config;
	statistics_restart(p);
	reload_watch(p);
}

/* Both or neither. */
static bool take_whole(struct pooler *p, const struct config *config,
		       struct config_errors *errors, char *problem, size_t cap)
{
	struct keyring *keyring = config ? keyring_load(config, errors) : NULL;

	log_errors(errors);
	if (keyring) {
		take(p, config, keyring);
		return true;
	}
	say_first(errors, problem, cap);
	if (config)
		config_unref(config);
	return false;
}

bool reload_file(struct pooler *p, char *problem, size_t cap)
{
	struct config_errors errors = {0};

	notify_reloading();
	const struct config *config = config_reload(p->config, p->options->file, &errors);
	bool is_taken = take_whole(p, config, &errors, problem, cap);
	log_info("RELOAD %s", is_taken ? "done" : "failed; nothing has changed");
	config_errors_fini(&errors);
	notify_ready();
	return is_taken;
}

/* Whether a change of this setting changes what files are read, or how. */
static bool concerns_files(const char *key)
{
	return strncasecmp(key, "auth_", 5) == 0 || strstr(key, "_tls") != NULL;
}

bool reload_with_setting(struct pooler *p, const char *key, const char *value,
			 char *problem, size_t cap)
{
	struct config_errors errors = {0};
	const struct config *config = config_with_setting(p->config, key, value, &errors);
	bool is_taken = config != NULL;

	if (!config || concerns_files(key)) {
		is_taken = take_whole(p, config, &errors, problem, cap);
	} else {
		log_errors(&errors);
		take(p, config, NULL);
	}
	config_errors_fini(&errors);
	return is_taken;
}

void reload_users(struct pooler *p)
{
	struct config_errors errors = {0};
	struct logins *logins = &p->dispatcher.logins;
	bool is_taken = keyring_reload_users(logins->keyring, p->config, &errors);

	log_errors(&errors);
	if (is_taken) {
		logins_note_users(logins);
		log_info("auth_file %s has changed and was read again",
			 p->config->settings.auth_file);
	} else {
		log_error("auth_file %s has changed, but is not good: the users read "
			  "before stay",
			  p->config->settings.auth_file);
	}
	config_errors_fini(&errors);
}
