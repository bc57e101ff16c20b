/*
 * Startup packets. They have no letter: a length that counts itself, a code, and for a
 * login pairs of texts. Everything is judged from the bytes there are, so that garbage (a
 * web browser, a port scan) is told apart at its first byte.
 */
#include "proto/startup.h"

#include <stdio.h>
#include <strings.h>

#include "base/buffer.h"
#include "proto/writer.h"

enum {
	HEADER_LEN = 8,
	TLS_HANDSHAKE = 0x16,
	MAJOR_OF_REQUESTS = 1234,
	MINOR_CANCEL = 5678,
	MINOR_SSL = 5679,
	MINOR_GSS = 5680,
};

static enum startup_result bad(struct startup_packet *out, const char *problem)
{
	snprintf(out->problem, sizeof(out->problem), "%s", problem);
	return STARTUP_BAD;
}

static enum startup_result bad_header(struct startup_packet *out, struct slice bytes)
{
	char hex[2 * HEADER_LEN + 1] = "";

	for (size_t i = 0; i < bytes.len && i < HEADER_LEN; i++)
		snprintf(hex + 2 * i, 3, "%02x", bytes.data[i]);
	snprintf(out->problem, sizeof(out->problem), "bad packet header: '%s'", hex);
	return STARTUP_BAD;
}

/* Whether these first bytes, maybe not yet eight, can begin a packet. */
static bool header_is_possible(struct slice bytes)
{
	struct reader r = reader_of(bytes);

	if (reader_u16(&r) != 0 || (bytes.len == 1 && bytes.data[0] != 0))
		return false;
	uint16_t len = reader_u16(&r);
	if (reader_ok(&r) && len < HEADER_LEN)
		return false;
	if (bytes.len == 5 && bytes.data[4] != 0 &&
	    bytes.data[4] != MAJOR_OF_REQUESTS >> 8)
		return false;
	uint16_t major = reader_u16(&r);
	return !reader_ok(&r) || (major >= 1 && major <= 3) || major == MAJOR_OF_REQUESTS;
}

/* The key is whatever follows; how long it is, nothing else says. */
static enum startup_result cancel(struct slice bytes, struct startup_packet *out)
{
	if (out->total_len < HEADER_LEN + STARTUP_KEY_MIN_LEN ||
	    out->total_len > HEADER_LEN + STARTUP_KEY_MAX_LEN)
		return bad(out, "bad cancel request");
	if (bytes.len < out->total_len)
		return STARTUP_MORE;
	out->cancel_key = slice_after(slice_first(bytes, out->total_len), HEADER_LEN);
	return STARTUP_CANCEL;
}

static enum startup_result request(struct slice bytes, struct startup_packet *out)
{
	switch (out->version & 0xffff) {
	case MINOR_SSL:
		return out->total_len == HEADER_LEN ? STARTUP_SSL_REQUEST
						    : bad_header(out, bytes);
	case MINOR_GSS:
		return out->total_len == HEADER_LEN ? STARTUP_GSS_REQUEST
						    : bad_header(out, bytes);
	case MINOR_CANCEL:
		return cancel(bytes, out);
	default:
		return bad_header(out, bytes);
	}
}

/* The pairs up to the terminator, which must be the last byte. */
static enum startup_result login(struct slice packet, struct startup_packet *out)
{
	struct reader r = reader_of(slice_after(packet, HEADER_LEN));

	while (reader_ok(&r) && r.rest.len > 1 && r.rest.data[0] != 0) {
		reader_cstring(&r);
		reader_cstring(&r);
	}
	if (!reader_ok(&r) || r.rest.len != 1 || r.rest.data[0] != 0)
		return bad(out, "invalid startup packet layout: "
				"expected terminator as last byte");
	out->params = slice_of(packet.data + HEADER_LEN, packet.len - HEADER_LEN - 1);
	return STARTUP_LOGIN;
}

enum startup_result startup_peek(struct slice bytes, struct startup_packet *out)
{
	struct reader r = reader_of(bytes);

	*out = (struct startup_packet){0};
	if (bytes.len == 0)
		return STARTUP_MORE;
	if (bytes.data[0] == TLS_HANDSHAKE)
		return STARTUP_TLS_HELLO;
	if (!header_is_possible(bytes))
		return bad_header(out, bytes);
	if (bytes.len < HEADER_LEN)
		return STARTUP_MORE;
	out->total_len = reader_u32(&r);
	out->version = reader_u32(&r);
	if (out->version >> 16 == MAJOR_OF_REQUESTS)
		return request(bytes, out);
	if (out->version >> 16 < 3)
		return STARTUP_OLD_VERSION;
	if (bytes.len < out->total_len)
		return STARTUP_MORE;
	return login(slice_first(bytes, out->total_len), out);
}

bool startup_next_param(struct slice *params, struct slice *out_name,
			struct slice *out_value)
{
	struct reader r = reader_of(*params);
	struct slice name = reader_cstring(&r);
	struct slice value = reader_cstring(&r);

	if (!reader_ok(&r))
		return false;
	*params = r.rest;
	*out_name = name;
	*out_value = value;
	return true;
}

bool startup_find_param(struct slice params, const char *name, struct slice *out_value)
{
	struct slice found, value;
	bool is_there = false;

	while (startup_next_param(&params, &found, &value)) {
		if (!slice_is_text(found, name))
			continue;
		*out_value = value;
		is_there = true;
	}
	return is_there;
}

/* As PostgreSQL's parse_bool: any beginning of these that says which it is. */
static bool is_beginning_of(struct slice value, const char *word, size_t least)
{
	return value.len >= least && value.len <= strlen(word) &&
	       strncasecmp((const char *)value.data, word, value.len) == 0;
}

enum startup_replication startup_replication(struct slice params)
{
	struct slice value;

	if (!startup_find_param(params, "replication", &value))
		return STARTUP_REPLICATION_NONE;
	if (slice_is_text(value, "database"))
		return STARTUP_REPLICATION_LOGICAL;
	if (is_beginning_of(value, "true", 1) || is_beginning_of(value, "yes", 1) ||
	    is_beginning_of(value, "on", 2) || is_beginning_of(value, "1", 1))
		return STARTUP_REPLICATION_PHYSICAL;
	if (is_beginning_of(value, "false", 1) || is_beginning_of(value, "no", 1) ||
	    is_beginning_of(value, "off", 2) || is_beginning_of(value, "0", 1))
		return STARTUP_REPLICATION_NONE;
	return STARTUP_REPLICATION_BAD;
}

static bool is_blank(uint8_t c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

/* Takes one word off, unescaped to the back of scratch; false at the end. *out_whole says
 * whether memory sufficed. */
static bool next_word(struct slice *options, struct buffer *scratch, bool *out_whole)
{
	struct slice rest = *options;
	size_t len = 0;

	*out_whole = true;
	while (rest.len > 0 && is_blank(rest.data[0]))
		rest = slice_after(rest, 1);
	*options = rest;
	if (rest.len == 0)
		return false;
	uint8_t *word = buffer_reserve(scratch, rest.len);
	for (; rest.len > 0 && !is_blank(rest.data[0]); rest = slice_after(rest, 1)) {
		if (rest.data[0] == '\\') {
			rest = slice_after(rest, 1);
			if (rest.len == 0)
				break;
		}
		if (word)
			word[len++] = rest.data[0];
	}
	*options = rest;
	*out_whole = word != NULL;
	if (word)
		buffer_commit(scratch, len);
	return true;
}

/* What is to be cut at its first "=": the word without "--" or "-c", or the word after a
 * "-c" of its own. */
static bool next_assignment(struct slice *options, struct buffer *scratch,
			    struct slice *out_word)
{
	struct slice word = buffer_bytes(scratch);
	bool is_whole;

	if (word.len > 2 && memcmp(word.data, "--", 2) == 0)
		word = slice_after(word, 2);
	else if (word.len > 2 && memcmp(word.data, "-c", 2) == 0)
		word = slice_after(word, 2);
	else if (slice_is_text(word, "-c")) {
		if (!next_word(options, scratch, &is_whole) || !is_whole) {
			*out_word = buffer_bytes(scratch);
			return false;
		}
		word = slice_after(buffer_bytes(scratch), 2);
	} else {
		*out_word = word;
		return false;
	}
	*out_word = word;
	return true;
}

enum startup_option startup_next_option(struct slice *options, struct buffer *scratch,
					struct slice *out_name, struct slice *out_value)
{
	struct slice word;
	bool is_whole;

	buffer_truncate(scratch, 0);
	if (!next_word(options, scratch, &is_whole))
		return STARTUP_OPTION_END;
	bool is_assignment = next_assignment(options, scratch, &word);
	const uint8_t *equals = word.len ? memchr(word.data, '=', word.len) : NULL;
	*out_value = word;
	if (!is_whole || !is_assignment || !equals || equals == word.data)
		return STARTUP_OPTION_BAD;
	size_t name_len = (size_t)(equals - word.data);
	/* The word is the tail of scratch, where it may be written to. */
	uint8_t *name = scratch->data + scratch->end - word.len;
	for (size_t i = 0; i < name_len; i++)
		if (name[i] == '-')
			name[i] = '_';
	*out_name = slice_of(name, name_len);
	*out_value = slice_after(word, name_len + 1);
	return STARTUP_OPTION_SET;
}

static bool is_extension(struct slice name)
{
	return name.len >= 5 && memcmp(name.data, "_pq_.", 5) == 0;
}

static uint32_t count_extensions(struct slice params)
{
	struct slice name, value;
	uint32_t count = 0;

	while (startup_next_param(&params, &name, &value))
		count += is_extension(name);
	return count;
}

void startup_write_ssl_request(struct writer *w)
{
	writer_begin(w, 0);
	writer_u16(w, MAJOR_OF_REQUESTS);
	writer_u16(w, MINOR_SSL);
	writer_end(w);
}

bool startup_needs_negotiation(const struct startup_packet *packet)
{
	return packet->version > STARTUP_PROTOCOL_3_2 ||
	       count_extensions(packet->params) > 0;
}

uint32_t startup_version(const struct startup_packet *packet)
{
	return packet->version < STARTUP_PROTOCOL_3_2 ? packet->version
						      : STARTUP_PROTOCOL_3_2;
}

void startup_write_negotiation(struct writer *w, const struct startup_packet *packet)
{
	struct slice params = packet->params, name, value;

	writer_begin(w, 'v');
	writer_u32(w, startup_version(packet));
	writer_u32(w, count_extensions(params));
	while (startup_next_param(&params, &name, &value))
		if (is_extension(name))
			writer_cstring(w, name);
	writer_end(w);
}

bool startup_read_negotiation(struct slice body, uint32_t asked, uint32_t *out_version)
{
	struct reader r = reader_of(body);
	uint32_t version = reader_u32(&r);
	uint32_t unknown = reader_u32(&r);

	if (!reader_done(&r) || unknown != 0 || version < STARTUP_PROTOCOL_3_0 ||
	    version > asked)
		return false;
	*out_version = version;
	return true;
}
