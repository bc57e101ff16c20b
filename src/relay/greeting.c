/*
 * The end of a client's login.
 */
#include "relay/greeting.h"

#include "pool/pool.h"
#include "proto/writer.h"
#include "relay/client.h"
#include "relay/dispatcher.h"

static void write_parameters(struct writer *w, const struct params *reported,
			     const struct params *own)
{
	struct slice name, value;

	for (size_t i = 0; i < params_count(reported); i++) {
		params_at(reported, i, &name, &value);
		params_find(own, name, &value);
		writer_parameter_status(w, name, value);
	}
}

static void count_login(struct client *c)
{
	struct dispatcher *d = c->dispatcher;
	uint64_t now_us = dispatcher_now(d);

	c->is_logged_in = true;
	d->login_count--;
	tally_at(&c->pool->tally, now_us)->client_login_count++;
	tally_at(&d->pools.tally, now_us)->client_login_count++;
	stream_set_keep_max(&c->stream, STREAM_KEEP_MAX);
}

bool greeting_send(struct client *c, const struct params *reported,
		   const struct params *own)
{
	struct writer w = writer_of(stream_cork_buffer(&c->stream));
	uint8_t key[CANCELS_LONG_LEN];

	size_t key_len = cancels_spell(&c->dispatcher->cancels, &c->cancel, key);
	writer_begin(&w, 'R');
	writer_u32(&w, 0);
	writer_end(&w);
	write_parameters(&w, reported, own);
	writer_backend_key(&w, slice_of(key, key_len));
	writer_ready(&w, 'I');
	w.failed = w.failed || key_len == 0;
	bool is_written = writer_finish(&w);
	stream_corked(&c->stream);
	if (is_written)
		count_login(c);
	else
		client_close(c, CLOSE_OUT_OF_MEMORY);
	return is_written;
}
