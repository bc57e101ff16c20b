/*
 * The listening connection of a pool. Whatever changes only posts a task; the task looks
 * at how things are and does the next thing: open, ask, wait, close, or free it.
 */
#include "relay/notifier.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/random.h"
#include "base/reader.h"
#include "base/text.h"
#include "config/config.h"
#include "pool/private.h"
#include "relay/audience.h"
#include "relay/dispatcher.h"
#include "relay/known.h"
#include "relay/private.h"

/* So many commands in one query: the answers are short, and so is the query. */
enum { ASK_MOST = 100 };

#define FIRST_PAUSE_US (100 * USEC_PER_MSEC)
/* Not longer: clients wait with their LISTEN meanwhile. */
#define LONGEST_PAUSE_US (2 * USEC_PER_SEC)
#define ANSWER_LIMIT_US (30 * USEC_PER_SEC)
/* Until those whose LISTEN was refused have heard it. */
#define SHORT_PAUSE_US (10 * USEC_PER_MSEC)
enum { PAUSE_JITTER_PERCENT = 20 };

/* Whoever is idle for long by order is meant to be; of servers that know such a limit. */
#define FIRST_QUERY                                                                      \
	"SELECT pg_catalog.set_config(name, '0', false) FROM pg_catalog.pg_settings "    \
	"WHERE name = 'idle_session_timeout'"

/* ---- failures ---- */

static void pause_for_a_while(struct notifier *n)
{
	uint64_t most_us = clock_earlier(
	    n->dispatcher->config->settings.server_login_retry, LONGEST_PAUSE_US);
	uint64_t pause_us = most_us;

	if (n->failures < 32)
		pause_us = clock_earlier(FIRST_PAUSE_US << n->failures, most_us);
	n->failures++;
	n->not_before_us =
	    dispatcher_now(n->dispatcher) + random_jitter(pause_us, PAUSE_JITTER_PERCENT);
}

static void note_failure(struct notifier *n, struct slice sqlstate, struct slice message)
{
	text_copy(n->sqlstate, sizeof(n->sqlstate),
		  sqlstate.len == 5 ? sqlstate : slice_of_text("XX000"));
	text_copy(n->message, sizeof(n->message), message);
}

struct notice notifier_failure(const struct notifier *n)
{
	return (struct notice){
	    .severity = "ERROR",
	    .sqlstate = n->sqlstate,
	    .message = n->message,
	    .detail = "The pooler could not listen on a connection of its own."};
}

/* ---- the connection ---- */

static void server_has_gone(struct notifier *n)
{
	n->server = NULL;
	n->is_open = false;
	channels_lost(&n->channels);
	notifier_changed(n);
}

/* Asks, and waits no longer for the answer than for anything. */
static void tell(struct server *s, struct slice sql)
{
	server_move(s, SERVER_CLEANING);
	s->end_us = dispatcher_now(s->dispatcher) + ANSWER_LIMIT_US;
	server_ask(s, SERVER_TASK_PRIVATE, sql);
	server_arm(s);
}

static void on_opened(struct server *s, void *owner)
{
	struct notifier *n = owner;

	n->is_open = true;
	n->asked = 0;
	tell(s, slice_of_text(FIRST_QUERY));
}

static void on_failed(struct server *s, const struct notice *notice, void *owner)
{
	struct notifier *n = owner;

	(void)s;
	note_failure(n, slice_of_text(notice->sqlstate), slice_of_text(notice->message));
	pause_for_a_while(n);
	audience_refuse_all(&n->channels);
	server_has_gone(n);
}

/* One that had nothing to listen to is not missed. */
static void on_closed(struct server *s, void *owner)
{
	struct notifier *n = owner;

	note_failure(n, slice_of_text(SQLSTATE_CONNECTION_FAILURE),
		     slice_of_text(closing_row(s->closing)->text));
	if (n->channels.member_count > 0) {
		n->is_lost = true;
		audience_note_loss(&n->channels);
		pause_for_a_while(n);
		audience_refuse_all(&n->channels);
	}
	server_has_gone(n);
}

static void on_error(struct server *s, struct slice body, void *owner)
{
	struct notifier *n = owner;
	struct notice_fields fields;
	char prefix[256];

	if (!notice_read(body, &fields))
		fields = (struct notice_fields){0};
	note_failure(n, fields.sqlstate, fields.message);
	log_write(LOG_LEVEL_WARNING, server_prefix(s, prefix),
		  "cannot listen for clients: %s", n->message);
}

/* What failed may be the fault of one name among many. Of one alone it is, unless
 * somebody listens to it already: then it is the server's. */
static void on_refusal(struct notifier *n)
{
	if (n->asked != 1) {
		n->is_careful = true;
		return;
	}
	if (audience_refuse(TAILQ_FIRST(&n->channels.asked)))
		pause_for_a_while(n);
	else
		n->not_before_us = dispatcher_now(n->dispatcher) + SHORT_PAUSE_US;
}

static void on_answer(struct server *s, void *owner)
{
	struct notifier *n = owner;
	bool is_first = n->asked == 0;

	server_move(s, SERVER_IDLE);
	if (!is_first && s->task_failed)
		on_refusal(n);
	else if (!is_first)
		n->failures = 0;
	channels_answered(&n->channels, !s->task_failed, audience_admit, &n->channels);
	n->asked = 0;
	notifier_changed(n);
}

static void on_notification(struct server *s, struct slice body, void *owner)
{
	struct notifier *n = owner;
	struct reader r = reader_of(body);

	reader_u32(&r);
	struct slice name = reader_cstring(&r);
	reader_cstring(&r);
	if (!reader_done(&r)) {
		server_close(s, CLOSE_SERVER_PROTOCOL);
		return;
	}
	struct channel *channel = channels_find(&n->channels, name);
	if (!channel || TAILQ_EMPTY(&channel->members))
		return;
	if (!audience_hear(channel, body))
		server_close(s, CLOSE_OUT_OF_MEMORY);
}

static const struct private_ops listening_ops = {.on_opened = on_opened,
						 .on_failed = on_failed,
						 .on_closed = on_closed,
						 .on_error = on_error,
						 .on_answer = on_answer,
						 .on_notification = on_notification};

static void fail_at_once(struct notifier *n, const char *sqlstate, const char *message)
{
	note_failure(n, slice_of_text(sqlstate), slice_of_text(message));
	pause_for_a_while(n);
	audience_refuse_all(&n->channels);
}

static void add_pair(struct buffer *out, const char *name, const char *value)
{
	/* A pair that is missing for lack of memory makes a connection that works. */
	if (buffer_append(out, slice_of(name, strlen(name) + 1)) &&
	    !buffer_append(out, slice_of(value, strlen(value) + 1)))
		buffer_truncate(out, buffer_len(out) - strlen(name) - 1);
}

static void open_connection(struct notifier *n)
{
	struct buffer startup = {0};

	if (!pool_may_add_lasting(n->pool)) {
		fail_at_once(n, SQLSTATE_TOO_MANY_CONNECTIONS,
			     "connections that listen may take only half of "
			     "max_db_connections, max_user_connections or "
			     "max_server_connections");
		return;
	}
	if (n->encoding[0])
		add_pair(&startup, "client_encoding", n->encoding);
	add_pair(&startup, "application_name", "pooler (listening)");
	n->server =
	    private_open(n->dispatcher, n->pool,
			 &(struct private_wish){.purpose = SERVER_FOR_NOTIFICATIONS,
						.ops = &listening_ops,
						.owner = n,
						.startup = buffer_bytes(&startup),
						.is_lasting = true});
	buffer_fini(&startup);
	if (!n->server)
		fail_at_once(n, SQLSTATE_OUT_OF_MEMORY, "out of memory");
}

static void ask(struct notifier *n)
{
	struct buffer sql = {0};
	int count = channels_ask(&n->channels, n->is_careful ? 1 : ASK_MOST, &sql);

	if (count > 0) {
		n->asked = (unsigned)count;
		tell(n->server, buffer_bytes(&sql));
	} else if (count < 0) {
		server_close(n->server, CLOSE_OUT_OF_MEMORY);
	}
	buffer_fini(&sql);
}

/* ---- what is to be done ---- */

static void free_notifier(struct notifier *n)
{
	struct dispatcher *d = n->dispatcher;

	CHECK(!n->server && n->holders == 0);
	LIST_REMOVE(n, place);
	loop_unpost(d->loop, &n->work);
	loop_release_deadline(d->loop, &n->deadline);
	channels_fini(&n->channels);
	d->notifier_count--;
	free(n);
}

static void be_idle(struct notifier *n, uint64_t now_us)
{
	uint64_t timeout_us = n->dispatcher->config->settings.server_idle_timeout;

	if (n->idle_since_us == 0)
		n->idle_since_us = now_us > 0 ? now_us : 1;
	uint64_t due_us = clock_limit(n->idle_since_us, timeout_us);
	if (now_us >= due_us)
		server_close(n->server, CLOSE_SERVER_IDLE);
	else if (due_us != CLOCK_NEVER)
		loop_arm(n->dispatcher->loop, &n->deadline, due_us);
}

static void work_with_server(struct notifier *n, uint64_t now_us)
{
	struct server *s = n->server;

	if (s->closing != CLOSE_NOT || !n->is_open || s->state != SERVER_IDLE)
		return;
	if (channels_are_settled(&n->channels)) {
		n->is_careful = false;
		/* Now those who look for what they have missed will miss nothing. Without
		 * memory they are warned later. */
		if (n->is_lost)
			n->is_lost = !audience_warn(&n->channels);
	}
	if (n->channels.count == 0) {
		be_idle(n, now_us);
		return;
	}
	n->idle_since_us = 0;
	if (channels_are_settled(&n->channels))
		return;
	if (now_us < n->not_before_us)
		loop_arm(n->dispatcher->loop, &n->deadline, n->not_before_us);
	else
		ask(n);
}

static void look(struct notifier *n)
{
	uint64_t now_us = dispatcher_now(n->dispatcher);

	if (n->server) {
		work_with_server(n, now_us);
		return;
	}
	if (n->channels.count == 0) {
		if (n->holders == 0)
			free_notifier(n);
		return;
	}
	if (now_us >= n->not_before_us && n->pool->database)
		open_connection(n);
	if (!n->server)
		loop_arm(n->dispatcher->loop, &n->deadline,
			 n->not_before_us > now_us ? n->not_before_us
						   : now_us + FIRST_PAUSE_US);
}

static void work(struct loop_task *task)
{
	look((struct notifier *)(void *)((char *)task - offsetof(struct notifier, work)));
}

static void on_due(struct deadline *due, uint64_t now_us)
{
	(void)now_us;
	look((struct notifier *)(void *)((char *)due -
					 offsetof(struct notifier, deadline)));
}

void notifier_changed(struct notifier *n)
{
	loop_post(n->dispatcher->loop, &n->work);
}

void notifier_miss(struct notifier *n)
{
	n->is_lost = true;
}

static struct notifier *make(struct dispatcher *d, struct pool *pool)
{
	struct notifier *n = calloc(1, sizeof(*n));

	if (!n)
		return NULL;
	if (!loop_reserve_deadline(d->loop)) {
		free(n);
		return NULL;
	}
	n->dispatcher = d;
	n->pool = pool;
	n->work.run = work;
	n->deadline.on_due = on_due;
	channels_init(&n->channels);
	LIST_INSERT_HEAD(&known_of(pool)->notifiers, n, place);
	d->notifier_count++;
	return n;
}

bool notifier_is_in(const struct notifier *n, struct slice encoding)
{
	char name[NOTIFIER_ENCODING_LEN];

	text_copy(name, sizeof(name), encoding);
	return text_equal_nocase(n->encoding, name);
}

static struct notifier *get(struct dispatcher *d, struct pool *pool,
			    struct slice encoding)
{
	struct notifier *n;

	LIST_FOREACH(n, &known_of(pool)->notifiers, place)
	if (notifier_is_in(n, encoding))
		return n;
	n = make(d, pool);
	if (n)
		text_copy(n->encoding, sizeof(n->encoding), encoding);
	return n;
}

struct notifier *notifier_hold(struct dispatcher *d, struct pool *pool,
			       struct slice encoding)
{
	struct notifier *n = get(d, pool, encoding);

	if (n)
		n->holders++;
	return n;
}

void notifier_release(struct notifier *n)
{
	n->holders--;
	notifier_changed(n);
}

void notifier_forget(struct notifiers *all)
{
	struct notifier *n;

	while ((n = LIST_FIRST(all)))
		free_notifier(n);
}
