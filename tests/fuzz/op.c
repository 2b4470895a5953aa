// SPDX-License-Identifier: GPL-2.0
/* Operations in words, and the ways of making an SQE wrong. */
#include <errno.h>
#include <stddef.h>
#include <stdio.h>

#include <liburing.h>
#include <linux/io_uring_lend.h>

#include "op.h"

#define KIND(k)		(1U << OP_ ## k)
#define LENDS		(KIND(REGISTER) | KIND(UNREGISTER))
#define RW		(KIND(READ) | KIND(WRITE))
#define CMDS		(KIND(FILL) | KIND(DRAIN))
#define ALL		(LENDS | RW | CMDS | KIND(SEND) | KIND(NOP) | KIND(FUSED))
#define FIELD(f)	.at = offsetof(struct io_uring_sqe, f), \
			.size = sizeof(((struct io_uring_sqe *)0)->f)
/* io_uring names the padding behind addr3 differently from version to version */
#define LAST_U64	.at = 56, .size = 8

/* of a command's own area: struct lend_test_cmd */
#define CMD_DELAY	.at = offsetof(struct io_uring_sqe, cmd) + 8, .size = 4
#define CMD_RESV	.at = offsetof(struct io_uring_sqe, cmd) + 12, .size = 4

const struct spoil op_spoils[] = {
	{ "ioprio", LENDS | CMDS | KIND(NOP) | KIND(FUSED), AT_INIT, -EINVAL, FIELD(ioprio), 1 },
	{ "personality", ALL, AT_INIT, -EINVAL, FIELD(personality), 77 },
	{ "flag 7", ALL, AT_FLAGS, -EINVAL, FIELD(flags), 0x80 },
	{ "addr", LENDS | KIND(FUSED), AT_PREP, -EINVAL, FIELD(addr), 1 },
	{ "addr3", LENDS | KIND(SEND) | KIND(FUSED), AT_PREP, -EINVAL, FIELD(addr3), 1 },
	{ "the last 8 bytes", LENDS | KIND(SEND) | KIND(FUSED), AT_PREP, -EINVAL, LAST_U64, 1 },
	{ "buf_index", KIND(FUSED), AT_PREP, -EINVAL, FIELD(buf_index), 1 },
	{ "splice_fd_in", LENDS | KIND(FUSED), AT_PREP, -EINVAL, FIELD(splice_fd_in), 1 },
	{ "rw_flags", KIND(REGISTER), AT_PREP, -EINVAL, FIELD(rw_flags), 2 },
	{ "rw_flags", KIND(REGISTER), AT_PREP, -EINVAL, FIELD(rw_flags), 0x80000001 },
	{ "off", KIND(UNREGISTER), AT_PREP, -EINVAL, FIELD(off), 1 },
	{ "len", KIND(UNREGISTER), AT_PREP, -EINVAL, FIELD(len), 1 },
	{ "rw_flags", KIND(UNREGISTER), AT_PREP, -EINVAL, FIELD(rw_flags), 1 },
	{ "ioprio", RW, AT_PREP, -EINVAL, FIELD(ioprio), 0xffff },
	{ "rw_flags", KIND(NOP), AT_PREP, -EINVAL, FIELD(rw_flags), 0x10 },
	{ "rw_flags", RW, AT_LAST, -EOPNOTSUPP, FIELD(rw_flags), 0x80000000 },
	{ "ioprio", KIND(SEND), AT_PREP, -EINVAL, FIELD(ioprio), 0x8000, .notif = true },
	{ "uring_cmd_flags", CMDS, AT_PREP, -EINVAL, FIELD(rw_flags), 0x100 },
	{ "cmd_op", CMDS, AT_ISSUE, -EINVAL, .at = offsetof(struct io_uring_sqe, off), .size = 4,
	  0x10 },
	{ "delay_ms", CMDS, AT_ISSUE, -EINVAL, CMD_DELAY, 10001 },
	{ "resv", CMDS, AT_ISSUE, -EINVAL, CMD_RESV, 1 },
};
const unsigned int op_nr_spoils = sizeof(op_spoils) / sizeof(op_spoils[0]);

static const char *const names[NR_OPS] = {
	[OP_REGISTER] = "REGISTER",
	[OP_UNREGISTER] = "UNREGISTER",
	[OP_READ] = "READ_FIXED",
	[OP_WRITE] = "WRITE_FIXED",
	[OP_SEND] = "SEND_ZC",
	[OP_FILL] = "URING_CMD fill",
	[OP_DRAIN] = "URING_CMD drain",
	[OP_NOP] = "NOP",
	[OP_FUSED] = "FUSED_CMD",
	[OP_PARK] = "READ_FIXED of an empty pipe",
	[OP_FEED] = "bytes for the pipe",
	[OP_CANCEL] = "ASYNC_CANCEL",
	[OP_UPDATE] = "BUFFERS_UPDATE",
	[OP_TABLE] = "the table anew",
	[OP_CLONE] = "CLONE_BUFFERS",
	[OP_SETUP] = "another shape of the exporter's buffer",
	[OP_EXIT] = "close of the ring",
};

static const char *const files[NR_FILES] = {
	[FILE_LENDER] = "lend_test", [FILE_DISK] = "disk", [FILE_MEM] = "memfd",
	[FILE_NULL] = "null", [FILE_SOCK] = "socket", [FILE_PIPE] = "pipe", [FILE_BAD] = "no file",
};

u32 op_part(const struct op *op, unsigned int i)
{
	u32 unit = op->len % 512 ? 1 : 512;
	u32 part = op->len / op->parts / unit * unit;

	return i + 1 < op->parts ? part : op->len - part * (op->parts - 1);
}

const char *op_name(enum op_kind kind)
{
	return names[kind];
}

const char *place_words(const struct place *p)
{
	static const char *const kinds[] = {
		"nowhere", "lent buffer", "user area", "disk", "memfd", "socket", "pipe",
	};
	static char text[2][64];
	static unsigned int next;
	char *s = text[next++ % 2];

	snprintf(s, sizeof(text[0]), "%s %u byte %llu", kinds[p->kind], p->index,
		 (unsigned long long)p->off);
	return s;
}

static const char *flag_words(u8 flags)
{
	static char text[64];

	snprintf(text, sizeof(text), "%s%s%s%s%s", flags & IOSQE_IO_LINK ? " LINK" : "",
		 flags & IOSQE_IO_HARDLINK ? " HARDLINK" : "", flags & IOSQE_ASYNC ? " ASYNC" : "",
		 flags & IOSQE_IO_DRAIN ? " DRAIN" : "",
		 flags & IOSQE_CQE_SKIP_SUCCESS ? " SKIP" : "");
	return text;
}

const char *op_words(const struct op *op)
{
	static char text[320];
	int n = snprintf(text, sizeof(text), "%s%s%s%s", op->secondary ? "  secondary " : "",
			 op->alien ? "that cannot be one, " : op->plain ? "without ZC, " : "",
			 names[op->kind], op->secondary ? ", not FIXED" : "");

#define ADD(...) n += snprintf(text + n, sizeof(text) - n, __VA_ARGS__)
	if (op->kind < NR_REQUESTS)
		ADD(" on %s%s", op->fixed ? "registered " : "", files[op->file]);
	if (op->kind == OP_FUSED)
		ADD(", %u secondaries", op->secondaries);
	if (op->kind == OP_REGISTER || op->kind == OP_FUSED)
		ADD(", buffer %u byte %u", op->buf, op->off);
	else if (op->kind < NR_REQUESTS && op->kind != OP_UNREGISTER && op->file == FILE_LENDER)
		ADD(", device's buffer %u byte %u", op->buf, op->off);
	if (op->pick)
		ADD(", any slot");
	else if (op->kind != OP_FUSED && !op->secondary)
		ADD(", slot %u", op->slot);
	ADD(", addr %#llx len %u pos %llu%s", (unsigned long long)op->addr, op->len,
	    (unsigned long long)op->pos, flag_words(op->flags));
	if (op->parts)
		ADD(", vector of %u parts", op->parts);
	if (op->spoil)
		ADD(", %s = %#x", op->spoil->name, op->spoil->value);
#undef ADD
	return text;
}
