/*
 * The options that every TCP socket of the pooler gets.
 */
#ifndef POOLER_NET_TUNING_H
#define POOLER_NET_TUNING_H

#include <stdbool.h>
#include <stdint.h>

/* 0 leaves the kernel's default. TCP_NODELAY is always set. */
struct tuning {
	bool keepalive;
	int keepidle_s;
	int keepintvl_s;
	int keepcnt;
	int user_timeout_ms;
	int socket_buffer; /* bytes, for SO_SNDBUF and SO_RCVBUF */
};

/* Applies to a TCP socket; a Unix socket is left as it is. What the kernel refuses is
 * ignored: a connection without a tuning is better than none. */
void tuning_apply(int fd, const struct tuning *tuning);

#endif
