// SPDX-License-Identifier: GPL-2.0
#include <string.h>

#include "identity.h"
#include "target.h"
#include "uuid.h"

#define IDENTITY_MAGIC		0x7262ULL
#define IDENTITY_MAGIC_SHIFT	48
#define IDENTITY_PART_BITS	24
#define IDENTITY_PART		((1ULL << IDENTITY_PART_BITS) - 1)

u32 identity_hash(const void *data, size_t len)
{
	const u8 *byte = data;
	u32 hash = 2166136261U;

	while (len--)
		hash = (hash ^ *byte++) * 16777619U;
	return hash;
}

u32 identity_of_legs(const char *target, const struct leg *legs, unsigned int nr)
{
	u32 sum = identity_hash(target, strlen(target));

	for (unsigned int i = 0; i < nr; i++) {
		const u64 words[] = { legs[i].is_blk, legs[i].dev, legs[i].ino };

		sum += identity_hash(words, sizeof(words));
	}
	return sum;
}

u64 identity_make(const struct target *t, u64 launch)
{
	const u8 *uuid;
	u64 made_of;

	/* What wraps a target does not change what the legs hold. */
	while (t->inner)
		t = t->inner;
	uuid = t->ops->uuid ? t->ops->uuid(t) : NULL;
	made_of = uuid ? identity_hash(uuid, UUID_BYTES) : identity_of_legs(t->ops->name, t->legs, t->nr_legs);
	if (t->ops->arrangement)
		made_of += t->ops->arrangement(t);
	return IDENTITY_MAGIC << IDENTITY_MAGIC_SHIFT |
	       (made_of & IDENTITY_PART) << IDENTITY_PART_BITS |
	       (launch & IDENTITY_PART);
}

bool identity_is_ours(u64 identity)
{
	return identity >> IDENTITY_MAGIC_SHIFT == IDENTITY_MAGIC;
}

bool identity_is_of_others(u64 a, u64 b)
{
	return identity_is_ours(a) && identity_is_ours(b) &&
	       ((a ^ b) >> IDENTITY_PART_BITS & IDENTITY_PART);
}
