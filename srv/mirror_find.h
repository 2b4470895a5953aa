/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Sets that are served, by their servers: who serves set NAME is found by asking all servers of
 * this user.  A name in a file would have to go when the server goes, however that ends.
 */
#ifndef SRV_MIRROR_FIND_H
#define SRV_MIRROR_FIND_H

#include "control_ask.h"
#include "targets/mirror/status.h"

/*
 * struct mirror_found - a set that is served, and what its server said
 * @silent: the server of device @id does not answer, and this is all that is known
 * @text, @device: what @status points to, so it must not be copied
 */
struct mirror_found {
	u32 id;
	bool silent;
	char *text;
	char device[24];
	struct mirror_status status;
};

/*
 * struct mirror_sets - all of them, at one time
 * Of the command; zeroed before, mirror_sets_free() after, also after an error.
 */
struct mirror_sets {
	struct mirror_found *v;
	unsigned int nr;
};

/* Asks all servers.  0, or -errno after a message of @cmd. */
int mirror_sets_ask(struct mirror_sets *s, const char *cmd);
void mirror_sets_free(struct mirror_sets *s);

/*
 * The set that is called @name, or has this UUID, in *found.  0; -ENOENT without a message: it is
 * not served; -ENOTUNIQ, or -EAGAIN when a server is silent, after a message.
 */
int mirror_sets_find(const struct mirror_sets *s, const char *cmd, const char *name,
		     const struct mirror_found **found);

/* Both, for what is done with a set that is served: 0, or -errno after a message. */
int mirror_sets_served(struct mirror_sets *s, const char *cmd, const char *name,
		       const struct mirror_found **found);

/* Asks the server of device @id only: 0, and *f to be freed; or -errno with nothing in it. */
int mirror_ask(struct mirror_found *f, u32 id, char *why);
void mirror_found_free(struct mirror_found *f);

/* Is it the set's name, or its UUID in whatever case? */
bool mirror_is_called(const struct mirror_status *s, const char *name);

#endif
