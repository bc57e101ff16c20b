/*
 * Chunks in a list; a request that is too long for a chunk gets one of its own. Chunks
 * grow with the arena, so that a small configuration stays small and a large one needs
 * few of them.
 */
#include "config/arena.h"

#include <stdalign.h>
#include <stdlib.h>

#include "base/crypto.h"

enum { CHUNK_MIN = 1024, CHUNK_MAX = 256 * 1024 };

struct arena_chunk {
	struct arena_chunk *next;
	size_t used, cap;
	alignas(max_align_t) uint8_t bytes[];
};

static bool add_chunk(struct arena *a, size_t need)
{
	size_t cap = a->total / 2;

	if (cap < CHUNK_MIN)
		cap = CHUNK_MIN;
	if (cap > CHUNK_MAX)
		cap = CHUNK_MAX;
	if (cap < need)
		cap = need;
	struct arena_chunk *chunk = malloc(sizeof(*chunk) + cap);
	if (!chunk)
		return false;
	chunk->next = a->chunks;
	chunk->used = 0;
	chunk->cap = cap;
	a->chunks = chunk;
	a->total += sizeof(*chunk) + cap;
	return true;
}

static void *take(struct arena *a, size_t len, size_t align)
{
	size_t start = a->chunks ? (a->chunks->used + align - 1) / align * align : 0;

	if (!a->chunks || start > a->chunks->cap || len > a->chunks->cap - start) {
		if (!add_chunk(a, len))
			return NULL;
		start = 0;
	}
	a->chunks->used = start + len;
	return a->chunks->bytes + start;
}

void arena_fini(struct arena *a)
{
	while (a->chunks) {
		struct arena_chunk *next = a->chunks->next;
		/* There may be passwords in it. */
		crypto_wipe(a->chunks->bytes, a->chunks->used);
		free(a->chunks);
		a->chunks = next;
	}
	a->total = 0;
}

void *arena_take(struct arena *a, size_t len)
{
	void *out = take(a, len, alignof(max_align_t));

	if (out)
		memset(out, 0, len);
	return out;
}

const char *arena_text(struct arena *a, struct slice text)
{
	if (text.len == 0)
		return "";
	char *out = take(a, text.len + 1, 1);
	if (!out)
		return NULL;
	memcpy(out, text.data, text.len);
	out[text.len] = '\0';
	return out;
}
