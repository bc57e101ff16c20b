/*
 * What signals do, as PgBouncer's users know it.
 */
#include "app/signals.h"

#include <signal.h>

#include "app/pooler.h"
#include "app/reload.h"
#include "base/log.h"
#include "relay/control.h"

enum { PROBLEM_LEN = 512 };

/* A second signal of this kind means that waiting has been long enough. */
static void end_gently(struct pooler *p, enum shutdown_mode mode)
{
	bool is_second = p->dispatcher.shutdown != SHUTDOWN_NONE;

	pooler_shut_down(p, is_second ? SHUTDOWN_NONE : mode);
}

static void on_hup(struct pooler *p)
{
	char problem[PROBLEM_LEN];

	reload_file(p, problem, sizeof(problem));
}

static void on_signal(struct loop_signal *caught)
{
	struct pooler_signal *s = (struct pooler_signal *)caught;
	struct pooler *p = s->pooler;

	log_info("got SIG%s", sigabbrev_np(s->number));
	switch (s->number) {
	case SIGHUP:
		on_hup(p);
		return;
	case SIGTERM:
		end_gently(p, SHUTDOWN_WAIT_FOR_CLIENTS);
		return;
	case SIGINT:
		end_gently(p, SHUTDOWN_WAIT_FOR_SERVERS);
		return;
	case SIGQUIT:
		pooler_shut_down(p, SHUTDOWN_NONE);
		return;
	case SIGUSR1:
		control_pause(&p->dispatcher, NULL);
		return;
	case SIGUSR2:
		if (p->dispatcher.shutdown == SHUTDOWN_NONE)
			control_resume(&p->dispatcher, NULL);
		return;
	}
}

void signals_start(struct pooler *p)
{
	static const int numbers[POOLER_SIGNALS] = {SIGHUP,  SIGTERM, SIGINT,
						    SIGQUIT, SIGUSR1, SIGUSR2};

	signal(SIGPIPE, SIG_IGN);
	for (size_t i = 0; i < POOLER_SIGNALS; i++) {
		struct pooler_signal *s = &p->signals[i];
		*s = (struct pooler_signal){.pooler = p, .number = numbers[i]};
		loop_signal_start(&p->loop, &s->signal, numbers[i], on_signal);
	}
}

void signals_stop(struct pooler *p)
{
	sigset_t all;

	/* One that comes now would end us before all is cleared away. */
	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, NULL);
	for (size_t i = 0; i < POOLER_SIGNALS; i++)
		if (p->signals[i].pooler)
			loop_signal_stop(&p->loop, &p->signals[i].signal);
}
