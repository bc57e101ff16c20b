/*
 * The event loop: what is ready, what is due, what was put off to the end of the turn.
 *
 * libev waits and dispatches; nothing above this file knows it. A turn is: descriptors
 * that are ready, deadlines that are due, then the three phases that end it: *run* (tasks
 * that were posted), *flush* (streams with queued bytes write once) and *reap* (what was
 * closed is freed). What a later phase gives an earlier one to do is done before the loop
 * waits again. Without libev a turn is a function call, loop_turn(), with a time of
 * the caller's choice: that is how whole conversations are tested without a socket.
 *
 * libev's back end is named (epoll) and LIBEV_FLAGS is ignored: its io_uring back end
 * aborts on current kernels.
 */
#ifndef POOLER_NET_LOOP_H
#define POOLER_NET_LOOP_H

#include <ev.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "base/deadlines.h"
#include "net/gather.h"
#include "net/ledger.h"

struct loop;

/* ---- descriptors ---- */

enum { LOOP_READ = EV_READ, LOOP_WRITE = EV_WRITE };

struct loop_io;
typedef void (*loop_io_fn)(struct loop *loop, struct loop_io *io, int events);

/* Every connection holds one, so nothing stands in it twice: ev.data is the loop_io_fn,
 * and the loop is known to libev. */
struct loop_io {
	ev_io ev;
};

void loop_io_init(struct loop_io *io, int fd, loop_io_fn on_ready);

/* Calls on_ready, as when the descriptor is ready; for tests. */
void loop_io_tell(struct loop *loop, struct loop_io *io, int events);

/* Watches for exactly these events from now on; 0 = none. Costs a system call at the end
 * of the turn only if the kernel's view really changes. */
void loop_io_watch(struct loop *loop, struct loop_io *io, int events);

static inline int loop_io_fd(const struct loop_io *io)
{
	return io->ev.fd;
}

/* What is watched for; true to loop_io_watch() even where nothing can be watched (no
 * libev, or no descriptor), so that tests can ask. */
static inline int loop_io_events(const struct loop_io *io)
{
	return io->ev.events & (LOOP_READ | LOOP_WRITE);
}

/* What comes in there does not wait for others to come as well (loop_gather()): from now
 * on, or just the next time. */
void loop_io_urgent(struct loop *loop, struct loop_io *io);
void loop_io_urgent_once(struct loop *loop, struct loop_io *io);

/* ---- tasks ---- */

struct loop_task;
typedef void (*loop_task_fn)(struct loop_task *task);

/* Work put off to the *run* phase of this turn. Zero is a valid task that is not posted.
 */
struct loop_task {
	TAILQ_ENTRY(loop_task) place;
	loop_task_fn run;
	bool is_posted;
	bool is_next; /* posted for the turn after this one */
};
TAILQ_HEAD(loop_tasks, loop_task);

/* Posting twice runs it once. A task posted while tasks run, runs in the same phase. */
void loop_post(struct loop *loop, struct loop_task *task);
/* Runs in the next turn, which does not wait. Nothing changes for a task that is posted
 * already. */
void loop_post_next(struct loop *loop, struct loop_task *task);
/* Takes back either. */
void loop_unpost(struct loop *loop, struct loop_task *task);

/* ---- the loop ---- */

/* Called in the *reap* phase of every turn that reap was asked for. */
typedef void (*loop_reap_fn)(void *context);

struct loop {
	struct ev_loop *ev; /* NULL in tests: then nothing is ever ready by itself */
	ev_prepare before_wait;
	ev_check after_wait;
	ev_timer wake;
	ev_idle hurry;    /* active: the next turn does not wait */
	uint64_t wake_us; /* what `wake` is set to */
	uint64_t now_us;  /* monotonic, read once per turn */
	struct deadlines deadlines;
	size_t deadline_count; /* deadlines reserved by loop_reserve_deadline */
	struct loop_tasks runs, flushes, nexts;
	loop_reap_fn reap;
	void *reap_context;
	bool reap_wanted;
	struct gather gather;
	struct ledger ledger; /* of what streams hold */
	uint8_t *scratch;     /* one area into which every stream reads */
	bool scratch_is_lent;
	uint8_t *outbox; /* one area out of which TLS writes; NULL until it is needed */
};

enum { LOOP_SCRATCH_LEN = 256 * 1024, LOOP_OUTBOX_LEN = 36 * 1024 };

/* 0 or -errno. */
int loop_init(struct loop *loop);
/* A loop without libev for tests; its time starts at now_us. 0 or -ENOMEM. */
int loop_init_without_events(struct loop *loop, uint64_t now_us);
void loop_fini(struct loop *loop);

/* Runs until loop_stop(). */
void loop_run(struct loop *loop);
void loop_stop(struct loop *loop);

/* One turn without waiting: deadlines due at now_us (as many as one turn does), then run,
 * flush, reap. For tests. */
void loop_turn(struct loop *loop, uint64_t now_us);

/* The time now, for those who measure what they do; a loop without libev has the time
 * that its test gave it. */
uint64_t loop_clock(const struct loop *loop);

/* The outbox, empty: whoever fills it empties it before returning. NULL when memory is
 * short. */
uint8_t *loop_outbox(struct loop *loop);

/* For a while turns are kept apart, see net/gather.h: so much comes in that waking up for
 * each of it would cost more than the work itself. To be called again while it is so. */
void loop_gather(struct loop *loop);

/* When the next deadline is due, CLOCK_NEVER for none. */
uint64_t loop_next_deadline(const struct loop *loop);

/* Room for one more armed deadline; every object that embeds one reserves at its birth
 * and releases at its end. False when memory is short. */
bool loop_reserve_deadline(struct loop *loop);
void loop_release_deadline(struct loop *loop, struct deadline *deadline);

void loop_arm(struct loop *loop, struct deadline *deadline, uint64_t at_us);

void loop_set_reaper(struct loop *loop, loop_reap_fn reap, void *context);
static inline void loop_want_reap(struct loop *loop)
{
	loop->reap_wanted = true;
}

/* For the *flush* phase; what streams use. */
void loop_post_flush(struct loop *loop, struct loop_task *task);
void loop_unpost_flush(struct loop *loop, struct loop_task *task);

/* ---- signals ---- */

struct loop_signal;
typedef void (*loop_signal_fn)(struct loop_signal *signal);

struct loop_signal {
	ev_signal ev;
	loop_signal_fn on_signal;
};

void loop_signal_start(struct loop *loop, struct loop_signal *signal, int number,
		       loop_signal_fn on_signal);
void loop_signal_stop(struct loop *loop, struct loop_signal *signal);

#endif
