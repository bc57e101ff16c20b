/*
 * For tests with real sockets: runs the loop until a callback stops it, but not for ever.
 */
#ifndef POOLER_TEST_HARNESS_REAL_LOOP_H
#define POOLER_TEST_HARNESS_REAL_LOOP_H

#include "net/address.h"
#include "net/loop.h"

/* True when loop_stop() was called, false when the time was over first. */
bool real_loop_run(struct loop *loop, uint64_t most_ms);

/* A socket that listens on a port of the kernel's choice at this address, or -1 (a
 * machine may have no IPv6). */
int real_listen(const char *ip, struct endpoint *out_at);

/* Where an Internet socket is bound; false on failure. */
bool real_endpoint(int fd, struct endpoint *out);

/* Connects and waits; -1 on failure. */
int real_connect(const struct endpoint *to);

#endif
