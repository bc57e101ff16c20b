/*
 * What has been asked of a server and not yet answered, the transaction status, and COPY
 * ("Message Flow"). A pure machine: it is told each message that was sent and each that
 * came back, by letter, and says whose answer that is and when the server is idle again.
 *
 * Both the client and the pooler ask (SET, a reset query, a check); each entry knows who,
 * so that the answers to the pooler's own questions can be taken out of the stream. And
 * some of the client's questions are answered by the pooler (a Parse of what the server
 * has already): they stand in the line too, so that their answers come in their turn, and
 * not at all when an error makes the server skip what stands around them.
 *
 * Questions are numbered from 0 on, in the order in which they were asked.
 *
 * The surprise: during COPY IN a server ignores Sync and Flush and fails on anything else
 * but Copy messages, and what was sent ahead of its CopyInResponse may or may not have
 * been read in that mode. Then nobody can tell how many ReadyForQuery will come: the
 * tracker says it is uncertain, and the relay finds out with a probe, an empty query
 * whose EmptyQueryResponse marks the place in the stream. Where more than Syncs is in
 * doubt (a client that pipelines other messages into a COPY) no probe could tell, and the
 * server is never idle again.
 */
#ifndef POOLER_PROTO_TRACKER_H
#define POOLER_PROTO_TRACKER_H

#include "proto/questions.h"

/* Zero is a valid tracker of a server that just said ReadyForQuery 'I'. An idle one owns
 * no memory. */
struct tracker {
	struct questions asked;
	uint64_t sent;  /* questions that ever stood in the line */
	uint64_t batch; /* the first behind the last that is answered for certain */
	uint64_t turn;  /* the first behind the last Sync or Query */
	uint64_t open;  /* the first behind the last that has no Sync yet */
	uint8_t transaction_status; /* 'I', 'T', 'E'; 0 reads as 'I' */
	uint8_t copy;               /* enum of tracker.c */
	uint8_t skipping;           /* after an error, up to a Sync */
	uint8_t lost;               /* uncertain for good: never idle again */
	uint8_t unsynced;           /* extended messages were sent since the last Sync */
};

void tracker_fini(struct tracker *t);

/* Whether one more message may be sent: false only when so much is outstanding (tens of
 * thousands) that the sender must wait for answers first. */
bool tracker_has_room(const struct tracker *t);

/* A message of this letter is on its way to the server. False when memory is short: then
 * nothing changed and the message must not be sent. Letters without an answer (Flush,
 * CopyData) are accepted and cost nothing. */
bool tracker_sent(struct tracker *t, uint8_t letter, enum asked_by who);

/* Whether the server passes over what is sent now, up to a Sync: nothing of that is a
 * question, nor will it have an effect. */
bool tracker_is_skipping(const struct tracker *t);

/* Whether the client may be sending data of a COPY: then nothing else can be asked. */
bool tracker_is_in_copy(const struct tracker *t);

/* The number of the next question. */
uint64_t tracker_next(const struct tracker *t);

/* The number of the oldest question that is not done; all before it have been answered
 * or skipped. */
uint64_t tracker_oldest(const struct tracker *t);

/* The number of a question: those before it will be answered without another word of the
 * client. A Query behind extended messages without a Sync may be skipped with them. */
uint64_t tracker_batch(const struct tracker *t);

/* The number of the first question behind the last Sync, Query or FunctionCall: from it
 * on all is skipped when one fails. */
uint64_t tracker_turn(const struct tracker *t);

/* The pooler's answer that is due now: '1' or '3', the letter of the message that the
 * client is to be sent before anything else; 0 when there is none. To be asked before a
 * server's message is looked at, and taken. */
uint8_t tracker_due(const struct tracker *t);
void tracker_take_due(struct tracker *t);

/* Whether the server has nothing to answer: what is outstanding is due now. */
bool tracker_awaits_nothing(const struct tracker *t);

/* Whether the oldest question is a simple one (Query), with a ReadyForQuery of its own.
 */
bool tracker_is_at_query(const struct tracker *t);

/* The empty query that ends uncertainty is on its way. */
bool tracker_probe_sent(struct tracker *t);

/* Whom a server's message is for. */
enum tracker_answer {
	TRACKER_FOR_CLIENT, /* the answer to something the client asked */
	TRACKER_FOR_POOLER, /* the answer to something the pooler asked: swallow it */
	TRACKER_ASIDE, /* NoticeResponse, ParameterStatus, NotificationResponse: not an
			  answer; tracker_asker() says who is being served just now */
	TRACKER_UNEXPECTED, /* nobody asked, or no message of a server: the server is
			       broken (an ErrorResponse that nobody asked for, before the
			       server ends, is TRACKER_ASIDE) */
};

/* A message of this letter has come from the server; status is the first byte of its body
 * (looked at for ReadyForQuery only). Commits: the entry it answers is gone. */
enum tracker_answer tracker_received(struct tracker *t, uint8_t letter, uint8_t status);

/* Who is being served: who asked the oldest outstanding question; the client when nothing
 * is outstanding. */
enum asked_by tracker_asker(const struct tracker *t);

/* Everything is answered, no COPY is open and no Sync is owed: the server waits for the
 * next message, in the transaction status below. Never true while uncertain. */
bool tracker_is_idle(const struct tracker *t);

/* All that is certain is answered but a probe is needed before more can be said. */
bool tracker_needs_probe(const struct tracker *t);

/* For who speaks on behalf of a client that has gone, what it left open: a COPY that
 * waits for its data; one in both directions; extended messages without a Sync behind
 * them, none of which counts before that; and whether nobody will ever know. */
bool tracker_awaits_copy(const struct tracker *t);
bool tracker_copies_both_ways(const struct tracker *t);
bool tracker_is_unsynced(const struct tracker *t);
bool tracker_is_lost(const struct tracker *t);
/* How many requests are outstanding, each with a ReadyForQuery of its own to come. */
uint32_t tracker_requests(const struct tracker *t);

uint8_t tracker_transaction_status(const struct tracker *t);

#endif
