/*
 * All who listen on one connection, spoken to at once. Costs as much as there are members
 * of the channel, or, after a failure, of all channels.
 */
#ifndef POOLER_RELAY_AUDIENCE_H
#define POOLER_RELAY_AUDIENCE_H

#include "pool/channels.h"

/* Those who listen to the channel get this NotificationResponse (its body); false when
 * memory is short: then nobody has got it. */
bool audience_hear(struct channel *channel, struct slice body);

/* The connection has been told to listen to the channel, and has said all that was said
 * on it before: that is not for those who wait, and they go on; but for those who came
 * later it is told again. A channel_fn; the context is the channels. */
void audience_admit(struct channel *channel, void *context);
/* Those who wait for it (or for any) are refused; whether somebody listens to it. */
bool audience_refuse(struct channel *channel);
void audience_refuse_all(struct channels *channels);

/* Something may be lost for all of them. */
void audience_note_loss(struct channels *channels);
/* Warns all for whom something may be lost; false when memory is short. */
bool audience_warn(struct channels *channels);

#endif
