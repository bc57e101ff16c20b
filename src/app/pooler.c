/*
 * The pooler's beginning and end. What belongs together is opened in the order in which
 * it is needed, and closed in reverse.
 */
#include "app/pooler.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "app/daemon.h"
#include "app/notify.h"
#include "app/reload.h"
#include "app/signals.h"
#include "app/statistics.h"
#include "base/clock.h"
#include "base/log.h"
#include "config/config.h"
#include "net/resolver.h"
#include "relay/control.h"
#include "relay/events.h"
#include "relay/keyring.h"

/* ---- what the console asks for ---- */

static bool on_reload(void *context, char *problem, size_t cap)
{
	return reload_file(context, problem, cap);
}

static bool on_set(void *context, const char *key, const char *value, char *problem,
		   size_t cap)
{
	return reload_with_setting(context, key, value, problem, cap);
}

static void on_shut_down(void *context, enum shutdown_mode mode)
{
	pooler_shut_down(context, mode);
}

static void on_progress(void *context)
{
	struct pooler *p = context;

	if (control_may_exit(&p->dispatcher))
		pooler_shut_down(p, SHUTDOWN_NONE);
}

static uint64_t wall_now(void *context)
{
	(void)context;
	return clock_wall_now();
}

/* ---- beginning ---- */

/* For ourselves and the console. */
static size_t kept_back(size_t descriptors)
{
	return descriptors / 4 < 64 ? descriptors / 4 : 64;
}

/* How many clients the descriptors allow: some are kept back for ourselves, the console
 * and servers, so that a rush of clients does not take away what would serve them. */
static size_t client_ceiling(const struct config *config, size_t descriptors)
{
	struct config_worst worst;
	size_t own = kept_back(descriptors);
	size_t servers = descriptors / 8;

	if (config_worst_case(config, &worst) == 0 && worst.unbounded == 0 &&
	    worst.servers < servers)
		servers = (size_t)worst.servers;
	return descriptors - own - servers;
}

static int start_dispatcher(struct pooler *p, struct keyring *keyring)
{
	struct dispatcher_ground ground = {
	    .loop = &p->loop,
	    .resolver = p->resolver,
	    .config = p->config,
	    .keyring = keyring,
	    .ops = &events_relay_ops,
	    .client_ceiling = client_ceiling(p->config, p->descriptors),
	    /* What it has already has low numbers; the rest is for the console. */
	    .server_fd_ceiling = (int)(p->descriptors - kept_back(p->descriptors) / 2),
	};

	p->console_app = (struct console_app_ops){.version = "pooler " PACKAGE_VERSION,
						  .reload = on_reload,
						  .set = on_set,
						  .shut_down = on_shut_down,
						  .on_progress = on_progress,
						  .wall_now = wall_now,
						  .context = p};
	console_service_init(&p->console, &p->dispatcher, &p->console_app);
	ground.console = console_service_ops(&p->console);
	p->has_dispatcher = true;
	return dispatcher_init(&p->dispatcher, &ground);
}

static int write_pidfile(struct pooler *p)
{
	const char *path = p->config->settings.pidfile;

	if (!path[0])
		return 0;
	int err = daemon_write_pidfile(path);
	if (err == -EEXIST)
		log_fatal("pidfile %s: another pooler is running", path);
	else if (err)
		log_fatal("cannot write pidfile %s: %s", path, strerror(-err));
	p->has_pidfile = !err;
	return err;
}

static int start_loop(struct pooler *p)
{
	const char *problem = "out of memory";
	int err = loop_init(&p->loop);

	if (err) {
		log_fatal("cannot start the event loop: %s", strerror(-err));
		return err;
	}
	p->resolver = resolver_create(&p->loop, &problem);
	if (!p->resolver) {
		log_fatal("cannot start the resolver: %s", problem);
		return -ENOMEM;
	}
	return 0;
}

static void on_auth_file(struct watch *watch)
{
	reload_users(
	    (struct pooler *)(void *)((char *)watch - offsetof(struct pooler, watch)));
}

/* Without, it is read again by RELOAD only. */
static void watch_auth_file(struct pooler *p)
{
	int err = watch_init(&p->watch, &p->loop, on_auth_file);

	if (err)
		log_error("cannot watch files: %s", strerror(-err));
	reload_watch(p);
}

static int start_serving(struct pooler *p, struct keyring *keyring)
{
	int err = ports_open(&p->ports, &p->loop, &p->config->settings);

	if (err) {
		log_fatal("cannot listen as configured, cannot continue");
		keyring_unref(keyring);
		return err;
	}
	err = start_dispatcher(p, keyring);
	if (err) {
		log_fatal("out of memory");
		return err;
	}
	err = statistics_start(p);
	if (err)
		return err;
	watch_auth_file(p);
	signals_start(p);
	ports_start(&p->ports, &p->dispatcher);
	control_warm_up(&p->dispatcher);
	return 0;
}

int pooler_init(struct pooler *p, const struct options *options,
		const struct config *config, struct keyring *keyring)
{
	*p = (struct pooler){.options = options, .config = config_ref(config)};
	p->descriptors = daemon_raise_descriptors();
	int err = start_loop(p);
	if (!err)
		err = write_pidfile(p);
	if (err) {
		keyring_unref(keyring);
		return err;
	}
	err = start_serving(p, keyring);
	if (err)
		return err;
	log_info("process up: pooler %s, libev epoll, %zu file descriptors, up to %zu "
		 "clients",
		 PACKAGE_VERSION, p->descriptors, p->dispatcher.client_ceiling);
	return 0;
}

/* ---- running and ending ---- */

void pooler_run(struct pooler *p)
{
	notify_ready();
	loop_run(&p->loop);
	log_info("pooler ends");
}

static void stop_now(struct pooler *p)
{
	struct client *c;

	/* Last words go out in the turn that ends now. */
	while ((c = TAILQ_FIRST(&p->dispatcher.clients)))
		client_close(c, CLOSE_SHUTDOWN);
	loop_stop(&p->loop);
}

void pooler_shut_down(struct pooler *p, enum shutdown_mode mode)
{
	notify_stopping();
	if (mode == SHUTDOWN_NONE) {
		stop_now(p);
		return;
	}
	log_info("shutting down: waiting for %s",
		 mode == SHUTDOWN_WAIT_FOR_SERVERS ? "servers" : "clients");
	ports_close_tcp(&p->ports);
	control_begin_shutdown(&p->dispatcher, mode);
	console_watch_for_app(&p->console, true);
	on_progress(p);
}

void pooler_fini(struct pooler *p)
{
	if (p->has_dispatcher) {
		signals_stop(p);
		statistics_stop(p);
		dispatcher_fini(&p->dispatcher);
	}
	watch_fini(&p->watch);
	ports_fini(&p->ports);
	if (p->resolver)
		resolver_destroy(p->resolver);
	loop_fini(&p->loop);
	if (p->has_pidfile)
		unlink(p->config->settings.pidfile);
	config_unref(p->config);
	*p = (struct pooler){0};
}
