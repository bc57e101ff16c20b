/*
 * Rules: parsed, matched, printed.
 */
#include "auth/hba.h"

#include <arpa/inet.h>
#include <unistd.h>

#include "base/buffer.h"
#include "config/errors.h"
#include "unit/base/kit.h"

static struct hba *parse(const char *text, struct config_errors *errors)
{
	uint8_t *copy = exact_copy(slice_of_text(text));
	struct hba *hba = hba_parse(slice_of(copy, strlen(text)), "f", errors);

	free(copy);
	return hba;
}

static struct hba_address address_of(const char *text)
{
	struct hba_address a = {.family = strchr(text, ':') ? 6 : 4};

	assert_int_equal(inet_pton(a.family == 6 ? AF_INET6 : AF_INET, text, a.bytes), 1);
	return a;
}

struct from {
	const char *address; /* NULL: a Unix socket */
	const char *database, *user;
	bool is_tls, is_replication;
	const char *name; /* "" : it has none; NULL: nobody has looked */
};

/* The line of the rule that matches; 0: none does; -1: a name is needed. */
static int match(const struct hba *hba, const struct from *from)
{
	static const uint8_t all_ones[16] = {255, 255, 255};
	struct hba_network own = {.address = {.family = 4, .bytes = {10, 9, 8, 7}}};
	const struct hba_rule *rule;
	struct hba_connection c = {
	    .is_local = !from->address,
	    .is_tls = from->is_tls,
	    .is_replication = from->is_replication,
	    .database = slice_of_text(from->database),
	    .user = slice_of_text(from->user),
	    .own = &own,
	    .own_count = 1,
	};

	memcpy(own.mask, all_ones, sizeof(own.mask));
	if (from->address)
		c.address = address_of(from->address);
	if (from->name) {
		c.peer_name = from->name;
		c.peer_name_state =
		    from->name[0] ? HBA_PEER_NAME_KNOWN : HBA_PEER_NAME_NONE;
	}
	switch (hba_match(hba, &c, &rule)) {
	case HBA_MATCH:
		return (int)rule->line;
	case HBA_NO_MATCH:
		return 0;
	case HBA_NEEDS_NAME:
		break;
	}
	return -1;
}

static void a_database_may_have_two_names(void **state)
{
	static const char text[] = "local one all reject\n"
				   "local two all trust\n"
				   "local sameuser all md5\n"
				   "local \"\" all trust\n";
	struct hba_connection c = {.is_local = true, .user = slice_of_text("three")};
	struct config_errors errors = {0};
	struct hba *hba = parse(text, &errors);
	const struct hba_rule *rule;

	(void)state;
	assert_non_null(hba);
	c.database = slice_of_text("two");
	assert_int_equal(hba_match(hba, &c, &rule), HBA_MATCH);
	assert_int_equal(rule->line, 2);
	c.also_called = slice_of_text("one");
	assert_int_equal(hba_match(hba, &c, &rule), HBA_MATCH);
	assert_int_equal(rule->line, 1);
	c.database = slice_of_text("x");
	c.also_called = slice_of_text("three");
	assert_int_equal(hba_match(hba, &c, &rule), HBA_MATCH);
	assert_int_equal(rule->line, 3);
	c.also_called = (struct slice){0};
	assert_int_equal(hba_match(hba, &c, &rule), HBA_NO_MATCH);
	hba_free(hba);
}

static void the_first_rule_that_matches_counts(void **state)
{
	static const char text[] =
	    "local all postgres peer # the administrator\n"        /* 1 */
	    "local sameuser all md5\n"                             /* 2 */
	    "host replication rep 10.0.0.0/8 scram-sha-256\n"      /* 3 */
	    "hostssl \"all\" all all scram-sha-256\n"              /* 4 */
	    "hostnossl secret all 0.0.0.0/0 reject\n"              /* 5 */
	    "host a,b , x,\"y z\" 192.168.1.0 255.255.255.0 md5\n" /* refused below */
	    ;
	static const char good[] = "local all postgres peer # the administrator\n"
				   "local sameuser all md5\n"
				   "host replication rep 10.0.0.0/8 scram-sha-256\n"
				   "hostssl \"all\" all all scram-sha-256\n"
				   "hostnossl secret all 0.0.0.0/0 reject\n"
				   "host a,b x, \"y z\" 192.168.1.0 255.255.255.0 md5\n"
				   "host d all 2001:db8::/33 trust\n"
				   "host e all .example.com trust\n"
				   "host f all samehost trust\n"
				   "host g all samenet trust\n"
				   "host h \\\n  all \\\n all trust\n"
				   "hostnogssenc i all 1.2.3.4/32 trust\n"
				   "host i all 1.2.3.4/31 reject\n";
	static const struct {
		struct from from;
		int line;
	} cases[] = {
	    {{NULL, "db", "postgres", false, false, NULL}, 1},
	    {{NULL, "joe", "joe", false, false, NULL}, 2},
	    {{NULL, "db", "joe", false, false, NULL}, 0},
	    {{"10.1.2.3", "x", "rep", false, true, NULL}, 3},
	    {{"10.1.2.3", "replication", "rep", false, false, NULL}, 0},
	    {{"11.1.2.3", "x", "rep", false, true, NULL}, 0},
	    {{"10.1.2.3", "all", "rep", true, false, NULL}, 4},
	    {{"10.1.2.3", "all", "rep", false, false, NULL}, 0},
	    {{"10.1.2.3", "db", "rep", true, false, NULL}, 0},
	    {{"10.1.2.3", "secret", "joe", false, false, NULL}, 5},
	    {{"10.1.2.3", "secret", "joe", true, false, NULL}, 0},
	    {{"192.168.1.77", "a", "x", true, false, NULL}, 6},
	    {{"192.168.1.77", "b", "y z", false, false, NULL}, 6},
	    {{"192.168.2.77", "b", "x", false, false, NULL}, 0},
	    {{"192.168.1.77", "b", "z", false, false, NULL}, 0},
	    {{"2001:db8:7fff::1", "d", "x", false, false, NULL}, 7},
	    {{"2001:db8:8000::1", "d", "x", false, false, NULL}, 0},
	    {{"1.2.3.4", "d", "x", false, false, NULL}, 0},
	    {{"1.2.3.4", "e", "x", false, false, NULL}, -1},
	    {{"1.2.3.4", "e", "x", false, false, ""}, 0},
	    {{"1.2.3.4", "e", "x", false, false, "a.EXAMPLE.com"}, 8},
	    {{"1.2.3.4", "e", "x", false, false, "example.com"}, 0},
	    {{"1.2.3.4", "e", "x", false, false, "aexample.com"}, 0},
	    {{"10.9.8.7", "f", "x", false, false, NULL}, 9},
	    {{"10.9.8.6", "f", "x", false, false, NULL}, 0},
	    {{"10.9.8.6", "g", "x", false, false, NULL}, 10},
	    {{"10.9.7.7", "g", "x", false, false, NULL}, 0},
	    {{"10.9.7.7", "h", "x", false, false, NULL}, 11},
	    {{"1.2.3.4", "i", "x", false, false, NULL}, 14},
	    {{"1.2.3.5", "i", "x", false, false, NULL}, 15},
	    {{NULL, "h", "x", false, false, NULL}, 0},
	};
	struct config_errors errors = {0};

	(void)state;
	assert_null(parse(text, &errors));
	assert_int_equal(errors.errors, 1);
	assert_int_equal(errors.items[0].line, 6);
	config_errors_fini(&errors);
	struct hba *hba = parse(good, &errors);
	assert_non_null(hba);
	for (size_t i = 0; i < COUNT_OF(cases); i++)
		if (match(hba, &cases[i].from) != cases[i].line)
			fail_msg("case %zu: rule %d, not %d", i,
				 match(hba, &cases[i].from), cases[i].line);
	hba_free(hba);
}

/* A rule that is skipped may be the one that rejects. */
static void one_bad_rule_refuses_the_whole_file(void **state)
{
	static const struct {
		const char *line, *text;
	} cases[] = {
	    {"what all all all md5", "invalid connection type \"what\""},
	    {"hostgssenc all all all md5",
	     "\"hostgssenc\" is not supported: there is no GSSAPI"},
	    {"local", "end of line before the database"},
	    {"local all", "end of line before the user"},
	    {"local all all", "end of line before the method"},
	    {"host all all", "end of line before the address"},
	    {"host all all all", "end of line before the method"},
	    {"host all all 1.2.3.4", "\"1.2.3.4\" needs a mask behind it"},
	    {"host all all 1.2.3.4 md5", "invalid IP mask \"md5\""},
	    {"host all all 1.2.3.4 ffff:: md5", "IP address and mask do not match"},
	    {"host all all 1.2.3.4/33 md5",
	     "invalid CIDR mask in address \"1.2.3.4/33\""},
	    {"host all all 1.2.3.4/ md5", "invalid CIDR mask in address \"1.2.3.4/\""},
	    {"host all all ::1/129 md5", "invalid CIDR mask in address \"::1/129\""},
	    {"host all all 1.2.3/24 md5", "\"1.2.3/24\" is no address and no host name"},
	    {"host all all 1.2.3.4,1.2.3.5 md5", "more than one address"},
	    {"local all +admins md5",
	     "\"+admins\" is not supported: the pooler knows no groups (put it in quotes "
	     "if it is a name)"},
	    {"local samerole all md5",
	     "\"samerole\" is not supported: the pooler knows no roles"},
	    {"local /^db all md5", "\"/^db\" is not supported: no regular expressions "
				   "here (put it in quotes if "
				   "it is a name)"},
	    {"local all @/nonexistent/x md5",
	     "\"@/nonexistent/x\" cannot be read: No such file or directory"},
	    {"local all all magic", "invalid authentication method \"magic\""},
	    {"local all all gss", "authentication method \"gss\" is not supported"},
	    {"host all all all ident",
	     "authentication method \"ident\" is not supported"},
	    {"host all all all peer", "peer authentication is only for local rules"},
	    {"host all all all cert", "cert authentication is only for hostssl rules"},
	    {"local all all peer x", "authentication option not in name=value format: x"},
	    {"local all all md5 map=x", "map is only for cert and peer"},
	    {"local all all md5 x=y", "unrecognized authentication option name: \"x\""},
	    {"host all all all ldap ldapserver=h",
	     "ldapbasedn, ldapprefix or ldapsuffix is missing"},
	    {"host all all all ldap ldapserver=h ldapbasedn=b what=ever",
	     "unrecognized LDAP option \"what\""},
	    {"host all all all ldap ldapserver=h ldapbasedn=b ldapbasedn=c",
	     "ldapbasedn is given twice"},
	    {"host all all all ldap ldapserver=h ldapbasedn=b ldapprefix=c",
	     "ldapbasedn cannot be used together with ldapprefix or ldapsuffix"},
	    {"host all all all ldap ldapserver=h ldapbasedn=b ldapbindpasswd=my hush",
	     "authentication option not in name=value format"},
	    {"host all all all ldap ldapserver=h ldapbasedn=b ldapbindpasswd=my hush=x",
	     "unrecognized LDAP option behind ldapbindpasswd"},
	    {"host all all all pam pamservice=", "pamservice is empty"},
	    {"host all all all pam pamservice=a pamservice=b",
	     "pamservice is given twice"},
	    {"host all all all pam pam_use_hostname=yes",
	     "pam_use_hostname must be 0 or 1"},
	    {"host all all all pam pam_use_hostname=1",
	     "pam_use_hostname=1 is not supported: PAM is told the address"},
	    {"host all all all pam ldapserver=h",
	     "unrecognized authentication option name: \"ldapserver\""},
	    {"host all all all pam map=h", "map is only for cert and peer"},
	    {"local all all md5 clientcert=verify-ca",
	     "clientcert is only for hostssl rules"},
	    {"hostssl all all all md5 clientcert=1",
	     "invalid value for clientcert: \"1\""},
	    {"hostssl all all all cert clientcert=verify-ca",
	     "clientcert of cert rules can only be verify-full"},
	    {"local \"all all md5", "a quote is not closed"},
	    {"local all, md5", "end of line before the user"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct config_errors errors = {0};
		char text[300];

		snprintf(text, sizeof(text),
			 "local all all reject\n%s\nlocal all all md5\nhost all",
			 cases[i].line);
		assert_null(parse(text, &errors));
		assert_int_equal(errors.errors, 2);
		assert_int_equal(errors.items[0].line, 2);
		assert_string_equal(errors.items[0].text, cases[i].text);
		assert_int_equal(errors.items[1].line, 4);
		config_errors_fini(&errors);
	}
}

static void print_rules(const struct hba *hba, struct buffer *out)
{
	for (const struct hba_rule *r = hba_first(hba); r; r = r->next) {
		for (int c = 0; c < HBA_COLUMN_COUNT; c++) {
			assert_true(hba_print(r, (enum hba_column)c, out));
			assert_true(buffer_append(out, slice_of_text(" ")));
		}
		assert_true(buffer_append(out, slice_of_text("\n")));
	}
}

static void rules_print_as_they_were_understood(void **state)
{
	static const char text[] =
	    "local all,\"all\",sameuser,replication a,\"b\"\"c\" ident map=m\n"
	    "hostssl db all 10.0.0.0/8 cert clientname=DN map=\"x y\"\n"
	    "hostssl db all ::1/128 md5 clientcert=verify-ca\n"
	    "host db all .example.com ldap ldapserver=s ldapbasedn=b "
	    "ldapbindpasswd=hush\n"
	    "host db all samenet pam pamservice=p pam_use_hostname=0\n";
	static const char expected[] =
	    "local all,\"all\",sameuser,replication \"a\",\"b\"\"c\"  peer map=m \n"
	    "hostssl \"db\" all 10.0.0.0 255.0.0.0 cert \"map=x y\" "
	    "clientcert=verify-full clientname=DN \n"
	    "hostssl \"db\" all ::1 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff md5 "
	    "clientcert=verify-ca \n"
	    "host \"db\" all .example.com ldap ldapserver=s "
	    "ldapbasedn=b "
	    "ldapbindpasswd=**** \n"
	    "host \"db\" all samenet pam pamservice=p "
	    "pam_use_hostname=0 \n";
	struct config_errors errors = {0};
	struct hba *hba = parse(text, &errors);
	struct buffer first = {0}, second = {0};

	(void)state;
	assert_non_null(hba);
	print_rules(hba, &first);
	assert_slice_is(buffer_bytes(&first), expected);
	hba_free(hba);
	/* And what is printed means the same. */
	hba = hba_parse(buffer_bytes(&first), "f", &errors);
	assert_non_null(hba);
	print_rules(hba, &second);
	assert_slice_is(buffer_bytes(&second), expected);
	hba_free(hba);
	buffer_fini(&first);
	buffer_fini(&second);
}

static void write_file(const char *dir, const char *name, const char *text)
{
	char path[200];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	FILE *f = fopen(path, "w");
	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(fclose(f), 0);
}

static void names_may_stand_in_files(void **state)
{
	static const char *const files[] = {"hba", "users", "more", "loop"};
	char dir[] = "/tmp/pooler-hba-XXXXXX", path[200];
	struct config_errors errors = {0};

	(void)state;
	assert_non_null(mkdtemp(dir));
	write_file(dir, "hba", "local all @users,z md5\n");
	write_file(dir, "users", "# who\na, b\n\"c d\" @more\n");
	write_file(dir, "more", "e\n");
	write_file(dir, "loop", "local all @loop md5\n");
	snprintf(path, sizeof(path), "%s/hba", dir);
	struct hba *hba = hba_load(path, &errors);
	assert_non_null(hba);
	static const char *const users[] = {"a", "b", "c d", "e", "z"};
	for (size_t i = 0; i < COUNT_OF(users); i++)
		assert_int_equal(
		    match(hba, &(struct from){.database = "x", .user = users[i]}), 1);
	assert_int_equal(match(hba, &(struct from){.database = "x", .user = "c"}), 0);
	hba_free(hba);
	snprintf(path, sizeof(path), "%s/loop", dir);
	assert_null(hba_load(path, &errors));
	config_errors_fini(&errors);
	write_file(dir, "more", "+admins\n");
	snprintf(path, sizeof(path), "%s/hba", dir);
	assert_null(hba_load(path, &errors));
	assert_non_null(strstr(errors.items[0].file, "/more"));
	config_errors_fini(&errors);
	for (size_t i = 0; i < COUNT_OF(files); i++) {
		snprintf(path, sizeof(path), "%s/%s", dir, files[i]);
		unlink(path);
	}
	rmdir(dir);
	assert_null(hba_load(path, &errors));
	config_errors_fini(&errors);
}

static void own_networks_are_wanted_only_where_a_rule_says_so(void **state)
{
	static const struct {
		const char *text;
		bool wants;
	} cases[] = {
	    {"local all all md5\nhost all all all md5\n", false},
	    {"local all all md5\nhost all all samehost md5\n", true},
	    {"host all all samenet md5\nlocal all all md5\n", true},
	    {"host all all \"samenet\" md5\n", false},
	    {"", false},
	};
	struct config_errors errors = {0};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct hba *hba = parse(cases[i].text, &errors);
		assert_non_null(hba);
		assert_int_equal(hba_uses_own(hba), cases[i].wants);
		hba_free(hba);
	}
}

static void an_empty_file_lets_nobody_in(void **state)
{
	struct config_errors errors = {0};
	struct hba *hba = parse("# nothing\n\n", &errors);

	(void)state;
	assert_non_null(hba);
	assert_int_equal(match(hba, &(struct from){.database = "x", .user = "y"}), 0);
	hba_free(hba);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(the_first_rule_that_matches_counts),
	    cmocka_unit_test(a_database_may_have_two_names),
	    cmocka_unit_test(one_bad_rule_refuses_the_whole_file),
	    cmocka_unit_test(rules_print_as_they_were_understood),
	    cmocka_unit_test(names_may_stand_in_files),
	    cmocka_unit_test(own_networks_are_wanted_only_where_a_rule_says_so),
	    cmocka_unit_test(an_empty_file_lets_nobody_in),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
