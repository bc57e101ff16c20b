/*
 * What comes before a login, whole and cut at every byte.
 */
#include "proto/startup.h"

#include "base/buffer.h"
#include "proto/writer.h"
#include "unit/base/kit.h"

/* A packet with a right length in front of code and rest. */
static struct buffer packet(uint32_t code, const void *rest, size_t len)
{
	struct buffer b = {0};
	struct writer w = writer_of(&b);

	writer_begin(&w, 0);
	writer_u32(&w, code);
	writer_bytes(&w, slice_of(rest, len));
	writer_end(&w);
	assert_true(writer_finish(&w));
	return b;
}

static enum startup_result peek_exactly(struct slice bytes, struct startup_packet *out)
{
	uint8_t *copy = exact_copy(bytes);
	enum startup_result result = startup_peek(slice_of(copy, bytes.len), out);

	free(copy);
	return result;
}

enum {
	V3 = 3 << 16,
	CANCEL = 1234 << 16 | 5678,
	SSL = 1234 << 16 | 5679,
	GSS = 1234 << 16 | 5680,
};

#define REST(text) text, sizeof(text) - 1

/* first_len: with so many bytes, and not with fewer, the result is known. */
static const struct {
	uint32_t code;
	const char *rest;
	size_t rest_len;
	enum startup_result result;
	size_t first_len;
} packets[] = {
    {SSL, REST(""), STARTUP_SSL_REQUEST, 8},
    {GSS, REST(""), STARTUP_GSS_REQUEST, 8},
    {SSL, REST("x"), STARTUP_BAD, 8},
    {GSS, REST("12345678"), STARTUP_BAD, 8},
    {CANCEL, REST("12345678"), STARTUP_CANCEL, 16},
    {CANCEL, REST("1234567"), STARTUP_BAD, 8},
    {CANCEL, REST("123456789"), STARTUP_CANCEL, 17},
    {CANCEL, REST("1234 and 32 bytes of protocol 3.2..."), STARTUP_CANCEL, 44},
    {CANCEL, REST(""), STARTUP_BAD, 8},
    {1234 << 16 | 1, REST(""), STARTUP_BAD, 8},
    {1 << 16, REST("whatever"), STARTUP_OLD_VERSION, 8},
    {2 << 16, REST("whatever"), STARTUP_OLD_VERSION, 8},
    {0, REST("whatever"), STARTUP_BAD, 6},
    {4 << 16, REST("user\0me\0\0"), STARTUP_BAD, 6},
    {0x50 << 24, REST("whatever"), STARTUP_BAD, 5},
    {V3, REST("user\0me\0\0"), STARTUP_LOGIN, 17},
    {V3 | 2, REST("user\0me\0\0"), STARTUP_LOGIN, 17},
    {V3, REST("user\0me\0database\0\0\0"), STARTUP_LOGIN, 27},
    {V3, REST("\0"), STARTUP_LOGIN, 9},
    {V3, REST(""), STARTUP_BAD, 8},
    {V3, REST("user\0me\0"), STARTUP_BAD, 16},
    {V3, REST("user\0me"), STARTUP_BAD, 15},
    {V3, REST("user\0\0"), STARTUP_BAD, 14},
    {V3, REST("user\0"), STARTUP_BAD, 13},
    {V3, REST("user"), STARTUP_BAD, 12},
    {V3, REST("user\0me\0\0\0"), STARTUP_BAD, 18},
    {V3, REST("user\0me\0\0more\0"), STARTUP_BAD, 22},
    {V3, REST("\0me\0\0"), STARTUP_BAD, 13},
};

static void packets_are_judged_as_early_as_their_bytes_allow(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(packets); i++) {
		struct buffer b =
		    packet(packets[i].code, packets[i].rest, packets[i].rest_len);
		struct slice all = buffer_bytes(&b);

		for (size_t len = 0; len <= all.len; len++) {
			struct startup_packet p;
			enum startup_result result =
			    peek_exactly(slice_first(all, len), &p);
			bool is_known = len >= packets[i].first_len;

			if (result != (is_known ? packets[i].result : STARTUP_MORE))
				fail_msg("packet %zu cut at %zu gives %d", i, len,
					 result);
			assert_int_equal(p.problem[0] != 0, result == STARTUP_BAD);
		}
		buffer_fini(&b);
	}
}

static void what_follows_a_packet_is_not_looked_at(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(packets); i++) {
		struct buffer b =
		    packet(packets[i].code, packets[i].rest, packets[i].rest_len);
		size_t len = buffer_len(&b);
		struct startup_packet p;

		assert_true(buffer_append(&b, slice_of("\xff\0\0\0Q", 5)));
		assert_int_equal(peek_exactly(buffer_bytes(&b), &p), packets[i].result);
		if (packets[i].result != STARTUP_BAD)
			assert_int_equal(p.total_len, len);
		buffer_fini(&b);
	}
}

static void lengths_are_judged_from_the_header(void **state)
{
	static const struct {
		const char *bytes;
		size_t len;
		enum startup_result result;
	} cases[] = {
	    {REST(""), STARTUP_MORE},
	    {REST("\0"), STARTUP_MORE},
	    {REST("\1"), STARTUP_BAD},
	    {REST("\0\1"), STARTUP_BAD},
	    {REST("\0\0\xff"), STARTUP_MORE},
	    {REST("\0\0\0\0"), STARTUP_BAD},
	    {REST("\0\0\0\7"), STARTUP_BAD},
	    {REST("\0\0\0\10"), STARTUP_MORE},
	    {REST("\0\0\xff\xff"), STARTUP_MORE},
	    {REST("\0\1\0\0"), STARTUP_BAD},
	    {REST("\xff\xff\xff\xff"), STARTUP_BAD},
	    {REST("\0\0\xff\xff\0\3\0\0"), STARTUP_MORE},
	    {REST("GET / HTTP/1.1\r\n"), STARTUP_BAD},
	    {REST("G"), STARTUP_BAD},
	    {REST("SSH-2.0"), STARTUP_BAD},
	    {REST("Q\0\0\0\5\0"), STARTUP_BAD},
	    {REST("p"), STARTUP_BAD},
	    {REST("\x16"), STARTUP_TLS_HELLO},
	    {REST("\x16\3\1\2\0"), STARTUP_TLS_HELLO},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct startup_packet p;

		if (peek_exactly(slice_of(cases[i].bytes, cases[i].len), &p) !=
		    cases[i].result)
			fail_msg("case %zu", i);
	}
}

static void the_longest_packet_is_taken(void **state)
{
	size_t rest_len = STARTUP_MAX_LEN - 8;
	char *rest = malloc(rest_len);
	struct startup_packet p;
	struct slice name, value;

	(void)state;
	memset(rest, 'a', rest_len);
	rest[10] = rest[rest_len - 2] = rest[rest_len - 1] = '\0';
	struct buffer b = packet(V3, rest, rest_len);
	struct slice all = buffer_bytes(&b);
	assert_int_equal(startup_peek(slice_first(all, all.len - 1), &p), STARTUP_MORE);
	assert_int_equal(startup_peek(all, &p), STARTUP_LOGIN);
	assert_int_equal(p.total_len, STARTUP_MAX_LEN);
	assert_true(startup_next_param(&p.params, &name, &value));
	assert_int_equal(name.len, 10);
	assert_int_equal(value.len, rest_len - 2 - 11);
	assert_false(startup_next_param(&p.params, &name, &value));
	buffer_fini(&b);
	free(rest);
}

static void problems_are_said_in_words_people_know(void **state)
{
	static const struct {
		const char *bytes;
		size_t len;
		const char *problem;
	} cases[] = {
	    {REST("GET / HTTP/1.1"), "bad packet header: '474554202f204854'"},
	    {REST("G"), "bad packet header: '47'"},
	    {REST("\0\0\0\20\4\322\x16\x31"), "bad packet header: '0000001004d21631'"},
	    {REST("\0\0\0\x0f\4\322\x16\x2e"), "bad cancel request"},
	    {REST("\0\0\0\x0a\0\3\0\0xx"),
	     "invalid startup packet layout: expected terminator as last byte"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct startup_packet p;

		startup_peek(slice_of(cases[i].bytes, cases[i].len), &p);
		assert_string_equal(p.problem, cases[i].problem);
	}
}

static void a_cancel_key_of_any_length_there_is_is_taken_out(void **state)
{
	uint8_t key[STARTUP_KEY_MAX_LEN + 2];

	(void)state;
	for (size_t i = 0; i < sizeof(key); i++)
		key[i] = (uint8_t)(i ^ 0x80);
	for (size_t len = 0; len <= sizeof(key); len++) {
		struct buffer b = {0};
		struct writer w = writer_of(&b);
		struct startup_packet p;
		bool is_fine = len >= 8 && len <= 260;

		writer_cancel_request(&w, slice_of(key, len));
		assert_true(writer_finish(&w));
		assert_int_equal(peek_exactly(buffer_bytes(&b), &p),
				 is_fine ? STARTUP_CANCEL : STARTUP_BAD);
		assert_int_equal(startup_peek(buffer_bytes(&b), &p),
				 is_fine ? STARTUP_CANCEL : STARTUP_BAD);
		if (is_fine) {
			assert_int_equal(p.cancel_key.len, len);
			assert_memory_equal(p.cancel_key.data, key, len);
			assert_int_equal(p.total_len, 8 + len);
		}
		buffer_fini(&b);
	}
}

static void parameters_are_walked_and_found(void **state)
{
	struct buffer b = packet(V3, REST("user\0me\0a\0\0user\0you\0User\0x\0\0"));
	struct startup_packet p;
	struct slice name, value;

	(void)state;
	assert_int_equal(startup_peek(buffer_bytes(&b), &p), STARTUP_LOGIN);
	assert_true(startup_find_param(p.params, "user", &value));
	assert_slice_is(value, "you");
	assert_true(startup_find_param(p.params, "a", &value));
	assert_slice_is(value, "");
	value = slice_of_text("untouched");
	assert_false(startup_find_param(p.params, "database", &value));
	assert_false(startup_find_param(p.params, "use", &value));
	assert_slice_is(value, "untouched");
	struct slice rest = p.params;
	for (int i = 0; i < 4; i++)
		assert_true(startup_next_param(&rest, &name, &value));
	assert_slice_is(name, "User");
	assert_slice_is(value, "x");
	assert_false(startup_next_param(&rest, &name, &value));
	buffer_fini(&b);
}

static void replication_is_asked_for_in_postgresqls_words(void **state)
{
	static const struct {
		const char *value;
		enum startup_replication kind;
	} cases[] = {
	    {"database", STARTUP_REPLICATION_LOGICAL},
	    {"true", STARTUP_REPLICATION_PHYSICAL},
	    {"TRUE", STARTUP_REPLICATION_PHYSICAL},
	    {"t", STARTUP_REPLICATION_PHYSICAL},
	    {"yes", STARTUP_REPLICATION_PHYSICAL},
	    {"Y", STARTUP_REPLICATION_PHYSICAL},
	    {"on", STARTUP_REPLICATION_PHYSICAL},
	    {"1", STARTUP_REPLICATION_PHYSICAL},
	    {"false", STARTUP_REPLICATION_NONE},
	    {"f", STARTUP_REPLICATION_NONE},
	    {"no", STARTUP_REPLICATION_NONE},
	    {"n", STARTUP_REPLICATION_NONE},
	    {"off", STARTUP_REPLICATION_NONE},
	    {"of", STARTUP_REPLICATION_NONE},
	    {"0", STARTUP_REPLICATION_NONE},
	    {"", STARTUP_REPLICATION_BAD},
	    {"o", STARTUP_REPLICATION_BAD},
	    {"11", STARTUP_REPLICATION_BAD},
	    {"truee", STARTUP_REPLICATION_BAD},
	    {"Database", STARTUP_REPLICATION_BAD},
	    {"databas", STARTUP_REPLICATION_BAD},
	    {" on", STARTUP_REPLICATION_BAD},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct buffer params = {0};
		struct writer w = writer_of(&params);

		writer_text(&w, "replication");
		writer_text(&w, cases[i].value);
		assert_true(writer_finish(&w));
		if (startup_replication(buffer_bytes(&params)) != cases[i].kind)
			fail_msg("\"%s\"", cases[i].value);
		buffer_fini(&params);
	}
	assert_int_equal(startup_replication(slice_of("user\0me", 8)),
			 STARTUP_REPLICATION_NONE);
	/* The last one counts. */
	assert_int_equal(
	    startup_replication(slice_of("replication\0database\0replication\0off", 37)),
	    STARTUP_REPLICATION_NONE);
}

/* "name=value|name=value", and "!word" for what is refused. */
static void options_are_split_as_postgresql_does(void **state)
{
	static const char *const cases[][2] = {
	    {"", ""},
	    {"   \t\n", ""},
	    {"-c a=b", "a=b|"},
	    {"-ca=b", "a=b|"},
	    {"--a=b", "a=b|"},
	    {"  -c\ta=b  --c=d\n", "a=b|c=d|"},
	    {"-c geqo=off -c statement_timeout=5min", "geqo=off|statement_timeout=5min|"},
	    {"--statement-timeout=1", "statement_timeout=1|"},
	    {"-c statement-timeout=a-b", "statement_timeout=a-b|"},
	    {"--a=", "a=|"},
	    {"--a=b=c", "a=b=c|"},
	    {"-c a=b\\ c", "a=b c|"},
	    {"-c a=\\\\", "a=\\|"},
	    {"-c a=b\\", "a=b|"},
	    {"-c a=\\b\\=\\'", "a=b='|"},
	    {"\\-c a=b", "a=b|"},
	    {"-\\c a=b", "a=b|"},
	    {"-c a\\=b", "a=b|"},
	    {"-c my.var=1", "my.var=1|"},
	    {"-c search_path=a,\\ b", "search_path=a, b|"},
	    {"-c", "!-c"},
	    {"-c ", "!-c"},
	    {"-c a", "!a"},
	    {"-c =b", "!=b"},
	    {"--=b", "!=b"},
	    {"--", "!--"},
	    {"--a", "!a"},
	    {"-", "!-"},
	    {"a=b", "!a=b"},
	    {"-e", "!-e"},
	    {"-d 5", "!-d"},
	    {"-c a=b -x", "a=b|!-x"},
	    {"\\", "!"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct slice options = slice_of_text(cases[i][0]), name, value;
		struct buffer scratch = {0};
		char said[200] = "";
		enum startup_option option;

		while ((option = startup_next_option(&options, &scratch, &name,
						     &value)) == STARTUP_OPTION_SET) {
			size_t len = strlen(said);
			snprintf(said + len, sizeof(said) - len, "%.*s=%.*s|",
				 (int)name.len, (const char *)name.data, (int)value.len,
				 (const char *)value.data);
		}
		if (option == STARTUP_OPTION_BAD) {
			size_t len = strlen(said);
			snprintf(said + len, sizeof(said) - len, "!%.*s", (int)value.len,
				 value.len ? (const char *)value.data : "");
		}
		if (strcmp(said, cases[i][1]) != 0)
			fail_msg("\"%s\" gives \"%s\"", cases[i][0], said);
		buffer_fini(&scratch);
	}
}

static void very_long_options_are_walked(void **state)
{
	size_t len = 100 * 1024;
	char *text = malloc(len + 1);
	struct slice options, name, value;
	struct buffer scratch = {0};

	(void)state;
	memset(text, 'v', len);
	memcpy(text, "-c a=", 5);
	text[len] = '\0';
	options = slice_of_text(text);
	assert_int_equal(startup_next_option(&options, &scratch, &name, &value),
			 STARTUP_OPTION_SET);
	assert_int_equal(value.len, len - 5);
	assert_int_equal(startup_next_option(&options, &scratch, &name, &value),
			 STARTUP_OPTION_END);
	buffer_fini(&scratch);
	free(text);
}

static void more_than_there_is_is_negotiated_down(void **state)
{
	static const struct {
		uint32_t code;
		const char *rest;
		size_t rest_len;
		const char *answer;
		size_t answer_len;
	} cases[] = {
	    {V3, REST("user\0me\0\0"), NULL, 0},
	    {V3, REST("_pq_x\0me\0\0"), NULL, 0},
	    {V3 | 1, REST("user\0me\0\0"), NULL, 0},
	    {V3 | 2, REST("user\0me\0\0"), NULL, 0},
	    {V3 | 3, REST("user\0me\0\0"), REST("v\0\0\0\x0c\0\3\0\2\0\0\0\0")},
	    {V3 | 2, REST("_pq_.\0\0\0"), REST("v\0\0\0\x12\0\3\0\2\0\0\0\1_pq_.\0")},
	    {V3 | 1, REST("_pq_.\0\0\0"), REST("v\0\0\0\x12\0\3\0\1\0\0\0\1_pq_.\0")},
	    {V3 | 9999, REST("_pq_.a\0\0user\0me\0_pq_.b\0x\0\0"),
	     REST("v\0\0\0\x1a\0\3\0\2\0\0\0\2_pq_.a\0_pq_.b\0")},
	    {V3, REST("_pq_.\0\0\0"), REST("v\0\0\0\x12\0\3\0\0\0\0\0\1_pq_.\0")},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct buffer b = packet(cases[i].code, cases[i].rest, cases[i].rest_len);
		struct buffer answer = {0};
		struct writer w = writer_of(&answer);
		struct startup_packet p;

		assert_int_equal(startup_peek(buffer_bytes(&b), &p), STARTUP_LOGIN);
		assert_int_equal(p.version, cases[i].code);
		assert_int_equal(startup_needs_negotiation(&p), cases[i].answer != NULL);
		if (cases[i].answer) {
			startup_write_negotiation(&w, &p);
			assert_true(writer_finish(&w));
			assert_int_equal(buffer_len(&answer), cases[i].answer_len);
			assert_memory_equal(buffer_bytes(&answer).data, cases[i].answer,
					    cases[i].answer_len);
		}
		buffer_fini(&answer);
		buffer_fini(&b);
	}
}

/* An answer is the newest version the server speaks, and what it does not know. */
static void a_servers_answer_is_no_more_than_was_asked_for(void **state)
{
	static const struct {
		const char *body;
		size_t len;
		uint32_t asked;
		uint32_t version; /* 0: no answer */
	} cases[] = {
	    {REST("\0\3\0\0\0\0\0\0"), V3 | 2, V3},
	    {REST("\0\3\0\1\0\0\0\0"), V3 | 2, V3 | 1},
	    {REST("\0\3\0\2\0\0\0\0"), V3 | 2, V3 | 2},
	    {REST("\0\3\0\3\0\0\0\0"), V3 | 2, 0},
	    {REST("\0\3\0\2\0\0\0\0"), V3, 0},
	    {REST("\0\3\0\0\0\0\0\0"), V3, V3},
	    {REST("\0\2\0\0\0\0\0\0"), V3 | 2, 0},
	    {REST("\0\4\0\0\0\0\0\0"), V3 | 2, 0},
	    {REST("\0\3\0\0\0\0\0\1_pq_.x\0"), V3 | 2, 0},
	    {REST("\0\3\0\0\0\0\0\1"), V3 | 2, 0},
	    {REST("\0\3\0\0\0\0\0\0x"), V3 | 2, 0},
	    {REST("\0\3\0\0\0\0\0"), V3 | 2, 0},
	    {REST("\0\3\0\0"), V3 | 2, 0},
	    {REST(""), V3 | 2, 0},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct slice body = slice_of(cases[i].body, cases[i].len);
		uint8_t *copy = exact_copy(body);
		uint32_t version = 7;
		bool is_answer = startup_read_negotiation(slice_of(copy, body.len),
							  cases[i].asked, &version);

		free(copy);
		if (is_answer != (cases[i].version != 0) ||
		    version != (is_answer ? cases[i].version : 7))
			fail_msg("case %zu gives %d, version %x", i, is_answer, version);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(packets_are_judged_as_early_as_their_bytes_allow),
	    cmocka_unit_test(what_follows_a_packet_is_not_looked_at),
	    cmocka_unit_test(lengths_are_judged_from_the_header),
	    cmocka_unit_test(the_longest_packet_is_taken),
	    cmocka_unit_test(problems_are_said_in_words_people_know),
	    cmocka_unit_test(a_cancel_key_of_any_length_there_is_is_taken_out),
	    cmocka_unit_test(parameters_are_walked_and_found),
	    cmocka_unit_test(replication_is_asked_for_in_postgresqls_words),
	    cmocka_unit_test(options_are_split_as_postgresql_does),
	    cmocka_unit_test(very_long_options_are_walked),
	    cmocka_unit_test(more_than_there_is_is_negotiated_down),
	    cmocka_unit_test(a_servers_answer_is_no_more_than_was_asked_for),
	};

	return cmocka_run_group_tests_name("startup", tests, NULL, NULL);
}
