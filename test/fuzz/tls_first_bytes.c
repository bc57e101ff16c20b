/*
 * Fuzzes the first bytes of a connection that begins TLS: whatever they are, the stream
 * goes on waiting or ends, and ends for certain when the peer does.
 */
#include <sys/socket.h>
#include <unistd.h>

#include "base/check.h"
#include "fuzz/fuzz.h"
#include "harness/certs.h"
#include "net/stream.h"
#include "net/tls.h"
#include "net/tls_context.h"
#include "net/transport.h"

enum { READS_MOST = 200, PIECE = 16 * 1024 };

struct peer {
	struct stream stream; /* first */
	unsigned ends, dones;
};

static size_t on_data(struct stream *stream, struct slice bytes)
{
	/* Nobody guesses the keys. */
	CHECK(tls_is_done(stream));
	return bytes.len;
}

static void on_end(struct stream *stream, enum stream_end how, int error)
{
	struct peer *p = (struct peer *)stream;
	char problem[200];

	CHECK(p->ends++ == 0);
	CHECK(how == STREAM_END_BROKEN && error != 0);
	CHECK(tls_problem(stream, problem, sizeof(problem))[0] != '\0');
}

static void on_done(struct stream *stream)
{
	((struct peer *)stream)->dones++;
}

static const struct stream_ops ops = {.on_data = on_data, .on_end = on_end};

static struct tls_context *make_context(enum tls_side side)
{
	struct certs certs;
	char problem[200];

	certs_open(&certs);
	struct cert *ca =
	    certs_make(&certs, &(struct cert_spec){.name = "ca", .is_ca = true});
	certs_make(&certs, &(struct cert_spec){.name = "own", .issuer = ca});
	struct tls_options accept = {.verify = TLS_VERIFY_IF_GIVEN,
				     .key_file = certs_path(&certs, "own.key"),
				     .cert_file = certs_path(&certs, "own.pem"),
				     .ca_file = certs_path(&certs, "ca.pem"),
				     .protocols = "all"};
	struct tls_options connect = {.verify = TLS_VERIFY_NONE};
	struct tls_context *made = tls_context_create(
	    side, side == TLS_SIDE_ACCEPT ? &accept : &connect, problem, sizeof(problem));
	CHECK(made);
	certs_close(&certs);
	return made;
}

static struct tls_context *the_context(void)
{
	static struct tls_context *made;

	if (!made)
		made = make_context(TLS_SIDE_ACCEPT);
	return made;
}

static void drain(int fd)
{
	uint8_t bytes[4096];

	while (recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT) > 0)
		;
}

static void read_on(struct loop *loop, struct peer *p, int fd)
{
	for (int i = 0; i < READS_MOST && p->ends == 0; i++) {
		stream_on_ready(&p->stream, LOOP_READ | LOOP_WRITE);
		loop_turn(loop, loop->now_us + 1);
		drain(fd);
		if (recv(loop_io_fd(&p->stream.io), &(char){0}, 1,
			 MSG_PEEK | MSG_DONTWAIT) < 0)
			break;
	}
}

static void run(struct slice bytes, bool is_direct, size_t early_len)
{
	struct peer p = {.ends = 0};
	struct loop loop;
	int fds[2];

	CHECK(loop_init_without_events(&loop, 1) == 0);
	CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds) == 0);
	stream_open(&p.stream, &loop, fds[0], &transport_plain, &ops);
	CHECK(tls_accept(&p.stream, the_context(), is_direct,
			 slice_first(bytes, early_len), on_done) == 0);
	loop_turn(&loop, 2);
	for (bytes = slice_after(bytes, early_len); bytes.len > 0 && p.ends == 0;) {
		size_t len = bytes.len < PIECE ? bytes.len : PIECE;

		if (send(fds[1], bytes.data, len, MSG_NOSIGNAL) <= 0)
			break;
		read_on(&loop, &p, fds[1]);
		bytes = slice_after(bytes, len);
	}
	shutdown(fds[1], SHUT_WR);
	read_on(&loop, &p, fds[1]);
	CHECK(p.ends == 1 && p.dones == 0);
	stream_close(&p.stream);
	close(fds[1]);
	loop_fini(&loop);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct slice bytes = slice_of(data, len);

	run(bytes, false, 0);
	run(bytes, true, len / 2);
	return 0;
}

/* What our own client says first. */
static void with_hello(fuzz_run_fn run_input)
{
	struct tls_context *context = make_context(TLS_SIDE_CONNECT);
	struct peer p = {.ends = 0};
	struct loop loop;
	uint8_t hello[4096];
	int fds[2];

	CHECK(loop_init_without_events(&loop, 1) == 0);
	CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds) == 0);
	stream_open(&p.stream, &loop, fds[0], &transport_plain, &ops);
	CHECK(tls_connect(&p.stream, context, &(struct tls_target){.host = "localhost"},
			  NULL) == 0);
	ssize_t len = recv(fds[1], hello, sizeof(hello), 0);
	CHECK(len > 100);
	stream_close(&p.stream);
	close(fds[1]);
	loop_fini(&loop);
	tls_context_unref(context);
	run_input(slice_of(hello, (size_t)len));
	/* And nonsense behind it. */
	CHECK((size_t)len + 20 < sizeof(hello));
	memcpy(hello + len,
	       "\x14\x03\x03\x00\x01\x01\x17\x03\x03\x00\x05\x30\x31\x32\x33", 15);
	run_input(slice_of(hello, (size_t)len + 15));
}

void fuzz_corpus(fuzz_run_fn run_input)
{
	with_hello(run_input);
	run_input(slice_of("\x16\x03\x01\x00\x05\x01\x00\x00\x01\x03", 10));
	run_input(slice_of("\x15\x03\x01\x00\x02\x02\x28", 7));
	run_input(
	    slice_of("\x80\x2e\x01\x03\x01\x00\x15\x00\x00\x00\x10", 11)); /* SSL 2 */
	run_input(slice_of("\x17\x03\x03\x00\x10 0123456789abcdef", 22));
	run_input(slice_of("\x14\x03\x03\x00\x01\x01\x14\x03\x03\x00\x01\x01", 12));
	run_input(slice_of("\x16\x03\x01\xff\xff", 5));
	run_input(slice_of("GET / HTTP/1.1\r\n\r\n", 18));
}
