/*
 * The difference of two sets of parameters, as SQL.
 */
#include "base/buffer.h"
#include "proto/params.h"

static bool name_is(struct slice name, const char *text)
{
	return params_name_compare(name, slice_of_text(text)) == 0;
}

static bool name_is_among(struct slice name, const char *const *names)
{
	for (; *names; names++)
		if (name_is(name, *names))
			return true;
	return false;
}

bool params_is_settable(struct slice name)
{
	static const char *const fixed[] = {
	    /* reported, but facts about the server or the role */
	    "in_hot_standby", "integer_datetimes", "is_superuser", "server_encoding",
	    "server_version",
	    /* of the startup packet only */
	    "database", "options", "replication", "user", NULL};

	return !name_is_among(name, fixed);
}

/*
 * SET would make one quoted name of these lists. set_config() takes the text as the
 * startup packet does; it costs more than SET, so others keep SET. Its result is not
 * asked for: it need not fit the client_encoding of the moment.
 */
static bool is_list_of_names(struct slice name)
{
	static const char *const lists[] = {"local_preload_libraries", "search_path",
					    "session_preload_libraries",
					    "temp_tablespaces", NULL};

	return name_is_among(name, lists);
}

/* Whether SET and RESET can spell the name: PostgreSQL cuts identifiers at 63 bytes, and
 * other than ASCII would depend on the client_encoding of the moment. */
static bool is_identifier(struct slice name)
{
	size_t part_len = 0;

	for (size_t i = 0; i < name.len; i++) {
		if (name.data[i] >= 0x80)
			return false;
		if (name.data[i] == '.' ? part_len == 0 : part_len == 63)
			return false;
		part_len = name.data[i] == '.' ? 0 : part_len + 1;
	}
	return part_len > 0;
}

struct sql {
	struct buffer *out;
	bool failed;
};

static void sql_bytes(struct sql *sql, struct slice bytes)
{
	if (!sql->failed && !buffer_append(sql->out, bytes))
		sql->failed = true;
}

static void sql_text(struct sql *sql, const char *text)
{
	sql_bytes(sql, slice_of_text(text));
}

static void sql_identifier(struct sql *sql, struct slice name)
{
	sql_text(sql, "\"");
	for (size_t i = 0; i < name.len; i++) {
		if (name.data[i] == '.')
			sql_text(sql, "\".\"");
		else if (name.data[i] == '"')
			sql_text(sql, "\"\"");
		else
			sql_bytes(sql, slice_of(name.data + i, 1));
	}
	sql_text(sql, "\"");
}

static bool is_plain(uint8_t c)
{
	return c != '\'' && c != '\\' && c < 0x80;
}

static void sql_special(struct sql *sql, uint8_t c)
{
	static const char digits[] = "0123456789abcdef";
	const char escape[] = {'\\', 'x', digits[c >> 4], digits[c & 15], '\0'};

	sql_text(sql, c == '\'' ? "''" : c == '\\' ? "\\\\" : escape);
}

/*
 * A literal that is right whatever standard_conforming_strings says. Bytes that are not
 * ASCII go as \xNN: they are what the client put into its startup packet, which is not
 * converted either, and in some client encodings their second bytes look like quotes and
 * backslashes.
 */
static void sql_literal(struct sql *sql, struct slice value)
{
	bool needs_escape = false;

	for (size_t i = 0; i < value.len && !needs_escape; i++)
		needs_escape = value.data[i] == '\\' || value.data[i] >= 0x80;
	sql_text(sql, needs_escape ? "E'" : "'");
	for (size_t i = 0, end; i < value.len; i = end) {
		for (end = i; end < value.len && is_plain(value.data[end]);)
			end++;
		sql_bytes(sql, slice_of(value.data + i, end - i));
		if (end < value.len)
			sql_special(sql, value.data[end++]);
	}
	sql_text(sql, "'");
}

/* value NULL: what the server had at its start. */
static void sql_set(struct sql *sql, struct slice name, const struct slice *value)
{
	if (is_identifier(name) && !(value && is_list_of_names(name))) {
		sql_text(sql, value ? "SET " : "RESET ");
		sql_identifier(sql, name);
		if (value) {
			sql_text(sql, " = ");
			sql_literal(sql, *value);
		}
		sql_text(sql, ";");
		return;
	}
	sql_text(sql, "SELECT FROM pg_catalog.set_config(");
	sql_literal(sql, name);
	sql_text(sql, ", ");
	if (value)
		sql_literal(sql, *value);
	else
		sql_text(sql, "NULL");
	sql_text(sql, ", false);");
}

struct difference {
	const struct params *have, *want, *base;
	struct sql sql;
	bool is_dropped;   /* it is whom it logged in as, by what has been appended */
	bool has_new_user; /* session_authorization is set, which drops the role */
};

static const char user_name[] = "session_authorization", role_name[] = "role";

static bool is_identity(struct slice name)
{
	return name_is(name, user_name) || name_is(name, role_name);
}

/* Of one store they are the same bytes, however many. */
static bool is_same(struct slice a, struct slice b)
{
	return (a.data == b.data && a.len == b.len) || slice_equal(a, b);
}

/* What a DateStyle leaves unsaid, order or style, PostgreSQL takes from the one before,
 * which may be a stranger's. */
static bool is_half(struct slice name, struct slice value)
{
	return name_is(name, "DateStyle") && !memchr(value.data, ',', value.len);
}

static void set_wanted(struct difference *d, struct slice name, struct slice want)
{
	struct slice have, base;

	if (is_half(name, want) && params_find(d->base, name, &base) &&
	    !(params_find(d->have, name, &have) && is_same(have, base)))
		sql_set(&d->sql, name, &base);
	sql_set(&d->sql, name, params_is_no_value(want) ? NULL : &want);
}

static void differ_in(struct difference *d, struct slice name)
{
	const struct params *now = d->is_dropped && is_identity(name) ? d->base : d->have;
	struct slice have = {0}, want;
	bool has = params_find(now, name, &have);
	bool is_lost = d->has_new_user && name_is(name, role_name);

	if (params_find(d->want, name, &want)) {
		if (!has || is_lost || !is_same(have, want))
			set_wanted(d, name, want);
	} else if (params_find(d->base, name, &want)) {
		if (is_lost || !is_same(have, want))
			sql_set(&d->sql, name, &want);
	} else if (has && !params_is_no_value(have)) {
		sql_set(&d->sql, name, NULL);
	}
}

static void differ_in_identity(struct difference *d)
{
	struct slice user = slice_of_text(user_name), role = slice_of_text(role_name),
		     value;
	size_t before = buffer_len(d->sql.out);

	if (params_find(d->have, user, &value) || params_find(d->want, user, &value))
		differ_in(d, user);
	d->has_new_user = buffer_len(d->sql.out) > before;
	differ_in(d, role);
}

static void differ_in_others(struct difference *d)
{
	const struct params *have = d->have, *want = d->want;
	size_t i = 0, j = 0, have_count = params_count(have),
	       want_count = params_count(want);
	struct slice in_have, in_want, value;

	while (i < have_count || j < want_count) {
		if (i < have_count)
			params_at(have, i, &in_have, &value);
		if (j < want_count)
			params_at(want, j, &in_want, &value);
		int order = i == have_count   ? 1
			    : j == want_count ? -1
					      : params_name_compare(in_have, in_want);
		struct slice name = order <= 0 ? in_have : in_want;

		if (params_is_settable(name) && !is_identity(name))
			differ_in(d, name);
		i += order <= 0;
		j += order >= 0;
	}
}

static void drop(struct difference *d, struct slice name)
{
	struct slice have, base;
	bool has_base = params_find(d->base, name, &base);

	/* A role to begin with is not one that RESET leads back to. */
	if (params_find(d->have, name, &have) && !(has_base && is_same(have, base)))
		sql_set(&d->sql, name,
			has_base && name_is(name, role_name) ? &base : NULL);
}

/* As whom it began. */
static void differ_in_others_as_login(struct difference *d)
{
	size_t before = buffer_len(d->sql.out), dropped;

	drop(d, slice_of_text(user_name));
	drop(d, slice_of_text(role_name));
	dropped = buffer_len(d->sql.out);
	differ_in_others(d);
	if (!d->sql.failed && buffer_len(d->sql.out) == dropped)
		buffer_truncate(d->sql.out, before);
	else
		d->is_dropped = true;
}

static bool is_set(const struct params *set, const char *name)
{
	struct slice value;

	return params_find(set, slice_of_text(name), &value);
}

/*
 * Who one is decides what one may set. A superuser sets everything before it becomes
 * somebody else. Anybody else can only have become more than it was.
 */
static void differ_in_order(struct difference *d)
{
	struct slice value;

	if (params_find(d->base, slice_of_text("is_superuser"), &value) &&
	    slice_is_text(value, "on")) {
		differ_in_others_as_login(d);
		differ_in_identity(d);
	} else if (is_set(d->want, user_name) || is_set(d->want, role_name)) {
		differ_in_identity(d);
		differ_in_others(d);
	} else {
		differ_in_others(d);
		differ_in_identity(d);
	}
}

bool params_difference(const struct params *have, const struct params *want,
		       const struct params *base, struct buffer *out)
{
	struct difference d = {
	    .have = have, .want = want, .base = base, .sql = {.out = out}};
	size_t initial_len = buffer_len(out);

	if (have == want)
		return true;
	differ_in_order(&d);
	if (d.sql.failed)
		buffer_truncate(out, initial_len);
	return !d.sql.failed;
}

bool params_append_literal(struct buffer *out, struct slice value)
{
	struct sql sql = {.out = out};
	size_t initial_len = buffer_len(out);

	sql_literal(&sql, value);
	if (sql.failed)
		buffer_truncate(out, initial_len);
	return !sql.failed;
}
