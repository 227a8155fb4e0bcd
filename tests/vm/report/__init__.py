# SPDX-License-Identifier: GPL-2.0
"""Reports of the matrix: what the guest said, as a table, a page, and for machines."""
