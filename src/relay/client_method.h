/*
 * How a client is to prove who it is: by auth_type, or by the first HBA rule that fits.
 */
#ifndef POOLER_RELAY_CLIENT_METHOD_H
#define POOLER_RELAY_CLIENT_METHOD_H

#include "auth/brake.h"
#include "relay/login.h"

enum client_method {
	CLIENT_METHOD_FOUND,      /* it is in login->method */
	CLIENT_METHOD_NEEDS_NAME, /* find out what the client's address is called */
	CLIENT_METHOD_REFUSED     /* the client has been closed */
};

enum client_method client_method_find(struct login *l);

/* Whether the client's certificate says that it may be that user, as far as the method
 * wants one; otherwise it has been closed. */
bool client_method_judge_certificate(struct login *l);

/* Whether who the system calls system_name may be that user; otherwise it has been
 * closed. */
bool client_method_judge_peer(struct login *l, const char *system_name);

/* Whom the brake counts it as. */
struct brake_who client_method_who(const struct login *l);

/* Ends it with 28000: this kind of login failed for this user. why is for the log. */
void client_method_refuse(struct login *l, const char *kind, const char *why);

#endif
