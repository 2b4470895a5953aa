// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "caps.h"
#include "mainline.h"
#include "mode.h"
#include "modes/modes.h"

#define MODE_TABLE(mode)	&mode_##mode,
const struct mode_ops *const mode_list[] = { MODES(MODE_TABLE) NULL };
#undef MODE_TABLE

const char *mode_choices[1 + ARRAY_SIZE(mode_list)] = { MODE_BEST };

/* Tables of options are constant, and so is where they find the names: filled before main(). */
__attribute__((constructor)) static void mode_choices_init(void)
{
	for (unsigned int i = 0; mode_list[i]; i++)
		mode_choices[1 + i] = mode_list[i]->name;
}

const struct mode_ops *mode_find(const char *name)
{
	for (const struct mode_ops *const *m = mode_list; *m; m++)
		if (!strcmp((*m)->name, name))
			return *m;
	return NULL;
}

/* Where the server and its device have to agree. */
static u64 mode_data(u64 ublk_flags)
{
	/* A device that lends is read and written beside that: where it has to be asked for, in our modes too. */
	if (ublk_flags & UBLK_F_SUPPORT_ZERO_COPY)
		return ublk_flags & (UBLK_F_SUPPORT_ZERO_COPY | UBLK_F_AUTO_BUF_REG | UBLK_F_HANDOFF);
	return ublk_flags & (UBLK_F_USER_COPY | UBLK_F_NEED_GET_DATA);
}

bool mode_is_alike(const struct mode_ops *mode, u64 ublk_flags)
{
	return mode_data(mode->ublk_flags) == mode_data(ublk_flags);
}

void mode_names_of(u64 ublk_flags, char *names, size_t len)
{
	size_t used = 0;

	*names = '\0';
	for (const struct mode_ops *const *m = mode_list; *m && used < len; m++)
		if (mode_is_alike(*m, ublk_flags))
			used += snprintf(names + used, len - used, "%s%s", used ? ", " : "", (*m)->name);
}

int mode_check(const struct mode_ops *mode, const struct caps *caps, const char **missing)
{
	static const char *const ways[] = {
		[LENDS_BY_OPERATION]	= "io_uring's lent buffers (IORING_OP_LENT_BUF_REGISTER)",
		[LENDS_BY_FUSED]	= "io_uring's fused commands (IORING_OP_FUSED_CMD)",
		[LENDS_BY_COMMAND]	= "ublk's command that lends (UBLK_U_IO_REGISTER_IO_BUF)",
	};
	u64 lacking = mode->ublk_flags & ~caps->ublk;

	if (mode->lends && !caps->lends[mode->lends]) {
		*missing = ways[mode->lends];
		return -EOPNOTSUPP;
	}
	for (const struct cap_name *n = cap_names; n->bit; n++) {
		if (lacking & n->bit) {
			*missing = n->name;
			return -EOPNOTSUPP;
		}
	}
	return 0;
}

static const struct mode_ops *mode_first(const struct mode_ops *const *modes, const struct caps *caps, const u64 *alike)
{
	const char *missing;

	for (; *modes; modes++)
		if ((!alike || mode_is_alike(*modes, *alike)) && !mode_check(*modes, caps, &missing))
			return *modes;
	return NULL;
}

const struct mode_ops *mode_best(const struct caps *caps, const u64 *alike)
{
	static const struct mode_ops *const best[] = {
		&mode_handoff, &mode_auto, &mode_register, &mode_register_cmd, &mode_copy, NULL
	};
	const struct mode_ops *mode = mode_first(best, caps, alike);

	return mode || !alike ? mode : mode_first(mode_list, caps, alike);
}
