/*
 * A small file, read whole: auth_file, the rules, and what they include. For start and
 * reload; only regular files, so that no pipe can hold them up.
 */
#ifndef POOLER_AUTH_FILE_H
#define POOLER_AUTH_FILE_H

#include "base/slice.h"

enum { FILE_MAX = 256 * 1024 * 1024 };

struct config_errors;

struct file_text {
	uint8_t *data;
	size_t len;
};

/* 0 or -errno; -EINVAL for what is no regular file, -EFBIG for what is too long. */
int file_read(const char *path, struct file_text *out);

/* The same for a file of the configuration: complains and returns false. */
bool file_load(const char *path, struct config_errors *errors, struct file_text *out);

/* Wipes and frees. */
void file_forget(struct file_text *text);

static inline struct slice file_bytes(const struct file_text *text)
{
	return slice_of(text->data, text->len);
}

#endif
