// SPDX-License-Identifier: GPL-2.0
/* Changes of the set, as others ask for them: see record_change.h. */
#include <errno.h>

#include "record.h"
#include "record_change.h"

static int record_change_run(struct record *r, struct record_change *c)
{
	struct record_change **end;

	pthread_mutex_lock(&r->lock);
	if (r->broken || r->stop) {
		pthread_mutex_unlock(&r->lock);
		return -EIO;
	}
	sem_init(&c->done, 0, 0);
	for (end = &r->changes; *end; end = &(*end)->next)
		;
	*end = c;
	record_unlock_kick(r);
	while (sem_wait(&c->done) && errno == EINTR)
		;
	sem_destroy(&c->done);
	return c->ret;
}

int record_agree(struct record *r)
{
	struct record_change c = { .kind = RECORD_AGREE };

	return record_change_run(r, &c);
}

int record_join(struct record *r, unsigned int slot, int fd, const struct super_own *own,
		struct super_event holds, bool full)
{
	struct record_change c = { .kind = RECORD_JOIN, .slot = slot, .fd = fd, .own = own,
				   .holds = holds, .full = full };

	return record_change_run(r, &c);
}

int record_rebuilt(struct record *r, unsigned int slot)
{
	struct record_change c = { .kind = RECORD_REBUILT, .slot = slot };

	return record_change_run(r, &c);
}

int record_progress(struct record *r)
{
	struct record_change c = { .kind = RECORD_PROGRESS };

	return record_change_run(r, &c);
}

int record_add(struct record *r, const u8 uuid[16], bool write_mostly, unsigned int *slot)
{
	struct record_change c = { .kind = RECORD_ADD, .uuid = uuid, .write_mostly = write_mostly };
	int ret = record_change_run(r, &c);

	*slot = c.slot;
	return ret;
}

int record_mark(struct record *r, unsigned int slot, bool write_mostly)
{
	struct record_change c = { .kind = RECORD_MARK, .slot = slot, .write_mostly = write_mostly };

	return record_change_run(r, &c);
}

int record_drop_slot(struct record *r, unsigned int slot, enum format_state state)
{
	struct record_change c = { .kind = RECORD_DROPPED, .slot = slot };
	u32 slots, stay;

	pthread_mutex_lock(&r->lock);
	slots = record_drop_locked(r, 1U << slot, &stay);
	if (state == FORMAT_STALE)
		r->stale |= slots;
	pthread_mutex_unlock(&r->lock);
	if (stay)
		return -EBUSY;
	if (slots)
		r->dropped(r->arg, slot, -ECANCELED);
	return record_change_run(r, &c);
}

int record_remove(struct record *r, unsigned int slot)
{
	struct record_change c = { .kind = RECORD_REMOVE, .slot = slot };
	/* So that it gets no write any more when the event is made. */
	int ret = record_drop_slot(r, slot, FORMAT_STALE);

	return ret ? ret : record_change_run(r, &c);
}
