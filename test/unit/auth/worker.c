/*
 * The threads for what blocks, with a PAM that does as the test says.
 */
#include "auth/worker.h"

#include <dirent.h>
#include <malloc.h>
#include <poll.h>
#include <pwd.h>
#include <sched.h>
#include <signal.h>
#include <unistd.h>

#include "unit/auth/fake_pam.h"
#include "unit/base/kit.h"

#define PASSWORD "swordfish"

/* ---- what the linker puts between (--wrap) ---- */

static bool is_impatient;       /* poll() does not wait for long */
static _Atomic unsigned leaked; /* pieces of memory given back with the password in it */

int __real_poll(struct pollfd *fds, nfds_t count, int timeout_ms);
int __wrap_poll(struct pollfd *fds, nfds_t count, int timeout_ms);
void __real_free(void *memory);
void __wrap_free(void *memory);

int __wrap_poll(struct pollfd *fds, nfds_t count, int timeout_ms)
{
	return __real_poll(fds, count, is_impatient ? 10 : timeout_ms);
}

void __wrap_free(void *memory)
{
	if (memory &&
	    memmem(memory, malloc_usable_size(memory), PASSWORD, sizeof(PASSWORD) - 1))
		leaked++;
	__real_free(memory);
}

/* ---- the loop's side ---- */

enum { JOBS = 10 };

struct desk {
	struct workers *workers;
	struct work *works[JOBS];
	struct answer {
		struct desk *desk;
		unsigned times;
		enum work_verdict verdict;
		char text[WORK_TEXT_LEN];
		struct work *abandons; /* when it is called */
	} answers[JOBS];
	unsigned answered;
};

static void note(void *context, enum work_verdict verdict, const char *text)
{
	struct answer *a = context;

	a->times++;
	a->verdict = verdict;
	snprintf(a->text, sizeof(a->text), "%s", text);
	a->desk->answered++;
	if (a->abandons)
		workers_abandon(a->desk->workers, a->abandons);
}

static void desk_open(struct desk *d, unsigned threads, unsigned line_max)
{
	*d = (struct desk){0};
	fake_pam_begin();
	leaked = 0;
	d->workers = workers_create(threads, line_max);
	assert_non_null(d->workers);
	for (int i = 0; i < JOBS; i++)
		d->answers[i].desk = d;
}

static void desk_close(struct desk *d)
{
	workers_destroy(d->workers);
	fake_pam_end();
	assert_int_equal(leaked, 0);
}

static bool submit_with(struct desk *d, int job, const char *service,
			struct slice password)
{
	struct work_order order = {.kind = WORK_PAM,
				   .user = slice_of_text("joe"),
				   .password = password,
				   .service = service,
				   .remote_host = "10.0.0.1"};

	d->works[job] = workers_submit(d->workers, &order, note, &d->answers[job]);
	return d->works[job] != NULL;
}

static bool submit(struct desk *d, int job, const char *service)
{
	/* The order's memory is gone when the job is done. */
	char *copy = strdup(service);
	uint8_t *password = exact_copy(slice_of_text(PASSWORD));
	bool is_in = submit_with(d, job, copy, slice_of(password, strlen(PASSWORD)));

	explicit_bzero(password, strlen(PASSWORD));
	free(password);
	free(copy);
	return is_in;
}

static void collect(struct desk *d, unsigned answered)
{
	struct pollfd fd = {.fd = workers_fd(d->workers), .events = POLLIN};

	while (d->answered < answered) {
		assert_int_equal(__real_poll(&fd, 1, 10000), 1);
		workers_collect(d->workers);
	}
	assert_int_equal(d->answered, answered);
}

static unsigned count_threads(void)
{
	DIR *dir = opendir("/proc/self/task");
	const struct dirent *entry;
	unsigned count = 0;

	assert_non_null(dir);
	while ((entry = readdir(dir)))
		count += entry->d_name[0] != '.';
	closedir(dir);
	return count;
}

/* A sanitizer may have threads of its own. */
static void wait_for_threads(unsigned count)
{
	while (count_threads() > count)
		sched_yield();
}

/* ---- jobs ---- */

static void answers_come_to_whoever_asked(void **state)
{
	static const struct {
		const char *service;
		enum work_verdict verdict;
		const char *text;
	} cases[] = {
	    {"right", WORK_RIGHT, ""},
	    {"expired", WORK_WRONG, "PAM does not accept the account: Too old"},
	    {"broken", WORK_BROKEN, "PAM does not authenticate: Module is unknown"},
	    {"no-start", WORK_BROKEN, "PAM cannot be started: Something"},
	    {"talks", WORK_RIGHT, ""},
	};
	struct desk d;

	(void)state;
	desk_open(&d, 2, 10);
	for (unsigned i = 0; i < COUNT_OF(cases); i++) {
		assert_true(submit(&d, (int)i, cases[i].service));
		collect(&d, i + 1);
		assert_int_equal(d.answers[i].verdict, cases[i].verdict);
		assert_string_equal(d.answers[i].text, cases[i].text);
	}
	assert_string_equal(fake_pam_replies(), "- joe swordfish - swordfish ");
	assert_string_equal(fake_pam_remote_host(), "10.0.0.1");
	desk_close(&d);
}

static void wrong_and_empty_passwords_are_wrong(void **state)
{
	static const struct slice passwords[] = {
	    {(const uint8_t *)"", 0},
	    {(const uint8_t *)"sword\0fish", 10},
	    {(const uint8_t *)"\0", 1},
	    {NULL, 0},
	};
	struct desk d;
	unsigned done = 0;

	(void)state;
	desk_open(&d, 1, 10);
	for (; done < COUNT_OF(passwords); done++) {
		assert_true(submit_with(&d, (int)done, "right", passwords[done]));
		collect(&d, done + 1);
		assert_int_equal(d.answers[done].verdict, WORK_WRONG);
	}
	/* Nobody was asked about these. */
	assert_int_equal(fake_pam_asked(), 0);
	assert_true(submit_with(&d, (int)done, "right", slice_of_text("catfish")));
	collect(&d, ++done);
	assert_int_equal(d.answers[done - 1].verdict, WORK_WRONG);
	assert_string_equal(d.answers[done - 1].text,
			    "PAM does not authenticate: Something");
	desk_close(&d);
}

static void the_system_is_asked_for_names(void **state)
{
	struct work_order order = {.kind = WORK_USER_NAME, .uid = getuid()};
	const struct passwd *self = getpwuid(getuid());
	struct desk d;

	(void)state;
	desk_open(&d, 1, 1);
	assert_non_null(workers_submit(d.workers, &order, note, &d.answers[0]));
	collect(&d, 1);
	assert_int_equal(d.answers[0].verdict, self ? WORK_RIGHT : WORK_WRONG);
	assert_string_equal(d.answers[0].text, self ? self->pw_name : "");
	order.uid = 4000000123;
	assert_non_null(workers_submit(d.workers, &order, note, &d.answers[1]));
	collect(&d, 2);
	assert_int_equal(d.answers[1].verdict, WORK_WRONG);
	assert_string_equal(d.answers[1].text, "");
	desk_close(&d);
}

/* ---- the line ---- */

static void the_line_has_a_bound(void **state)
{
	struct desk d;

	(void)state;
	desk_open(&d, 2, 3);
	for (int i = 0; i < 5; i++)
		assert_true(submit(&d, i, "holds"));
	assert_false(submit(&d, 5, "holds"));
	fake_pam_wait_for(2);
	assert_int_equal(workers_busy(d.workers), 2);
	assert_int_equal(workers_waiting(d.workers), 3);
	assert_false(submit(&d, 5, "right"));
	fake_pam_let_go(1);
	collect(&d, 1);
	assert_true(submit(&d, 5, "holds"));
	fake_pam_let_go(5);
	collect(&d, 6);
	assert_int_equal(workers_busy(d.workers), 0);
	assert_int_equal(workers_waiting(d.workers), 0);
	for (int i = 0; i < 6; i++)
		assert_int_equal(d.answers[i].times, 1);
	desk_close(&d);
}

static void a_free_thread_needs_no_line(void **state)
{
	struct desk d;

	(void)state;
	desk_open(&d, 3, 0);
	for (int i = 0; i < 3; i++)
		assert_true(submit(&d, i, "holds"));
	assert_false(submit(&d, 3, "holds"));
	fake_pam_let_go(3);
	collect(&d, 3);
	desk_close(&d);
}

static void threads_start_when_they_are_needed(void **state)
{
	unsigned before = count_threads();
	struct desk d;

	(void)state;
	desk_open(&d, 4, 10);
	assert_int_equal(count_threads(), before);
	for (unsigned i = 0; i < 3; i++) {
		assert_true(submit(&d, (int)i, "right"));
		collect(&d, i + 1);
	}
	/* One was enough. (It may not yet have come back to wait.) */
	assert_true(count_threads() >= before + 1);
	assert_true(count_threads() <= before + 3);
	for (int i = 3; i < 7; i++)
		assert_true(submit(&d, i, "holds"));
	fake_pam_wait_for(4);
	assert_int_equal(count_threads(), before + 4);
	fake_pam_let_go(4);
	collect(&d, 7);
	desk_close(&d);
	assert_int_equal(count_threads(), before);
}

static void signals_are_not_for_them(void **state)
{
	struct desk d;

	(void)state;
	desk_open(&d, 1, 1);
	assert_true(submit(&d, 0, "right"));
	collect(&d, 1);
	assert_true(fake_pam_signals_were_blocked());
	sigset_t blocked;
	pthread_sigmask(SIG_SETMASK, NULL, &blocked);
	assert_false(sigismember(&blocked, SIGTERM));
	desk_close(&d);
}

static void another_size_counts_at_once(void **state)
{
	unsigned before = count_threads();
	struct desk d;

	(void)state;
	desk_open(&d, 1, 2);
	for (int i = 0; i < 3; i++)
		assert_true(submit(&d, i, "holds"));
	assert_false(submit(&d, 3, "holds"));
	fake_pam_wait_for(1);
	workers_resize(d.workers, 3, 1);
	fake_pam_wait_for(2);
	assert_true(submit(&d, 3, "holds"));
	assert_false(submit(&d, 4, "holds"));
	workers_resize(d.workers, 1, 4);
	fake_pam_let_go(3);
	fake_pam_wait_for(1);
	wait_for_threads(before + 1);
	assert_int_equal(workers_busy(d.workers), 1);
	fake_pam_let_go(1);
	collect(&d, 4);
	workers_resize(d.workers, 4, 4);
	workers_resize(d.workers, 1, 4);
	assert_true(submit(&d, 4, "right"));
	collect(&d, 5);
	desk_close(&d);
	assert_int_equal(count_threads(), before);
}

/* ---- giving up ---- */

static void who_gives_up_hears_nothing(void **state)
{
	struct desk d;

	(void)state;
	desk_open(&d, 1, 3);
	for (int i = 0; i < 4; i++)
		assert_true(submit(&d, i, "holds"));
	fake_pam_wait_for(1);
	workers_abandon(d.workers, d.works[0]); /* at work */
	workers_abandon(d.workers, d.works[2]); /* in the line */
	assert_int_equal(workers_waiting(d.workers), 2);
	fake_pam_let_go(3);
	collect(&d, 2);
	assert_int_equal(d.answers[1].times, 1);
	assert_int_equal(d.answers[3].times, 1);
	assert_int_equal(fake_pam_asked(), 3);
	desk_close(&d);
}

/* Both are done when the first is told, and it takes the other with it. */
static void one_answer_may_abandon_another(void **state)
{
	struct desk d;

	(void)state;
	desk_open(&d, 1, 3);
	for (int i = 0; i < 3; i++)
		assert_true(submit(&d, i, "holds"));
	d.answers[0].abandons = d.works[1];
	fake_pam_let_go(2);
	fake_pam_wait_for(3);
	collect(&d, 1);
	fake_pam_let_go(1);
	collect(&d, 2);
	assert_int_equal(d.answers[1].times, 0);
	assert_int_equal(d.answers[2].times, 1);
	desk_close(&d);
}

static void the_end_drops_what_is_left(void **state)
{
	struct desk d;

	(void)state;
	for (unsigned threads = 1; threads <= 4; threads++) {
		desk_open(&d, threads, 10);
		for (int i = 0; i < 8; i++)
			assert_true(submit(&d, i, "holds"));
		fake_pam_let_go(8);
		desk_close(&d);
		assert_int_equal(d.answered, 0);
	}
	desk_open(&d, 1, 10);
	desk_close(&d);
	workers_destroy(NULL);
}

static void the_end_does_not_wait_for_ever(void **state)
{
	unsigned before = count_threads();
	struct desk d;

	(void)state;
	desk_open(&d, 3, 10);
	for (int i = 0; i < 5; i++)
		assert_true(submit(&d, i, i == 1 ? "right" : "holds"));
	fake_pam_wait_for(2);
	is_impatient = true;
	workers_destroy(d.workers);
	is_impatient = false;
	/* Those left behind end in peace, and leave nothing. */
	fake_pam_let_go(3);
	wait_for_threads(before);
	assert_true(d.answered == 0);
	fake_pam_end();
	assert_int_equal(leaked, 0);
}

static void many_come_and_go(void **state)
{
	struct dice dice = {.state = 11};
	struct desk d;

	(void)state;
	desk_open(&d, 3, 5);
	unsigned submitted = 0, abandoned = 0;
	for (int round = 0; round < 2000; round++) {
		int job = (int)dice_of(&dice, JOBS);
		struct answer *a = &d.answers[job];

		if (!d.works[job]) {
			submitted += submit(&d, job, "right");
		} else if (a->times > 0) {
			a->times = 0;
			d.works[job] = NULL;
		} else if (dice_once_in(&dice, 3)) {
			workers_abandon(d.workers, d.works[job]);
			d.works[job] = NULL;
			abandoned++;
		}
		if (dice_once_in(&dice, 4))
			workers_collect(d.workers);
		if (dice_once_in(&dice, 100))
			workers_resize(d.workers, 1 + dice_of(&dice, 4), 5);
	}
	collect(&d, submitted - abandoned);
	desk_close(&d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(answers_come_to_whoever_asked),
	    cmocka_unit_test(wrong_and_empty_passwords_are_wrong),
	    cmocka_unit_test(the_system_is_asked_for_names),
	    cmocka_unit_test(the_line_has_a_bound),
	    cmocka_unit_test(a_free_thread_needs_no_line),
	    cmocka_unit_test(threads_start_when_they_are_needed),
	    cmocka_unit_test(signals_are_not_for_them),
	    cmocka_unit_test(another_size_counts_at_once),
	    cmocka_unit_test(who_gives_up_hears_nothing),
	    cmocka_unit_test(one_answer_may_abandon_another),
	    cmocka_unit_test(the_end_drops_what_is_left),
	    cmocka_unit_test(the_end_does_not_wait_for_ever),
	    cmocka_unit_test(many_come_and_go),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
