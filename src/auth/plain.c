/*
 * See the header.
 */
#include "auth/plain.h"

#include "auth/login.h"
#include "base/reader.h"
#include "proto/writer.h"

enum plain_result plain_read(struct slice body, struct slice *out)
{
	struct reader r = reader_of(body);
	struct slice password = reader_cstring(&r);

	if (!reader_done(&r))
		return PLAIN_MALFORMED;
	if (password.len == 0)
		return PLAIN_EMPTY;
	if (password.len > LOGIN_PASSWORD_MAX)
		return PLAIN_TOO_LONG;
	*out = password;
	return PLAIN_OK;
}

void plain_write(struct writer *w, struct slice password)
{
	writer_begin(w, 'p');
	writer_cstring(w, password);
	writer_end(w);
}
