/*
 * What logins share.
 */
#include "relay/logins.h"

#include <errno.h>

#include "auth/brake.h"
#include "auth/remembered.h"
#include "auth/userlist.h"
#include "auth/worker.h"
#include "base/random.h"
#include "config/config.h"
#include "net/peernames.h"
#include "relay/encryption.h"
#include "relay/keyring.h"
#include "relay/lookup.h"

enum {
	/* Some 100 bytes each: of who guesses from more places than this, those that
	 * failed longest ago are forgotten. */
	BRAKE_ENTRIES = 20000,
	/* Some 300 bytes each. */
	REMEMBERED_ENTRIES = 10000,
	FOUND_LEAD_MAX = 8
};

static void mimic_users(struct logins *l)
{
	l->mock.kind = userlist_usual_kind(l->keyring->users);
	l->mock.iterations = userlist_usual_iterations(l->keyring->users);
}

/* PostgreSQL stores verifiers, until it is heard to do otherwise. */
static void mimic_servers(struct logins *l)
{
	l->asked = l->mock;
	l->asked.kind = SECRET_SCRAM;
	l->asked.iterations = 0;
}

/* Who has half of what was found lately keeps it; more is not remembered. */
void logins_note_found(struct logins *l, const struct secret *secret)
{
	uint32_t iterations = secret_iterations(secret);

	if (secret->kind == SECRET_NONE)
		return;
	if (l->asked.kind == secret->kind && l->asked.iterations == iterations) {
		l->asked_lead += l->asked_lead < FOUND_LEAD_MAX;
	} else if (l->asked_lead > 0) {
		l->asked_lead--;
	} else {
		l->asked.kind = secret->kind;
		l->asked.iterations = iterations;
		l->asked_lead = 1;
	}
}

/* Unknown users are to look like most; and of who is not listed any more, nothing stays.
 */
static void follow_users(struct logins *l)
{
	remembered_clear(l->remembered);
	mimic_users(l);
}

int logins_init(struct logins *l, const struct logins_ground *ground)
{
	struct loop *loop = ground->loop;

	*l = (struct logins){.loop = loop, .keyring = ground->keyring};
	random_bytes(l->mock.key, sizeof(l->mock.key));
	mimic_users(l);
	mimic_servers(l);
	l->brake = brake_create(BRAKE_ENTRIES);
	l->remembered = remembered_create(REMEMBERED_ENTRIES);
	l->lookups = lookups_create(loop, ground->resolver);
	l->peernames = peernames_create(loop, ground->resolver);
	int err =
	    login_gate_init(&l->gate, loop, (size_t)ground->config->settings.max_logins,
			    ground->on_displaced);
	return l->brake && l->remembered && l->lookups && l->peernames ? err : -ENOMEM;
}

static void end_workers(struct logins *l)
{
	if (!l->workers)
		return;
	loop_io_watch(l->loop, &l->workers_io, 0);
	workers_destroy(l->workers);
	l->workers = NULL;
}

void logins_fini(struct logins *l)
{
	if (!l->loop)
		return;
	end_workers(l);
	login_gate_fini(&l->gate);
	if (l->peernames)
		peernames_destroy(l->peernames);
	if (l->lookups)
		lookups_destroy(l->lookups);
	remembered_destroy(l->remembered);
	if (l->brake)
		brake_destroy(l->brake);
	keyring_unref(l->keyring);
	*l = (struct logins){0};
}

void logins_note_users(struct logins *l)
{
	follow_users(l);
}

void logins_apply(struct logins *l, const struct config *config, struct keyring *keyring)
{
	const struct settings *s = &config->settings;

	if (keyring) {
		encryption_inherit(keyring->encryption, l->keyring->encryption);
		keyring_unref(l->keyring);
		l->keyring = keyring;
		follow_users(l);
		lookups_reset(l->lookups);
	}
	login_gate_set_max(&l->gate, (size_t)s->max_logins);
	if (l->workers)
		workers_resize(l->workers, (unsigned)s->auth_threads,
			       (unsigned)s->auth_thread_queue);
}

static void on_workers(struct loop *loop, struct loop_io *io, int events)
{
	struct logins *l =
	    (struct logins *)(void *)((char *)io - offsetof(struct logins, workers_io));

	(void)loop, (void)events;
	workers_collect(l->workers);
}

struct workers *logins_workers(struct logins *l, const struct config *config)
{
	const struct settings *s = &config->settings;

	if (l->workers)
		return l->workers;
	l->workers =
	    workers_create((unsigned)s->auth_threads, (unsigned)s->auth_thread_queue);
	if (!l->workers)
		return NULL;
	loop_io_init(&l->workers_io, workers_fd(l->workers), on_workers);
	loop_io_watch(l->loop, &l->workers_io, LOOP_READ);
	return l->workers;
}
