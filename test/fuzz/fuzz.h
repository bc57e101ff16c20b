/*
 * A fuzz target: one input, judged by sanitizers and by its own CHECKs. libFuzzer makes
 * inputs up (`make fuzz`); replay.c runs the corpus below, cut at every byte and with
 * every byte changed, in each `make check`.
 */
#ifndef POOLER_TEST_FUZZ_FUZZ_H
#define POOLER_TEST_FUZZ_FUZZ_H

#include <stddef.h>
#include <stdint.h>

#include "base/slice.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

typedef void (*fuzz_run_fn)(struct slice input);

/* Calls run with each input of the target's small corpus. */
void fuzz_corpus(fuzz_run_fn run);

#endif
