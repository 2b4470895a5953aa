// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "inbox.h"

int inbox_init(struct inbox *in)
{
	in->fd = eventfd(0, EFD_CLOEXEC);
	if (in->fd < 0)
		return -errno;
	pthread_mutex_init(&in->lock, NULL);
	in->first = NULL;
	in->last = &in->first;
	in->owned = in->own = false;
	return 0;
}

void inbox_deinit(struct inbox *in)
{
	close(in->fd);
	pthread_mutex_destroy(&in->lock);
}

void inbox_post(struct inbox *in, struct inbox_item *item)
{
	static const u64 one = 1;
	bool empty, own;

	item->next = NULL;
	pthread_mutex_lock(&in->lock);
	empty = !in->first;
	own = in->owned && pthread_equal(in->owner, pthread_self());
	*in->last = item;
	in->last = &item->next;
	pthread_mutex_unlock(&in->lock);
	/* The owner looks by itself; of others, whoever found it empty tells. */
	if (own)
		in->own = true;
	else if (empty && write(in->fd, &one, sizeof(one)) != sizeof(one))
		abort();
}

void inbox_ask(struct inbox *in, struct inbox_look *look)
{
	if (atomic_exchange(&look->asked, true))
		return;
	look->item.kind = INBOX_LOOK;
	inbox_post(in, &look->item);
}

void inbox_own(struct inbox *in)
{
	pthread_mutex_lock(&in->lock);
	in->owner = pthread_self();
	in->owned = true;
	pthread_mutex_unlock(&in->lock);
}

struct inbox_item *inbox_take(struct inbox *in)
{
	struct inbox_item *item;

	in->own = false;
	pthread_mutex_lock(&in->lock);
	item = in->first;
	in->first = NULL;
	in->last = &in->first;
	pthread_mutex_unlock(&in->lock);
	return item;
}
