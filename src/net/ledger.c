/*
 * Adding up what streams hold.
 */
#include "net/ledger.h"

#include "base/check.h"

void ledger_change(struct ledger *l, uint32_t *held, size_t now)
{
	uint32_t after = now < UINT32_MAX ? (uint32_t)now : UINT32_MAX;

	CHECK(l->held >= *held && (*held == 0 || l->holders > 0));
	l->held += after;
	l->held -= *held;
	if (l->held > l->peak)
		l->peak = l->held;
	if (*held == 0 && after > 0)
		l->holders++;
	else if (*held > 0 && after == 0)
		l->holders--;
	*held = after;
}
