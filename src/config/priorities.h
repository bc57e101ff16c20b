/*
 * The lists in which classes of priority are given something: priority_reserve, a share
 * of the servers for each, and priority_applications, what application_name says.
 */
#ifndef POOLER_CONFIG_PRIORITIES_H
#define POOLER_CONFIG_PRIORITIES_H

#include "base/slice.h"
#include "config/settings.h"

/* Reads "low=5, normal=20": classes that are not named get nothing. False, with the
 * reason in why and *out untouched, when it is not such a list. */
bool priority_reserve_parse(const char *text, struct priority_reserve *out, char *why,
			    size_t why_cap);

/* Writes it as such a list, without those that get nothing. */
void priority_reserve_print(const struct priority_reserve *reserve, char *out,
			    size_t cap);

bool priority_reserve_same(const struct priority_reserve *a,
			   const struct priority_reserve *b);

/* Whether it is a list of "pattern=class" with commas between them, where * in a pattern
 * stands for any text and ? for one character. False with the reason in why. */
bool priorities_check(const char *list, char *why, size_t why_cap);

/* The class that the first matching pattern of a checked list gives to the name; false
 * when none matches. */
bool priorities_match(const char *list, struct slice name, enum priority *out);

#endif
