/*
 * SCRAM: the published exchange of RFC 7677, verifiers that PostgreSQL 15 made, both
 * roles against each other, and whatever a peer can do wrong.
 */
#include "auth/scram.h"

#include "unit/base/kit.h"

#define RFC_CLIENT "rOprNGfwEbeRWgbNEkqO"
#define RFC_SERVER "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
#define RFC_SALT "W22ZaJ0SNY7soEsUEjb6gQ=="
#define RFC_SERVER_FIRST "r=" RFC_CLIENT RFC_SERVER ",s=" RFC_SALT ",i=4096"
#define RFC_CLIENT_FINAL                                                                 \
	"c=biws,r=" RFC_CLIENT RFC_SERVER                                                \
	",p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
#define RFC_SERVER_FINAL "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="

#define ALICE                                                                            \
	"SCRAM-SHA-256$4096:u1YWGrvVFOta7q0Jrgcp+A==$"                                   \
	"Y+GSVQ7WMECH/Gxy7ZEvtEFX1AgavtfAGW335d+d8OI=:"                                  \
	"Z0c7juVYnhSrvHdBToQ5vW1pL1I+rK6XhsGGROA6P2c="

static struct slice no_bytes(void)
{
	return slice_of(NULL, 0);
}

static struct scram_salt salt_of(const char *base64, uint32_t iterations)
{
	struct scram_salt salt = {.iterations = iterations};
	size_t len;

	assert_true(crypto_base64_decode(slice_of_text(base64), salt.bytes,
					 sizeof(salt.bytes), &len));
	salt.len = (uint8_t)len;
	return salt;
}

static struct scram_verifier verifier_of(const char *password, struct scram_salt salt)
{
	struct scram_password p;
	struct scram_salted salted;
	struct scram_keys keys;
	struct scram_verifier v;

	assert_true(scram_password_of(slice_of_text(password), &p));
	assert_true(scram_salted_make(&p, &salt, &salted));
	assert_true(scram_keys_of(&salted, &keys));
	assert_true(scram_verifier_of(&keys, &v));
	return v;
}

static struct scram_expected expect_verifier(const char *password)
{
	return (struct scram_expected){
	    .verifier = verifier_of(password, salt_of(RFC_SALT, 4096))};
}

static struct scram_expected expect_password(const char *password)
{
	struct scram_expected e = {.has_password = true};

	e.verifier.salt = salt_of(RFC_SALT, 4096);
	assert_true(scram_password_of(slice_of_text(password), &e.password));
	return e;
}

static enum scram_result tell_server(struct scram_server *s, const char *text,
				     struct scram_message *out)
{
	uint8_t *copy = exact_copy(slice_of_text(text));
	enum scram_result result =
	    scram_server_feed(s, slice_of(copy, strlen(text)), out);

	free(copy);
	return result;
}

static enum scram_result tell_client(struct scram_client *c, const char *text,
				     const struct scram_proof *proof,
				     struct scram_message *out)
{
	uint8_t *copy = exact_copy(slice_of_text(text));
	enum scram_result result =
	    scram_client_feed(c, slice_of(copy, strlen(text)), proof, out);

	free(copy);
	return result;
}

/* ---- the standard ---- */

static void the_server_speaks_as_in_the_rfc(void **state)
{
	struct scram_expected both[] = {expect_verifier("pencil"),
					expect_password("pencil")};

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct scram_server s;
		struct scram_message out;

		scram_server_init(&s, &both[i], no_bytes(), false,
				  slice_of_text(RFC_SERVER));
		assert_int_equal(tell_server(&s, "n,,n=user,r=" RFC_CLIENT, &out),
				 SCRAM_MORE);
		assert_slice_is(scram_message_bytes(&out), RFC_SERVER_FIRST);
		assert_int_equal(tell_server(&s, RFC_CLIENT_FINAL, &out), SCRAM_DONE);
		assert_slice_is(scram_message_bytes(&out), RFC_SERVER_FINAL);
		assert_int_equal(tell_server(&s, RFC_CLIENT_FINAL, &out), SCRAM_FAILED);
		scram_server_fini(&s);
	}
}

/* The name in our messages is empty, so the RFC's proof cannot come out; its signature
 * key can. */
static void the_client_speaks_to_the_server_of_the_rfc(void **state)
{
	struct scram_client c;
	struct scram_server s;
	struct scram_message out, reply;
	struct scram_proof proof = {.password = slice_of_text("pencil")};
	struct scram_expected expected = expect_verifier("pencil");

	(void)state;
	scram_client_init(&c, no_bytes(), false, slice_of_text(RFC_CLIENT), &out);
	assert_slice_is(scram_message_bytes(&out), "n,,n=,r=" RFC_CLIENT);
	scram_server_init(&s, &expected, no_bytes(), false, slice_of_text(RFC_SERVER));
	assert_int_equal(scram_server_feed(&s, scram_message_bytes(&out), &reply),
			 SCRAM_MORE);
	assert_slice_is(scram_message_bytes(&reply), RFC_SERVER_FIRST);
	assert_int_equal(tell_client(&c, RFC_SERVER_FIRST, &proof, &out), SCRAM_MORE);
	assert_int_equal(scram_server_feed(&s, scram_message_bytes(&out), &reply),
			 SCRAM_DONE);
	assert_int_equal(scram_client_feed(&c, scram_message_bytes(&reply), &proof, &out),
			 SCRAM_DONE);
	scram_client_fini(&c);
	scram_server_fini(&s);
}

/* ---- PostgreSQL's verifiers ---- */

static void verifiers_of_postgresql_come_out_of_their_passwords(void **state)
{
	static const struct {
		const char *password, *verifier;
	} cases[] = {
	    {"wonderland", ALICE},
	    {"p,w=", "SCRAM-SHA-256$4096:tBXQlSeGeALaAtcqO4Yp3w==$"
		     "fifFCb/HNZHrxhIXyQeUNboVLr6mtEXa785BsRrqmww=:"
		     "wrDxOkCLwJ5yKXQr6AqjqMzOWb7aTYJWaICchE7fBNg="},
	    /* prepared */
	    {"I\xc2\xadX\xc2\xaa\xe2\x85\xa8",
	     "SCRAM-SHA-256$4096:1yx+ugsk7oDtK8A6aoMjNg==$"
	     "aZuOhlN0rl3LLWemgzmRA5vD1pAnV7buP9p+acPixi0=:"
	     "y+haSbXS0wZ9NTX7hKv3dFjLjitcXcRIPe8lXXUrIys="},
	    /* cannot be prepared */
	    {"\xd8\xa7\x31", "SCRAM-SHA-256$4096:NB1haZWGI4XAmV4J/vZh7Q==$"
			     "9XzCi323U+MVq2IPxJGdA+09KyGXaVbMtuvzW+uR8Bk=:"
			     "43ijS6BQDqDZ6bc4TIQfCo3ueXMzUHicF1ZieKC4TDI="},
	    /* longer than the block of the hash */
	    {"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	     "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
	     "SCRAM-SHA-256$4096:YzAlmpFV/xnQ/BiCrXYh6w==$"
	     "tfZVEkh7V+PKzuOOoVBL8XGVmo17UaoYP95oLRl49sg=:"
	     "TH9l+3i5Fpy7bdmgbYgfyrSwVr1XlmZLI0SEDIhA/1c="},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct scram_verifier v, made;
		char text[SCRAM_VERIFIER_TEXT_MAX];

		assert_true(scram_verifier_parse(slice_of_text(cases[i].verifier), &v));
		made = verifier_of(cases[i].password, v.salt);
		assert_memory_equal(&v, &made, sizeof(v));
		assert_string_equal(scram_verifier_print(&made, text), cases[i].verifier);
	}
}

static void a_verifier_cut_anywhere_is_none(void **state)
{
	struct slice all = slice_of_text(ALICE);
	struct scram_verifier v;

	(void)state;
	for (size_t len = 0; len < all.len; len++) {
		uint8_t *copy = exact_copy(slice_first(all, len));

		assert_false(scram_verifier_parse(slice_of(copy, len), &v));
		free(copy);
	}
	assert_true(scram_verifier_parse(all, &v));
}

static void what_is_no_verifier_is_refused(void **state)
{
#define KEY "Y+GSVQ7WMECH/Gxy7ZEvtEFX1AgavtfAGW335d+d8OI="
	static const char *const cases[] = {
	    ALICE "x",
	    "SCRAM-SHA-1$4096:u1YW$" KEY ":" KEY,
	    "scram-sha-256$4096:u1YW$" KEY ":" KEY,
	    "SCRAM-SHA-256$0:u1YW$" KEY ":" KEY,
	    "SCRAM-SHA-256$-1:u1YW$" KEY ":" KEY,
	    "SCRAM-SHA-256$2147483648:u1YW$" KEY ":" KEY,
	    "SCRAM-SHA-256$4294967297:u1YW$" KEY ":" KEY,
	    "SCRAM-SHA-256$ 4096:u1YW$" KEY ":" KEY,
	    "SCRAM-SHA-256$:u1YW$" KEY ":" KEY,
	    "SCRAM-SHA-256$4096:$" KEY ":" KEY,
	    "SCRAM-SHA-256$4096:u1Y$" KEY ":" KEY,
	    "SCRAM-SHA-256$4096:u1YW$u1YW:" KEY,
	    "SCRAM-SHA-256$4096:u1YW$" KEY ":u1YW",
	    "SCRAM-SHA-256$4096:u1YW$" KEY KEY ":" KEY,
	};
	struct scram_verifier v;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++)
		assert_false(scram_verifier_parse(slice_of_text(cases[i]), &v));
	assert_true(scram_verifier_parse(
	    slice_of_text("SCRAM-SHA-256$2147483647:u1YW$" KEY ":" KEY), &v));
}

/* ---- a server and its clients ---- */

static void malformed_first_messages_are_named(void **state)
{
	static const struct {
		const char *message, *problem;
	} cases[] = {
	    {"", "unexpected channel binding flag"},
	    {"n", "unexpected channel binding flag"},
	    {"n=", "unexpected channel binding flag"},
	    {"x,,n=,r=abc", "unexpected channel binding flag"},
	    {"p=tls-unique,,n=,r=abc", "unsupported channel binding type"},
	    {"p=tls-server-end-point,,n=,r=abc", "SCRAM-SHA-256 with channel binding"},
	    {"n,", "a comma is missing in the header"},
	    {"n,n=,r=abc", "a comma is missing in the header"},
	    {"n,a=me,n=,r=abc", "authorization identities are not supported"},
	    {"n,,", "there is no user name"},
	    {"n,,m=x,n=,r=abc", "a mandatory extension is not supported"},
	    {"n,,r=abc", "there is no user name"},
	    {"n,,n=", "there is no nonce"},
	    {"n,,n=,", "there is no nonce"},
	    {"n,,n=,r", "there is no nonce"},
	    {"n,,n=,r=", "the nonce is too long or not printable"},
	    {"n,,n=,r=a c", "the nonce is too long or not printable"},
	    {"n,,n=,r=a\x7f", "the nonce is too long or not printable"},
	    {"n,,n=,r=a\xc3\xa9", "the nonce is too long or not printable"},
	    {"n,,n=,r=abc,1=x", "there is something behind the nonce"},
	    {"n,,n=,r=abc,,", "there is something behind the nonce"},
	    {"n,,n=,r=abc,x", "there is something behind the nonce"},
	};
	struct scram_expected expected = expect_verifier("pencil");

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct scram_server s;
		struct scram_message out;

		scram_server_init(&s, &expected, no_bytes(), false, no_bytes());
		assert_int_equal(tell_server(&s, cases[i].message, &out), SCRAM_FAILED);
		assert_string_equal(s.problem, cases[i].problem);
		assert_int_equal(s.fault, SCRAM_FAULT_MALFORMED);
		assert_int_equal(tell_server(&s, "n,,n=,r=abc", &out), SCRAM_FAILED);
	}
}

static void extensions_nobody_needs_are_passed_over(void **state)
{
	struct scram_expected expected = expect_verifier("pencil");
	struct scram_server s;
	struct scram_message out;

	(void)state;
	scram_server_init(&s, &expected, no_bytes(), false, slice_of_text("S"));
	assert_int_equal(tell_server(&s, "n,,n=,r=abc,x=1,Y=,", &out), SCRAM_MORE);
	assert_int_equal(tell_server(&s, "c=biws,r=abcS,x=1,p=AAAA", &out), SCRAM_FAILED);
	assert_string_equal(s.problem, "the proof is malformed");
}

static void malformed_final_messages_are_named(void **state)
{
#define PROOF ",p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
	static const struct {
		const char *message, *problem;
		enum scram_fault fault;
	} cases[] = {
	    {"", "there is no channel binding attribute", SCRAM_FAULT_MALFORMED},
	    {"r=abc,c=biws", "there is no channel binding attribute",
	     SCRAM_FAULT_MALFORMED},
	    {"c=eSws,r=CS" PROOF, "unexpected channel binding attribute",
	     SCRAM_FAULT_MALFORMED},
	    {"c=,r=CS" PROOF, "unexpected channel binding attribute",
	     SCRAM_FAULT_MALFORMED},
	    {"c=biws", "there is no nonce", SCRAM_FAULT_MALFORMED},
	    {"c=biws,r=C" PROOF, "the nonce does not match", SCRAM_FAULT_MALFORMED},
	    {"c=biws,r=CT" PROOF, "the nonce does not match", SCRAM_FAULT_MALFORMED},
	    {"c=biws,r=CSx" PROOF, "the nonce does not match", SCRAM_FAULT_MALFORMED},
	    {"c=biws,r=CS", "there is no proof at the end", SCRAM_FAULT_MALFORMED},
	    {"c=biws,r=CS,", "there is no proof at the end", SCRAM_FAULT_MALFORMED},
	    {"c=biws,r=CS" PROOF ",x=y", "there is no proof at the end",
	     SCRAM_FAULT_MALFORMED},
	    {"c=biws,r=CS,9=x" PROOF, "there is an attribute that is none",
	     SCRAM_FAULT_MALFORMED},
	    {"c=biws,r=CS,p=", "the proof is malformed", SCRAM_FAULT_MALFORMED},
	    {"c=biws,r=CS,p=AAAA", "the proof is malformed", SCRAM_FAULT_MALFORMED},
	    {"c=biws,r=CS,p=!!!!", "the proof is malformed", SCRAM_FAULT_MALFORMED},
	    {"c=biws,r=CS" PROOF "AAAA", "the proof is malformed", SCRAM_FAULT_MALFORMED},
	    {"c=biws,r=CS" PROOF, "the proof is wrong", SCRAM_FAULT_WRONG},
	};
	struct scram_expected expected = expect_verifier("pencil");

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct scram_server s;
		struct scram_message out;

		scram_server_init(&s, &expected, no_bytes(), false, slice_of_text("S"));
		assert_int_equal(tell_server(&s, "n,,n=,r=C", &out), SCRAM_MORE);
		assert_int_equal(tell_server(&s, cases[i].message, &out), SCRAM_FAILED);
		assert_string_equal(s.problem, cases[i].problem);
		assert_int_equal(s.fault, cases[i].fault);
		assert_int_equal(s.keys.salt.iterations, 0);
	}
}

static void what_is_too_long_is_refused(void **state)
{
	char text[SCRAM_MESSAGE_MAX + 2];
	struct scram_expected expected = expect_verifier("pencil");
	struct scram_server s;
	struct scram_message out;

	(void)state;
	memset(text, 'x', sizeof(text));
	memcpy(text, "n,,n=,r=", 8);
	text[8 + SCRAM_NONCE_MAX] = '\0';
	scram_server_init(&s, &expected, no_bytes(), false, no_bytes());
	assert_int_equal(tell_server(&s, text, &out), SCRAM_MORE);
	text[8 + SCRAM_NONCE_MAX] = 'x';
	text[8 + SCRAM_NONCE_MAX + 1] = '\0';
	scram_server_init(&s, &expected, no_bytes(), false, no_bytes());
	assert_int_equal(tell_server(&s, text, &out), SCRAM_FAILED);
	text[8 + SCRAM_NONCE_MAX + 1] = 'x';
	text[SCRAM_MESSAGE_MAX + 1] = '\0';
	scram_server_init(&s, &expected, no_bytes(), false, no_bytes());
	assert_int_equal(tell_server(&s, text, &out), SCRAM_FAILED);
	assert_string_equal(s.problem, "the message is too long");
	scram_server_init(&s, &expected, no_bytes(), false, no_bytes());
	assert_int_equal(scram_server_feed(&s, slice_of("n,,n=\0,r=a", 10), &out),
			 SCRAM_FAILED);
}

/* ---- channel binding ---- */

static void a_hidden_offer_is_found_out(void **state)
{
	struct scram_expected expected = expect_verifier("pencil");
	struct slice binding = slice_of_text("hash");
	struct scram_server s;
	struct scram_message out;

	(void)state;
	scram_server_init(&s, &expected, binding, false, no_bytes());
	assert_int_equal(tell_server(&s, "y,,n=,r=abc", &out), SCRAM_FAILED);
	assert_int_equal(s.fault, SCRAM_FAULT_BINDING);
	/* Without TLS there was nothing to hide; who cannot bind says n. */
	scram_server_init(&s, &expected, no_bytes(), false, no_bytes());
	assert_int_equal(tell_server(&s, "y,,n=,r=abc", &out), SCRAM_MORE);
	scram_server_init(&s, &expected, binding, false, no_bytes());
	assert_int_equal(tell_server(&s, "n,,n=,r=abc", &out), SCRAM_MORE);
	scram_server_init(&s, &expected, binding, true, no_bytes());
	assert_int_equal(tell_server(&s, "n,,n=,r=abc", &out), SCRAM_FAILED);
	scram_server_init(&s, &expected, binding, true, no_bytes());
	assert_int_equal(tell_server(&s, "y,,n=,r=abc", &out), SCRAM_FAILED);
	scram_server_init(&s, &expected, binding, true, no_bytes());
	assert_int_equal(tell_server(&s, "p=tls-server-end-point,,n=,r=a", &out),
			 SCRAM_MORE);
}

/* A whole exchange; the server's result. */
static enum scram_result converse(struct scram_server *s, struct scram_client *c,
				  const struct scram_message *first,
				  const struct scram_proof *proof)
{
	struct scram_message a = *first, b;
	enum scram_result result;

	for (;;) {
		result = scram_server_feed(s, scram_message_bytes(&a), &b);
		if (result == SCRAM_FAILED)
			return result;
		if (scram_client_feed(c, scram_message_bytes(&b), proof, &a) !=
		    SCRAM_MORE)
			return result;
	}
}

static void another_tls_connection_is_found_out(void **state)
{
	static const char *const bindings[] = {"hash", "hasi", "has", ""};
	uint8_t longest[SCRAM_BINDING_MAX] = {7};
	struct scram_expected expected = expect_verifier("pencil");
	struct scram_proof proof = {.password = slice_of_text("pencil")};

	(void)state;
	for (size_t i = 0; i <= COUNT_OF(bindings); i++) {
		bool is_longest = i == COUNT_OF(bindings);
		struct slice ours = is_longest ? slice_of(longest, sizeof(longest))
					       : slice_of_text(bindings[0]);
		struct slice theirs = is_longest ? ours : slice_of_text(bindings[i]);
		struct scram_server s;
		struct scram_client c;
		struct scram_message first;

		if (theirs.len == 0)
			continue;
		scram_client_init(&c, theirs, true, no_bytes(), &first);
		scram_server_init(&s, &expected, ours, true, no_bytes());
		bool is_same = slice_equal(ours, theirs);
		assert_int_equal(converse(&s, &c, &first, &proof),
				 is_same ? SCRAM_DONE : SCRAM_FAILED);
		assert_int_equal(s.fault,
				 is_same ? SCRAM_FAULT_NONE : SCRAM_FAULT_BINDING);
	}
}

static void the_client_tells_what_it_knows_of_binding(void **state)
{
	struct scram_client c;
	struct scram_message first;

	(void)state;
	scram_client_init(&c, slice_of_text("hash"), true, slice_of_text("N"), &first);
	assert_slice_is(scram_message_bytes(&first), "p=tls-server-end-point,,n=,r=N");
	scram_client_init(&c, slice_of_text("hash"), false, slice_of_text("N"), &first);
	assert_slice_is(scram_message_bytes(&first), "y,,n=,r=N");
	scram_client_init(&c, no_bytes(), false, slice_of_text("N"), &first);
	assert_slice_is(scram_message_bytes(&first), "n,,n=,r=N");
}

/* ---- a client and its servers ---- */

static void malformed_servers_are_named(void **state)
{
	static const struct {
		const char *message, *problem;
		enum scram_fault fault;
	} cases[] = {
	    {"", "there is no nonce", SCRAM_FAULT_MALFORMED},
	    {"e=other-error", "there is no nonce", SCRAM_FAULT_MALFORMED},
	    {"m=x,r=CS,s=AAAA,i=1", "there is no nonce", SCRAM_FAULT_MALFORMED},
	    {"r=C,s=AAAA,i=1", "the nonce does not continue ours", SCRAM_FAULT_MALFORMED},
	    {"r=XS,s=AAAA,i=1", "the nonce does not continue ours",
	     SCRAM_FAULT_MALFORMED},
	    {"r=C\x01,s=AAAA,i=1", "the nonce is too long or not printable",
	     SCRAM_FAULT_MALFORMED},
	    {"r=CS", "there is no salt", SCRAM_FAULT_MALFORMED},
	    {"r=CS,i=1", "there is no salt", SCRAM_FAULT_MALFORMED},
	    {"r=CS,s=,i=1", "the salt is malformed or too long", SCRAM_FAULT_MALFORMED},
	    {"r=CS,s=AAA,i=1", "the salt is malformed or too long",
	     SCRAM_FAULT_MALFORMED},
	    {"r=CS,s=AAAA", "there is no count of iterations", SCRAM_FAULT_MALFORMED},
	    {"r=CS,s=AAAA,i=", "there is no count of iterations", SCRAM_FAULT_MALFORMED},
	    {"r=CS,s=AAAA,i=0", "there is no count of iterations", SCRAM_FAULT_MALFORMED},
	    {"r=CS,s=AAAA,i=-5", "there is no count of iterations",
	     SCRAM_FAULT_MALFORMED},
	    {"r=CS,s=AAAA,i=99999999999", "there is no count of iterations",
	     SCRAM_FAULT_MALFORMED},
	    {"r=CS,s=AAAA,i=100001", "it asks for too many iterations",
	     SCRAM_FAULT_TOO_MUCH},
	    {"r=CS,s=AAAA,i=2147483647", "it asks for too many iterations",
	     SCRAM_FAULT_TOO_MUCH},
	};
	struct scram_proof proof = {.password = slice_of_text("pencil")};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct scram_client c;
		struct scram_message out;

		scram_client_init(&c, no_bytes(), false, slice_of_text("C"), &out);
		assert_int_equal(tell_client(&c, cases[i].message, &proof, &out),
				 SCRAM_FAILED);
		assert_string_equal(c.problem, cases[i].problem);
		assert_int_equal(c.fault, cases[i].fault);
	}
}

/* A server that sends long nonces and salts once wrote beyond a pooler's stack. */
static void a_huge_nonce_or_salt_is_refused(void **state)
{
	struct scram_proof proof = {.password = slice_of_text("pencil")};
	size_t sizes[] = {300, 900, SCRAM_MESSAGE_MAX - 20, 5000, 100000};

	(void)state;
	for (size_t i = 0; i < 2 * COUNT_OF(sizes); i++) {
		size_t size = sizes[i / 2];
		char *text = malloc(size + 32);
		struct scram_client c;
		struct scram_message out;

		assert_non_null(text);
		int head = snprintf(text, 32, i % 2 ? "r=CS,s=" : "r=C");
		memset(text + head, 'A', size);
		snprintf(text + head + size, 16, i % 2 ? ",i=1" : ",s=AAAA,i=1");
		scram_client_init(&c, no_bytes(), false, slice_of_text("C"), &out);
		assert_int_equal(tell_client(&c, text, &proof, &out), SCRAM_FAILED);
		assert_int_equal(c.fault, SCRAM_FAULT_MALFORMED);
		free(text);
	}
}

static void a_server_must_prove_itself(void **state)
{
	static const struct {
		const char *message;
		enum scram_fault fault;
	} cases[] = {
	    {"", SCRAM_FAULT_MALFORMED},
	    {"v=", SCRAM_FAULT_MALFORMED},
	    {"v=AAAA", SCRAM_FAULT_MALFORMED},
	    {"v=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=AAAA", SCRAM_FAULT_MALFORMED},
	    {RFC_SERVER_FINAL, SCRAM_FAULT_WRONG},
	    {"e=invalid-proof", SCRAM_FAULT_REFUSED},
	};
	struct scram_proof proof = {.password = slice_of_text("pencil")};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct scram_client c;
		struct scram_message out;

		scram_client_init(&c, no_bytes(), false, slice_of_text("C"), &out);
		assert_int_equal(tell_client(&c, "r=CS,s=AAAA,i=1", &proof, &out),
				 SCRAM_MORE);
		assert_int_equal(tell_client(&c, cases[i].message, &proof, &out),
				 SCRAM_FAILED);
		assert_int_equal(c.fault, cases[i].fault);
		if (c.fault == SCRAM_FAULT_REFUSED)
			assert_string_equal(c.server_says, "invalid-proof");
		scram_client_fini(&c);
	}
}

/* ---- both ---- */

static enum scram_result log_in(struct scram_expected *expected,
				const struct scram_proof *proof, struct scram_server *s)
{
	struct scram_client c;
	struct scram_message first;

	scram_client_init(&c, no_bytes(), false, no_bytes(), &first);
	scram_server_init(s, expected, no_bytes(), false, no_bytes());
	return converse(s, &c, &first, proof);
}

static void a_login_shows_the_keys_for_the_next_server(void **state)
{
	struct scram_expected expected = expect_verifier("pencil");
	struct scram_proof proof = {.password = slice_of_text("pencil")};
	struct scram_server first, second;

	(void)state;
	assert_int_equal(log_in(&expected, &proof, &first), SCRAM_DONE);
	struct scram_proof passed_on = {.keys = &first.keys};
	assert_int_equal(log_in(&expected, &passed_on, &second), SCRAM_DONE);
	assert_memory_equal(&first.keys, &second.keys, sizeof(first.keys));
	/* The same password with another salt is another secret. */
	expected.verifier = verifier_of("pencil", salt_of("AAAA", 4096));
	struct scram_client c;
	struct scram_message a, b;
	scram_client_init(&c, no_bytes(), false, no_bytes(), &a);
	scram_server_init(&second, &expected, no_bytes(), false, no_bytes());
	assert_int_equal(scram_server_feed(&second, scram_message_bytes(&a), &b),
			 SCRAM_MORE);
	assert_int_equal(scram_client_feed(&c, scram_message_bytes(&b), &passed_on, &a),
			 SCRAM_FAILED);
	assert_int_equal(c.fault, SCRAM_FAULT_SALT);
}

static void passwords_show_no_keys(void **state)
{
	struct scram_expected expected = expect_password("pencil");
	struct scram_proof proof = {.password = slice_of_text("pencil")};
	struct scram_server s;

	(void)state;
	assert_int_equal(log_in(&expected, &proof, &s), SCRAM_DONE);
	assert_int_equal(s.keys.salt.iterations, 0);
}

static void a_mock_fails_even_with_the_right_password(void **state)
{
	struct scram_expected cases[] = {expect_verifier("pencil"),
					 expect_password("pencil")};
	struct scram_proof proof = {.password = slice_of_text("pencil")};

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct scram_server s;

		cases[i].is_mock = true;
		assert_int_equal(log_in(&cases[i], &proof, &s), SCRAM_FAILED);
		assert_int_equal(s.fault, SCRAM_FAULT_WRONG);
		assert_int_equal(s.keys.salt.iterations, 0);
	}
}

static void what_is_kept_spares_the_next_login_and_no_more(void **state)
{
	struct scram_expected expected = expect_password("pencil");
	struct scram_salted kept = {0}, before;
	struct scram_proof proof = {.password = slice_of_text("pencil"), .salted = &kept};
	struct scram_server s;

	(void)state;
	/* Made by the server and by the client: the same. */
	assert_int_equal(log_in(&expected, &proof, &s), SCRAM_DONE);
	assert_memory_equal(&kept, &s.expected.known, sizeof(kept));
	before = kept;
	expected.known = kept;
	assert_int_equal(log_in(&expected, &proof, &s), SCRAM_DONE);
	assert_memory_equal(&kept, &before, sizeof(kept));
	/* Poisoned, it is used: proof that PBKDF2 did not run again. */
	kept.bytes[0] ^= 1;
	assert_int_equal(log_in(&expected, &proof, &s), SCRAM_FAILED);
	kept = before;
	expected.known.bytes[0] ^= 1;
	assert_int_equal(log_in(&expected, &proof, &s), SCRAM_FAILED);
	/* Of another password or salt, it is not. */
	expected = expect_password("pen");
	expected.known = before;
	proof.password = slice_of_text("pen");
	assert_int_equal(log_in(&expected, &proof, &s), SCRAM_DONE);
	assert_memory_not_equal(&kept, &before, sizeof(kept));
	expected.verifier.salt.bytes[0] ^= 1;
	assert_int_equal(log_in(&expected, &proof, &s), SCRAM_DONE);
}

static void every_byte_of_the_proof_counts(void **state)
{
	struct scram_expected expected = expect_verifier("pencil");
	const struct slice all = slice_of_text(RFC_CLIENT_FINAL);

	(void)state;
	for (size_t i = 0; i <= all.len; i++) {
		struct scram_server s;
		struct scram_message out;
		char changed[sizeof(RFC_CLIENT_FINAL)];

		memcpy(changed, RFC_CLIENT_FINAL, sizeof(changed));
		scram_server_init(&s, &expected, no_bytes(), false,
				  slice_of_text(RFC_SERVER));
		assert_int_equal(tell_server(&s, "n,,n=user,r=" RFC_CLIENT, &out),
				 SCRAM_MORE);
		if (i < all.len)
			changed[i] ^= 1;
		assert_int_equal(tell_server(&s, changed, &out),
				 i < all.len ? SCRAM_FAILED : SCRAM_DONE);
	}
}

static void nonces_differ(void **state)
{
	struct scram_nonce a = scram_nonce_make(no_bytes());
	struct scram_nonce b = scram_nonce_make(no_bytes());

	(void)state;
	assert_int_equal(a.len, SCRAM_NONCE_LEN);
	assert_true(scram_nonce_is_good(scram_nonce_bytes(&a)));
	assert_memory_not_equal(a.data, b.data, SCRAM_NONCE_LEN);
}

static void what_is_over_is_wiped(void **state)
{
	static const struct scram_server empty_server = {.state = SCRAM_SERVER_OVER};
	static const struct scram_client empty_client = {.state = SCRAM_CLIENT_OVER};
	struct scram_expected expected = expect_verifier("pencil");
	struct scram_proof proof = {.password = slice_of_text("pencil")};
	struct scram_server s;
	struct scram_client c;
	struct scram_message first;

	(void)state;
	scram_client_init(&c, no_bytes(), false, no_bytes(), &first);
	scram_server_init(&s, &expected, no_bytes(), false, no_bytes());
	converse(&s, &c, &first, &proof);
	scram_server_fini(&s);
	scram_client_fini(&c);
	scram_server_fini(&s);
	assert_memory_equal(&s, &empty_server, sizeof(s));
	assert_memory_equal(&c, &empty_client, sizeof(c));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(the_server_speaks_as_in_the_rfc),
	    cmocka_unit_test(the_client_speaks_to_the_server_of_the_rfc),
	    cmocka_unit_test(verifiers_of_postgresql_come_out_of_their_passwords),
	    cmocka_unit_test(a_verifier_cut_anywhere_is_none),
	    cmocka_unit_test(what_is_no_verifier_is_refused),
	    cmocka_unit_test(malformed_first_messages_are_named),
	    cmocka_unit_test(extensions_nobody_needs_are_passed_over),
	    cmocka_unit_test(malformed_final_messages_are_named),
	    cmocka_unit_test(what_is_too_long_is_refused),
	    cmocka_unit_test(a_hidden_offer_is_found_out),
	    cmocka_unit_test(another_tls_connection_is_found_out),
	    cmocka_unit_test(the_client_tells_what_it_knows_of_binding),
	    cmocka_unit_test(malformed_servers_are_named),
	    cmocka_unit_test(a_huge_nonce_or_salt_is_refused),
	    cmocka_unit_test(a_server_must_prove_itself),
	    cmocka_unit_test(a_login_shows_the_keys_for_the_next_server),
	    cmocka_unit_test(passwords_show_no_keys),
	    cmocka_unit_test(a_mock_fails_even_with_the_right_password),
	    cmocka_unit_test(what_is_kept_spares_the_next_login_and_no_more),
	    cmocka_unit_test(every_byte_of_the_proof_counts),
	    cmocka_unit_test(nonces_differ),
	    cmocka_unit_test(what_is_over_is_wiped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
