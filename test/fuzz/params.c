/*
 * Fuzzes parameters: texts, each ended by a NUL, become names and values of three sets in
 * turn; the SQL between them must be ASCII with closed quotes and leave no difference.
 */
#include "proto/params.h"

#include "base/buffer.h"
#include "base/check.h"
#include "base/reader.h"
#include "fuzz/fuzz.h"

/* Walks the SQL as PostgreSQL's lexer would: outside of quotes there may be nothing but
 * what we write ourselves. */
static void check_sql(struct slice sql)
{
	static const char outside[] = "SETRLCFOMNUpg_catalog.set_configfalse (),=;";
	uint8_t quote = 0;
	bool has_escapes = false;

	for (size_t i = 0; i < sql.len; i++) {
		uint8_t c = sql.data[i];

		CHECK(c != 0 && c < 0x80);
		if (quote == 0) {
			has_escapes = i > 0 && sql.data[i - 1] == 'E';
			CHECK(c == '"' || c == '\'' || strchr(outside, c));
			quote = c == '"' || c == '\'' ? c : 0;
		} else if (c == '\\' && quote == '\'') {
			CHECK(has_escapes);
			i++;
		} else if (c == quote) {
			if (i + 1 < sql.len && sql.data[i + 1] == quote)
				i++;
			else
				quote = 0;
		}
	}
	CHECK(quote == 0);
	CHECK(sql.len == 0 || sql.data[sql.len - 1] == ';');
}

static void check_sorted(const struct params *set)
{
	struct slice name, value, found;

	for (size_t i = 0; i < params_count(set); i++) {
		params_at(set, i, &name, &value);
		CHECK(params_find(set, name, &found) && slice_equal(value, found));
	}
}

static void check_difference(const struct params *have, const struct params *want,
			     const struct params *base)
{
	struct buffer sql = {0};

	CHECK(params_difference(have, want, base, &sql));
	check_sql(buffer_bytes(&sql));
	buffer_fini(&sql);
	CHECK(params_difference(want, want, base, &sql));
	CHECK(buffer_len(&sql) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct params_store store;
	struct params *sets[3];
	struct reader r = reader_of(slice_of(data, len));

	if (params_store_init(&store) != 0)
		return 0;
	for (size_t i = 0; i < 3; i++)
		sets[i] = params_empty(&store);
	for (size_t i = 0; i < 64; i++) {
		struct slice name = reader_cstring(&r), value = reader_cstring(&r);

		if (!reader_ok(&r))
			break;
		struct params *more = params_with(&store, sets[i % 3], name, value);
		params_unref(&store, sets[i % 3]);
		sets[i % 3] = more;
		check_sorted(more);
	}
	check_difference(sets[0], sets[1], sets[2]);
	check_difference(sets[1], sets[0], store.empty);
	for (size_t i = 0; i < 3; i++)
		params_unref(&store, sets[i]);
	params_store_fini(&store);
	return 0;
}

#define BYTES(text) slice_of(text, sizeof(text) - 1)

void fuzz_corpus(fuzz_run_fn run)
{
	run(BYTES("a\0001\0a\0002\0a\0003\0"));
	run(BYTES("TimeZone\0UTC\0timezone\0<+03>-03\0b\0it's\0"));
	run(BYTES("search_path\0a, \"b\"\0search_path\0\\'\0role\0r\0"));
	run(BYTES("session_authorization\0a\0session_authorization\0b\0role\0c\0"));
	run(BYTES("my.var\0\xe4\x5c\0a.\0x\0.b\0y\0we\"ird\0z\0"));
	run(BYTES("server_version\00015\0server_version\00016\0\0\0"));
	run(BYTES(
	    "n1234567890123456789012345678901234567890123456789012345678901234\0x\0"));
}
