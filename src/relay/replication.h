/*
 * Clients that replicate: each has a private server, opened with the client's own startup
 * parameters when it has proved who it is, and closed when it goes. Nothing else reads
 * what the two say but the tracker, so base backups, WAL and logical changes pass as in
 * session mode, whatever the pool mode is.
 *
 * What is asked of such a server is to go on for ever: no limit on queries, transactions
 * and idle clients ends it.
 */
#ifndef POOLER_RELAY_REPLICATION_H
#define POOLER_RELAY_REPLICATION_H

#include <stdint.h>

struct client;
struct server;

/* A client that has joined its pool, and asked for that kind of replication (enum
 * startup_replication): it is OPENING, or closing. */
void replication_begin(struct client *c, uint8_t kind);

/* The client is closing: a server that was being opened for it is not wanted any more.
 * Harmless for others. */
void replication_give_up(struct client *c);

/* What kind of replication a server was opened for. */
uint8_t replication_of_server(const struct server *s);

/* The kind as SHOW calls it, and as a client asks for it. */
const char *replication_name(uint8_t kind);
const char *replication_parameter(uint8_t kind);

#endif
