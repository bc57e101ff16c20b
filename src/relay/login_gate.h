/*
 * The bound on logins in progress, and the order in which they are worked on.
 *
 * A connection that has said something asks for a place; without one it is not read, and
 * waits in a line until one is free. So a rush of logins costs memory for max_logins of
 * them, and for the others no more than an idle connection does.
 *
 * A place is for who goes on: while others stand in the line, a login whose client has
 * been silent for LOGIN_GATE_PATIENCE is ended in favour of the first of them; sooner
 * when the line is long, so that it gets on whatever its length. What a
 * client says after LOGIN_GATE_LONGEST does not count for that any more, or a byte now
 * and then would hold a place. Who waits for us needs none meanwhile: a directory or a
 * server that hangs must not keep out those who need neither. So there may be a few more
 * inside than places, for a while. Steps take turns (net/pacer).
 */
#ifndef POOLER_RELAY_LOGIN_GATE_H
#define POOLER_RELAY_LOGIN_GATE_H

#include "net/pacer.h"

#define LOGIN_GATE_PATIENCE (2 * USEC_PER_SEC)
/* With every so many in the line it is a part of that: a half, a third ... */
enum { LOGIN_GATE_LONG_LINE = 1000 };
#define LOGIN_GATE_LONGEST (10 * USEC_PER_SEC)

enum login_place {
	LOGIN_OUTSIDE, /* has not asked yet */
	LOGIN_IN_LINE,
	LOGIN_INSIDE,  /* has a place; its client is to go on */
	LOGIN_WITH_US, /* waits for something that we fetch; bounded there, not here */
};

/* Embedded in each login. Zero is one that has not asked. */
struct login_ticket {
	TAILQ_ENTRY(login_ticket) at;
	struct loop_task turn; /* its step; `run` is filled in by the owner */
	uint64_t since_us;     /* when it came inside, or back there from us */
	uint64_t heard_us;     /* when its client last went on */
	uint8_t place;         /* enum login_place */
	bool has_gone_on;      /* a second time: there is not much more to come */
};
TAILQ_HEAD(login_tickets, login_ticket);

typedef void (*login_gate_fn)(struct login_ticket *ticket);

struct login_gate {
	struct loop *loop;
	struct pacer pacer;
	struct login_tickets line;
	struct login_tickets inside; /* LOGIN_INSIDE, silent for longest first */
	struct deadline patience;
	struct deadline calm;       /* a rush is over: memory goes back */
	unsigned reserved;          /* deadlines of ours in the loop */
	login_gate_fn on_displaced; /* ends that login */
	size_t count, max;          /* places taken, and how many there are */
	size_t line_len;
	size_t peak; /* of count, since memory was given back last */
};

/* 0 or -ENOMEM. */
int login_gate_init(struct login_gate *gate, struct loop *loop, size_t max,
		    login_gate_fn on_displaced);
void login_gate_fini(struct login_gate *gate);

void login_gate_set_max(struct login_gate *gate, size_t max);

/* Its client has sent something: its turn comes as soon as there is a place and time.
 * Whether that is soon. */
bool login_gate_ask(struct login_gate *gate, struct login_ticket *ticket);
/* We fetch something for it; and its client is to go on again. */
void login_gate_wait(struct login_gate *gate, struct login_ticket *ticket);
void login_gate_resume(struct login_gate *gate, struct login_ticket *ticket);
/* The login is over: the place, or that in the line, is free. Harmless twice. */
void login_gate_leave(struct login_gate *gate, struct login_ticket *ticket);

#endif
