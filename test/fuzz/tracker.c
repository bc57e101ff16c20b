/*
 * Fuzzes frames and the tracker: the first byte says how many questions are asked ahead,
 * then come the questions (a byte each), then what the server says, as a stream of
 * messages or, when the first byte is odd, as bare letters.
 */
#include "proto/tracker.h"

#include "base/check.h"
#include "fuzz/fuzz.h"
#include "proto/frame.h"
#include "proto/message.h"
#include "proto/notice.h"

struct play {
	struct tracker t;
	struct slice questions;
};

static void check_sound(const struct tracker *t)
{
	CHECK(t->asked.runs <= t->asked.messages);
	if (tracker_is_idle(t))
		CHECK(!t->asked.ring && t->asked.messages == 0 &&
		      !tracker_needs_probe(t));
}

static void ask(struct play *p)
{
	static const char letters[] = "QFPBDECSHdcfXQES";

	if (p->questions.len == 0)
		return;
	uint8_t what = p->questions.data[0];
	p->questions = slice_after(p->questions, 1);
	if (what == 0xff && tracker_needs_probe(&p->t))
		CHECK(tracker_probe_sent(&p->t));
	else
		CHECK(tracker_sent(&p->t, (uint8_t)letters[what & 15],
				   what & 16 ? ASKED_BY_POOLER : ASKED_BY_CLIENT));
	check_sound(&p->t);
}

/* False when the server is broken: the relay would close it. */
static bool hear(struct play *p, uint8_t letter, uint8_t status)
{
	bool is_known = message_of_backend(letter)->name != NULL;
	enum tracker_answer answer = tracker_received(&p->t, letter, status);

	check_sound(&p->t);
	CHECK(is_known || answer == TRACKER_UNEXPECTED);
	ask(p);
	return answer != TRACKER_UNEXPECTED;
}

static void hear_stream(struct play *p, struct slice bytes)
{
	struct notice_fields fields;
	struct frame f;

	while (frame_peek(bytes, 1 << 30, &f) == FRAME_OK && frame_is_whole(&f)) {
		if (f.letter == 'E' || f.letter == 'N')
			notice_read(f.body, &fields);
		if (!hear(p, f.letter, f.body.len ? f.body.data[0] : 0))
			return;
		bytes = slice_after(bytes, f.total_len);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct play p = {0};

	if (len < 2)
		return 0;
	size_t ahead = data[0] / 2, count = ahead + data[1];
	if (len < 2 + count)
		return 0;
	p.questions = slice_of(data + 2, count);
	struct slice said = slice_of(data + 2 + count, len - 2 - count);
	for (size_t i = 0; i < ahead; i++)
		ask(&p);
	if (data[0] % 2 == 0)
		hear_stream(&p, said);
	else
		for (size_t i = 0; i < said.len; i++)
			if (!hear(&p, said.data[i], 'I'))
				break;
	tracker_fini(&p.t);
	return 0;
}

/* Letters of questions, how many of them go ahead, letters of answers. */
static void talk(fuzz_run_fn run, const char *asked, size_t ahead, const char *said)
{
	static const char letters[] = "QFPBDECSHdcfX";
	uint8_t input[256];
	size_t len = 0;

	input[len++] = (uint8_t)(2 * ahead + 1);
	input[len++] = (uint8_t)(strlen(asked) - ahead);
	for (; *asked; asked++)
		input[len++] =
		    *asked == '?' ? 0xff : (uint8_t)(strchr(letters, *asked) - letters);
	for (; *said; said++)
		input[len++] = (uint8_t)*said;
	run(slice_of(input, len));
}

#define BYTES(text) slice_of(text, sizeof(text) - 1)

void fuzz_corpus(fuzz_run_fn run)
{
	talk(run, "QPBDES", 6, "TDDCZ12TDCZ");
	talk(run, "PBES", 4, "12GEZ");
	talk(run, "PBEScS?", 4, "12GEZIZ");
	talk(run, "PBESSSSdcS", 5, "12GEZZZZ");
	talk(run, "QSSdcQ", 6, "GEZZCZ");
	talk(run, "QdcdcS", 2, "GCGCZZ");
	talk(run, "PBEPBES", 7, "1EZ");
	talk(run, "QcdQ", 1, "WddcdCZCZ");
	talk(run, "FFSQ", 4, "VZEZZHddcCZ");
	talk(run, "PBESPBES", 8, "12GEZ12CZ");
	talk(run, "Q", 1, "RKvSAN");
	/* A stream: rows, a command's end, an odd status, an unknown letter. */
	run(BYTES("\4\0\0\7T\0\0\0\6\0\0D\0\0\0\4C\0\0\0\11SET\0\0Z\0\0\0\5?Z\0\0\0\5I"));
	run(BYTES("\2\0\0E\0\0\0\5\0E\0\0\0\4Z\0\0\0\4"));
	run(BYTES("\2\0\0S\0\0\0\3x"));
	run(BYTES("\2\0\0D\xff\xff\xff\xff"));
	run(BYTES("\2\0\0\x90\0\0\0\4"));
}
