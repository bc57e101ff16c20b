/*
 * Memory is taken once, in the size of the file: a buffer that grows would leave copies
 * of secrets behind.
 */
#include "auth/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/crypto.h"
#include "config/errors.h"

static int fill(int fd, struct file_text *text, size_t cap)
{
	while (text->len < cap) {
		ssize_t got = read(fd, text->data + text->len, cap - text->len);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -errno;
		if (got == 0)
			break;
		text->len += (size_t)got;
	}
	return 0;
}

static int read_open(int fd, struct file_text *out)
{
	struct file_text text = {0};
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EINVAL;
	if (st.st_size > FILE_MAX)
		return -EFBIG;
	size_t cap = (size_t)st.st_size;
	text.data = malloc(cap ? cap : 1);
	if (!text.data)
		return -ENOMEM;
	int rc = fill(fd, &text, cap);
	if (rc < 0)
		file_forget(&text);
	else
		*out = text;
	return rc;
}

int file_read(const char *path, struct file_text *out)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

	if (fd < 0)
		return -errno;
	int rc = read_open(fd, out);
	close(fd);
	return rc;
}

bool file_load(const char *path, struct config_errors *errors, struct file_text *out)
{
	int rc = file_read(path, out);

	if (rc < 0)
		config_errors_add(errors, CONFIG_ERROR, path, 0, "cannot be read: %s",
				  strerror(-rc));
	return rc == 0;
}

void file_forget(struct file_text *text)
{
	if (text->data)
		crypto_wipe(text->data, text->len);
	free(text->data);
	*text = (struct file_text){0};
}
