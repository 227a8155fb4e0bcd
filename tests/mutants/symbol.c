// SPDX-License-Identifier: GPL-2.0
/* Functions of the kernel by their names: see mutant.h. */

#define pr_fmt(fmt) "dmirage-mutants: " fmt

#include <linux/kallsyms.h>
#include <linux/kernel.h>
#include <linux/kprobes.h>
#include <linux/string.h>

#include "mutant.h"

static unsigned long (*lookup_name)(const char *name);

/* kallsyms_lookup_name() is not exported, but it can have a probe, which knows where. */
int symbol_init(void)
{
	struct kprobe probe = { .symbol_name = "kallsyms_lookup_name" };
	unsigned long addr;
	int ret;

	ret = register_kprobe(&probe);
	if (ret) {
		pr_err("kallsyms_lookup_name cannot be found: %d\n", ret);
		return ret;
	}
	addr = (unsigned long)probe.addr;
	unregister_kprobe(&probe);
	/* the probe is behind an ENDBR that the function may begin with */
	if (IS_ENABLED(CONFIG_X86_KERNEL_IBT))
		addr = ALIGN_DOWN(addr, 16);
	lookup_name = (void *)addr;
	return 0;
}

unsigned long symbol_address(const char *name)
{
	return lookup_name(name);
}

/* The next word of @names, and its length in @len; NULL: there is none. */
static const char *next_word(const char *names, size_t *len)
{
	names += strspn(names, " ");
	*len = strcspn(names, " ");
	return *len ? names : NULL;
}

bool symbol_is_one_of(unsigned long ret, const char *names)
{
	char name[KSYM_SYMBOL_LEN];
	const char *word;
	size_t len;

	/* a call may be the last thing that a function has */
	sprint_symbol_no_offset(name, ret - 1);
	for (; (word = next_word(names, &len)); names = word + len) {
		if (!strncmp(name, word, len) && !name[len])
			return true;
	}
	return false;
}

const char *symbol_missing(const char *names, char *buf, size_t size)
{
	const char *word;
	size_t len;

	for (; (word = next_word(names, &len)); names = word + len) {
		snprintf(buf, size, "%.*s", (int)len, word);
		if (!symbol_address(buf))
			return buf;
	}
	return NULL;
}
