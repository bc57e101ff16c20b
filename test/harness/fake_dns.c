/*
 * Questions and answers as RFC 1035, section 4, lays them out; one question a packet.
 */
#include "harness/fake_dns.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/check.h"
#include "harness/real_loop.h"
#include "net/address.h"

enum {
	HEADER_LEN = 12,
	PACKET_MOST = 512,
	TYPE_A = 1,
	TYPE_PTR = 12,
	TYPE_AAAA = 28,
	STATUS_NO_NAME = 3,
};

struct packet {
	uint8_t bytes[PACKET_MOST];
	size_t len;
};

/* The name as people write it, and the length of its form in the packet. */
static size_t read_name(const struct packet *p, char *out, size_t cap)
{
	size_t at = HEADER_LEN, len = 0;

	while (at < p->len && p->bytes[at] != 0) {
		size_t label = p->bytes[at++];

		CHECK(at + label < p->len && len + label + 2 < cap);
		if (len > 0)
			out[len++] = '.';
		memcpy(out + len, p->bytes + at, label);
		len += label;
		at += label;
	}
	out[len] = '\0';
	return at + 1 - HEADER_LEN;
}

static const struct fake_name *find(const struct fake_dns *dns, const char *name)
{
	for (const struct fake_name *n = dns->names; n->name; n++)
		if (strcmp(n->name, name) == 0)
			return n;
	return NULL;
}

static const char *find_pointer(const struct fake_dns *dns, const char *name)
{
	for (const struct fake_pointer *p = dns->pointers; p && p->name; p++)
		if (strcmp(p->name, name) == 0)
			return p->pointer;
	return NULL;
}

static void add_answer(struct packet *p, int type, const char *address)
{
	uint8_t bytes[16];
	int family = type == TYPE_A ? AF_INET : AF_INET6;
	uint8_t len = type == TYPE_A ? 4 : 16;
	/* The name by its place in the packet, class IN, a time to live of 60 s. */
	const uint8_t head[] = {0xc0, HEADER_LEN, 0,  (uint8_t)type, 0, 1, 0, 0, 0,
				60,   0,          len};

	if (inet_pton(family, address, bytes) != 1)
		return;
	memcpy(p->bytes + p->len, head, sizeof(head));
	memcpy(p->bytes + p->len + sizeof(head), bytes, len);
	p->len += sizeof(head) + len;
	p->bytes[7]++; /* answers */
}

/* A name as it stands in a packet: each label behind its length. */
static size_t write_name(uint8_t *out, const char *name)
{
	size_t len = 1, label = 0; /* where the label's length is */

	for (const char *at = name; *at; at++) {
		if (*at == '.') {
			out[label] = (uint8_t)(len - label - 1);
			label = len++;
			continue;
		}
		out[len++] = (uint8_t)*at;
	}
	out[label] = (uint8_t)(len - label - 1);
	out[len++] = 0;
	return len;
}

static void add_pointer(struct packet *p, const char *name)
{
	const uint8_t head[] = {0xc0, HEADER_LEN, 0, TYPE_PTR, 0, 1, 0, 0, 0, 60, 0};
	uint8_t *at = p->bytes + p->len;

	CHECK(strlen(name) + 2 < 256);
	memcpy(at, head, sizeof(head));
	size_t len = write_name(at + sizeof(head) + 1, name);
	at[sizeof(head)] = (uint8_t)len;
	p->len += sizeof(head) + 1 + len;
	p->bytes[7]++; /* answers */
}

/* Turns a question into its answer. */
static void answer(struct fake_dns *dns, struct packet *p)
{
	char name[256];
	size_t name_len = read_name(p, name, sizeof(name));
	int type = p->bytes[HEADER_LEN + name_len + 1];
	const struct fake_name *known = find(dns, name);
	const char *pointer = find_pointer(dns, name);

	p->len = HEADER_LEN + name_len + 4;
	p->bytes[2] = 0x81; /* an answer */
	p->bytes[3] = known || pointer ? 0x80 : 0x80 | STATUS_NO_NAME;
	memset(p->bytes + 6, 0, 6);
	for (int i = 0; known && i < 4 && known->addresses[i]; i++)
		add_answer(p, type, known->addresses[i]);
	if (type == TYPE_PTR && pointer)
		add_pointer(p, pointer);
	if (type == TYPE_A)
		dns->questions++;
	if (type == TYPE_PTR)
		dns->pointer_questions++;
}

static void on_ready(struct loop *loop, struct loop_io *io, int events)
{
	struct fake_dns *dns = (struct fake_dns *)(void *)io;
	struct sockaddr_storage from;
	socklen_t from_len = sizeof(from);
	struct packet p;
	ssize_t got = recvfrom(loop_io_fd(io), p.bytes, sizeof(p.bytes), 0,
			       (struct sockaddr *)&from, &from_len);

	(void)loop, (void)events;
	if (got < HEADER_LEN)
		return;
	p.len = (size_t)got;
	if (dns->drops > 0) {
		dns->drops--;
		return;
	}
	answer(dns, &p);
	sendto(loop_io_fd(io), p.bytes, p.len, 0, (struct sockaddr *)&from, from_len);
}

void fake_dns_start(struct fake_dns *dns, struct loop *loop,
		    const struct fake_name *names)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	struct endpoint at;

	CHECK(endpoint_from_ip("127.0.0.1", 0, &at));
	CHECK(bind(fd, (struct sockaddr *)&at.storage, at.len) == 0);
	CHECK(real_endpoint(fd, &at));
	*dns = (struct fake_dns){.loop = loop, .names = names};
	endpoint_print(&at, dns->servers, sizeof(dns->servers));
	loop_io_init(&dns->io, fd, on_ready);
	loop_io_watch(loop, &dns->io, LOOP_READ);
}

void fake_dns_stop(struct fake_dns *dns)
{
	loop_io_watch(dns->loop, &dns->io, 0);
	close(loop_io_fd(&dns->io));
}
