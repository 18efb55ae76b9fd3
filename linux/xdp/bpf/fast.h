// SPDX-License-Identifier: GPL-2.0 OR Apache-2.0
#ifndef EVENKEEL_FAST_H
#define EVENKEEL_FAST_H
#endif
