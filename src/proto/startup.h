/*
 * What a client sends before it is logged in: startup packets, requests for encryption,
 * cancel requests ("Message Flow", *Start-up* and *Canceling Requests in Progress*).
 */
#ifndef POOLER_PROTO_STARTUP_H
#define POOLER_PROTO_STARTUP_H

#include "base/reader.h"

struct writer;
struct buffer;

enum {
	STARTUP_MAX_LEN = 65535, /* of a whole packet; longer is refused at its header */
	STARTUP_PROTOCOL_3_0 = 3 << 16,
	/* The newest there is, with cancel keys of any length up to the greatest. Nothing
	 * was ever called 3.1. */
	STARTUP_PROTOCOL_3_2 = 3 << 16 | 2,
	/* A process id, and what is secret of a key: 4 bytes before 3.2, up to 256 since.
	 */
	STARTUP_KEY_MIN_LEN = 4 + 4,
	STARTUP_KEY_MAX_LEN = 4 + 256,
};

enum startup_result {
	STARTUP_MORE, /* not all of it has arrived */
	STARTUP_SSL_REQUEST,
	STARTUP_GSS_REQUEST,
	STARTUP_CANCEL,      /* out->cancel_key is filled in */
	STARTUP_LOGIN,       /* out->version and out->params are filled in */
	STARTUP_OLD_VERSION, /* protocol 2 or older */
	STARTUP_TLS_HELLO,   /* first byte 0x16: a TLS ClientHello without SSLRequest */
	STARTUP_BAD,         /* no packet of this protocol; out->problem says why */
};

struct startup_packet {
	size_t total_len;        /* bytes of the packet, length included */
	uint32_t version;        /* as sent: major << 16 | minor */
	struct slice params;     /* name NUL value NUL ..., without the last terminator */
	struct slice cancel_key; /* process id and secret; in the bytes looked at */
	char problem[96];        /* one line in ASCII, for STARTUP_BAD */
};

/* Looks at the bytes from the start of a packet; consumes nothing. STARTUP_BAD is said as
 * early as the first bytes allow. A STARTUP_LOGIN's params are well formed: pairs of
 * NUL-terminated texts, names not empty. */
enum startup_result startup_peek(struct slice bytes, struct startup_packet *out);

/* The next pair of params; false at the end. */
bool startup_next_param(struct slice *params, struct slice *out_name,
			struct slice *out_value);

/* The value of the last parameter of that name; false when there is none. */
bool startup_find_param(struct slice params, const char *name, struct slice *out_value);

/* What the `replication` parameter makes of a connection. */
enum startup_replication {
	STARTUP_REPLICATION_NONE,
	STARTUP_REPLICATION_LOGICAL,  /* in a database, which takes queries, too */
	STARTUP_REPLICATION_PHYSICAL, /* in none */
	STARTUP_REPLICATION_BAD,      /* neither "database" nor a truth value */
};
enum startup_replication startup_replication(struct slice params);

/*
 * Walks a value of the `options` parameter, with backslashes escaping blanks, as
 * PostgreSQL's pg_split_opts does: "-c name=value", "-cname=value", "--name=value" (where
 * dashes in a name stand for underscores).
 */
enum startup_option {
	STARTUP_OPTION_SET, /* out_name and out_value, unescaped, live in scratch */
	STARTUP_OPTION_END,
	STARTUP_OPTION_BAD, /* anything else; out_value is the offending word */
};
enum startup_option startup_next_option(struct slice *options, struct buffer *scratch,
					struct slice *out_name, struct slice *out_value);

/* The other direction: what asks a server for TLS. */
void startup_write_ssl_request(struct writer *w);

/* Whether the packet asks for more than there is: a minor version above 2 or _pq_.*
 * parameters. Then a NegotiateProtocolVersion, written by the second one, goes first. */
bool startup_needs_negotiation(const struct startup_packet *packet);
void startup_write_negotiation(struct writer *w, const struct startup_packet *packet);

/* The version that is spoken with who sent the packet. */
uint32_t startup_version(const struct startup_packet *packet);

/* The body of a server's NegotiateProtocolVersion, after a startup packet of that version
 * without _pq_.* parameters: false when it is no answer to that. */
bool startup_read_negotiation(struct slice body, uint32_t asked, uint32_t *out_version);

#endif
