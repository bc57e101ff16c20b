/*
 * See the header.
 */
#include "net/interfaces.h"

#include <errno.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* Copies: the kernel's structures need not lie as these types want them. */
static bool read_address(const struct sockaddr *from, uint8_t out[16],
			 uint8_t *out_family)
{
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;

	if (!from)
		return false;
	if (from->sa_family == AF_INET) {
		memcpy(&v4, from, sizeof(v4));
		memcpy(out, &v4.sin_addr, sizeof(v4.sin_addr));
		*out_family = 4;
		return true;
	}
	if (from->sa_family != AF_INET6)
		return false;
	memcpy(&v6, from, sizeof(v6));
	memcpy(out, &v6.sin6_addr, sizeof(v6.sin6_addr));
	*out_family = 6;
	return true;
}

static bool read_network(const struct ifaddrs *from, struct interface_network *out)
{
	struct interface_network n = {0};
	uint8_t mask_family = 0;

	if (!(from->ifa_flags & IFF_UP) ||
	    !read_address(from->ifa_addr, n.address, &n.family) ||
	    !read_address(from->ifa_netmask, n.mask, &mask_family) ||
	    mask_family != n.family)
		return false;
	*out = n;
	return true;
}

int interfaces_list(struct interface_network **out, size_t *out_count)
{
	struct ifaddrs *all = NULL;
	size_t most = 0, count = 0;

	if (getifaddrs(&all) < 0)
		return -errno;
	for (const struct ifaddrs *i = all; i; i = i->ifa_next)
		most++;
	struct interface_network *list = calloc(most + 1, sizeof(*list));
	for (const struct ifaddrs *i = all; list && i; i = i->ifa_next)
		count += read_network(i, &list[count]);
	freeifaddrs(all);
	if (!list)
		return -ENOMEM;
	*out = list;
	*out_count = count;
	return 0;
}
