/*
 * Who may, whether it makes sense now, then relay/control does it.
 */
#include "console/control.h"

#include <inttypes.h>
#include <stdio.h>

#include "auth/brake.h"
#include "base/log.h"
#include "base/text.h"
#include "config/config.h"
#include "config/mask.h"
#include "console/session.h"
#include "proto/notice.h"
#include "relay/control.h"

enum { PROBLEM_LEN = 2048 };

static struct dispatcher *dispatcher_of(const struct console *s)
{
	return s->service->dispatcher;
}

/* ---- which database ---- */

static bool is_own_name(const char *name)
{
	return strcmp(name, SHOW_OWN_NAME) == 0 || strcmp(name, "pgbouncer") == 0;
}

static void fail_naming(struct console *s, const char *sqlstate, const char *before,
			const char *name, const char *after)
{
	char shown[160], message[256];

	snprintf(message, sizeof(message), "%s%s%s", before,
		 text_escape(shown, sizeof(shown), slice_of_text(name)), after);
	session_fail(s, sqlstate, message, NULL, NULL);
}

static const char *own_name_problem(enum command_verb verb)
{
	switch (verb) {
	case COMMAND_PAUSE:
		return "cannot pause admin db: ";
	case COMMAND_RESUME:
		return "cannot resume admin db: ";
	case COMMAND_DISABLE:
		return "cannot disable admin db: ";
	case COMMAND_ENABLE:
		return "cannot enable admin db: ";
	case COMMAND_RECONNECT:
		return "cannot reconnect admin db: ";
	case COMMAND_WAIT_CLOSE:
		return "cannot wait in admin db: ";
	case COMMAND_KILL:
		return "cannot kill admin db: ";
	case COMMAND_SHOW:
	case COMMAND_SET:
	case COMMAND_KILL_CLIENT:
	case COMMAND_UNBLOCK:
	case COMMAND_RELOAD:
	case COMMAND_SHUTDOWN:
		break;
	}
	return "not for the admin db: ";
}

/* The database, held; or NULL when none is named. False when that has been answered. */
static bool find_database(struct console *s, const struct command *command,
			  struct usage **out)
{
	struct pools *pools = &dispatcher_of(s)->pools;
	struct slice name = slice_of_text(command->argument);
	bool is_auto;

	*out = NULL;
	if (name.len == 0)
		return true;
	if (is_own_name(command->argument)) {
		fail_naming(s, SQLSTATE_NOT_IN_STATE, own_name_problem(command->verb),
			    command->argument, "");
		return false;
	}
	if (!pools_database(pools, name, &is_auto) &&
	    !usages_find(&pools->databases, name)) {
		fail_naming(s, SQLSTATE_NO_SUCH_DATABASE,
			    "no such database: ", command->argument, "");
		return false;
	}
	*out = pools_hold_database(pools, name);
	if (!*out)
		session_fail(s, SQLSTATE_OUT_OF_MEMORY, "out of memory", NULL, NULL);
	return *out;
}

static void let_go(struct console *s, struct usage *database)
{
	if (database)
		usage_release(&dispatcher_of(s)->pools.databases, database);
}

/* ---- commands that wait ---- */

static void update_watch(struct console_service *service)
{
	dispatcher_watch_progress(
	    service->dispatcher, service->app_watches || !TAILQ_EMPTY(&service->waiting));
}

void console_watch_for_app(struct console_service *service, bool watch)
{
	service->app_watches = watch;
	update_watch(service);
}

static bool is_fulfilled(const struct console *s)
{
	return s->waits_in == COMMAND_PAUSE
		   ? control_is_quiet(dispatcher_of(s), s->database)
		   : control_is_renewed(dispatcher_of(s), s->database);
}

/* PAUSE only: another console's RESUME has come in between. */
static bool is_overtaken(const struct console *s)
{
	if (s->waits_in != COMMAND_PAUSE)
		return false;
	return s->database ? !s->database->gate.is_paused
			   : dispatcher_of(s)->pools.paused_all == 0;
}

/* Takes over the hold on the database. */
static void wait_for(struct console *s, enum command_verb verb, struct usage *database)
{
	s->waits_in = verb;
	s->database = database;
	if (is_fulfilled(s)) {
		let_go(s, database);
		session_complete(s, command_name(verb));
		return;
	}
	s->state = CONSOLE_WAITING;
	TAILQ_INSERT_TAIL(&s->service->waiting, s, place);
	update_watch(s->service);
}

static void stop_waiting(struct console *s)
{
	TAILQ_REMOVE(&s->service->waiting, s, place);
	update_watch(s->service);
	s->state = CONSOLE_READY;
	let_go(s, s->database);
	s->database = NULL;
}

void console_give_up(struct console *s)
{
	struct dispatcher *d = dispatcher_of(s);
	bool is_paused =
	    s->waits_in == COMMAND_PAUSE && s->has_paused && !is_overtaken(s);

	if (is_paused && d->shutdown == SHUTDOWN_NONE)
		control_resume(d, s->database);
	stop_waiting(s);
}

static void check_waiting(struct console *s)
{
	if (s->client->closing != CLOSE_NOT)
		return; /* it will give up when it is reaped */
	if (is_overtaken(s)) {
		stop_waiting(s);
		session_fail(s, SQLSTATE_QUERY_CANCELED, "PAUSE was ended by RESUME",
			     NULL, NULL);
	} else if (is_fulfilled(s)) {
		stop_waiting(s);
		session_complete(s, command_name(s->waits_in));
	} else {
		return;
	}
	loop_post(dispatcher_of(s)->loop, &s->client->pump);
}

void console_check_waiting(struct console_service *service)
{
	struct console *s = TAILQ_FIRST(&service->waiting);

	while (s) {
		struct console *next = TAILQ_NEXT(s, place);
		check_waiting(s);
		s = next;
	}
}

/* ---- databases ---- */

static bool refuse_if_paused(struct console *s, struct usage *database)
{
	if (dispatcher_of(s)->pools.paused_all == 0)
		return false;
	let_go(s, database);
	session_fail(s, SQLSTATE_NOT_IN_STATE, "already suspended/paused", NULL, NULL);
	return true;
}

static void pause_database(struct console *s, struct usage *database)
{
	if (refuse_if_paused(s, database))
		return;
	s->has_paused = !database || !database->gate.is_paused;
	control_pause(dispatcher_of(s), database);
	wait_for(s, COMMAND_PAUSE, database);
}

static void resume_database(struct console *s, struct usage *database)
{
	struct dispatcher *d = dispatcher_of(s);

	if (d->shutdown != SHUTDOWN_NONE) {
		session_fail(s, SQLSTATE_NOT_IN_STATE, "pooler is shutting down", NULL,
			     NULL);
	} else if (!database && d->pools.paused_all == 0) {
		session_fail(s, SQLSTATE_NOT_IN_STATE, "pooler is not paused/suspended",
			     NULL, NULL);
	} else if (database && !database->gate.is_paused) {
		fail_naming(s, SQLSTATE_NOT_IN_STATE, "database ", database->name,
			    " is not paused");
	} else {
		control_resume(d, database);
		session_complete(s, "RESUME");
	}
	let_go(s, database);
}

static void kill_database(struct console *s, struct usage *database)
{
	if (refuse_if_paused(s, database))
		return;
	control_kill(dispatcher_of(s), database);
	let_go(s, database);
	session_complete(s, "KILL");
}

static void set_disabled(struct console *s, enum command_verb verb,
			 struct usage *database)
{
	if (!database) {
		session_fail(s, SQLSTATE_SYNTAX_ERROR, "a database is required", NULL,
			     NULL);
		return;
	}
	database->gate.is_disabled = verb == COMMAND_DISABLE;
	let_go(s, database);
	session_complete(s, command_name(verb));
}

static void reconnect(struct console *s, struct usage *database)
{
	control_reconnect(dispatcher_of(s), database);
	let_go(s, database);
	session_complete(s, "RECONNECT");
}

static void control_database(struct console *s, const struct command *command)
{
	struct usage *database;

	if (!find_database(s, command, &database))
		return;
	switch (command->verb) {
	case COMMAND_PAUSE:
		pause_database(s, database);
		return;
	case COMMAND_RESUME:
		resume_database(s, database);
		return;
	case COMMAND_DISABLE:
	case COMMAND_ENABLE:
		set_disabled(s, command->verb, database);
		return;
	case COMMAND_RECONNECT:
		reconnect(s, database);
		return;
	case COMMAND_WAIT_CLOSE:
		wait_for(s, COMMAND_WAIT_CLOSE, database);
		return;
	case COMMAND_KILL:
		kill_database(s, database);
		return;
	case COMMAND_SHOW:
	case COMMAND_SET:
	case COMMAND_KILL_CLIENT:
	case COMMAND_UNBLOCK:
	case COMMAND_RELOAD:
	case COMMAND_SHUTDOWN:
		let_go(s, database);
		return;
	}
}

/* ---- the others ---- */

/* The id of SHOW CLIENTS, in decimal. */
static bool read_id(const char *text, uint64_t *out)
{
	uint64_t id = 0;
	size_t len = strlen(text);

	if (len == 0 || len > 10)
		return false;
	for (size_t i = 0; i < len; i++) {
		if (text[i] < '0' || text[i] > '9')
			return false;
		id = id * 10 + (uint64_t)(text[i] - '0');
	}
	*out = id;
	return true;
}

static void kill_client(struct console *s, const char *argument)
{
	struct client *c;
	uint64_t id;

	if (!read_id(argument, &id)) {
		session_fail(s, SQLSTATE_SYNTAX_ERROR, "invalid client pointer supplied",
			     NULL, "The id is a column of SHOW CLIENTS.");
		return;
	}
	TAILQ_FOREACH (c, &dispatcher_of(s)->clients, place)
		if (show_shown_id(c->id) == id && c->state != CLIENT_STARTUP)
			break;
	if (!c) {
		session_fail(s, SQLSTATE_NOT_IN_STATE, "client not found", NULL, NULL);
		return;
	}
	session_complete(s, "KILL_CLIENT");
	client_close(c, CLOSE_KILLED);
}

static void unblock(struct console *s, const char *user)
{
	struct brake *brake = dispatcher_of(s)->logins.brake;

	if (!user[0]) {
		brake_reset(brake);
	} else if (brake_reset_user(brake, slice_of_text(user)) == 0) {
		fail_naming(s, SQLSTATE_NOT_IN_STATE, "user ", user,
			    " has no failed logins");
		return;
	}
	session_complete(s, "UNBLOCK");
}

static void reload(struct console *s)
{
	const struct console_app_ops *app = s->service->app;
	char problem[PROBLEM_LEN] = "";

	if (app->reload(app->context, problem, sizeof(problem)))
		session_complete(s, "RELOAD");
	else
		session_fail(s, SQLSTATE_CONFIG_FILE_ERROR,
			     "RELOAD failed, see logs for additional details",
			     problem[0] ? problem : NULL, NULL);
}

static void set(struct console *s, const struct command *command)
{
	const struct console_app_ops *app = s->service->app;
	char problem[PROBLEM_LEN] = "";
	char tag[sizeof(command->argument) + sizeof(command->value) + 8];
	char value[sizeof(command->value)];

	if (!app->set(app->context, command->argument, command->value, problem,
		      sizeof(problem))) {
		session_fail(s, SQLSTATE_INVALID_PARAMETER, "SET failed",
			     problem[0] ? problem : NULL, NULL);
		return;
	}
	/* Tags find their way into histories and tickets. */
	mask_ldap_options(command->value, value, sizeof(value));
	snprintf(tag, sizeof(tag), "SET %s=%s", command->argument, value);
	session_complete(s, tag);
}

static void shut_down(struct console *s, const char *how)
{
	const struct console_app_ops *app = s->service->app;
	enum shutdown_mode mode = SHUTDOWN_NONE;

	if (text_equal_nocase(how, "WAIT_FOR_SERVERS"))
		mode = SHUTDOWN_WAIT_FOR_SERVERS;
	else if (text_equal_nocase(how, "WAIT_FOR_CLIENTS"))
		mode = SHUTDOWN_WAIT_FOR_CLIENTS;
	else if (how[0]) {
		session_fail_command(s, slice_of_text(how), "SHUTDOWN WAIT_FOR_SERVERS");
		return;
	}
	session_complete(s, "SHUTDOWN");
	app->shut_down(app->context, mode);
}

static void log_command(const struct console *s, const struct command *command)
{
	char prefix[CLIENT_PREFIX_LEN], argument[128];

	text_escape(argument, sizeof(argument), slice_of_text(command->argument));
	log_write(LOG_LEVEL_LOG, client_prefix(s->client, prefix),
		  "%s%s%s command issued", command_name(command->verb),
		  argument[0] ? " " : "", argument);
}

static void control(struct console *s, const struct command *command)
{
	switch (command->verb) {
	case COMMAND_KILL_CLIENT:
		kill_client(s, command->argument);
		return;
	case COMMAND_UNBLOCK:
		unblock(s, command->argument);
		return;
	case COMMAND_RELOAD:
		reload(s);
		return;
	case COMMAND_SET:
		set(s, command);
		return;
	case COMMAND_SHUTDOWN:
		shut_down(s, command->argument);
		return;
	case COMMAND_PAUSE:
	case COMMAND_RESUME:
	case COMMAND_DISABLE:
	case COMMAND_ENABLE:
	case COMMAND_RECONNECT:
	case COMMAND_WAIT_CLOSE:
	case COMMAND_KILL:
		control_database(s, command);
		return;
	case COMMAND_SHOW:
		return;
	}
}

void console_control(struct console *s, const struct command *command)
{
	if (command->verb == COMMAND_SET && show_is_driver_parameter(command->argument)) {
		session_notice(s, "SET ignored", NULL);
		session_complete(s, "SET");
		return;
	}
	if (command_needs_admin(command->verb) && !s->client->is_admin) {
		session_fail(s, SQLSTATE_INSUFFICIENT_PRIVILEGE, "admin access needed",
			     NULL, "Users in admin_users may use this command.");
		return;
	}
	log_command(s, command);
	control(s, command);
}
