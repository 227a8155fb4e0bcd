# SPDX-License-Identifier: GPL-2.0
"""Programs that are run alone and under dmirage observe: which, and whether that is the same."""
