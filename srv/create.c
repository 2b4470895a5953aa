// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <string.h>

#include "create.h"
#include "ids.h"
#include "log.h"
#include "node.h"

static int create_add_failed(const struct device *d, int err)
{
	switch (err) {
	case EEXIST:
		log_err("device %u exists already: leave out -n for a free one, or 'regbuf del -n %u' first",
			d->id, d->id);
		break;
	case EPERM:
	case EACCES:
		log_err("making a ublk device: %s: this needs root (CAP_SYS_ADMIN)", strerror(err));
		break;
	default:
		log_err("making a ublk device: %s", strerror(err));
	}
	return -err;
}

/* Can the device that was just added be used? */
static int create_check_added(struct ctrl *c, const struct device *d, u64 flags)
{
	int ret;

	if ((flags & d->mode->ublk_flags) != d->mode->ublk_flags) {
		/* An old driver drops what it does not know. */
		log_err("mode %s: this kernel's ublk driver does not have it", d->mode->name);
		return -EOPNOTSUPP;
	}
	ret = node_check_names("", d->id);
	return ret ? ret : node_wait(NODE_CHAR, d->id, ctrl_get_devt(c, d->id, false));
}

int create_add(struct ctrl *c, struct device *d)
{
	struct ublksrv_ctrl_dev_info info = {
		.ublksrv_flags = d->identity,
		.nr_hw_queues = d->nr_queues,
		.queue_depth = d->depth,
		.max_io_buf_bytes = d->max_io,
		.dev_id = d->id,
		.flags = d->flags | d->mode->ublk_flags,
	};
	int ret = d->id == ID_ANY ? 0 : node_check_names("", d->id);

	if (ret)
		return ret;
	ret = ctrl_add_dev(c, &info);
	if (ret)
		return create_add_failed(d, -ret);
	d->id = info.dev_id;
	d->nr_queues = info.nr_hw_queues;
	ret = create_check_added(c, d, info.flags);
	if (ret)
		ctrl_del_dev(c, d->id);
	return ret;
}

int create_set_params(struct ctrl *c, const struct device *d)
{
	struct ublk_params params;
	int ret;

	limits_to_params(&d->target->lim, d->max_io, d->mode->lends, &params);
	ret = ctrl_set_params(c, d->id, &params);
	if (ret)
		log_err("device %u: parameters: %s", d->id, strerror(-ret));
	return ret;
}

int create_remove(const struct device *d)
{
	struct ublksrv_ctrl_dev_info info;
	struct ctrl c;
	int ret = ctrl_init(&c);

	if (ret)
		return ret;
	ret = ctrl_get_info(&c, d->id, &info);
	if (!ret && info.ublksrv_flags == d->identity) {
		ctrl_stop_dev(&c, d->id);
		ret = ctrl_del_dev(&c, d->id);
	}
	ctrl_deinit(&c);
	return ret;
}
