/*
 * Two streams with TLS over socket pairs, on a loop with libev that never waits.
 */
#include "harness/tls_pair.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/check.h"
#include "net/transport.h"

enum { QUIET_TURNS = 6 };

static struct tls_end *end_of(struct stream *stream)
{
	return (struct tls_end *)stream;
}

static size_t on_data(struct stream *stream, struct slice bytes)
{
	struct tls_end *e = end_of(stream);
	size_t count = bytes.len < e->consume_most ? bytes.len : e->consume_most;

	CHECK(e->ends == 0 && bytes.len > 0);
	CHECK(buffer_append(&e->seen, slice_first(bytes, count)));
	if (e->echoes)
		stream_write(stream, slice_first(bytes, count));
	return count;
}

static void on_drained(struct stream *stream)
{
	end_of(stream)->drains++;
}

static void on_end(struct stream *stream, enum stream_end how, int error)
{
	struct tls_end *e = end_of(stream);

	e->ends++;
	e->how = how;
	e->error = error;
	tls_problem(stream, e->problem, sizeof(e->problem));
}

static const struct stream_ops ops = {
    .on_data = on_data, .on_drained = on_drained, .on_end = on_end};

static void on_done(struct stream *stream)
{
	struct tls_end *e = end_of(stream);

	e->dones++;
	if (e->in_done)
		e->in_done(e);
}

static void open_end(struct tls_pair *p, struct tls_end *e, int fd)
{
	*e = (struct tls_end){.consume_most = SIZE_MAX};
	stream_open(&e->stream, &p->loop, fd, &transport_plain, &ops);
}

void tls_pair_open(struct tls_pair *p, bool with_relay)
{
	int near[2], far[2];

	*p = (struct tls_pair){.relay = {-1, -1},
			       .up = {.chunk = SIZE_MAX, .stop_at = SIZE_MAX},
			       .down = {.chunk = SIZE_MAX, .stop_at = SIZE_MAX}};
	CHECK(loop_init(&p->loop) == 0);
	CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, near) == 0);
	if (with_relay) {
		CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, far) == 0);
		p->relay[0] = near[1];
		p->relay[1] = far[0];
	}
	open_end(p, &p->client, near[0]);
	open_end(p, &p->server, with_relay ? far[1] : near[1]);
}

static void close_end(struct tls_end *e)
{
	stream_close(&e->stream);
	buffer_fini(&e->seen);
}

void tls_pair_close(struct tls_pair *p)
{
	close_end(&p->client);
	close_end(&p->server);
	for (int i = 0; i < 2; i++)
		if (p->relay[i] >= 0)
			close(p->relay[i]);
	buffer_fini(&p->up.kept);
	buffer_fini(&p->down.kept);
	loop_fini(&p->loop);
}

void tls_pair_start(struct tls_pair *p, struct tls_context *accept,
		    struct tls_context *connect, const struct tls_target *target)
{
	static const struct tls_target nobody;

	CHECK(tls_connect(&p->client.stream, connect, target ? target : &nobody,
			  on_done) == 0);
	CHECK(tls_accept(&p->server.stream, accept, target && target->is_direct,
			 slice_of(NULL, 0), on_done) == 0);
}

/* ---- turning ---- */

static bool take_in(struct tls_lane *lane, int from)
{
	uint8_t bytes[4096];
	ssize_t got = recv(from, bytes, sizeof(bytes), MSG_DONTWAIT);

	if (got > 0)
		CHECK(buffer_append(&lane->kept, slice_of(bytes, (size_t)got)));
	if (got == 0 && !lane->saw_eof) {
		lane->saw_eof = true;
		return true;
	}
	return got > 0;
}

static bool give_out(struct tls_lane *lane, int to)
{
	struct slice kept = buffer_bytes(&lane->kept);
	size_t most = lane->stop_at - lane->count;

	if (most > lane->chunk)
		most = lane->chunk;
	if (lane->saw_eof && kept.len == 0 && !lane->has_shut) {
		lane->has_shut = true;
		shutdown(to, SHUT_WR);
		return true;
	}
	if (kept.len > most)
		kept = slice_first(kept, most);
	ssize_t put =
	    kept.len > 0 ? send(to, kept.data, kept.len, MSG_DONTWAIT | MSG_NOSIGNAL) : 0;
	if (put <= 0)
		return false;
	lane->count += (size_t)put;
	buffer_consume(&lane->kept, (size_t)put);
	return true;
}

static bool turn_relay(struct tls_pair *p)
{
	if (p->relay[0] < 0)
		return false;
	bool moved = take_in(&p->up, p->relay[0]);
	moved |= take_in(&p->down, p->relay[1]);
	moved |= give_out(&p->up, p->relay[1]);
	moved |= give_out(&p->down, p->relay[0]);
	return moved;
}

/* What changes when anything happens. */
static size_t pulse(const struct tls_end *e)
{
	/* Weighed, for what comes in may be as much as what goes out. */
	return 3 * buffer_len(&e->seen) + 5 * buffer_len(&e->stream.in) +
	       7 * buffer_len(&e->stream.out) + 11 * (e->dones + e->ends + e->drains);
}

static size_t pulse_of_both(const struct tls_pair *p)
{
	return pulse(&p->client) * 31 + pulse(&p->server);
}

void tls_pair_settle(struct tls_pair *p)
{
	unsigned quiet = 0;

	while (quiet < QUIET_TURNS) {
		size_t before = pulse_of_both(p);

		ev_run(p->loop.ev, EVRUN_NOWAIT);
		bool moved = turn_relay(p);
		quiet = moved || pulse_of_both(p) != before ? 0 : quiet + 1;
	}
}

bool tls_pair_is_done(const struct tls_pair *p)
{
	return p->client.dones == 1 && p->server.dones == 1 &&
	       tls_is_done(&p->client.stream) && tls_is_done(&p->server.stream);
}

void tls_end_write(struct tls_end *e, const char *text)
{
	stream_write(&e->stream, slice_of_text(text));
}

bool tls_end_saw(const struct tls_end *e, const char *text)
{
	return slice_is_text(buffer_bytes(&e->seen), text);
}
