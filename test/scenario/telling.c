/*
 * What a server tells of its parameters.
 */
#include "scenario/telling.h"

#include "proto/writer.h"
#include "scenario/world.h"

static void write_hex(struct writer *w, const char *text)
{
	char hex[512];
	size_t len = 0;

	if (!text) {
		writer_u32(w, UINT32_MAX);
		return;
	}
	for (; *text; text++)
		len += (size_t)snprintf(hex + len, sizeof(hex) - len, "%02x",
					(uint8_t)*text);
	writer_u32(w, (uint32_t)len);
	writer_bytes(w, slice_of(hex, len));
}

void push_row(struct actor *s, const char *kind, const char *name, const char *value)
{
	struct buffer out = {0};
	struct writer w = writer_of(&out);

	writer_begin(&w, 'D');
	writer_u16(&w, 3);
	writer_u32(&w, 1);
	writer_bytes(&w, slice_of(kind, 1));
	write_hex(&w, name);
	write_hex(&w, value);
	writer_end(&w);
	assert_true(writer_finish(&w));
	actor_push_bytes(s, buffer_bytes(&out));
	buffer_fini(&out);
}

void is_asked(struct actor *s, const char *first, const char *second)
{
	struct slice got = fake_peer_received(&s->peer);
	char text[4096];

	assert_true(got.len > 6 && got.len < sizeof(text));
	assert_int_equal(got.data[0], 'Q');
	memcpy(text, got.data + 5, got.len - 5);
	text[got.len - 5] = '\0';
	assert_int_equal(strlen(text) + 6, got.len);
	assert_non_null(strstr(text, "transaction_isolation"));
	assert_non_null(strstr(text, first));
	assert_non_null(strstr(text, second));
	heard(s);
}
