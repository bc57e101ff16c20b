/*
 * Runs a fuzz target without libFuzzer: its corpus, each input also cut at every byte and
 * with some bytes changed. The inputs are the same in every run. With a directory as its
 * argument it writes the corpus there instead, for libFuzzer to begin with.
 */
#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz/fuzz.h"

enum { CUT_LEN = 200 /* longer inputs are cut and changed in steps */ };

/* In memory of its own, so that a sanitizer sees reads beyond the end. */
static void run_copy(const uint8_t *data, size_t len)
{
	uint8_t *copy = malloc(len ? len : 1);

	if (!copy)
		abort();
	memcpy(copy, data, len);
	LLVMFuzzerTestOneInput(copy, len);
	free(copy);
}

static void run_cut(struct slice input)
{
	for (size_t len = 0; len <= input.len; len += 1 + input.len / CUT_LEN)
		run_copy(input.data, len);
	run_copy(input.data, input.len);
}

static void run_changed(struct slice input)
{
	static const uint8_t changes[] = {0x00, 0xff, 0x7f, 0x80, '\\', '\'', 'Z', 'E'};
	uint8_t *copy = malloc(input.len ? input.len : 1);

	if (!copy)
		abort();
	memcpy(copy, input.data, input.len);
	for (size_t i = 0; i < input.len; i += 1 + input.len / CUT_LEN) {
		for (size_t c = 0; c < sizeof(changes); c++) {
			copy[i] = changes[c];
			run_copy(copy, input.len);
		}
		copy[i] = input.data[i];
	}
	free(copy);
}

static void run_all(struct slice input)
{
	static unsigned count;

	run_cut(input);
	run_changed(input);
	printf("ok %u - input %u, cut at every byte and with every byte changed\n",
	       count + 1, count);
	count++;
	if (input.len == 0)
		printf("1..%u\n", count);
}

static const char *seeds; /* the directory */

static void write_seed(struct slice input)
{
	static unsigned count;
	char path[512];

	snprintf(path, sizeof(path), "%s/%u", seeds, count++);
	FILE *file = fopen(path, "wbe");
	if (!file || fwrite(input.data, 1, input.len, file) != input.len || fclose(file))
		err(1, "%s", path);
}

int main(int argc, char **argv)
{
	if (argc > 1) {
		seeds = argv[1];
		fuzz_corpus(write_seed);
		return 0;
	}
	fuzz_corpus(run_all);
	/* The plan may come last; the empty input closes the list. */
	run_all(slice_of("", 0));
	return 0;
}
