/*
 * The commands that change something, and those that wait: PAUSE, RESUME, KILL, RELOAD,
 * SET, SHUTDOWN and their relatives.
 */
#ifndef POOLER_CONSOLE_CONTROL_H
#define POOLER_CONSOLE_CONTROL_H

#include "console/command.h"

struct console;
struct console_service;

/* Carries out a command other than SHOW; the client may be nobody who is allowed to. */
void console_control(struct console *s, const struct command *command);

/* A command that waits ends without having been done, and what it did is undone. */
void console_give_up(struct console *s);

/* Answers those whose wait is over. */
void console_check_waiting(struct console_service *service);

#endif
