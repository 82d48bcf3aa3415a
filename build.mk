# SPDX-License-Identifier: GPL-2.0-only
# What every user-space Makefile shares: where things are built and with which
# flags. Include it with TOP set to the checkout.
#
#   SAN=address,undefined   a sanitized build, beside the plain one
#   WERROR=1                a warning is an error, as in tests/check: a compiler of
#                           tomorrow has others, and users have it, too
#   V=1                     show the commands
#
# CC, PKG_CONFIG, CFLAGS, CPPFLAGS and LDFLAGS are the user's, from the environment
# or as make's variables; cross-builds need no others.

TOP	:= $(abspath $(TOP))
VERSION	:= 0.1.0
comma	:= ,
B	?= $(TOP)/build/$(if $(SAN),san-$(subst $(comma),-,$(SAN)),user)

CC	?= gcc
PKG_CONFIG ?= pkg-config
CFLAGS	?= -O2 -g
WARN	:= -Wall -Wextra $(if $(WERROR),-Werror) -Wstrict-prototypes -Wmissing-prototypes \
	   -Wshadow -Wpointer-arith -Wno-unused-parameter
SANFLAGS := $(if $(SAN),-fsanitize=$(SAN) -fno-omit-frame-pointer \
	   -fno-sanitize-recover=all)
override CPPFLAGS += -D_GNU_SOURCE -I$(TOP)/lib -isystem $(TOP)/include/uapi
ALL_CFLAGS = -std=gnu11 $(WARN) $(CFLAGS) $(SANFLAGS) $(CPPFLAGS) -MD -MP
ALL_LDFLAGS = $(SANFLAGS) $(LDFLAGS)

# What is built finds its library beside it; what is installed needs no help.
RPATH	?= -Wl,-rpath,'$$ORIGIN'

Q	:= $(if $(V),,@)
say	= $(if $(V),,@printf '  %-7s %s\n' $(1) $(patsubst $(TOP)/%,%,$(2));)
