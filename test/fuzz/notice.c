/*
 * Fuzzes the reading of a server's ErrorResponse.
 */
#include "proto/notice.h"

#include "base/check.h"
#include "fuzz/fuzz.h"

static void check_inside(struct slice field, struct slice body)
{
	if (field.len > 0)
		CHECK(field.data > body.data &&
		      field.data + field.len < body.data + body.len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct slice body = slice_of(data, len);
	struct notice_fields fields;
	bool is_good = notice_read(body, &fields);

	if (is_good)
		CHECK(len > 0 && data[len - 1] == 0);
	else
		CHECK(fields.severity.len + fields.sqlstate.len + fields.message.len ==
		      0);
	check_inside(fields.severity, body);
	check_inside(fields.sqlstate, body);
	check_inside(fields.message, body);
	check_inside(fields.detail, body);
	check_inside(fields.hint, body);
	return 0;
}

#define BYTES(text) slice_of(text, sizeof(text) - 1)

void fuzz_corpus(fuzz_run_fn run)
{
	run(BYTES("SERROR\0VERROR\0C42601\0Msyntax error\0Dwhere\0Hdo\0P1\0\0"));
	run(BYTES("SERREUR\0Mno code\0\0"));
	run(BYTES("\0"));
	run(BYTES("M\0\0"));
	run(BYTES("Mnever ends"));
	run(BYTES("Cx\0\0left over"));
	run(BYTES("\xff\xff\0\x80\0\0"));
}
