/*
 * Who listens to which channel.
 *
 * A channel is in the table while it has members, while the connection listens to it, or
 * while an answer about it is awaited; so the table says what a connection that is made
 * again has to be told.
 */
#include "pool/channels.h"

#include <stdlib.h>

#include "base/check.h"

/* ---- notifications ---- */

struct notification *notification_make(struct slice bytes)
{
	struct notification *n = malloc(sizeof(*n) + bytes.len);

	if (!n)
		return NULL;
	n->refs = 1;
	n->len = (uint32_t)bytes.len;
	if (bytes.len > 0)
		memcpy(n->bytes, bytes.data, bytes.len);
	return n;
}

void notification_unref(struct notification *n)
{
	if (n && --n->refs == 0)
		free(n);
}

/* ---- channels ---- */

void channels_init(struct channels *ch)
{
	*ch = (struct channels){.key = hash_key_make()};
	TAILQ_INIT(&ch->changed);
	TAILQ_INIT(&ch->asked);
}

static struct channel_list *list_of(struct channels *ch, const struct channel *c)
{
	switch (c->stage) {
	case CHANNEL_SETTLED:
		break;
	case CHANNEL_CHANGED:
		return &ch->changed;
	case CHANNEL_ASKED:
		return &ch->asked;
	}
	return NULL;
}

static void leave_list(struct channels *ch, struct channel *c)
{
	struct channel_list *list = list_of(ch, c);

	if (list)
		TAILQ_REMOVE(list, c, place);
	c->stage = CHANNEL_SETTLED;
}

static void free_channel(struct channels *ch, struct channel *c)
{
	CHECK(TAILQ_EMPTY(&c->members));
	leave_list(ch, c);
	HASH_DEL(ch->table, c);
	ch->count--;
	free(c);
}

void channels_fini(struct channels *ch)
{
	struct channel *c, *next;

	CHECK(ch->member_count == 0);
	HASH_ITER (hh, ch->table, c, next)
		free_channel(ch, c);
}

/* Where it belongs, now that members or the connection have changed. One that is asked
 * about is looked at when the answer is here. */
static void place(struct channels *ch, struct channel *c)
{
	bool is_wanted = !TAILQ_EMPTY(&c->members);

	if (c->stage == CHANNEL_ASKED)
		return;
	leave_list(ch, c);
	c->is_touched = c->is_touched && is_wanted;
	if (is_wanted == c->is_listened && !c->is_touched) {
		if (!is_wanted)
			free_channel(ch, c);
		return;
	}
	c->stage = CHANNEL_CHANGED;
	TAILQ_INSERT_TAIL(&ch->changed, c, place);
}

struct channel *channels_find(const struct channels *ch, struct slice name)
{
	struct channel *c;

	HASH_FIND_BYHASHVALUE(hh, ch->table, name.data, name.len,
			      hash_short(&ch->key, name), c);
	return c;
}

static struct channel *make_channel(struct channels *ch, struct slice name)
{
	struct channel *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	TAILQ_INIT(&c->members);
	memcpy(c->name, name.data, name.len);
	c->name_len = (uint8_t)name.len;
	HASH_ADD_BYHASHVALUE(hh, ch->table, name, name.len, hash_short(&ch->key, name),
			     c);
	if (!c->hh.tbl) {
		free(c);
		return NULL;
	}
	ch->count++;
	return c;
}

static bool is_name(struct slice name)
{
	return name.len > 0 && name.len <= CHANNEL_NAME_MAX &&
	       !memchr(name.data, '\0', name.len);
}

struct member *channels_join(struct channels *ch, struct listener *l, struct slice name)
{
	struct member *m = is_name(name) ? listener_find(l, name) : NULL;

	if (m || !is_name(name))
		return m;
	struct channel *c = channels_find(ch, name);
	m = calloc(1, sizeof(*m));
	if (m && !c)
		c = make_channel(ch, name);
	if (!m || !c) {
		free(m);
		return NULL;
	}
	m->channel = c;
	m->listener = l;
	m->is_late = c->stage == CHANNEL_ASKED;
	TAILQ_INSERT_TAIL(&c->members, m, in_channel);
	TAILQ_INSERT_TAIL(&l->channels, m, in_listener);
	l->count++;
	ch->member_count++;
	place(ch, c);
	return m;
}

void channels_touch(struct channels *ch, struct channel *c)
{
	c->is_touched = true;
	place(ch, c);
}

void channels_leave(struct channels *ch, struct member *m)
{
	struct channel *c = m->channel;

	member_forget_kept(m);
	TAILQ_REMOVE(&c->members, m, in_channel);
	TAILQ_REMOVE(&m->listener->channels, m, in_listener);
	m->listener->count--;
	ch->member_count--;
	free(m);
	place(ch, c);
}

/* ---- the connection ---- */

/* LISTEN "a ""quoted"" name"; */
static bool append_command(struct buffer *sql, const struct channel *c, bool is_wanted)
{
	char text[sizeof("UNLISTEN \"\";") + 2 * CHANNEL_NAME_MAX];
	const char *verb = is_wanted ? "LISTEN \"" : "UNLISTEN \"";
	size_t len = strlen(verb);

	memcpy(text, verb, len);
	for (size_t i = 0; i < c->name_len; i++) {
		if (c->name[i] == '"')
			text[len++] = '"';
		text[len++] = c->name[i];
	}
	text[len++] = '"';
	text[len++] = ';';
	return buffer_append(sql, slice_of(text, len));
}

int channels_ask(struct channels *ch, unsigned most, struct buffer *sql)
{
	size_t before = buffer_len(sql);
	unsigned count = 0;
	struct channel *c;

	CHECK(TAILQ_EMPTY(&ch->asked));
	TAILQ_FOREACH (c, &ch->changed, place) {
		if (count == most)
			break;
		if (!append_command(sql, c, !TAILQ_EMPTY(&c->members))) {
			buffer_truncate(sql, before);
			return -1;
		}
		count++;
	}
	for (unsigned i = 0; i < count; i++) {
		c = TAILQ_FIRST(&ch->changed);
		leave_list(ch, c);
		c->is_wanted = !TAILQ_EMPTY(&c->members);
		c->is_touched = false;
		c->stage = CHANNEL_ASKED;
		TAILQ_INSERT_TAIL(&ch->asked, c, place);
	}
	return (int)count;
}

void channels_answered(struct channels *ch, bool has_worked, channel_fn on_listened,
		       void *context)
{
	struct channel *c;

	while ((c = TAILQ_FIRST(&ch->asked))) {
		leave_list(ch, c);
		if (has_worked)
			c->is_listened = c->is_wanted;
		else
			c->is_touched = c->is_wanted;
		bool is_new = has_worked && c->is_listened && !TAILQ_EMPTY(&c->members);
		place(ch, c);
		if (is_new)
			on_listened(c, context);
	}
}

void channels_lost(struct channels *ch)
{
	struct channel *c, *next;

	HASH_ITER (hh, ch->table, c, next) {
		leave_list(ch, c);
		c->is_listened = false;
		place(ch, c);
	}
}

/* ---- listeners ---- */

void listener_init(struct listener *l)
{
	*l = (struct listener){.count = 0};
	TAILQ_INIT(&l->channels);
	STAILQ_INIT(&l->queue);
}

static size_t size_of(const struct kept *k)
{
	return sizeof(*k) + k->notification->len;
}

static void free_kept(struct listener *l, struct kept *k)
{
	l->kept_len -= size_of(k);
	if (k->member)
		k->member->kept--;
	notification_unref(k->notification);
	free(k);
}

void listener_fini(struct listener *l)
{
	struct kept *k;

	CHECK(TAILQ_EMPTY(&l->channels));
	while ((k = STAILQ_FIRST(&l->queue))) {
		STAILQ_REMOVE_HEAD(&l->queue, place);
		free_kept(l, k);
	}
}

struct member *listener_find(const struct listener *l, struct slice name)
{
	struct member *m;

	TAILQ_FOREACH (m, &l->channels, in_listener)
		if (slice_equal(slice_of(m->channel->name, m->channel->name_len), name))
			return m;
	return NULL;
}

bool listener_keep(struct listener *l, struct member *m, struct notification *n)
{
	struct kept *k = calloc(1, sizeof(*k));

	if (!k)
		return false;
	k->notification = n;
	n->refs++;
	k->member = m;
	if (m)
		m->kept++;
	STAILQ_INSERT_TAIL(&l->queue, k, place);
	l->kept_len += size_of(k);
	return true;
}

static bool is_certain(const struct kept *k)
{
	return !k->member || k->member->is_certain;
}

struct notification *listener_next(const struct listener *l)
{
	const struct kept *first = STAILQ_FIRST(&l->queue);

	return first && is_certain(first) ? first->notification : NULL;
}

void listener_drop(struct listener *l)
{
	struct kept *first = STAILQ_FIRST(&l->queue);

	CHECK(first && is_certain(first));
	STAILQ_REMOVE_HEAD(&l->queue, place);
	free_kept(l, first);
}

void member_forget_kept(struct member *m)
{
	struct listener *l = m->listener;
	struct kept_queue all = l->queue;
	struct kept *k;

	if (m->kept == 0)
		return;
	STAILQ_INIT(&l->queue);
	while ((k = STAILQ_FIRST(&all))) {
		STAILQ_REMOVE_HEAD(&all, place);
		if (k->member == m)
			free_kept(l, k);
		else
			STAILQ_INSERT_TAIL(&l->queue, k, place);
	}
}

/* ---- soundness ---- */

static bool channel_is_sound(const struct channel *c)
{
	bool is_wanted = !TAILQ_EMPTY(&c->members);

	switch (c->stage) {
	case CHANNEL_SETTLED:
		return is_wanted && c->is_listened;
	case CHANNEL_CHANGED:
		return is_wanted != c->is_listened || (is_wanted && c->is_touched);
	case CHANNEL_ASKED:
		return c->is_wanted || c->is_listened;
	}
	return false;
}

bool channels_are_sound(const struct channels *ch)
{
	const struct channel *c;
	const struct member *m;
	size_t members = 0;
	unsigned count = 0;

	for (c = ch->table; c; c = c->hh.next) {
		count++;
		if (!channel_is_sound(c))
			return false;
		TAILQ_FOREACH (m, &c->members, in_channel) {
			if (m->channel != c)
				return false;
			members++;
		}
	}
	return count == ch->count && members == ch->member_count;
}
