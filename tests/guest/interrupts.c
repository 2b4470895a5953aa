// SPDX-License-Identifier: GPL-2.0
/*
 * Legs whose I/O ends in the interrupts of real drivers, under locks of theirs: NVMe, virtio-blk, and the
 * SCSI layer over scsi_debug.  What gives a loan back where the I/O ends, and ends the client's request
 * there, does it in all of them.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "cli.h"
#include "dev.h"
#include "types.h"
#include "ublkraw.h"
#include "verify.h"

#define RUN_MS	400

static void setup(void)
{
	raw_need();
	cli_sweep();
}

TestSuite(interrupts, .init = setup, .fini = cli_sweep, .timeout = 240);

/*
 * struct kind - a disk that is there for tests only
 * @attribute: pattern of a file in sysfs that tells that by its text
 */
static const struct kind {
	const char *name, *attribute, *text;
} nvme = { "NVMe", "/sys/block/nvme*n1/device/serial", "lend-nvme" },
  virtio = { "virtio-blk", "/sys/block/vd*/serial", "lend-disk" },
  scsi = { "scsi_debug", "/sys/block/sd*/device/model", "scsi_debug" };

/* Its path in @path, of 32 bytes; zeroed all over.  Returns its size. */
static u64 blank(const struct kind *k, char *path)
{
	u64 range[2] = { 0 };
	char name[16];
	int fd;

	need(dev_find(k->attribute, k->text, name, sizeof(name)), "no %s disk that calls itself %s", k->name, k->text);
	snprintf(path, 32, "/dev/%s", name);
	fd = open(path, O_RDWR | O_CLOEXEC | O_EXCL);
	must(fd >= 0 && !ioctl(fd, BLKGETSIZE64, &range[1]) && !ioctl(fd, BLKZEROOUT, range), "%s: %s", path,
	     strerror(errno));
	close(fd);
	return range[1];
}

/* The device that was added as @what; all of @legs have the data then, which is the same from mode to mode. */
static void is_verified(int id, struct disk_model *model, u32 seed, const char *const *legs, const char *what)
{
	struct verify *v = verify_start(id, model, seed, VERIFY_NO_ERROR);

	verify_runs(v, what);
	sleep_ms(RUN_MS);
	verify_stop(v, what);
	cli_del(id);
	for (; *legs; legs++)
		disk_model_is(model, *legs, what);
	cli_nothing_left(what);
}

static void serves_in_every_mode(const struct kind *k)
{
	char path[32], what[64];
	struct disk_model *model;

	model = disk_model_alloc(blank(k, path));
	for (unsigned int m = 0; m < cli_modes(); m++) {
		snprintf(what, sizeof(what), "%s, mode %s", k->name, cli_mode(m));
		is_verified(cli_add(CLI("add", "-t", "loop", "-m", cli_mode(m), "-d", "16", "-l", path)), model, m + 1,
			    (const char *[]){ path, NULL }, what);
	}
}

Test(interrupts, of_nvme)
{
	serves_in_every_mode(&nvme);
}

Test(interrupts, of_virtio)
{
	serves_in_every_mode(&virtio);
}

Test(interrupts, of_scsi)
{
	serves_in_every_mode(&scsi);
}

/* The last of two to end ends the request: by turns in the one's interrupt and the other's. */
Test(interrupts, of_two_kinds)
{
	char paths[2][32], what[64];
	struct disk_model *model;
	u64 size = blank(&nvme, paths[0]);

	cr_assert_eq(blank(&virtio, paths[1]), size);
	model = disk_model_alloc(size);
	for (unsigned int m = 0; m < cli_modes(); m++) {
		snprintf(what, sizeof(what), "two kinds, mode %s", cli_mode(m));
		is_verified(cli_add(CLI("add", "-t", "mirror", "-m", cli_mode(m), "-d", "16", "-l", paths[0], "-l", paths[1])),
			    model, 100 + m, (const char *[]){ paths[0], paths[1], NULL }, what);
	}
}
