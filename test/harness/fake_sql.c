/*
 * Just enough of the protocol for libpq: TLS is declined, the extended query's messages
 * are answered when Sync comes.
 */
#include "harness/fake_sql.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/check.h"
#include "harness/real_loop.h"

enum { SSL_REQUEST = 80877103 };

static uint32_t read_u32(const uint8_t *at)
{
	return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 |
	       at[3];
}

/* ---- sending ---- */

static void leave(struct fake_sql_seat *seat)
{
	struct fake_sql *server = seat->server;

	if (!server)
		return;
	loop_io_watch(server->loop, &seat->io, 0);
	close(loop_io_fd(&seat->io));
	buffer_fini(&seat->in);
	buffer_fini(&seat->out);
	seat->server = NULL;
}

static void append(struct fake_sql_seat *seat, const void *bytes, size_t len)
{
	CHECK(buffer_append(&seat->out, slice_of(bytes, len)));
}

static void add(struct fake_sql_seat *seat, char type, const void *body, size_t len)
{
	size_t all = len + 4;
	const uint8_t head[] = {(uint8_t)type, (uint8_t)(all >> 24), (uint8_t)(all >> 16),
				(uint8_t)(all >> 8), (uint8_t)all};

	append(seat, head, sizeof(head));
	append(seat, body, len);
}

static void flush(struct fake_sql_seat *seat)
{
	struct slice out = buffer_bytes(&seat->out);
	size_t len = seat->server->dribbles && out.len > 1 ? 1 : out.len;

	if (len == 0)
		return;
	ssize_t sent = send(loop_io_fd(&seat->io), out.data, len, MSG_NOSIGNAL);
	if (sent < 0)
		return; /* the client has gone; reading will tell */
	buffer_consume(&seat->out, (size_t)sent);
	/* The next byte when the client had a turn. */
	loop_io_watch(seat->server->loop, &seat->io,
		      LOOP_READ | (buffer_len(&seat->out) > 0 ? LOOP_WRITE : 0));
}

/* ---- answers ---- */

static void add_columns(struct fake_sql_seat *seat, int columns)
{
	/* Its name, table 0, column 0, type text, length -1, modifier -1, as text. */
	static const uint8_t field[] = {'c',  0,    0,    0,    0,  0,    0,
					0,    0,    0,    0,    25, 0xff, 0xff,
					0xff, 0xff, 0xff, 0xff, 0,  0};
	uint8_t body[2 + FAKE_SQL_FIELDS * sizeof(field)] = {0, (uint8_t)columns};
	size_t len = 2;

	for (int i = 0; i < columns; i++) {
		memcpy(body + len, field, sizeof(field));
		len += sizeof(field);
	}
	add(seat, 'T', body, len);
}

static void add_row(struct fake_sql_seat *seat, const struct fake_sql_row *row)
{
	int columns = seat->server->columns;
	struct buffer body = {0};
	const uint8_t count[] = {0, (uint8_t)columns};

	CHECK(buffer_append(&body, slice_of(count, 2)));
	for (int i = 0; i < columns; i++) {
		const char *text = row->fields[i];
		size_t len = text ? strlen(text) : SIZE_MAX;
		const uint8_t head[] = {(uint8_t)(len >> 24), (uint8_t)(len >> 16),
					(uint8_t)(len >> 8), (uint8_t)len};

		CHECK(buffer_append(&body, slice_of(head, 4)));
		if (text)
			CHECK(buffer_append(&body, slice_of_text(text)));
	}
	add(seat, 'D', buffer_bytes(&body).data, buffer_len(&body));
	buffer_fini(&body);
}

static void add_error(struct fake_sql_seat *seat, bool is_fatal)
{
	static const char error[] = "SERROR\0VERROR\0CXX001\0Mno\nsuch luck\0";
	static const char fatal[] = "SFATAL\0VFATAL\0C57P01\0Mgoing home\0";

	if (is_fatal)
		add(seat, 'E', fatal, sizeof(fatal));
	else
		add(seat, 'E', error, sizeof(error));
}

static void add_rows(struct fake_sql_seat *seat)
{
	add(seat, '2', NULL, 0);
	add_columns(seat, seat->server->columns);
	for (const struct fake_sql_row *row = seat->server->rows; row->key; row++)
		if (strcmp(row->key, seat->parameter) == 0)
			add_row(seat, row);
	add(seat, 'C', "SELECT 1", 9);
}

static void answer(struct fake_sql_seat *seat)
{
	static const uint8_t garbage[] = {0xff, 0xff, 0xff, 0xff, 0xff, 0, 1, 2};

	seat->has_question = false;
	add(seat, '1', NULL, 0);
	switch (seat->server->manner) {
	case FAKE_SQL_ANSWER:
		add_rows(seat);
		break;
	case FAKE_SQL_ERROR:
		add_error(seat, false);
		break;
	case FAKE_SQL_FATAL:
		add_error(seat, true);
		flush(seat);
		leave(seat);
		return;
	case FAKE_SQL_COPY:
		add(seat, '2', NULL, 0);
		add(seat, 'n', NULL, 0);
		add(seat, 'H', "\0\0\1\0", 5);
		break;
	case FAKE_SQL_GARBAGE:
		append(seat, garbage, sizeof(garbage));
		break;
	case FAKE_SQL_NOTHING:
		seat->has_question = true;
		buffer_truncate(&seat->out, 0);
		return;
	case FAKE_SQL_END:
		leave(seat);
		return;
	}
	add(seat, 'Z', "I", 1);
	flush(seat);
}

/* ---- coming in ---- */

static void let_in(struct fake_sql_seat *seat)
{
	add(seat, 'R', "\0\0\0\0", 4);
	add(seat, 'S', "server_version\00015.0", 20);
	add(seat, 'N', "SNOTICE\0VNOTICE\0C00000\0Mhello\0", 31);
	add(seat, 'K', "\0\0\0\1\0\0\0\2", 8);
	add(seat, 'Z', "I", 1);
}

static void greet(struct fake_sql_seat *seat)
{
	seat->server->connections++;
	switch (seat->server->greeting) {
	case FAKE_SQL_LET_IN:
		let_in(seat);
		break;
	case FAKE_SQL_ASK_PASSWORD:
		add(seat, 'R', "\0\0\0\3", 4);
		break;
	case FAKE_SQL_REFUSE:
		add_error(seat, true);
		break;
	case FAKE_SQL_GREET_GARBAGE:
		append(seat, "HTTP/1.1 400 Bad Request\r\n\r\n", 28);
		break;
	case FAKE_SQL_GREET_NOTHING:
		return;
	case FAKE_SQL_GREET_END:
		leave(seat);
		return;
	}
	flush(seat);
}

/* Consumes a packet without a type; false when it is not all there. */
static bool take_startup(struct fake_sql_seat *seat)
{
	struct fake_sql *server = seat->server;
	struct slice in = buffer_bytes(&seat->in);

	if (in.len < 8 || in.len < read_u32(in.data))
		return false;
	size_t len = read_u32(in.data);
	CHECK(len - 8 <= sizeof(server->startup_bytes));
	if (read_u32(in.data + 4) == SSL_REQUEST) {
		buffer_consume(&seat->in, len);
		append(seat, "N", 1);
		flush(seat);
		return true;
	}
	memcpy(server->startup_bytes, in.data + 8, len - 8);
	server->startup = slice_of(server->startup_bytes, len - 8);
	buffer_consume(&seat->in, len);
	seat->is_in = true;
	greet(seat);
	return seat->server != NULL;
}

static void take_message(struct fake_sql_seat *seat, char type, const uint8_t *body)
{
	struct fake_sql *server = seat->server;
	const char *text = (const char *)body;

	if (type == 'p') {
		snprintf(server->password, sizeof(server->password), "%.63s", text);
		let_in(seat);
		flush(seat);
	} else if (type == 'P') { /* an empty name, then the query */
		snprintf(server->query, sizeof(server->query), "%.255s", text + 1);
	} else if (type == 'B') { /* two empty names, formats, one value */
		size_t at = 2 + 2 + 2 * ((size_t)body[2] << 8 | body[3]) + 2;
		size_t len = read_u32(body + at);

		CHECK(len < sizeof(seat->parameter));
		memcpy(seat->parameter, body + at + 4, len);
		seat->parameter[len] = '\0';
	} else if (type == 'S') {
		server->questions++;
		answer(seat);
	} else if (type == 'X') {
		leave(seat);
	}
}

static bool take_next(struct fake_sql_seat *seat)
{
	struct slice in = buffer_bytes(&seat->in);
	uint8_t body[4096];

	if (!seat->is_in)
		return take_startup(seat);
	if (in.len < 5 || in.len < 1 + read_u32(in.data + 1))
		return false;
	char type = (char)in.data[0];
	size_t len = read_u32(in.data + 1) - 4;
	CHECK(len <= sizeof(body));
	memcpy(body, in.data + 5, len);
	buffer_consume(&seat->in, 5 + len);
	take_message(seat, type, body);
	return seat->server != NULL;
}

static void on_ready(struct loop *loop, struct loop_io *io, int events)
{
	struct fake_sql_seat *seat = (struct fake_sql_seat *)(void *)io;
	uint8_t bytes[4096];

	(void)loop;
	if (events & LOOP_WRITE)
		flush(seat);
	if (!(events & LOOP_READ))
		return;
	ssize_t got = recv(loop_io_fd(io), bytes, sizeof(bytes), MSG_DONTWAIT);
	if (got < 0 && errno == EAGAIN)
		return;
	if (got <= 0) {
		leave(seat);
		return;
	}
	CHECK(buffer_append(&seat->in, slice_of(bytes, (size_t)got)));
	while (take_next(seat))
		;
}

static void on_accept(struct loop *loop, struct loop_io *io, int events)
{
	struct fake_sql *server = (struct fake_sql *)(void *)io;
	int fd = accept4(loop_io_fd(io), NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

	(void)events;
	if (fd < 0)
		return;
	for (int i = 0; i < FAKE_SQL_SEATS; i++) {
		struct fake_sql_seat *seat = &server->seats[i];

		if (seat->server)
			continue;
		*seat = (struct fake_sql_seat){.server = server};
		loop_io_init(&seat->io, fd, on_ready);
		loop_io_watch(loop, &seat->io, LOOP_READ);
		return;
	}
	close(fd);
}

/* ---- public ---- */

void fake_sql_start(struct fake_sql *server, struct loop *loop, const struct endpoint *at,
		    const struct fake_sql_row *rows)
{
	int fd;

	*server = (struct fake_sql){.loop = loop, .rows = rows, .columns = 2};
	if (at) {
		fd = socket(at->storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
		CHECK(bind(fd, (const struct sockaddr *)&at->storage, at->len) == 0);
		CHECK(listen(fd, 64) == 0);
	} else {
		fd = real_listen("127.0.0.1", &server->at);
	}
	CHECK(fd >= 0);
	server->port = address_of_endpoint(&server->at).port;
	loop_io_init(&server->io, fd, on_accept);
	loop_io_watch(loop, &server->io, LOOP_READ);
}

void fake_sql_kill(struct fake_sql *server)
{
	for (int i = 0; i < FAKE_SQL_SEATS; i++)
		leave(&server->seats[i]);
}

void fake_sql_release(struct fake_sql *server)
{
	for (int i = 0; i < FAKE_SQL_SEATS; i++)
		if (server->seats[i].server && server->seats[i].has_question)
			answer(&server->seats[i]);
}

unsigned fake_sql_open_count(const struct fake_sql *server)
{
	unsigned count = 0;

	for (int i = 0; i < FAKE_SQL_SEATS; i++)
		count += server->seats[i].server != NULL;
	return count;
}

void fake_sql_stop(struct fake_sql *server)
{
	fake_sql_kill(server);
	loop_io_watch(server->loop, &server->io, 0);
	close(loop_io_fd(&server->io));
}
