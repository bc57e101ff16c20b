/*
 * Clients that replicate.
 */
#include "relay/replication.h"

#include "base/check.h"
#include "pool/pool.h"
#include "proto/startup.h"
#include "proto/writer.h"
#include "relay/client.h"
#include "relay/dispatcher.h"
#include "relay/greeting.h"
#include "relay/link.h"
#include "relay/private.h"

static const struct {
	const char *name, *parameter, *value;
} kinds[] = {
    [STARTUP_REPLICATION_NONE] = {"none", "no", "false"},
    [STARTUP_REPLICATION_LOGICAL] = {"logical", "database", "database"},
    [STARTUP_REPLICATION_PHYSICAL] = {"physical", "yes", "true"},
};

const char *replication_name(uint8_t kind)
{
	CHECK(kind <= STARTUP_REPLICATION_PHYSICAL);
	return kinds[kind].name;
}

const char *replication_parameter(uint8_t kind)
{
	CHECK(kind <= STARTUP_REPLICATION_PHYSICAL);
	return kinds[kind].parameter;
}

/* Its server is as good as logged in to by the client itself, which begins with what is
 * in its buffer. */
static void on_opened(struct server *s, void *owner)
{
	struct client *c = owner;

	/* Both in one turn: it has gone, and its server came. */
	if (c->closing != CLOSE_NOT || !greeting_send(c, s->params, s->base)) {
		server_close(s, CLOSE_SERVER_UNFINISHED);
		return;
	}
	link_attach(c, s);
	loop_post(c->dispatcher->loop, &c->pump);
}

static void on_failed(struct server *s, const struct notice *notice, void *owner)
{
	(void)s;
	client_close_with(owner, CLOSE_REFUSED, notice);
}

/* The client it was linked to has been closed, or has gone long ago. */
static void on_closed(struct server *s, void *owner)
{
	(void)s;
	(void)owner;
}

static const struct private_ops ops = {
    .on_opened = on_opened, .on_failed = on_failed, .on_closed = on_closed};

/* All that it asked for, as it was understood: what ignore_startup_parameters names is
 * not in it, and `options` are parameters as others. */
static bool write_startup(struct buffer *out, const struct client *c, uint8_t kind)
{
	struct writer w = writer_of(out);
	struct slice name, value;

	writer_text(&w, "replication");
	writer_text(&w, kinds[kind].value);
	for (size_t i = 0; i < params_count(c->params); i++) {
		params_at(c->params, i, &name, &value);
		writer_cstring(&w, name);
		writer_cstring(&w, value);
	}
	return writer_finish(&w);
}

static struct server *open_for(struct client *c, uint8_t kind)
{
	struct buffer startup = {0};
	struct server *s = NULL;

	if (write_startup(&startup, c, kind))
		s = private_open(
		    c->dispatcher, c->pool,
		    &(struct private_wish){.purpose = SERVER_FOR_REPLICATION,
					   .ops = &ops,
					   .owner = c,
					   .startup = buffer_bytes(&startup)});
	buffer_fini(&startup);
	return s;
}

void replication_begin(struct client *c, uint8_t kind)
{
	if (!open_for(c, kind)) {
		client_close(c, CLOSE_OUT_OF_MEMORY);
		return;
	}
	c->replication = kind;
	client_move(c, CLIENT_OPENING);
	client_arm(c);
}

/* The server that is still to tell that client what becomes of it; NULL for none. The
 * client has no room to remember it, and few of a pool's servers are private. */
static struct server *server_opening_for(const struct client *c)
{
	struct slot *slot;

	TAILQ_FOREACH (slot, &c->pool->slots[SLOT_PRIVATE], place) {
		struct server *s = server_of_slot(slot);

		if (s->purpose == SERVER_FOR_REPLICATION && s->private->ops &&
		    s->private->owner == c)
			return s;
	}
	return NULL;
}

void replication_give_up(struct client *c)
{
	if (c->replication == STARTUP_REPLICATION_NONE || c->is_logged_in)
		return;
	struct server *s = server_opening_for(c);
	if (s)
		private_abandon(s, CLOSE_SERVER_UNFINISHED);
}

uint8_t replication_of_server(const struct server *s)
{
	const struct client *c = s->client;

	if (s->purpose != SERVER_FOR_REPLICATION)
		return STARTUP_REPLICATION_NONE;
	/* One that is not abandoned has its client still. */
	if (!c && s->private->ops)
		c = s->private->owner;
	return c ? c->replication : STARTUP_REPLICATION_NONE;
}
