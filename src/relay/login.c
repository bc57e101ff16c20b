/*
 * A login in progress: its end.
 */
#include "relay/login.h"

#include <stdlib.h>

#include "relay/keyring.h"

void login_free(struct login *l)
{
	if (l->exchange) {
		exchange_fini(l->exchange);
		free(l->exchange);
	}
	buffer_wipe(&l->secret);
	buffer_wipe(&l->password);
	keyring_unref(l->keyring);
	free(l->peer_name);
	free(l->packet);
	free(l);
}
