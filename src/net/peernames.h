/*
 * The host names of peers, for rules that tell peers by name: from the address to a name
 * (a PTR record, or /etc/hosts) and from that name back to its addresses. Whoever runs
 * the network of an address may give it any name, so only a name that leads back to the
 * address is told. What was found, and that there is none, is kept as long as the
 * resolver keeps answers; concurrent questions for one address are one.
 */
#ifndef POOLER_NET_PEERNAMES_H
#define POOLER_NET_PEERNAMES_H

#include "net/address.h"
#include "net/loop.h"

struct peername;
struct peernames;
struct resolver;

enum { PEERNAMES_MOST = 4096 };

/* One question; embedded in who asks. Zero is valid: not asked. */
struct peername_query;
/* name is NULL when the address has none that can be trusted; valid during the call. */
typedef void (*peername_fn)(struct peername_query *query, const char *name);

struct peername_query {
	TAILQ_ENTRY(peername_query) place;
	struct peername *peer; /* what is waited for; NULL when nothing is */
	peername_fn on_name;
};

/* NULL when memory is short. */
struct peernames *peernames_create(struct loop *loop, struct resolver *resolver);
/* Before the resolver; no query may be waiting. */
void peernames_destroy(struct peernames *names);

/* Asks, the port aside. on_name comes once, never from within this call; at once with
 * NULL for a Unix socket. */
void peernames_ask(struct peernames *names, struct peername_query *query,
		   const struct address *address, peername_fn on_name);
/* No answer is wanted any more; harmless when none is waited for. */
void peernames_forget(struct peername_query *query);

size_t peernames_count(const struct peernames *names); /* addresses kept */

#endif
