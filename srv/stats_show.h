/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What `regbuf stat` prints, of a device.
 */
#ifndef SRV_STATS_SHOW_H
#define SRV_STATS_SHOW_H

#include "json.h"
#include "resume.h"
#include "stats_line.h"

/*
 * struct stats_device - a device whose server was asked
 * @name: "": it has none
 * @now: its counters; for stats_show_text() and stats_show_json() what was added within @ns
 */
struct stats_device {
	u32 id;
	char name[RESUME_NAME_MAX + 1];
	struct stats_sample now;
	u64 ns;
};

/* struct stats_form - what is shown beside the device's own line */
struct stats_form {
	bool legs, queues;
};

void stats_show_head(FILE *out);
void stats_show_text(FILE *out, const struct stats_device *d, struct stats_form form);
/* An object, with all. */
void stats_show_json(struct json *j, const struct stats_device *d);
/* Counters of all, as the text that Prometheus reads (https://prometheus.io/docs/instrumenting/exposition_formats/). */
void stats_show_prometheus(FILE *out, const struct stats_device *v, unsigned int nr);

#endif
