/* Who stops whom; stream.c has the same with bytes that flow. */
#include "net/water.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

struct stage {
	struct loop loop;
	struct stream from, to; /* from feeds to */
	unsigned flushes;
};

static void on_flush(struct loop_task *task)
{
	struct stream *s =
	    (struct stream *)(void *)((char *)task - offsetof(struct stream, flush));
	struct stage *stage =
	    (struct stage *)(void *)((char *)s->loop - offsetof(struct stage, loop));

	stage->flushes++;
}

static void open_bare(struct stream *s, struct loop *loop)
{
	*s = (struct stream){.loop = loop, .keep_max = 10, .flush.run = on_flush};
	appetite_init(&s->appetite);
	loop_io_init(&s->io, -1, NULL);
	water_watch(s);
}

static int open_stage(void **state)
{
	struct stage *s = calloc(1, sizeof(*s));

	if (!s || loop_init_without_events(&s->loop, 1) != 0)
		return -1;
	open_bare(&s->from, &s->loop);
	open_bare(&s->to, &s->loop);
	s->from.feeds = &s->to;
	s->to.fed_by = &s->from;
	*state = s;
	return 0;
}

static int close_stage(void **state)
{
	struct stage *s = *state;

	buffer_fini(&s->from.in);
	buffer_fini(&s->to.out);
	loop_fini(&s->loop);
	free(s);
	return 0;
}

static bool is_read(const struct stream *s)
{
	return loop_io_events(&s->io) & LOOP_READ;
}

/* Puts so many bytes into `out`, in place of what is there. */
static void fill(struct stream *s, size_t len)
{
	static const uint8_t bytes[STREAM_HIGH_WATER + 1];

	buffer_fini(&s->out);
	assert_true(buffer_append(&s->out, slice_of(bytes, len)));
	water_judge(s);
}

static void what_stops_reading_stops_it_and_no_more(void **state)
{
	struct stage *s = *state;
	assert_true(water_may_read(&s->from));
	s->from.is_throttled = true;
	assert_false(water_may_read(&s->from));
	s->from.is_throttled = false;
	s->from.saw_eof = true;
	assert_false(water_may_read(&s->from));
	s->from.saw_eof = false;
	s->from.has_ended = true;
	assert_false(water_may_read(&s->from));
}

static void kept_bytes_stop_reading_when_there_is_no_room_for_more(void **state)
{
	struct stage *s = *state;

	buffer_append(&s->from.in, slice_of_text("123456789"));
	assert_true(water_may_read(&s->from));
	buffer_append(&s->from.in, slice_of_text("0"));
	assert_false(water_may_read(&s->from));
}

static void who_finishes_reads_until_the_peer_has_closed(void **state)
{
	struct stage *s = *state;

	s->from.is_finishing = s->from.is_throttled = true;
	assert_true(water_may_read(&s->from));
	s->from.saw_eof = true;
	assert_false(water_may_read(&s->from));
}

static void writing_is_watched_while_blocked_until_the_end(void **state)
{
	struct stage *s = *state;

	assert_int_equal(loop_io_events(&s->to.io), LOOP_READ);
	s->to.is_blocked = true;
	water_watch(&s->to);
	assert_int_equal(loop_io_events(&s->to.io), LOOP_READ | LOOP_WRITE);
	s->to.has_ended = true;
	water_watch(&s->to);
	assert_int_equal(loop_io_events(&s->to.io), 0);
}

static void high_water_stops_the_source_until_all_has_gone(void **state)
{
	struct stage *s = *state;

	fill(&s->to, STREAM_HIGH_WATER);
	assert_true(is_read(&s->from));
	fill(&s->to, STREAM_HIGH_WATER + 1);
	assert_true(s->from.is_throttled);
	assert_false(is_read(&s->from));
	fill(&s->to, 1);
	assert_false(is_read(&s->from));
	fill(&s->to, 0);
	assert_false(s->from.is_throttled);
	assert_true(is_read(&s->from));
	assert_true(is_read(&s->to));
}

static const struct stream_ops client_ops = {.is_client = true};

static void a_client_may_leave_so_much_unread_as_the_ledger_says(void **state)
{
	struct stage *s = *state;

	s->to.ops = &client_ops;
	s->loop.ledger.client_share = 100;
	fill(&s->to, 100);
	assert_true(is_read(&s->from));
	fill(&s->to, 101);
	assert_false(is_read(&s->from));
	fill(&s->to, 0);
	assert_true(is_read(&s->from));
	assert_int_equal(s->loop.ledger.stopped, 0);
	assert_int_equal(s->loop.ledger.stop_count, 1);
	assert_int_equal(s->loop.ledger.short_count, 0);
}

static void near_the_limit_less_is_enough_to_stop_the_source(void **state)
{
	struct stage *s = *state;
	struct ledger *ledger = &s->loop.ledger;
	uint32_t others = 0;

	ledger->limit = 1000 * 1000;
	fill(&s->to, 20000);
	assert_true(is_read(&s->from));
	ledger_change(ledger, &others, 900 * 1000);
	fill(&s->to, 20000);
	assert_false(is_read(&s->from));
	assert_int_equal(ledger->short_count, 1);
	assert_int_equal(ledger->stopped, 1);
	/* Not before its own bytes have gone, whatever the others do. */
	ledger_change(ledger, &others, 0);
	fill(&s->to, 1);
	assert_false(is_read(&s->from));
	fill(&s->to, 0);
	assert_true(is_read(&s->from));
	assert_int_equal(ledger->stopped, 0);
}

static void over_the_limit_who_holds_nothing_is_read(void **state)
{
	struct stage *s = *state;
	uint32_t others = 0;

	s->loop.ledger.limit = 1000;
	ledger_change(&s->loop.ledger, &others, 5000);
	fill(&s->to, 0);
	assert_true(is_read(&s->from));
	fill(&s->to, 1);
	assert_false(is_read(&s->from));
	fill(&s->to, 0);
	assert_true(is_read(&s->from));
}

static void what_both_buffers_take_is_counted(void **state)
{
	struct stage *s = *state;

	fill(&s->to, 1000);
	assert_int_equal(s->loop.ledger.held, s->to.out.cap);
	buffer_append(&s->to.in, slice_of_text("123"));
	water_watch(&s->to);
	assert_int_equal(s->loop.ledger.held, s->to.out.cap + s->to.in.cap);
	buffer_fini(&s->to.in);
	fill(&s->to, 0);
	assert_int_equal(s->loop.ledger.held, 0);
	assert_int_equal(s->loop.ledger.holders, 0);
}

static void who_is_fed_by_nobody_stops_nobody(void **state)
{
	struct stage *s = *state;

	s->to.fed_by = NULL;
	fill(&s->to, STREAM_HIGH_WATER + 1);
	assert_true(is_read(&s->from));
	assert_true(is_read(&s->to));
}

static void a_blocked_destination_spoils_the_appetite_of_its_source(void **state)
{
	struct stage *s = *state;
	size_t before = appetite_whole_len(&s->from.appetite);

	fill(&s->to, 1);
	assert_int_equal(appetite_whole_len(&s->from.appetite), before);
	s->to.is_blocked = true;
	fill(&s->to, 1);
	assert_int_equal(appetite_whole_len(&s->from.appetite), APPETITE_READ_LEAST);
	assert_int_equal(appetite_whole_len(&s->to.appetite), before);
}

static void who_is_let_go_hears_last_words_only_after_a_failed_write(void **state)
{
	struct stage *s = *state;

	fill(&s->to, STREAM_HIGH_WATER + 1);
	water_release(&s->from);
	assert_true(is_read(&s->from));
	loop_turn(&s->loop, s->loop.now_us);
	assert_int_equal(s->flushes, 0);
	s->from.write_error = 1;
	water_judge(&s->to);
	assert_false(is_read(&s->from));
	water_release(&s->from);
	loop_turn(&s->loop, s->loop.now_us);
	assert_int_equal(s->flushes, 1);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, open_stage, close_stage)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    CASE(what_stops_reading_stops_it_and_no_more),
	    CASE(kept_bytes_stop_reading_when_there_is_no_room_for_more),
	    CASE(who_finishes_reads_until_the_peer_has_closed),
	    CASE(writing_is_watched_while_blocked_until_the_end),
	    CASE(high_water_stops_the_source_until_all_has_gone),
	    CASE(a_client_may_leave_so_much_unread_as_the_ledger_says),
	    CASE(near_the_limit_less_is_enough_to_stop_the_source),
	    CASE(over_the_limit_who_holds_nothing_is_read),
	    CASE(what_both_buffers_take_is_counted),
	    CASE(who_is_fed_by_nobody_stops_nobody),
	    CASE(a_blocked_destination_spoils_the_appetite_of_its_source),
	    CASE(who_is_let_go_hears_last_words_only_after_a_failed_write),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
