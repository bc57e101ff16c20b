/* Records of TLS 1.3: sealed and opened, against known ones and against harm. */
#include "net/tls_records.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

enum { AES_128 = 0x1301, AES_256 = 0x1302, CHACHA = 0x1303 };

static const uint16_t suites[] = {AES_128, AES_256, CHACHA};
static const uint8_t secret[48] = "0123456789abcdef0123456789abcdef0123456789abcdef";
static const struct slice nothing;

static struct slice secret_for(uint16_t suite)
{
	return slice_of(secret, suite == AES_256 ? 48 : 32);
}

struct both {
	struct tls_way out, in;
};

static struct both open_both(uint16_t suite)
{
	struct both b;

	assert_true(tls_way_init(&b.out, suite, true, secret_for(suite), 0));
	assert_true(tls_way_init(&b.in, suite, false, secret_for(suite), 0));
	return b;
}

static void close_both(struct both *b)
{
	tls_way_fini(&b->out);
	tls_way_fini(&b->in);
}

/* RFC 8448, section 3: the client's application data under its first secret. */
static void a_published_record_comes_out(void **state)
{
	static const uint8_t key[32] = {0x9e, 0x40, 0x64, 0x6c, 0xe7, 0x9a, 0x7f, 0x9d,
					0xc0, 0x5a, 0xf8, 0x88, 0x9b, 0xce, 0x65, 0x52,
					0x87, 0x5a, 0xfa, 0x0b, 0x06, 0xdf, 0x00, 0x87,
					0xf7, 0x92, 0xeb, 0xb7, 0xc1, 0x75, 0x04, 0xa5};
	static const uint8_t expected[] = {
	    0x17, 0x03, 0x03, 0x00, 0x43, 0xa2, 0x3f, 0x70, 0x54, 0xb6, 0x2c, 0x94,
	    0xd0, 0xaf, 0xfa, 0xfe, 0x82, 0x28, 0xba, 0x55, 0xcb, 0xef, 0xac, 0xea,
	    0x42, 0xf9, 0x14, 0xaa, 0x66, 0xbc, 0xab, 0x3f, 0x2b, 0x98, 0x19, 0xa8,
	    0xa5, 0xb4, 0x6b, 0x39, 0x5b, 0xd5, 0x4a, 0x9a, 0x20, 0x44, 0x1e, 0x2b,
	    0x62, 0x97, 0x4e, 0x1f, 0x5a, 0x62, 0x92, 0xa2, 0x97, 0x70, 0x14, 0xbd,
	    0x1e, 0x3d, 0xea, 0xe6, 0x3a, 0xee, 0xbb, 0x21, 0x69, 0x49, 0x15, 0xe4};
	uint8_t data[50], record[100];
	struct tls_way way;

	(void)state;
	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)i;
	assert_true(tls_way_init(&way, AES_128, true, slice_of(key, sizeof(key)), 0));
	size_t len = tls_way_seal(&way, TLS_RECORD_DATA, slice_of(data, 20),
				  slice_of(data + 20, 30), record);
	assert_int_equal(len, sizeof(expected));
	assert_memory_equal(record, expected, len);
	tls_way_fini(&way);
}

static void what_is_sealed_can_be_opened(void **state)
{
	static const size_t lens[] = {1, 2, 15, 16, 17, 255, 1000, TLS_RECORD_PLAIN_MAX};
	uint8_t *data = calloc(2, TLS_RECORD_MAX), *record = data + TLS_RECORD_MAX;
	struct tls_record opened;

	(void)state;
	assert_non_null(data);
	for (size_t i = 0; i < TLS_RECORD_PLAIN_MAX; i++)
		data[i] = (uint8_t)(i * 3);
	for (size_t s = 0; s < 3; s++) {
		struct both b = open_both(suites[s]);

		for (size_t l = 0; l < sizeof(lens) / sizeof(lens[0]); l++) {
			size_t half = lens[l] / 2;
			size_t len =
			    tls_way_seal(&b.out, TLS_RECORD_DATA, slice_of(data, half),
					 slice_of(data + half, lens[l] - half), record);

			assert_int_equal(len, lens[l] + TLS_RECORD_EXTRA);
			for (size_t cut = 0; cut < len; cut += 1 + len / 100)
				assert_int_equal(
				    tls_way_open(&b.in, record, cut, &opened),
				    TLS_OPENED_PART);
			assert_int_equal(tls_way_open(&b.in, record, len, &opened),
					 TLS_OPENED);
			assert_int_equal(opened.total_len, len);
			assert_int_equal(opened.type, TLS_RECORD_DATA);
			assert_true(slice_equal(opened.plain, slice_of(data, lens[l])));
		}
		close_both(&b);
	}
	free(data);
}

static void every_changed_bit_is_noticed(void **state)
{
	uint8_t good[64], bad[64];
	struct tls_record opened;

	(void)state;
	for (size_t s = 0; s < 3; s++) {
		struct both b = open_both(suites[s]);
		size_t len = tls_way_seal(&b.out, TLS_RECORD_DATA,
					  slice_of_text("a secret"), nothing, good);

		for (size_t bit = 0; bit < 8 * len; bit++) {
			memcpy(bad, good, sizeof(bad));
			bad[bit / 8] ^= (uint8_t)(1 << bit % 8);
			b.in.count = 0;
			assert_int_not_equal(tls_way_open(&b.in, bad, len, &opened),
					     TLS_OPENED);
		}
		b.in.count = 0;
		assert_int_equal(tls_way_open(&b.in, good, len, &opened), TLS_OPENED);
		close_both(&b);
	}
}

static void order_counts(void **state)
{
	struct both b = open_both(AES_128);
	uint8_t first[64], second[64];
	struct tls_record opened;

	(void)state;
	size_t len =
	    tls_way_seal(&b.out, TLS_RECORD_DATA, slice_of_text("1"), nothing, first);
	tls_way_seal(&b.out, TLS_RECORD_DATA, slice_of_text("2"), nothing, second);
	assert_int_equal(tls_way_open(&b.in, second, len, &opened), TLS_OPENED_BAD);
	assert_int_equal(opened.alert, 20);
	close_both(&b);
}

static void renewed_keys_agree_and_old_ones_do_not(void **state)
{
	uint8_t record[64], copy[64];
	struct tls_record opened;

	(void)state;
	for (size_t s = 0; s < 3; s++) {
		struct both b = open_both(suites[s]);

		assert_true(tls_way_renew(&b.out));
		size_t len = tls_way_seal(&b.out, TLS_RECORD_DATA, slice_of_text("new"),
					  nothing, record);
		memcpy(copy, record, sizeof(copy));
		assert_int_equal(tls_way_open(&b.in, copy, len, &opened), TLS_OPENED_BAD);
		assert_true(tls_way_renew(&b.in));
		assert_int_equal(tls_way_open(&b.in, record, len, &opened), TLS_OPENED);
		assert_true(slice_is_text(opened.plain, "new"));
		close_both(&b);
	}
}

static void the_counter_may_start_later(void **state)
{
	struct both b = open_both(AES_256);
	struct tls_way late;
	uint8_t record[64];
	struct tls_record opened;
	size_t len = 0;

	(void)state;
	for (int i = 0; i < 4; i++)
		len = tls_way_seal(&b.out, TLS_RECORD_ALERT, slice_of("\1\0", 2), nothing,
				   record);
	assert_true(tls_way_init(&late, AES_256, false, secret_for(AES_256), 3));
	assert_int_equal(tls_way_open(&late, record, len, &opened), TLS_OPENED);
	assert_int_equal(opened.type, TLS_RECORD_ALERT);
	tls_way_fini(&late);
	close_both(&b);
}

/* A record as another program may make it: padded, or with nothing but padding. */
static size_t seal_inner(struct tls_way *way, const uint8_t *inner, size_t len,
			 uint8_t *out)
{
	/* The last byte is the type. */
	return tls_way_seal(way, inner[len - 1], slice_of(inner, len - 1), nothing, out);
}

static void padding_is_taken_away(void **state)
{
	static const uint8_t padded[] = {'h', 'i', TLS_RECORD_DATA, 0, 0, 0};
	static const uint8_t empty[] = {TLS_RECORD_DATA, 0, 0, 0};
	static const uint8_t only[] = {0, 0, 0};
	struct both b = open_both(AES_128);
	uint8_t record[64];
	struct tls_record opened;

	(void)state;
	size_t len = seal_inner(&b.out, padded, sizeof(padded), record);
	assert_int_equal(tls_way_open(&b.in, record, len, &opened), TLS_OPENED);
	assert_true(slice_is_text(opened.plain, "hi"));
	assert_int_equal(opened.type, TLS_RECORD_DATA);
	len = seal_inner(&b.out, empty, sizeof(empty), record);
	assert_int_equal(tls_way_open(&b.in, record, len, &opened), TLS_OPENED);
	assert_int_equal(opened.plain.len, 0);
	len = seal_inner(&b.out, only, sizeof(only), record);
	assert_int_equal(tls_way_open(&b.in, record, len, &opened), TLS_OPENED_BAD);
	assert_int_equal(opened.alert, 10);
	close_both(&b);
}

static void bad_headers_are_refused_before_they_are_waited_for(void **state)
{
	static const struct {
		uint8_t header[TLS_RECORD_HEADER];
		uint8_t alert;
	} rows[] = {
	    {{TLS_RECORD_DATA, 3, 3, 0x41, 0x01}, 22}, /* 16641 bytes */
	    {{TLS_RECORD_DATA, 3, 3, 0xff, 0xff}, 22},
	    {{TLS_RECORD_DATA, 3, 3, 0, 0}, 50},
	    {{TLS_RECORD_DATA, 3, 3, 0, 16}, 50},
	    {{TLS_RECORD_HANDSHAKE, 3, 3, 0, 40}, 10},
	    {{TLS_RECORD_ALERT, 3, 3, 0, 2}, 10},
	    {{20, 3, 3, 0, 1}, 10},
	};
	struct both b = open_both(AES_128);
	struct tls_record opened;
	uint8_t header[TLS_RECORD_HEADER];

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		memcpy(header, rows[i].header, sizeof(header));
		assert_int_equal(tls_way_open(&b.in, header, sizeof(header), &opened),
				 TLS_OPENED_BAD);
		assert_int_equal(opened.alert, rows[i].alert);
	}
	close_both(&b);
}

static void unknown_suites_and_odd_secrets_are_refused(void **state)
{
	struct tls_way way;

	(void)state;
	assert_true(tls_way_knows(AES_128) && tls_way_knows(AES_256) &&
		    tls_way_knows(CHACHA));
	assert_false(tls_way_knows(0x1304));
	assert_false(tls_way_init(&way, 0x1304, true, slice_of(secret, 32), 0));
	assert_null(way.cipher);
	assert_false(tls_way_init(&way, AES_256, true, slice_of(secret, 32), 0));
	assert_null(way.cipher);
	tls_way_fini(&way);
	tls_way_fini(&way);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_published_record_comes_out),
	    cmocka_unit_test(what_is_sealed_can_be_opened),
	    cmocka_unit_test(every_changed_bit_is_noticed),
	    cmocka_unit_test(order_counts),
	    cmocka_unit_test(renewed_keys_agree_and_old_ones_do_not),
	    cmocka_unit_test(the_counter_may_start_later),
	    cmocka_unit_test(padding_is_taken_away),
	    cmocka_unit_test(bad_headers_are_refused_before_they_are_waited_for),
	    cmocka_unit_test(unknown_suites_and_odd_secrets_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
