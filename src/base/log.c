/*
 * The log. One line is put together on the stack and goes out in one write per sink, so
 * that lines of several processes that share a file do not mix.
 */
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <paths.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"

/* A pipe that takes anything takes this much at once. */
enum { LINE_MAX_LEN = PIPE_BUF, IDENT_MAX_LEN = 64 };

static struct {
	int fd; /* the file; 0 = none, since a log file never is standard input */
	bool no_stderr;
	bool to_syslog;
	int syslog_fd; /* 0 = none */
	int facility;
	int verbose;
	char ident[IDENT_MAX_LEN];
} log_sink;

static const struct {
	const char *name;
	int priority;
} levels[] = {
    [LOG_LEVEL_FATAL] = {"FATAL", LOG_CRIT},
    [LOG_LEVEL_ERROR] = {"ERROR", LOG_ERR},
    [LOG_LEVEL_WARNING] = {"WARNING", LOG_WARNING},
    [LOG_LEVEL_LOG] = {"LOG", LOG_INFO},
    [LOG_LEVEL_DEBUG] = {"DEBUG", LOG_DEBUG},
    [LOG_LEVEL_NOISE] = {"NOISE", LOG_DEBUG},
};

static const struct {
	const char *name;
	int facility;
} facilities[] = {
    {"auth", LOG_AUTH},     {"authpriv", LOG_AUTHPRIV}, {"daemon", LOG_DAEMON},
    {"user", LOG_USER},     {"local0", LOG_LOCAL0},     {"local1", LOG_LOCAL1},
    {"local2", LOG_LOCAL2}, {"local3", LOG_LOCAL3},     {"local4", LOG_LOCAL4},
    {"local5", LOG_LOCAL5}, {"local6", LOG_LOCAL6},     {"local7", LOG_LOCAL7},
};

static int facility_find(const char *name)
{
	for (size_t i = 0; name && i < sizeof(facilities) / sizeof(facilities[0]); i++)
		if (strcmp(facilities[i].name, name) == 0)
			return facilities[i].facility;
	return -1;
}

bool log_facility_is_known(const char *name)
{
	return facility_find(name) >= 0;
}

static void syslog_disconnect(void)
{
	if (log_sink.syslog_fd > 0)
		close(log_sink.syslog_fd);
	log_sink.syslog_fd = 0;
}

/* syslog(3) waits for a daemon that does not read; we must not, so the socket is our own.
 */
static bool syslog_connect(void)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX, .sun_path = _PATH_LOG};

	if (log_sink.syslog_fd > 0)
		return true;
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return false;
	if (connect(fd, (struct sockaddr *)&at, sizeof(at)) < 0) {
		close(fd);
		return false;
	}
	log_sink.syslog_fd = fd;
	return true;
}

/* As RFC 3164 and syslog(3) have it, with the process id. A daemon that was started anew
 * is found again; what one that is slow does not take is lost. */
static void syslog_emit(int priority, const char *prefix, const char *message)
{
	char line[LINE_MAX_LEN + 128], day[32];
	time_t now = (time_t)(clock_wall_now() / USEC_PER_SEC);
	struct tm tm;

	localtime_r(&now, &tm);
	strftime(day, sizeof(day), "%b %e %H:%M:%S", &tm);
	int len = snprintf(line, sizeof(line), "<%d>%s %s[%d]: %s%s",
			   log_sink.facility | priority, day, log_sink.ident, getpid(),
			   prefix, message);
	size_t size = (size_t)len < sizeof(line) ? (size_t)len : sizeof(line) - 1;
	for (int attempt = 0; attempt < 2 && syslog_connect(); attempt++) {
		if (send(log_sink.syslog_fd, line, size, MSG_NOSIGNAL) >= 0 ||
		    errno == EAGAIN)
			return;
		syslog_disconnect();
	}
}

static void syslog_apply(const struct log_settings *settings)
{
	int facility = facility_find(settings->syslog_facility);

	syslog_disconnect();
	log_sink.to_syslog = settings->to_syslog;
	log_sink.facility = facility < 0 ? LOG_DAEMON : facility;
	snprintf(log_sink.ident, sizeof(log_sink.ident), "%s",
		 settings->syslog_ident ? settings->syslog_ident : "pooler");
}

int log_apply(const struct log_settings *settings)
{
	int fd = 0;

	if (settings->file && settings->file[0]) {
		fd =
		    open(settings->file, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0640);
		if (fd < 0)
			return -errno;
	}
	if (log_sink.fd > 0)
		close(log_sink.fd);
	log_sink.fd = fd;
	log_sink.no_stderr = !settings->to_stderr;
	log_sink.verbose = settings->verbose;
	syslog_apply(settings);
	return 0;
}

void log_reset(void)
{
	log_apply(&(struct log_settings){.to_stderr = true});
}

bool log_wants(enum log_level level)
{
	return (int)level <= (int)LOG_LEVEL_LOG + log_sink.verbose;
}

static size_t stamp(char *out, size_t cap)
{
	uint64_t now_us = clock_wall_now();
	time_t seconds = (time_t)(now_us / USEC_PER_SEC);
	struct tm tm;
	char day[32], zone[16];

	localtime_r(&seconds, &tm);
	strftime(day, sizeof(day), "%Y-%m-%d %H:%M:%S", &tm);
	strftime(zone, sizeof(zone), "%Z", &tm);
	int len = snprintf(out, cap, "%s.%03u %s [%d] ", day,
			   (unsigned)(now_us / USEC_PER_MSEC % 1000), zone, getpid());
	return len < 0 ? 0 : (size_t)len;
}

/* Copies the message, continuing behind each line feed with a tab. */
static size_t indent(char *out, size_t cap, const char *message)
{
	size_t len = 0;

	for (; *message && len + 2 < cap; message++) {
		out[len++] = *message;
		if (*message == '\n')
			out[len++] = '\t';
	}
	return len;
}

/* Whether a line would go out without waiting: nobody may be reading the other end. */
static bool takes_more(int fd)
{
	struct pollfd sink = {.fd = fd, .events = POLLOUT};

	return poll(&sink, 1, 0) == 1 && (sink.revents & POLLOUT);
}

static void emit(int fd, const char *line, size_t len)
{
	/* Nobody could be told of a failure here, and no client should suffer from it. */
	if (!takes_more(fd))
		return;
	ssize_t written = write(fd, line, len);
	(void)written;
}

void log_write_v(enum log_level level, const char *prefix, const char *format,
		 va_list args)
{
	char message[LINE_MAX_LEN], line[LINE_MAX_LEN];
	int saved_errno = errno;

	if (!log_wants(level))
		return;
	vsnprintf(message, sizeof(message), format, args);
	size_t len = stamp(line, sizeof(line));
	len += (size_t)snprintf(line + len, 256, "%s %.200s", levels[level].name,
				prefix ? prefix : "");
	len += indent(line + len, sizeof(line) - len - 1, message);
	line[len++] = '\n';
	if (!log_sink.no_stderr)
		emit(STDERR_FILENO, line, len);
	if (log_sink.fd > 0)
		emit(log_sink.fd, line, len);
	if (log_sink.to_syslog)
		syslog_emit(levels[level].priority, prefix ? prefix : "", message);
	errno = saved_errno;
}

void log_write(enum log_level level, const char *prefix, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	log_write_v(level, prefix, format, args);
	va_end(args);
}

bool log_limit_may(struct log_limit *limit, uint64_t now_us, unsigned *out_skipped)
{
	if (now_us < limit->next_us) {
		limit->skipped++;
		return false;
	}
	*out_skipped = limit->skipped;
	limit->skipped = 0;
	limit->next_us = now_us + 5 * USEC_PER_SEC;
	return true;
}
