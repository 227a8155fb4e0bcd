// SPDX-License-Identifier: GPL-2.0
/* The names of the fault modes; see fault_mode.h */

#include "fault_mode.h"

#define DMIRAGE_FM_INFO(id, name, text) [DMIRAGE_FM_##id] = { name, text },

const struct dmirage_fault_mode_info dmirage_fault_modes[DMIRAGE_FM_MAX] = {
	DMIRAGE_FAULT_MODES(DMIRAGE_FM_INFO)
};
