/* Streams against a fake far end; plain.c has those over real sockets. */
#include "net/stream.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "harness/fake_peer.h"

/* ---- memory that fails when told to ---- */

void *__real_realloc(void *old, size_t len);
void *__wrap_realloc(void *old, size_t len);

static bool memory_is_short;

void *__wrap_realloc(void *old, size_t len)
{
	return memory_is_short ? NULL : __real_realloc(old, len);
}

/* ---- a stream whose owner notes what it was told ---- */

enum { SEEN_MOST = 1 << 22 };

struct probe {
	struct stream stream; /* first: the callbacks find the probe by it */
	struct fake_peer peer;
	struct buffer seen; /* all bytes consumed, in order */
	size_t consume_most;
	size_t last_offer, biggest_offer;
	unsigned offers, drains, ends, depth, deepest, asks;
	enum stream_turn turn; /* what may_read says */
	enum stream_end how;
	int error;
	void (*in_data)(struct probe *probe);
	void (*in_drained)(struct probe *probe);
	void (*in_end)(struct probe *probe);
};

static struct probe *probe_of(struct stream *stream)
{
	return (struct probe *)stream;
}

static size_t on_data(struct stream *stream, struct slice bytes)
{
	struct probe *p = probe_of(stream);
	size_t count = bytes.len < p->consume_most ? bytes.len : p->consume_most;

	assert_int_equal(p->ends, 0);
	assert_true(bytes.len > 0);
	p->offers++;
	p->last_offer = bytes.len;
	if (bytes.len > p->biggest_offer)
		p->biggest_offer = bytes.len;
	if (++p->depth > p->deepest)
		p->deepest = p->depth;
	buffer_append(&p->seen, slice_first(bytes, count));
	if (p->in_data)
		p->in_data(p);
	p->depth--;
	return count;
}

static void on_drained(struct stream *stream)
{
	struct probe *p = probe_of(stream);

	assert_int_equal(p->ends, 0);
	assert_false(stream_has_queued(stream));
	p->drains++;
	if (p->in_drained)
		p->in_drained(p);
}

static void on_end(struct stream *stream, enum stream_end how, int error)
{
	struct probe *p = probe_of(stream);

	p->ends++;
	p->how = how;
	p->error = error;
	if (p->in_end)
		p->in_end(p);
}

static const struct stream_ops ops = {
    .on_data = on_data, .on_drained = on_drained, .on_end = on_end};

static enum stream_turn may_read(struct stream *stream)
{
	struct probe *p = probe_of(stream);

	p->asks++;
	return p->turn;
}

static const struct stream_ops paced_ops = {
    .on_data = on_data, .on_drained = on_drained, .on_end = on_end, .may_read = may_read};

static void probe_open(struct probe *p, struct loop *loop)
{
	*p = (struct probe){.consume_most = SIZE_MAX};
	stream_open(&p->stream, loop, -1, &transport_fake, &ops);
	fake_peer_init(&p->peer);
	fake_peer_attach(&p->peer, &p->stream);
}

static void probe_close(struct probe *p)
{
	stream_close(&p->stream);
	fake_peer_fini(&p->peer);
	buffer_fini(&p->seen);
}

struct stage {
	struct loop loop;
	struct probe a, b;
};

static int open_stage(void **state)
{
	struct stage *s = calloc(1, sizeof(*s));

	if (!s || loop_init_without_events(&s->loop, 1) != 0)
		return -1;
	probe_open(&s->a, &s->loop);
	probe_open(&s->b, &s->loop);
	memory_is_short = false;
	*state = s;
	return 0;
}

static int close_stage(void **state)
{
	struct stage *s = *state;

	memory_is_short = false;
	probe_close(&s->a);
	probe_close(&s->b);
	loop_fini(&s->loop);
	free(s);
	return 0;
}

static void settle(struct stage *s)
{
	fake_peers_settle(&s->loop, (struct fake_peer *[]){&s->a.peer, &s->b.peer}, 2);
}

static void turn(struct stage *s)
{
	loop_turn(&s->loop, s->loop.now_us);
}

static struct slice text(const char *t)
{
	return slice_of_text(t);
}

static void cork(struct stream *s, struct slice bytes)
{
	assert_true(buffer_append(stream_cork_buffer(s), bytes));
	stream_corked(s);
}

/* len bytes that tell their place. */
static struct slice pattern(size_t len)
{
	static uint8_t bytes[SEEN_MOST];

	assert_true(len <= sizeof(bytes));
	for (size_t i = 0; i < len; i++)
		bytes[i] = (uint8_t)(i * 7 + (i >> 8) * 13);
	return slice_of(bytes, len);
}

static void assert_bytes(struct slice is, struct slice should)
{
	assert_int_equal(is.len, should.len);
	if (is.len > 0)
		assert_memory_equal(is.data, should.data, is.len);
}

static bool wants(const struct probe *p, int event)
{
	return loop_io_events(&p->stream.io) & event;
}

/* ---- reading ---- */

static void what_is_consumed_at_once_is_never_kept(void **state)
{
	struct stage *s = *state;

	fake_peer_push(&s->a.peer, text("hello"));
	settle(s);
	assert_bytes(buffer_bytes(&s->a.seen), text("hello"));
	assert_int_equal(s->a.offers, 1);
	assert_int_equal(s->a.peer.reads, 1);
	assert_null(s->a.stream.in.data);
}

static void what_is_not_consumed_is_offered_again_with_more(void **state)
{
	struct stage *s = *state;

	s->a.consume_most = 2;
	fake_peer_push(&s->a.peer, text("hello"));
	settle(s);
	assert_bytes(stream_kept(&s->a.stream), text("llo"));
	s->a.consume_most = SIZE_MAX;
	fake_peer_push(&s->a.peer, text(" world"));
	settle(s);
	assert_int_equal(s->a.last_offer, 9);
	assert_bytes(buffer_bytes(&s->a.seen), text("hello world"));
	assert_null(s->a.stream.in.data);
}

static void every_split_and_every_appetite_gives_the_same_bytes(void **state)
{
	struct stage *s = *state;
	struct slice whole = pattern(9000);

	for (size_t piece = 1; piece < 9000; piece = piece * 3 + 1) {
		for (size_t eat = 1; eat < 20000; eat = eat * 5 + 2) {
			s->a.consume_most = eat;
			s->a.peer.read_most = piece;
			fake_peer_push(&s->a.peer, whole);
			settle(s);
			while (stream_kept(&s->a.stream).len > 0) {
				stream_pump(&s->a.stream);
				settle(s);
			}
			assert_bytes(buffer_bytes(&s->a.seen), whole);
			buffer_fini(&s->a.seen);
		}
	}
}

static void reading_stops_at_keep_max_and_goes_on_when_consumed(void **state)
{
	struct stage *s = *state;

	stream_set_keep_max(&s->a.stream, 10000);
	s->a.consume_most = 0;
	fake_peer_push(&s->a.peer, pattern(50000));
	settle(s);
	assert_int_equal(stream_kept(&s->a.stream).len, 10000);
	assert_false(wants(&s->a, LOOP_READ));
	s->a.consume_most = 1;
	stream_pump(&s->a.stream);
	assert_true(wants(&s->a, LOOP_READ));
	s->a.consume_most = 0;
	settle(s);
	assert_int_equal(stream_kept(&s->a.stream).len, 10000);
	s->a.consume_most = SIZE_MAX;
	stream_pump(&s->a.stream);
	settle(s);
	assert_bytes(buffer_bytes(&s->a.seen), pattern(50000));
}

static void more_room_for_kept_bytes_wakes_the_reader(void **state)
{
	struct stage *s = *state;

	s->a.consume_most = 0;
	stream_set_keep_max(&s->a.stream, 100);
	fake_peer_push(&s->a.peer, pattern(300));
	settle(s);
	assert_int_equal(stream_kept(&s->a.stream).len, 100);
	stream_set_keep_max(&s->a.stream, 200);
	settle(s);
	assert_int_equal(stream_kept(&s->a.stream).len, 200);
}

static void reads_grow_when_all_is_consumed(void **state)
{
	struct stage *s = *state;

	fake_peer_push(&s->a.peer, pattern(3000000));
	fake_peer_poke(&s->a.peer);
	assert_int_equal(s->a.last_offer, 16 * 1024);
	settle(s);
	assert_int_equal(s->a.biggest_offer, LOOP_SCRATCH_LEN);
	assert_bytes(buffer_bytes(&s->a.seen), pattern(3000000));
}

static void a_small_rest_does_not_shrink_reads(void **state)
{
	struct stage *s = *state;

	fake_peer_push(&s->a.peer, pattern(3000000));
	while (s->a.biggest_offer < LOOP_SCRATCH_LEN)
		fake_peer_poke(&s->a.peer);
	s->a.consume_most = LOOP_SCRATCH_LEN - 3;
	fake_peer_poke(&s->a.peer);
	assert_int_equal(stream_kept(&s->a.stream).len, 3);
	fake_peer_poke(&s->a.peer);
	assert_int_equal(s->a.last_offer, LOOP_SCRATCH_LEN);
	s->a.consume_most = SIZE_MAX;
	settle(s);
	assert_bytes(buffer_bytes(&s->a.seen), pattern(3000000));
}

static void an_owner_that_stops_consuming_keeps_one_read_at_most(void **state)
{
	struct stage *s = *state;

	fake_peer_push(&s->a.peer, pattern(3000000));
	while (s->a.biggest_offer < LOOP_SCRATCH_LEN)
		fake_peer_poke(&s->a.peer);
	s->a.consume_most = 0;
	settle(s);
	assert_int_equal(stream_kept(&s->a.stream).len, LOOP_SCRATCH_LEN);
	s->a.consume_most = SIZE_MAX;
	stream_pump(&s->a.stream);
	s->a.consume_most = 0;
	settle(s);
	assert_in_range(stream_kept(&s->a.stream).len, 1, STREAM_KEEP_MAX);
}

static void no_memory_to_keep_bytes_ends_the_stream(void **state)
{
	struct stage *s = *state;

	fake_peer_push(&s->a.peer, text("hello"));
	s->a.consume_most = 0;
	buffer_reserve(&s->a.seen, 100);
	memory_is_short = true;
	settle(s);
	assert_int_equal(s->a.ends, 1);
	assert_int_equal(s->a.how, STREAM_END_MEMORY);
}

/* ---- ends ---- */

static void at_the_end_kept_bytes_are_offered_first(void **state)
{
	struct stage *s = *state;

	s->a.consume_most = 0;
	fake_peer_push(&s->a.peer, text("bye"));
	settle(s);
	s->a.consume_most = SIZE_MAX;
	s->a.peer.has_closed = true;
	settle(s);
	assert_bytes(buffer_bytes(&s->a.seen), text("bye"));
	assert_int_equal(s->a.ends, 1);
	assert_int_equal(s->a.how, STREAM_END_BY_PEER);
}

static void bytes_nobody_wants_are_still_kept_at_the_end(void **state)
{
	struct stage *s = *state;

	s->a.consume_most = 1;
	fake_peer_push(&s->a.peer, text("bye"));
	s->a.peer.has_closed = true;
	settle(s);
	assert_int_equal(s->a.ends, 1);
	assert_bytes(stream_kept(&s->a.stream), text("e"));
}

static void a_read_error_ends_the_stream_once(void **state)
{
	struct stage *s = *state;

	s->a.peer.read_error = ECONNRESET;
	settle(s);
	stream_on_ready(&s->a.stream, LOOP_READ | LOOP_WRITE);
	stream_pump(&s->a.stream);
	stream_write(&s->a.stream, text("x"));
	settle(s);
	assert_int_equal(s->a.ends, 1);
	assert_int_equal(s->a.how, STREAM_END_BROKEN);
	assert_int_equal(s->a.error, ECONNRESET);
	assert_int_equal(s->a.peer.writes, 0);
	assert_int_equal(loop_io_events(&s->a.stream.io), 0);
}

static void a_failed_write_is_told_by_the_loop_and_after_the_last_words(void **state)
{
	struct stage *s = *state;

	fake_peer_push(&s->a.peer, text("FATAL"));
	s->a.peer.has_closed = true;
	s->a.peer.write_error = EPIPE;
	stream_write(&s->a.stream, text("x"));
	assert_int_equal(s->a.ends, 0);
	stream_write(&s->a.stream, text("y"));
	assert_int_equal(s->a.peer.writes, 1);
	turn(s);
	assert_bytes(buffer_bytes(&s->a.seen), text("FATAL"));
	assert_int_equal(s->a.ends, 1);
	assert_int_equal(s->a.how, STREAM_END_BROKEN);
	assert_int_equal(s->a.error, EPIPE);
}

static void a_failed_write_of_a_silent_peer_is_told_too(void **state)
{
	struct stage *s = *state;

	s->a.peer.write_error = ECONNRESET;
	stream_write(&s->a.stream, text("x"));
	turn(s);
	assert_int_equal(s->a.ends, 1);
	assert_int_equal(s->a.error, ECONNRESET);
}

static void last_words_are_bounded(void **state)
{
	struct stage *s = *state;

	s->a.peer.read_most = 100;
	fake_peer_push(&s->a.peer, pattern(100000));
	s->a.peer.write_error = EPIPE;
	stream_write(&s->a.stream, text("x"));
	turn(s);
	assert_int_equal(s->a.ends, 1);
	assert_int_equal(s->a.offers, 16);
}

static void last_words_wait_for_a_full_destination(void **state)
{
	struct stage *s = *state;

	stream_feed(&s->a.stream, &s->b.stream);
	s->b.peer.room = 0;
	stream_write(&s->b.stream, pattern(STREAM_HIGH_WATER + 1));
	fake_peer_push(&s->a.peer, text("FATAL"));
	s->a.peer.has_closed = true;
	s->a.peer.write_error = EPIPE;
	stream_write(&s->a.stream, text("x"));
	settle(s);
	assert_int_equal(s->a.offers + s->a.ends, 0);
	s->b.peer.room = SIZE_MAX;
	settle(s);
	assert_bytes(buffer_bytes(&s->a.seen), text("FATAL"));
	assert_int_equal(s->a.ends, 1);
	assert_int_equal(s->a.error, EPIPE);
}

/* ---- peers that do not read ---- */

static unsigned blocks;

static void on_blocked(struct stream *stream)
{
	assert_true(stream->is_blocked);
	blocks++;
}

static const struct stream_ops watched_ops = {.on_data = on_data,
					      .on_drained = on_drained,
					      .on_end = on_end,
					      .on_blocked = on_blocked};

static void each_time_of_being_blocked_is_told_once(void **state)
{
	struct stage *s = *state;

	blocks = 0;
	stream_set_ops(&s->a.stream, &watched_ops);
	stream_write(&s->a.stream, text("hello"));
	assert_int_equal(blocks, 0);
	s->a.peer.room = 3;
	stream_write(&s->a.stream, text("hello"));
	stream_write(&s->a.stream, text("hello"));
	assert_int_equal(blocks, 1);
	s->a.peer.room = 1;
	settle(s);
	assert_int_equal(blocks, 1);
	s->a.peer.room = SIZE_MAX;
	settle(s);
	s->a.peer.room = 0;
	stream_write(&s->a.stream, text("hello"));
	assert_int_equal(blocks, 2);
}

static void a_peer_stalls_from_what_it_took_last(void **state)
{
	enum { SECOND = 1000 * 1000 };
	struct stage *s = *state;
	struct stream *a = &s->a.stream;

	assert_int_equal(stream_next_look(a, SECOND), UINT64_MAX);
	s->a.peer.room = 3;
	stream_write(a, text("hello"));
	assert_int_equal(stream_next_look(a, 100 * SECOND),
			 s->loop.now_us + 100 * SECOND);
	/* The first look only learns what the kernel has. */
	assert_int_equal(stream_stalled_us(a), 0);
	s->loop.now_us += 30 * SECOND;
	assert_int_equal(stream_stalled_us(a), 30 * SECOND);
	/* On one grid, however often it is asked. */
	assert_int_equal(stream_next_look(a, 100 * SECOND), s->loop.now_us + 70 * SECOND);
	s->loop.now_us += 70 * SECOND;
	assert_int_equal(stream_next_look(a, 100 * SECOND),
			 s->loop.now_us + 100 * SECOND);
	s->a.peer.room = 1;
	settle(s);
	assert_int_equal(stream_stalled_us(a), 0);
	s->loop.now_us += SECOND;
	assert_int_equal(stream_stalled_us(a), SECOND);
	s->a.peer.room = SIZE_MAX;
	settle(s);
	s->loop.now_us += 99 * SECOND;
	assert_int_equal(stream_stalled_us(a), 0);
}

/* ---- writing ---- */

static void what_the_kernel_takes_is_not_queued(void **state)
{
	struct stage *s = *state;

	stream_write(&s->a.stream, text("hello"));
	assert_int_equal(s->a.peer.writes, 1);
	assert_false(stream_has_queued(&s->a.stream));
	assert_bytes(fake_peer_received(&s->a.peer), text("hello"));
	settle(s);
	assert_int_equal(s->a.drains, 0);
}

static void what_the_kernel_does_not_take_goes_later_in_order(void **state)
{
	struct stage *s = *state;

	s->a.peer.room = 3;
	stream_write(&s->a.stream, text("hello"));
	stream_write(&s->a.stream, text(" wor"));
	cork(&s->a.stream, text("ld"));
	assert_int_equal(s->a.peer.writes, 1);
	settle(s);
	assert_int_equal(s->a.peer.writes, 1);
	assert_true(wants(&s->a, LOOP_WRITE));
	s->a.peer.room = 4;
	settle(s);
	assert_int_equal(s->a.drains, 0);
	s->a.peer.room = SIZE_MAX;
	settle(s);
	assert_int_equal(s->a.drains, 1);
	assert_false(wants(&s->a, LOOP_WRITE));
	assert_bytes(fake_peer_received(&s->a.peer), text("hello world"));
}

static void corked_bytes_leave_in_front_of_the_next_write(void **state)
{
	struct stage *s = *state;

	cork(&s->a.stream, text("SET;"));
	assert_int_equal(s->a.peer.writes, 0);
	stream_write(&s->a.stream, text("SELECT"));
	settle(s);
	assert_int_equal(s->a.peer.writes, 1);
	assert_int_equal(s->a.peer.most_pieces, 2);
	assert_bytes(fake_peer_received(&s->a.peer), text("SET;SELECT"));
}

static void corked_bytes_leave_at_the_end_of_the_turn(void **state)
{
	struct stage *s = *state;

	cork(&s->a.stream, text("one "));
	cork(&s->a.stream, text("two"));
	assert_int_equal(s->a.peer.writes, 0);
	turn(s);
	assert_int_equal(s->a.peer.writes, 1);
	assert_bytes(fake_peer_received(&s->a.peer), text("one two"));
	turn(s);
	assert_int_equal(s->a.peer.writes, 1);
}

static void every_split_of_corked_and_written_bytes_keeps_the_order(void **state)
{
	struct stage *s = *state;

	for (size_t taken = 0; taken <= 8; taken++) {
		s->a.peer.room = taken;
		cork(&s->a.stream, text("abcd"));
		stream_write(&s->a.stream, text("efgh"));
		assert_int_equal(stream_has_queued(&s->a.stream), taken < 8);
		s->a.peer.room = SIZE_MAX;
		settle(s);
		assert_bytes(fake_peer_received(&s->a.peer), text("abcdefgh"));
		fake_peer_drop(&s->a.peer, 8);
	}
}

static void nothing_is_built_up_for_a_closed_stream(void **state)
{
	struct stage *s = *state;

	stream_close(&s->a.stream);
	stream_write(&s->a.stream, text("x"));
	cork(&s->a.stream, text("x"));
	assert_false(stream_has_queued(&s->a.stream));
	turn(s);
	assert_int_equal(s->a.peer.writes, 0);
}

static void no_memory_to_queue_ends_the_stream_from_the_loop(void **state)
{
	struct stage *s = *state;

	s->a.peer.room = 0;
	memory_is_short = true;
	stream_write(&s->a.stream, text("hello"));
	assert_int_equal(s->a.ends, 0);
	memory_is_short = false;
	turn(s);
	assert_int_equal(s->a.ends, 1);
	assert_int_equal(s->a.how, STREAM_END_MEMORY);
}

/* ---- back-pressure ---- */

static void a_full_destination_stops_its_source(void **state)
{
	struct stage *s = *state;

	stream_feed(&s->a.stream, &s->b.stream);
	s->b.peer.room = 0;
	stream_write(&s->b.stream, pattern(STREAM_HIGH_WATER));
	assert_true(wants(&s->a, LOOP_READ));
	stream_write(&s->b.stream, text("x"));
	assert_false(wants(&s->a, LOOP_READ));
	s->b.peer.room = STREAM_HIGH_WATER;
	settle(s);
	assert_false(wants(&s->a, LOOP_READ));
	s->b.peer.room = 1;
	settle(s);
	assert_true(wants(&s->a, LOOP_READ));
}

static void a_source_joined_to_a_full_destination_does_not_read(void **state)
{
	struct stage *s = *state;

	s->b.peer.room = 0;
	stream_write(&s->b.stream, pattern(STREAM_HIGH_WATER + 1));
	stream_feed(&s->a.stream, &s->b.stream);
	assert_false(wants(&s->a, LOOP_READ));
	stream_unfeed(&s->a.stream);
	assert_true(wants(&s->a, LOOP_READ));
}

static void a_closed_destination_lets_its_source_go(void **state)
{
	struct stage *s = *state;

	s->b.peer.room = 0;
	stream_feed(&s->a.stream, &s->b.stream);
	stream_write(&s->b.stream, pattern(STREAM_HIGH_WATER + 1));
	stream_close(&s->b.stream);
	assert_true(wants(&s->a, LOOP_READ));
	assert_null(s->a.stream.feeds);
}

static void a_slow_reader_makes_for_small_reads(void **state)
{
	struct stage *s = *state;

	stream_feed(&s->a.stream, &s->b.stream);
	s->b.peer.room = 1;
	stream_write(&s->b.stream, text("xy"));
	fake_peer_push(&s->a.peer, pattern(3000000));
	fake_peer_poke(&s->a.peer);
	assert_int_equal(s->a.last_offer, 8 * 1024);
	s->b.peer.room = SIZE_MAX;
	fake_peer_poke(&s->b.peer);
	fake_peer_poke(&s->a.peer);
	assert_int_equal(s->a.last_offer, 8 * 1024);
	for (int i = 0; i < 10; i++)
		fake_peer_poke(&s->a.peer);
	assert_int_equal(s->a.last_offer, LOOP_SCRATCH_LEN);
}

/* ---- two that feed each other, at random ---- */

/* The smallest good generator: the same numbers in every run. */
static uint32_t next_random(uint32_t *seed)
{
	*seed = *seed * 1664525 + 1013904223;
	return *seed >> 8;
}

static void forward(struct probe *p, struct probe *to)
{
	size_t before = buffer_len(&p->seen);

	if (before == 0)
		return;
	stream_write(&to->stream, buffer_bytes(&p->seen));
	buffer_fini(&p->seen);
}

static void forward_to_other(struct probe *p)
{
	struct stage *s = (struct stage *)(void *)((char *)p->stream.loop -
						   offsetof(struct stage, loop));

	forward(p, p == &s->a ? &s->b : &s->a);
}

static void shake(struct stage *s, struct probe *p, uint32_t *seed)
{
	static const size_t limits[] = {1, 7, 100, 5000, SIZE_MAX};

	p->peer.read_most = limits[next_random(seed) % 5];
	p->peer.write_most = limits[next_random(seed) % 5];
	p->consume_most = limits[next_random(seed) % 5];
	p->peer.room = next_random(seed) % 3 ? next_random(seed) % 20000 : 0;
	if (next_random(seed) % 4 == 0)
		stream_pump(&p->stream);
	fake_peer_poke(&p->peer);
	if (next_random(seed) % 2)
		turn(s);
	assert_in_range(buffer_len(&p->stream.out), 0,
			STREAM_HIGH_WATER + LOOP_SCRATCH_LEN);
}

static void open_up(struct probe *p)
{
	p->peer.read_most = p->peer.write_most = p->peer.room = SIZE_MAX;
	p->consume_most = SIZE_MAX;
	stream_pump(&p->stream);
}

static void nothing_is_lost_or_swapped_whatever_the_pace(void **state)
{
	struct stage *s = *state;
	struct slice ab = slice_first(pattern(300000), 200000);
	struct slice ba = slice_after(pattern(300000), 100001);

	s->a.in_data = s->b.in_data = forward_to_other;
	stream_feed(&s->a.stream, &s->b.stream);
	stream_feed(&s->b.stream, &s->a.stream);
	for (uint32_t run = 1; run <= 40; run++) {
		uint32_t seed = run;

		fake_peer_push(&s->a.peer, ab);
		fake_peer_push(&s->b.peer, ba);
		for (int i = 0; i < 300; i++) {
			shake(s, &s->a, &seed);
			shake(s, &s->b, &seed);
		}
		open_up(&s->a);
		open_up(&s->b);
		settle(s);
		assert_bytes(fake_peer_received(&s->b.peer), ab);
		assert_bytes(fake_peer_received(&s->a.peer), ba);
		fake_peer_drop(&s->b.peer, ab.len);
		fake_peer_drop(&s->a.peer, ba.len);
	}
}

static void two_peers_that_only_write_do_not_wait_for_each_other(void **state)
{
	struct stage *s = *state;
	struct slice much = pattern(SEEN_MOST);

	s->a.in_data = s->b.in_data = forward_to_other;
	stream_feed(&s->a.stream, &s->b.stream);
	stream_feed(&s->b.stream, &s->a.stream);
	s->a.peer.room = s->b.peer.room = 0;
	fake_peer_push(&s->a.peer, much);
	fake_peer_push(&s->b.peer, much);
	settle(s);
	/* Both are full; memory is bounded. */
	assert_false(wants(&s->a, LOOP_READ));
	assert_false(wants(&s->b, LOOP_READ));
	assert_in_range(buffer_len(&s->a.stream.out), 1, STREAM_HIGH_WATER + 16 * 1024);
	/* One begins to read: its direction flows to the end though the other stands. */
	s->a.peer.room = SIZE_MAX;
	settle(s);
	assert_bytes(fake_peer_received(&s->a.peer), much);
	assert_false(wants(&s->a, LOOP_READ));
	s->b.peer.room = SIZE_MAX;
	settle(s);
	assert_bytes(fake_peer_received(&s->b.peer), much);
}

/* ---- callbacks that do things ---- */

static void close_it(struct probe *p)
{
	stream_close(&p->stream);
	assert_false(stream_is_open(&p->stream));
	stream_close(&p->stream);
}

static void closing_in_on_data_is_fine(void **state)
{
	struct stage *s = *state;

	s->a.in_data = close_it;
	fake_peer_push(&s->a.peer, text("hello"));
	s->a.peer.has_closed = true;
	settle(s);
	assert_int_equal(s->a.offers, 1);
	assert_int_equal(s->a.ends, 0);
	assert_true(s->a.peer.was_closed);
}

static void closing_in_on_data_of_kept_bytes_is_fine(void **state)
{
	struct stage *s = *state;

	s->a.consume_most = 0;
	fake_peer_push(&s->a.peer, text("hello"));
	settle(s);
	s->a.in_data = close_it;
	s->a.consume_most = 2;
	stream_pump(&s->a.stream);
	assert_int_equal(s->a.offers, 2);
	assert_null(s->a.stream.in.data);
}

static void closing_in_on_data_at_the_end_suppresses_on_end(void **state)
{
	struct stage *s = *state;

	s->a.consume_most = 0;
	fake_peer_push(&s->a.peer, text("hello"));
	settle(s);
	s->a.in_data = close_it;
	s->a.peer.has_closed = true;
	settle(s);
	assert_int_equal(s->a.ends, 0);
}

static void closing_in_on_drained_is_fine(void **state)
{
	struct stage *s = *state;

	s->a.in_drained = close_it;
	s->a.peer.room = 1;
	stream_write(&s->a.stream, text("hello"));
	s->a.peer.room = SIZE_MAX;
	fake_peer_push(&s->a.peer, text("x"));
	/* Both events at once: the second must not be looked at. */
	stream_on_ready(&s->a.stream, LOOP_READ | LOOP_WRITE);
	assert_int_equal(s->a.drains, 1);
	assert_int_equal(s->a.offers, 0);
}

static void closing_in_on_end_is_fine(void **state)
{
	struct stage *s = *state;

	s->a.in_end = s->b.in_end = close_it;
	s->a.peer.has_closed = true;
	s->b.peer.write_error = EPIPE;
	stream_write(&s->b.stream, text("x"));
	settle(s);
	assert_int_equal(s->a.ends, 1);
	assert_int_equal(s->b.ends, 1);
	assert_true(s->b.peer.was_closed);
}

static void closing_before_the_failure_is_told_keeps_it_quiet(void **state)
{
	struct stage *s = *state;

	s->a.peer.write_error = EPIPE;
	stream_write(&s->a.stream, text("x"));
	stream_close(&s->a.stream);
	turn(s);
	assert_int_equal(s->a.ends, 0);
}

static void close_both(struct probe *p)
{
	struct stage *s = (struct stage *)(void *)((char *)p->stream.loop -
						   offsetof(struct stage, loop));

	stream_close(&s->a.stream);
	stream_close(&s->b.stream);
}

static void closing_both_ends_of_a_pair_is_fine(void **state)
{
	struct stage *s = *state;

	stream_feed(&s->a.stream, &s->b.stream);
	stream_feed(&s->b.stream, &s->a.stream);
	s->a.in_data = close_both;
	fake_peer_push(&s->a.peer, text("x"));
	fake_peer_push(&s->b.peer, text("x"));
	settle(s);
	assert_int_equal(s->a.offers, 1);
	assert_int_equal(s->b.offers, 0);
}

static void pump_thrice(struct probe *p)
{
	if (p->offers < 3)
		stream_pump(&p->stream);
}

static void pumping_inside_on_data_runs_again_without_recursion(void **state)
{
	struct stage *s = *state;

	s->a.in_data = pump_thrice;
	s->a.consume_most = 1;
	fake_peer_push(&s->a.peer, text("hello"));
	settle(s);
	assert_int_equal(s->a.offers, 3);
	assert_int_equal(s->a.deepest, 1);
	assert_bytes(buffer_bytes(&s->a.seen), text("hel"));
	assert_bytes(stream_kept(&s->a.stream), text("lo"));
}

static void pump_other(struct probe *p)
{
	struct stage *s = (struct stage *)(void *)((char *)p->stream.loop -
						   offsetof(struct stage, loop));

	if (s->a.offers + s->b.offers < 6)
		stream_pump(p == &s->a ? &s->b.stream : &s->a.stream);
}

static void two_that_pump_each_other_do_not_recurse(void **state)
{
	struct stage *s = *state;

	s->a.consume_most = s->b.consume_most = 1;
	fake_peer_push(&s->a.peer, text("hello"));
	fake_peer_push(&s->b.peer, text("world"));
	settle(s);
	s->a.in_data = s->b.in_data = pump_other;
	stream_pump(&s->a.stream);
	assert_int_equal(s->a.deepest, 1);
	assert_int_equal(s->b.deepest, 1);
	assert_true(s->a.offers + s->b.offers >= 6);
}

static void answer(struct probe *p)
{
	stream_write(&p->stream, text("pong"));
}

static void writing_inside_on_data_is_fine(void **state)
{
	struct stage *s = *state;

	s->a.in_data = answer;
	fake_peer_push(&s->a.peer, text("ping"));
	settle(s);
	assert_bytes(fake_peer_received(&s->a.peer), text("pong"));
	s->a.peer.write_error = EPIPE;
	fake_peer_push(&s->a.peer, text("ping"));
	settle(s);
	assert_int_equal(s->a.ends, 1);
}

/* ---- finishing ---- */

static void finishing_sends_what_is_queued_then_waits_for_the_peer(void **state)
{
	struct stage *s = *state;

	s->a.peer.room = 2;
	stream_write(&s->a.stream, text("FATAL"));
	stream_finish(&s->a.stream);
	stream_write(&s->a.stream, text("more"));
	fake_peer_push(&s->a.peer, pattern(200000));
	settle(s);
	assert_false(s->a.peer.was_shut_down);
	assert_int_equal(s->a.offers, 0);
	assert_int_equal(buffer_len(&s->a.peer.sent), 0);
	s->a.peer.room = SIZE_MAX;
	settle(s);
	assert_true(s->a.peer.was_shut_down);
	assert_bytes(fake_peer_received(&s->a.peer), text("FATAL"));
	assert_int_equal(s->a.ends + s->a.drains, 0);
	s->a.peer.has_closed = true;
	settle(s);
	assert_int_equal(s->a.ends, 1);
	assert_int_equal(s->a.how, STREAM_END_BY_PEER);
}

static void finishing_sends_corked_bytes_at_once(void **state)
{
	struct stage *s = *state;

	cork(&s->a.stream, text("FATAL"));
	stream_finish(&s->a.stream);
	assert_true(s->a.peer.was_shut_down);
	assert_bytes(fake_peer_received(&s->a.peer), text("FATAL"));
	cork(&s->a.stream, text("x"));
	turn(s);
	assert_int_equal(s->a.peer.writes, 1);
}

static void a_peer_that_closes_first_still_gets_the_last_words(void **state)
{
	struct stage *s = *state;

	s->a.peer.room = 0;
	stream_write(&s->a.stream, text("FATAL"));
	stream_finish(&s->a.stream);
	s->a.peer.has_closed = true;
	settle(s);
	assert_int_equal(s->a.ends, 0);
	assert_false(wants(&s->a, LOOP_READ));
	s->a.peer.room = SIZE_MAX;
	settle(s);
	assert_bytes(fake_peer_received(&s->a.peer), text("FATAL"));
	assert_int_equal(s->a.ends, 1);
}

static void finish_it(struct probe *p)
{
	stream_write(&p->stream, text("FATAL"));
	stream_finish(&p->stream);
}

static void finishing_inside_on_data_drops_the_rest(void **state)
{
	struct stage *s = *state;

	for (int is_kept = 0; is_kept < 2; is_kept++) {
		struct probe *p = is_kept ? &s->b : &s->a;

		p->consume_most = 0;
		p->in_data = is_kept ? NULL : finish_it;
		fake_peer_push(&p->peer, text("hello"));
		settle(s);
		p->in_data = finish_it;
		p->consume_most = 3;
		stream_pump(&p->stream);
		assert_int_equal(p->offers, is_kept ? 2 : 1);
		assert_null(p->stream.in.data);
		p->peer.has_closed = true;
		settle(s);
		assert_int_equal(p->ends, 1);
	}
}

static void finishing_a_broken_stream_ends_it(void **state)
{
	struct stage *s = *state;

	s->a.peer.write_error = EPIPE;
	cork(&s->a.stream, text("x"));
	stream_finish(&s->a.stream);
	assert_int_equal(s->a.ends, 0);
	turn(s);
	assert_int_equal(s->a.ends, 1);
	s->b.peer.write_error = EPIPE;
	stream_write(&s->b.stream, text("x"));
	stream_finish(&s->b.stream);
	turn(s);
	assert_int_equal(s->b.ends, 1);
}

static void finishing_lets_the_other_stream_go(void **state)
{
	struct stage *s = *state;

	s->b.peer.room = 0;
	stream_feed(&s->a.stream, &s->b.stream);
	stream_write(&s->b.stream, pattern(STREAM_HIGH_WATER + 1));
	stream_finish(&s->b.stream);
	assert_true(wants(&s->a, LOOP_READ));
	assert_null(s->b.stream.fed_by);
}

/* ---- broken promises ---- */

static size_t too_much(struct stream *stream, struct slice bytes)
{
	(void)stream;
	return bytes.len + 1;
}

static void consuming_more_than_was_offered_stops_the_program(void **state)
{
	static const struct stream_ops greedy = {.on_data = too_much, .on_end = on_end};
	struct stage *s = *state;
	pid_t child = fork();
	int status;

	if (child == 0) {
		close(STDERR_FILENO);
		signal(SIGABRT, SIG_DFL);
		s->a.stream.ops = &greedy;
		fake_peer_push(&s->a.peer, text("x"));
		settle(s);
		_exit(0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
}

/* ---- reads that wait for the owner ---- */

static void hold(struct stage *s)
{
	stream_set_ops(&s->a.stream, &paced_ops);
	s->a.turn = STREAM_TURN_SOON;
	fake_peer_push(&s->a.peer, slice_of_text("hello"));
	fake_peer_poke(&s->a.peer);
	assert_int_equal(s->a.asks, 1);
	assert_int_equal(s->a.peer.reads, 0);
}

static void an_owner_is_asked_before_each_read(void **state)
{
	struct stage *s = *state;

	stream_set_ops(&s->a.stream, &paced_ops);
	for (unsigned i = 1; i < 4; i++) {
		fake_peer_push(&s->a.peer, slice_of_text("x"));
		fake_peer_poke(&s->a.peer);
		assert_int_equal(s->a.asks, i);
		assert_int_equal(s->a.peer.reads, i);
	}
	assert_int_equal(buffer_len(&s->a.seen), 3);
}

static void a_held_stream_is_read_at_once_when_released(void **state)
{
	struct stage *s = *state;

	hold(s);
	assert_int_equal(loop_io_events(&s->a.stream.io), LOOP_READ);
	stream_release(&s->a.stream);
	assert_int_equal(s->a.peer.reads, 1);
	assert_true(slice_is_text(buffer_bytes(&s->a.seen), "hello"));
	stream_release(&s->a.stream);
	assert_int_equal(s->a.peer.reads, 1);
	assert_int_equal(s->a.asks, 1);
}

static void release_the_unwatched(struct stage *s)
{
	assert_int_equal(loop_io_events(&s->a.stream.io), 0);
	assert_int_equal(s->a.asks, 1);
	assert_int_equal(s->a.peer.reads, 0);
	stream_pump(&s->a.stream);
	turn(s);
	assert_int_equal(s->a.peer.reads, 0);
	stream_release(&s->a.stream);
	assert_int_equal(loop_io_events(&s->a.stream.io), LOOP_READ);
	assert_int_equal(s->a.peer.reads, 1);
}

static void a_stream_whose_turn_comes_soon_is_watched_for_some_turns(void **state)
{
	struct stage *s = *state;
	int reports = 0;

	hold(s);
	for (; loop_io_events(&s->a.stream.io) == LOOP_READ; reports++) {
		assert_true(reports < 20);
		fake_peer_poke(&s->a.peer);
	}
	assert_true(reports > 2);
	release_the_unwatched(s);
	/* It counts anew. */
	fake_peer_push(&s->a.peer, slice_of_text("again"));
	fake_peer_poke(&s->a.peer);
	fake_peer_poke(&s->a.peer);
	assert_int_equal(s->a.asks, 2);
	assert_int_equal(loop_io_events(&s->a.stream.io), LOOP_READ);
}

static void a_stream_whose_turn_comes_later_is_not_watched(void **state)
{
	struct stage *s = *state;

	stream_set_ops(&s->a.stream, &paced_ops);
	s->a.turn = STREAM_TURN_LATER;
	fake_peer_push(&s->a.peer, slice_of_text("hello"));
	fake_peer_poke(&s->a.peer);
	release_the_unwatched(s);
}

static void a_held_stream_still_writes(void **state)
{
	struct stage *s = *state;

	hold(s);
	stream_write(&s->a.stream, slice_of_text("wait"));
	assert_true(slice_is_text(fake_peer_received(&s->a.peer), "wait"));
}

static struct stream *to_release;

static void release_other(struct probe *p)
{
	(void)p;
	stream_release(to_release);
}

static void a_release_inside_of_a_read_is_put_off(void **state)
{
	struct stage *s = *state;

	hold(s);
	to_release = &s->a.stream;
	s->b.in_data = release_other;
	fake_peer_push(&s->b.peer, slice_of_text("your turn"));
	fake_peer_poke(&s->b.peer);
	assert_int_equal(s->a.peer.reads, 0);
	turn(s);
	assert_int_equal(s->a.peer.reads, 1);
	assert_int_equal(s->a.asks, 1);
	assert_true(slice_is_text(buffer_bytes(&s->a.seen), "hello"));
}

static void release_in_may_read(struct probe *p)
{
	stream_release(&p->stream);
}

static enum stream_turn may_read_releasing(struct stream *stream)
{
	release_in_may_read(probe_of(stream));
	return STREAM_TURN_SOON;
}

static void a_release_while_asked_reads_once(void **state)
{
	static const struct stream_ops releasing = {
	    .on_data = on_data, .on_end = on_end, .may_read = may_read_releasing};
	struct stage *s = *state;

	stream_set_ops(&s->a.stream, &releasing);
	fake_peer_push(&s->a.peer, slice_of_text("x"));
	fake_peer_poke(&s->a.peer);
	assert_int_equal(s->a.peer.reads, 1);
}

static void a_held_stream_that_finishes_is_read_unasked(void **state)
{
	struct stage *s = *state;

	hold(s);
	stream_finish(&s->a.stream);
	s->a.peer.has_closed = true;
	settle(s);
	assert_int_equal(s->a.asks, 1);
	assert_int_equal(s->a.ends, 1);
	assert_int_equal(buffer_len(&s->a.seen), 0);
}

static void a_held_stream_may_be_closed(void **state)
{
	struct stage *s = *state;

	hold(s);
	stream_close(&s->a.stream);
	stream_release(&s->a.stream);
	turn(s);
	assert_int_equal(s->a.peer.reads, 0);
}

/* ---- transports that keep bytes to themselves ---- */

static void show_all(struct probe *p)
{
	p->stream.wire &= (uint8_t)~STREAM_WIRE_READABLE;
}

static void hidden_bytes_are_read_without_readiness(void **state)
{
	struct stage *s = *state;

	s->a.in_data = show_all;
	fake_peer_push(&s->a.peer, slice_of_text("hidden"));
	s->a.stream.wire = STREAM_WIRE_READABLE;
	stream_rewire(&s->a.stream);
	assert_int_equal(s->a.peer.reads, 0);
	turn(s);
	assert_true(slice_is_text(buffer_bytes(&s->a.seen), "hidden"));
	turn(s);
	assert_int_equal(s->a.peer.reads, 1);
}

static void hidden_bytes_wait_for_room(void **state)
{
	struct stage *s = *state;

	s->a.consume_most = 0;
	stream_set_keep_max(&s->a.stream, 3);
	fake_peer_push(&s->a.peer, slice_of_text("abcdef"));
	s->a.stream.wire = STREAM_WIRE_READABLE;
	stream_rewire(&s->a.stream);
	turn(s);
	turn(s);
	assert_int_equal(s->a.peer.reads, 1);
	s->a.in_data = show_all;
	s->a.consume_most = SIZE_MAX;
	stream_pump(&s->a.stream);
	s->a.stream.wire = STREAM_WIRE_READABLE;
	stream_rewire(&s->a.stream);
	turn(s);
	assert_true(slice_is_text(buffer_bytes(&s->a.seen), "abcdef"));
}

static void marks_say_what_is_watched(void **state)
{
	struct stage *s = *state;

	s->a.peer.room = 0;
	stream_write(&s->a.stream, slice_of_text("later"));
	assert_int_equal(loop_io_events(&s->a.stream.io), LOOP_READ | LOOP_WRITE);
	s->a.stream.wire = STREAM_WIRE_SHUT;
	stream_rewire(&s->a.stream);
	assert_int_equal(loop_io_events(&s->a.stream.io), LOOP_READ);
	s->a.stream.wire = STREAM_WIRE_SHUT | STREAM_WIRE_UNSENT;
	stream_rewire(&s->a.stream);
	assert_int_equal(loop_io_events(&s->a.stream.io), LOOP_READ | LOOP_WRITE);
	s->a.peer.room = SIZE_MAX;
	s->a.stream.wire = 0;
	stream_rewire(&s->a.stream);
	assert_int_equal(loop_io_events(&s->a.stream.io), LOOP_READ);
	assert_int_equal(s->a.drains, 1);
	assert_true(slice_is_text(fake_peer_received(&s->a.peer), "later"));
}

static void a_transports_failure_is_told_by_the_loop(void **state)
{
	struct stage *s = *state;

	fake_peer_push(&s->a.peer, slice_of_text("why"));
	stream_fail(&s->a.stream, EPROTO);
	stream_fail(&s->a.stream, EPIPE);
	assert_int_equal(s->a.ends, 0);
	turn(s);
	assert_int_equal(s->a.ends, 1);
	assert_int_equal(s->a.how, STREAM_END_BROKEN);
	assert_int_equal(s->a.error, EPROTO);
	assert_true(slice_is_text(buffer_bytes(&s->a.seen), "why"));
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, open_stage, close_stage)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    CASE(what_is_consumed_at_once_is_never_kept),
	    CASE(what_is_not_consumed_is_offered_again_with_more),
	    CASE(every_split_and_every_appetite_gives_the_same_bytes),
	    CASE(reading_stops_at_keep_max_and_goes_on_when_consumed),
	    CASE(more_room_for_kept_bytes_wakes_the_reader),
	    CASE(reads_grow_when_all_is_consumed),
	    CASE(a_small_rest_does_not_shrink_reads),
	    CASE(an_owner_that_stops_consuming_keeps_one_read_at_most),
	    CASE(no_memory_to_keep_bytes_ends_the_stream),
	    CASE(at_the_end_kept_bytes_are_offered_first),
	    CASE(bytes_nobody_wants_are_still_kept_at_the_end),
	    CASE(a_read_error_ends_the_stream_once),
	    CASE(each_time_of_being_blocked_is_told_once),
	    CASE(a_peer_stalls_from_what_it_took_last),
	    CASE(a_failed_write_is_told_by_the_loop_and_after_the_last_words),
	    CASE(a_failed_write_of_a_silent_peer_is_told_too),
	    CASE(last_words_are_bounded),
	    CASE(last_words_wait_for_a_full_destination),
	    CASE(what_the_kernel_takes_is_not_queued),
	    CASE(what_the_kernel_does_not_take_goes_later_in_order),
	    CASE(corked_bytes_leave_in_front_of_the_next_write),
	    CASE(corked_bytes_leave_at_the_end_of_the_turn),
	    CASE(every_split_of_corked_and_written_bytes_keeps_the_order),
	    CASE(nothing_is_built_up_for_a_closed_stream),
	    CASE(no_memory_to_queue_ends_the_stream_from_the_loop),
	    CASE(a_full_destination_stops_its_source),
	    CASE(a_source_joined_to_a_full_destination_does_not_read),
	    CASE(a_closed_destination_lets_its_source_go),
	    CASE(a_slow_reader_makes_for_small_reads),
	    CASE(nothing_is_lost_or_swapped_whatever_the_pace),
	    CASE(two_peers_that_only_write_do_not_wait_for_each_other),
	    CASE(closing_in_on_data_is_fine),
	    CASE(closing_in_on_data_of_kept_bytes_is_fine),
	    CASE(closing_in_on_data_at_the_end_suppresses_on_end),
	    CASE(closing_in_on_drained_is_fine),
	    CASE(closing_in_on_end_is_fine),
	    CASE(closing_before_the_failure_is_told_keeps_it_quiet),
	    CASE(closing_both_ends_of_a_pair_is_fine),
	    CASE(pumping_inside_on_data_runs_again_without_recursion),
	    CASE(two_that_pump_each_other_do_not_recurse),
	    CASE(writing_inside_on_data_is_fine),
	    CASE(finishing_sends_what_is_queued_then_waits_for_the_peer),
	    CASE(finishing_sends_corked_bytes_at_once),
	    CASE(a_peer_that_closes_first_still_gets_the_last_words),
	    CASE(finishing_inside_on_data_drops_the_rest),
	    CASE(finishing_a_broken_stream_ends_it),
	    CASE(finishing_lets_the_other_stream_go),
	    CASE(consuming_more_than_was_offered_stops_the_program),
	    CASE(an_owner_is_asked_before_each_read),
	    CASE(a_held_stream_is_read_at_once_when_released),
	    CASE(a_stream_whose_turn_comes_soon_is_watched_for_some_turns),
	    CASE(a_stream_whose_turn_comes_later_is_not_watched),
	    CASE(a_held_stream_still_writes),
	    CASE(a_release_inside_of_a_read_is_put_off),
	    CASE(a_release_while_asked_reads_once),
	    CASE(a_held_stream_that_finishes_is_read_unasked),
	    CASE(a_held_stream_may_be_closed),
	    CASE(hidden_bytes_are_read_without_readiness),
	    CASE(hidden_bytes_wait_for_room),
	    CASE(marks_say_what_is_watched),
	    CASE(a_transports_failure_is_told_by_the_loop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
