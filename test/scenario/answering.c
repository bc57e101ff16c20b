/*
 * The answering server: message by message.
 */
#include "scenario/answering.h"

#include "base/check.h"
#include "base/reader.h"
#include "proto/frame.h"
#include "scenario/world.h"

struct answering {
	char status; /* of the transaction */
	bool is_skipping;
	bool is_copying;
	bool is_stalled;
	bool copies_extended; /* the COPY was started by an Execute */
	char bound[200];      /* what the latest Bind said */
};

static void answer(struct actor *a, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void answer(struct actor *a, const char *format, ...)
{
	char script[1024];
	va_list args;

	va_start(args, format);
	vsnprintf(script, sizeof(script), format, args);
	va_end(args);
	actor_push(a, script);
}

static void answer_error(struct actor *a)
{
	if (a->answering->status == 'T')
		a->answering->status = 'E';
	answer(a, "E[ERROR 22012 as it was told]");
}

/* SET "name" = 'value';... as params_difference() writes it. */
static void answer_settings(struct actor *a, const char *sql)
{
	while (*sql) {
		char name[64], value[64];

		if (sscanf(sql, "SET \"%63[^\"]\" = '%63[^']'", name, value) == 2)
			answer(a, "S[%s=%s]", name, value);
		else if (sscanf(sql, "SET \"%63[^\"]\" = '%1[']", name, value) == 2)
			answer(a, "S[%s=]", name);
		answer(a, "C[SET]");
		sql += strcspn(sql, ";");
		sql += *sql == ';';
	}
}

/* It listens to news, whatever it was told. */
static void answer_listening(struct actor *a)
{
	static const uint8_t row[] = {'D', 0, 0, 0,   14,  0,   1,  0,
				      0,   0, 4, 'n', 'e', 'w', 's'};

	answer(a, "T");
	actor_push_bytes(a, slice_of(row, sizeof(row)));
	answer(a, "C[SELECT 1] C[UNLISTEN]");
}

/* All but the ReadyForQuery; false when that must wait. */
static bool carry_out(struct actor *a, const char *sql, bool is_extended)
{
	struct answering *x = a->answering;

	if (strcmp(sql, "stall") == 0) {
		x->is_stalled = true;
		return false;
	}
	if (strcmp(sql, "die") == 0) {
		a->peer.has_closed = true;
		return false;
	}
	if (strcmp(sql, "fail") == 0) {
		answer_error(a);
		x->is_skipping = is_extended;
	} else if (strcmp(sql, "begin") == 0) {
		x->status = 'T';
		answer(a, "C[BEGIN]");
	} else if (strcmp(sql, "commit") == 0) {
		x->status = 'I';
		answer(a, "C[COMMIT]");
	} else if (strcmp(sql, "ROLLBACK") == 0) {
		x->status = 'I';
		answer(a, "C[ROLLBACK]");
	} else if (strcmp(sql, "copy in") == 0) {
		x->is_copying = true;
		x->copies_extended = is_extended;
		answer(a, "G");
		return false;
	} else if (strcmp(sql, "copy out") == 0) {
		answer(a, "H d[one] d[two] c C[COPY 2]");
	} else if (sql[0] == '\0') {
		answer(a, "I");
	} else if (strstr(sql, "pg_listening_channels()")) {
		answer_listening(a);
	} else if (strncmp(sql, "SET ", 4) == 0 || strncmp(sql, "RESET ", 6) == 0) {
		answer_settings(a, sql);
	} else if (is_extended) {
		answer(a, "D[%s] C[SELECT 1]", sql);
	} else {
		answer(a, "T D[%s] C[SELECT 1]", sql);
	}
	return true;
}

static void ready(struct actor *a)
{
	answer(a, "Z[%c]", a->answering->status);
}

static const char *text_of(struct reader *r, char out[200])
{
	struct slice text = reader_cstring(r);

	snprintf(out, 200, "%.*s", (int)text.len, (const char *)text.data);
	return out;
}

static void on_bind(struct actor *a, struct reader *r)
{
	reader_cstring(r);
	text_of(r, a->answering->bound);
	answer(a, "2");
}

static void on_extended(struct actor *a, const struct frame *f)
{
	struct reader r = reader_of(f->body);

	if (a->answering->is_skipping)
		return;
	switch (f->letter) {
	case 'P':
		answer(a, "1");
		return;
	case 'B':
		on_bind(a, &r);
		return;
	case 'D':
		answer(a, "n");
		return;
	case 'C':
		answer(a, "3");
		return;
	case 'E':
		carry_out(a, a->answering->bound, true);
		return;
	}
}

static void on_copy(struct actor *a, uint8_t letter)
{
	struct answering *x = a->answering;

	if (letter == 'd' || letter == 'S' || letter == 'H')
		return;
	x->is_copying = false;
	if (letter == 'c') {
		answer(a, "C[COPY 1]");
	} else {
		answer_error(a);
		x->is_skipping = x->copies_extended;
	}
	if (!x->copies_extended)
		ready(a);
}

static void on_message(struct actor *a, const struct frame *f)
{
	struct reader r = reader_of(f->body);
	char sql[200];

	if (a->answering->is_copying) {
		on_copy(a, f->letter);
		return;
	}
	switch (f->letter) {
	case 'Q':
		if (!a->answering->is_skipping && carry_out(a, text_of(&r, sql), false))
			ready(a);
		return;
	case 'S':
		a->answering->is_skipping = false;
		ready(a);
		return;
	case 'X':
		a->peer.has_closed = true;
		return;
	case 'H':
	case 'c':
	case 'd':
	case 'f':
		return;
	default:
		on_extended(a, f);
	}
}

bool answering_step(struct actor *a)
{
	struct frame f;

	if (!a->answering) {
		a->answering = calloc(1, sizeof(*a->answering));
		CHECK(a->answering);
		a->answering->status = 'I';
	}
	if (a->answering->is_stalled || a->peer.has_closed || a->peer.was_closed ||
	    frame_peek(fake_peer_received(&a->peer), INT32_MAX, &f) != FRAME_OK ||
	    !frame_is_whole(&f))
		return false;
	on_message(a, &f);
	fake_peer_drop(&a->peer, f.total_len);
	return true;
}

void answering_go_on(struct actor *a)
{
	if (!a->answering || !a->answering->is_stalled || a->peer.has_closed)
		return;
	a->answering->is_stalled = false;
	answer(a, "C[SELECT 0]");
	ready(a);
}

void answering_free(struct answering *answering)
{
	free(answering);
}
