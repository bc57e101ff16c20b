/*
 * Fuzzes the names in messages of the extended protocol: a letter, then the body, of
 * which the last bytes may be missing. What is read must lie within the body, and the
 * message with another name must be read as the same one.
 */
#include "proto/extended.h"

#include "base/check.h"
#include "fuzz/fuzz.h"

static void check_inside(struct slice s, struct slice body)
{
	if (s.len > 0)
		CHECK(s.data >= body.data && s.data + s.len <= body.data + body.len);
}

static void check_renamed(const struct frame *f, const struct extended *e,
			  const char *name)
{
	struct buffer out = {0};
	struct extended again;
	struct frame g;
	size_t total;

	CHECK(extended_rename(f, e, slice_of_text(name), &out, &total));
	CHECK(total + e->statement.len == f->total_len + strlen(name));
	CHECK(buffer_append(&out, e->rest));
	CHECK(frame_peek(buffer_bytes(&out), UINT32_MAX, &g) == FRAME_OK);
	CHECK(g.letter == f->letter && g.total_len == total);
	CHECK(extended_read(&g, &again) == EXTENDED_OK);
	CHECK(slice_is_text(again.statement, name));
	CHECK(slice_equal(again.portal, e->portal) && slice_equal(again.rest, e->rest));
	CHECK(frame_is_whole(&g) == frame_is_whole(f));
	buffer_fini(&out);
}

static void check_names(const struct frame *f, const struct extended *e)
{
	check_inside(e->statement, f->body);
	check_inside(e->portal, f->body);
	check_inside(extended_text(e), f->body);
	CHECK(e->names_len + e->rest.len == f->body.len);
	CHECK(!extended_is_whole_parse(e) || e->rest.len >= extended_text(e).len + 3);
	if (e->target == 'P') {
		CHECK(e->statement.len == 0);
		return;
	}
	check_renamed(f, e, "");
	check_renamed(f, e, "another name");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static const char letters[] = "PBDC";
	struct extended e;

	if (len == 0)
		return 0;
	struct frame f = {.letter = (uint8_t)letters[data[0] & 3],
			  .body = slice_of(data + 1, len - 1)};
	/* How much has still to come. */
	size_t missing = data[0] >> 2;
	f.total_len = FRAME_HEADER_LEN + f.body.len + missing;
	enum extended_result result = extended_read(&f, &e);
	if (result == EXTENDED_OK)
		check_names(&f, &e);
	else
		CHECK(result == EXTENDED_BAD || missing > 0);
	return 0;
}

#define BYTES(text) slice_of(text, sizeof(text) - 1)

void fuzz_corpus(fuzz_run_fn run)
{
	run(BYTES("\0name\0select $1\0\0\1\0\0\0\x17"));
	run(BYTES("\1portal\0name\0\0\1\0\1\0\1\0\0\0\2ab\0\0"));
	run(BYTES("\2Sname\0"));
	run(BYTES("\2Pname\0"));
	run(BYTES("\3S\0"));
	run(BYTES("\7Pportal\0"));
	run(BYTES("\x11\0name\0\0\0\0\1\0\0\1\0long"));
}
