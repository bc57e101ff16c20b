/*
 * Fuzzes the file of secrets: what is taken can be found, what is wrong is told.
 */
#include "auth/userlist.h"

#include "base/check.h"
#include "config/errors.h"
#include "fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct config_errors errors = {0};
	struct userlist *list = userlist_parse(slice_of(data, len), "f", &errors);
	struct secret secret;

	CHECK((list == NULL) == (errors.errors > 0));
	if (list) {
		userlist_find(list, slice_of(data, len), &secret);
		userlist_find(list, slice_of_text("a"), &secret);
		CHECK((userlist_usual_kind(list) == SECRET_NONE) ||
		      userlist_count(list) > 0);
	}
	userlist_free(list);
	config_errors_fini(&errors);
	return 0;
}

#define INPUT(text) run(slice_of(text, sizeof(text) - 1))

void fuzz_corpus(fuzz_run_fn run)
{
	INPUT("\"a\" \"b\"\n; comment\n\n \"c\"\"d\"\t\"\" rest\r\n\"a\" \"x\"\n");
	INPUT("\"a\" \"md5d8e5469de403ab7006df63ac8ca23819\"");
	INPUT("\"a\" \"SCRAM-SHA-256$4096:u1YWGrvVFOta7q0Jrgcp+A==$"
	      "Y+GSVQ7WMECH/Gxy7ZEvtEFX1AgavtfAGW335d+d8OI=:"
	      "Z0c7juVYnhSrvHdBToQ5vW1pL1I+rK6XhsGGROA6P2c=\"");
	INPUT("\"a\" \"b");
	INPUT("\"\"\"\"\"\" \"\"\"\"");
	INPUT("\"\" \"\"\n\"a\0\" \"b\"\n");
}
