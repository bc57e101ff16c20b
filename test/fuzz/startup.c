/*
 * Fuzzes what a client sends before its login: the packet, its options, the negotiation.
 */
#include "proto/startup.h"

#include <stdlib.h>

#include "base/buffer.h"
#include "base/check.h"
#include "fuzz/fuzz.h"
#include "proto/frame.h"
#include "proto/writer.h"

static void walk_options(struct slice options)
{
	struct buffer scratch = {0};
	struct slice name, value;
	enum startup_option option;
	size_t before;

	do {
		before = options.len;
		option = startup_next_option(&options, &scratch, &name, &value);
		CHECK(option == STARTUP_OPTION_END || options.len < before);
		if (option == STARTUP_OPTION_SET)
			CHECK(name.len > 0 && name.len + value.len < before);
	} while (option == STARTUP_OPTION_SET);
	buffer_fini(&scratch);
}

static void use_login(const struct startup_packet *packet)
{
	struct slice params = packet->params, name, value;
	struct buffer out = {0};
	struct writer w = writer_of(&out);
	struct frame f;

	while (startup_next_param(&params, &name, &value)) {
		CHECK(name.len > 0);
		walk_options(value);
	}
	CHECK(params.len == 0);
	startup_find_param(packet->params, "user", &value);
	CHECK(startup_replication(packet->params) <= STARTUP_REPLICATION_BAD);
	startup_write_negotiation(&w, packet);
	CHECK(writer_finish(&w));
	CHECK(frame_peek(buffer_bytes(&out), 1 << 20, &f) == FRAME_OK);
	CHECK(frame_is_whole(&f));
	/* The client that asked would take the version. */
	uint32_t version = startup_version(packet);
	CHECK(version <= packet->version && version <= STARTUP_PROTOCOL_3_2);
	CHECK(startup_needs_negotiation(packet) || version == packet->version);
	buffer_fini(&out);
}

/* What was read of a cancel request makes the same request again. */
static void use_cancel(struct slice bytes, const struct startup_packet *packet)
{
	struct buffer out = {0};
	struct writer w = writer_of(&out);

	CHECK(packet->cancel_key.len >= STARTUP_KEY_MIN_LEN);
	CHECK(packet->cancel_key.len <= STARTUP_KEY_MAX_LEN);
	writer_cancel_request(&w, packet->cancel_key);
	CHECK(writer_finish(&w));
	CHECK(slice_equal(buffer_bytes(&out), slice_first(bytes, packet->total_len)));
	buffer_fini(&out);
}

/* The bytes as what a server says. */
static void use_negotiation(struct slice bytes)
{
	uint32_t version;

	if (startup_read_negotiation(bytes, STARTUP_PROTOCOL_3_2, &version))
		CHECK(version >= STARTUP_PROTOCOL_3_0 && version <= STARTUP_PROTOCOL_3_2);
	if (startup_read_negotiation(bytes, STARTUP_PROTOCOL_3_0, &version))
		CHECK(version == STARTUP_PROTOCOL_3_0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct slice bytes = slice_of(data, len);
	struct startup_packet packet, early;
	enum startup_result result = startup_peek(bytes, &packet);

	CHECK((result == STARTUP_BAD) == (packet.problem[0] != '\0'));
	if (result == STARTUP_CANCEL)
		use_cancel(bytes, &packet);
	if (result == STARTUP_LOGIN) {
		CHECK(packet.total_len <= len && packet.total_len <= STARTUP_MAX_LEN);
		use_login(&packet);
	}
	/* What was said of fewer bytes must hold. */
	for (size_t cut = 0; cut < len && cut < 24; cut++) {
		enum startup_result at = startup_peek(slice_first(bytes, cut), &early);

		CHECK(at == STARTUP_MORE || at == result);
	}
	walk_options(bytes);
	use_negotiation(bytes);
	return 0;
}

static void packet(fuzz_run_fn run, uint32_t code, const void *rest, size_t len)
{
	struct buffer b = {0};
	struct writer w = writer_of(&b);

	writer_begin(&w, 0);
	writer_u32(&w, code);
	writer_bytes(&w, slice_of(rest, len));
	writer_end(&w);
	if (writer_finish(&w))
		run(buffer_bytes(&b));
	buffer_fini(&b);
}

enum { V3 = 3 << 16, REQUEST = 1234 << 16 };

/* A login with one long value. */
static void long_login(fuzz_run_fn run, const char *name, char fill, size_t value_len)
{
	size_t name_len = strlen(name) + 1, len = name_len + value_len + 2;
	char *rest = calloc(1, len);

	if (!rest)
		abort();
	memcpy(rest, name, name_len);
	memset(rest + name_len, fill, value_len);
	packet(run, V3, rest, len);
	free(rest);
}

static void long_cancel(fuzz_run_fn run, size_t key_len)
{
	char *key = calloc(1, key_len);

	if (!key)
		abort();
	packet(run, REQUEST | 5678, key, key_len);
	free(key);
}

#define REST(text) text, sizeof(text) - 1

void fuzz_corpus(fuzz_run_fn run)
{
	packet(run, V3, REST("user\0me\0database\0db\0\0"));
	packet(run, V3, REST("user\0me\0options\0-c a=b --c-d=e\\ f -cx=y\0\0"));
	packet(run, V3 | 2, REST("user\0me\0_pq_.x\0y\0_pq_.z\0\0\0"));
	packet(run, V3, REST("user\0me\0"));
	packet(run, V3, REST("user\0me\0\0\0"));
	packet(run, V3, REST(""));
	packet(run, 2 << 16, REST("whatever"));
	packet(run, REQUEST | 5679, REST(""));
	packet(run, REQUEST | 5680, REST(""));
	packet(run, REQUEST | 5678, REST("12345678"));
	packet(run, REQUEST | 5678, REST("123"));
	packet(run, REQUEST | 5678, REST("1234 and 32 bytes of protocol 3.2..."));
	long_cancel(run, STARTUP_KEY_MAX_LEN);
	long_cancel(run, STARTUP_KEY_MAX_LEN + 1);
	packet(run, V3 | 9999, REST("user\0me\0_pq_.x\0y\0\0"));
	packet(run, V3 | 2, REST("user\0me\0replication\0database\0\0"));
	run(slice_of("\0\3\0\0\0\0\0\0", 8));
	run(slice_of("\0\3\0\2\0\0\0\1_pq_.x\0", 15));
	long_login(run, "user", 'u', 128);
	long_login(run, "database", 'd', 64);
	long_login(run, "options", '\\', 10000);
	long_login(run, "options", '-', STARTUP_MAX_LEN - 8 - 8 - 2);
	run(slice_of("\0\0\0\0", 4));
	run(slice_of("\0\0\0\7\0\3\0\0", 8));
	run(slice_of("\0\0\xff\xff\0\3\0\0", 8));
	run(slice_of("GET / HTTP/1.1\r\n", 16));
	run(slice_of("\x16\3\1\2\0\1", 6));
	run(slice_of("-c a=b -ca=\\\\ --d-e= -c", 23));
}
