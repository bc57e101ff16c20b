/*
 * All who listen on one connection.
 */
#include "relay/audience.h"

#include "proto/frame.h"
#include "proto/notice.h"
#include "proto/writer.h"
#include "relay/listening.h"

static struct listening *listening_by(const struct member *m)
{
	return (struct listening *)(void *)((char *)m->listener -
					    offsetof(struct listening, listener));
}

bool audience_hear(struct channel *channel, struct slice body)
{
	/* The message as it came, header and all. */
	struct notification *n = notification_make(
	    slice_of(body.data - FRAME_HEADER_LEN, body.len + FRAME_HEADER_LEN));
	struct member *m;

	if (!n)
		return false;
	TAILQ_FOREACH (m, &channel->members, in_channel)
		listening_hears(listening_by(m), m, n);
	notification_unref(n);
	return true;
}

static void go_on(struct member *m)
{
	if (!m->is_certain)
		member_forget_kept(m);
	if (m->is_waiting)
		listening_wake(listening_by(m));
	m->is_waiting = false;
	listening_admitted(listening_by(m));
}

void audience_admit(struct channel *channel, void *context)
{
	bool is_any_late = false;
	struct member *m;

	TAILQ_FOREACH (m, &channel->members, in_channel) {
		if (m->is_admitted)
			continue;
		m->is_admitted = !m->is_late;
		is_any_late = is_any_late || m->is_late;
		m->is_late = false;
		if (m->is_admitted)
			go_on(m);
	}
	if (is_any_late)
		channels_touch(context, channel);
}

bool audience_refuse(struct channel *channel)
{
	bool has_listeners = false;
	struct member *m;

	TAILQ_FOREACH (m, &channel->members, in_channel) {
		has_listeners = has_listeners || m->is_certain;
		if (!m->is_waiting)
			continue;
		m->is_waiting = false;
		m->is_refused = true;
		listening_wake(listening_by(m));
	}
	return has_listeners;
}

void audience_refuse_all(struct channels *channels)
{
	struct channel *channel, *next;

	HASH_ITER (hh, channels->table, channel, next)
		audience_refuse(channel);
}

void audience_note_loss(struct channels *channels)
{
	struct channel *channel, *next;
	struct member *m;

	HASH_ITER (hh, channels->table, channel, next)
		TAILQ_FOREACH (m, &channel->members, in_channel)
			listening_by(m)->has_missed = true;
}

static struct notification *make_warning(void)
{
	struct buffer bytes = {0};
	struct writer w = writer_of(&bytes);
	struct notification *n = NULL;

	notice_write(&w, &(struct notice){
			     .severity = "WARNING",
			     .sqlstate = "01000",
			     .message = "notifications may have been lost",
			     .detail = "The connection on which the pooler listens was "
				       "lost and has been made again."});
	if (writer_finish(&w))
		n = notification_make(buffer_bytes(&bytes));
	buffer_fini(&bytes);
	return n;
}

/* Each once, however many channels it listens to. */
static void warn(struct channel *channel, struct notification *warning)
{
	struct member *m;

	TAILQ_FOREACH (m, &channel->members, in_channel) {
		struct listening *l = listening_by(m);
		if (l->has_missed)
			listening_hears(l, NULL, warning);
		l->has_missed = false;
	}
}

bool audience_warn(struct channels *channels)
{
	struct notification *warning = make_warning();
	struct channel *channel, *next;

	if (!warning)
		return false;
	HASH_ITER (hh, channels->table, channel, next)
		warn(channel, warning);
	notification_unref(warning);
	return true;
}
