/*
 * Whether a database lets clients and servers meet: PAUSE, RESUME, DISABLE, ENABLE, KILL.
 */
#ifndef POOLER_POOL_GATE_H
#define POOLER_POOL_GATE_H

#include <stdbool.h>

/* Zero is an open gate. */
struct gate {
	bool is_paused;   /* no server is handed out */
	bool is_disabled; /* no new client may log in */
};

#endif
