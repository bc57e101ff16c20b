/*
 * Maps of names: who may be whom.
 */
#include "auth/ident.h"

#include "config/errors.h"
#include "unit/base/kit.h"

static struct ident *parse(const char *text, struct config_errors *errors)
{
	return ident_parse(slice_of_text(text), "f", errors);
}

static void maps_say_who_may_be_whom(void **state)
{
	static const char text[] = "# map system user\n"
				   "m alice bob\n"
				   "m carol all\n"
				   "m dave \"all\"\n"
				   "r /^(.*)@mydomain\\.com$ \\1\n"
				   "r /^x_(.+)_y$ pre\\1post\n"
				   "r \"/a b\" joined\n"
				   "r /^any all\n"
				   "r /^(a)|^b empty\\1\n"
				   "r \"/^([a-z]+[.])+[]*+{]{2,3}(t|u)?$\" repeated\n";
	static const struct {
		const char *map, *system_name, *user;
		bool may;
	} cases[] = {
	    {NULL, "alice", "alice", true},
	    {NULL, "alice", "bob", false},
	    {NULL, "", "", false},
	    {"m", "alice", "bob", true},
	    {"m", "alice", "alice", false},
	    {"m", "Alice", "bob", false},
	    {"n", "alice", "bob", false},
	    {"m", "carol", "whoever", true},
	    {"m", "dave", "whoever", false},
	    {"m", "dave", "all", true},
	    {"r", "joe@mydomain.com", "joe", true},
	    {"r", "joe@mydomain.com", "jo", false},
	    {"r", "joe@mydomain.com", "joe@mydomain.com", false},
	    {"r", "joe@mydomainxcom", "joe", false},
	    {"r", "x_1_y", "pre1post", true},
	    {"r", "x_1_y", "pre2post", false},
	    {"r", "x_1_y", "prepost", false},
	    {"r", "x_1_y", "", false},
	    {"r", "za bz", "joined", true},
	    {"r", "anyone", "whoever", true},
	    {"r", "b", "empty", true},
	    {"r", "ab.c.*+t", "repeated", true},
	    {"r", "ab.c.*t", "repeated", false},
	};
	struct config_errors errors = {0};
	struct ident *ident = parse(text, &errors);

	(void)state;
	assert_non_null(ident);
	for (size_t i = 0; i < COUNT_OF(cases); i++)
		assert_int_equal(ident_may_be(ident, cases[i].map,
					      slice_of_text(cases[i].system_name),
					      slice_of_text(cases[i].user)),
				 cases[i].may);
	assert_false(
	    ident_may_be(NULL, "m", slice_of_text("alice"), slice_of_text("bob")));
	assert_false(ident_may_be(ident, NULL, slice_of("a\0b", 3), slice_of("a\0b", 3)));
	ident_free(ident);
}

static void one_bad_line_refuses_the_whole_file(void **state)
{
	static const struct {
		const char *line, *text;
	} cases[] = {
	    {"m a", "expected three names: map, system user, user"},
	    {"m a b c", "expected three names: map, system user, user"},
	    {"m a,b c", "expected three names: map, system user, user"},
	    {"m /( b", "invalid regular expression \"(\": Unmatched ( or \\("},
	    {"m /a \\1", "regular expression \"a\" has no group for \"\\1\" in \"\\1\""},
	    {"m /a+++ b", "regular expression \"a+++\" repeats too much"},
	    {"m /((a*)+b)* b", "regular expression \"((a*)+b)*\" repeats too much"},
	    {"m /(a{99}){9} b", "regular expression \"(a{99}){9}\" repeats too much"},
	    {"m \"/a{1,99999}\" b", "regular expression \"a{1,99999}\" repeats too much"},
	    {"m /(((((((((((((((((a))))))))))))))))) b",
	     "regular expression \"(((((((((((((((((a)))))))))))))))))\" repeats too "
	     "much"},
	    {"m \"a b", "a quote is not closed"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct config_errors errors = {0};
		char text[200];

		snprintf(text, sizeof(text), "m a b\n%s\nm c d\nm\n", cases[i].line);
		assert_null(parse(text, &errors));
		assert_int_equal(errors.errors, 2);
		assert_int_equal(errors.items[0].line, 2);
		assert_string_equal(errors.items[0].text, cases[i].text);
		assert_int_equal(errors.items[1].line, 4);
		config_errors_fini(&errors);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(maps_say_who_may_be_whom),
	    cmocka_unit_test(one_bad_line_refuses_the_whole_file),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
