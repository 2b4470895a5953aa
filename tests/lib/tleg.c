// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "cli.h"
#include "sh.h"
#include "tleg.h"

#define MAPPER		"/dev/mapper"
#define NULLB		"/sys/kernel/config/nullb"

enum tleg_kind { TLEG_NONE, TLEG_NULL, TLEG_FILE, TLEG_LOOP, TLEG_OVER };

/* Those of this test.  What is left of earlier ones has only its name. */
static struct tleg {
	enum tleg_kind kind;
	char name[32];
	char path[64];
	int loop;		/* TLEG_LOOP: its descriptor, which keeps it */
	u64 sectors;		/* TLEG_OVER */
	char below[64];		/* TLEG_OVER */
} legs[TLEGS_MAX];

/* The lines of a table, each of sectors and the disk below. */
static const char *const fault_tables[NR_TLEG_FAULTS] = {
	[TLEG_GOOD] = "0 %llu linear %s 0",
	[TLEG_ERROR] = "0 %llu error",
	[TLEG_WRITE_ERROR] = "0 %llu flakey %s 0 0 1 1 error_writes",
	[TLEG_SLOW] = "0 %llu delay %s 0 100",
	[TLEG_BAD_SECTORS] = "0 %llu dust %s 0 512",
};

_Static_assert(TLEG_SLOW_MS == 100, "it stands in the table");

static struct tleg *tleg_get(unsigned int nr)
{
	must(nr < TLEGS_MAX, "leg %u: there are %u", nr, TLEGS_MAX);
	return &legs[nr];
}

static struct tleg *tleg_of(unsigned int nr, enum tleg_kind kind)
{
	struct tleg *leg = tleg_get(nr);

	must(leg->kind == kind, "leg %u is of another kind", nr);
	return leg;
}

static struct tleg *tleg_begin(unsigned int nr, enum tleg_kind kind)
{
	struct tleg *leg = tleg_get(nr);

	tleg_remove(nr);
	leg->kind = kind;
	snprintf(leg->name, sizeof(leg->name), DISK_NULL_PREFIX "leg%u", nr);
	return leg;
}

static void write_file(const char *path, const char *text)
{
	int fd = file_open(path, O_WRONLY);

	must(write(fd, text, strlen(text)) > 0, "%s: %s: %s", path, text, strerror(errno));
	close(fd);
}

const char *tleg_null(unsigned int nr, const struct null_disk *opt)
{
	struct tleg *leg = tleg_begin(nr, TLEG_NULL);

	disk_null(leg->name, opt ?: &(struct null_disk){ 0 }, -1);
	snprintf(leg->path, sizeof(leg->path), "%s", disk_null_path(leg->name));
	return leg->path;
}

void tlegs_slow(const char **paths, unsigned int nr, unsigned int mb)
{
	for (unsigned int i = 0; i < nr; i++)
		paths[i] = tleg_null(i, &(struct null_disk){ .mb = mb, .delay_us = 3000 });
}

const char *tleg_file(unsigned int nr, u64 size)
{
	struct tleg *leg = tleg_begin(nr, TLEG_FILE);
	int fd;

	snprintf(leg->path, sizeof(leg->path), "/tmp/" DISK_NULL_PREFIX "leg%u", nr);
	unlink(leg->path);
	fd = open(leg->path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	must(fd >= 0 && !ftruncate(fd, size), "%s: %s", leg->path, strerror(errno));
	close(fd);
	return leg->path;
}

const char *tleg_loop(unsigned int nr, const char *file, int flags)
{
	struct tleg *leg = tleg_begin(nr, TLEG_LOOP);
	int fd = file_open(file, flags);
	char link[32];
	ssize_t len;

	leg->loop = disk_loop(fd, 0);
	close(fd);
	snprintf(link, sizeof(link), "/proc/self/fd/%d", leg->loop);
	len = readlink(link, leg->path, sizeof(leg->path) - 1);
	must(len > 0, "%s: %s", link, strerror(errno));
	leg->path[len] = '\0';
	return leg->path;
}

static u64 sectors_of(const char *disk)
{
	int fd = file_open(disk, O_RDONLY);
	u64 size;

	must(!ioctl(fd, BLKGETSIZE64, &size), "%s: %s", disk, strerror(errno));
	close(fd);
	return size / 512;
}

/* Formats that leave the disk out take one argument less, which C allows. */
static const char *table_of(const struct tleg *leg, enum tleg_fault fault)
{
	static char table[160];

	must(fault < NR_TLEG_FAULTS, "fault %d", fault);
	snprintf(table, sizeof(table), fault_tables[fault], (unsigned long long)leg->sectors, leg->below);
	return table;
}

static const char *over(unsigned int nr, const char *below, const char *option)
{
	struct tleg *leg = tleg_begin(nr, TLEG_OVER);

	snprintf(leg->path, sizeof(leg->path), MAPPER "/" DISK_NULL_PREFIX "leg%u", nr);
	snprintf(leg->below, sizeof(leg->below), "%s", below);
	leg->sectors = sectors_of(below);
	need(!sh("dmsetup create %s %s --noudevsync --table \"%s\"", leg->name, option,
		 table_of(leg, TLEG_GOOD)), "dmsetup, which makes a disk over %s", below);
	return leg->path;
}

const char *tleg_over(unsigned int nr, const char *below)
{
	return over(nr, below, "");
}

const char *tleg_over_readonly(unsigned int nr, const char *below)
{
	return over(nr, below, "--readonly");
}

const char *tleg_path(unsigned int nr)
{
	struct tleg *leg = tleg_get(nr);

	must(leg->kind != TLEG_NONE, "leg %u is not made", nr);
	return leg->path;
}

int tleg_open(unsigned int nr, int flags)
{
	return file_open(tleg_path(nr), flags);
}

void tleg_set(unsigned int nr, const char *attr, const char *value)
{
	char path[160];
	struct stat st;

	must(!stat(tleg_path(nr), &st) && S_ISBLK(st.st_mode), "%s: no disk", tleg_path(nr));
	snprintf(path, sizeof(path), "/sys/dev/block/%u:%u/%s", major(st.st_rdev), minor(st.st_rdev), attr);
	write_file(path, value);
}

static void null_bad(const struct tleg *leg, u32 first, u32 last)
{
	char path[96], range[32];

	snprintf(path, sizeof(path), NULLB "/%s/badblocks", leg->name);
	snprintf(range, sizeof(range), "+%u-%u", first, last);
	write_file(path, range);
}

void tleg_suspend(unsigned int nr)
{
	must(!sh("dmsetup suspend --nolockfs --noflush %s", tleg_of(nr, TLEG_OVER)->name), "dmsetup suspend");
}

void tleg_resume(unsigned int nr)
{
	must(!sh("dmsetup resume --noudevsync %s", tleg_of(nr, TLEG_OVER)->name), "dmsetup resume");
}

void tleg_break(unsigned int nr, enum tleg_fault fault)
{
	struct tleg *leg = tleg_of(nr, TLEG_OVER);

	tleg_suspend(nr);
	must(!sh("dmsetup reload %s --table \"%s\"", leg->name, table_of(leg, fault)), "dmsetup: %s",
	     table_of(leg, fault));
	tleg_resume(nr);
}

void tleg_bad(unsigned int nr, u32 first, u32 last)
{
	struct tleg *leg = tleg_get(nr);

	if (leg->kind == TLEG_NULL) {
		null_bad(leg, first, last);
		return;
	}
	tleg_break(nr, TLEG_BAD_SECTORS);
	must(!sh("for n in $(seq %u %u); do dmsetup message %s 0 addbadblock $n || exit; done; "
		 "dmsetup message %s 0 enable", first, last, leg->name, leg->name), "dmsetup message");
}

void tleg_switch(unsigned int nr, const char *below)
{
	struct tleg *leg = tleg_of(nr, TLEG_OVER);

	must(sectors_of(below) == leg->sectors, "%s: another size", below);
	snprintf(leg->below, sizeof(leg->below), "%s", below);
	tleg_break(nr, TLEG_GOOD);
}

/* Nothing at all, if it is not there. */
static void over_remove(const char *name)
{
	sh("dmsetup remove --noudevsync --retry %s 2> /dev/null", name);
}

void tleg_remove(unsigned int nr)
{
	struct tleg *leg = tleg_get(nr);

	switch (leg->kind) {
	case TLEG_NONE:
		break;
	case TLEG_NULL:
		disk_null_remove(leg->name);
		break;
	case TLEG_FILE:
		unlink(leg->path);
		break;
	case TLEG_LOOP:
		close(leg->loop);
		break;
	case TLEG_OVER:
		over_remove(leg->name);
		break;
	}
	leg->kind = TLEG_NONE;
}

static void over_resume(const char *name)
{
	sh("dmsetup resume --noudevsync %s 2> /dev/null", name);
}

static void file_remove(const char *name)
{
	char path[300];

	snprintf(path, sizeof(path), "/tmp/%s", name);
	unlink(path);
}

void tlegs_resume(void)
{
	disk_for_ours(MAPPER, over_resume);
}

/* From the top down: a disk below another is in use. */
void tlegs_remove(void)
{
	disk_for_ours(MAPPER, over_remove);
	for (unsigned int nr = 0; nr < TLEGS_MAX; nr++)
		tleg_remove(nr);
	disk_for_ours("/tmp", file_remove);
	disk_null_sweep();
}

void tlegs_sweep(void)
{
	tlegs_resume();
	cli_sweep();
	tlegs_remove();
}
