/*
 * Who listens to which channel, on one listening connection: channels by name, their
 * members, and what has to be said on the connection so that it listens to those channels
 * that have members and to no others.
 *
 * A listener is one client's side: the channels it is a member of, and notifications that
 * are kept for it until it may hear them. Their bytes are shared and counted. Whatever is
 * done costs as much as there are members of the channel, or channels of the listener,
 * that it is about.
 */
#ifndef POOLER_POOL_CHANNELS_H
#define POOLER_POOL_CHANNELS_H

#include <stdbool.h>

/* Adding to a table may fail; then hh.tbl is NULL. */
#ifndef HASH_NONFATAL_OOM
#define HASH_NONFATAL_OOM 1
#endif
#include <uthash.h>

#include <sys/queue.h>

#include "base/buffer.h"
#include "base/hash.h"

struct channel;
struct listener;

enum { CHANNEL_NAME_MAX = 63 };

/* ---- notifications ---- */

/* Bytes that go to many; freed with the last reference. */
struct notification {
	uint32_t refs;
	uint32_t len;
	uint8_t bytes[];
};

/* A copy; NULL when memory is short. */
struct notification *notification_make(struct slice bytes);
void notification_unref(struct notification *n);

/* ---- members ---- */

struct member {
	TAILQ_ENTRY(member) in_channel;
	TAILQ_ENTRY(member) in_listener;
	struct channel *channel;
	struct listener *listener;
	unsigned kept;   /* notifications that are kept for it */
	bool is_certain; /* its LISTEN is committed; before, it may turn out to be none,
			    and what is kept for it waits for that */
	bool may_leave;  /* an UNLISTEN of it is on its way */
	bool is_leaving; /* the relay's: that was committed; but it may have LISTENed
			    again */
	bool is_unsent;  /* the relay's: its LISTEN has not gone to the client's server */
	bool is_asked;   /* the relay's: the client's server is asked about it */
	bool is_there;   /* the relay's: it has been found on the client's server */
	bool is_admitted;  /* the relay's: what was said before it came has been heard */
	bool is_late;      /* it came when the connection had been asked already */
	bool is_committed; /* the relay's: its LISTEN may be, in a transaction of its own
			    */
	bool is_waiting;   /* the relay's: until the connection listens to the channel */
	bool is_refused;   /* the relay's: the connection cannot */
	bool is_moved;     /* the relay's: the listener still hears it elsewhere */
};
TAILQ_HEAD(members, member);

/* ---- channels ---- */

struct channel {
	UT_hash_handle hh;
	TAILQ_ENTRY(channel) place; /* in changed or asked, if in one */
	struct members members;
	enum { CHANNEL_SETTLED, CHANNEL_CHANGED, CHANNEL_ASKED } stage;
	bool is_listened; /* the connection listens to it */
	bool is_touched;  /* and is to be told so again */
	bool is_wanted;   /* asked: what was asked for */
	uint8_t name_len;
	char name[CHANNEL_NAME_MAX + 1];
};
TAILQ_HEAD(channel_list, channel);

struct channels {
	struct hash_key key;
	struct channel *table;
	struct channel_list changed; /* to be listened to, or not any more */
	struct channel_list asked; /* the connection has been told and has not answered */
	unsigned count;            /* with or without members */
	size_t member_count;
};

void channels_init(struct channels *ch);
/* There may be no members. */
void channels_fini(struct channels *ch);

struct channel *channels_find(const struct channels *ch, struct slice name);

/* The listener as a member of the channel: the one it is already, or a new one that is
 * not certain. NULL when memory is short or the name is empty or too long. */
struct member *channels_join(struct channels *ch, struct listener *l, struct slice name);
/* The connection is told to listen to it (once more, if it does): when the answer is
 * here, what was said on it before now has been heard. */
void channels_touch(struct channels *ch, struct channel *c);
/* It is none any more; what was kept for it is dropped. */
void channels_leave(struct channels *ch, struct member *m);

/* ---- the connection ---- */

/* Appends LISTEN and UNLISTEN commands for the channels that changed, at most so many of
 * them, and counts them as asked; how many there are, or -1 when memory is short: then
 * nothing was asked. Nothing may be asked already. */
int channels_ask(struct channels *ch, unsigned most, struct buffer *sql);

/* The answer is here. If the connection did what it was asked, on_listened is called for
 * each channel that it was told to listen to; if not, they count as changed again. */
typedef void (*channel_fn)(struct channel *channel, void *context);
void channels_answered(struct channels *ch, bool has_worked, channel_fn on_listened,
		       void *context);

/* The connection has gone. */
void channels_lost(struct channels *ch);

static inline bool channels_are_settled(const struct channels *ch)
{
	return TAILQ_EMPTY(&ch->changed) && TAILQ_EMPTY(&ch->asked);
}

/* ---- listeners ---- */

struct kept {
	STAILQ_ENTRY(kept) place;
	struct notification *notification;
	struct member *member; /* that it came by; NULL: by none */
};

struct listener {
	struct members channels;
	unsigned count;
	STAILQ_HEAD(kept_queue, kept) queue;
	size_t kept_len; /* bytes in the queue, what each entry takes included */
};

void listener_init(struct listener *l);
/* It may be a member of nothing. Drops what is kept. */
void listener_fini(struct listener *l);

/* The member of that channel; NULL when it is none. */
struct member *listener_find(const struct listener *l, struct slice name);

/* Keeps a notification (with a reference of its own) behind others, for a member or for
 * none. False when memory is short. */
bool listener_keep(struct listener *l, struct member *m, struct notification *n);
/* The oldest one that is kept; NULL when there is none, or it is not certain yet whether
 * it is for the listener. */
struct notification *listener_next(const struct listener *l);
/* Drops the oldest one, which must not be uncertain. */
void listener_drop(struct listener *l);

/* Drops what is kept for it: it came too early, or is not wanted any more. */
void member_forget_kept(struct member *m);

bool channels_are_sound(const struct channels *ch); /* linear: for tests */

#endif
