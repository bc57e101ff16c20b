/*
 * Asking a directory: one on a thread of the test's, that answers as it is told and keeps
 * what it was asked.
 */
#include "auth/ldap.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

#include "unit/base/kit.h"

/* ---- the directory ---- */

enum { SUCCESS = 0, OPERATIONS_ERROR = 1, SIZE_LIMIT = 4, BUSY = 51, INVALID = 49 };

struct script {
	uint8_t binds[2];    /* result codes of the first and the second bind */
	uint8_t entries;     /* found */
	uint8_t search_code; /* ... and its result code */
	const char *entry;   /* its name; NULL: uid=joe,dc=x */
	unsigned
	    silent_from; /* which request gets no answer, nor those behind; 0: none */
	unsigned connections;    /* that are taken one after the other; 0: 1 */
	uint8_t first_bind_code; /* of the first connection, when there are more */
};

struct directory {
	int listener;
	char port[8];
	const struct script *script;
	pthread_t thread;
	unsigned requests, connections;
	uint8_t asked[4096]; /* all that came in */
	size_t asked_len;
};

static void put(int fd, const uint8_t *bytes, size_t len)
{
	assert_int_equal(send(fd, bytes, len, MSG_NOSIGNAL), (ssize_t)len);
}

/* LDAPResult of RFC 4511 with empty texts, as the answer with that tag. */
static void put_result(int fd, uint8_t id, uint8_t tag, uint8_t code)
{
	const uint8_t bytes[] = {0x30, 12, 2, 1, id, tag, 7, 0x0a, 1, code, 4, 0, 4, 0};

	put(fd, bytes, sizeof(bytes));
}

static void put_entry(int fd, uint8_t id, const char *name)
{
	size_t len = strlen(name);
	uint8_t bytes[100] = {0x30, (uint8_t)(len + 9), 2, 1,           id,
			      0x64, (uint8_t)(len + 4), 4, (uint8_t)len};

	memcpy(bytes + 9, name, len);
	bytes[9 + len] = 0x30;
	put(fd, bytes, len + 11);
}

static bool take(struct directory *d, int fd, uint8_t *out, size_t len)
{
	if (recv(fd, out, len, MSG_WAITALL) != (ssize_t)len)
		return false;
	assert_true(d->asked_len + len < sizeof(d->asked));
	memcpy(d->asked + d->asked_len, out, len);
	d->asked_len += len;
	return true;
}

/* One request, all of whose lengths are short. */
static bool take_request(struct directory *d, int fd, uint8_t *id, uint8_t *tag)
{
	uint8_t head[2], body[127];

	if (!take(d, fd, head, 2) || head[0] != 0x30 || head[1] > 127 ||
	    !take(d, fd, body, head[1]))
		return false;
	*id = body[2];
	*tag = body[3];
	return true;
}

static void answer_search(const struct directory *d, int fd, uint8_t id)
{
	const char *name = d->script->entry ? d->script->entry : "uid=joe,dc=x";

	for (unsigned i = 0; i < d->script->entries; i++)
		put_entry(fd, id, name);
	put_result(fd, id, 0x65, d->script->search_code);
}

/* Whoever begins with TLS gets nothing, either. */
static void wait_for_end(int fd)
{
	uint8_t bytes[512];

	while (recv(fd, bytes, sizeof(bytes), 0) > 0)
		;
}

static void answer(struct directory *d, int fd)
{
	unsigned requests = 0, binds = 0;
	uint8_t id, tag;
	bool is_first = d->connections++ == 0 && d->script->connections > 1;

	while (take_request(d, fd, &id, &tag) && tag != 0x42 /* unbind */) {
		requests++;
		d->requests++;
		if (d->script->silent_from && requests >= d->script->silent_from)
			continue;
		if (tag == 0x60)
			put_result(fd, id, 0x61,
				   is_first ? d->script->first_bind_code
					    : d->script->binds[binds++]);
		else if (tag == 0x63)
			answer_search(d, fd, id);
		else if (tag == 0x77)
			put_result(fd, id, 0x78, SUCCESS);
	}
	wait_for_end(fd);
}

static void *run_directory(void *context)
{
	struct directory *d = context;
	unsigned connections = d->script->connections ? d->script->connections : 1;

	while (connections-- > 0) {
		int fd = accept(d->listener, NULL, NULL);

		if (fd < 0)
			break;
		answer(d, fd);
		close(fd);
	}
	return NULL;
}

static void directory_open(struct directory *d, const struct script *script)
{
	struct sockaddr_in at = {.sin_family = AF_INET};
	socklen_t len = sizeof(at);

	*d = (struct directory){.script = script};
	at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	d->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(d->listener, (struct sockaddr *)&at, sizeof(at)), 0);
	assert_int_equal(listen(d->listener, 5), 0);
	assert_int_equal(getsockname(d->listener, (struct sockaddr *)&at, &len), 0);
	snprintf(d->port, sizeof(d->port), "%u", ntohs(at.sin_port));
	assert_int_equal(pthread_create(&d->thread, NULL, run_directory, d), 0);
}

static void directory_close(struct directory *d)
{
	shutdown(d->listener, SHUT_RDWR);
	pthread_join(d->thread, NULL);
	close(d->listener);
}

static bool was_asked(const struct directory *d, const char *text)
{
	return memmem(d->asked, d->asked_len, text, strlen(text)) != NULL;
}

/* ---- questions ---- */

enum { PAIRS = 14 };

#define SIMPLE "ldapprefix", "uid=", "ldapsuffix", ",dc=x"
#define SEARCH "ldapbasedn", "dc=x"
#define SEARCH_AS SEARCH, "ldapbinddn", "cn=pooler", "ldapbindpasswd", "hush"

/* At 127.0.0.1 unless the options name a server. */
static struct work_answer ask(const struct directory *d, const char *const *options,
			      const char *user, const char *password)
{
	const char *pairs[PAIRS + 5] = {"ldapport", d->port};
	size_t count = 2;
	bool has_server = false;
	struct work_answer out;

	for (size_t i = 0; options[i]; i++) {
		pairs[count++] = options[i];
		has_server |= strcmp(options[i], "ldapserver") == 0;
	}
	if (!has_server) {
		pairs[count++] = "ldapserver";
		pairs[count++] = "127.0.0.1";
	}
	struct ldap_question q = {.options = pairs, .user = user, .password = password};
	ldap_judge(&q, &out);
	return out;
}

/* The address of the directory is not the same in all runs. */
static void check_text(const char *text, const struct directory *d, const char *pattern)
{
	char expected[300];

	/* %s stands for it. */
	const char *mark = strstr(pattern, "%s");
	if (mark)
		snprintf(expected, sizeof(expected), "%.*sldap://127.0.0.1:%s%s",
			 (int)(mark - pattern), pattern, d->port, mark + 2);
	else
		snprintf(expected, sizeof(expected), "%s", pattern);
	assert_string_equal(text, expected);
}

static void answers_become_verdicts(void **state)
{
	static const struct {
		const char *options[PAIRS];
		struct script script;
		enum work_verdict verdict;
		const char *text;
	} cases[] = {
	    {{SIMPLE}, {.binds = {SUCCESS}}, WORK_RIGHT, ""},
	    {{SIMPLE},
	     {.binds = {INVALID}},
	     WORK_WRONG,
	     "LDAP bind at %s: Invalid credentials"},
	    {{SIMPLE}, {.binds = {32}}, WORK_WRONG, "LDAP bind at %s: No such object"},
	    {{SIMPLE},
	     {.binds = {53}},
	     WORK_WRONG,
	     "LDAP bind at %s: Server is unwilling to perform"},
	    {{SIMPLE},
	     {.binds = {OPERATIONS_ERROR}},
	     WORK_BROKEN,
	     "LDAP bind at %s: Operations error"},
	    {{SIMPLE}, {.binds = {10}}, WORK_BROKEN, "LDAP bind at %s: Referral"},
	    {{SIMPLE}, {.binds = {BUSY}}, WORK_BROKEN, "LDAP bind at %s: Server is busy"},
	    {{SEARCH}, {.binds = {SUCCESS, SUCCESS}, .entries = 1}, WORK_RIGHT, ""},
	    {{SEARCH},
	     {.binds = {SUCCESS, INVALID}, .entries = 1},
	     WORK_WRONG,
	     "LDAP bind at %s: Invalid credentials"},
	    {{SEARCH},
	     {.binds = {SUCCESS, SUCCESS}, .entries = 0},
	     WORK_WRONG,
	     "LDAP user does not exist"},
	    {{SEARCH},
	     {.binds = {SUCCESS, SUCCESS}, .entries = 2},
	     WORK_WRONG,
	     "LDAP user is not unique: more than one entry fits"},
	    {{SEARCH},
	     {.binds = {SUCCESS, SUCCESS}, .entries = 2, .search_code = SIZE_LIMIT},
	     WORK_WRONG,
	     "LDAP user is not unique: more than one entry fits"},
	    {{SEARCH},
	     {.binds = {SUCCESS, SUCCESS}, .entries = 1, .entry = ""},
	     WORK_WRONG,
	     "LDAP bind without a name or a password"},
	    {{SEARCH},
	     {.binds = {SUCCESS, SUCCESS}, .entries = 1, .search_code = OPERATIONS_ERROR},
	     WORK_BROKEN,
	     "LDAP search at %s: Operations error"},
	    {{SEARCH_AS}, {.binds = {SUCCESS, SUCCESS}, .entries = 1}, WORK_RIGHT, ""},
	    {{SEARCH_AS},
	     {.binds = {INVALID}, .entries = 1},
	     WORK_BROKEN,
	     "LDAP bind as ldapbinddn at %s: Invalid credentials"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct directory d;

		directory_open(&d, &cases[i].script);
		struct work_answer out = ask(&d, cases[i].options, "joe", "secret");
		directory_close(&d);
		if (out.verdict != cases[i].verdict)
			fail_msg("case %zu: %d, %s", i, (int)out.verdict, out.text);
		check_text(out.text, &d, cases[i].text);
	}
}

/* A bind with a name and no password succeeds on many servers, and proves nothing. */
static void an_empty_password_is_never_right(void **state)
{
	static const struct script script = {.binds = {SUCCESS, SUCCESS}, .entries = 1};
	static const char *const simple[] = {SIMPLE, NULL}, *const search[] = {SEARCH,
									       NULL};
	struct directory d;

	(void)state;
	directory_open(&d, &script);
	assert_int_equal(ask(&d, simple, "joe", "").verdict, WORK_WRONG);
	directory_close(&d);
	assert_int_equal(d.requests, 0);
	directory_open(&d, &script);
	assert_int_equal(ask(&d, search, "joe", "").verdict, WORK_WRONG);
	directory_close(&d);
	assert_int_equal(d.requests, 2);
}

static void the_directory_sees_escaped_names(void **state)
{
	static const struct script script = {.binds = {SUCCESS, SUCCESS}, .entries = 1};
	static const char *const simple[] = {SIMPLE, NULL}, *const search[] = {SEARCH_AS,
									       NULL};
	struct directory d;

	(void)state;
	directory_open(&d, &script);
	assert_int_equal(ask(&d, simple, "joe,ou=x", "secret").verdict, WORK_RIGHT);
	directory_close(&d);
	assert_true(was_asked(&d, "uid=joe\\2cou\\3dx,dc=x"));
	assert_true(was_asked(&d, "secret"));
	directory_open(&d, &script);
	assert_int_equal(ask(&d, search, "joe*", "secret").verdict, WORK_WRONG);
	directory_close(&d);
	assert_false(was_asked(&d, "joe"));
	assert_false(was_asked(&d, "secret"));
	directory_open(&d, &script);
	assert_int_equal(ask(&d, search, "j\xc3\xbcrg", "secret").verdict, WORK_RIGHT);
	directory_close(&d);
	assert_true(was_asked(&d, "cn=pooler"));
	assert_true(was_asked(&d, "hush"));
	assert_true(was_asked(&d, "j\xc3\xbcrg"));
	assert_true(was_asked(&d, "uid=joe,dc=x"));
}

/* ---- servers that do not answer ---- */

static void the_next_server_is_asked_when_one_cannot_be(void **state)
{
	/* Nobody listens at 127.0.0.2 on that port. */
	static const char *const both[] = {SIMPLE, "ldapserver", "127.0.0.2 127.0.0.1",
					   NULL};
	static const char *const busy[] = {SIMPLE, "ldapserver", "127.0.0.1 127.0.0.1",
					   NULL};
	static const char *const none[] = {SIMPLE, "ldapserver", "127.0.0.2 127.0.0.3",
					   NULL};
	static const struct script right = {.binds = {SUCCESS}};
	static const struct script later = {
	    .binds = {SUCCESS}, .connections = 2, .first_bind_code = BUSY};
	static const struct script wrong = {
	    .binds = {SUCCESS}, .connections = 2, .first_bind_code = INVALID};
	struct directory d;

	(void)state;
	directory_open(&d, &right);
	assert_int_equal(ask(&d, both, "joe", "secret").verdict, WORK_RIGHT);
	directory_close(&d);
	directory_open(&d, &later);
	assert_int_equal(ask(&d, busy, "joe", "secret").verdict, WORK_RIGHT);
	directory_close(&d);
	assert_int_equal(d.connections, 2);
	/* What one server says of the password is not asked of another. */
	directory_open(&d, &wrong);
	assert_int_equal(ask(&d, busy, "joe", "secret").verdict, WORK_WRONG);
	directory_close(&d);
	assert_int_equal(d.connections, 1);
	directory_open(&d, &right);
	struct work_answer out = ask(&d, none, "joe", "secret");
	directory_close(&d);
	assert_int_equal(out.verdict, WORK_BROKEN);
	assert_non_null(strstr(out.text, "ldap://127.0.0.3:"));
	assert_non_null(strstr(out.text, "Can't contact LDAP server"));
}

struct silence {
	const char *options[PAIRS];
	struct script script;
	struct directory d;
	struct work_answer out;
	pthread_t thread;
};

static void *ask_silent(void *context)
{
	struct silence *s = context;

	s->out = ask(&s->d, s->options, "joe", "secret");
	return NULL;
}

/* All at the same time, since it takes some. An alarm ends the test if it takes more. */
static void silence_is_not_waited_out(void **state)
{
	struct silence cases[] = {
	    {.options = {SIMPLE, "ldapscheme", "ldaps"}},
	    {.options = {SIMPLE, "ldaptls", "1"}, .script = {.silent_from = 1}},
	    /* at the handshake */
	    {.options = {SIMPLE, "ldaptls", "1"}, .script = {.silent_from = 2}},
	    {.options = {SEARCH}, .script = {.silent_from = 1}},
	    {.options = {SEARCH}, .script = {.silent_from = 2}},
	    {.options = {SEARCH}, .script = {.entries = 1, .silent_from = 3}},
	};

	(void)state;
	alarm(3 * 2 * LDAP_STEP_S);
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		directory_open(&cases[i].d, &cases[i].script);
		assert_int_equal(
		    pthread_create(&cases[i].thread, NULL, ask_silent, &cases[i]), 0);
	}
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		pthread_join(cases[i].thread, NULL);
		directory_close(&cases[i].d);
		if (cases[i].out.verdict != WORK_BROKEN)
			fail_msg("case %zu: %s", i, cases[i].out.text);
		assert_true(cases[i].out.text[0] != '\0');
	}
	alarm(0);
}

static void options_that_make_no_sense_are_broken(void **state)
{
	static const char *const options[] = {"ldapserver", "h", NULL};
	struct ldap_question q = {.options = options, .user = "joe", .password = "x"};
	struct work_answer out;

	(void)state;
	ldap_judge(&q, &out);
	assert_int_equal(out.verdict, WORK_BROKEN);
	assert_string_equal(out.text, "ldapbasedn, ldapprefix or ldapsuffix is missing");
}

int main(void)
{
	/* The machine's own ldap.conf is not under test. */
	setenv("LDAPNOINIT", "1", 1);
	ldap_prepare();
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(answers_become_verdicts),
	    cmocka_unit_test(an_empty_password_is_never_right),
	    cmocka_unit_test(the_directory_sees_escaped_names),
	    cmocka_unit_test(the_next_server_is_asked_when_one_cannot_be),
	    cmocka_unit_test(silence_is_not_waited_out),
	    cmocka_unit_test(options_that_make_no_sense_are_broken),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
