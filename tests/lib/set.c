// SPDX-License-Identifier: GPL-2.0
#include "cli.h"
#include "proc.h"
#include "set.h"
#include "tleg.h"
#include "ublkraw.h"

void set_leg(unsigned int leg, struct leginfo *l)
{
	leginfo_read(l, tleg_path(leg));
	must(!l->err, "leg %u: %s", leg, l->why.text);
}

u64 set_bits(unsigned int leg)
{
	struct leginfo_bits bits;
	struct leginfo l;

	set_leg(leg, &l);
	must(!leginfo_read_bits(&l, &bits), "leg %u: bitmap", leg);
	must(!bits.damaged, "leg %u: %u sectors of the bitmap are damaged", leg, bits.damaged);
	return bits.set;
}

void set_kill_server(int id)
{
	proc_kill_other(cli_pid(id));
	if (raw_dev_state(id) >= 0)
		cli_del(id);
}
