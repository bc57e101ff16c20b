/*
 * Host names to addresses by c-ares. Its sockets are watched by our loop and its timeouts
 * are a deadline. Nobody is called back from within c-ares: answers are put on the
 * `ready` list and handed out by a task. What is known already is kept in net/hostnames.
 */
#include "net/resolver.h"

#include <ares.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/time.h>

#include "base/check.h"
#include "base/clock.h"
#include "net/hostnames.h"
#include "net/resolver_sockets.h"

enum {
	ADDRESSES_MOST = 64,
	TRY_MS = 2000, /* doubled with each of the tries */
	TRIES = 3,
	PROBLEM_LEN = 240,
};

struct resolver {
	struct loop *loop;
	ares_channel channel;
	struct hostnames names;
	struct resolver_names ready;   /* those whose waiters are to be told */
	struct resolver_name *refusal; /* what is told when there is no room */
	struct loop_task tell;
	struct resolver_sockets sockets;
	struct deadline retry; /* when c-ares wants to be called */
	struct deadline sweep; /* when the first kept name is too old */
	uint64_t ttl_us, negative_ttl_us;
	size_t pending;
};

/* ---- sweeping ---- */

static void arm_sweep(struct resolver *r)
{
	loop_arm(r->loop, &r->sweep, hostnames_next_us(&r->names));
}

static void on_sweep(struct deadline *due, uint64_t now_us)
{
	struct resolver *r =
	    (struct resolver *)(void *)((char *)due - offsetof(struct resolver, sweep));

	hostnames_sweep(&r->names, now_us);
	arm_sweep(r);
}

/* ---- telling ---- */

static void make_ready(struct resolver_name *name)
{
	struct resolver *r = name->resolver;

	if (name->is_ready)
		return;
	name->is_ready = true;
	TAILQ_INSERT_TAIL(&r->ready, name, ready);
	loop_post(r->loop, &r->tell);
}

static void print_problem(const struct resolver_name *name, char out[PROBLEM_LEN])
{
	const struct resolver *r = name->resolver;

	if (name == r->refusal)
		snprintf(out, PROBLEM_LEN,
			 "could not look up a host: too many names, or no memory");
	else
		snprintf(out, PROBLEM_LEN, "could not look up host \"%.100s\": %.100s",
			 name->host, ares_strerror(name->status));
}

static void tell_name(struct resolver_name *name)
{
	struct resolver_query *query;
	char problem[PROBLEM_LEN] = "";

	if (name->count == 0)
		print_problem(name, problem);
	while ((query = TAILQ_FIRST(&name->waiters))) {
		TAILQ_REMOVE(&name->waiters, query, place);
		query->name = NULL;
		query->on_answer(query, name->addresses, name->count,
				 name->count == 0 ? problem : NULL);
	}
	name->is_ready = false;
	if (name->is_passing)
		resolver_name_destroy(name);
}

static void tell_all(struct loop_task *task)
{
	struct resolver *r =
	    (struct resolver *)(void *)((char *)task - offsetof(struct resolver, tell));
	struct resolver_name *name;

	while ((name = TAILQ_FIRST(&r->ready))) {
		TAILQ_REMOVE(&r->ready, name, ready);
		tell_name(name);
	}
}

/* ---- c-ares ---- */

static void arm_retry(struct resolver *r)
{
	struct timeval left;

	if (!ares_timeout(r->channel, NULL, &left)) {
		loop_arm(r->loop, &r->retry, CLOCK_NEVER);
		return;
	}
	loop_arm(r->loop, &r->retry,
		 r->loop->now_us + (uint64_t)left.tv_sec * USEC_PER_SEC +
		     (uint64_t)left.tv_usec);
}

static void on_retry(struct deadline *due, uint64_t now_us)
{
	struct resolver *r =
	    (struct resolver *)(void *)((char *)due - offsetof(struct resolver, retry));

	(void)now_us;
	ares_process_fd(r->channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
	arm_retry(r);
}

static void on_socket(struct loop *loop, struct loop_io *io, int events)
{
	/* c-ares may close it, and then it is freed, so nothing of it is used below. */
	struct resolver *r = ((struct resolver_socket *)(void *)io)->resolver;
	ares_socket_t fd = loop_io_fd(io);

	(void)loop;
	ares_process_fd(r->channel, events & LOOP_READ ? fd : ARES_SOCKET_BAD,
			events & LOOP_WRITE ? fd : ARES_SOCKET_BAD);
	arm_retry(r);
}

static void watch_socket(void *data, ares_socket_t fd, int readable, int writable)
{
	struct resolver *r = data;

	resolver_sockets_watch(&r->sockets, fd,
			       (readable ? LOOP_READ : 0) | (writable ? LOOP_WRITE : 0));
}

static bool address_of_node(const struct ares_addrinfo_node *node, struct address *out)
{
	struct endpoint e = {.len = node->ai_addrlen};

	if (node->ai_addrlen > sizeof(e.storage))
		return false;
	memcpy(&e.storage, node->ai_addr, node->ai_addrlen);
	struct address address = address_of_endpoint(&e);
	if (address.family != ADDRESS_IPV4 && address.family != ADDRESS_IPV6)
		return false;
	address.port = 0;
	*out = address;
	return true;
}

/* Copies c-ares's list; the result is a status of c-ares. */
static int take_addresses(struct resolver_name *name, const struct ares_addrinfo *info)
{
	size_t count = 0;

	for (struct ares_addrinfo_node *n = info->nodes; n; n = n->ai_next)
		count++;
	if (count == 0)
		return ARES_ENODATA;
	if (count > ADDRESSES_MOST)
		count = ADDRESSES_MOST;
	struct address *addresses = calloc(count, sizeof(*addresses));
	if (!addresses)
		return ARES_ENOMEM;
	size_t taken = 0;
	for (struct ares_addrinfo_node *n = info->nodes; n && taken < count;
	     n = n->ai_next)
		if (address_of_node(n, &addresses[taken]))
			taken++;
	if (taken == 0) {
		free(addresses);
		return ARES_ENODATA;
	}
	name->addresses = addresses;
	name->count = taken;
	return ARES_SUCCESS;
}

static void on_answer(void *arg, int status, int timeouts, struct ares_addrinfo *info)
{
	struct resolver_name *name = arg;
	struct resolver *r = name->resolver;

	(void)timeouts;
	if (status == ARES_SUCCESS && info)
		status = take_addresses(name, info);
	if (info)
		ares_freeaddrinfo(info);
	name->status = status;
	name->is_pending = false;
	r->pending--;
	hostnames_keep(&r->names, name,
		       r->loop->now_us +
			   (name->count > 0 ? r->ttl_us : r->negative_ttl_us));
	arm_sweep(r);
	if (!TAILQ_EMPTY(&name->waiters))
		make_ready(name);
}

/* May know the answer at once (/etc/hosts, a host name that is none). */
static void ask_cares(struct resolver_name *name)
{
	struct resolver *r = name->resolver;
	struct ares_addrinfo_hints hints = {.ai_family = AF_UNSPEC,
					    .ai_socktype = SOCK_STREAM};

	name->is_pending = true;
	r->pending++;
	ares_getaddrinfo(r->channel, name->host, NULL, &hints, on_answer, name);
	arm_retry(r);
}

/* ---- asking ---- */

static void wait_for(struct resolver_query *query, struct resolver_name *name)
{
	query->name = name;
	TAILQ_INSERT_TAIL(&name->waiters, query, place);
}

/* An address in figures is its own answer. False when it is none. */
static bool ask_figures(struct resolver *r, struct resolver_query *query,
			const char *host)
{
	struct endpoint endpoint;
	struct resolver_name *name;

	if (!endpoint_from_ip(host, 0, &endpoint))
		return false;
	name = resolver_name_create(r, host);
	if (name)
		name->addresses = calloc(1, sizeof(*name->addresses));
	if (!name || !name->addresses) {
		resolver_name_destroy(name);
		wait_for(query, r->refusal);
		make_ready(r->refusal);
		return true;
	}
	name->addresses[0] = address_of_endpoint(&endpoint);
	name->count = 1;
	name->is_passing = true;
	wait_for(query, name);
	make_ready(name);
	return true;
}

static void ask_name(struct resolver *r, struct resolver_query *query, const char *host)
{
	struct resolver_name *name = hostnames_find(&r->names, host);
	bool is_new = !name;

	if (!name)
		name = hostnames_add(&r->names, host);
	if (!name)
		name = r->refusal;
	wait_for(query, name);
	if (name->is_pending || name->is_ready)
		return;
	if (name == r->refusal || (!is_new && name->expires_us > r->loop->now_us)) {
		make_ready(name);
		return;
	}
	if (!is_new)
		hostnames_forget(&r->names, name);
	ask_cares(name);
}

void resolver_ask(struct resolver *r, struct resolver_query *query, const char *host,
		  resolver_fn answer)
{
	CHECK(!query->name);
	query->on_answer = answer;
	if (!ask_figures(r, query, host))
		ask_name(r, query, host);
}

void resolver_forget(struct resolver_query *query)
{
	if (!query->name)
		return;
	TAILQ_REMOVE(&query->name->waiters, query, place);
	query->name = NULL;
}

/* ---- names of addresses ---- */

struct pointer {
	resolver_pointer_fn on_name;
	void *arg;
};

static void on_host(void *arg, int status, int timeouts, struct hostent *host)
{
	struct pointer pointer = *(struct pointer *)arg;

	(void)timeouts;
	free(arg);
	pointer.on_name(pointer.arg,
			status == ARES_SUCCESS && host ? host->h_name : NULL);
}

void resolver_ask_pointer(struct resolver *r, const struct address *address,
			  resolver_pointer_fn on_name, void *arg)
{
	struct pointer *pointer = malloc(sizeof(*pointer));
	bool is_ipv4 = address->family == ADDRESS_IPV4;

	if (!pointer) {
		on_name(arg, NULL);
		return;
	}
	*pointer = (struct pointer){.on_name = on_name, .arg = arg};
	ares_gethostbyaddr(r->channel, address->bytes, is_ipv4 ? 4 : 16,
			   is_ipv4 ? AF_INET : AF_INET6, on_host, pointer);
	arm_retry(r);
}

uint64_t resolver_keep_us(const struct resolver *r, bool is_answer)
{
	return is_answer ? r->ttl_us : r->negative_ttl_us;
}

size_t resolver_name_count(const struct resolver *r)
{
	return hostnames_count(&r->names);
}

size_t resolver_pending_count(const struct resolver *r)
{
	return r->pending;
}

/* ---- the resolver ---- */

void resolver_set_ttl(struct resolver *r, uint64_t ttl_us, uint64_t negative_ttl_us)
{
	r->ttl_us = ttl_us;
	r->negative_ttl_us = negative_ttl_us;
}

int resolver_set_servers(struct resolver *r, const char *servers)
{
	int status = ares_set_servers_ports_csv(r->channel, servers);

	return status == ARES_SUCCESS ? 0 : -EINVAL;
}

static int init_cares(struct resolver *r)
{
	struct ares_options options = {.sock_state_cb = watch_socket,
				       .sock_state_cb_data = r,
				       .timeout = TRY_MS,
				       .tries = TRIES};
	int status = ares_library_init(ARES_LIB_INIT_ALL);

	if (status != ARES_SUCCESS)
		return status;
	status = ares_init_options(&r->channel, &options,
				   ARES_OPT_SOCK_STATE_CB | ARES_OPT_TIMEOUTMS |
				       ARES_OPT_TRIES);
	if (status != ARES_SUCCESS)
		ares_library_cleanup();
	return status;
}

static void init(struct resolver *r, struct loop *loop)
{
	r->loop = loop;
	hostnames_init(&r->names, r);
	r->tell.run = tell_all;
	r->retry.on_due = on_retry;
	r->sweep.on_due = on_sweep;
	r->ttl_us = r->negative_ttl_us = 15 * USEC_PER_SEC;
	TAILQ_INIT(&r->ready);
	resolver_sockets_init(&r->sockets, r, loop, on_socket);
}

static bool reserve(struct resolver *r)
{
	if (!loop_reserve_deadline(r->loop))
		return false;
	if (loop_reserve_deadline(r->loop))
		return true;
	loop_release_deadline(r->loop, &r->retry);
	return false;
}

static void release(struct resolver *r)
{
	loop_release_deadline(r->loop, &r->sweep);
	loop_release_deadline(r->loop, &r->retry);
	resolver_name_destroy(r->refusal);
	free(r);
}

struct resolver *resolver_create(struct loop *loop, const char **out_problem)
{
	struct resolver *r = calloc(1, sizeof(*r));

	*out_problem = "out of memory";
	if (!r)
		return NULL;
	init(r, loop);
	if (!reserve(r)) {
		free(r);
		return NULL;
	}
	r->refusal = resolver_name_create(r, "");
	if (!r->refusal) {
		release(r);
		return NULL;
	}
	int status = init_cares(r);
	if (status != ARES_SUCCESS) {
		*out_problem = ares_strerror(status);
		release(r);
		return NULL;
	}
	return r;
}

static void drop_passing(struct resolver *r)
{
	struct resolver_name *name;

	while ((name = TAILQ_FIRST(&r->ready))) {
		TAILQ_REMOVE(&r->ready, name, ready);
		CHECK(TAILQ_EMPTY(&name->waiters));
		if (name->is_passing)
			resolver_name_destroy(name);
	}
}

void resolver_destroy(struct resolver *r)
{
	if (!r)
		return;
	ares_destroy(r->channel); /* answers what is pending, closes its sockets */
	ares_library_cleanup();
	loop_unpost(r->loop, &r->tell);
	drop_passing(r);
	hostnames_fini(&r->names);
	release(r);
}
