// SPDX-License-Identifier: GPL-2.0
/*
 * Requests that time out all the time, on a device of two queues whose servers are
 * killed and replaced: a queue may be without a daemon when its timeout looks at it,
 * and what one server's end has started must not meet the next one.
 */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"
#include "dev.h"
#include "proc.h"
#include "tleg.h"
#include "tmpfile.h"
#include "ublkraw.h"
#include "verify.h"

#define MB		16
#define ROUNDS		12
#define TIMEOUT_MS	"8"	/* two jiffies: shorter than what the disk takes */

static const char *leg;

static void setup(void)
{
	raw_need();
	tlegs_sweep();
	leg = tleg_null(0, &(struct null_disk){ .mb = MB, .delay_us = 30000 });
}

TestSuite(ublk_timeout, .init = setup, .fini = tlegs_sweep, .timeout = 240);

static void recover(int id)
{
	static struct cli c;

	cli_run(&c, CLI("recover", "-n", cli_id(id), "-t", "loop", "-m", "register", "-l", leg));
	must(!c.status, "recover: status %d: %s", c.status, c.err);
}

Test(ublk_timeout, of_a_device_that_is_recovered_again_and_again)
{
	struct disk_model *m = disk_model_alloc(MB << 20);
	int id = cli_add(CLI("add", "-t", "loop", "-m", "register", "-l", leg, "-q", "2",
			     "-d", "16", "--recovery", "--reissue"));
	struct verify *v;

	dev_set(id, "queue/io_timeout", TIMEOUT_MS);
	v = verify_start(id, m, 1, VERIFY_NO_ERROR);
	for (unsigned int i = 0; i < ROUNDS; i++) {
		verify_runs(v, "before the server is killed");
		/* some time into its life, also when the next timeouts are under way */
		sleep_ms(20 + 7 * i);
		proc_kill_other(cli_pid(id));
		recover(id);
		must(raw_dev_state(id) == UBLK_S_DEV_LIVE, "round %u: state %d", i,
		     raw_dev_state(id));
	}
	/* nothing that an earlier server's end has started takes this one away */
	sleep_ms(NEVER_MS);
	must(raw_dev_state(id) == UBLK_S_DEV_LIVE, "state %d", raw_dev_state(id));
	verify_runs(v, "at the end");
	verify_stop(v, "recovered");
	cli_del(id);
	disk_model_is(m, leg, "the disk");
}
