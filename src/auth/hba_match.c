/*
 * Holding a connection against the rules, in their order.
 */
#include "auth/hba_internal.h"
#include "base/text.h"

const struct hba_rule *hba_first(const struct hba *hba)
{
	return hba->rules;
}

bool hba_uses_own(const struct hba *hba)
{
	for (const struct hba_rule *r = hba->rules; r; r = r->next)
		if (r->address_kind == HBA_SAMEHOST || r->address_kind == HBA_SAMENET)
			return true;
	return false;
}

static bool fits_type(const struct hba_rule *rule, const struct hba_connection *c)
{
	switch (rule->type) {
	case HBA_LOCAL:
		return c->is_local;
	case HBA_HOST:
	case HBA_HOSTNOGSSENC: /* no connection is encrypted by GSSAPI */
		return !c->is_local;
	case HBA_HOSTSSL:
		return !c->is_local && c->is_tls;
	case HBA_HOSTNOSSL:
		return !c->is_local && !c->is_tls;
	}
	return false;
}

/* None is called nothing. */
static bool is_called(const struct hba_connection *c, struct slice name)
{
	return name.len > 0 &&
	       (slice_equal(c->database, name) || slice_equal(c->also_called, name));
}

/* A physical replication connection is in no database: only the word for it matches. */
static bool fits_database(const struct hba_rule *rule, const struct hba_connection *c)
{
	for (const struct hba_name *n = rule->databases; n; n = n->next) {
		bool fits = false;

		switch (n->kind) {
		case HBA_ALL:
			fits = !c->is_replication;
			break;
		case HBA_SAMEUSER:
			fits = !c->is_replication && is_called(c, c->user);
			break;
		case HBA_REPLICATION:
			fits = c->is_replication;
			break;
		case HBA_NAME:
			fits = !c->is_replication && is_called(c, slice_of_text(n->text));
			break;
		}
		if (fits)
			return true;
	}
	return false;
}

static bool fits_user(const struct hba_rule *rule, const struct hba_connection *c)
{
	for (const struct hba_name *n = rule->users; n; n = n->next)
		if (n->kind == HBA_ALL || slice_is_text(c->user, n->text))
			return true;
	return false;
}

static bool is_within(const struct hba_address *a, const struct hba_network *network)
{
	size_t len = a->family == 6 ? 16 : 4;

	if (a->family != network->address.family)
		return false;
	for (size_t i = 0; i < len; i++)
		if ((a->bytes[i] ^ network->address.bytes[i]) & network->mask[i])
			return false;
	return true;
}

static bool is_own(const struct hba_connection *c, bool is_host)
{
	for (size_t i = 0; i < c->own_count; i++) {
		struct hba_network own = c->own[i];

		if (is_host)
			memset(own.mask, 0xff, sizeof(own.mask));
		if (is_within(&c->address, &own))
			return true;
	}
	return false;
}

/* A name that begins with a dot is that of a domain, and fits all names that end in it.
 */
static bool fits_name(const char *wanted, const char *name)
{
	size_t wanted_len = strlen(wanted), len = strlen(name);

	if (wanted[0] != '.')
		return text_equal_nocase(wanted, name);
	return len > wanted_len && text_equal_nocase(wanted, name + len - wanted_len);
}

static enum hba_verdict fits_address(const struct hba_rule *rule,
				     const struct hba_connection *c)
{
	bool fits = false;

	switch (rule->address_kind) {
	case HBA_ANYWHERE:
		fits = true;
		break;
	case HBA_NETWORK:
		fits = is_within(&c->address, &rule->network);
		break;
	case HBA_SAMEHOST:
		fits = is_own(c, true);
		break;
	case HBA_SAMENET:
		fits = is_own(c, false);
		break;
	case HBA_HOST_NAME:
		if (c->peer_name_state == HBA_PEER_NAME_UNKNOWN)
			return HBA_NEEDS_NAME;
		fits = c->peer_name_state == HBA_PEER_NAME_KNOWN &&
		       fits_name(rule->host_name, c->peer_name);
		break;
	}
	return fits ? HBA_MATCH : HBA_NO_MATCH;
}

enum hba_verdict hba_match(const struct hba *hba, const struct hba_connection *c,
			   const struct hba_rule **out)
{
	for (const struct hba_rule *rule = hba->rules; rule; rule = rule->next) {
		/* The address last: only then is a name worth a look-up. */
		if (!fits_type(rule, c) || !fits_database(rule, c) || !fits_user(rule, c))
			continue;
		enum hba_verdict verdict = fits_address(rule, c);
		if (verdict == HBA_MATCH)
			*out = rule;
		if (verdict != HBA_NO_MATCH)
			return verdict;
	}
	return HBA_NO_MATCH;
}
