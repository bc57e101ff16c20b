/*
 * ErrorResponse and NoticeResponse; see the header.
 */
#include "proto/notice.h"

#include "base/reader.h"
#include "proto/writer.h"

static void field_write(struct writer *w, uint8_t code, const char *text)
{
	if (!text)
		return;
	writer_u8(w, code);
	writer_text(w, text);
}

static bool is_harmless(const char *severity)
{
	struct slice s = slice_of_text(severity);

	return slice_is_text(s, "NOTICE") || slice_is_text(s, "WARNING");
}

void notice_write(struct writer *w, const struct notice *notice)
{
	writer_begin(w, is_harmless(notice->severity) ? 'N' : 'E');
	field_write(w, 'S', notice->severity);
	field_write(w, 'V', notice->severity);
	field_write(w, 'C', notice->sqlstate);
	field_write(w, 'M', notice->message);
	field_write(w, 'D', notice->detail);
	field_write(w, 'H', notice->hint);
	field_write(w, 'R', notice->routine);
	writer_u8(w, 0);
	writer_end(w);
}

/* Where the field goes; NULL for one that nobody needs. */
static struct slice *field_place(struct notice_fields *fields, struct slice *localized,
				 uint8_t code)
{
	switch (code) {
	case 'S':
		return localized;
	case 'V':
		return &fields->severity;
	case 'C':
		return &fields->sqlstate;
	case 'M':
		return &fields->message;
	case 'D':
		return &fields->detail;
	case 'H':
		return &fields->hint;
	case 'R':
		return &fields->routine;
	default:
		return NULL;
	}
}

bool notice_read(struct slice body, struct notice_fields *out)
{
	struct reader r = reader_of(body);
	struct notice_fields fields = {0};
	struct slice localized = {0};

	*out = fields;
	for (uint8_t code = reader_u8(&r); code != 0; code = reader_u8(&r)) {
		struct slice text = reader_cstring(&r);
		struct slice *place = field_place(&fields, &localized, code);

		if (place)
			*place = text;
	}
	if (!reader_done(&r))
		return false;
	if (fields.severity.len == 0)
		fields.severity = localized;
	*out = fields;
	return true;
}
