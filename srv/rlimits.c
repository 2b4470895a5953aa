// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <inttypes.h>
#include <sys/resource.h>

#include "log.h"
#include "rlimits.h"

/* 0, or -EPERM: *have is all that there can be. */
static int rlimit_raise(int resource, u64 need, u64 *have)
{
	struct rlimit rl;

	if (getrlimit(resource, &rl) || rl.rlim_cur == RLIM_INFINITY || rl.rlim_cur >= need)
		return 0;
	*have = rl.rlim_max;
	rl.rlim_cur = need;
	if (rl.rlim_max != RLIM_INFINITY && rl.rlim_max < need)
		rl.rlim_max = need;
	return setrlimit(resource, &rl) ? -EPERM : 0;
}

int rlimits_files(unsigned int nr)
{
	u64 have;

	if (!rlimit_raise(RLIMIT_NOFILE, nr, &have))
		return 0;
	log_err("the limit of open files, RLIMIT_NOFILE, is %" PRIu64 "; right is %u or more (ulimit -n, LimitNOFILE=)",
		have, nr);
	return -EMFILE;
}

int rlimits_file_size(u64 size)
{
	u64 have;

	if (!rlimit_raise(RLIMIT_FSIZE, size, &have))
		return 0;
	log_err("the limit of a file's size, RLIMIT_FSIZE, is %" PRIu64 " bytes, and legs have %" PRIu64
		"; right is no limit (ulimit -f, LimitFSIZE=)", have, size);
	return -EFBIG;
}
