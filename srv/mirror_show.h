/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A set as users and programs read it, whether it is served or not.
 */
#ifndef SRV_MIRROR_SHOW_H
#define SRV_MIRROR_SHOW_H

#include "json.h"
#include "targets/mirror/status.h"

/* One object, as `status --json` prints it. */
void mirror_show_json(struct json *j, const char *key, const struct mirror_status *s);
void mirror_show_text(const struct mirror_status *s, FILE *out);

/* "resync 45 %, 123.4 MiB/s, 0:01:30 left", of a set that has work. */
void mirror_show_progress(const struct mirror_status *s, char *text, size_t len);

#endif
