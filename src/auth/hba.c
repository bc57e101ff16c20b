/*
 * Parsing the rules. Everything is in one arena; a rule that is wrong is told and left
 * out, and then the whole is given up.
 */
#include "auth/hba.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>

#include "auth/file.h"
#include "auth/hba_internal.h"
#include "auth/tokens.h"
#include "base/text.h"
#include "config/errors.h"

enum { INCLUDE_DEPTH_MAX = 10, INCLUDES_MAX = 1000 /* of one list */ };

void hba_complain(struct hba_parse *p, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	config_errors_add_v(p->errors, CONFIG_ERROR, p->file, p->line, format, args);
	va_end(args);
	p->is_bad = true;
}

void *hba_take(struct hba_parse *p, size_t len)
{
	void *at = arena_take(&p->hba->arena, len);

	if (!at)
		p->is_out_of_memory = p->is_bad = true;
	return at;
}

static bool is_word(const struct token *t, const char *word)
{
	return !t->is_quoted && strcmp(t->text, word) == 0;
}

/* ---- databases and users ---- */

struct names {
	struct hba_name **end;
	bool is_users;
	unsigned depth, included;
};

static void add_name(struct hba_parse *p, struct names *names, enum hba_name_kind kind,
		     const char *text)
{
	struct hba_name *name = hba_take(p, sizeof(*name));

	if (!name)
		return;
	*name = (struct hba_name){.kind = kind, .text = text};
	*names->end = name;
	names->end = &name->next;
}

/* Whether the word means something that cannot be honoured, which is told. */
static bool refuse_word(struct hba_parse *p, const struct names *names, const char *text)
{
	if (!names->is_users &&
	    (strcmp(text, "samerole") == 0 || strcmp(text, "samegroup") == 0))
		hba_complain(p, "\"%s\" is not supported: the pooler knows no roles",
			     text);
	else if (names->is_users && text[0] == '+')
		hba_complain(
		    p,
		    "\"%s\" is not supported: the pooler knows no groups (put it in "
		    "quotes if it is a name)",
		    text);
	else if (text[0] == '/')
		hba_complain(
		    p,
		    "\"%s\" is not supported: no regular expressions here (put it "
		    "in quotes if it is a name)",
		    text);
	else
		return false;
	return true;
}

static void take_word(struct hba_parse *p, struct names *names, const char *text)
{
	if (refuse_word(p, names, text))
		return;
	if (strcmp(text, "all") == 0)
		add_name(p, names, HBA_ALL, text);
	else if (!names->is_users && strcmp(text, "sameuser") == 0)
		add_name(p, names, HBA_SAMEUSER, text);
	else if (!names->is_users && strcmp(text, "replication") == 0)
		add_name(p, names, HBA_REPLICATION, text);
	else
		add_name(p, names, HBA_NAME, text);
}

/* Where an included file is: beside the one that includes it. */
static const char *include_path(struct hba_parse *p, const char *name)
{
	const char *slash = strrchr(p->file, '/');
	int dir_len = slash && name[0] != '/' ? (int)(slash - p->file) + 1 : 0;
	size_t len = (size_t)dir_len + strlen(name) + 1;
	char *path = hba_take(p, len);

	if (path)
		snprintf(path, len, "%.*s%s", dir_len, p->file, name);
	return path;
}

static void take_names(struct hba_parse *p, struct names *names, const struct token *t);

/* All tokens of a file count as written here. Recursion is bounded by depth. */
static void include(struct hba_parse *p, struct names *names, const char *name)
{
	const char *path = include_path(p, name);
	struct file_text text;
	struct token_line line;
	enum tokens_result result = TOKENS_END;

	/* After a failure nothing more is read: files may include each other. */
	if (!path || p->is_bad)
		return;
	if (names->depth >= INCLUDE_DEPTH_MAX || names->included++ >= INCLUDES_MAX) {
		hba_complain(p, "\"@%s\": files include each other too often", name);
		return;
	}
	int rc = file_read(path, &text);
	if (rc < 0) {
		hba_complain(p, "\"@%s\" cannot be read: %s", name, strerror(-rc));
		return;
	}
	struct hba_parse inner = *p;
	inner.file = path;
	struct tokens tokens =
	    tokens_of(file_bytes(&text), path, &p->hba->arena, p->errors);
	names->depth++;
	while ((result = tokens_next(&tokens, &line)) == TOKENS_LINE) {
		inner.line = line.line;
		for (const struct field *f = line.fields; f; f = f->next)
			take_names(&inner, names, f->tokens);
	}
	names->depth--;
	p->is_bad |= inner.is_bad || result != TOKENS_END;
	p->is_out_of_memory |= inner.is_out_of_memory || result == TOKENS_NO_MEMORY;
	file_forget(&text);
}

static void take_names(struct hba_parse *p, struct names *names, const struct token *t)
{
	for (; t; t = t->next) {
		if (t->is_quoted)
			add_name(p, names, HBA_NAME, t->text);
		else if (t->text[0] == '@' && t->text[1])
			include(p, names, t->text + 1);
		else
			take_word(p, names, t->text);
	}
}

/* ---- addresses ---- */

static bool parse_ip(const char *text, struct hba_address *out)
{
	struct hba_address a = {.family = strchr(text, ':') ? 6 : 4};

	if (inet_pton(a.family == 6 ? AF_INET6 : AF_INET, text, a.bytes) != 1)
		return false;
	*out = a;
	return true;
}

static bool parse_bits(const char *text, unsigned most, unsigned *out)
{
	unsigned bits = 0;
	size_t len = strlen(text);

	if (len == 0 || len > 3)
		return false;
	for (size_t i = 0; i < len; i++) {
		if (text[i] < '0' || text[i] > '9')
			return false;
		bits = bits * 10 + (unsigned)(text[i] - '0');
	}
	*out = bits;
	return bits <= most;
}

static void mask_of(unsigned bits, uint8_t mask[16])
{
	memset(mask, 0, 16);
	for (unsigned i = 0; i < bits; i++)
		mask[i / 8] = (uint8_t)(mask[i / 8] | 0x80 >> i % 8);
}

/* ADDRESS/BITS; false when the part before the slash is no address. */
static bool take_cidr(struct hba_parse *p, struct hba_rule *rule, const char *text)
{
	char address[64];
	const char *slash = strchr(text, '/');
	unsigned bits;

	text_copy(address, sizeof(address), slice_of(text, (size_t)(slash - text)));
	if (!parse_ip(address, &rule->network.address))
		return false;
	if (!parse_bits(slash + 1, rule->network.address.family == 6 ? 128 : 32, &bits))
		hba_complain(p, "invalid CIDR mask in address \"%s\"", text);
	else
		mask_of(bits, rule->network.mask);
	return true;
}

/* The mask is a field of its own; returns the last field that was read. */
static const struct field *take_mask(struct hba_parse *p, struct hba_rule *rule,
				     const struct field *field)
{
	const struct field *next = field->next;
	struct hba_address mask;

	if (!next) {
		hba_complain(p, "\"%s\" needs a mask behind it", field->tokens->text);
		return field;
	}
	if (next->tokens->next || !parse_ip(next->tokens->text, &mask))
		hba_complain(p, "invalid IP mask \"%s\"", next->tokens->text);
	else if (mask.family != rule->network.address.family)
		hba_complain(p, "IP address and mask do not match");
	else
		memcpy(rule->network.mask, mask.bytes, sizeof(mask.bytes));
	return next;
}

static bool is_host_name(const char *text)
{
	size_t len = strlen(text);
	bool has_letter = false;

	for (size_t i = 0; i < len; i++) {
		char c = text[i];
		bool is_letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');

		has_letter |= is_letter;
		if (!is_letter && !(c >= '0' && c <= '9') && c != '-' && c != '.' &&
		    c != '_')
			return false;
	}
	return has_letter && len <= 253;
}

static const struct field *take_address(struct hba_parse *p, struct hba_rule *rule,
					const struct field *field)
{
	const struct token *t = field->tokens;

	if (t->next) {
		hba_complain(p, "more than one address");
		return field;
	}
	if (is_word(t, "all")) {
		rule->address_kind = HBA_ANYWHERE;
	} else if (is_word(t, "samehost")) {
		rule->address_kind = HBA_SAMEHOST;
	} else if (is_word(t, "samenet")) {
		rule->address_kind = HBA_SAMENET;
	} else if (strchr(t->text, '/') && take_cidr(p, rule, t->text)) {
		rule->address_kind = HBA_NETWORK;
	} else if (parse_ip(t->text, &rule->network.address)) {
		rule->address_kind = HBA_NETWORK;
		return take_mask(p, rule, field);
	} else if (is_host_name(t->text)) {
		rule->address_kind = HBA_HOST_NAME;
		rule->host_name = t->text;
	} else {
		hba_complain(p, "\"%s\" is no address and no host name", t->text);
	}
	return field;
}

/* ---- types and methods ---- */

static void take_type(struct hba_parse *p, struct hba_rule *rule, const struct token *t)
{
	if (strcmp(t->text, "hostgssenc") == 0) {
		hba_complain(p, "\"hostgssenc\" is not supported: there is no GSSAPI");
		return;
	}
	for (int type = HBA_LOCAL; type <= HBA_HOSTNOGSSENC && !t->next; type++)
		if (strcmp(t->text, hba_type_name((enum hba_type)type)) == 0) {
			rule->type = (enum hba_type)type;
			return;
		}
	hba_complain(p, "invalid connection type \"%s\"", t->text);
}

static bool find_method(const char *text, enum hba_type type, enum hba_method *out)
{
	/* On a Unix socket PostgreSQL takes ident for peer. */
	if (strcmp(text, "ident") == 0 && type == HBA_LOCAL)
		text = "peer";
	for (int method = HBA_TRUST; method <= HBA_PAM; method++)
		if (strcmp(text, hba_method_name((enum hba_method)method)) == 0) {
			*out = (enum hba_method)method;
			return true;
		}
	return false;
}

static void take_method(struct hba_parse *p, struct hba_rule *rule, const struct token *t)
{
	static const char *const unsupported[] = {"gss", "sspi", "ident", "radius",
						  "bsd"};

	if (!t->next && find_method(t->text, rule->type, &rule->method)) {
		if (rule->method == HBA_PEER && rule->type != HBA_LOCAL)
			hba_complain(p, "peer authentication is only for local rules");
		if (rule->method == HBA_CERT && rule->type != HBA_HOSTSSL)
			hba_complain(p, "cert authentication is only for hostssl rules");
		if (rule->method == HBA_CERT)
			rule->clientcert = HBA_CLIENTCERT_FULL;
		return;
	}
	for (size_t i = 0; i < sizeof(unsupported) / sizeof(unsupported[0]); i++)
		if (strcmp(t->text, unsupported[i]) == 0) {
			hba_complain(p, "authentication method \"%s\" is not supported",
				     t->text);
			return;
		}
	hba_complain(p, "invalid authentication method \"%s\"", t->text);
}

/* ---- rules ---- */

static const struct field *next_field(struct hba_parse *p, const struct field *field,
				      const char *what)
{
	if (!field->next)
		hba_complain(p, "end of line before %s", what);
	return field->next;
}

static void take_rule(struct hba_parse *p, struct hba_rule *rule,
		      const struct field *field)
{
	struct names databases = {.end = &rule->databases};
	struct names users = {.end = &rule->users, .is_users = true};

	take_type(p, rule, field->tokens);
	if (p->is_bad || !(field = next_field(p, field, "the database")))
		return;
	take_names(p, &databases, field->tokens);
	if (!(field = next_field(p, field, "the user")))
		return;
	take_names(p, &users, field->tokens);
	if (rule->type != HBA_LOCAL) {
		if (!(field = next_field(p, field, "the address")))
			return;
		field = take_address(p, rule, field);
	}
	if (p->is_bad || !(field = next_field(p, field, "the method")))
		return;
	take_method(p, rule, field->tokens);
	if (!p->is_bad)
		hba_take_options(p, rule, field->next);
}

static void take_rules(struct hba_parse *p, struct tokens *tokens)
{
	struct hba_rule **end = &p->hba->rules;
	struct token_line line;
	enum tokens_result result;

	while ((result = tokens_next(tokens, &line)) == TOKENS_LINE ||
	       result == TOKENS_BAD) {
		if (result == TOKENS_BAD)
			continue;
		struct hba_rule *rule = hba_take(p, sizeof(*rule));
		if (!rule)
			return;
		p->line = rule->line = line.line;
		p->is_bad = false;
		take_rule(p, rule, line.fields);
		*end = rule;
		end = &rule->next;
	}
	p->is_out_of_memory |= result == TOKENS_NO_MEMORY;
}

struct hba *hba_parse(struct slice text, const char *file, struct config_errors *errors)
{
	struct hba_parse p = {.file = file, .errors = errors};
	size_t before = errors->errors;

	p.hba = calloc(1, sizeof(*p.hba));
	if (p.hba) {
		struct tokens tokens = tokens_of(text, file, &p.hba->arena, errors);
		take_rules(&p, &tokens);
	}
	if (!p.hba || p.is_out_of_memory)
		config_errors_add(errors, CONFIG_ERROR, file, 0, "out of memory");
	if (errors->errors == before)
		return p.hba;
	hba_free(p.hba);
	return NULL;
}

struct hba *hba_load(const char *path, struct config_errors *errors)
{
	struct file_text text;

	if (!file_load(path, errors, &text))
		return NULL;
	struct hba *hba = hba_parse(file_bytes(&text), path, errors);
	file_forget(&text);
	return hba;
}

void hba_free(struct hba *hba)
{
	if (!hba)
		return;
	arena_fini(&hba->arena);
	free(hba);
}
