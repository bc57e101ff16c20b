/*
 * Files nobody meant to write: good ones with bytes changed, cut, doubled and dropped.
 * Nothing may crash, hang or leak, and what loads must print as a file that loads to the
 * same text again.
 */
#include "fixture.h"

static const char seed_text[] =
    HEAD "listen_addr = 127.0.0.1\nlisten_port = 6432\nquery_timeout = 5min\n"
	 "max_packet_size = 64kB\nunix_socket_mode = 0700\npool_mode = transaction\n"
	 "server_check_query = select ';'\n; a comment\n# another\n\n"
	 "%include other.ini\n"
	 "[databases]\n'my ''db' = host=/tmp port=5432 dbname='x y' user=joe\n"
	 "a:b = connect_query='select ''1''' pool_size=3 reserve_pool=2 max_queue=-1\n"
	 "* = host=@abstract timezone=UTC\n"
	 "s = host=h tls_sslmode=require tls_ca_file='/a b' auth_user=au auth_query=$1\n"
	 "[users]\n\"joe\" = pool_mode=statement query_timeout=1.5s\n";

/* Its own generator, so that a failure can be repeated from its number. */
static uint32_t next_random(uint32_t *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 17;
	*seed ^= *seed << 5;
	return *seed;
}

/* Changes text of len bytes, in a buffer of twice that; returns the new length. */
static size_t mutate(char *text, size_t len, uint32_t *seed)
{
	static const char spice[] = "='\"[]%:;#\n\r\t \\,*\0\xff-0179azk";
	size_t at = next_random(seed) % len, count = 1 + next_random(seed) % 20;

	if (count > len - at)
		count = len - at;
	switch (next_random(seed) % 4) {
	case 0:
		text[at] = spice[next_random(seed) % (sizeof(spice) - 1)];
		return len;
	case 1:
		memmove(text + at, text + at + count, len - at - count);
		return len - count;
	case 2:
		memmove(text + at + count, text + at, len - at);
		return len + count;
	default:
		text[at] = (char)next_random(seed);
		return len;
	}
}

static char *print(const struct config *c)
{
	char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);

	assert_non_null(out);
	config_print(c, out);
	assert_int_equal(fclose(out), 0);
	return text;
}

static void expect_round_trip(const struct config *c, unsigned round)
{
	struct config_errors errors = {0};
	char *text = print(c);

	put("printed.ini", text);
	const struct config *again = config_load("printed.ini", &errors);
	if (!again)
		fail_msg("round %u: %s\n%s", round, errors.items[0].text, text);
	char *second = print(again);
	assert_string_equal(second, text);
	free(second);
	free(text);
	config_unref(again);
	config_errors_fini(&errors);
}

static void nothing_that_is_read_does_harm(void **state)
{
	struct fixture *f = *state;
	char text[2 * sizeof(seed_text)];
	unsigned loaded = 0;

	put("other.ini", "verbose = 1\n");
	for (unsigned round = 1; round <= 4000; round++) {
		uint32_t seed = round * 2654435761U;
		size_t len = sizeof(seed_text) - 1;

		memcpy(text, seed_text, len);
		for (uint32_t i = next_random(&seed) % 2 + 1; i > 0; i--)
			len = mutate(text, len, &seed);
		put_bytes("random.ini", text, len);
		const struct config *c = config_load("random.ini", &f->errors);
		assert_int_equal(c == NULL, f->errors.errors > 0);
		if (c) {
			struct config_worst worst;

			loaded++;
			assert_int_equal(config_worst_case(c, &worst), 0);
			expect_round_trip(c, round);
		}
		config_unref(c);
		config_errors_fini(&f->errors);
	}
	/* Both kinds came up often enough to mean something. */
	assert_in_range(loaded, 200, 3800);
}

static void noise_is_refused(void **state)
{
	struct fixture *f = *state;
	uint32_t seed = 1;
	char noise[3000];

	for (unsigned round = 0; round < 200; round++) {
		for (size_t i = 0; i < sizeof(noise); i++)
			noise[i] = (char)next_random(&seed);
		put_bytes("noise.ini", noise, sizeof(noise));
		assert_null(config_load("noise.ini", &f->errors));
		config_errors_fini(&f->errors);
	}
}

/* A file that is cut anywhere, as by a full disk. */
static void a_file_cut_at_any_byte_loads_or_is_refused(void **state)
{
	struct fixture *f = *state;

	put("other.ini", "verbose = 1\n");
	for (size_t len = 0; len < sizeof(seed_text); len++) {
		put_bytes("cut.ini", seed_text, len);
		const struct config *c = config_load("cut.ini", &f->errors);
		assert_int_equal(c == NULL, f->errors.errors > 0);
		if (len < strlen("[pooler]"))
			assert_null(c);
		config_unref(c);
		config_errors_fini(&f->errors);
	}
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_begin, fixture_end)
	const struct CMUnitTest tests[] = {
	    TEST(nothing_that_is_read_does_harm),
	    TEST(noise_is_refused),
	    TEST(a_file_cut_at_any_byte_loads_or_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
