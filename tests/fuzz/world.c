// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "gen.h"
#include "lender.h"
#include "pattern.h"
#include "world.h"

enum { SEED_LENT = 1, SEED_DISK = 50, SEED_MEM, SEED_PIPE, SEED_AREA = 100 };

static u32 place_seed(const struct world *w, const struct place *p)
{
	switch (p->kind) {
	case PLACE_LENT:
		/* on purpose: 0 for 1 */
		return SEED_LENT + (w->wrong && p->index < 2 ? !p->index : p->index);
	case PLACE_USER:
		return SEED_AREA + p->index;
	case PLACE_DISK:
		return SEED_DISK;
	case PLACE_MEM:
		return SEED_MEM;
	default:
		return SEED_PIPE;
	}
}

static void fill_file(const struct world *w, int fd, u32 seed)
{
	for (u64 pos = 0; pos < GEN_FILE_LEN; pos += MODEL_LEN_MAX) {
		pat_fill(w->tmp, MODEL_LEN_MAX, seed, pos);
		file_write(fd, w->tmp, MODEL_LEN_MAX, pos);
	}
}

/*
 * A page that null_blk has not got yet it allocates, and may sleep for, under the RCU
 * read lock of who polls: 6.12's own, and not what is looked for here.
 */
static void give_all_pages(const struct world *w, int fd, unsigned int mb)
{
	memset(w->tmp, 0, MODEL_LEN_MAX);
	for (u64 pos = 0; pos < (u64)mb << 20; pos += MODEL_LEN_MAX)
		file_write(fd, w->tmp, MODEL_LEN_MAX, pos);
}

static void open_files(struct world *w)
{
	const struct null_disk opt = { .poll_queues = 1, .mb = 16 };

	w->lender = lender_open();
	w->disk = disk_ram(0);
	w->poll_disk = disk_null(DISK_NULL_PREFIX "fuzz", &opt, O_RDWR | O_DIRECT);
	w->mem = file_mem(4 << 20);
	w->null = open("/dev/null", O_RDWR | O_CLOEXEC);
	must(w->null >= 0, "/dev/null: %s", strerror(errno));
	tcp_pair(&w->tcp, 8 << 20, 8 << 20);
	for (unsigned int i = 0; i < MODEL_PARKED; i++)
		must(!pipe2(w->pipe[i], O_CLOEXEC), "pipe: %s", strerror(errno));
	fill_file(w, w->disk, SEED_DISK);
	give_all_pages(w, w->poll_disk, opt.mb);
	fill_file(w, w->poll_disk, SEED_DISK);
	fill_file(w, w->mem, SEED_MEM);
}

void world_init(struct world *w, struct model *m)
{
	memset(w, 0, sizeof(*w));
	w->tmp = page_alloc(MODEL_LEN_MAX);
	for (unsigned int i = 0; i < MODEL_AREAS; i++) {
		w->area[i] = page_alloc(MODEL_AREA_LEN);
		pat_fill(w->area[i], MODEL_AREA_LEN, SEED_AREA + i, 0);
		m->area[i] = (uintptr_t)w->area[i];
	}
	open_files(w);
}

int world_setup(const struct world *w, const struct model *m, unsigned int index)
{
	const struct model_buf *buf = &m->buf[index];
	const struct lend_spec spec = {
		.segs = buf->segs, .nr_segs = buf->nr_segs, .dir = buf->dir,
		.error = buf->error, .skip = buf->skip, .learn = buf->learn,
	};
	const struct place all = { .kind = PLACE_LENT, .index = index };
	int ret = lender_try_setup(w->lender, index, &spec);

	if (!ret)
		world_refill(w, &all, buf->len);
	return ret;
}

int world_files(const struct world *w, const struct model *m, int *fds)
{
	fds[FILE_LENDER] = w->lender;
	fds[FILE_DISK] = m->iopoll ? w->poll_disk : w->disk;
	fds[FILE_MEM] = w->mem;
	fds[FILE_NULL] = w->null;
	fds[FILE_SOCK] = w->tcp.tx;
	return FILE_PIPE;
}

static void fetch(struct world *w, const struct model *m, const struct place *p, u32 len)
{
	/* direct I/O: whole sectors; what is beyond is within the stride */
	u32 sectors = (len + 511) & ~511U;

	switch (p->kind) {
	case PLACE_LENT:
		lender_read(w->lender, p->index, p->off, w->tmp, len);
		break;
	case PLACE_USER:
		memcpy(w->tmp, w->area[p->index] + p->off, len);
		break;
	case PLACE_DISK:
		file_read(m->iopoll ? w->poll_disk : w->disk, w->tmp, sectors, p->off);
		break;
	case PLACE_MEM:
		file_read(w->mem, w->tmp, len, p->off);
		break;
	default:
		tcp_read(w->tcp.rx, w->tmp, len);
	}
}

long world_differs(struct world *w, const struct model *m, const struct move *mv)
{
	fetch(w, m, &mv->dst, mv->len);
	return pat_diff(w->tmp, mv->len, place_seed(w, &mv->src), mv->src.off);
}

void world_refill(const struct world *w, const struct place *p, u32 len)
{
	if (p->kind == PLACE_USER)
		pat_fill(w->area[p->index] + p->off, len, SEED_AREA + p->index, p->off);
	if (p->kind != PLACE_LENT)
		return;
	pat_fill(w->tmp, len, SEED_LENT + p->index, p->off);
	lender_write(w->lender, p->index, p->off, w->tmp, len);
}

struct place world_damage(struct world *w, const struct model *m)
{
	for (unsigned int i = 0; i < MODEL_BUFS + MODEL_AREAS; i++) {
		struct place p = { .kind = PLACE_LENT, .index = i };
		struct move mv = { .len = MODEL_AREA_LEN };

		if (i < MODEL_BUFS)
			mv.len = m->buf[i].len;
		else
			p = (struct place){ .kind = PLACE_USER, .index = i - MODEL_BUFS };
		mv.src = mv.dst = p;
		p.off = world_differs(w, m, &mv);
		if (p.off != -1ULL)
			return p;
	}
	return (struct place){ .kind = PLACE_NONE };
}

void world_feed(struct world *w, unsigned int index, u32 len, struct place *src)
{
	*src = (struct place){ .kind = PLACE_PIPE, .index = index, .off = w->piped };
	pat_fill(w->tmp, len, SEED_PIPE, w->piped);
	w->piped += len;
	must(write(w->pipe[index][1], w->tmp, len) == (ssize_t)len, "pipe %u: %s", index,
	     strerror(errno));
}

/* Seeds are tried one after the other: a pattern's word is one to one. */
const char *world_found(const struct world *w, long at)
{
	static char text[96];
	const u64 inverse = 0xf1de83e19937733dULL;	/* of pattern.c's multiplier */
	u64 word;

	memcpy(&word, w->tmp + (at & ~7), 8);
	word *= inverse;
	if (word >> 40 > 255)
		snprintf(text, sizeof(text), "no pattern, or not on 8 bytes");
	else
		snprintf(text, sizeof(text), "pattern %llu, byte %llu (buffers are %u and on, areas %u)",
			 (unsigned long long)word >> 40,
			 (unsigned long long)(word & 0xffffffffffULL) * 8, SEED_LENT, SEED_AREA);
	return text;
}
