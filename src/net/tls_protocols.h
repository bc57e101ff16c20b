/*
 * The setting that names versions of TLS: "secure", "all", or a list such as
 * "tlsv1.2, tlsv1.3", in which "!" takes one away. This is the inside of
 * net/tls_context.h.
 */
#ifndef POOLER_NET_TLS_PROTOCOLS_H
#define POOLER_NET_TLS_PROTOCOLS_H

#include <stdbool.h>
#include <stdint.h>

/* What is to be set: the lowest and the highest version, and SSL_OP_NO_... for those
 * between them that are not wanted. */
struct tls_protocols {
	int lowest, highest;
	uint64_t without;
};

/* NULL and "" are "secure": 1.2 and 1.3. False when it makes no sense, or names none. */
bool tls_protocols_parse(const char *text, struct tls_protocols *out);

#endif
