/*
 * The two tables of letters. What is short follows from the message formats: counts and
 * codes are, texts and rows are not. A ParameterStatus can carry a search_path of any
 * length and a ParameterDescription 65,535 types, so neither is short.
 */
#include "proto/message.h"

/* clang-format off */
static const struct message frontend[256] = {
	['B'] = {"Bind",         FRONTEND_EXTENDED,  false},
	['C'] = {"Close",        FRONTEND_EXTENDED,  false},
	['D'] = {"Describe",     FRONTEND_EXTENDED,  false},
	['E'] = {"Execute",      FRONTEND_EXTENDED,  false},
	['F'] = {"FunctionCall", FRONTEND_QUERY,     false},
	['H'] = {"Flush",        FRONTEND_FLUSH,     true},
	['P'] = {"Parse",        FRONTEND_EXTENDED,  false},
	['Q'] = {"Query",        FRONTEND_QUERY,     false},
	['S'] = {"Sync",         FRONTEND_SYNC,      true},
	['X'] = {"Terminate",    FRONTEND_TERMINATE, true},
	['c'] = {"CopyDone",     FRONTEND_COPY_END,  true},
	['d'] = {"CopyData",     FRONTEND_COPY_DATA, false},
	['f'] = {"CopyFail",     FRONTEND_COPY_END,  false},
	['p'] = {"PasswordMessage", FRONTEND_LOGIN,  false},
};

static const struct message backend[256] = {
	['1'] = {"ParseComplete",            FRONTEND_UNKNOWN, true},
	['2'] = {"BindComplete",             FRONTEND_UNKNOWN, true},
	['3'] = {"CloseComplete",            FRONTEND_UNKNOWN, true},
	['A'] = {"NotificationResponse",     FRONTEND_UNKNOWN, false},
	['C'] = {"CommandComplete",          FRONTEND_UNKNOWN, true},
	['D'] = {"DataRow",                  FRONTEND_UNKNOWN, false},
	['E'] = {"ErrorResponse",            FRONTEND_UNKNOWN, false},
	['G'] = {"CopyInResponse",           FRONTEND_UNKNOWN, true},
	['H'] = {"CopyOutResponse",          FRONTEND_UNKNOWN, true},
	['I'] = {"EmptyQueryResponse",       FRONTEND_UNKNOWN, true},
	['K'] = {"BackendKeyData",           FRONTEND_UNKNOWN, true},
	['N'] = {"NoticeResponse",           FRONTEND_UNKNOWN, false},
	['R'] = {"Authentication",           FRONTEND_UNKNOWN, true},
	['S'] = {"ParameterStatus",          FRONTEND_UNKNOWN, false},
	['T'] = {"RowDescription",           FRONTEND_UNKNOWN, false},
	['V'] = {"FunctionCallResponse",     FRONTEND_UNKNOWN, false},
	['W'] = {"CopyBothResponse",         FRONTEND_UNKNOWN, true},
	['Z'] = {"ReadyForQuery",            FRONTEND_UNKNOWN, true},
	['c'] = {"CopyDone",                 FRONTEND_UNKNOWN, true},
	['d'] = {"CopyData",                 FRONTEND_UNKNOWN, false},
	['n'] = {"NoData",                   FRONTEND_UNKNOWN, true},
	['s'] = {"PortalSuspended",          FRONTEND_UNKNOWN, true},
	['t'] = {"ParameterDescription",     FRONTEND_UNKNOWN, false},
	['v'] = {"NegotiateProtocolVersion", FRONTEND_UNKNOWN, true},
};
/* clang-format on */

const struct message *message_of_frontend(uint8_t letter)
{
	return &frontend[letter];
}

const struct message *message_of_backend(uint8_t letter)
{
	return &backend[letter];
}
