// SPDX-License-Identifier: GPL-2.0
/* What is done to a ring's table while requests use it. */
#include "crowd.h"
#include "crowd_ring.h"

static void done(struct cring *c, enum crowd_kind kind, u32 len, int res)
{
	crowd_ended(crowd_kind_name(kind), c->nr, 0, res);
	if (!crowd_legal(kind, len, res, crowd->wrong))
		crowd_fail("%s: %s, which is not legal", crowd_kind_name(kind), res_str(res));
}

static void update(struct cring *c, struct rng *r)
{
	unsigned int slot = rng_below(r, CRING_SLOTS + 1), nr = rng_range(r, 1, 3);
	struct iovec iov[3] = {};

	for (unsigned int i = 0; i < nr; i++) {
		if (rng_chance(r, 50))
			iov[i] = (struct iovec){ c->area, 65536 };
	}
	crowd_began(crowd_kind_name(C_UPDATE), c->nr, slot, nr);
	done(c, C_UPDATE, nr, ring_update(&c->ring, slot, iov, NULL, nr));
}

/* Both may meet others who do the same. */
static void renew(struct cring *c)
{
	struct io_uring_rsrc_register sparse = {
		.nr = CRING_SLOTS, .flags = IORING_RSRC_REGISTER_SPARSE,
	};

	crowd_began(crowd_kind_name(C_TABLE_DROP), c->nr, 0, 0);
	done(c, C_TABLE_DROP, 0,
	     ring_register(&c->ring, IORING_UNREGISTER_BUFFERS, NULL, 0));
	crowd_began(crowd_kind_name(C_TABLE_NEW), c->nr, 0, 0);
	done(c, C_TABLE_NEW, 0,
	     ring_register(&c->ring, IORING_REGISTER_BUFFERS2, &sparse, sizeof(sparse)));
}

/* liburing's header has it not yet */
struct clone_buffers {
	u32 src_fd, flags, pad[6];
};

static void clone_table(struct cring *c, struct cring *other)
{
	struct clone_buffers arg = {};

	/* no circle: nobody else closes a thread's own */
	pthread_rwlock_rdlock(&other->open);
	arg.src_fd = other->ring.ring_fd;
	crowd_began(crowd_kind_name(C_CLONE), c->nr, other->nr, 0);
	done(c, C_CLONE, 0, ring_register(&c->ring, RING_REGISTER_CLONE_BUFFERS, &arg, 1));
	pthread_rwlock_unlock(&other->open);
}

void cring_table(struct cring *c, struct cring *other, struct rng *r)
{
	switch (rng_below(r, 4)) {
	case 0:
	case 1:
		update(c, r);
		break;
	case 2:
		renew(c);
		break;
	default:
		clone_table(c, other);
	}
}
