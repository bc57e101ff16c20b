/*
 * The console's messages: logins, queries, and what the dispatcher calls.
 */
#include "console/console.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"
#include "base/log.h"
#include "base/text.h"
#include "config/config.h"
#include "console/control.h"
#include "console/extended.h"
#include "console/session.h"
#include "net/tls.h"
#include "proto/frame.h"
#include "proto/notice.h"
#include "proto/writer.h"

enum {
	GATHER_MOST = 12 * 1024,         /* the longest message that is read */
	MESSAGE_MOST = 16 * 1024 * 1024, /* the longest that is skipped */
};

static_assert((int)GATHER_MOST < (int)STREAM_KEEP_MAX,
	      "what is read fits into what is kept");

static struct console *console_of_deadline(struct deadline *due)
{
	return (struct console *)(void *)((char *)due -
					  offsetof(struct console, next_slice));
}

/* ---- commands ---- */

static bool is_help(const struct command *command)
{
	return text_equal_nocase(command->argument, "help");
}

static bool is_known(const struct command *command)
{
	return command->verb != COMMAND_SHOW || is_help(command) ||
	       show_find(command->argument);
}

enum command_result session_understand(struct console *s, struct slice text,
				       struct command *out)
{
	enum command_result result = command_parse(text, out);
	char nearest[COMMAND_WORD_MAX + 8];

	if (result == COMMAND_INVALID) {
		session_fail_command(s, text, command_nearest(text));
	} else if (result == COMMAND_OK && !is_known(out)) {
		const char *name = show_nearest(out->argument);
		if (name)
			snprintf(nearest, sizeof(nearest), "SHOW %s", name);
		session_fail_command(s, text, name ? nearest : NULL);
		result = COMMAND_INVALID;
	}
	return result;
}

struct rows session_shape(const struct command *command)
{
	const struct show_table *table = NULL;

	if (command->verb == COMMAND_SHOW)
		table = show_find(command->argument);
	return table ? (struct rows){table->columns, table->count, 0} : (struct rows){0};
}

static void help(struct console *s)
{
	session_notice(
	    s, "Console usage",
	    "\n\tSHOW HELP|CONFIG|DATABASES|POOLS|QUEUE|CLIENTS|SERVERS|USERS|VERSION"
	    "\n\tSHOW STATS|STATS_TOTALS|STATS_AVERAGES|TOTALS"
	    "\n\tSHOW SOCKETS|ACTIVE_SOCKETS|LISTS|LISTENERS|MEM|MEMORY|STATE"
	    "\n\tSHOW HBA|FAILED_LOGINS"
	    "\n\tSET key = arg"
	    "\n\tRELOAD"
	    "\n\tPAUSE [<db>]"
	    "\n\tRESUME [<db>]"
	    "\n\tDISABLE <db>"
	    "\n\tENABLE <db>"
	    "\n\tRECONNECT [<db>]"
	    "\n\tWAIT_CLOSE [<db>]"
	    "\n\tKILL [<db>]"
	    "\n\tKILL_CLIENT <client_id>"
	    "\n\tUNBLOCK [<user>]"
	    "\n\tSHUTDOWN"
	    "\n\tSHUTDOWN WAIT_FOR_SERVERS|WAIT_FOR_CLIENTS");
	session_complete(s, "SHOW");
}

static void count_command(struct console *s)
{
	struct counters *counters =
	    tally_at(&s->service->tally, dispatcher_now(s->service->dispatcher));

	counters->query_count++;
	counters->xact_count++;
}

void session_perform(struct console *s, const struct command *command)
{
	count_command(s);
	if (command->verb != COMMAND_SHOW)
		console_control(s, command);
	else if (is_help(command))
		help(s);
	else
		session_show(s, show_find(command->argument),
			     s->is_simple ? 0 : s->prepared.portal.binary);
}

/* ---- messages ---- */

static void describe_result(struct console *s, const struct command *command)
{
	struct rows rows = session_shape(command);

	if (rows.count == 0)
		return;
	struct writer w = session_writer(s);
	rows_describe(&rows, &w);
	session_written(s, &w);
}

static bool query(struct console *s, struct slice body)
{
	struct command command;

	if (body.len == 0 ||
	    memchr(body.data, '\0', body.len) != &body.data[body.len - 1])
		return false;
	s->is_simple = true;
	s->rows_left = SIZE_MAX;
	extended_close_portal(s);
	switch (session_understand(s, slice_first(body, body.len - 1), &command)) {
	case COMMAND_EMPTY:
		session_say(s, 'I');
		return true;
	case COMMAND_INVALID:
		return true;
	case COMMAND_OK:
		break;
	}
	describe_result(s, &command);
	session_perform(s, &command);
	return true;
}

static bool sync_up(struct console *s)
{
	s->is_skipping = false;
	extended_close_portal(s);
	session_ready(s);
	return true;
}

static bool refuse_call(struct console *s)
{
	s->is_simple = true;
	session_fail(s, SQLSTATE_FEATURE_NOT_SUPPORTED, "the console has no functions",
		     NULL, NULL);
	return true;
}

static bool take_message(struct console *s, const struct frame *f)
{
	if (s->is_skipping && f->letter != 'S' && f->letter != 'X')
		return true;
	s->is_simple = false;
	switch (f->letter) {
	case 'Q':
		return query(s, f->body);
	case 'P':
		return extended_parse(s, f->body);
	case 'B':
		return extended_bind(s, f->body);
	case 'D':
		return extended_describe(s, f->body);
	case 'E':
		return extended_execute(s, f->body);
	case 'C':
		return extended_close(s, f->body);
	case 'S':
		return sync_up(s);
	case 'F':
		return refuse_call(s);
	case 'X':
		client_close(s->client, CLOSE_TERMINATE);
		return true;
	case 'H': /* Flush: answers leave at the end of the turn anyway */
	case 'd': /* the rest of a COPY that failed */
	case 'c':
	case 'f':
		return true;
	default:
		return false;
	}
}

/* A message too long to be any command: an error, and the rest is passed over. */
static void refuse_long(struct console *s, const struct frame *f)
{
	s->skip = (uint32_t)f->total_len;
	s->is_simple = f->letter == 'Q';
	if (!s->is_skipping)
		session_fail(s, SQLSTATE_SYNTAX_ERROR, "the command is too long", NULL,
			     NULL);
}

static size_t skip_bytes(struct console *s, struct slice bytes)
{
	size_t len = bytes.len < s->skip ? bytes.len : s->skip;

	s->skip -= (uint32_t)len;
	return len;
}

/* One message, or part of one that is skipped; 0 when there is none to be had now. */
static size_t take_one(struct console *s, struct slice bytes)
{
	struct frame f;

	if (s->skip > 0)
		return skip_bytes(s, bytes);
	switch (frame_peek(bytes, MESSAGE_MOST, &f)) {
	case FRAME_SHORT:
		return 0;
	case FRAME_BAD:
		client_close(s->client, CLOSE_CONSOLE_PROTOCOL);
		return 0;
	case FRAME_OK:
		break;
	}
	if (f.total_len > GATHER_MOST) {
		refuse_long(s, &f);
		return skip_bytes(s, bytes);
	}
	if (!frame_is_whole(&f))
		return 0;
	if (!take_message(s, &f))
		client_close(s->client, CLOSE_CONSOLE_PROTOCOL);
	return f.total_len;
}

static size_t on_data(struct client *client, struct slice bytes)
{
	struct console *s = client->console;
	size_t done = 0;

	while (s && client->state == CLIENT_CONSOLE && s->state == CONSOLE_READY &&
	       done < bytes.len && !session_is_full(s)) {
		size_t len = take_one(s, slice_after(bytes, done));
		if (len == 0)
			break;
		done += len;
	}
	return done;
}

/* ---- slices ---- */

static void go_on(struct console *s)
{
	if (s->client->state != CLIENT_CONSOLE)
		return;
	if (s->state == CONSOLE_SHOWING)
		session_go_on(s);
	if (s->state == CONSOLE_READY)
		loop_post(s->service->dispatcher->loop, &s->client->pump);
}

static void on_drained(struct client *client)
{
	if (client->console)
		go_on(client->console);
}

static void on_next_slice(struct deadline *due, uint64_t now_us)
{
	struct console *s = console_of_deadline(due);

	(void)now_us;
	if (!stream_has_queued(&s->client->stream))
		go_on(s);
}

/* ---- beginning and end ---- */

static void write_status(struct writer *w, const char *name, const char *value)
{
	writer_parameter_status(w, slice_of_text(name), slice_of_text(value));
}

/* What a server says after a login. Drivers read a number at the beginning of the
 * version and decide by it what they may ask for. */
static void welcome(struct console *s)
{
	struct writer w = session_writer(s);
	uint8_t key[CANCELS_LONG_LEN];
	char version[64];

	size_t key_len =
	    cancels_spell(&s->service->dispatcher->cancels, &s->client->cancel, key);
	snprintf(version, sizeof(version), "15.0 (%s)", s->service->app->version);
	writer_begin(&w, 'R');
	writer_u32(&w, 0);
	writer_end(&w);
	write_status(&w, "server_version", version);
	write_status(&w, "client_encoding", "UTF8");
	write_status(&w, "server_encoding", "UTF8");
	write_status(&w, "DateStyle", "ISO");
	write_status(&w, "TimeZone", "GMT");
	write_status(&w, "standard_conforming_strings", "on");
	write_status(&w, "integer_datetimes", "on");
	write_status(&w, "is_superuser", "on");
	writer_backend_key(&w, slice_of(key, key_len));
	writer_ready(&w, 'I');
	w.failed = w.failed || key_len == 0;
	session_written(s, &w);
}

static void count_login(struct console_service *service)
{
	const struct dispatcher *d = service->dispatcher;
	uint64_t period_us = d->config->settings.stats_period;

	if (service->tally.period_us == 0)
		tally_init(&service->tally, dispatcher_now(d), period_us);
	tally_set_period(&service->tally, period_us);
	tally_at(&service->tally, dispatcher_now(d))->client_login_count++;
}

static void log_login(const struct client *client)
{
	char prefix[CLIENT_PREFIX_LEN];
	struct tls_facts tls = {.protocol = "no"};

	if (!client->dispatcher->config->settings.log_connections)
		return;
	tls_facts(&client->stream, &tls);
	log_write(LOG_LEVEL_LOG, client_prefix(client, prefix),
		  "login attempt: db=%s user=%s tls=%s replication=no",
		  client_database_name(client), client_user_name(client), tls.protocol);
}

static void on_login(struct client *client, void *context)
{
	struct console_service *service = context;
	struct console *s = calloc(1, sizeof(*s));

	if (!s || !loop_reserve_deadline(service->dispatcher->loop)) {
		free(s);
		client_close(client, CLOSE_OUT_OF_MEMORY);
		return;
	}
	s->service = service;
	s->client = client;
	s->next_slice.on_due = on_next_slice;
	prepared_init(&s->prepared);
	client->console = s;
	log_login(client);
	count_login(service);
	welcome(s);
}

static void on_cancel(struct client *client)
{
	struct console *s = client->console;

	if (!s || s->state == CONSOLE_READY)
		return;
	if (s->state == CONSOLE_WAITING)
		console_give_up(s);
	else
		extended_close_portal(s);
	session_fail(s, SQLSTATE_QUERY_CANCELED,
		     "canceling statement due to user request", NULL, NULL);
	loop_post(client->dispatcher->loop, &client->pump);
}

static void on_close(struct client *client)
{
	struct console *s = client->console;

	client->console = NULL;
	if (s->state == CONSOLE_WAITING)
		console_give_up(s);
	show_end(&s->show);
	prepared_fini(&s->prepared);
	loop_release_deadline(s->service->dispatcher->loop, &s->next_slice);
	free(s);
}

static void on_progress(void *context)
{
	struct console_service *service = context;

	console_check_waiting(service);
	if (service->app_watches)
		service->app->on_progress(service->app->context);
}

void console_service_init(struct console_service *service, struct dispatcher *dispatcher,
			  const struct console_app_ops *app)
{
	*service = (struct console_service){.dispatcher = dispatcher, .app = app};
	TAILQ_INIT(&service->waiting);
}

struct console_ops console_service_ops(struct console_service *service)
{
	return (struct console_ops){
	    .on_login = on_login,
	    .on_data = on_data,
	    .on_drained = on_drained,
	    .on_cancel = on_cancel,
	    .on_close = on_close,
	    .on_progress = on_progress,
	    .context = service,
	};
}
