// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "mirror_find.h"
#include "uuid.h"

int mirror_ask(struct mirror_found *f, u32 id, char *why)
{
	struct control_answer a;
	int ret = control_ask(id, 0, (const char *[]){ "status", NULL }, &a, why);

	*f = (struct mirror_found){ .id = id };
	if (ret)
		return ret;
	ret = a.err;
	if (ret) {
		snprintf(why, CONTROL_WHY_MAX, "%s", a.text);
	} else {
		ret = mirror_status_read(&f->status, a.text, a.len);
		if (ret)
			snprintf(why, CONTROL_WHY_MAX, "the server's answer is not understood: is it of this version?");
	}
	if (ret) {
		free(a.text);
		return ret;
	}
	f->text = a.text;
	snprintf(f->device, sizeof(f->device), "/dev/ublkb%u", id);
	f->status.device = f->device;
	return 0;
}

void mirror_found_free(struct mirror_found *f)
{
	free(f->text);
	f->text = NULL;
}

/* Nobody listens, or it is no set: either is of no interest.  Anything else has a reason to be told. */
static bool find_is_nobody(int err)
{
	return control_is_nobody(err) || err == -EOPNOTSUPP;
}

int mirror_sets_ask(struct mirror_sets *s, const char *cmd)
{
	char why[CONTROL_WHY_MAX];
	u32 *ids;
	int nr = control_servers(&ids, why);

	if (nr < 0)
		log_err("%s: the sockets of servers: %s", cmd, why);
	s->v = nr > 0 ? calloc(nr, sizeof(*s->v)) : NULL;
	if (nr > 0 && !s->v)
		nr = -ENOMEM;
	for (int i = 0; i < nr; i++) {
		struct mirror_found *f = &s->v[s->nr];
		int ret = mirror_ask(f, ids[i], why);

		if (ret && find_is_nobody(ret))
			continue;
		if (ret) {
			log_warn("%s: device %u: %s", cmd, ids[i], why);
			f->silent = true;
		}
		s->nr++;
	}
	free(ids);
	return nr < 0 ? nr : 0;
}

void mirror_sets_free(struct mirror_sets *s)
{
	for (unsigned int i = 0; i < s->nr; i++)
		mirror_found_free(&s->v[i]);
	free(s->v);
	*s = (struct mirror_sets){ 0 };
}

bool mirror_is_called(const struct mirror_status *s, const char *name)
{
	u8 uuid[UUID_BYTES];

	return !strcmp(s->name, name) || (uuid_parse(s->uuid, uuid) && uuid_is(name, uuid));
}

int mirror_sets_find(const struct mirror_sets *s, const char *cmd, const char *name,
		     const struct mirror_found **found)
{
	const struct mirror_found *silent = NULL;

	*found = NULL;
	for (unsigned int i = 0; i < s->nr; i++) {
		const struct mirror_found *f = &s->v[i];

		if (f->silent) {
			silent = f;
			continue;
		}
		if (!mirror_is_called(&f->status, name))
			continue;
		if (*found) {
			log_err("%s: two sets are called %s, %s and %s: give the UUID", cmd, name,
				(*found)->status.uuid, f->status.uuid);
			return -ENOTUNIQ;
		}
		*found = f;
	}
	if (*found)
		return 0;
	if (!silent)
		return -ENOENT;
	log_err("%s: the server of device %u does not answer: it may be the one of set %s", cmd, silent->id, name);
	return -EAGAIN;
}

int mirror_sets_served(struct mirror_sets *s, const char *cmd, const char *name,
		       const struct mirror_found **found)
{
	int ret = mirror_sets_ask(s, cmd);

	if (!ret)
		ret = mirror_sets_find(s, cmd, name, found);
	if (ret == -ENOENT)
		log_err("%s: set %s is not served by a server of this user", cmd, name);
	return ret;
}
