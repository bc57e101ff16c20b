#include "tls_client.h"

#include <err.h>
#include <errno.h>
#include <openssl/err.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { READ_LEN = 16 * 1024 };

/* The code of an Authentication message. */
enum { ASKS_NOTHING = 0, ASKS_SASL = 10, ASKS_MORE = 11, ASKS_NO_MORE = 12 };

static int keep_session(SSL *ssl, SSL_SESSION *session)
{
	struct tls_client *c = SSL_get_app_data(ssl);
	SSL_SESSION_free(c->session);
	c->session = session;
	return 1;
}

SSL_CTX *tls_client_context(void)
{
	SSL_CTX *context = SSL_CTX_new(TLS_client_method());
	if (!context)
		errx(1, "no TLS");
	SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
	SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE |
				      SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
				      SSL_MODE_RELEASE_BUFFERS);
	SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_CLIENT |
						    SSL_SESS_CACHE_NO_INTERNAL_STORE);
	SSL_CTX_sess_set_new_cb(context, keep_session);
	return context;
}

static enum tls_client_news end(struct tls_client *c, const char *problem)
{
	if (!c->problem[0])
		snprintf(c->problem, sizeof(c->problem), "%s", problem);
	SSL_free(c->ssl);
	c->ssl = NULL;
	close(c->fd);
	bytes_fini(&c->out);
	c->out = (struct bytes){0};
	c->state = TLS_CLIENT_CLOSED;
	return TLS_CLIENT_ENDED;
}

bool tls_client_connect(struct tls_world *w, struct tls_client *c, unsigned source)
{
	c->problem[0] = 0;
	c->scanner = (struct scanner){0};
	c->is_resumed = false;
	c->begun_ns = now_ns();
	c->fd = place_connect(&w->target, source);
	if (c->fd < 0) {
		snprintf(c->problem, sizeof(c->problem), "connect: %s", strerror(-c->fd));
		return false;
	}
	c->state = TLS_CLIENT_CONNECTING;
	/* Told once of each change, so that nothing needs to be asked for later. */
	struct epoll_event ev = {.events = EPOLLIN | EPOLLOUT | EPOLLET,
				 .data.u32 = c->id};
	if (epoll_ctl(w->epoll, EPOLL_CTL_ADD, c->fd, &ev) != 0)
		err(1, "epoll_ctl");
	return true;
}

static enum tls_client_news on_connecting(struct tls_client *c)
{
	static const uint8_t request[] = {0, 0, 0, 8, 4, 210, 22, 47};
	ssize_t sent = send(c->fd, request, sizeof(request), MSG_NOSIGNAL);
	if (sent == (ssize_t)sizeof(request))
		c->state = TLS_CLIENT_ASKING;
	else if (sent >= 0 || (errno != EAGAIN && errno != ENOTCONN))
		return end(c, "no connection");
	return TLS_CLIENT_NOTHING;
}

static enum tls_client_news on_asking(struct tls_world *w, struct tls_client *c)
{
	char answer;
	ssize_t got = recv(c->fd, &answer, 1, 0);
	if (got < 0 && errno == EAGAIN)
		return TLS_CLIENT_NOTHING;
	if (got != 1)
		return end(c, "closed instead of an answer to SSLRequest");
	if (answer != 'S')
		return end(c, "no TLS there");
	c->ssl = SSL_new(w->context);
	if (!c->ssl || !SSL_set_fd(c->ssl, c->fd))
		return end(c, "no memory");
	SSL_set_app_data(c->ssl, c);
	SSL_set_connect_state(c->ssl);
	if (c->session)
		SSL_set_session(c->ssl, c->session);
	c->state = TLS_CLIENT_SHAKING;
	return TLS_CLIENT_NOTHING;
}

/* Whether a call that did not succeed may be tried again at the next event. */
static bool is_waiting(const struct tls_client *c, int result)
{
	int error = SSL_get_error(c->ssl, result);
	return error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE;
}

static enum tls_client_news on_shaking(struct tls_world *w, struct tls_client *c)
{
	ERR_clear_error();
	int result = SSL_do_handshake(c->ssl);
	if (result != 1)
		return is_waiting(c, result) ? TLS_CLIENT_NOTHING
					     : end(c, "TLS handshake failed");
	c->is_resumed = SSL_session_reused(c->ssl);
	wire_startup(&c->out, w->user, w->database);
	c->state = TLS_CLIENT_LOGIN;
	return TLS_CLIENT_NOTHING;
}

/* What the kernel does not take now goes at the next event. */
static enum tls_client_news flush(struct tls_client *c)
{
	while (bytes_len(&c->out) > 0) {
		ERR_clear_error();
		int sent = SSL_write(c->ssl, c->out.data + c->out.start,
				     (int)bytes_len(&c->out));
		if (sent <= 0)
			return is_waiting(c, sent) ? TLS_CLIENT_NOTHING
						   : end(c, "cannot write");
		bytes_consume(&c->out, (size_t)sent);
	}
	return TLS_CLIENT_NOTHING;
}

static void say_first(struct tls_world *w, struct tls_client *c)
{
	char text[SCRAM_TEXT_CAP];
	size_t len = scram_first(&c->scram, ++w->logins, text);
	size_t begun = wire_begin(&c->out, 'p');
	wire_put_text(&c->out, "SCRAM-SHA-256");
	wire_put_u32(&c->out, (uint32_t)len);
	bytes_add(&c->out, text, len);
	wire_end(&c->out, begun);
}

static bool say_final(struct tls_world *w, struct tls_client *c, const char *first)
{
	char text[SCRAM_TEXT_CAP];
	size_t len = scram_final(&c->scram, &w->keys, first, text);
	size_t begun = wire_begin(&c->out, 'p');
	bytes_add(&c->out, text, len);
	wire_end(&c->out, begun);
	return len > 0;
}

/* An Authentication message. False, and the problem set, when it cannot be answered. */
static bool on_authentication(struct tls_world *w, struct tls_client *c)
{
	char text[SCANNER_KEPT_LEN + 1];
	const struct scanner *s = &c->scanner;
	uint32_t code = s->kept_len >= 4 ? wire_u32(s->kept) : UINT32_MAX;
	size_t len = s->kept_len >= 4 ? s->kept_len - 4u : 0;
	memcpy(text, s->kept + 4, len);
	text[len] = 0;
	if (code == ASKS_SASL)
		say_first(w, c);
	else if (code == ASKS_MORE && !say_final(w, c, text))
		snprintf(c->problem, sizeof(c->problem), "bad server-first-message");
	else if (code == ASKS_NO_MORE && !scram_is_server(&c->scram, text))
		snprintf(c->problem, sizeof(c->problem),
			 "the server has not proved itself");
	else if (code != ASKS_NOTHING && code != ASKS_MORE && code != ASKS_NO_MORE)
		snprintf(c->problem, sizeof(c->problem), "asked for method %u", code);
	return !c->problem[0];
}

static enum tls_client_news on_message(struct tls_world *w, struct tls_client *c)
{
	bool was_login = c->state == TLS_CLIENT_LOGIN;
	char sqlstate[6];
	switch (c->scanner.head[0]) {
	case 'R':
		return on_authentication(w, c) ? TLS_CLIENT_NOTHING : end(c, "");
	case 'E':
		scanner_sqlstate(&c->scanner, sqlstate);
		snprintf(c->problem, sizeof(c->problem), "%s", sqlstate);
		return was_login ? end(c, "") : TLS_CLIENT_NOTHING;
	case 'Z':
		c->state = TLS_CLIENT_IDLE;
		return was_login ? TLS_CLIENT_IN : TLS_CLIENT_ANSWERED;
	default:
		return TLS_CLIENT_NOTHING;
	}
}

/* Reads until there is no more; nothing comes behind the news of one question. */
static enum tls_client_news on_readable(struct tls_world *w, struct tls_client *c)
{
	uint8_t data[READ_LEN];
	enum tls_client_news latest = TLS_CLIENT_NOTHING;
	for (;;) {
		ERR_clear_error();
		int got = SSL_read(c->ssl, data, sizeof(data));
		if (got <= 0)
			return is_waiting(c, got) ? latest : end(c, "closed");
		const uint8_t *at = data;
		size_t len = (size_t)got;
		while (len > 0) {
			enum scanned scanned = scanner_next(&c->scanner, &at, &len);
			if (scanned == SCANNED_BAD)
				return end(c, "the stream makes no sense");
			if (scanned == SCANNED_MORE)
				break;
			enum tls_client_news news = on_message(w, c);
			if (news == TLS_CLIENT_ENDED)
				return news;
			if (news != TLS_CLIENT_NOTHING)
				latest = news;
		}
	}
}

static enum tls_client_news talk(struct tls_world *w, struct tls_client *c)
{
	enum tls_client_news news = flush(c);
	if (news == TLS_CLIENT_NOTHING)
		news = on_readable(w, c);
	/* An answer to what was read goes at once. */
	if (news == TLS_CLIENT_NOTHING)
		news = flush(c);
	return news;
}

enum tls_client_news tls_client_progress(struct tls_world *w, struct tls_client *c)
{
	enum tls_client_news news = TLS_CLIENT_NOTHING;
	if (c->state == TLS_CLIENT_CONNECTING)
		news = on_connecting(c);
	if (c->state == TLS_CLIENT_ASKING)
		news = on_asking(w, c);
	if (c->state == TLS_CLIENT_SHAKING)
		news = on_shaking(w, c);
	if (c->state >= TLS_CLIENT_LOGIN)
		news = talk(w, c);
	return news;
}

enum tls_client_news tls_client_query(struct tls_world *w, struct tls_client *c,
				      uint64_t begun_ns)
{
	c->state = TLS_CLIENT_BUSY;
	c->begun_ns = begun_ns;
	wire_simple(&c->out, w->query);
	return flush(c);
}

void tls_client_close(struct tls_client *c)
{
	if (c->state == TLS_CLIENT_CLOSED)
		return;
	if (c->state == TLS_CLIENT_IDLE) {
		wire_terminate(&c->out);
		if (flush(c) == TLS_CLIENT_ENDED)
			return;
		SSL_shutdown(c->ssl);
	}
	end(c, "");
}

void tls_client_fini(struct tls_client *c)
{
	tls_client_close(c);
	SSL_SESSION_free(c->session);
	c->session = NULL;
}
