/* The grammar of the console. */
#include "console/command.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static void commands_are_read_as_people_write_them(void **state)
{
	static const struct {
		const char *text;
		enum command_verb verb;
		const char *argument, *value;
	} cases[] = {
	    {"SHOW POOLS", COMMAND_SHOW, "POOLS", ""},
	    {"show pools;", COMMAND_SHOW, "pools", ""},
	    {"  show \t pools\n ; ", COMMAND_SHOW, "pools", ""},
	    {"Select stats_totals", COMMAND_SHOW, "stats_totals", ""},
	    {"show \"pools\"", COMMAND_SHOW, "pools", ""},
	    {"\"show\" pools", COMMAND_SHOW, "pools", ""},
	    {"pause", COMMAND_PAUSE, "", ""},
	    {"PAUSE app", COMMAND_PAUSE, "app", ""},
	    {"PAUSE MixedCase", COMMAND_PAUSE, "MixedCase", ""},
	    {"PAUSE \"we \"\"ird\"\"; name\";", COMMAND_PAUSE, "we \"ird\"; name", ""},
	    {"resume app", COMMAND_RESUME, "app", ""},
	    {"disable app", COMMAND_DISABLE, "app", ""},
	    {"disable", COMMAND_DISABLE, "", ""},
	    {"enable app", COMMAND_ENABLE, "app", ""},
	    {"reconnect", COMMAND_RECONNECT, "", ""},
	    {"wait_close app", COMMAND_WAIT_CLOSE, "app", ""},
	    {"kill", COMMAND_KILL, "", ""},
	    {"kill_client 17", COMMAND_KILL_CLIENT, "17", ""},
	    {"unblock", COMMAND_UNBLOCK, "", ""},
	    {"unblock \"a b\"", COMMAND_UNBLOCK, "a b", ""},
	    {"reload;", COMMAND_RELOAD, "", ""},
	    {"shutdown", COMMAND_SHUTDOWN, "", ""},
	    {"shutdown wait_for_servers", COMMAND_SHUTDOWN, "wait_for_servers", ""},
	    {"SET a = b", COMMAND_SET, "a", "b"},
	    {"set a=b;", COMMAND_SET, "a", "b"},
	    {"SET a TO b", COMMAND_SET, "a", "b"},
	    {"SET a to 'b c'", COMMAND_SET, "a", "b c"},
	    {"SET a = 'it''s; fine';", COMMAND_SET, "a", "it's; fine"},
	    {"SET a = ''", COMMAND_SET, "a", ""},
	    {"SET a='30s'", COMMAND_SET, "a", "30s"},
	    {"SET a = -1.5", COMMAND_SET, "a", "-1.5"},
	    {"SET a = \"b\"", COMMAND_SET, "a", "b"},
	    {"SET \"a\" = 1", COMMAND_SET, "a", "1"},
	};
	struct command command;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		print_message("# %s\n", cases[i].text);
		assert_int_equal(command_parse(slice_of_text(cases[i].text), &command),
				 COMMAND_OK);
		assert_int_equal(command.verb, cases[i].verb);
		assert_string_equal(command.argument, cases[i].argument);
		assert_string_equal(command.value, cases[i].value);
	}
}

static void nonsense_is_invalid(void **state)
{
	static const char *const cases[] = {
	    "NONSENSE",
	    "SHOW",
	    "SHOW;",
	    "show pools; show lists",
	    "show pools pools",
	    "show pools;;",
	    ";show pools",
	    "SET",
	    "SET x",
	    "SET x =",
	    "SET x = a b",
	    "SET x == a",
	    "SET = a",
	    "SET x a",
	    "SET x TOO a",
	    "SET x = 'a",
	    "SET x = 'a'b",
	    "show '",
	    "show \"pools",
	    "show \"\"",
	    "PAUSE app other",
	    "RELOAD app",
	    "UNBLOCK a b",
	    "PAUSE 'app'",
	    "\303\274bung",
	    "pause \303\274",
	    "begin",
	    "select 1 + 1",
	    "show \"pools\"\"",
	    "=",
	    "'",
	    "\"",
	    "pause-app",
	    "SET x = \"",
	};
	struct command command;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		print_message("# %s\n", cases[i]);
		assert_int_equal(command_parse(slice_of_text(cases[i]), &command),
				 COMMAND_INVALID);
	}
}

static void nothing_is_the_empty_command(void **state)
{
	static const char *const cases[] = {"", ";", "  ", " \t\r\n;\n "};
	struct command command;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_int_equal(command_parse(slice_of_text(cases[i]), &command),
				 COMMAND_EMPTY);
}

static void words_and_values_have_a_longest_length(void **state)
{
	char text[COMMAND_VALUE_MAX + 32];
	struct command command;

	(void)state;
	memset(text, 'd', sizeof(text));
	memcpy(text, "PAUSE ", 6);
	assert_int_equal(command_parse(slice_of(text, 6 + COMMAND_WORD_MAX), &command),
			 COMMAND_OK);
	assert_int_equal(strlen(command.argument), COMMAND_WORD_MAX);
	assert_int_equal(
	    command_parse(slice_of(text, 6 + COMMAND_WORD_MAX + 1), &command),
	    COMMAND_INVALID);
	memcpy(text, "SET a=", 6);
	assert_int_equal(command_parse(slice_of(text, 6 + COMMAND_VALUE_MAX), &command),
			 COMMAND_OK);
	assert_int_equal(strlen(command.value), COMMAND_VALUE_MAX);
	assert_int_equal(
	    command_parse(slice_of(text, 6 + COMMAND_VALUE_MAX + 1), &command),
	    COMMAND_INVALID);
}

static void a_nul_is_never_part_of_a_name(void **state)
{
	static const char plain[] = "PAUSE a\0b", quoted[] = "PAUSE \"a\0b\"";
	struct command command;

	(void)state;
	assert_int_equal(command_parse(slice_of(plain, sizeof(plain) - 1), &command),
			 COMMAND_INVALID);
	assert_int_equal(command_parse(slice_of(quoted, sizeof(quoted) - 1), &command),
			 COMMAND_INVALID);
}

static void only_show_is_for_everybody(void **state)
{
	(void)state;
	for (int verb = COMMAND_SHOW; verb <= COMMAND_SHUTDOWN; verb++)
		assert_int_equal(command_needs_admin((enum command_verb)verb),
				 verb != COMMAND_SHOW);
}

static void verbs_have_the_names_of_their_tags(void **state)
{
	(void)state;
	assert_string_equal(command_name(COMMAND_SHOW), "SHOW");
	assert_string_equal(command_name(COMMAND_WAIT_CLOSE), "WAIT_CLOSE");
	assert_string_equal(command_name(COMMAND_SHUTDOWN), "SHUTDOWN");
}

static void a_near_miss_is_recognised(void **state)
{
	(void)state;
	assert_string_equal(command_nearest(slice_of_text("pauze app")), "PAUSE");
	assert_string_equal(command_nearest(slice_of_text("SHWO pools")), "SHOW");
	assert_null(command_nearest(slice_of_text("UPDATE pg_class")));
	assert_null(command_nearest(slice_of_text("'")));
	assert_null(command_nearest(slice_of_text("")));
}

/* Sanitizers watch; what is accepted must be well formed. */
static void any_bytes_are_read_safely(void **state)
{
	static const char alphabet[] = "SHOWsetPAUSE kill_client=';\"\" \tTO a1\xff.-";
	struct command command;

	(void)state;
	srandom(1);
	for (int round = 0; round < 200000; round++) {
		size_t len = (size_t)random() % 24;
		uint8_t *text = malloc(len ? len : 1); /* exact: no byte beyond */

		for (size_t i = 0; i < len; i++)
			text[i] =
			    round % 2
				? (uint8_t)random()
				: (uint8_t)alphabet[(size_t)random() % sizeof(alphabet)];
		if (command_parse(slice_of(text, len), &command) == COMMAND_OK) {
			assert_true(strlen(command.argument) <= COMMAND_WORD_MAX);
			assert_true(strlen(command.value) <= COMMAND_VALUE_MAX);
		}
		command_nearest(slice_of(text, len));
		free(text);
	}
}

/* Every beginning of a command is read without a look beyond its end. */
static void a_command_may_be_cut_anywhere(void **state)
{
	static const char whole[] = "SET \"query_wait\"\"x\" TO 'ab' ;";
	const size_t shortest = (size_t)(strrchr(whole, '\'') + 1 - whole);
	struct command command;

	(void)state;
	for (size_t len = 0; len < sizeof(whole); len++) {
		uint8_t *text = malloc(len ? len : 1); /* exact: no byte beyond */
		memcpy(text, whole, len);
		enum command_result result = command_parse(slice_of(text, len), &command);
		free(text);
		assert_int_equal(result, len == 0         ? COMMAND_EMPTY
					 : len < shortest ? COMMAND_INVALID
							  : COMMAND_OK);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(commands_are_read_as_people_write_them),
	    cmocka_unit_test(nonsense_is_invalid),
	    cmocka_unit_test(nothing_is_the_empty_command),
	    cmocka_unit_test(words_and_values_have_a_longest_length),
	    cmocka_unit_test(a_nul_is_never_part_of_a_name),
	    cmocka_unit_test(only_show_is_for_everybody),
	    cmocka_unit_test(verbs_have_the_names_of_their_tags),
	    cmocka_unit_test(a_near_miss_is_recognised),
	    cmocka_unit_test(any_bytes_are_read_safely),
	    cmocka_unit_test(a_command_may_be_cut_anywhere),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
