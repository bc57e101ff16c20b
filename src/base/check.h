/*
 * Assertions that stay on: they guard what we promised ourselves, never what a peer, a
 * file or the kernel can do. A failed one reports where and stops the process.
 *
 * CHECK_SLOW is for checks that are not constant in time; only test builds run it.
 */
#ifndef POOLER_BASE_CHECK_H
#define POOLER_BASE_CHECK_H

#define CHECK(cond)                                                                      \
	(__builtin_expect(!!(cond), 1)                                                   \
	     ? (void)0                                                                   \
	     : check_failed(#cond, __FILE__, __LINE__, __func__))

#ifdef CHECK_SLOW_ENABLED
#define CHECK_SLOW(cond) CHECK(cond)
#else
#define CHECK_SLOW(cond) ((void)sizeof(cond))
#endif

/* Logs the broken promise and aborts; does not return. */
__attribute__((noreturn, cold)) void check_failed(const char *cond, const char *file,
						  int line, const char *function);

#endif
