/*
 * Pages of 64 KiB, aligned to their size, so that an object's page is found by masking
 * its address. One wholly free page is kept so that a single object that comes and goes
 * does not map and unmap a page each time.
 */
#include "base/slab.h"

#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

#include "base/check.h"

#define SLAB_PAGE_LEN ((size_t)64 * 1024)

struct slab_object {
	struct slab_object *next;
};

struct slab_page {
	TAILQ_ENTRY(slab_page) place; /* in slab.open while an object is free */
	struct slab_object *free;
	size_t used;
};

void slab_init(struct slab *s, size_t object_len)
{
	size_t len = (object_len + 15) / 16 * 16;

	CHECK(len >= sizeof(struct slab_object));
	*s = (struct slab){.object_len = len};
	s->per_page = (SLAB_PAGE_LEN - sizeof(struct slab_page)) / len;
	CHECK(s->per_page > 0);
	TAILQ_INIT(&s->open);
}

/* Memory aligned to SLAB_PAGE_LEN: map twice as much and give back what sticks out. */
static void *map_aligned(void)
{
	uint8_t *at = mmap(NULL, 2 * SLAB_PAGE_LEN, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (at == MAP_FAILED)
		return NULL;
	size_t before = (SLAB_PAGE_LEN - (uintptr_t)at % SLAB_PAGE_LEN) % SLAB_PAGE_LEN;
	if (before > 0)
		munmap(at, before);
	munmap(at + before + SLAB_PAGE_LEN, SLAB_PAGE_LEN - before);
	return at + before;
}

static struct slab_page *page_of(void *object)
{
	uint8_t *at = object;

	return (struct slab_page *)(void *)(at - (uintptr_t)at % SLAB_PAGE_LEN);
}

static bool page_add(struct slab *s)
{
	struct slab_page *page = map_aligned();

	if (!page)
		return false;
	*page = (struct slab_page){0};
	uint8_t *first = (uint8_t *)page + SLAB_PAGE_LEN - s->per_page * s->object_len;
	for (size_t i = s->per_page; i-- > 0;) {
		struct slab_object *object = (void *)(first + i * s->object_len);
		object->next = page->free;
		page->free = object;
	}
	TAILQ_INSERT_TAIL(&s->open, page, place);
	s->pages++;
	return true;
}

static void page_remove(struct slab *s, struct slab_page *page)
{
	TAILQ_REMOVE(&s->open, page, place);
	s->pages--;
	munmap(page, SLAB_PAGE_LEN);
}

void slab_fini(struct slab *s)
{
	struct slab_page *page;

	CHECK(s->used == 0);
	while (s->object_len > 0 && (page = TAILQ_FIRST(&s->open)) != NULL)
		page_remove(s, page);
	*s = (struct slab){0};
}

void *slab_take(struct slab *s)
{
	if (TAILQ_EMPTY(&s->open) && !page_add(s))
		return NULL;
	struct slab_page *page = TAILQ_FIRST(&s->open);
	struct slab_object *object = page->free;
	page->free = object->next;
	page->used++;
	s->used++;
	if (!page->free)
		TAILQ_REMOVE(&s->open, page, place);
	return memset(object, 0, s->object_len);
}

void slab_give_back(struct slab *s, void *object)
{
	struct slab_page *page = page_of(object);
	struct slab_object *freed = object;

	CHECK(page->used > 0);
	/* A page that was full goes to the front, one that is empty to the back: objects
	 * come from the fullest pages, so that the others can become wholly free. */
	if (!page->free)
		TAILQ_INSERT_HEAD(&s->open, page, place);
	freed->next = page->free;
	page->free = freed;
	page->used--;
	s->used--;
	if (page->used > 0)
		return;
	TAILQ_REMOVE(&s->open, page, place);
	TAILQ_INSERT_TAIL(&s->open, page, place);
	struct slab_page *before = TAILQ_PREV(page, slab_pages, place);
	if (before && before->used == 0)
		page_remove(s, page);
}
