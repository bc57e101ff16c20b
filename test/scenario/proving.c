/*
 * Clients that prove, servers that ask.
 */
#include "scenario/proving.h"

#include <unistd.h>

#include "auth/answer.h"
#include "auth/md5.h"
#include "base/check.h"
#include "base/reader.h"
#include "proto/frame.h"
#include "scenario/world.h"

enum { ITERATIONS = 4, NAME_LEN = 64, PASSWORD_LEN = LOGIN_PASSWORD_MAX + 1 };

/* ---- secrets ---- */

char *proving_verifier(const char *password, char salt, char out[PROVING_TEXT_LEN])
{
	struct scram_salt salted_by = {.iterations = ITERATIONS, .len = 16};
	struct scram_password prepared;
	struct scram_salted salted;
	struct scram_keys keys;
	struct scram_verifier verifier;

	memset(salted_by.bytes, salt, 16);
	CHECK(scram_password_of(slice_of_text(password), &prepared));
	CHECK(scram_salted_make(&prepared, &salted_by, &salted));
	CHECK(scram_keys_of(&salted, &keys) && scram_verifier_of(&keys, &verifier));
	return scram_verifier_print(&verifier, out);
}

char *proving_md5(const char *password, const char *user, char out[PROVING_TEXT_LEN])
{
	CHECK(md5_secret(slice_of_text(password), slice_of_text(user), out));
	out[MD5_TEXT_LEN] = '\0';
	return out;
}

static struct file {
	char name[16], path[64];
} files[4];

static void remove_files(void)
{
	for (size_t i = 0; i < 4 && files[i].name[0]; i++)
		unlink(files[i].path);
}

const char *proving_file(const char *name, const char *text)
{
	struct file *f = files;

	if (!files[0].name[0])
		CHECK(atexit(remove_files) == 0);
	while (f->name[0] && strcmp(f->name, name) != 0)
		f++;
	CHECK(f < files + 4);
	snprintf(f->name, sizeof(f->name), "%.15s", name);
	snprintf(f->path, sizeof(f->path), "/tmp/pooler-world-%d.%.15s", (int)getpid(),
		 f->name);
	FILE *out = fopen(f->path, "w");
	CHECK(out && fputs(text, out) >= 0 && fclose(out) == 0);
	return f->path;
}

/* ---- clients ---- */

struct prover {
	struct answer answer;
	struct answer_means means;
	struct secret secret;
	char user[NAME_LEN], password[PASSWORD_LEN];
	unsigned answers_left;
	bool is_content, is_over;
};

void prover_prepare(struct actor *a, const char *user, const char *password)
{
	struct prover *p = calloc(1, sizeof(*p));

	CHECK(p && !a->prover);
	a->prover = p;
	p->answers_left = UINT_MAX;
	snprintf(p->user, sizeof(p->user), "%s", user);
	snprintf(p->password, sizeof(p->password), "%s", password);
	p->secret = (struct secret){SECRET_PLAIN, slice_of_text(p->password)};
	p->means =
	    (struct answer_means){.user = slice_of_text(p->user), .secret = &p->secret};
}

void prover_stop_after(struct actor *a, unsigned answers)
{
	a->prover->answers_left = answers;
}

/* AuthenticationOk stays for who listens. */
static bool is_ok(struct slice body)
{
	struct reader r = reader_of(body);

	return reader_u32(&r) == 0;
}

bool prover_step(struct actor *a)
{
	struct prover *p = a->prover;
	struct frame f;

	if (!p || p->is_over || p->answers_left == 0 || a->peer.was_closed ||
	    frame_peek(fake_peer_received(&a->peer), INT32_MAX, &f) != FRAME_OK ||
	    !frame_is_whole(&f) || f.letter != 'R')
		return false;
	enum login_verdict verdict =
	    answer_feed(&p->answer, f.body, &p->means, &a->peer.sent);
	p->answers_left--;
	p->is_over = verdict != LOGIN_MORE;
	p->is_content = verdict == LOGIN_DONE;
	if (!is_ok(f.body))
		fake_peer_drop(&a->peer, f.total_len);
	return true;
}

bool prover_is_content(const struct actor *a)
{
	return a->prover && a->prover->is_content;
}

void prover_free(struct prover *p)
{
	if (p)
		answer_fini(&p->answer);
	free(p);
}

struct actor *prover_connect(struct world *w, const char *pairs, const char *password)
{
	struct actor *a = world_connect(w);
	char user[NAME_LEN] = "";

	sscanf(pairs, "user=%63[^;]", user);
	prover_prepare(a, user, password);
	script_write_startup(&a->peer.sent, pairs);
	return a;
}

struct actor *prover_client(struct world *w, const char *pairs, const char *password)
{
	struct actor *a = prover_connect(w, pairs, password);

	world_settle(w);
	return a;
}

/* ---- servers ---- */

struct examiner {
	struct exchange exchange;
	enum login_verdict verdict;
};

static void begin(struct actor *a)
{
	static const struct exchange_mock mock = {.key = "key", .kind = SECRET_PLAIN};
	const struct examination *what = &a->world->examination;
	struct examiner *x = calloc(1, sizeof(*x));
	struct exchange_setup setup = {.method = what->method, .mock = &mock};
	struct secret secret;

	CHECK(x);
	a->examiner = x;
	/* The md5 method needs the name. */
	const char *user = strstr(a->startup, "user=");
	CHECK(user);
	setup.user = slice_of(user + 5, strcspn(user + 5, ";"));
	x->verdict = exchange_start(&x->exchange, &setup, &a->peer.sent);
	CHECK(x->verdict == LOGIN_WAIT);
	CHECK(!what->secret || secret_parse(slice_of_text(what->secret), &secret));
	x->verdict = exchange_resume(&x->exchange, what->secret ? &secret : NULL, NULL,
				     &a->peer.sent);
}

static void end(struct actor *a)
{
	struct examiner *x = a->examiner;
	char script[LOGIN_TEXT_LEN + 64];

	if (x->verdict == LOGIN_DONE) {
		actor_greet(a);
		return;
	}
	snprintf(script, sizeof(script), "E[FATAL %s %s]", x->exchange.failure.sqlstate,
		 x->exchange.failure.text);
	actor_push(a, script);
	a->has_greeted = true;
	a->peer.has_closed = true;
}

bool examiner_step(struct actor *a)
{
	struct frame f;

	if (a->peer.has_closed || a->peer.was_closed)
		return false;
	if (!a->examiner) {
		begin(a);
		return true;
	}
	struct examiner *x = a->examiner;
	if (frame_peek(fake_peer_received(&a->peer), INT32_MAX, &f) != FRAME_OK ||
	    !frame_is_whole(&f))
		return false;
	x->verdict = exchange_feed(&x->exchange, f.letter, f.body, &a->peer.sent);
	fake_peer_drop(&a->peer, f.total_len);
	if (x->verdict != LOGIN_MORE)
		end(a);
	return true;
}

void examiner_free(struct examiner *x)
{
	if (x)
		exchange_fini(&x->exchange);
	free(x);
}
