/* Streams over real sockets: what the kernel does that a fake would not. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "harness/real_loop.h"
#include "net/stream.h"
#include "net/transport.h"

struct stage {
	struct loop loop;
	struct stream stream;
	int peer; /* the other end, blocking */
	char seen[100];
	size_t seen_len, stop_at;
	unsigned ends, drains;
	enum stream_end how;
	int error;
};

static struct stage *stage_of(struct stream *stream)
{
	return (struct stage *)(void *)((char *)stream - offsetof(struct stage, stream));
}

static size_t on_data(struct stream *stream, struct slice bytes)
{
	struct stage *s = stage_of(stream);

	assert_true(s->seen_len + bytes.len < sizeof(s->seen));
	memcpy(s->seen + s->seen_len, bytes.data, bytes.len);
	s->seen_len += bytes.len;
	if (s->seen_len >= s->stop_at)
		loop_stop(&s->loop);
	return bytes.len;
}

static void on_drained(struct stream *stream)
{
	stage_of(stream)->drains++;
	loop_stop(stream->loop);
}

static void on_end(struct stream *stream, enum stream_end how, int error)
{
	struct stage *s = stage_of(stream);

	s->ends++;
	s->how = how;
	s->error = error;
	loop_stop(&s->loop);
}

static const struct stream_ops ops = {
    .on_data = on_data, .on_drained = on_drained, .on_end = on_end};

static void set_nonblocking(int fd)
{
	assert_int_equal(fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK), 0);
}

static int open_stage(void **state, int ours, int theirs)
{
	struct stage *s = calloc(1, sizeof(*s));

	if (!s || loop_init(&s->loop) != 0)
		return -1;
	s->peer = theirs;
	s->stop_at = SIZE_MAX;
	set_nonblocking(ours);
	stream_open(&s->stream, &s->loop, ours, &transport_plain, &ops);
	*state = s;
	return 0;
}

static int open_unix(void **state)
{
	int fds[2];

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, fds) != 0)
		return -1;
	return open_stage(state, fds[0], fds[1]);
}

static int open_tcp(void **state)
{
	struct endpoint at;
	int listening = real_listen("127.0.0.1", &at);
	int theirs = real_connect(&at);
	int ours = accept(listening, NULL, NULL);

	close(listening);
	return theirs < 0 || ours < 0 ? -1 : open_stage(state, ours, theirs);
}

static int close_stage(void **state)
{
	struct stage *s = *state;

	stream_close(&s->stream);
	if (s->peer >= 0)
		close(s->peer);
	loop_fini(&s->loop);
	free(s);
	return 0;
}

static void say(struct stage *s, const char *text)
{
	assert_int_equal(send(s->peer, text, strlen(text), 0), strlen(text));
}

/* All that comes until the end; NUL-terminated. */
static const char *hear(struct stage *s, char *out, size_t cap)
{
	size_t len = 0;
	ssize_t got;

	while ((got = recv(s->peer, out + len, cap - 1 - len, 0)) > 0)
		len += (size_t)got;
	out[len] = '\0';
	return out;
}

static void close_peer(struct stage *s)
{
	close(s->peer);
	s->peer = -1;
}

static void bytes_go_both_ways(void **state)
{
	struct stage *s = *state;
	char got[20];

	say(s, "hello");
	s->stop_at = 5;
	assert_true(real_loop_run(&s->loop, 5000));
	assert_string_equal(s->seen, "hello");
	buffer_append(stream_cork_buffer(&s->stream), slice_of_text("two "));
	stream_corked(&s->stream);
	stream_write(&s->stream, slice_of_text("pieces"));
	assert_int_equal(recv(s->peer, got, sizeof(got), 0), 10);
	assert_memory_equal(got, "two pieces", 10);
}

static void a_peer_that_closes_ends_the_stream(void **state)
{
	struct stage *s = *state;

	say(s, "bye");
	close_peer(s);
	assert_true(real_loop_run(&s->loop, 5000));
	assert_string_equal(s->seen, "bye");
	assert_int_equal(s->ends, 1);
	assert_int_equal(s->how, STREAM_END_BY_PEER);
}

static void
writing_to_a_closed_peer_raises_no_signal_and_loses_no_last_words(void **state)
{
	struct stage *s = *state;

	say(s, "FATAL");
	close_peer(s);
	/* Over TCP the first write is what makes the other side say that it is gone. */
	for (int i = 0; i < 100 && s->stream.write_error == 0; i++)
		stream_write(&s->stream, slice_of_text("x"));
	stream_write(&s->stream, slice_of_text("y"));
	assert_int_equal(s->ends, 0);
	assert_true(real_loop_run(&s->loop, 5000));
	assert_string_equal(s->seen, "FATAL");
	assert_int_equal(s->ends, 1);
}

static void what_the_kernel_cannot_hold_goes_when_the_peer_reads(void **state)
{
	enum { LEN = 20 * 1000 * 1000 };
	struct stage *s = *state;
	uint8_t *bytes = malloc(LEN), piece[65536];
	size_t got_len = 0;

	assert_non_null(bytes);
	for (size_t i = 0; i < LEN; i++)
		bytes[i] = (uint8_t)(i * 31 + (i >> 9));
	stream_write(&s->stream, slice_of(bytes, LEN));
	assert_true(stream_has_queued(&s->stream));
	set_nonblocking(s->peer);
	while (got_len < LEN) {
		ssize_t got = recv(s->peer, piece, sizeof(piece), 0);

		if (got < 0) {
			assert_int_equal(errno, EAGAIN);
			real_loop_run(&s->loop, 1);
			continue;
		}
		assert_memory_equal(piece, bytes + got_len, (size_t)got);
		got_len += (size_t)got;
	}
	free(bytes);
	while (s->drains == 0)
		assert_true(real_loop_run(&s->loop, 5000));
	assert_false(stream_has_queued(&s->stream));
}

static void last_words_survive_bytes_that_nobody_read(void **state)
{
	struct stage *s = *state;
	char got[100];

	/* Closing now would send a reset that destroys the message on its way. */
	say(s, "a query that is not wanted");
	stream_write(&s->stream, slice_of_text("FATAL: go away"));
	stream_finish(&s->stream);
	assert_string_equal(hear(s, got, sizeof(got)), "FATAL: go away");
	say(s, "another");
	close_peer(s);
	assert_true(real_loop_run(&s->loop, 5000));
	assert_int_equal(s->ends, 1);
	assert_int_equal(s->how, STREAM_END_BY_PEER);
	assert_int_equal(s->seen_len, 0);
}

static void a_reset_is_a_broken_connection(void **state)
{
	struct linger abort_it = {.l_onoff = 1};
	struct stage *s = *state;

	setsockopt(s->peer, SOL_SOCKET, SO_LINGER, &abort_it, sizeof(abort_it));
	close_peer(s);
	assert_true(real_loop_run(&s->loop, 5000));
	assert_int_equal(s->how, STREAM_END_BROKEN);
	assert_int_equal(s->error, ECONNRESET);
}

/* Reads so much, and waits until our side knows. */
static void peer_reads(struct stage *s, size_t len)
{
	uint8_t piece[65536];

	while (len > 0) {
		ssize_t got =
		    recv(s->peer, piece, len < sizeof(piece) ? len : sizeof(piece), 0);

		assert_true(got > 0);
		len -= (size_t)got;
	}
}

/* Long before the kernel wants more of us. */
static void what_the_peer_acknowledges_is_seen_when_the_kernel_is_asked(void **state)
{
	enum { LEN = 20 * 1000 * 1000, SECOND = 1000 * 1000 };
	struct stage *s = *state;
	uint8_t *bytes = calloc(1, LEN);

	assert_non_null(bytes);
	assert_int_equal(stream_stalled_us(&s->stream), 0);
	stream_write(&s->stream, slice_of(bytes, LEN));
	assert_true(s->stream.is_blocked);
	/* Over TCP the two ends may still be at it. */
	do {
		s->loop.now_us += SECOND;
	} while (stream_stalled_us(&s->stream) < 10 * (uint64_t)SECOND);
	size_t queued = buffer_len(&s->stream.out);
	for (int tries = 0; stream_stalled_us(&s->stream) > 0; tries++) {
		assert_true(tries < 100);
		peer_reads(s, 64 * 1024);
	}
	assert_int_equal(buffer_len(&s->stream.out), queued);
	s->loop.now_us += SECOND;
	assert_int_equal(stream_stalled_us(&s->stream), SECOND);
	free(bytes);
}

static void closing_closes_the_descriptor_once(void **state)
{
	struct stage *s = *state;
	char byte;

	stream_close(&s->stream);
	stream_close(&s->stream);
	assert_int_equal(recv(s->peer, &byte, 1, 0), 0);
}

#define UNIX(name) cmocka_unit_test_setup_teardown(name, open_unix, close_stage)
#define TCP(name) cmocka_unit_test_setup_teardown(name, open_tcp, close_stage)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    UNIX(bytes_go_both_ways),
	    TCP(bytes_go_both_ways),
	    UNIX(a_peer_that_closes_ends_the_stream),
	    TCP(a_peer_that_closes_ends_the_stream),
	    UNIX(writing_to_a_closed_peer_raises_no_signal_and_loses_no_last_words),
	    TCP(writing_to_a_closed_peer_raises_no_signal_and_loses_no_last_words),
	    UNIX(what_the_kernel_cannot_hold_goes_when_the_peer_reads),
	    TCP(what_the_kernel_cannot_hold_goes_when_the_peer_reads),
	    UNIX(last_words_survive_bytes_that_nobody_read),
	    TCP(last_words_survive_bytes_that_nobody_read),
	    TCP(a_reset_is_a_broken_connection),
	    UNIX(what_the_peer_acknowledges_is_seen_when_the_kernel_is_asked),
	    TCP(what_the_peer_acknowledges_is_seen_when_the_kernel_is_asked),
	    UNIX(closing_closes_the_descriptor_once),
	    TCP(closing_closes_the_descriptor_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
