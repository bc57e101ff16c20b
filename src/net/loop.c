/*
 * The event loop around libev. All of a turn's own work happens in one prepare watcher,
 * just before libev waits: by then every callback of the turn has run.
 */
#include "net/loop.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/check.h"
#include "base/clock.h"

/* Deadlines called in one turn: a thousand clients that time out together must not hold
 * up those that do not. */
enum { DEADLINES_PER_TURN = 128 };

/* ---- descriptors ---- */

void loop_io_tell(struct loop *loop, struct loop_io *io, int events)
{
	loop_io_fn on_ready;

	memcpy(&on_ready, &io->ev.data, sizeof(on_ready));
	on_ready(loop, io, events);
}

static void on_io(struct ev_loop *ev, ev_io *w, int revents)
{
	loop_io_tell(ev_userdata(ev), (struct loop_io *)w,
		     revents & (LOOP_READ | LOOP_WRITE));
}

void loop_io_init(struct loop_io *io, int fd, loop_io_fn on_ready)
{
	ev_io_init(&io->ev, on_io, fd, 0);
	static_assert(sizeof(io->ev.data) == sizeof(on_ready), "POSIX says so");
	memcpy(&io->ev.data, &on_ready, sizeof(on_ready));
}

void loop_io_watch(struct loop *loop, struct loop_io *io, int events)
{
	if (loop_io_events(io) == events)
		return;
	if (loop->ev)
		ev_io_stop(loop->ev, &io->ev);
	/* Not ev_io_set(): that makes libev tell the kernel even if nothing changed. */
	ev_io_modify(&io->ev, events);
	if (events == 0 || !loop->ev || io->ev.fd < 0)
		return;
	ev_io_start(loop->ev, &io->ev);
}

void loop_io_urgent(struct loop *loop, struct loop_io *io)
{
	if (loop->ev && io->ev.fd >= 0)
		gather_urgent(&loop->gather, io->ev.fd);
}

void loop_io_urgent_once(struct loop *loop, struct loop_io *io)
{
	if (loop->ev && io->ev.fd >= 0)
		gather_urgent_once(&loop->gather, io->ev.fd);
}

/* ---- tasks ---- */

static void post(struct loop_tasks *tasks, struct loop_task *task)
{
	if (task->is_posted)
		return;
	task->is_posted = true;
	TAILQ_INSERT_TAIL(tasks, task, place);
}

static void unpost(struct loop_tasks *tasks, struct loop_task *task)
{
	if (!task->is_posted)
		return;
	task->is_posted = false;
	TAILQ_REMOVE(tasks, task, place);
}

static void run_all(struct loop_tasks *tasks)
{
	struct loop_task *task;

	while ((task = TAILQ_FIRST(tasks))) {
		unpost(tasks, task);
		task->run(task);
	}
}

void loop_post(struct loop *loop, struct loop_task *task)
{
	post(&loop->runs, task);
}

void loop_post_next(struct loop *loop, struct loop_task *task)
{
	if (task->is_posted)
		return;
	post(&loop->nexts, task);
	task->is_next = true;
	if (loop->ev)
		ev_idle_start(loop->ev, &loop->hurry);
}

void loop_unpost(struct loop *loop, struct loop_task *task)
{
	unpost(task->is_next ? &loop->nexts : &loop->runs, task);
	task->is_next = false;
}

/* What was put off to this turn stands before what this turn posts. */
static void start_nexts(struct loop *loop)
{
	struct loop_task *task;

	/* Also if what it was for has been taken back. */
	if (loop->ev)
		ev_idle_stop(loop->ev, &loop->hurry);
	if (TAILQ_EMPTY(&loop->nexts))
		return;
	TAILQ_FOREACH (task, &loop->nexts, place)
		task->is_next = false;
	TAILQ_CONCAT(&loop->nexts, &loop->runs, place);
	TAILQ_CONCAT(&loop->runs, &loop->nexts, place);
}

void loop_post_flush(struct loop *loop, struct loop_task *task)
{
	post(&loop->flushes, task);
}

void loop_unpost_flush(struct loop *loop, struct loop_task *task)
{
	unpost(&loop->flushes, task);
}

/* ---- a turn ---- */

static bool has_work(const struct loop *loop)
{
	return !TAILQ_EMPTY(&loop->runs) || !TAILQ_EMPTY(&loop->flushes) ||
	       loop->reap_wanted;
}

static void end_turn(struct loop *loop)
{
	start_nexts(loop);
	if (deadlines_next(&loop->deadlines) <= loop->now_us)
		deadlines_expire(&loop->deadlines, loop->now_us, DEADLINES_PER_TURN);
	while (has_work(loop)) {
		run_all(&loop->runs);
		run_all(&loop->flushes);
		if (!loop->reap_wanted)
			continue;
		loop->reap_wanted = false;
		if (loop->reap)
			loop->reap(loop->reap_context);
	}
}

/* The timer is moved only to an earlier time: one that rings too early costs a turn, one
 * that follows every change costs more. */
static void set_wake(struct loop *loop)
{
	uint64_t next_us = deadlines_next(&loop->deadlines);

	if (next_us >= loop->wake_us)
		return;
	loop->wake_us = next_us;
	ev_timer_stop(loop->ev, &loop->wake);
	ev_timer_set(&loop->wake, (ev_tstamp)clock_since(next_us, loop->now_us) / 1e6,
		     0.);
	ev_timer_start(loop->ev, &loop->wake);
}

static void on_before_wait(struct ev_loop *ev, ev_prepare *w, int revents)
{
	struct loop *loop = w->data;

	(void)ev, (void)revents;
	end_turn(loop);
	set_wake(loop);
	/* libev can wait for more to come by itself, but for everything alike, and not
	 * while a timer is due within about a millisecond, as one is where many wait. */
	if (gather_is_on(&loop->gather) && !ev_is_active(&loop->hurry))
		(void)gather_wait(&loop->gather, loop->now_us);
}

static void on_after_wait(struct ev_loop *ev, ev_check *w, int revents)
{
	struct loop *loop = w->data;

	(void)ev, (void)revents;
	loop->now_us = clock_monotonic_now();
}

/* Its being active is all that is wanted of it. */
static void on_hurry(struct ev_loop *ev, ev_idle *w, int revents)
{
	(void)ev, (void)w, (void)revents;
}

/* The deadlines themselves are looked at when the turn ends. */
static void on_wake(struct ev_loop *ev, ev_timer *w, int revents)
{
	struct loop *loop = w->data;

	(void)ev, (void)revents;
	loop->wake_us = CLOCK_NEVER;
}

/* ---- the loop ---- */

int loop_init_without_events(struct loop *loop, uint64_t now_us)
{
	*loop = (struct loop){.now_us = now_us, .wake_us = CLOCK_NEVER, .gather.fd = -1};
	TAILQ_INIT(&loop->runs);
	TAILQ_INIT(&loop->flushes);
	TAILQ_INIT(&loop->nexts);
	loop->scratch = malloc(LOOP_SCRATCH_LEN);
	return loop->scratch ? 0 : -ENOMEM;
}

static int make_ev(struct loop *loop)
{
	loop->ev = ev_loop_new(EVBACKEND_EPOLL | EVFLAG_NOENV);
	if (loop->ev)
		return 0;
	return errno ? -errno : -ENOMEM;
}

int loop_init(struct loop *loop)
{
	int err = loop_init_without_events(loop, clock_monotonic_now());

	if (err)
		return err;
	err = gather_init(&loop->gather);
	if (!err)
		err = make_ev(loop);
	if (err) {
		loop_fini(loop);
		return err;
	}
	ev_set_userdata(loop->ev, loop);
	ev_prepare_init(&loop->before_wait, on_before_wait);
	ev_check_init(&loop->after_wait, on_after_wait);
	ev_timer_init(&loop->wake, on_wake, 0., 0.);
	ev_idle_init(&loop->hurry, on_hurry);
	loop->before_wait.data = loop->after_wait.data = loop->wake.data = loop;
	/* Before all others: what they do is dated by it. */
	ev_set_priority(&loop->after_wait, EV_MAXPRI);
	ev_prepare_start(loop->ev, &loop->before_wait);
	ev_check_start(loop->ev, &loop->after_wait);
	return 0;
}

void loop_fini(struct loop *loop)
{
	if (loop->ev)
		ev_loop_destroy(loop->ev);
	gather_fini(&loop->gather);
	deadlines_fini(&loop->deadlines);
	free(loop->scratch);
	free(loop->outbox);
	*loop = (struct loop){.gather.fd = -1};
}

void loop_run(struct loop *loop)
{
	CHECK(loop->ev);
	ev_run(loop->ev, 0);
	end_turn(loop); /* libev leaves at once when told to */
}

void loop_gather(struct loop *loop)
{
	if (loop->ev)
		gather_begin(&loop->gather, loop->now_us);
}

void loop_stop(struct loop *loop)
{
	if (loop->ev)
		ev_break(loop->ev, EVBREAK_ALL);
}

void loop_turn(struct loop *loop, uint64_t now_us)
{
	loop->now_us = now_us;
	end_turn(loop);
}

uint64_t loop_clock(const struct loop *loop)
{
	return loop->ev ? clock_monotonic_now() : loop->now_us;
}

uint8_t *loop_outbox(struct loop *loop)
{
	if (!loop->outbox)
		loop->outbox = malloc(LOOP_OUTBOX_LEN);
	return loop->outbox;
}

uint64_t loop_next_deadline(const struct loop *loop)
{
	return deadlines_next(&loop->deadlines);
}

bool loop_reserve_deadline(struct loop *loop)
{
	if (!deadlines_reserve(&loop->deadlines, loop->deadline_count + 1))
		return false;
	loop->deadline_count++;
	return true;
}

void loop_release_deadline(struct loop *loop, struct deadline *deadline)
{
	CHECK(loop->deadline_count > 0);
	deadlines_disarm(&loop->deadlines, deadline);
	loop->deadline_count--;
}

void loop_arm(struct loop *loop, struct deadline *deadline, uint64_t at_us)
{
	deadlines_arm(&loop->deadlines, deadline, at_us);
}

void loop_set_reaper(struct loop *loop, loop_reap_fn reap, void *context)
{
	loop->reap = reap;
	loop->reap_context = context;
}

/* ---- signals ---- */

static void on_signal(struct ev_loop *ev, ev_signal *w, int revents)
{
	struct loop_signal *caught = (struct loop_signal *)w;

	(void)ev, (void)revents;
	caught->on_signal(caught);
}

void loop_signal_start(struct loop *loop, struct loop_signal *signal, int number,
		       loop_signal_fn on_caught)
{
	signal->on_signal = on_caught;
	ev_signal_init(&signal->ev, on_signal, number);
	if (loop->ev)
		ev_signal_start(loop->ev, &signal->ev);
}

void loop_signal_stop(struct loop *loop, struct loop_signal *signal)
{
	if (loop->ev)
		ev_signal_stop(loop->ev, &signal->ev);
}
