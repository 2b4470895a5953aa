// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <string.h>
#include <sys/pidfd.h>
#include <unistd.h>

#include "identity.h"
#include "log.h"
#include "node.h"
#include "recover.h"

/* A dead server's end takes its time: the I/O that it had in work. */
#define RECOVER_BUSY_MS		10000
#define RECOVER_POLL_MS		10
/* One that was killed and is not dead yet. */
#define RECOVER_DYING_MS	2000

static bool recover_same_size(const struct limits *lim, const struct ublk_params *p)
{
	return p->basic.dev_sectors << SECTOR_SHIFT == lim->size &&
	       1U << p->basic.logical_bs_shift == lim->lbs;
}

enum recover_answer recover_decide(const struct device *d, bool force,
				   const struct ublksrv_ctrl_dev_info *info,
				   const struct ublk_params *p)
{
	const struct limits *lim = &d->target->lim;

	if (!(info->flags & UBLK_F_USER_RECOVERY))
		return RECOVER_NOT_MADE_FOR_IT;
	if (!mode_is_alike(d->mode, info->flags))
		return RECOVER_OTHER_MODE;
	if (!recover_same_size(lim, p))
		return RECOVER_OTHER_SIZE;
	if (lim->volatile_cache && !(p->basic.attrs & UBLK_ATTR_VOLATILE_CACHE))
		return RECOVER_NO_CACHE;
	if (!identity_is_of_others(info->ublksrv_flags, d->identity))
		return RECOVER_TAKEN;
	return force ? RECOVER_FORCED : RECOVER_OTHER_LEGS;
}

struct recover_shape recover_shape(const struct device *d, const struct ublk_params *p)
{
	struct recover_shape shape = { 0 };
	struct ublk_params want;
	u32 has;

	/* Others have buffers that fit any leg. */
	if (!d->mode->lends)
		return shape;
	limits_to_params(&d->target->lim, LIMITS_DEF_IO, true, &want);
	has = p->types & UBLK_PARAM_TYPE_DMA_ALIGN ? p->dma.alignment : SECTOR_SIZE - 1;
	if (want.dma.alignment > has) {
		shape.has_align = has + 1;
		shape.wants_align = want.dma.alignment + 1;
	}
	if (want.basic.virt_boundary_mask & ~p->basic.virt_boundary_mask) {
		shape.has_mask = p->basic.virt_boundary_mask;
		shape.wants_mask = want.basic.virt_boundary_mask;
	}
	return shape;
}

static void recover_tell_shape(const struct device *d, const struct ublk_params *p)
{
	const struct recover_shape shape = recover_shape(d, p);

	if (shape.wants_align)
		log_warn("device %u: its requests are aligned to %u bytes, these legs want %u: what they refuse is copied, which is slower",
			 d->id, shape.has_align, shape.wants_align);
	if (shape.wants_mask)
		log_warn("device %u: its requests have the boundary mask %#" PRIx64 ", these legs want %#" PRIx64 ": what they refuse is copied, which is slower",
			 d->id, shape.has_mask, shape.wants_mask);
}

static void recover_log_other_mode(const struct device *d, u64 flags)
{
	char names[128];

	mode_names_of(flags, names, sizeof(names));
	log_err("device %u: it was made in another mode than %s; right is one of %s",
		d->id, d->mode->name, names);
}

/* The answer's message, if there is one to give. */
static void recover_log(const struct device *d, enum recover_answer answer,
			const struct ublksrv_ctrl_dev_info *info, const struct ublk_params *p)
{
	switch (answer) {
	case RECOVER_TAKEN:
		break;
	case RECOVER_FORCED:
		log_warn("device %u: forced: the next recover has to be, too, with these legs; the ones it was made of are taken without it, and are stale",
			 d->id);
		break;
	case RECOVER_NOT_MADE_FOR_IT:
		log_err("device %u: it was not made with --recovery", d->id);
		break;
	case RECOVER_OTHER_MODE:
		recover_log_other_mode(d, info->flags);
		break;
	case RECOVER_OTHER_SIZE:
		log_err("device %u: it has %" PRIu64 " bytes in blocks of %u, the legs %" PRIu64 " in blocks of %u; right are the --size and --block that it was made with",
			d->id, (u64)p->basic.dev_sectors << SECTOR_SHIFT,
			1U << p->basic.logical_bs_shift, d->target->lim.size, d->target->lim.lbs);
		break;
	case RECOVER_NO_CACHE:
		log_err("device %u: it has no write cache, as the legs that it was made of, so no flush would reach these, which have one; right are legs that write through (queue/write_cache; a file never does)",
			d->id);
		break;
	case RECOVER_OTHER_LEGS:
		log_err("device %u: it was made as another target, or of other legs; --force takes these nevertheless",
			d->id);
		break;
	}
}

static int recover_check(const struct device *d, bool force,
			 const struct ublksrv_ctrl_dev_info *info, const struct ublk_params *p)
{
	enum recover_answer answer = recover_decide(d, force, info, p);

	recover_log(d, answer, info, p);
	if (answer > RECOVER_FORCED)
		return -EINVAL;
	recover_tell_shape(d, p);
	return node_check_names("", d->id);
}

/* Until the dead server's end it is -EBUSY. */
static int recover_command(struct ctrl *c, u32 id)
{
	int ret = -EBUSY;

	for (int ms = 0; ms < RECOVER_BUSY_MS && ret == -EBUSY; ms += RECOVER_POLL_MS) {
		ret = ctrl_start_recovery(c, id);
		if (ret == -EBUSY)
			usleep(RECOVER_POLL_MS * 1000);
	}
	if (ret)
		log_err("device %u: recovery: %s", id, strerror(-ret));
	return ret;
}

int recover_start(struct ctrl *c, struct device *d, bool force)
{
	struct ublksrv_ctrl_dev_info info;
	struct ublk_params params;
	int ret = ctrl_get_info(c, d->id, &info);

	if (!ret)
		ret = ctrl_get_params(c, d->id, &params);
	if (ret) {
		log_err("device %u: %s", d->id, strerror(-ret));
		return ret;
	}
	ret = recover_check(d, force, &info, &params);
	if (ret)
		return ret;
	d->nr_queues = info.nr_hw_queues;
	d->depth = info.queue_depth;
	d->max_io = info.max_io_buf_bytes;
	d->identity = info.ublksrv_flags;
	/* What was promised once is kept. */
	if (info.flags & UBLK_F_STABLE_PAGES)
		d->stable = STABLE_ALWAYS;
	return recover_command(c, d->id);
}

/* By its descriptor, which also tells of one that is dead and that its parent has not waited for. */
bool recover_pid_ends(int pid, unsigned int ms)
{
	struct pollfd pfd = { .fd = pidfd_open(pid, 0), .events = POLLIN };
	bool ended;

	if (pfd.fd < 0)
		return errno == ESRCH;
	ended = poll(&pfd, 1, ms) > 0;
	close(pfd.fd);
	return ended;
}

int recover_wait_dead(struct ctrl *c, u32 id, u64 *flags)
{
	struct ublksrv_ctrl_dev_info info;
	int ret = ctrl_get_info(c, id, &info);

	if (ret) {
		log_err("device %u: %s", id, ret == -ENODEV ? "there is none" : strerror(-ret));
		return ret;
	}
	*flags = info.flags;
	if (info.state != UBLK_S_DEV_LIVE || info.ublksrv_pid <= 0 ||
	    recover_pid_ends(info.ublksrv_pid, RECOVER_DYING_MS))
		return 0;
	log_err("device %u: its server lives, it is process %d", id, info.ublksrv_pid);
	return -EBUSY;
}
