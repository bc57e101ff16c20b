/*
 * A line, a bound, some threads, and a list of what is done, all under one lock that is
 * only held for a few instructions. The eventfd says that something is done or that a
 * thread has ended.
 *
 * What threads and loop share is apart from struct workers: a module of PAM that never
 * comes back may outlive that.
 */
#include "auth/worker.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "auth/ldap.h"
#include "auth/work.h"
#include "base/check.h"

TAILQ_HEAD(work_list, work);

struct thread {
	pthread_t id;
	struct shared *shared;
	TAILQ_ENTRY(thread) place;
};
TAILQ_HEAD(thread_list, thread);

struct shared {
	pthread_mutex_t lock; /* of all that follows */
	pthread_cond_t may_work;
	struct work_list line, done;
	struct thread_list living, ended; /* ended: to be joined */
	size_t line_count, busy, idle, alive;
	unsigned threads_max, line_max;
	bool is_ending;
	bool is_left_behind; /* the last thread frees all */
	int fd;

	pthread_mutex_t ldap_lock; /* of what follows */
	bool has_prepared_ldap;
};

struct workers {
	struct shared *shared;
};

/* ---- what is shared ---- */

static struct shared *shared_create(unsigned threads, unsigned line_max)
{
	struct shared *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (s->fd < 0) {
		free(s);
		return NULL;
	}
	pthread_mutex_init(&s->lock, NULL);
	pthread_mutex_init(&s->ldap_lock, NULL);
	pthread_cond_init(&s->may_work, NULL);
	TAILQ_INIT(&s->line);
	TAILQ_INIT(&s->done);
	TAILQ_INIT(&s->living);
	TAILQ_INIT(&s->ended);
	s->threads_max = threads;
	s->line_max = line_max;
	return s;
}

static void drop_all(struct work_list *list)
{
	struct work *work;

	while ((work = TAILQ_FIRST(list))) {
		TAILQ_REMOVE(list, work, place);
		work_destroy(work);
	}
}

/* No thread is left. */
static void shared_destroy(struct shared *s)
{
	drop_all(&s->line);
	drop_all(&s->done);
	pthread_cond_destroy(&s->may_work);
	pthread_mutex_destroy(&s->ldap_lock);
	pthread_mutex_destroy(&s->lock);
	close(s->fd);
	free(s);
}

/* The counter cannot be full: it is emptied by every read. */
static void ring(const struct shared *s)
{
	uint64_t one = 1;

	while (write(s->fd, &one, sizeof(one)) < 0 && errno == EINTR)
		;
}

static void quiet(const struct shared *s)
{
	uint64_t count;

	while (read(s->fd, &count, sizeof(count)) < 0 && errno == EINTR)
		;
}

/* ---- a thread ---- */

/* Waits for a job under the lock; NULL when the thread is to end. */
static struct work *next_work(struct shared *s)
{
	struct work *work;

	while (!s->is_ending && s->alive <= s->threads_max && TAILQ_EMPTY(&s->line)) {
		s->idle++;
		pthread_cond_wait(&s->may_work, &s->lock);
		s->idle--;
	}
	if (s->is_ending || s->alive > s->threads_max)
		return NULL;
	work = TAILQ_FIRST(&s->line);
	TAILQ_REMOVE(&s->line, work, place);
	s->line_count--;
	s->busy++;
	work->state = WORK_AT_WORK;
	return work;
}

static void finish_work(struct shared *s, struct work *work)
{
	s->busy--;
	work->state = WORK_DONE;
	TAILQ_INSERT_TAIL(&s->done, work, place);
	ring(s);
}

/* By the first thread that asks a directory; the others wait for it. */
static void prepare(struct shared *s, const struct work *work)
{
	if (work->kind != WORK_LDAP)
		return;
	pthread_mutex_lock(&s->ldap_lock);
	if (!s->has_prepared_ldap)
		ldap_prepare();
	s->has_prepared_ldap = true;
	pthread_mutex_unlock(&s->ldap_lock);
}

/* Under the lock, which it gives back. */
static void end_thread(struct thread *t)
{
	struct shared *s = t->shared;
	bool is_last = --s->alive == 0 && s->is_left_behind;

	TAILQ_REMOVE(&s->living, t, place);
	TAILQ_INSERT_TAIL(&s->ended, t, place);
	ring(s);
	pthread_mutex_unlock(&s->lock);
	if (!is_last)
		return;
	/* All were detached, so nobody joins them. */
	while ((t = TAILQ_FIRST(&s->ended))) {
		TAILQ_REMOVE(&s->ended, t, place);
		free(t);
	}
	shared_destroy(s);
}

static void *run_thread(void *argument)
{
	struct thread *t = argument;
	struct shared *s = t->shared;
	struct work *work;

	pthread_mutex_lock(&s->lock);
	while ((work = next_work(s))) {
		pthread_mutex_unlock(&s->lock);
		prepare(s, work);
		work_do(work);
		pthread_mutex_lock(&s->lock);
		finish_work(s, work);
	}
	end_thread(t);
	return NULL;
}

/* Signals are for the loop's thread: a new thread inherits what is blocked. */
static int create_deaf(struct thread *t)
{
	sigset_t all, before;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	int rc = pthread_create(&t->id, NULL, run_thread, t);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return rc;
}

/* Under the lock, so that the thread begins with its place in the list. */
static void start_thread(struct shared *s)
{
	struct thread *t = calloc(1, sizeof(*t));

	if (!t)
		return;
	t->shared = s;
	if (create_deaf(t) != 0) {
		free(t);
		return;
	}
	TAILQ_INSERT_TAIL(&s->living, t, place);
	s->alive++;
}

/* Under the lock; these are at their last instructions and no longer want it. */
static void join_ended(struct shared *s)
{
	struct thread *t;

	while ((t = TAILQ_FIRST(&s->ended))) {
		TAILQ_REMOVE(&s->ended, t, place);
		pthread_join(t->id, NULL);
		free(t);
	}
}

/* ---- life ---- */

struct workers *workers_create(unsigned threads, unsigned line_max)
{
	struct workers *workers = calloc(1, sizeof(*workers));

	CHECK(threads > 0);
	if (!workers)
		return NULL;
	workers->shared = shared_create(threads, line_max);
	if (workers->shared)
		return workers;
	free(workers);
	return NULL;
}

/* Until all have ended or none has for too long; under the lock. */
static void wait_for_threads(struct shared *s)
{
	struct pollfd fd = {.fd = s->fd, .events = POLLIN};
	int rc = 1;

	while (s->alive > 0 && rc != 0) {
		pthread_mutex_unlock(&s->lock);
		rc = poll(&fd, 1, WORKERS_PATIENCE_S * 1000);
		quiet(s);
		pthread_mutex_lock(&s->lock);
	}
}

void workers_destroy(struct workers *workers)
{
	struct thread *t;

	if (!workers)
		return;
	struct shared *s = workers->shared;
	free(workers);
	pthread_mutex_lock(&s->lock);
	s->is_ending = true;
	pthread_cond_broadcast(&s->may_work);
	drop_all(&s->line);
	s->line_count = 0;
	quiet(s);
	wait_for_threads(s);
	join_ended(s);
	bool is_left_behind = s->is_left_behind = s->alive > 0;
	TAILQ_FOREACH (t, &s->living, place)
		pthread_detach(t->id);
	pthread_mutex_unlock(&s->lock);
	if (!is_left_behind)
		shared_destroy(s);
}

void workers_resize(struct workers *workers, unsigned threads, unsigned line_max)
{
	struct shared *s = workers->shared;

	CHECK(threads > 0);
	pthread_mutex_lock(&s->lock);
	s->threads_max = threads;
	s->line_max = line_max;
	/* Those too many end; the others wait on. */
	pthread_cond_broadcast(&s->may_work);
	for (size_t waiting = s->line_count; waiting > s->idle && s->alive < threads;
	     waiting--)
		start_thread(s);
	pthread_mutex_unlock(&s->lock);
}

/* ---- the loop's side ---- */

int workers_fd(const struct workers *workers)
{
	return workers->shared->fd;
}

/* Whoever has no thread to come to is not let in. */
static bool has_room(const struct shared *s)
{
	return s->line_count + s->busy < (size_t)s->threads_max + s->line_max;
}

static bool join_line(struct shared *s, struct work *work)
{
	if (!has_room(s))
		return false;
	if (s->line_count + 1 > s->idle && s->alive < s->threads_max)
		start_thread(s);
	if (s->alive == 0)
		return false;
	TAILQ_INSERT_TAIL(&s->line, work, place);
	s->line_count++;
	pthread_cond_signal(&s->may_work);
	return true;
}

struct work *workers_submit(struct workers *workers, const struct work_order *order,
			    work_done_fn on_done, void *context)
{
	struct shared *s = workers->shared;
	struct work *work = work_create(order);

	if (!work)
		return NULL;
	work->on_done = on_done;
	work->context = context;
	pthread_mutex_lock(&s->lock);
	join_ended(s);
	bool is_in = join_line(s, work);
	pthread_mutex_unlock(&s->lock);
	if (is_in)
		return work;
	work_destroy(work);
	return NULL;
}

void workers_abandon(struct workers *workers, struct work *work)
{
	struct shared *s = workers->shared;
	bool is_waiting;

	pthread_mutex_lock(&s->lock);
	is_waiting = work->state == WORK_WAITING;
	work->is_abandoned = true;
	if (is_waiting) {
		TAILQ_REMOVE(&s->line, work, place);
		s->line_count--;
	}
	pthread_mutex_unlock(&s->lock);
	if (is_waiting)
		work_destroy(work);
}

static struct work *take_done(struct shared *s)
{
	pthread_mutex_lock(&s->lock);
	struct work *work = TAILQ_FIRST(&s->done);
	if (work)
		TAILQ_REMOVE(&s->done, work, place);
	pthread_mutex_unlock(&s->lock);
	return work;
}

/* One at a time, since what is called may abandon others. */
void workers_collect(struct workers *workers)
{
	struct shared *s = workers->shared;
	struct work *work;

	quiet(s);
	while ((work = take_done(s))) {
		if (!work->is_abandoned)
			work->on_done(work->context, work->answer.verdict,
				      work->answer.text);
		work_destroy(work);
	}
}

/* Whoever asks knows how many wait now, not how many there will be. */
static size_t read_count(struct shared *s, const size_t *count)
{
	pthread_mutex_lock(&s->lock);
	size_t value = *count;
	pthread_mutex_unlock(&s->lock);
	return value;
}

size_t workers_waiting(const struct workers *workers)
{
	return read_count(workers->shared, &workers->shared->line_count);
}

size_t workers_busy(const struct workers *workers)
{
	return read_count(workers->shared, &workers->shared->busy);
}
