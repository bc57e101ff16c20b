/*
 * The words of a text of SQL, as PostgreSQL's own lexer cuts them: comments and blanks
 * are passed over, strings and dollar quotes are one token each.
 *
 * Where strings end depends on things that only the server knows: whether a backslash
 * escapes in plain strings (standard_conforming_strings), and whether the client's
 * encoding has backslashes as second bytes. The lexer follows one way of reading and
 * remembers where another would differ; whoever must miss nothing reads again.
 */
#ifndef POOLER_PROTO_SQLLEX_H
#define POOLER_PROTO_SQLLEX_H

#include "base/slice.h"

/* Ways of reading: any sum of them. */
enum {
	SQLLEX_ESCAPES = 1, /* a backslash escapes in plain strings, too */
	SQLLEX_WIDE =
	    2, /* a backslash behind a byte above 0x7f belongs to its character */
	SQLLEX_READINGS = 4,
};

enum sql_token_kind {
	SQL_TOKEN_END,    /* of what is here */
	SQL_TOKEN_WORD,   /* a keyword or an identifier without quotes */
	SQL_TOKEN_QUOTED, /* "..." or U&"..." with its UESCAPE */
	SQL_TOKEN_STRING, /* any quotes, quotes of dollars, all prefixes */
	SQL_TOKEN_SIGN,   /* one byte of anything else; digits are signs, too */
};

struct sql_token {
	enum sql_token_kind kind;
	struct slice text; /* as it is written */
};

struct sqllex {
	struct slice rest;
	unsigned reading;
	unsigned doubts; /* the ways of reading by which a string so far would end at
			    another place */
};

struct sqllex sqllex_of(struct slice text, unsigned reading);
struct sql_token sqllex_next(struct sqllex *l);
/* The same without moving on. */
struct sql_token sqllex_peek(const struct sqllex *l);

/* Whether it is this text, in whatever case; which has letters, underscores and quotes,
 * that no other byte of a word becomes when it is folded. */
bool sqllex_is_folded(struct slice s, const char *text);
/* Whether the token is this keyword (in lower case), in whatever case. */
bool sql_token_is(const struct sql_token *t, const char *keyword);
static inline bool sql_token_is_sign(const struct sql_token *t, char sign)
{
	return t->kind == SQL_TOKEN_SIGN && t->text.data[0] == (uint8_t)sign;
}

/* What stands in front of the first token: blanks and comments, by their length. */
size_t sqllex_blank_len(struct slice text);

/* Of an identifier's bytes outside of quotes. */
bool sqllex_is_word_start(uint8_t c);
bool sqllex_is_word(uint8_t c);
bool sqllex_is_blank(uint8_t c);

#endif
