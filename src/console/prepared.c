/*
 * A short list: a driver prepares a few commands, not thousands.
 */
#include "console/prepared.h"

#include <errno.h>
#include <stdlib.h>

struct prepared_command {
	TAILQ_ENTRY(prepared_command) place;
	size_t name_len, text_len;
	uint8_t bytes[]; /* name, then text */
};

void prepared_init(struct prepared *p)
{
	*p = (struct prepared){0};
	TAILQ_INIT(&p->commands);
}

static struct slice name_of(const struct prepared_command *s)
{
	return slice_of(s->bytes, s->name_len);
}

static struct prepared_command *find(const struct prepared *p, struct slice name)
{
	struct prepared_command *s;

	TAILQ_FOREACH (s, &p->commands, place)
		if (slice_equal(name_of(s), name))
			break;
	return s;
}

static void drop(struct prepared *p, struct prepared_command *s)
{
	TAILQ_REMOVE(&p->commands, s, place);
	p->count--;
	free(s);
}

void prepared_fini(struct prepared *p)
{
	struct prepared_command *s;

	while ((s = TAILQ_FIRST(&p->commands)))
		drop(p, s);
}

int prepared_add(struct prepared *p, struct slice name, struct slice text)
{
	if (name.len > 0 && find(p, name))
		return -EEXIST;
	prepared_drop(p, name);
	if (p->count >= PREPARED_MOST)
		return -ENOSPC;
	struct prepared_command *s = malloc(sizeof(*s) + name.len + text.len);
	if (!s)
		return -ENOMEM;
	s->name_len = name.len;
	s->text_len = text.len;
	if (name.len > 0)
		memcpy(s->bytes, name.data, name.len);
	if (text.len > 0)
		memcpy(s->bytes + name.len, text.data, text.len);
	TAILQ_INSERT_HEAD(&p->commands, s, place);
	p->count++;
	return 0;
}

bool prepared_find(const struct prepared *p, struct slice name, struct slice *out_text)
{
	const struct prepared_command *s = find(p, name);

	if (s)
		*out_text = slice_of(s->bytes + s->name_len, s->text_len);
	return s;
}

void prepared_drop(struct prepared *p, struct slice name)
{
	struct prepared_command *s = find(p, name);

	if (s)
		drop(p, s);
}
