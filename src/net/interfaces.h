/*
 * The networks this machine is in: what rules mean by samehost and samenet.
 */
#ifndef POOLER_NET_INTERFACES_H
#define POOLER_NET_INTERFACES_H

#include <stddef.h>
#include <stdint.h>

/* IPv4 uses the first four bytes. */
struct interface_network {
	uint8_t family; /* 4 or 6 */
	uint8_t address[16], mask[16];
};

/* Of all interfaces that are up; free(*out) when done. 0 or -errno. Asks the kernel, not
 * the network: it takes microseconds, but more than a few. */
int interfaces_list(struct interface_network **out, size_t *out_count);

#endif
