/*
 * Data by ourselves: clients of TLS 1.3 after their handshake. OpenSSL's part of the
 * connection (14 kB of memory) is freed.
 *
 * What may come then is little (RFC 8446, sections 4.6 and 6): data, alerts, and
 * KeyUpdate, which must fill its record. Received bytes are opened in place, in the
 * reader's area; only a record that is not whole is kept.
 */
#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>

#include "base/check.h"
#include "base/crypto.h"
#include "net/tls_parts.h"

enum {
	ALERT_CLOSE_NOTIFY = 0,
	ALERT_UNEXPECTED_MESSAGE = 10,
	ALERT_DECODE_ERROR = 50,
	ALERT_INTERNAL_ERROR = 80,
	ALERT_USER_CANCELED = 90,
	ALERT_FATAL = 2,
	MESSAGE_KEY_UPDATE = 24,
	KEY_UPDATE_LEN = 5,
	/* Records without data in a row: a peer has no good reason for more. */
	IDLE_RECORDS_MAX = 32
};

/* ---- taking over ---- */

static bool can_take_over(struct tls *t)
{
	const SSL_CIPHER *cipher = SSL_get_current_cipher(t->ssl);

	return SSL_version(t->ssl) == TLS1_3_VERSION && cipher &&
	       tls_way_knows(SSL_CIPHER_get_protocol_id(cipher)) &&
	       t->start->secret_in_len > 0 && t->start->secret_out_len > 0 &&
	       !SSL_has_pending(t->ssl);
}

void tls_lasting_take_over(struct tls *t)
{
	const struct tls_start *start = t->start;

	if (!can_take_over(t))
		return;
	uint16_t suite = SSL_CIPHER_get_protocol_id(SSL_get_current_cipher(t->ssl));
	if (tls_way_init(&t->in, suite, false,
			 slice_of(start->secret_in, start->secret_in_len), 0) &&
	    tls_way_init(&t->out, suite, true,
			 slice_of(start->secret_out, start->secret_out_len),
			 start->sent_count)) {
		SSL_set_quiet_shutdown(t->ssl, 1);
		SSL_free(t->ssl);
		t->ssl = NULL;
		return;
	}
	tls_way_fini(&t->in);
	tls_way_fini(&t->out);
}

/* ---- writing ---- */

static bool put_record(struct tls *t, enum tls_record_type type, struct slice first,
		       struct slice second)
{
	uint8_t *room = tls_wire_room(t);
	size_t len = room ? tls_way_seal(&t->out, type, first, second, room) : 0;

	tls_wire_commit(t, len);
	return len > 0;
}

void tls_lasting_alert(struct tls *t, uint8_t alert)
{
	uint8_t body[2] = {alert == ALERT_CLOSE_NOTIFY ? 1 : ALERT_FATAL, alert};

	put_record(t, TLS_RECORD_ALERT, slice_of(body, sizeof(body)), slice_of(NULL, 0));
}

/* Our key is old, or the peer's has been renewed and it wants ours to be, too. */
static bool renew_key(struct tls *t)
{
	static const uint8_t message[KEY_UPDATE_LEN] = {MESSAGE_KEY_UPDATE, 0, 0, 1, 0};

	t->owes_renewal = false;
	return put_record(t, TLS_RECORD_HANDSHAKE, slice_of(message, sizeof(message)),
			  slice_of(NULL, 0)) &&
	       tls_way_renew(&t->out);
}

/* What is to be written, walked over a record's worth at a time. */
struct supply {
	struct slice pieces[2];
};

static struct slice take(struct slice *from, size_t most)
{
	struct slice taken = slice_first(*from, from->len < most ? from->len : most);

	*from = slice_after(*from, taken.len);
	return taken;
}

static size_t supply_len(const struct supply *s)
{
	return s->pieces[0].len + s->pieces[1].len;
}

/* Bytes sealed into one record, 0 on failure. */
static size_t put_data(struct tls *t, struct supply *s)
{
	if ((t->owes_renewal || tls_way_is_worn(&t->out)) && !renew_key(t))
		return 0;
	struct slice first = take(&s->pieces[0], TLS_RECORD_PLAIN_MAX);
	struct slice second = take(&s->pieces[1], TLS_RECORD_PLAIN_MAX - first.len);
	return put_record(t, TLS_RECORD_DATA, first, second) ? first.len + second.len : 0;
}

ssize_t tls_lasting_write(struct tls *t, const struct iovec *pieces, int count)
{
	struct supply s = {0};
	size_t done = 0;

	for (int i = 0; i < count; i++)
		s.pieces[i] = slice_of(pieces[i].iov_base, pieces[i].iov_len);
	while (supply_len(&s) > 0 && buffer_len(&t->unsent) == 0) {
		size_t put = put_data(t, &s);

		if (put == 0)
			return -ENOMEM;
		done += put;
	}
	int err = tls_wire_flush(t);
	return err < 0 ? err : (ssize_t)done;
}

/* ---- what comes besides data ---- */

static void fail(struct tls *t, uint8_t alert)
{
	char text[100];

	snprintf(text, sizeof(text), "the TLS connection was broken by the peer: %s",
		 SSL_alert_desc_string_long(alert));
	tls_fail(t, text);
	tls_lasting_alert(t, alert);
}

static void meet_alert(struct tls *t, struct slice body)
{
	char text[100];

	if (body.len != 2) {
		fail(t, ALERT_DECODE_ERROR);
	} else if (body.data[1] == ALERT_CLOSE_NOTIFY) {
		t->saw_eof = true;
	} else if (body.data[1] != ALERT_USER_CANCELED) {
		snprintf(text, sizeof(text), "the peer sent the TLS alert \"%s\"",
			 SSL_alert_desc_string_long(body.data[1]));
		tls_fail(t, text);
	}
}

static void meet_handshake(struct tls *t, struct slice body)
{
	static const uint8_t update[KEY_UPDATE_LEN - 1] = {MESSAGE_KEY_UPDATE, 0, 0, 1};

	if (body.len != KEY_UPDATE_LEN ||
	    memcmp(body.data, update, sizeof(update)) != 0 || body.data[4] > 1) {
		fail(t, ALERT_UNEXPECTED_MESSAGE);
		return;
	}
	if (body.data[4] == 1)
		t->owes_renewal = true;
	if (!tls_way_renew(&t->in))
		fail(t, ALERT_INTERNAL_ERROR);
}

/* The data in a record; empty for the others, which are dealt with. */
static struct slice meet(struct tls *t, const struct tls_record *record)
{
	t->idle_records = record->type == TLS_RECORD_DATA && record->plain.len > 0
			      ? 0
			      : (uint8_t)(t->idle_records + 1);
	if (t->idle_records > IDLE_RECORDS_MAX) {
		fail(t, ALERT_UNEXPECTED_MESSAGE);
		return slice_of(NULL, 0);
	}
	switch (record->type) {
	case TLS_RECORD_DATA:
		return record->plain;
	case TLS_RECORD_ALERT:
		meet_alert(t, record->plain);
		break;
	case TLS_RECORD_HANDSHAKE:
		meet_handshake(t, record->plain);
		break;
	default:
		fail(t, ALERT_UNEXPECTED_MESSAGE);
	}
	return slice_of(NULL, 0);
}

static bool has_ended(const struct tls *t)
{
	return t->state == TLS_FAILED || t->saw_eof;
}

/* ---- reading ---- */

/* What a read comes to when it gave no data. */
static ssize_t no_data(const struct tls *t)
{
	if (t->state == TLS_FAILED)
		return -EPROTO;
	return t->saw_eof ? 0 : -EAGAIN;
}

/* Opens what is whole among the bytes, and leaves the data of all records in front.
 * Returns its length; *used is what need not be kept. */
static size_t open_records(struct tls *t, uint8_t *bytes, size_t len, size_t *used)
{
	struct tls_record record;
	size_t at = 0, data_len = 0;

	while (at < len && !has_ended(t)) {
		enum tls_opened opened =
		    tls_way_open(&t->in, bytes + at, len - at, &record);

		if (opened == TLS_OPENED_PART)
			break;
		if (opened == TLS_OPENED_BAD) {
			fail(t, record.alert);
			break;
		}
		struct slice data = meet(t, &record);
		if (data.len > 0)
			memmove(bytes + data_len, data.data, data.len);
		data_len += data.len;
		at += record.total_len;
	}
	*used = has_ended(t) ? len : at;
	return data_len;
}

/* The rest of a record is in carry, and the whole fits into the area. */
static ssize_t read_area(struct tls *t, uint8_t *into, size_t len)
{
	size_t kept = buffer_len(&t->carry), used;

	if (kept > 0)
		memcpy(into, buffer_bytes(&t->carry).data, kept);
	ssize_t got = tls_wire_recv(t, into + kept, len - kept);
	tls_mark(t, STREAM_WIRE_READABLE, false);
	if (got <= 0)
		return got;
	buffer_consume(&t->carry, kept);
	tls_mark(t, STREAM_WIRE_FILLED, (size_t)got == len - kept);
	size_t have = kept + (size_t)got;
	size_t data_len = open_records(t, into, have, &used);
	if (!buffer_append(&t->carry, slice_of(into + used, have - used)))
		return -ENOMEM;
	tls_mark(t, STREAM_WIRE_READABLE, data_len > 0 && has_ended(t));
	return data_len > 0 ? (ssize_t)data_len : no_data(t);
}

/* Gives what an opened record in carry holds. */
static ssize_t give_plain(struct tls *t, uint8_t *into, size_t len)
{
	uint8_t *plain = t->carry.data + t->carry.start;

	if (len > t->plain_len)
		len = t->plain_len;
	memcpy(into, plain, len);
	if (t->stream->ops->is_secret)
		crypto_wipe(plain, len);
	buffer_consume(&t->carry, len);
	t->plain_len = (uint16_t)(t->plain_len - len);
	if (t->plain_len == 0)
		buffer_consume(&t->carry, t->husk_len);
	return (ssize_t)len;
}

/* Bytes until there are so many in carry; what recv says if it gives none. */
static ssize_t top_up(struct tls *t, size_t len)
{
	size_t missing = len - buffer_len(&t->carry);
	uint8_t *room = buffer_reserve(&t->carry, missing);

	if (!room)
		return -ENOMEM;
	ssize_t got = tls_wire_recv(t, room, missing);
	if (got > 0)
		buffer_commit(&t->carry, (size_t)got);
	return got;
}

/* Opens the first record in carry, in place. */
static ssize_t read_carry(struct tls *t, uint8_t *into, size_t len)
{
	struct slice bytes = buffer_bytes(&t->carry);
	struct tls_record record;

	enum tls_opened opened =
	    tls_way_open(&t->in, t->carry.data + t->carry.start, bytes.len, &record);
	if (opened == TLS_OPENED_PART)
		return -EAGAIN;
	if (opened == TLS_OPENED_BAD) {
		fail(t, record.alert);
		return -EPROTO;
	}
	struct slice data = meet(t, &record);
	if (data.len == 0) {
		buffer_consume(&t->carry, record.total_len);
		return no_data(t);
	}
	buffer_consume(&t->carry, TLS_RECORD_HEADER);
	t->plain_len = (uint16_t)data.len;
	t->husk_len = (uint16_t)(record.total_len - TLS_RECORD_HEADER - data.len);
	return give_plain(t, into, len);
}

/* A record that does not fit into the area, or that is here already. */
static ssize_t read_kept(struct tls *t, uint8_t *into, size_t len, size_t total)
{
	ssize_t got = 1;

	if (buffer_len(&t->carry) < total && total <= TLS_RECORD_MAX)
		got = top_up(t, total);
	if (got > 0)
		got = read_carry(t, into, len);
	size_t next = tls_record_len(buffer_bytes(&t->carry));
	tls_mark(t, STREAM_WIRE_FILLED, true);
	tls_mark(t, STREAM_WIRE_READABLE,
		 t->plain_len > 0 || (next > 0 && next <= buffer_len(&t->carry)) ||
		     (got > 0 && has_ended(t)));
	return got;
}

/* An answer to what has been read. The stream will hear of a failure by itself. */
static void answer(struct tls *t)
{
	bool was_ended = t->is_shut;

	if (t->state == TLS_FAILED)
		t->is_shut = true;
	else if (t->owes_renewal && !t->is_shut && buffer_len(&t->unsent) == 0 &&
		 !renew_key(t))
		fail(t, ALERT_INTERNAL_ERROR);
	if (t->boxed > 0)
		tls_wire_flush(t);
	if (t->is_shut && !was_ended && buffer_len(&t->unsent) == 0)
		shutdown(loop_io_fd(&t->stream->io), SHUT_WR);
}

ssize_t tls_lasting_read(struct tls *t, uint8_t *into, size_t len)
{
	size_t total = tls_record_len(buffer_bytes(&t->carry));
	size_t kept = buffer_len(&t->carry);
	ssize_t got;

	if (t->plain_len > 0) {
		got = give_plain(t, into, len);
		size_t next = tls_record_len(buffer_bytes(&t->carry));
		tls_mark(t, STREAM_WIRE_READABLE,
			 t->plain_len > 0 || has_ended(t) ||
			     (next > 0 && next <= buffer_len(&t->carry)));
		return got;
	}
	if (total > len || kept >= len || (total > 0 && total <= kept))
		got = read_kept(t, into, len, total > 0 ? total : TLS_RECORD_HEADER);
	else
		got = read_area(t, into, len);
	answer(t);
	return got;
}
