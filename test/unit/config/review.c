/*
 * What logins and TLS cannot do without, and what of them nothing makes use of: told with
 * file and line, all in one go.
 */
#include "fixture.h"

/* The first two lines are "[pooler]" and "; two". */
struct review_case {
	const char *settings, *databases;
	const char *expected; /* lines with a '\n' between them; "": nothing is wrong */
};

static const char usual[] = "a = host=h\n";

static void list_errors(const struct fixture *f, char *out, size_t cap)
{
	char line[1000];
	size_t len = 0;

	out[0] = '\0';
	for (size_t i = 0; i < f->errors.count && len < cap; i++)
		len += (size_t)snprintf(out + len, cap - len, "%s%s", i > 0 ? "\n" : "",
					error_line(f, i, line));
}

static void expect(struct fixture *f, const struct review_case *cases, size_t count)
{
	char text[2000], lines[4000];

	for (size_t i = 0; i < count; i++) {
		snprintf(text, sizeof(text), "[pooler]\n; two\n%s[databases]\n%s",
			 cases[i].settings,
			 cases[i].databases ? cases[i].databases : usual);
		put("r.ini", text);
		const struct config *c = config_load("r.ini", &f->errors);
		assert_int_equal(c == NULL, f->errors.errors > 0);
		config_unref(c);
		list_errors(f, lines, sizeof(lines));
		if (strcmp(lines, cases[i].expected) != 0)
			fail_msg("%s\nsays: %s\nnot: %s", text, lines, cases[i].expected);
		config_errors_fini(&f->errors);
	}
}

#define EXPECT(state, cases) expect(*state, cases, sizeof(cases) / sizeof(cases[0]))

static void each_method_says_what_it_needs(void **state)
{
	static const struct review_case cases[] = {
	    {"", NULL,
	     "r.ini: warning: nobody can log in: auth_type is md5, but there is neither "
	     "auth_file nor auth_user"},
	    {"auth_type = plain\n", NULL,
	     "r.ini:3: warning: nobody can log in: auth_type is plain, but there is "
	     "neither auth_file nor auth_user"},
	    {"auth_type = scram-sha-256\n", NULL,
	     "r.ini:3: warning: nobody can log in: auth_type is scram-sha-256, but there "
	     "is neither auth_file nor auth_user"},
	    {"auth_file = f\n", NULL, ""},
	    {"auth_user = u\n", NULL, ""},
	    {"", "a = host=h auth_user=u\n", ""},
	    {"", "a = host=h\n* = host=h auth_user=u\n", ""},
	    {"auth_type = trust\n", NULL, ""},
	    {"auth_type = pam\n", NULL, ""},
	    {"auth_type = any\n", "a = host=h user=u\n", ""},
	    {"auth_type = hba\n", NULL, "r.ini:3: auth_type hba needs auth_hba_file"},
	    {"auth_type = hba\nauth_hba_file = f\nauth_ident_file = g\n", NULL, ""},
	    {"auth_type = ldap\n", NULL,
	     "r.ini:3: auth_type ldap needs auth_ldap_options"},
	    {"auth_type = ldap\nauth_ldap_options = ldapserver=h\n", NULL, ""},
	    {"auth_type = peer\n", NULL, ""},
	    {"auth_type = peer\nunix_socket_dir =\nlisten_addr = *\n", NULL,
	     "r.ini:3: auth_type peer needs a Unix socket, but unix_socket_dir is empty"},
	    {"auth_type = cert\n", NULL,
	     "r.ini:3: auth_type cert needs TLS with clients, but client_tls_sslmode is "
	     "disable"},
	    {"auth_type = cert\nclient_tls_sslmode = require\nlisten_addr = *\n"
	     "client_tls_key_file = k\nclient_tls_cert_file = c\n",
	     NULL,
	     "r.ini:3: auth_type cert needs client_tls_ca_file, which the certificates "
	     "of clients must lead to"},
	    {"auth_type = cert\nclient_tls_sslmode = require\nlisten_addr = *\n"
	     "client_tls_key_file = k\nclient_tls_cert_file = c\n"
	     "client_tls_ca_file = a\n",
	     NULL, ""},
	    {"auth_type = cert\nclient_tls_sslmode = verify-full\nlisten_addr = *\n"
	     "client_tls_key_file = k\nclient_tls_cert_file = c\n",
	     NULL, "r.ini:4: client_tls_sslmode verify-full needs client_tls_ca_file"},
	};

	EXPECT(state, cases);
}

static void what_logins_do_not_use_is_told(void **state)
{
	static const struct review_case cases[] = {
	    {"auth_type = trust\nauth_hba_file = f\nauth_ident_file = g\n", NULL,
	     "r.ini:4: warning: auth_hba_file is not used: auth_type is trust, not hba\n"
	     "r.ini:5: warning: auth_ident_file is not used: auth_type is trust, not "
	     "hba"},
	    {"auth_type = pam\nauth_ldap_options = x=y\nauth_pam_service = s\n", NULL,
	     "r.ini:4: warning: auth_ldap_options is not used: auth_type is pam, not "
	     "ldap"},
	    {"auth_type = trust\nauth_pam_service = s\n", NULL,
	     "r.ini:4: warning: auth_pam_service is not used: auth_type is trust, not "
	     "pam"},
	    {"auth_type = hba\nauth_hba_file = f\nauth_pam_service = s\n", NULL, ""},
	    {"auth_type = pam\nauth_user = u\n", "a = host=h auth_user=v\n",
	     "r.ini:4: warning: auth_user is not used: with auth_type pam nobody is "
	     "looked up\n"
	     "r.ini:6: warning: database \"a\": auth_user is not used: with auth_type "
	     "pam nobody is looked up"},
	    {"auth_type = ldap\nauth_ldap_options = x=y\n", "a = host=h auth_user=v\n",
	     "r.ini:6: warning: database \"a\": auth_user is not used: with auth_type "
	     "ldap nobody is looked up"},
	    {"auth_file = f\nauth_query = select $1\nauth_dbname = a\n"
	     "auth_cache_ttl = 5\n",
	     NULL,
	     "r.ini:4: warning: auth_query is not used: there is no auth_user\n"
	     "r.ini:5: warning: auth_dbname is not used: there is no auth_user\n"
	     "r.ini:6: warning: auth_cache_ttl is not used: there is no auth_user"},
	    {"auth_file = f\nauth_query = select $1\nauth_dbname = a\n",
	     "a = host=h auth_user=u\n", ""},
	    {"auth_file = f\n", "a = host=h auth_query='select $1' auth_dbname=a\n",
	     "r.ini:5: warning: database \"a\": auth_query is not used: there is no "
	     "auth_user\n"
	     "r.ini:5: warning: database \"a\": auth_dbname is not used: there is no "
	     "auth_user"},
	    {"auth_file = f\nauth_user = u\n",
	     "a = host=h auth_query='select $1' auth_dbname=a\n", ""},
	    {"auth_file = f\n", "a = host=h password=geheim\n",
	     "r.ini:5: warning: database \"a\": password is not used: it is that of "
	     "user=, which is not given"},
	    {"auth_file = f\n", "a = host=h user=u password=geheim\n", ""},
	};

	EXPECT(state, cases);
}

static void lookups_that_cannot_be_made_are_refused(void **state)
{
	static const char no_parameter[] =
	    "auth_query does not ask for the user: there is no $1 in it";
	static char global[200], own[200];
	const struct review_case cases[] = {
	    {"auth_user = u\nauth_query =\n", NULL, global},
	    {"auth_user = u\nauth_query = select $10\n", NULL, global},
	    {"auth_user = u\nauth_query = select $10, $1\n", NULL, ""},
	    {"auth_user = u\n", "a = host=h auth_query='select 1'\n", own},
	    {"auth_query =\n", "a = host=h auth_user=u\n",
	     "r.ini:5: database \"a\": auth_user needs an auth_query with $1 in it"},
	    {"auth_query =\n", "a = host=h auth_user=u auth_query=$1\n", ""},
	    {"auth_user = u\nauth_dbname = pgbouncer\n", "* = host=h\n",
	     "r.ini:4: auth_dbname is the console, which cannot look up users"},
	    {"auth_user = u\nauth_dbname = b\n", NULL,
	     "r.ini:4: auth_dbname names no entry of [databases]"},
	    {"auth_user = u\nauth_dbname = b\n", "* = host=h\n", ""},
	    {"auth_user = u\nauth_dbname = a\n", NULL, ""},
	    {"auth_user = u\n", "a = host=h auth_dbname=b\n",
	     "r.ini:5: database \"a\": auth_dbname names no entry of [databases]"},
	    {"auth_user = u\n", "a = host=h auth_dbname=b\nb = host=h\n", ""},
	};

	snprintf(global, sizeof(global), "r.ini:4: %s", no_parameter);
	snprintf(own, sizeof(own), "r.ini:5: database \"a\": %s", no_parameter);
	EXPECT(state, cases);
}

#define CLIENTS "auth_type = trust\nlisten_addr = *\n"

static void tls_with_clients_needs_its_files(void **state)
{
	static const struct review_case cases[] = {
	    {CLIENTS "client_tls_sslmode = allow\n", NULL,
	     "r.ini:5: client_tls_sslmode allow needs client_tls_key_file\n"
	     "r.ini:5: client_tls_sslmode allow needs client_tls_cert_file"},
	    {CLIENTS "client_tls_key_file = k\nclient_tls_sslmode = verify-ca\n", NULL,
	     "r.ini:6: client_tls_sslmode verify-ca needs client_tls_cert_file\n"
	     "r.ini:6: client_tls_sslmode verify-ca needs client_tls_ca_file"},
	    {CLIENTS "client_tls_key_file = k\nclient_tls_cert_file = c\n"
		     "client_tls_sslmode = prefer\n",
	     NULL, ""},
	    {CLIENTS "client_tls_key_file = k\nclient_tls_cert_file = c\n"
		     "client_tls_ca_file = a\nclient_tls_crl_file = r\n"
		     "client_tls_sslmode = verify-full\n",
	     NULL, ""},
	    {CLIENTS "client_tls_key_file = k\nclient_tls_cert_file = c\n"
		     "client_tls_crl_file = r\nclient_tls_sslmode = require\n",
	     NULL,
	     "r.ini:7: warning: client_tls_crl_file is not used: without "
	     "client_tls_ca_file no certificate is asked for"},
	    {CLIENTS "client_tls_key_file = k\nclient_tls_cert_file = c\n"
		     "client_tls_ca_file = a\nclient_tls_crl_file = r\n",
	     NULL,
	     "r.ini:5: warning: client_tls_key_file is not used: client_tls_sslmode is "
	     "disable\n"
	     "r.ini:6: warning: client_tls_cert_file is not used: client_tls_sslmode is "
	     "disable\n"
	     "r.ini:7: warning: client_tls_ca_file is not used: client_tls_sslmode is "
	     "disable\n"
	     "r.ini:8: warning: client_tls_crl_file is not used: client_tls_sslmode is "
	     "disable"},
	    {"auth_type = trust\nclient_tls_key_file = k\nclient_tls_cert_file = c\n"
	     "client_tls_sslmode = require\n",
	     NULL,
	     "r.ini:6: warning: client_tls_sslmode is not used: listen_addr is empty, "
	     "and there is no TLS over Unix sockets"},
	};

	EXPECT(state, cases);
}

#define SERVERS "auth_type = trust\n"

static void tls_with_servers_needs_its_files(void **state)
{
	static const struct review_case cases[] = {
	    {SERVERS "server_tls_sslmode = verify-full\n", NULL,
	     "r.ini:4: server_tls_sslmode verify-full needs server_tls_ca_file"},
	    {SERVERS "server_tls_sslmode = verify-ca\nserver_tls_ca_file = a\n"
		     "server_tls_crl_file = r\n",
	     NULL, ""},
	    {SERVERS "server_tls_cert_file = c\n", NULL,
	     "r.ini:4: server_tls_cert_file needs server_tls_key_file"},
	    {SERVERS "server_tls_key_file = k\n", NULL,
	     "r.ini:4: warning: server_tls_key_file is not used: there is no "
	     "server_tls_cert_file"},
	    {SERVERS "server_tls_key_file = k\nserver_tls_cert_file = c\n", NULL, ""},
	    {SERVERS "server_tls_sslnegotiation = direct\n", NULL,
	     "r.ini:4: server_tls_sslnegotiation direct needs server_tls_sslmode require "
	     "or more, not prefer"},
	    {SERVERS "server_tls_sslnegotiation = direct\nserver_tls_sslmode = require\n",
	     NULL, ""},
	    {SERVERS "server_tls_ca_file = a\nserver_tls_crl_file = r\n"
		     "server_tls_sslmode = require\n",
	     NULL,
	     "r.ini:4: warning: server_tls_ca_file verifies nothing: server_tls_sslmode "
	     "is require\n"
	     "r.ini:5: warning: server_tls_crl_file verifies nothing: server_tls_sslmode "
	     "is require"},
	};

	EXPECT(state, cases);
}

static void tls_of_a_database_is_judged_with_what_it_inherits(void **state)
{
	static const struct review_case cases[] = {
	    {SERVERS, "a = host=h tls_sslmode=verify-ca\n",
	     "r.ini:5: database \"a\": tls_sslmode verify-ca needs tls_ca_file"},
	    {SERVERS "server_tls_ca_file = x\n", "a = host=h tls_sslmode=verify-ca\n",
	     ""},
	    /* What all say themselves need not be right above. */
	    {SERVERS "server_tls_sslmode = verify-full\n",
	     "a = host=h tls_ca_file=x\n* = host=h tls_sslmode=require\n", ""},
	    {SERVERS "server_tls_sslmode = verify-full\n",
	     "a = host=h tls_ca_file=x\n* = host=h\n",
	     "r.ini:4: server_tls_sslmode verify-full needs server_tls_ca_file"},
	    {SERVERS "server_tls_ca_file = x\n",
	     "a = host=h\nb = host=h tls_sslmode=verify-ca\n", ""},
	    {SERVERS, "a = host=h tls_sslnegotiation=direct\n",
	     "r.ini:5: database \"a\": tls_sslnegotiation direct needs tls_sslmode "
	     "require or more, not prefer"},
	    {SERVERS "server_tls_sslmode = require\nserver_tls_sslnegotiation = direct\n",
	     "a = host=h tls_sslmode=allow\n",
	     "r.ini:7: database \"a\": tls_sslnegotiation direct needs tls_sslmode "
	     "require or more, not allow"},
	    {SERVERS, "a = host=h tls_cert_file=c\n",
	     "r.ini:5: database \"a\": tls_cert_file needs tls_key_file"},
	    {SERVERS, "a = host=h tls_ca_file=c tls_sslmode=require\n",
	     "r.ini:5: warning: database \"a\": tls_ca_file verifies nothing: "
	     "tls_sslmode is require"},
	    {SERVERS,
	     "a = tls_sslmode=require\nb = host=/tmp tls_sslmode=require\n"
	     "c = host=@x tls_protocols=all\n",
	     "r.ini:5: warning: database \"a\": what it says of TLS is not used: its "
	     "server is reached through a Unix socket\n"
	     "r.ini:6: warning: database \"b\": what it says of TLS is not used: its "
	     "server is reached through a Unix socket\n"
	     "r.ini:7: warning: database \"c\": what it says of TLS is not used: its "
	     "server is reached through a Unix socket"},
	    /* Without a database it is judged by itself. */
	    {SERVERS "server_tls_sslmode = verify-full\n", "",
	     "r.ini: warning: there are no databases: only the console can be reached\n"
	     "r.ini:4: server_tls_sslmode verify-full needs server_tls_ca_file"},
	};

	EXPECT(state, cases);
}

/* The users' section is behind the databases'. */
#define USERS "[users]\n"

static void guarantees_that_no_limit_has_room_for_are_told(void **state)
{
	static const struct review_case cases[] = {
	    {SERVERS, "a = host=h guaranteed=500\n" USERS "u = guaranteed=500\n", ""},
	    {SERVERS, "a = host=h guaranteed=5 max_db_connections=5\n", ""},
	    {SERVERS, "a = host=h guaranteed=6 max_db_connections=5\n",
	     "r.ini:5: warning: database \"a\": its pools are guaranteed 6 servers in "
	     "all, but max_db_connections is 5"},
	    {SERVERS, "* = host=h guaranteed=6 max_db_connections=5\n",
	     "r.ini:5: warning: database \"*\": its pools are guaranteed 6 servers in "
	     "all, but max_db_connections is 5"},
	    /* Those who are named, and somebody else. */
	    {SERVERS "max_db_connections = 9\n",
	     "a = host=h guaranteed=3\nb = host=h\n" USERS
	     "u = guaranteed=3\nv = guaranteed=4\nw = weight=2\n",
	     "r.ini:6: warning: database \"a\": its pools are guaranteed 10 servers in "
	     "all, but max_db_connections is 9"},
	    /* All are the same. */
	    {SERVERS "max_db_connections = 4\n",
	     "a = host=h user=u guaranteed=9\nb = host=h user=x\n" USERS
	     "u = guaranteed=3\nv = guaranteed=4\n",
	     ""},
	    {SERVERS "max_user_connections = 6\n",
	     "a = host=h\nb = host=h user=v\nc = host=h user=u guaranteed=1\n" USERS
	     "u = guaranteed=3\nv = guaranteed=4 max_user_connections=7\n",
	     "r.ini:11: warning: user \"v\": its pools are guaranteed 8 servers in all, "
	     "but max_user_connections is 7"},
	    {SERVERS "max_user_connections = 6\n",
	     "a = host=h guaranteed=4\nb = host=h guaranteed=3\n" USERS "u = weight=2\n",
	     "r.ini:9: warning: user \"u\": its pools are guaranteed 7 servers in all, "
	     "but max_user_connections is 6"},
	    {SERVERS "max_server_connections = 10\n",
	     "a = host=h guaranteed=4\nb = host=h\n" USERS "u = guaranteed=3\n", ""},
	    {SERVERS "max_server_connections = 9\n",
	     "a = host=h guaranteed=4\nb = host=h\n" USERS "u = guaranteed=3\n",
	     "r.ini:4: warning: pools are guaranteed 10 servers in all, but "
	     "max_server_connections is 9"},
	    {SERVERS "max_server_connections = 10\nmax_db_connections = 10\n"
		     "max_user_connections = 10\n",
	     "a = host=h guaranteed=2147483647\n* = host=h guaranteed=2147483647\n" USERS
	     "u = guaranteed=2147483647\nv = guaranteed=2147483647\n",
	     "r.ini:8: warning: database \"a\": its pools are guaranteed 6442450941 "
	     "servers in all, but max_db_connections is 10\n"
	     "r.ini:9: warning: database \"*\": its pools are guaranteed 6442450941 "
	     "servers in all, but max_db_connections is 10\n"
	     "r.ini:4: warning: pools are guaranteed 12884901882 servers in all, but "
	     "max_server_connections is 10\n"
	     "r.ini:11: warning: user \"u\": its pools are guaranteed 2147483647 servers "
	     "in all, but max_user_connections is 10\n"
	     "r.ini:12: warning: user \"v\": its pools are guaranteed 2147483647 servers "
	     "in all, but max_user_connections is 10"},
	};

	EXPECT(state, cases);
}

static void all_contradictions_are_told_in_one_go(void **state)
{
	static const struct review_case cases[] = {
	    {"auth_type = hba\nclient_tls_sslmode = require\nlisten_addr = *\n"
	     "server_tls_sslmode = verify-ca\nauth_user = u\nauth_query = x\n",
	     "a = host=h\nb = host=h tls_cert_file=c auth_dbname=none\n",
	     "r.ini:3: auth_type hba needs auth_hba_file\n"
	     "r.ini:8: auth_query does not ask for the user: there is no $1 in it\n"
	     "r.ini:11: database \"b\": auth_dbname names no entry of [databases]\n"
	     "r.ini:4: client_tls_sslmode require needs client_tls_key_file\n"
	     "r.ini:4: client_tls_sslmode require needs client_tls_cert_file\n"
	     "r.ini:6: server_tls_sslmode verify-ca needs server_tls_ca_file\n"
	     "r.ini:11: database \"b\": tls_cert_file needs tls_key_file"},
	};

	EXPECT(state, cases);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_begin, fixture_end)
	const struct CMUnitTest tests[] = {
	    TEST(each_method_says_what_it_needs),
	    TEST(what_logins_do_not_use_is_told),
	    TEST(lookups_that_cannot_be_made_are_refused),
	    TEST(tls_with_clients_needs_its_files),
	    TEST(tls_with_servers_needs_its_files),
	    TEST(tls_of_a_database_is_judged_with_what_it_inherits),
	    TEST(guarantees_that_no_limit_has_room_for_are_told),
	    TEST(all_contradictions_are_told_in_one_go),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
