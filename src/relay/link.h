/*
 * A client and a server joined: two pointers, and each side's bytes feeding the other.
 */
#ifndef POOLER_RELAY_LINK_H
#define POOLER_RELAY_LINK_H

struct client;
struct server;

/* Both become LINKED. The server is idle and busy in its pool's eyes already. */
void link_attach(struct client *c, struct server *s);

/* Both lose the other; their states are the callers' business: the client becomes IDLE
 * unless it is closing; the server stays for clean or close to decide. */
void link_detach(struct client *c);

/* It is nobody's last server or client any more: it ends, or goes to stand in a line. */
void link_forget_client(struct client *c);
void link_forget_server(struct server *s);

#endif
