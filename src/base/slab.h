/*
 * Objects of one size, counted and capped, cut from pages that go back to the kernel
 * when all objects of a page are free: memory that grew with a rush of clients comes back
 * when they leave.
 */
#ifndef POOLER_BASE_SLAB_H
#define POOLER_BASE_SLAB_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/queue.h>

struct slab_page;
TAILQ_HEAD(slab_pages, slab_page);

struct slab {
	size_t object_len;
	size_t per_page;
	size_t used;            /* objects handed out */
	size_t pages;           /* pages held */
	struct slab_pages open; /* pages with a free object, the fullest-used first */
};

void slab_init(struct slab *s, size_t object_len);

/* All objects must have been given back. */
void slab_fini(struct slab *s);

/* A zeroed object, or NULL when memory is short. */
void *slab_take(struct slab *s);

void slab_give_back(struct slab *s, void *object);

#endif
