/*
 * A flow is kept while somebody of it waits or is served: who comes back later begins
 * without credit and without debts.
 */
#include "pool/flow.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"

static void begin(struct flow *flow, const struct usage *user)
{
	*flow = (struct flow){.user = user, .weight = 1};
	for (int class = 0; class < PRIORITY_CLASSES; class ++)
		lane_init(&flow->lanes[class], flow);
}

void flows_init(struct flows *flows)
{
	flows->table = NULL;
	begin(&flows->first, NULL);
}

void flows_fini(struct flows *flows)
{
	CHECK(flows->table == NULL && flows->first.held == 0);
}

struct flow *flows_find(struct flows *flows, const struct usage *user)
{
	struct flow *found;

	if (flows->first.user == user)
		return &flows->first;
	HASH_FIND_PTR(flows->table, &user, found);
	return found;
}

static struct flow *make(struct flows *flows, const struct usage *user)
{
	struct flow *flow = malloc(sizeof(*flow));

	if (!flow)
		return NULL;
	begin(flow, user);
	HASH_ADD_PTR(flows->table, user, flow);
	if (flow->hh.tbl)
		return flow;
	free(flow);
	return NULL;
}

struct flow *flows_hold(struct flows *flows, const struct usage *user, unsigned weight)
{
	struct flow *flow = flows_find(flows, user);

	if (!flow && flows->first.held == 0) {
		flow = &flows->first;
		begin(flow, user);
	}
	if (!flow)
		flow = make(flows, user);
	if (!flow)
		flow = &flows->first;
	flow->held++;
	if (flow->user == user)
		flow->weight = weight;
	return flow;
}

void flow_release(struct flows *flows, struct flow *flow)
{
	CHECK(flow->held > 0);
	if (--flow->held > 0 || flow == &flows->first)
		return;
	HASH_DELETE(hh, flows->table, flow);
	free(flow);
}
